//! Long answers end with their token, and who holds a conversation can wait for that end.

use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::testing::{ManualClock, TestClaims};
use tower_bearer::{AuthLayer, Claims, Clock, ResourceServer, StreamExpired, UntilExpiry};
use tracing_subscriber::filter::LevelFilter;

use crate::capture::Log;
use crate::support::{Fixture, get};

/// How long the tokens of these tests live, and the leeway on top.
const LIFE: Duration = Duration::from_secs(60);
const LEEWAY: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

type Body = UnsyncBoxBody<Bytes, Infallible>;
type Frames = UnboundedSender<Result<Frame<Bytes>, Infallible>>;

/// A body that is fed by hand; it ends when the sender is dropped.
fn by_hand() -> (Frames, Body) {
    let (sender, mut receiver) = unbounded_channel();
    let frames = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    (sender, StreamBody::new(frames).boxed_unsync())
}

fn chunk() -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(Bytes::from_static(b"event")))
}

fn request(fixture: &Fixture) -> http::request::Builder {
    get().header("authorization", format!("Bearer {}", fixture.token().expires_in(LIFE).sign()))
}

/// The answer that a body becomes, and its feed.
async fn answer(fixture: &Fixture, content_type: &'static str) -> (Frames, Response<UntilExpiry<Body>>) {
    let (frames, body) = by_hand();
    let body = Arc::new(Mutex::new(Some(body)));
    let inner = service_fn(move |_: Request<()>| {
        let body = body.lock().unwrap().take().unwrap();
        ready(Ok::<_, Infallible>(Response::builder().header("content-type", content_type).body(body).unwrap()))
    });
    let layer = AuthLayer::new(fixture.server.clone()).map_body(whole).end_streams_at_expiry();
    let response = layer.layer(inner).oneshot(request(fixture).body(()).unwrap()).await.unwrap();
    (frames, response)
}

fn whole(text: Bytes) -> Body {
    Full::new(text).boxed_unsync()
}

async fn is_pending<B: hyper::body::Body + Unpin>(body: &mut B) -> bool {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *body).poll_frame(context).is_pending())).await
}

#[tokio::test]
async fn a_stream_that_waits_is_woken_and_cut_when_its_token_ends_and_not_a_second_earlier() {
    let (log, _guard) = Log::listen(LevelFilter::DEBUG);
    let fixture = Fixture::new();
    let (frames, response) = answer(&fixture, "text/event-stream").await;
    let mut body = response.into_body();
    frames.send(chunk()).unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "event");
    fixture.clock.advance(LIFE + LEEWAY - SECOND);
    assert!(is_pending(&mut body).await);
    frames.send(chunk()).unwrap();
    assert!(body.frame().await.unwrap().is_ok());
    log.audited();
    let waiting = tokio::spawn(async move { (body.frame().await, body) });
    tokio::task::yield_now().await;
    fixture.clock.advance(SECOND);
    let (cut, mut body) = waiting.await.unwrap();
    assert_eq!(cut.unwrap().unwrap_err().downcast_ref(), Some(&StreamExpired));
    assert!(body.is_end_stream() && body.frame().await.is_none());
    let events = log.audited();
    assert_eq!((events.len(), events[0].field("code")), (1, "stream_expired"));
    assert_eq!(events[0].field("subject"), "test-subject");
}

#[tokio::test]
async fn a_stream_that_never_waits_is_cut_as_well() {
    let fixture = Fixture::new();
    let (frames, response) = answer(&fixture, "application/octet-stream").await;
    let mut body = response.into_body();
    for late in [false, true] {
        frames.send(chunk()).unwrap();
        let frame = body.frame().await.unwrap();
        assert_eq!(frame.is_err(), late);
        fixture.clock.advance(LIFE + LEEWAY);
    }
}

#[tokio::test]
async fn what_is_over_already_is_whole_however_late_it_is_read() {
    for trailers in [false, true] {
        let fixture = Fixture::new();
        let (frames, response) = answer(&fixture, "text/plain").await;
        let mut body = response.into_body();
        frames.send(chunk()).unwrap();
        if trailers {
            frames.send(Ok(Frame::trailers(http::HeaderMap::new()))).unwrap();
        }
        drop(frames);
        assert!(body.frame().await.unwrap().is_ok());
        fixture.clock.advance(LIFE + LEEWAY);
        let rest = body.frame().await;
        assert!(if trailers { rest.unwrap().unwrap().is_trailers() } else { rest.is_none() });
    }
}

