//! Checks inside a handler and requirements as types: the answer is the layer's, and it is told once.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::extract::Path;
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;
use tower_bearer::testing::TestClaims;
use tower_bearer::{
    AuditEvents, AuditSink, AuthLayer, AuthRejection, Claims, Permitted, Policy, Require, RequireScope, Requirement,
};

use crate::support::Fixture;

fn own_tenant(tenant: &str) -> Requirement {
    Requirement::scope("write") & Requirement::claim("tenant", tenant) | Requirement::role("admin")
}

async fn handler(claims: Claims, Path(tenant): Path<String>) -> Result<String, AuthRejection> {
    claims.require(&own_tenant(&tenant))?;
    Ok(tenant)
}

/// The app, and what is told about its requests.
fn app(path: &str, handler: MethodRouter) -> (Fixture, Router, AuditEvents) {
    let (sink, events) = AuditSink::channel(32);
    let fixture = Fixture::with(
        |issuer| issuer,
        |builder| {
            let builder = builder.audit_sink(sink);
            builder.audit_route(|extensions| extensions.get::<MatchedPath>().map(MatchedPath::as_str))
        },
    );
    let app = Router::new().route(path, handler).layer(AuthLayer::new(fixture.server.clone()));
    (fixture, app, events)
}

async fn send(app: &Router, method: Method, path: &str, token: &str) -> Response<Bytes> {
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
    let (parts, body) = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_check_in_a_handler_answers_as_the_layer_does() {
    let (fixture, app, mut events) = app("/{tenant}", get(handler));
    let layered = Router::new().route("/{tenant}", get(|| async {}).layer(Require::new(own_tenant("north"))));
    let layered = layered.layer(AuthLayer::new(fixture.server.clone()));
    let token = |tenant: &str, scope: &str| fixture.token().claim("tenant", tenant).scope(scope).sign();
    let passed = send(&app, Method::GET, "/north", &token("north", "write")).await;
    assert_eq!((passed.status(), &passed.body()[..]), (StatusCode::OK, &b"north"[..]));
    events.recv().await.unwrap();
    let told = events.recv().await.unwrap();
    // There is no request to find the route in.
    assert_eq!((told.code, told.verdict, told.route), ("authorized", "passed", None));
    for (tenant, scope) in [("north", "read"), ("south", "write"), ("south", "")] {
        let token = token(tenant, scope);
        let [inside, outside] =
            [send(&app, Method::GET, "/north", &token).await, send(&layered, Method::GET, "/north", &token).await];
        assert_eq!(inside.status(), StatusCode::FORBIDDEN);
        assert_eq!((inside.headers(), inside.body()), (outside.headers(), outside.body()));
    }
}

#[tokio::test]
async fn c9110_9_3_2_a_refusal_of_a_handler_to_head_is_empty() {
    let (fixture, app, _events) = app("/{tenant}", get(handler));
    let refused = send(&app, Method::HEAD, "/north", &fixture.token().sign()).await;
    assert_eq!((refused.status(), refused.body().len()), (StatusCode::FORBIDDEN, 0));
    assert!(refused.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn without_axum_a_rejection_makes_its_response() {
    let claims = TestClaims::new().scope("read").build();
    let refused = || claims.require(&Requirement::scope("write")).unwrap_err();
    assert_eq!(refused().error().code(), "insufficient_scope");
    let response: Response<Full<Bytes>> = refused().response(&Method::GET);
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().contains("scope=\"write\""));
    assert!(!response.into_body().collect().await.unwrap().to_bytes().is_empty());
    let response: Response<Full<Bytes>> = refused().response(&Method::HEAD);
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    claims.require(&Requirement::scope("read")).unwrap();
}

fn from_inside() -> Requirement {
    Requirement::predicate("inside", |_, request| request.headers.contains_key("x-inside"))
}

#[tokio::test]
async fn a_predicate_needs_a_request_and_is_no_pass_without_one() {
    let claims = TestClaims::new().scope("a").build();
    let (bare, ()) = Request::get("/").body(()).unwrap().into_parts();
    let (inside, ()) = Request::get("/").header("x-inside", "1").body(()).unwrap().into_parts();
    for requirement in [from_inside(), !from_inside(), Requirement::scope("a") & from_inside()] {
        let refused = claims.require(&requirement).unwrap_err();
        assert_eq!((refused.error().code(), requirement.is_met(&claims)), ("request_missing", false), "{requirement}");
    }
    // A predicate cannot change what is settled without it.
    for requirement in [Requirement::scope("b") & from_inside(), from_inside() & Requirement::scope("b")] {
        let refused = claims.require(&requirement).unwrap_err();
        assert_eq!(refused.error().code(), "insufficient_scope", "{requirement}");
        assert_eq!(refused.error().required_scope(), Some("b"), "{requirement}");
    }
    claims.require(&(Requirement::scope("a") | from_inside())).unwrap();
    claims.require_by(&from_inside(), &inside).unwrap();
    claims.require_by(&!from_inside(), &bare).unwrap();
    let refused = claims.require_by(&from_inside(), &bare).unwrap_err();
    assert_eq!((refused.error().code(), refused.error().detail()), ("insufficient_scope", Some("predicate:inside")));
}

#[tokio::test]
async fn r78_a_predicate_that_panics_is_500_and_the_next_request_passes() {
    let moody =
        Requirement::predicate("moody", |_, request| request.headers.get("x-panic").is_none() || panic!("mood"));
    // Also where the rest would do, and where its opposite is asked for.
    for requirement in [moody.clone(), moody.clone() | Requirement::scope("a"), !moody] {
        let app = |status: u16| (requirement.clone(), status);
        let passes = if requirement.to_string().starts_with("not") { 403 } else { 200 };
        for (panics, (requirement, status)) in [(true, app(500)), (false, app(passes))] {
            let app = Router::new().route("/", get(|| async {}).layer(Require::new(requirement)));
            let request = Request::get("/").extension(TestClaims::new().scope("a").build());
            let request = if panics { request.header("x-panic", "1") } else { request };
            let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), status);
        }
    }
}

