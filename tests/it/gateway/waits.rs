//! An upstream that keeps its client waiting, answers without bodies, and uploads that ask first.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_bearer::testing::TestIssuer;

use super::client::{in_time, raw};
use super::harness::{Gateway, top};
use super::upstream::{Upstream, full};

fn before(issuer: &TestIssuer, upstream: &Upstream, timeout: &str) -> Gateway {
    let head = format!("upstream = \"{}\"\nupstream_timeout = \"{timeout}\"\n", upstream.url());
    Gateway::start(&format!("{head}{}", top(issuer)))
}

#[tokio::test]
async fn an_upstream_that_is_silent_for_too_long_is_504_and_a_slow_upload_is_none() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::with(|request| async move {
        if request.uri().path() == "/silent" {
            std::future::pending::<()>().await;
        }
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(full(body))
    })
    .await;
    let gateway = before(&issuer, &upstream, "400ms");
    let token = issuer.token().sign();
    let reply = gateway.get("/silent", &token).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (504, "application/problem+json"));
    // An upload that takes longer than that altogether, but never so long between two chunks.
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!("POST /slow HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n");
    stream.write_all(format!("{head}Content-Length: 8\r\n\r\n").as_bytes()).await.unwrap();
    for _ in 0..8 {
        stream.write_all(b"x").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut answer = String::new();
    in_time(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("xxxxxxxx"), "{answer}");
}

#[tokio::test]
async fn answers_without_a_body_keep_their_fields_and_end_where_they_should() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::with(|request| async move {
        let status = match (request.method(), request.uri().path()) {
            (_, "/204") => StatusCode::NO_CONTENT,
            (_, "/304") => StatusCode::NOT_MODIFIED,
            _ => StatusCode::OK,
        };
        let body = if status == 200 && request.method() != Method::HEAD { Bytes::from("whole") } else { Bytes::new() };
        let answer = Response::builder().status(status).header("etag", "\"a\"");
        let answer = if status == 200 { answer.header("content-length", "5") } else { answer };
        answer.body(full(body)).unwrap()
    })
    .await;
    let gateway = before(&issuer, &upstream, "60s");
    let token = issuer.token().sign();
    for (method, path, status, body) in
        [("GET", "/200", 200, "whole"), ("HEAD", "/200", 200, ""), ("GET", "/204", 204, ""), ("GET", "/304", 304, "")]
    {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n");
        // Twice over one connection: a body too much would stand before the second answer.
        let again = format!("{head}\r\n{head}Connection: close\r\n\r\n");
        let answer = raw(gateway.address, &again).await;
        let answers: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).collect();
        assert_eq!(answers.len(), 2, "{method} {path} {answer}");
        for answer in answers {
            let (head, found) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&status.to_string()) && head.contains("etag: \"a\""), "{method} {path} {head}");
            assert_eq!(head.contains("content-length: 5"), status == 200, "{method} {path} {head}");
            assert_eq!(found, body, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn r79_who_asks_before_an_upload_is_told_to_continue_with_a_good_token_only() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::with(|request| async move {
        Response::new(full(request.into_body().collect().await.unwrap().to_bytes()))
    })
    .await;
    let gateway = before(&issuer, &upstream, "60s");
    let head = |credentials: &str| {
        let length = "Content-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n";
        format!("POST /r HTTP/1.1\r\nHost: a\r\n{credentials}{length}\r\n")
    };
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let token = format!("Authorization: Bearer {}\r\n", issuer.token().sign());
    stream.write_all(head(&token).as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    in_time(stream.read_exact(&mut go_on)).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    let mut answer = String::new();
    in_time(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("body"), "{answer}");
    let refused = raw(gateway.address, &head("")).await;
    assert!(refused.starts_with("HTTP/1.1 401 ") && !refused.contains("100 Continue"), "{refused}");
}
