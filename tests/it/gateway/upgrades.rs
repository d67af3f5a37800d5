//! WebSocket and other upgrades: the token first, then bytes both ways.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_bearer::testing::TestIssuer;

use super::client::{eventually, in_time};
use super::harness::{DEADLINE, Gateway, top};

/// An upstream that answers each connection's first head, which it notes, and then echoes in capitals until "bye".
struct Echo {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

const AGREES: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Kept: 1\r\n\r\n";
const REFUSES: &str = "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";

impl Echo {
    async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, heads) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let noted = heads.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream, answer, noted.clone()));
            }
        });
        Echo { address, heads }
    }
}

async fn echo(mut stream: TcpStream, answer: &str, heads: Arc<Mutex<Vec<String>>>) {
    let head = head(&mut stream).await;
    heads.lock().unwrap().push(head);
    stream.write_all(answer.as_bytes()).await.unwrap();
    let mut bytes = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        stream.write_all(&bytes[..read].to_ascii_uppercase()).await.unwrap();
        if bytes[..read].ends_with(b"bye") {
            return;
        }
    }
    heads.lock().unwrap().push("the other side has gone".into());
}

/// Up to the empty line.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match in_time(stream.read_u8()).await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

async fn gateway(issuer: &TestIssuer, echo: &Echo) -> Gateway {
    let forward = "[forward]\nheaders = { \"x-auth-subject\" = \"sub\" }\n";
    Gateway::start(&format!("upstream = \"http://{}\"\n{}{forward}", echo.address, top(issuer)))
}