struct Refunds;

impl Policy for Refunds {
    fn requirement() -> &'static Requirement {
        static REFUNDS: LazyLock<Requirement> =
            LazyLock::new(|| Requirement::scope("payments") & Requirement::acr(["mfa"]) & from_inside());
        &REFUNDS
    }
}

#[derive(serde::Deserialize)]
struct Dept {
    dept: String,
}

#[tokio::test]
async fn a_requirement_as_a_type_sees_claims_and_request() {
    let handler = get(async |claims: Permitted<Refunds, Dept>| claims.into_claims().extra().dept.clone());
    let (fixture, app, mut events) = app("/r", handler);
    let token = |acr: &str, scope: &str| fixture.token().claim("dept", "sales").claim("acr", acr).scope(scope).sign();
    let send = async |token: String, inside: bool| {
        let request = Request::get("/r").header("authorization", format!("Bearer {token}"));
        let request = if inside { request.header("x-inside", "1") } else { request };
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let passed = send(token("mfa", "payments"), true).await;
    assert_eq!(&passed.into_body().collect().await.unwrap().to_bytes()[..], b"sales");
    events.recv().await.unwrap();
    let told = events.recv().await.unwrap();
    assert_eq!(told.requirement.as_deref(), Some("scope:payments and acr:mfa and predicate:inside"));
    assert_eq!((told.route.as_deref(), told.required_scope.as_deref()), (Some("/r"), Some("payments")));
    for (token, inside, status) in [
        (token("mfa", "payments"), false, StatusCode::FORBIDDEN),
        (token("mfa", ""), true, StatusCode::FORBIDDEN),
        (token("pwd", "payments"), true, StatusCode::UNAUTHORIZED),
    ] {
        let refused = send(token, inside).await;
        assert_eq!(refused.status(), status);
        assert!(refused.headers().contains_key("www-authenticate"));
    }
}

#[tokio::test]
async fn events_know_the_route_of_the_layer_and_never_the_path_that_was_sent() {
    let (sink, mut events) = AuditSink::channel(8);
    let fixture = Fixture::with(|issuer| issuer, |builder| builder.audit_sink(sink));
    let token = fixture.token().subject("alice").scope("a").sign();
    let ask = async |layer: Require| {
        let app = Router::new().route("/orders/{id}", get(|| async {}).layer(layer));
        let app = app.layer(AuthLayer::new(fixture.server.clone()));
        send(&app, Method::GET, "/orders/secret-name", &token).await.status()
    };
    for (scope, status, verdict) in [("a", 200, "passed"), ("b", 403, "refused")] {
        for route in [Some("/orders/{id}"), None] {
            let layer = Require::new(Requirement::scope(scope));
            let layer = route.into_iter().fold(layer, Require::route);
            assert_eq!(ask(layer).await, status);
            assert_eq!(events.recv().await.unwrap().requirement, None);
            let told = events.recv().await.unwrap();
            assert_eq!((told.route.as_deref(), told.verdict), (route, verdict));
            assert_eq!(told.requirement, Some(format!("scope:{scope}")));
            assert!(told.took.is_some() && !format!("{told:?}").contains("secret-name"));
        }
    }
}

#[tokio::test]
async fn a_route_hook_that_panics_knows_no_route() {
    let (sink, mut events) = AuditSink::channel(8);
    let fixture = Fixture::with(|issuer| issuer, |builder| builder.audit_sink(sink).audit_route(|_| panic!("hook")));
    let app = Router::new().route("/r", get(|| async {}).layer(RequireScope::all(["a"])));
    let app = app.layer(AuthLayer::new(fixture.server.clone()));
    assert_eq!(send(&app, Method::GET, "/r", &fixture.token().scope("a").sign()).await.status(), StatusCode::OK);
    events.recv().await.unwrap();
    assert_eq!(events.recv().await.unwrap().route, None);
}

/// Parts are lent to predicates and put back whole.
#[tokio::test]
async fn a_request_that_predicates_looked_at_reaches_the_service_unchanged() {
    let looks = Requirement::predicate("looks", |_, request: &Parts| request.method == Method::POST);
    let inner = tower::service_fn(|request: Request<&'static str>| async move {
        assert_eq!((request.uri().path(), *request.body()), ("/a", "body"));
        assert_eq!(
            (&request.headers()["x-a"], request.extensions().get::<u8>()),
            (&http::HeaderValue::from(1), Some(&7))
        );
        Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::new())))
    });
    let service = tower::Layer::layer(&Require::new(looks), inner);
    for (method, status) in [(Method::POST, 200), (Method::GET, 403)] {
        let request = Request::builder().method(method).uri("/a").header("x-a", 1).extension(7u8);
        let request = request.extension(TestClaims::new().build()).body("body").unwrap();
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), status);
    }
}
