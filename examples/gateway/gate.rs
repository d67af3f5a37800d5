//! One request: which rule, who may pass, what is behind.

use std::convert::Infallible;

use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use metrics_exporter_prometheus::PrometheusHandle;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt};
use tower_bearer::{
    AuthLayer, Forward, ProtectedResourceMetadata, Require, Requirement, ResourceServer, RouteRules, normalize_path,
};

use crate::reply::{Body, body, problem};
use crate::rules::Access;
use crate::settings::Settings;
use crate::upstream::Behind;

/// Prometheus refuses to guess a format.
const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

type Door = BoxCloneSyncService<Request<Incoming>, Response<Body>, Infallible>;

/// Everything that decides about a request, prepared: one door for each rule.
pub struct Gate {
    routes: RouteRules<Door>,
    default: Door,
    normalizes: bool,
    metadata: Option<ProtectedResourceMetadata>,
    metrics: Option<(String, PrometheusHandle)>,
    server: ResourceServer,
}

impl Gate {
    pub fn new(settings: &Settings, metrics: Option<PrometheusHandle>) -> Self {
        let behind = settings.forward.layer(Behind::new(settings.upstream.as_ref(), settings.forward.clone()));
        let door = |access: &Access| door(&settings.server, access, behind.clone());
        Gate {
            routes: settings.rules.routes.map(door),
            default: door(&settings.rules.default),
            normalizes: settings.rules.any,
            metadata: ProtectedResourceMetadata::of(&settings.server),
            metrics: settings.metrics_path.clone().zip(metrics),
            server: settings.server.clone(),
        }
    }

    pub async fn answer(&self, mut request: Request<Incoming>) -> Response<Body> {
        if let Some(answer) = self.own_answer(&request) {
            return answer;
        }
        if request.method() == Method::CONNECT {
            return problem(StatusCode::METHOD_NOT_ALLOWED, "The gateway opens no tunnels");
        }
        if self.normalizes && normalize(request.uri_mut()).is_none() {
            return problem(StatusCode::BAD_REQUEST, "The path can be read in more than one way");
        }
        let door = self.routes.find(request.method(), request.uri().path()).unwrap_or(&self.default);
        match door.clone().oneshot(request).await {
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

/// The door of one kind of access.
fn door(server: &ResourceServer, access: &Access, behind: Forward<Behind>) -> Door {
    let auth = AuthLayer::new(server.clone()).map_body(body);
    let asking = |requirement: Requirement| {
        Door::new(auth.layer(Require::new(requirement).map_body(body).layer(behind.clone())))
    };
    match access {
        Access::Public => Door::new(behind),
        Access::Authenticated => Door::new(auth.layer(behind)),
        Access::Optional => Door::new(auth.optional().layer(behind)),
        Access::Deny => asking(Requirement::any_of([])),
        Access::Require(requirement) => asking(requirement.clone()),
    }
}

/// Puts the path into normal form, which the rules match and the upstream gets.
fn normalize(uri: &mut Uri) -> Option<()> {
    let normal = normalize_path(uri.path())?;
    if normal == uri.path() {
        return Some(());
    }
    let path = match uri.query() {
        Some(query) => format!("{normal}?{query}"),
        None => normal,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    *uri = Uri::from_parts(parts).ok()?;
    Some(())
}