/// Asks for an upgrade with these lines; the connection and the head of the answer.
async fn ask(gateway: &Gateway, lines: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(format!("GET /chat HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes()).await.unwrap();
    let answer = head(&mut stream).await;
    (stream, answer)
}

const WEBSOCKET: &str =
    "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn with(issuer: &TestIssuer, lines: &str) -> String {
    format!("Authorization: Bearer {}\r\n{lines}", issuer.token().subject("alice").sign())
}

async fn exchange(stream: &mut TcpStream, say: &str) -> String {
    stream.write_all(say.as_bytes()).await.unwrap();
    let mut answer = vec![0; say.len()];
    in_time(stream.read_exact(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn s10_21_a_handshake_with_a_good_token_is_joined_to_the_upstream_and_bytes_flow_both_ways() {
    let issuer = TestIssuer::start().await;
    let echo = Echo::start(AGREES).await;
    let gateway = gateway(&issuer, &echo).await;
    let (mut stream, answer) = ask(&gateway, &with(&issuer, WEBSOCKET)).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let fields = answer.to_ascii_lowercase();
    for field in ["connection: upgrade\r\n", "upgrade: websocket\r\n", "x-kept: 1\r\n"] {
        assert!(fields.contains(field), "{answer}");
    }
    for say in ["hello", "\u{0}\u{1}again"] {
        assert_eq!(exchange(&mut stream, say).await, say.to_ascii_uppercase());
    }
    let sent = echo.heads.lock().unwrap()[0].to_ascii_lowercase();
    for field in
        ["connection: upgrade\r\n", "upgrade: websocket\r\n", "x-auth-subject: alice\r\n", "sec-websocket-key: "]
    {
        assert!(sent.contains(field), "{field} {sent}");
    }
    // The upstream ends it, and so it ends for the client.
    assert_eq!(exchange(&mut stream, "bye").await, "BYE");
    assert_eq!(in_time(stream.read(&mut [0; 8])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_client_that_goes_ends_it_for_the_upstream() {
    let issuer = TestIssuer::start().await;
    let echo = Echo::start(AGREES).await;
    let gateway = gateway(&issuer, &echo).await;
    let (mut stream, _) = ask(&gateway, &with(&issuer, WEBSOCKET)).await;
    assert_eq!(exchange(&mut stream, "a").await, "A");
    drop(stream);
    assert!(eventually(DEADLINE, || async { echo.heads.lock().unwrap().len() == 2 }).await);
}

#[tokio::test]
async fn s10_21_a_handshake_without_a_good_token_never_reaches_the_upstream() {
    let issuer = TestIssuer::start().await;
    let echo = Echo::start(AGREES).await;
    let gateway = gateway(&issuer, &echo).await;
    let token = issuer.token().sign();
    for lines in [
        WEBSOCKET.to_owned(),
        format!("Authorization: Bearer {}\r\n{WEBSOCKET}", issuer.token().expired().sign()),
        format!("Sec-WebSocket-Protocol: bearer, {token}\r\n{WEBSOCKET}"),
    ] {
        let (_, answer) = ask(&gateway, &lines).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
    assert!(echo.heads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_upstream_that_declines_is_heard_and_one_that_upgrades_unasked_is_502() {
    let issuer = TestIssuer::start().await;
    let declines = Echo::start(REFUSES).await;
    let before = gateway(&issuer, &declines).await;
    let (_, answer) = ask(&before, &with(&issuer, WEBSOCKET)).await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    let agrees = Echo::start(AGREES).await;
    let before = gateway(&issuer, &agrees).await;
    let (_, answer) = ask(&before, &with(&issuer, "")).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn a_protocol_that_carries_further_requests_is_not_passed_on() {
    let issuer = TestIssuer::start().await;
    let echo = Echo::start(REFUSES).await;
    let gateway = gateway(&issuer, &echo).await;
    for (connection, upgrade) in [
        ("Upgrade, HTTP2-Settings", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"),
        ("upgrade", "Upgrade: H2C\r\n"),
        ("Upgrade", "Upgrade: websocket, h2c\r\n"),
        ("Upgrade", "Upgrade: websocket\r\nUpgrade: h2c\r\n"),
        ("Upgrade", "Upgrade: TLS/1.2\r\n"),
        ("Upgrade", "Upgrade: HTTP/2.0\r\n"),
        ("keep-alive", "Upgrade: websocket\r\n"),
        ("Upgrade", ""),
    ] {
        let (_, answer) = ask(&gateway, &with(&issuer, &format!("Connection: {connection}\r\n{upgrade}"))).await;
        assert!(answer.starts_with("HTTP/1.1 426 "), "{connection} {upgrade} {answer}");
        let sent = echo.heads.lock().unwrap().pop().unwrap().to_ascii_lowercase();
        assert!(!sent.contains("upgrade") && !sent.contains("http2-settings"), "{connection} {upgrade} {sent}");
    }
}

#[tokio::test]
async fn r80_an_upgraded_connection_ends_with_its_token_where_the_file_says_so() {
    let issuer = TestIssuer::start().await;
    let echo = Echo::start(AGREES).await;
    let file = |key: &str| format!("leeway = \"0s\"\nupstream = \"http://{}\"\n{key}{}", echo.address, top(&issuer));
    let ending = Gateway::start(&file("end_streams_at_expiry = true\n"));
    let lasting = Gateway::start(&file(""));
    let seconds = std::time::Duration::from_secs(3);
    let lines = format!("Authorization: Bearer {}\r\n{WEBSOCKET}", issuer.token().expires_in(seconds).sign());
    let (mut ended, answer) = ask(&ending, &lines).await;
    let (mut lasts, _) = ask(&lasting, &lines).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert_eq!((exchange(&mut ended, "a").await, exchange(&mut lasts, "a").await), ("A".into(), "A".into()));
    let begun = std::time::Instant::now();
    assert_eq!(in_time(ended.read(&mut [0; 8])).await.unwrap(), 0);
    assert!(begun.elapsed() < seconds * 2, "{:?}", begun.elapsed());
    assert_eq!(exchange(&mut lasts, "b").await, "B");
}

#[tokio::test]
async fn sigterm_ends_an_upgraded_connection_in_time() {
    let issuer = TestIssuer::start().await;
    let echo = Echo::start(AGREES).await;
    let mut gateway = gateway(&issuer, &echo).await;
    let (mut stream, _) = ask(&gateway, &with(&issuer, WEBSOCKET)).await;
    assert_eq!(exchange(&mut stream, "a").await, "A");
    gateway.terminate();
    let (status, took) = gateway.ended().await;
    assert!(status.success() && took < std::time::Duration::from_secs(2), "{status} {took:?}");
    assert!(matches!(in_time(stream.read(&mut [0; 8])).await, Ok(0) | Err(_)));
}
