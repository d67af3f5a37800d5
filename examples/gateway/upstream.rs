//! The service behind: a streaming reverse proxy.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::{Layer, Service, ServiceExt};
use tower_bearer::{EndStreamsAtExpiry, ForwardLayer};

use crate::answer::describe;
use crate::reply::{Body, problem};

/// How long a connection to the upstream may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection to the upstream is kept without a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What stands behind the gate: the upstream, or the gateway's own answer.
#[derive(Clone)]
pub struct Behind {
    proxy: Option<Arc<Proxy>>,
    end_streams: bool,
}

struct Proxy {
    origin: Uri,
    forward: ForwardLayer,
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

impl Behind {
    pub fn new(upstream: Option<&Uri>, forward: ForwardLayer) -> Self {
        let proxy = upstream.map(|origin| {
            let mut connector = HttpConnector::new();
            connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
            connector.set_nodelay(true);
            let mut client = Client::builder(TokioExecutor::new());
            // Without a timer an idle connection is closed only when somebody looks for one.
            client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT);
            let http1 = client.build(connector.clone());
            let http2 = client.http2_only(true).build(connector);
            Arc::new(Proxy { origin: origin.clone(), forward, http1, http2 })
        });
        Behind { proxy, end_streams: false }
    }

    /// Its answers go on no longer than the token of their request.
    pub fn end_streams_at_expiry(self) -> Self {
        Behind { end_streams: true, ..self }
    }
}

impl Service<Request<Incoming>> for Behind {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if self.end_streams {
            let endless = Behind { end_streams: false, ..self.clone() };
            let ending = EndStreamsAtExpiry.layer(endless).oneshot(request);
            return Box::pin(
                async move { Ok(ending.await?.map(|body| body.map_err(io::Error::other).boxed_unsync())) },
            );
        }
        let Some(proxy) = self.proxy.clone() else {
            return Box::pin(std::future::ready(Ok(describe(&request))));
        };
        Box::pin(async move { Ok(proxy.pass_on(request).await) })
    }
}

impl Proxy {
    async fn pass_on(&self, mut request: Request<Incoming>) -> Response<Body> {
        let grpc =
            request.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        keep_host(&mut request);
        remove_hop_by_hop(request.headers_mut());
        // Without a length the client would send no body with GET.
        if !grpc && !request.body().is_end_stream() && !request.headers().contains_key(CONTENT_LENGTH) {
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let target = request.uri().path_and_query().cloned();
        *request.uri_mut() = self.target(target);
        *request.version_mut() = if grpc { Version::HTTP_2 } else { Version::HTTP_11 };
        let client = if grpc { &self.http2 } else { &self.http1 };
        let forward = self.forward.clone();
        match client.request(request.map(|body| cleaned(body, forward))).await {
            Ok(mut response) => {
                remove_hop_by_hop(response.headers_mut());
                response.map(|body| body.map_err(io::Error::other).boxed_unsync())
            }
            Err(error) => {
                tracing::warn!(%error, "the upstream gave no answer");
                let timeout = is_timeout(&error);
                let status = if timeout { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
                problem(status, "The service behind the gateway gave no answer")
            }
        }
    }

    fn target(&self, path: Option<PathAndQuery>) -> Uri {
        let mut parts = self.origin.clone().into_parts();
        parts.path_and_query = path.or_else(|| Some(PathAndQuery::from_static("/")));
        Uri::from_parts(parts).unwrap_or_else(|_| self.origin.clone())
    }
}

/// Trailers can carry the fields that tell who calls as well, and are read as headers by some.
fn cleaned(body: Incoming, forward: ForwardLayer) -> Body {
    let clean = move |frame: Frame<Bytes>| match frame.into_trailers() {
        Ok(mut trailers) => {
            forward.remove_from(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    };
    body.map_frame(clean).map_err(io::Error::other).boxed_unsync()
}

/// The upstream sees the name by which it was called. Over HTTP/2, and where a client speaks to us as to a proxy,
/// that stands in the request's URI, which beats `Host` (RFC 9112 section 3.2.2).
fn keep_host(request: &mut Request<Incoming>) {
    let authority = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority {
        request.headers_mut().insert(HOST, authority);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = list(headers, &CONNECTION).filter_map(|name| name.parse().ok()).collect();
    let trailers = list(headers, &TE).any(|coding| coding.eq_ignore_ascii_case("trailers"));
    for name in HOP_BY_HOP.iter().chain(&named).chain([&TE]) {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// The members of a comma-separated field.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut) || error.source().is_some_and(is_timeout)
}
