//! The default client against a real issuer on loopback, and what remains when a server goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower_bearer::testing::{Endpoint, TestIssuer};
use tower_bearer::{Algorithm, Issuer, ResourceServer};

use crate::faulty_client::verdict;
use crate::support::RS;

fn trusting(issuer: &TestIssuer) -> ResourceServer {
    ResourceServer::builder(RS, issuer.url()).build().unwrap()
}

async fn discovery_keys_and_rotation() {
    let issuer = TestIssuer::start().await;
    let server = trusting(&issuer);
    assert_eq!(verdict(&server, &issuer.token().sign()).await, "ok");
    issuer.rotate_key(Algorithm::RS256);
    assert_eq!(verdict(&server, &issuer.token().sign()).await, "ok");
    assert_eq!((issuer.requests(Endpoint::Metadata), issuer.requests(Endpoint::Jwks)), (1, 2));
    assert_eq!(verdict(&server, &issuer.token().header("kid", "x").sign()).await, "key_unknown");
}

#[tokio::test]
async fn r77_keys_come_over_a_socket_on_a_current_thread_runtime() {
    discovery_keys_and_rotation().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r77_keys_come_over_a_socket_on_a_runtime_of_four_threads() {
    discovery_keys_and_rotation().await;
}

#[tokio::test]
async fn s6_02_c8725_3_10_a_the_default_client_follows_no_redirect() {
    let (issuer, trap) = (TestIssuer::start().await, TestIssuer::start().await);
    let server = trusting(&issuer);
    for (endpoint, target) in [(Endpoint::Jwks, "jwks"), (Endpoint::Metadata, ".well-known/openid-configuration")] {
        let location = format!("{}/{target}", trap.url());
        let redirect = Response::builder().status(302).header("location", location).body(Bytes::new()).unwrap();
        issuer.answer_with(endpoint, Some(redirect));
        assert_eq!(verdict(&server, &issuer.token().sign()).await, "keys_unavailable");
        assert_eq!(trap.requests(Endpoint::Jwks) + trap.requests(Endpoint::Metadata), 0);
        issuer.answer_with(endpoint, None);
    }
    let server = trusting(&issuer);
    assert_eq!(verdict(&server, &issuer.token().sign()).await, "ok");
}

#[tokio::test]
async fn s6_08_the_default_client_inflates_nothing() {
    let issuer = TestIssuer::start().await;
    // The body is a good set; what a decoder would make of it does not matter.
    let answer = Response::builder().header("content-encoding", "gzip");
    issuer.answer_with(Endpoint::Jwks, Some(answer.body(issuer.jwks().to_string().into()).unwrap()));
    assert_eq!(verdict(&trusting(&issuer), &issuer.token().sign()).await, "keys_unavailable");
    let answer = Response::builder().header("content-encoding", "identity");
    issuer.answer_with(Endpoint::Jwks, Some(answer.body(issuer.jwks().to_string().into()).unwrap()));
    assert_eq!(verdict(&trusting(&issuer), &issuer.token().sign()).await, "ok");
}

#[tokio::test]
async fn s6_07_the_default_client_reads_512_kib_and_no_more() {
    let issuer = TestIssuer::start().await;
    for (size, expected) in [(512 * 1024, "ok"), (512 * 1024 + 1, "keys_unavailable")] {
        let mut body = issuer.jwks().to_string();
        body.push_str(&" ".repeat(size - body.len()));
        issuer.answer_with(Endpoint::Jwks, Some(Response::new(body.into())));
        assert_eq!(verdict(&trusting(&issuer), &issuer.token().sign()).await, expected);
    }
}

#[tokio::test]
async fn r19_s6_07_a_body_without_end_is_cut_off_while_it_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let endless = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let mut chunk: &[u8] =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
        while stream.write_all(chunk).await.is_ok() {
            counted.fetch_add(chunk.len(), Ordering::SeqCst);
            chunk = body.as_bytes();
            // The reader shares this thread and has its turn before the next piece, so that little is under way.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let issuer = TestIssuer::start().await;
    let settings = Issuer::new(issuer.url()).jwks_uri(format!("http://{address}/jwks"));
    let server = ResourceServer::builder(RS, settings).build().unwrap();
    assert_eq!(verdict(&server, &issuer.token().sign()).await, "keys_unavailable");
    endless.await.unwrap();
    let sent = sent.load(Ordering::SeqCst);
    assert!((512 * 1024..600 * 1024).contains(&sent), "{sent} bytes");
}

#[tokio::test]
async fn an_issuer_that_nobody_listens_at_is_an_outage() {
    let (issuer, gone) = (TestIssuer::start().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = gone.local_addr().unwrap();
    drop(gone);
    let settings = Issuer::new(issuer.url()).jwks_uri(format!("http://{address}/jwks"));
    let server = ResourceServer::builder(RS, settings).build().unwrap();
    assert_eq!(verdict(&server, &issuer.token().sign()).await, "keys_unavailable");
}

#[test]
fn r74_s11_06_a_runtime_shuts_down_in_time_while_a_fetch_hangs() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(async {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings =
            Issuer::new("https://as.example.com").jwks_uri(format!("http://{}", silent.local_addr().unwrap()));
        let server = ResourceServer::builder(RS, settings).build().unwrap();
        let issuer = TestIssuer::in_process("https://as.example.com");
        for _ in 0..100 {
            crate::faulty_client::ask(&server, &issuer.token().sign());
        }
        silent.accept().await.unwrap();
        server
    });
    let began = std::time::Instant::now();
    runtime.shutdown_timeout(Duration::from_secs(5));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    drop(server);
}

#[test]
fn s11_07_a_server_outlives_the_runtime_that_fetched_its_keys() {
    let host = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let issuer = host.block_on(TestIssuer::start());
    // Built outside of any runtime.
    let server = trusting(&issuer);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(verdict(&server, &issuer.token().sign())), "ok");
    drop(runtime);
    assert_eq!(host.block_on(verdict(&server, &issuer.token().sign())), "ok");
    issuer.rotate_key(Algorithm::ES256);
    assert_eq!(host.block_on(verdict(&server, &issuer.token().sign())), "ok");
    assert_eq!(issuer.requests(Endpoint::Jwks), 2);
}

