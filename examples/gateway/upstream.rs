//! The service behind: a streaming reverse proxy.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_bearer::ForwardLayer;

use crate::header_list::members;
use crate::reply::{Body, body, problem};
use crate::upgrade::{self, Upgrade};

/// How long a connection to the upstream may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection to the upstream is kept without a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the service behind is, and how long it may be silent before the head of its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    pub origin: Uri,
    pub timeout: Duration,
}

pub struct Proxy {
    upstream: Upstream,
    http1: Client<HttpConnector, Body>,
    /// Cleartext HTTP/2 with prior knowledge, for gRPC.
    http2: Client<HttpConnector, Body>,
}

/// Fields that speak of one connection only (RFC 9110 section 7.6.1). `Trailer` is not one of them: it announces
/// fields that are passed on.
const HOP_BY_HOP: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

impl Proxy {
    pub fn new(upstream: Upstream) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let mut client = Client::builder(TokioExecutor::new());
        // Without a timer an idle connection is closed only when somebody looks for one.
        client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT);
        let http1 = client.build(connector.clone());
        let http2 = client.http2_only(true).build(connector);
        Proxy { upstream, http1, http2 }
    }

    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub async fn pass_on(&self, mut request: Request<Incoming>, forward: ForwardLayer) -> Response<Body> {
        let grpc =
            request.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        let upgrade = upgrade::wanted(&mut request);
        keep_host(&mut request);
        remove_hop_by_hop(request.headers_mut(), forward.names());
        // Without a length the client would send no body with GET.
        if !grpc && !request.body().is_end_stream() && !request.headers().contains_key(CONTENT_LENGTH) {
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if let Some(upgrade) = &upgrade {
            upgrade.ask_upstream(request.headers_mut());
        }
        let target = request.uri().path_and_query().cloned();
        *request.uri_mut() = self.target(target);
        *request.version_mut() = if grpc { Version::HTTP_2 } else { Version::HTTP_11 };
        match self.ask(request, forward, grpc).await {
            Ok(response) => returned(response, upgrade),
            Err(status) => problem(status, "The service behind the gateway gave no answer"),
        }
    }

    /// Waits for the head of the answer as long as the request's body flows, and then for the time that is allowed.
    /// A gRPC call brings its own deadline.
    async fn ask(
        &self,
        request: Request<Incoming>,
        forward: ForwardLayer,
        grpc: bool,
    ) -> Result<Response<Incoming>, StatusCode> {
        let flowed = Arc::new(AtomicU64::new(0));
        let client = if grpc { &self.http2 } else { &self.http1 };
        let mut answer = pin!(client.request(request.map(|body| watched(body, forward, flowed.clone()))));
        loop {
            let seen = flowed.load(Ordering::Relaxed);
            match tokio::time::timeout(self.upstream.timeout, answer.as_mut()).await {
                Ok(answer) => return answer.map_err(|error| no_answer(&error)),
                Err(_) if !grpc && flowed.load(Ordering::Relaxed) == seen => {
                    tracing::warn!(timeout = ?self.upstream.timeout, "the upstream gave no answer in time");
                    return Err(StatusCode::GATEWAY_TIMEOUT);
                }
                Err(_) => {}
            }
        }
    }

    fn target(&self, path: Option<PathAndQuery>) -> Uri {
        let mut parts = self.upstream.origin.clone().into_parts();
        parts.path_and_query = path.or_else(|| Some(PathAndQuery::from_static("/")));
        Uri::from_parts(parts).unwrap_or_else(|_| self.upstream.origin.clone())
    }
}

/// What the client gets. Only who asked for another protocol may be told that one is spoken from here on.
fn returned(mut response: Response<Incoming>, upgrade: Option<Upgrade>) -> Response<Body> {
    let protocol = response.headers().get(UPGRADE).cloned();
    remove_hop_by_hop(response.headers_mut(), []);
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return response.map(|body| body.map_err(io::Error::other).boxed_unsync());
    }
    match (upgrade, protocol) {
        (Some(upgrade), Some(protocol)) => upgrade.agree(response, protocol).map(|_| body("")),
        _ => problem(StatusCode::BAD_GATEWAY, "The service behind the gateway speaks another protocol, unasked"),
    }
}

/// The body on its way. Trailers can carry the fields that tell who calls as well, and are read as headers by some.
fn watched(body: Incoming, forward: ForwardLayer, flowed: Arc<AtomicU64>) -> Body {
    let look = move |frame: Frame<Bytes>| {
        flowed.fetch_add(1, Ordering::Relaxed);
        match frame.into_trailers() {
            Ok(mut trailers) => {
                forward.remove_from(&mut trailers);
                Frame::trailers(trailers)
            }
            Err(frame) => frame,
        }
    };
    body.map_frame(look).map_err(io::Error::other).boxed_unsync()
}

/// The upstream sees the name by which it was called. Over HTTP/2, and where a client speaks to us as to a proxy,
/// that stands in the request's URI, which beats `Host` (RFC 9112 section 3.2.2).
fn keep_host(request: &mut Request<Incoming>) {
    let authority = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority {
        request.headers_mut().insert(HOST, authority);
    }
}

/// What is `ours` stays, or a client could name the fields that tell who calls in `Connection`.
fn remove_hop_by_hop<'a>(headers: &mut HeaderMap, ours: impl IntoIterator<Item = &'a HeaderName>) {
    let mut named: Vec<HeaderName> = members(headers, &CONNECTION).filter_map(|name| name.parse().ok()).collect();
    ours.into_iter().for_each(|ours| named.retain(|name| name != ours));
    let trailers = members(headers, &TE).any(|coding| coding.eq_ignore_ascii_case("trailers"));
    for name in HOP_BY_HOP.iter().chain(&named).chain([&TE]) {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

fn no_answer(error: &(dyn Error + 'static)) -> StatusCode {
    tracing::warn!(%error, "the upstream gave no answer");
    if is_timeout(error) { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY }
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut) || error.source().is_some_and(is_timeout)
}
