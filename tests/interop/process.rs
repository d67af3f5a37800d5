//! A server of another maker as a child process.

use std::io::{BufRead, BufReader, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// The folder of the set-up files and of the installed packages.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// A running server. It speaks in lines, `READY {..}`, obeys lines, and ends with its standard input.
pub struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a set-up file of node whose package is installed, and returns what it says of itself; none where it is not.
    pub fn node(script: &str, package: &str) -> Option<(Self, Value)> {
        if !folder().join("node_modules").join(package).is_dir() {
            return skip(&format!("the npm package {package} is not installed (`npm ci` in tests/interop)"));
        }
        if !is_there("node") {
            return skip("node is not installed");
        }
        let version = Command::new("node").args(["--print", "process.versions.node.split('.')[0]"]).output().unwrap();
        let version = String::from_utf8_lossy(&version.stdout);
        if version.trim().parse().is_ok_and(|major: u32| major < 20) {
            return skip("node is older than version 20");
        }
        Some(Server::start(Command::new("node").arg(folder().join(script))))
    }

    /// Starts a set-up file of Python where these programs are there.
    pub fn python(script: &str, programs: &[&str]) -> Option<(Self, Value)> {
        match programs.iter().chain(&["python3"]).find(|program| !is_there(program)) {
            Some(missing) => skip(&format!("{missing} is not installed")),
            None => Some(Server::start(Command::new("python3").arg(folder().join(script)))),
        }
    }

    /// The same with Debian's own Python, which finds Debian's packages, where this module is there.
    pub fn debian_python(script: &str, module: &str) -> Option<(Self, Value)> {
        const PYTHON: &str = "/usr/bin/python3";
        let import = format!("import {module}");
        let found = Command::new(PYTHON).args(["-c", &import]).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            return skip(&format!("the Debian package with the Python module {module} is not installed"));
        }
        Some(Server::start(Command::new(PYTHON).arg(folder().join(script))))
    }

    fn start(command: &mut Command) -> (Self, Value) {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut server = Server { child, stdin, stdout };
        let about = server.answer();
        (server, about)
    }

    /// Sends one line; what the server says when it has done so.
    pub fn tell(&mut self, line: &str) -> Value {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "the server ended");
            if let Some(json) = line.strip_prefix("READY ") {
                return serde_json::from_str(json).unwrap();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input lets it stop what it started itself.
        drop(self.stdin.take());
        for _ in 0..50 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_there(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// Written past the test's captured output, so that it is read.
fn skip<T>(reason: &str) -> Option<T> {
    assert!(std::env::var_os("TOWER_BEARER_INTEROP").is_none_or(|value| value != "all"), "{reason}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(stderr(), "skipped: {test}: {reason}");
    None
}
