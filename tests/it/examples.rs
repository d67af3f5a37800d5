//! The examples do what they say: each is run as a user runs it.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The binary beside this test. `cargo test` has built it; with `--test it` alone it may be missing.
pub fn example(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let binary = profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    if !binary.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--all-features", "--example", name]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "{name} does not build");
    }
    binary
}

/// Runs an example that ends by itself; its standard output.
fn run(name: &str) -> String {
    let output = Command::new(example(name)).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} ended with {}\n{out}\n{err}", output.status);
    out
}

/// Ends the example when the test ends, however it ends.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command of the guide and the status it promises.
struct Promise {
    command: String,
    status: u16,
}

/// Reads the guide up to its last command, while the example stays up.
fn promises(running: &mut Running) -> Vec<Promise> {
    let mut promises = Vec::new();
    let mut command = None;
    for line in BufReader::new(running.0.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.starts_with("curl ") {
            command = Some(line);
        } else if let (Some(status), Some(command)) = (line.strip_prefix("# answers "), command.take()) {
            let last = command.contains("grant_type=client_credentials");
            promises.push(Promise { command, status: status.parse().unwrap() });
            if last {
                break;
            }
        }
    }
    promises
}

/// The words of a command line as a shell splits them; the guide quotes with double quotes only.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in command.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words
}

/// The request that curl would send. `-u` becomes two form fields, which the token endpoint takes as well.
fn request(command: &str) -> Request<Full<Bytes>> {
    let mut builder = Request::builder();
    let mut form: Vec<String> = Vec::new();
    let mut words = words(command).into_iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-i" => {}
            "-X" => builder = builder.method(words.next().unwrap().as_str()),
            "-H" => {
                let header = words.next().unwrap();
                let (name, value) = header.split_once(": ").unwrap();
                builder = builder.header(name, value);
            }
            "-d" => form.push(words.next().unwrap()),
            "-u" => {
                let pair = words.next().unwrap();
                let (id, secret) = pair.split_once(':').unwrap();
                form.extend([format!("client_id={id}"), format!("client_secret={secret}")]);
            }
            url => {
                let url: Uri = url.parse().unwrap();
                builder = builder.header("host", url.authority().unwrap().as_str()).uri(url);
            }
        }
    }
    if !form.is_empty() {
        builder = builder.method(Method::POST).header("content-type", "application/x-www-form-urlencoded");
    }
    builder.body(Full::from(form.join("&"))).unwrap()
}