/// The host names under which a server on loopback can be had.
const LOOPBACK: [&str; 6] = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.0.0.1", "[::ffff:127.0.0.1]"];

#[tokio::test]
async fn s6_04_private_addresses_are_refused_at_the_connection_in_every_spelling() {
    let issuer = TestIssuer::start().await;
    let port = issuer.url().rsplit_once(':').unwrap().1;
    for host in LOOPBACK {
        let uri = format!("http://{host}:{port}/jwks");
        let trusted = Issuer::new(issuer.url()).jwks_uri(&uri);
        let builder = ResourceServer::builder(RS, trusted).danger_allow_http();
        let server = builder.block_private_addresses().build().unwrap();
        assert_eq!(verdict(&server, &issuer.token().sign()).await, "keys_unavailable", "{uri}");
        let error = server.health().remove(0).last_error.unwrap();
        assert!(error.contains("block_private_addresses"), "{uri}: {error}");
    }
    assert_eq!(issuer.requests(Endpoint::Jwks), 0);
    // Discovery is no way around it.
    let server = ResourceServer::builder(RS, issuer.url()).block_private_addresses().build().unwrap();
    assert_eq!(verdict(&server, &issuer.token().sign()).await, "keys_unavailable");
    assert_eq!(issuer.requests(Endpoint::Metadata), 0);
}

#[tokio::test]
async fn loopback_serves_development_where_private_addresses_are_not_blocked() {
    let issuer = TestIssuer::start().await;
    let port = issuer.url().rsplit_once(':').unwrap().1;
    for host in &LOOPBACK[..4] {
        let trusted = Issuer::new(issuer.url()).jwks_uri(format!("http://{host}:{port}/jwks"));
        let server = ResourceServer::builder(RS, trusted).danger_allow_http().build().unwrap();
        assert_eq!(verdict(&server, &issuer.token().sign()).await, "ok", "{host}");
    }
}
