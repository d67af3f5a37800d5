//! Reads the project's own source files, for the tests that hold its rules.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file by its path below the project's root, with `/` between folders.
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    /// The lines of the product: without comments, and without the unit tests at the end.
    pub fn code(&self) -> impl Iterator<Item = &str> {
        let tests = self.text.lines().position(|line| line == "mod tests {").unwrap_or(usize::MAX);
        self.text.lines().take(tests).filter(|line| !line.trim_start().starts_with("//"))
    }
}

/// Every Rust file below a folder of the project, sorted.
pub fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join(folder), &mut files);
    files.sort();
    let relative = |path: &Path| path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
    files.iter().map(|path| Source { path: relative(path), text: fs::read_to_string(path).unwrap() }).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