/// Sends a request over a connection of its own; the status.
async fn send(mut request: Request<Full<Bytes>>) -> u16 {
    let address = request.uri().authority().unwrap().to_string();
    *request.uri_mut() = request.uri().path().parse().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_quickstart_prints_curl_lines_that_answer_what_it_promises() {
    let child = Command::new(example("quickstart")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut running = Running(child);
    let promises = promises(&mut running);
    for promise in &promises {
        assert_eq!(send(request(&promise.command)).await, promise.status, "{}", promise.command);
    }
    let mut statuses: Vec<u16> = promises.iter().map(|promise| promise.status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [200, 401, 403]);
    assert!(running.0.try_wait().unwrap().is_none(), "it stays up until it is stopped");
}

#[test]
fn the_tower_example_passes_one_request_and_refuses_three() {
    let out = run("tower");
    for expected in [
        "200 OK\n  report for alice",
        "403 Forbidden\n  WWW-Authenticate: Bearer error=\"insufficient_scope\"",
        "401 Unauthorized\n  WWW-Authenticate: Bearer error=\"invalid_token\"",
        "401 Unauthorized\n  WWW-Authenticate: Bearer resource_metadata=",
    ] {
        assert!(out.contains(expected), "{expected:?} is not in\n{out}");
    }
}

#[test]
fn c8705_3_a_c8705_3_b_the_mtls_example_lets_the_holder_of_the_certificate_in_and_nobody_else() {
    let expected = "alice: 200 OK\n\
        a thief with the token and a certificate of his own: 401 Unauthorized\n\
        a thief with the token and no certificate: 401 Unauthorized\n\
        alice again: 200 OK\n";
    assert_eq!(run("mtls"), expected);
}

#[test]
fn the_dpop_example_lets_the_holder_of_the_key_in_and_nobody_else() {
    let out = run("dpop");
    let alice = "    the API notes: dpop_nonce_needed\n  200 OK\nalice again\n  200 OK\n";
    for expected in [
        alice,
        "the token alone\n    the API notes: sender_constrained\n  401 Unauthorized",
        "a key of his own\n    the API notes: dpop_key_mismatch\n  401 Unauthorized",
        "  200 OK for alice\n    the API notes: dpop_proof_replayed\n  401 Unauthorized for the thief",
    ] {
        assert!(out.contains(expected), "{expected:?} is not in\n{out}");
    }
}

#[test]
fn the_introspection_example_shows_a_revocation_and_an_outage() {
    let out = run("introspection");
    let lines: Vec<&str> = out.lines().filter(|line| line.starts_with("  ")).collect();
    let expected = [
        "  200 OK, 1 asked",
        "  200 OK, 0 asked",
        "  401 Unauthorized, 1 asked",
        "  401 Unauthorized, 1 asked",
        "  503 Service Unavailable, 1 asked",
        "  Retry-After: 5",
        "  200 OK, 0 asked",
        "  200 OK, 1 asked",
        "  200 OK, 1 asked",
        "  200 OK, 0 asked",
    ];
    assert_eq!(lines, expected, "{out}");
}

#[test]
fn the_multi_issuer_example_never_exchanges_keys() {
    let out = run("multi_issuer");
    for (who, answers) in [
        ("alice of staff, role admin", ["200", "403 insufficient_scope", "200"].as_slice()),
        ("bob of staff, orders:read", &["200", "200", "403"]),
        ("alice of partner, orders:read", &["200", "200", "403"]),
        ("mallory of partner, role admin", &["200", "403 insufficient_scope", "403"]),
        ("staff's name, partner's secret", &["401 algorithm_not_allowed"; 3]),
        ("partner's name, staff's key", &["401 algorithm_not_allowed"; 3]),
        ("staff's name, a key of one's own", &["401 key_unknown"; 3]),
        ("an issuer nobody trusts", &["401 issuer_unknown"; 3]),
    ] {
        let row = out.lines().find_map(|line| line.strip_prefix(who)).unwrap_or_else(|| panic!("no row {who}\n{out}"));
        let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, answers, "{who}");
    }
}

#[test]
fn the_rotation_example_shows_a_rotation_and_an_outage_and_ends() {
    let out = run("rotation");
    let rows: Vec<Vec<&str>> = out
        .lines()
        .skip(1)
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    let events = ["starts", "signs with a new key", "withdraws the old key", "goes down", "is back", "the end"];
    let at = events.map(|event| rows.iter().position(|row| row[1].ends_with(event)).unwrap_or_else(|| panic!("{out}")));
    let [_, rotated, withdrawn, down, back, end] = at;
    let ends_with = |row: &[&str], old: &str, new: &str| row.ends_with(&[old, new]);
    assert!(rows[..rotated].iter().all(|row| ends_with(row, "passes", "-")), "{out}");
    assert!(rows[rotated..withdrawn].iter().all(|row| ends_with(row, "passes", "passes")), "{out}");
    // No good token is refused before the last good set is too old.
    assert!(rows[withdrawn..down].iter().all(|row| row.last() == Some(&"passes")), "{out}");
    assert!(ends_with(&rows[down - 1], "key_unknown", "passes"), "{out}");
    for state in ["stale", "missing"] {
        let shown = |row: &Vec<&str>| row.iter().any(|cell| cell.starts_with(state));
        assert!(rows[down..back].iter().any(shown), "{state}\n{out}");
    }
    assert!(ends_with(&rows[back - 1], "keys_unavailable", "keys_unavailable"), "{out}");
    assert!(ends_with(&rows[end], "key_unknown", "passes"), "{out}");
    assert_eq!(rows.len(), end + 1);
}
