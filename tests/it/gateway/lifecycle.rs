//! SIGTERM: gone within two seconds, with what is under way finished.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::unbounded_channel;
use tower_bearer::testing::TestIssuer;

use super::client::{Reply, eventually, http1, http2, in_time};
use super::harness::{DEADLINE, Gateway, top};
use super::upstream::{Upstream, full};

const LIMIT: Duration = Duration::from_secs(2);

async fn assert_ends(gateway: &mut Gateway) {
    let (status, took) = gateway.ended().await;
    assert_eq!(status.code(), Some(0), "{}", gateway.log());
    assert!(took < LIMIT, "{took:?}");
}

#[tokio::test]
async fn sigterm_ends_an_idle_gateway_with_exit_code_0() {
    let issuer = TestIssuer::start().await;
    let mut gateway = Gateway::start(&format!("admin_listen = \"127.0.0.1:0\"\n{}", top(&issuer)));
    gateway.terminate();
    assert_ends(&mut gateway).await;
}

#[tokio::test]
async fn connections_that_are_open_and_idle_do_not_delay_the_end() {
    let issuer = TestIssuer::start().await;
    let mut gateway = Gateway::start(&top(&issuer));
    let request = || Request::get("/r").header("host", "a").body(Empty::<Bytes>::new()).unwrap();
    let mut kept = http1(gateway.address).await;
    assert_eq!(Reply::read(kept.send_request(request()).await.unwrap()).await.status, 401);
    let mut multiplexed = http2(gateway.address).await;
    let address = gateway.address;
    let h2 = Request::get(format!("http://{address}/r")).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(Reply::read(multiplexed.send_request(h2).await.unwrap()).await.status, 401);
    let silent = TcpStream::connect(address).await.unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /r HTTP/1.1\r\nHo").await.unwrap();
    gateway.terminate();
    assert_ends(&mut gateway).await;
    drop((kept, multiplexed, silent, half));
}

#[tokio::test]
async fn a_request_under_way_is_finished_and_no_new_connection_is_taken() {
    let issuer = TestIssuer::start().await;
    let (arrived, mut arrivals) = unbounded_channel();
    let (go, going) = tokio::sync::watch::channel(false);
    let upstream = Upstream::with(move |_| {
        arrived.send(()).unwrap();
        let mut going = going.clone();
        async move {
            going.wait_for(|go| *go).await.unwrap();
            Response::new(full("done"))
        }
    })
    .await;
    let head = format!("upstream = \"{}\"\ndefault_access = \"public\"\n", upstream.url());
    let mut gateway = Gateway::start(&format!("{head}{}", top(&issuer)));
    let mut client = http1(gateway.address).await;
    let request = Request::get("/r").header("host", "a").body(Empty::<Bytes>::new()).unwrap();
    let response = tokio::spawn(async move { client.send_request(request).await.unwrap() });
    in_time(arrivals.recv()).await.unwrap();
    gateway.terminate();
    let address = gateway.address;
    let closed = || async { TcpStream::connect(address).await.is_err() };
    assert!(eventually(DEADLINE, closed).await);
    go.send_replace(true);
    let reply = Reply::read(in_time(response).await.unwrap()).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "done"));
    assert_ends(&mut gateway).await;
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_the_process() {
    let issuer = TestIssuer::start().await;
    let (arrived, mut arrivals) = unbounded_channel();
    let upstream = Upstream::with(move |_| {
        arrived.send(()).unwrap();
        std::future::pending()
    })
    .await;
    let head = format!("upstream = \"{}\"\ndefault_access = \"public\"\n", upstream.url());
    let mut gateway = Gateway::start(&format!("{head}{}", top(&issuer)));
    let mut stuck = TcpStream::connect(gateway.address).await.unwrap();
    stuck.write_all(b"GET /r HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    in_time(arrivals.recv()).await.unwrap();
    gateway.terminate();
    assert_ends(&mut gateway).await;
    let mut rest = Vec::new();
    let _ = in_time(stuck.read_to_end(&mut rest)).await;
}
