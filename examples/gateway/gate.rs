//! One request: the gateway's own documents, then who may pass to what is behind.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use metrics_exporter_prometheus::PrometheusHandle;
use tower::{Layer, ServiceExt};
use tower_bearer::{Forward, MapBody, ProtectedResourceMetadata, RequireRules, ResourceServer, Ruled};

use crate::reply::{Body, body, problem};
use crate::settings::Settings;
use crate::upstream::Behind;

/// Prometheus refuses to guess a format.
const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// What is behind, and the rules in front of it.
type Guarded = Ruled<Forward<Behind>, MapBody<fn(Bytes) -> Body>>;

/// Everything that decides about a request, prepared.
pub struct Gate {
    guarded: Guarded,
    metadata: Option<ProtectedResourceMetadata>,
    metrics: Option<(String, PrometheusHandle)>,
    server: ResourceServer,
}

impl Gate {
    pub fn new(settings: &Settings, metrics: Option<PrometheusHandle>) -> Self {
        let behind = Behind::new(settings.upstream.as_ref(), settings.forward.clone());
        let behind = if settings.end_streams_at_expiry { behind.end_streams_at_expiry() } else { behind };
        let rules = RequireRules::new(settings.server.clone(), settings.rules.clone());
        Gate {
            guarded: rules.map_body(body as fn(Bytes) -> Body).layer(settings.forward.layer(behind)),
            metadata: ProtectedResourceMetadata::of(&settings.server),
            metrics: settings.metrics_path.clone().zip(metrics),
            server: settings.server.clone(),
        }
    }

    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if let Some(answer) = self.own_answer(&request) {
            return answer;
        }
        if request.method() == Method::CONNECT {
            return problem(StatusCode::METHOD_NOT_ALLOWED, "The gateway opens no tunnels");
        }
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
