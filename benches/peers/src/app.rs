//! One application under test: a route `GET /x` behind one way of checking tokens, called in process.

use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use axum::Router;
use axum::ServiceExt as MakeService;
use axum::body::Body;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Response};
use tower::{Service, ServiceExt};
use tower_bearer::Auth;

/// The ways in which the peers are mounted. Routers have their state, as `axum::serve` gives it to them: without it
/// axum applies every layer anew for each request.
pub enum App {
    Router(Router),
    /// A layer around the whole router.
    Outer(Auth<Router>),
    Router07(axum07::Router),
}

/// The answer of the route that all applications have.
pub async fn ok() -> &'static str {
    "ok"
}

/// The route that all applications have.
pub fn route() -> Router {
    Router::new().route("/x", axum::routing::get(ok))
}

impl App {
    /// Makes and answers `count` requests with the tokens that `next` gives; returns the time that took. Making one
    /// belongs to it, as its bytes are then as warm as after a read from a socket.
    pub fn answer<'a>(&self, count: usize, next: &mut dyn FnMut() -> Option<&'a str>) -> Duration {
        match self {
            App::Router(router) => answer::<_, Body, _>(router, count, next),
            App::Outer(auth) => answer::<_, Body, _>(auth, count, next),
            App::Router07(router) => answer::<_, axum07::body::Body, _>(router, count, next),
        }
    }

    /// Serves HTTP/1.1 for ever.
    pub async fn serve(self, listener: tokio::net::TcpListener) -> std::io::Result<()> {
        match self {
            App::Router(router) => axum::serve(listener, router).await,
            App::Outer(auth) => {
                axum::serve(listener, MakeService::<http::Request<Body>>::into_make_service(auth)).await
            }
            App::Router07(router) => axum07::serve(listener, router).await,
        }
    }

    /// The status of one answer.
    pub fn status(&self, token: Option<&str>) -> u16 {
        match self {
            App::Router(router) => status::<_, Body, _>(router, token),
            App::Outer(auth) => status::<_, Body, _>(auth, token),
            App::Router07(router) => status::<_, axum07::body::Body, _>(router, token),
        }
    }

    /// The allocations and bytes of one answer, its request not counted.
    pub fn allocations(&self, token: Option<&str>) -> (u64, u64) {
        match self {
            App::Router(router) => allocations::<_, Body, _>(router, token),
            App::Outer(auth) => allocations::<_, Body, _>(auth, token),
            App::Router07(router) => allocations::<_, axum07::body::Body, _>(router, token),
        }
    }
}

fn answer<'a, S, Q, B>(service: &S, count: usize, next: &mut dyn FnMut() -> Option<&'a str>) -> Duration
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible> + Clone,
    Q: Default,
{
    let start = Instant::now();
    for _ in 0..count {
        black_box(call(service, request(next())));
    }
    start.elapsed()
}

fn status<S, Q, B>(service: &S, token: Option<&str>) -> u16
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible> + Clone,
    Q: Default,
{
    call(service, request(token)).status().as_u16()
}

fn allocations<S, Q, B>(service: &S, token: Option<&str>) -> (u64, u64)
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible> + Clone,
    Q: Default,
{
    let request = request(token);
    let before = crate::alloc::count();
    drop(call(service, request));
    let after = crate::alloc::count();
    (after.allocations - before.allocations, after.bytes - before.bytes)
}

fn call<S, Q, B>(service: &S, request: Request<Q>) -> Response<B>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible> + Clone,
{
    match now(service.clone().oneshot(request)) {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Five header fields, the token's bytes freshly written.
fn request<Q: Default>(token: Option<&str>) -> Request<Q> {
    let mut request = Request::new(Q::default());
    *request.uri_mut() = http::Uri::from_static("/x");
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("api.example.com"));
    headers.insert(USER_AGENT, HeaderValue::from_static("benchmark/1.0"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
    if let Some(token) = token {
        let mut value = Vec::with_capacity(7 + token.len());
        value.extend_from_slice(b"Bearer ");
        value.extend_from_slice(token.as_bytes());
        headers.insert(AUTHORIZATION, HeaderValue::try_from(value).expect("a token"));
    }
    request
}

/// The output of a future that waits for nothing.
pub fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("an answer that should need no waiting"),
    }
}

/// The output of a future that may wait: for what is done before the measurements.
pub fn wait<F: Future>(future: F) -> F::Output {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"));
    RUNTIME.block_on(future)
}
