//! Bodies flow as they come, with their trailers.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tower_bearer::testing::TestIssuer;

use super::client::{Reply, http1, http2, in_time};
use super::harness::{Gateway, top};
use super::upstream::{Body, Upstream};

type Frames = UnboundedSender<Result<Frame<Bytes>, std::convert::Infallible>>;

/// A body that is fed by hand; it ends when the sender is dropped.
fn by_hand() -> (Frames, Body) {
    let (sender, mut receiver) = unbounded_channel();
    let frames = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    (sender, StreamBody::new(frames).boxed_unsync())
}

fn chunk(text: &'static str) -> Result<Frame<Bytes>, std::convert::Infallible> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// An upstream that tells each chunk it gets and answers with a body fed by the test.
async fn watched() -> (Upstream, UnboundedReceiver<String>, Frames) {
    let (seen, chunks) = unbounded_channel();
    let (frames, body) = by_hand();
    let body = Arc::new(Mutex::new(Some(body)));
    let upstream = Upstream::with(move |request| {
        let seen = seen.clone();
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                let text = match frame.into_data() {
                    Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
                    Err(frame) => format!("{:?}", frame.into_trailers().unwrap()),
                };
                let _ = seen.send(text);
            }
            let _ = seen.send("end".into());
        });
        let body = body.lock().unwrap().take().expect("one request");
        async move { Response::builder().header("trailer", "x-sum").body(body).unwrap() }
    })
    .await;
    (upstream, chunks, frames)
}

async fn gateway(upstream: &Upstream) -> (Gateway, String) {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&format!("upstream = \"{}\"\n{}", upstream.url(), top(&issuer)));
    // Its keys are fetched while the issuer still stands.
    let token = format!("Bearer {}", issuer.token().sign());
    let ready = || async { gateway.get("/r", "bad").await.status == 401 };
    assert!(super::client::eventually(super::harness::DEADLINE, ready).await);
    std::mem::forget(issuer);
    (gateway, token)
}

fn trailers(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([("x-sum".parse().unwrap(), value.parse().unwrap())])
}

/// Both ways, chunk by chunk: nothing is held back until the other side is done.
async fn flows(version: Version) {
    let (upstream, mut chunks, answer) = watched().await;
    let (gateway, token) = gateway(&upstream).await;
    let (request, body) = by_hand();
    let head = Request::post(format!("http://{}/r", gateway.address)).version(version).header("authorization", token);
    let head = if version == Version::HTTP_2 { head } else { head.header("host", "a").header("trailer", "x-sum") };
    let sending = head.header("te", "trailers").body(body).unwrap();
    let response = match version {
        Version::HTTP_2 => {
            let mut client = http2(gateway.address).await;
            tokio::spawn(async move { client.send_request(sending).await.unwrap() })
        }
        _ => {
            let mut client = http1(gateway.address).await;
            tokio::spawn(async move { client.send_request(sending).await.unwrap() })
        }
    };
    request.send(chunk("one")).unwrap();
    assert_eq!(in_time(chunks.recv()).await.unwrap(), "one");
    answer.send(chunk("first")).unwrap();
    let mut response = in_time(response).await.unwrap();
    let first = in_time(response.frame()).await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "first");
    request.send(chunk("two")).unwrap();
    assert_eq!(in_time(chunks.recv()).await.unwrap(), "two");
    answer.send(chunk("last")).unwrap();
    request.send(Ok(Frame::trailers(trailers("up")))).unwrap();
    drop(request);
    // Over HTTP/1.1 only announced trailers are passed on, and an HTTP/2 client need not announce any.
    let sent = in_time(chunks.recv()).await.unwrap();
    assert!(version == Version::HTTP_2 || sent.contains("\"x-sum\": \"up\""), "{sent}");
    answer.send(Ok(Frame::trailers(trailers("down")))).unwrap();
    drop(answer);
    let rest = Reply::read(response).await;
    assert_eq!((rest.text(), rest.trailers.as_ref().unwrap()["x-sum"].to_str().unwrap()), ("last", "down"));
}

#[tokio::test]
async fn bodies_and_trailers_flow_both_ways_over_http_1_1() {
    flows(Version::HTTP_11).await;
}

#[tokio::test]
async fn bodies_and_trailers_flow_both_ways_for_an_http_2_client() {
    flows(Version::HTTP_2).await;
}