#[tokio::test]
async fn a_grpc_stream_ends_with_its_status_in_the_trailers() {
    let fixture = Fixture::new();
    let (frames, response) = answer(&fixture, "application/grpc+proto").await;
    let mut body = response.into_body();
    frames.send(chunk()).unwrap();
    assert!(body.frame().await.unwrap().unwrap().is_data());
    fixture.clock.advance(LIFE + LEEWAY);
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "16");
    assert_eq!(trailers["grpc-message"], "The access token has expired");
    assert!(body.is_end_stream() && body.frame().await.is_none());
}

#[tokio::test]
async fn who_does_not_ask_for_it_has_no_end_nor_has_an_anonymous_answer() {
    let fixture = Fixture::new();
    let inner = || {
        service_fn(move |_: Request<()>| {
            let (frames, body) = by_hand();
            frames.send(chunk()).unwrap();
            std::mem::forget(frames);
            ready(Ok::<_, Infallible>(Response::new(body)))
        })
    };
    let auth = || AuthLayer::new(fixture.server.clone()).map_body(whole);
    let mut plain = auth().layer(inner()).oneshot(request(&fixture).body(()).unwrap()).await.unwrap().into_body();
    let ending = auth().optional().end_streams_at_expiry();
    let mut anonymous = ending.layer(inner()).oneshot(get().body(()).unwrap()).await.unwrap().into_body();
    fixture.clock.advance(LIFE + LEEWAY);
    assert!(plain.frame().await.unwrap().is_ok() && is_pending(&mut plain).await);
    assert!(anonymous.frame().await.unwrap().is_ok() && is_pending(&mut anonymous).await);
}

#[tokio::test]
async fn refusals_are_what_they_were() {
    let fixture = Fixture::new();
    let inner = || service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(whole(Bytes::new())))));
    let auth = || AuthLayer::new(fixture.server.clone());
    let expired = || get().header("authorization", format!("Bearer {}", fixture.token().expired().sign()));
    let plain = auth().map_body(whole).layer(inner()).oneshot(expired().body(()).unwrap()).await.unwrap();
    let ending = auth().map_body(whole).end_streams_at_expiry();
    let ending = ending.layer(inner()).oneshot(expired().body(()).unwrap()).await.unwrap();
    assert_eq!((plain.status(), plain.headers()), (ending.status(), ending.headers()));
    let (plain, ending) = (plain.into_body().collect().await.unwrap(), ending.into_body().collect().await.unwrap());
    assert_eq!(plain.to_bytes(), ending.to_bytes());
    let empty = auth()
        .empty_body()
        .end_streams_at_expiry()
        .layer(service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(tonic::body::Body::empty())))));
    let empty = empty.oneshot(expired().body(()).unwrap()).await.unwrap();
    assert!(!empty.headers().contains_key("content-type") && empty.into_body().is_end_stream());
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn an_axum_router_takes_the_layer_as_it_is() {
    use axum::{Router, body::Body, routing::get};
    let fixture = Fixture::new();
    let layer = AuthLayer::new(fixture.server.clone()).end_streams_at_expiry();
    let app: Router = Router::new().route("/r", get(|| async { "inside" })).layer(layer);
    let request = request(&fixture).body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(axum::body::to_bytes(response.into_body(), 100).await.unwrap(), "inside");
}

/// A manual clock that counts the timers that are asked for.
#[derive(Clone)]
struct Counting {
    clock: ManualClock,
    timers: Arc<AtomicUsize>,
}

impl Clock for Counting {
    fn wall(&self) -> SystemTime {
        self.clock.wall()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.timers.fetch_add(1, Ordering::SeqCst);
        self.clock.sleep(duration)
    }
}

