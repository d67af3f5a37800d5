//! The folder that file names are relative to, and the files that were read there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by a table and all tables below it.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
    files: ConfigFiles,
}

/// The files that a [`ConfigTable`](crate::ConfigTable) and the tables below it name and that are read with it:
/// secrets, key sets, certificates. For whoever wants to notice that one has changed.
#[derive(Debug, Clone, Default)]
pub struct ConfigFiles(Arc<Mutex<Vec<PathBuf>>>);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Folder { path, files: ConfigFiles::default() }
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = self.join(name);
        self.files.add(&file);
        std::fs::read(file)
    }

    pub(super) fn files(&self) -> ConfigFiles {
        self.files.clone()
    }
}

impl ConfigFiles {
    fn add(&self, file: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(file.to_owned());
    }

    /// Those that were read so far, found or not.
    pub fn read_so_far(&self) -> Vec<PathBuf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