#[tokio::test]
async fn a_grpc_call_reaches_its_upstream_over_http_2_with_its_trailers() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::with(|request| async move {
        assert_eq!((request.version(), request.headers()["te"].to_str().unwrap()), (Version::HTTP_2, "trailers"));
        let (frames, body) = by_hand();
        frames.send(chunk("message")).unwrap();
        let status = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        frames.send(Ok(Frame::trailers(status))).unwrap();
        Response::builder().header("content-type", "application/grpc").body(body).unwrap()
    })
    .await;
    let gateway = Gateway::start(&format!("upstream = \"{}\"\n{}", upstream.url(), top(&issuer)));
    let request = Request::post(format!("http://{}/shop.Shop/Buy", gateway.address))
        .version(Version::HTTP_2)
        .header("te", "trailers")
        .header("content-type", "application/grpc+proto")
        .header("authorization", format!("Bearer {}", issuer.token().sign()))
        .body("question")
        .unwrap();
    let reply = super::client::send(gateway.address, request).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "message"));
    assert_eq!(reply.trailers.unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_work_of_the_upstream() {
    let (upstream, mut chunks, answer) = watched().await;
    let (gateway, token) = gateway(&upstream).await;
    let (request, body) = by_hand();
    let sending = Request::post("/r").header("host", "a").header("authorization", token).body(body).unwrap();
    let mut client = http1(gateway.address).await;
    let response = tokio::spawn(async move { client.send_request(sending).await.map(|response| (client, response)) });
    request.send(chunk("one")).unwrap();
    assert_eq!(in_time(chunks.recv()).await.unwrap(), "one");
    answer.send(chunk("first")).unwrap();
    drop(in_time(response).await.unwrap());
    drop(request);
    assert_eq!(in_time(chunks.recv()).await.unwrap(), "end");
    let gone = || async { answer.is_closed() || answer.send(chunk("more")).is_err() };
    assert!(super::client::eventually(super::harness::DEADLINE, gone).await);
}

/// A stream of the upstream behind a token that lives for two seconds: what comes after its first chunk, and when.
async fn after_the_first_chunk(setting: &str) -> (Option<bool>, Duration) {
    let issuer = TestIssuer::start().await;
    let (frames, body) = by_hand();
    let body = Arc::new(Mutex::new(Some(body)));
    let upstream = Upstream::with(move |_| {
        let body = body.lock().unwrap().take().expect("one request");
        async move { Response::builder().header("content-type", "text/event-stream").body(body).unwrap() }
    })
    .await;
    let file = format!("upstream = \"{}\"\nleeway = \"0s\"\n{setting}\n{}", upstream.url(), top(&issuer));
    let gateway = Gateway::start(&file);
    let token = issuer.token().expires_in(Duration::from_secs(2)).sign();
    let start = Instant::now();
    let request = Request::get("/r").header("host", "a").header("authorization", format!("Bearer {token}"));
    let mut client = http1(gateway.address).await;
    let sending = client.send_request(request.body(String::new()).unwrap());
    frames.send(chunk("first")).unwrap();
    let mut response = in_time(sending).await.unwrap();
    assert_eq!(in_time(response.frame()).await.unwrap().unwrap().into_data().unwrap(), "first");
    let next = tokio::time::timeout(Duration::from_secs(4), response.frame()).await;
    (next.ok().map(|frame| frame.unwrap().is_err()), start.elapsed())
}

#[tokio::test]
async fn r80_a_stream_is_cut_within_a_second_of_the_end_of_its_token_where_the_file_says_so() {
    let (cut, goes_on) = tokio::join!(
        after_the_first_chunk("end_streams_at_expiry = true"),
        after_the_first_chunk("end_streams_at_expiry = false")
    );
    assert_eq!((cut.0, goes_on.0), (Some(true), None));
    assert!(cut.1 < Duration::from_secs(3), "{:?}", cut.1);
}

#[tokio::test]
async fn grpc_a_grpc_b_a_refused_call_is_answered_in_trailers_only() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&format!("default_access = \"deny\"\n{}", top(&issuer)));
    let good = format!("Bearer {}", issuer.token().sign());
    for (authorization, status) in [("Bearer", "16"), ("Bearer x", "16"), (good.as_str(), "7")] {
        let request = Request::post(format!("http://{}/shop.Shop/Buy", gateway.address)).version(Version::HTTP_2);
        let request = request.header("content-type", "application/grpc").header("authorization", authorization);
        let reply = super::client::send(gateway.address, request.body("question").unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.header("grpc-status"), reply.text()), (200, status, ""));
        assert!(reply.challenge().starts_with("Bearer "));
    }
}
