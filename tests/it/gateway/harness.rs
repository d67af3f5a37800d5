//! Starts the gateway's binary with a file of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::Request;
use tower_bearer::testing::TestIssuer;

use super::RESOURCE;
use super::client::{Reply, eventually, send};
use crate::examples::example;

/// Longest wait for anything that a process does.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A folder of its own for one gateway, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("gateway-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The top of a file that trusts this issuer; further top-level keys may follow.
pub fn top(issuer: &TestIssuer) -> String {
    let url = issuer.url();
    format!("resource = \"{RESOURCE}\"\nissuers = [{{ issuer = \"{url}\" }}]\n")
}

/// A running gateway.
pub struct Gateway {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub address: SocketAddr,
    pub folder: Folder,
}

impl Gateway {
    /// A gateway with this file, on a port of its own.
    pub fn start(file: &str) -> Self {
        Gateway::start_in(Folder::new(), file, |_| {})
    }

    pub fn start_in(folder: Folder, file: &str, change: impl FnOnce(&mut Command)) -> Self {
        let config = folder.write("gateway.toml", file);
        let mut command = Command::new(example("gateway"));
        command.arg("--config").arg(config).env_remove("RUST_LOG");
        change(&mut command);
        let log = File::create(folder.0.join("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let line = read_line(&mut stdout);
        let Some(address) = line.strip_prefix("listening on http://") else {
            panic!("{line:?}; {}", fs::read_to_string(folder.0.join("log")).unwrap())
        };
        Gateway { child, stdout, address: address.parse().unwrap(), folder }
    }

    /// The next line on stdout, without its end.
    pub fn line(&mut self) -> String {
        read_line(&mut self.stdout)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.0.join("log")).unwrap()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends `GET path`, with a token unless it is empty.
    pub async fn get(&self, path: &str, token: &str) -> Reply {
        self.call("GET", path, token).await
    }

    pub async fn call(&self, method: &str, path: &str, token: &str) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request).await
    }

    pub async fn send(&self, request: http::request::Builder) -> Reply {
        send(self.address, request.body(String::new()).unwrap()).await
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(name).arg(self.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// How often another file has been put in force.
    pub fn reloads(&self) -> usize {
        self.log().matches("read anew and in force").count()
    }

    /// Writes another file, sends SIGHUP and waits until it is in force.
    pub async fn reload(&self, file: &str) {
        let before = self.reloads();
        self.folder.write("gateway.toml", file);
        self.signal("-HUP");
        assert!(eventually(DEADLINE, || async { self.reloads() > before }).await, "{}", self.log());
    }

    /// How it ended, and how long that took.
    pub async fn ended(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        while start.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, start.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it does not end");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_line(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// What a gateway that does not start says: exit code and lines of stderr.
pub fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, Vec<String>) {
    let mut command = Command::new(example("gateway"));
    command.args(arguments).env_remove("RUST_LOG").envs(environment.iter().copied());
    let log = Folder::new();
    let stderr = log.write("stderr", "");
    let mut child = command.stdout(Stdio::piped()).stderr(File::create(&stderr).unwrap()).spawn().unwrap();
    let line = read_line(&mut BufReader::new(child.stdout.take().unwrap()));
    // It has closed its stdout, or it would be listening.
    if !line.is_empty() {
        let _ = child.kill();
    }
    let status = child.wait().unwrap();
    assert_eq!(line, "", "it started");
    (status.code(), fs::read_to_string(stderr).unwrap().lines().map(String::from).collect())
}
