//! The clients of the gateway: HTTP/1.1, cleartext HTTP/2 and raw bytes.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::DEADLINE;

#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Reply {
    pub async fn read(response: http::Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let collected = in_time(body.collect()).await.unwrap();
        let trailers = collected.trailers().cloned();
        Reply { status: parts.status, headers: parts.headers, body: collected.to_bytes(), trailers }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn challenge(&self) -> &str {
        self.header("www-authenticate")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("an answer in time")
}

/// Sends over a connection of its own, HTTP/1.1 or HTTP/2 after the request's version.
pub async fn send<B>(address: SocketAddr, request: Request<B>) -> Reply
where
    B: Into<Bytes>,
{
    let request = request.map(|body| Full::new(body.into()));
    let response = match request.version() {
        Version::HTTP_2 => in_time(http2(address).await.send_request(request)).await,
        _ => in_time(http1(address).await.send_request(named(request, address))).await,
    };
    Reply::read(response.unwrap()).await
}

/// `Host`, where the request has none.
pub fn named<B>(mut request: Request<B>, address: SocketAddr) -> Request<B> {
    let host = address.to_string().parse().unwrap();
    request.headers_mut().entry("host").or_insert(host);
    request
}

pub async fn http1<B>(address: SocketAddr) -> hyper::client::conn::http1::SendRequest<B>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub async fn http2<B>(address: SocketAddr) -> hyper::client::conn::http2::SendRequest<B>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends these very bytes and reads until the other end closes; what no client library would send.
pub async fn raw(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    in_time(stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Asks until the answer is yes.
pub async fn eventually<F: Future<Output = bool>>(within: Duration, mut ask: impl FnMut() -> F) -> bool {
    let end = tokio::time::Instant::now() + within;
    loop {
        if ask().await {
            return true;
        }
        if tokio::time::Instant::now() > end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
