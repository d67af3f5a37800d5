//! A request that is refused is refused before its body is read.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::AuthLayer;

use crate::support::Fixture;

const HEAD: &str = "POST /r HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 10737418240\r\n";

/// A connection to a protected service that would read its body; what nobody reads stays outside but for 1 KiB.
fn connect() -> DuplexStream {
    let (client, stream) = duplex(1024);
    let auth = AuthLayer::new(Fixture::new().server);
    let service = ServiceBuilder::new().layer(auth).service(service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"inner"))))
    }));
    let service = hyper::service::service_fn(move |request| service.clone().oneshot(request));
    tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    client
}

async fn answer(mut client: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut text = Vec::new();
    let _ = client.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn r79_an_upload_without_a_token_is_refused_after_its_head() {
    let (from_server, mut to_server) = tokio::io::split(connect());
    let answered = tokio::spawn(answer(from_server));
    to_server.write_all(format!("{HEAD}\r\n").as_bytes()).await.unwrap();
    let mut sent = 0;
    while let Ok(written) = to_server.write(&[b'x'; 1024]).await {
        sent += written;
        assert!(sent <= 1 << 20, "the server reads on");
    }
    let answer = answered.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("www-authenticate"), "{answer}");
    assert!(sent <= 64 * 1024, "{sent} bytes read");
}

#[tokio::test]
async fn r79_who_asks_before_an_upload_is_refused_and_not_told_to_continue() {
    let mut client = connect();
    client.write_all(format!("{HEAD}Expect: 100-continue\r\n\r\n").as_bytes()).await.unwrap();
    let answer = answer(client).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
}
