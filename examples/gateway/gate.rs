//! One request: the gateway's own documents, then who may pass to what is behind.

use std::sync::{Arc, Once};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use metrics_exporter_prometheus::PrometheusHandle;
use tower::{Layer, ServiceExt};
use tower_bearer::{Forward, MapBody, ProtectedResourceMetadata, RequireRules, ResourceServer, Ruled};

use crate::behind::{Behind, What};
use crate::check::{self, Original};
use crate::reply::{Body, body, problem};
use crate::settings::{Mode, Settings};
use crate::upstream::Proxy;

/// Prometheus refuses to guess a format.
const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// What is behind, and the rules in front of it.
type Guarded = Ruled<Forward<Behind>, MapBody<fn(Bytes) -> Body>>;

/// Everything that decides about a request, prepared.
pub struct Gate {
    guarded: Guarded,
    proxy: Option<Arc<Proxy>>,
    mode: Mode,
    matches_paths: bool,
    matches_methods: bool,
    metadata: Option<ProtectedResourceMetadata>,
    metrics: Option<(String, PrometheusHandle)>,
    server: ResourceServer,
}

impl Gate {
    /// Where the upstream is the one of the gate before, its connections serve on.
    pub fn new(settings: &Settings, metrics: Option<PrometheusHandle>, before: Option<&Gate>) -> Self {
        let forward = settings.forward.clone();
        let kept = before.and_then(|before| before.proxy.clone());
        let kept = kept.filter(|kept| Some(kept.upstream()) == settings.upstream.as_ref());
        let proxy = kept.or_else(|| settings.upstream.clone().map(Proxy::new).map(Arc::new));
        let what = match (settings.mode, &proxy) {
            (Mode::Check, _) => What::Checked(forward),
            (Mode::Proxy, Some(proxy)) => What::Upstream(proxy.clone(), forward),
            (Mode::Proxy, None) => What::Claims,
        };
        let behind = Behind::new(what, settings.end_streams_at_expiry);
        let routes = settings.rules.routes();
        let rules = RequireRules::new(settings.server.clone(), settings.rules.clone());
        Gate {
            guarded: rules.map_body(body as fn(Bytes) -> Body).layer(settings.forward.layer(behind)),
            proxy,
            mode: settings.mode,
            matches_paths: !routes.is_empty(),
            matches_methods: routes.names_methods(),
            metadata: ProtectedResourceMetadata::of(&settings.server),
            metrics: settings.metrics_path.clone().zip(metrics),
            server: settings.server.clone(),
        }
    }

    pub fn server(&self) -> &ResourceServer {
        &self.server
    }

    pub async fn answer(&self, mut request: Request<Incoming>) -> Response<Body> {
        if self.mode == Mode::Proxy {
            return self.answer_itself(request).await;
        }
        check::is_no_preflight(request.headers_mut());
        match check::original(&request) {
            Ok(Some(original)) => self.answer_for(original, request).await,
            Ok(None) => self.answer_itself(request).await,
            Err(_) => problem(StatusCode::FORBIDDEN, "The original request is named in two ways"),
        }
    }

    async fn answer_itself(&self, request: Request<Incoming>) -> Response<Body> {
        if let Some(answer) = self.own_answer(&request) {
            return answer;
        }
        if request.method() == Method::CONNECT {
            return problem(StatusCode::METHOD_NOT_ALLOWED, "The gateway opens no tunnels");
        }
        if self.mode == Mode::Check && self.matches_paths {
            return incomplete(
                "X-Original-Method and X-Original-URI, X-Forwarded-Method and X-Forwarded-Uri, or /envoy",
            );
        }
        if self.mode == Mode::Check && check::brings_proof(request.headers()) {
            return unproven();
        }
        self.judged(request).await
    }

    /// The answer to a proxy that keeps the request itself.
    async fn answer_for(&self, original: Original, mut request: Request<Incoming>) -> Response<Body> {
        if self.metadata.as_ref().is_some_and(|metadata| metadata.is_at(&original.target)) {
            return problem(StatusCode::FORBIDDEN, "The proxy must send requests for this document to the gateway");
        }
        match original.method {
            Some(method) => *request.method_mut() = method,
            None if self.matches_methods => return incomplete("X-Original-Method, because a rule names methods"),
            None if check::brings_proof(request.headers()) => return unproven(),
            None => {}
        }
        let is_read_in_one_way = !self.matches_paths || check::is_normal(original.target.path());
        *request.uri_mut() = original.target;
        let answer = check::understood(self.judged(request).await);
        if answer.status().is_success() && !is_read_in_one_way {
            return problem(StatusCode::FORBIDDEN, "The path is not in normal form, which the rules speak of");
        }
        answer
    }

    async fn judged(&self, request: Request<Incoming>) -> Response<Body> {
        match self.guarded.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// The public documents of the gateway itself: metadata and metrics.
    fn own_answer(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        if let Some(metadata) = self.metadata.as_ref().filter(|metadata| metadata.is_at(request.uri())) {
            return Some(metadata.respond(request.method()).map(body));
        }
        let (_, handle) = self.metrics.as_ref().filter(|(path, _)| path == request.uri().path())?;
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Some(problem(StatusCode::METHOD_NOT_ALLOWED, "Metrics are read with GET"));
        }
        self.server.record_gauges();
        let mut answer = Response::new(body(handle.render()));
        answer.headers_mut().insert(CONTENT_TYPE, PROMETHEUS_TEXT);
        Some(answer)
    }
}

/// The method and the path of the question are not those of the request, so a proof for them proves nothing.
fn unproven() -> Response<Body> {
    problem(StatusCode::FORBIDDEN, "A DPoP proof needs a proxy that names method and target of the request")
}

/// The proxy in front is set up wrongly, and nobody passes until that is mended.
fn incomplete(missing: &str) -> Response<Body> {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| tracing::warn!(missing, "the proxy in front does not say which request it asks about"));
    problem(StatusCode::BAD_REQUEST, &format!("The proxy does not say which request it asks about: {missing}"))
}