#[tokio::test]
async fn only_a_body_that_keeps_its_client_waiting_costs_a_timer() {
    let timers = Arc::new(AtomicUsize::new(0));
    let fixture = Fixture::new();
    fixture.server.warm_up().await.unwrap();
    let clock = Counting { clock: fixture.clock.clone(), timers: timers.clone() };
    let builder = ResourceServer::builder(crate::support::RS, crate::support::AS).clock(clock);
    let server = builder.http_client(fixture.issuer.http_client()).build().unwrap();
    server.warm_up().await.unwrap();
    let fixture = Fixture { server, ..fixture };
    let before = timers.load(Ordering::SeqCst);
    let (frames, response) = answer(&fixture, "text/event-stream").await;
    let mut body = response.into_body();
    for _ in 0..100 {
        frames.send(chunk()).unwrap();
        assert!(body.frame().await.unwrap().is_ok());
    }
    assert_eq!(timers.load(Ordering::SeqCst), before);
    for _ in 0..100 {
        assert!(is_pending(&mut body).await);
        frames.send(chunk()).unwrap();
        assert!(body.frame().await.unwrap().is_ok());
    }
    assert_eq!(timers.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn the_end_can_be_waited_for_and_follows_the_time_of_day() {
    let fixture = Fixture::new();
    let token = fixture.token().expires_in(LIFE * 60).sign();
    let claims = fixture.bearer(&token).await.claims.unwrap();
    let mut expired = pin!(claims.expired());
    let mut is_over = || expired.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    assert!(!is_over());
    fixture.clock.advance(LIFE * 30);
    assert!(!is_over());
    // Set back by half an hour, the token lives half an hour longer; set ahead again, a minute shows it.
    let noon = fixture.clock.wall();
    fixture.clock.set_wall(noon - LIFE * 30);
    fixture.clock.advance(LIFE * 45);
    assert!(!is_over());
    fixture.clock.set_wall(noon + LIFE * 30 + LEEWAY - SECOND * 61);
    fixture.clock.advance(LIFE);
    assert!(!is_over());
    fixture.clock.advance(SECOND);
    assert!(is_over());
    assert_eq!(TestClaims::new().claim("exp", 1).build().expired().await, ());
}

/// Serves one connection on loopback with an event stream that ends with its token.
async fn serve(fixture: &Fixture) -> (Frames, TcpStream) {
    let (frames, body) = by_hand();
    let body = Arc::new(Mutex::new(Some(body)));
    let layer = AuthLayer::new(fixture.server.clone()).map_body(whole).end_streams_at_expiry();
    let service = layer.layer(service_fn(move |_: Request<Incoming>| {
        ready(Ok::<_, Infallible>(Response::new(body.lock().unwrap().take().unwrap())))
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(move |request| service.clone().oneshot(request));
        let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
    });
    (frames, TcpStream::connect(address).await.unwrap())
}

/// The first chunk arrives, and then the client can tell that the rest is missing.
async fn assert_cut(fixture: &Fixture, frames: &Frames, response: Response<Incoming>) {
    let mut body = response.into_body();
    frames.send(chunk()).unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "event");
    fixture.clock.advance(LIFE + LEEWAY);
    assert!(body.frame().await.unwrap().is_err());
}

#[tokio::test]
async fn over_http_1_1_a_cut_answer_is_not_taken_for_a_whole_one() {
    let fixture = Fixture::new();
    let (frames, stream) = serve(&fixture).await;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = request(&fixture).header("host", "a").body(Full::<Bytes>::default()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.headers()["transfer-encoding"], "chunked");
    assert_cut(&fixture, &frames, response).await;
}

#[tokio::test]
async fn over_http_2_a_cut_answer_is_not_taken_for_a_whole_one() {
    let fixture = Fixture::new();
    let (frames, stream) = serve(&fixture).await;
    let executor = TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = request(&fixture).uri("http://api.example.com/r").body(Full::<Bytes>::default()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_cut(&fixture, &frames, response).await;
}

/// A WebSocket as far as its handshake and its last frame go.
async fn converse(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let claims = request.extensions().get::<Claims>().unwrap().clone();
    tokio::spawn(async move {
        let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        claims.expired().await;
        // Close, 1008: policy violation.
        stream.write_all(&[0x88, 2, 0x03, 0xF0]).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    Ok(response.header("connection", "upgrade").header("upgrade", "websocket").body(whole(Bytes::new())).unwrap())
}

#[tokio::test]
async fn s10_21_r80_a_websocket_is_refused_without_a_token_and_can_be_closed_at_the_end_of_it() {
    let fixture = Fixture::new();
    let layer = AuthLayer::new(fixture.server.clone()).map_body(whole);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = layer.layer(service_fn(converse));
            let service = hyper::service::service_fn(move |request| service.clone().oneshot(request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    let handshake = async |authorization: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head =
            format!("GET /r HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n{authorization}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        (String::from_utf8(start.to_vec()).unwrap(), stream)
    };
    let token = fixture.token().expires_in(LIFE).sign();
    for bare in [String::new(), format!("sec-websocket-protocol: bearer, {token}\r\n")] {
        assert_eq!(handshake(&bare).await.0, "HTTP/1.1 401");
    }
    let (status, mut stream) = handshake(&format!("authorization: Bearer {token}\r\n")).await;
    assert_eq!(status, "HTTP/1.1 101");
    fixture.clock.advance(LIFE + LEEWAY);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(&[0x88, 2, 0x03, 0xF0]), "{rest:?}");
}
