//! CORS (Fetch standard): preflights, refusals that a script can read, the order of the layers.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION,
    CONTENT_TYPE, WWW_AUTHENTICATE,
};
use http::{Method, Request, StatusCode};
use tower::ServiceBuilder;
use tower_bearer::{AuthLayer, RequireScope};
use tower_http::cors::{Any, CorsLayer};

use crate::support::{Fixture, Outcome, get, send_through};

const ORIGIN: &str = "https://app.example.com";

/// A preflight in its real form.
fn preflight() -> http::request::Builder {
    get().method(Method::OPTIONS).header("origin", ORIGIN).header("access-control-request-method", "GET")
}

#[track_caller]
fn assert_passed_without_claims(outcome: &Outcome) {
    assert_eq!((outcome.status, outcome.calls), (StatusCode::OK, 1), "{outcome:?}");
    assert!(outcome.claims.is_none());
}

#[tokio::test]
async fn cors_a_a_preflight_passes_without_a_token_and_without_claims() {
    let fixture = Fixture::new();
    assert_passed_without_claims(&fixture.send(preflight().body(()).unwrap()).await);
    let empty = preflight().header("content-length", "0").body(()).unwrap();
    assert_passed_without_claims(&fixture.send(empty).await);
}

#[tokio::test]
async fn cors_a_a_preflight_passes_a_required_scope() {
    let fixture = Fixture::new();
    let layers = || {
        let auth = AuthLayer::new(fixture.server.clone());
        ServiceBuilder::new().layer(auth).layer(RequireScope::all(["a"]))
    };
    assert_passed_without_claims(&send_through(layers(), preflight().body(()).unwrap()).await);
    let plain = get().method(Method::OPTIONS).body(()).unwrap();
    send_through(layers(), plain).await.assert_anon();
}

#[tokio::test]
async fn cors_b_s10_13_what_only_looks_like_a_preflight_is_protected() {
    let fixture = Fixture::new();
    let options = || get().method(Method::OPTIONS);
    let requests = [
        options(),
        options().header("origin", ORIGIN),
        options().header("access-control-request-method", "GET"),
        preflight().header("content-length", "5"),
        preflight().header("transfer-encoding", "chunked"),
        preflight().header("authorization", "Basic dTpw"),
        preflight().method(Method::POST),
        preflight().method(Method::GET),
        preflight().method(Method::HEAD),
        preflight().method("options"),
    ];
    for request in requests {
        fixture.send(request.body(()).unwrap()).await.assert_anon();
    }
    assert_passed_without_claims(&fixture.send(preflight().body(()).unwrap()).await);
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([WWW_AUTHENTICATE])
}

#[tokio::test]
async fn cors_c_with_the_cors_layer_outside_a_script_can_read_a_refusal() {
    let fixture = Fixture::new();
    let auth = || AuthLayer::new(fixture.server.clone());
    let request = || get().header("origin", ORIGIN).body(()).unwrap();
    let outside = send_through(ServiceBuilder::new().layer(cors()).layer(auth()), request()).await;
    outside.assert_anon();
    assert_eq!(outside.headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let inside = send_through(ServiceBuilder::new().layer(auth()).layer(cors()), request()).await;
    inside.assert_anon();
    assert!(!inside.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn cors_c_an_outage_and_a_missing_scope_are_readable_as_well() {
    let fixture = Fixture::new();
    let auth = AuthLayer::new(fixture.server.clone());
    let layers = ServiceBuilder::new().layer(cors()).layer(auth).layer(RequireScope::all(["a"]));
    let token = fixture.token().sign();
    let request = get().header("origin", ORIGIN).header("authorization", format!("Bearer {token}"));
    let outcome = send_through(layers, request.body(()).unwrap()).await;
    outcome.assert_is();
    assert_eq!(outcome.headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
}

#[tokio::test]
async fn cors_d_a_script_reads_the_challenge_where_it_is_exposed() {
    let fixture = Fixture::new();
    let auth = AuthLayer::new(fixture.server.clone());
    let request = get().header("origin", ORIGIN).body(()).unwrap();
    let outcome = send_through(ServiceBuilder::new().layer(cors()).layer(auth), request).await;
    assert_eq!(outcome.headers[ACCESS_CONTROL_EXPOSE_HEADERS], "www-authenticate");
    assert_eq!(outcome.challenges().len(), 2);
}

#[tokio::test]
async fn cors_e_the_preflight_answer_names_authorization_wherever_the_cors_layer_stands() {
    let fixture = Fixture::new();
    let auth = || AuthLayer::new(fixture.server.clone());
    let request = || preflight().header("access-control-request-headers", "authorization").body(()).unwrap();
    let outside = send_through(ServiceBuilder::new().layer(cors()).layer(auth()), request()).await;
    let inside = send_through(ServiceBuilder::new().layer(auth()).layer(cors()), request()).await;
    for outcome in [outside, inside] {
        assert_eq!((outcome.status, outcome.calls), (StatusCode::OK, 0));
        assert_eq!(outcome.headers[ACCESS_CONTROL_ALLOW_HEADERS], "authorization,content-type");
    }
}

#[tokio::test]
async fn cors_f_the_metadata_document_is_readable_by_scripts_of_any_origin() {
    let fixture = Fixture::new();
    let at = |request: http::request::Builder| {
        request.uri("/.well-known/oauth-protected-resource").header("origin", ORIGIN).body(()).unwrap()
    };
    let document = fixture.send(at(Request::get("/"))).await;
    assert_eq!(document.headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let preflight =
        fixture.send(at(preflight().header("access-control-request-headers", "mcp-protocol-version"))).await;
    assert_eq!((preflight.status, preflight.calls), (StatusCode::NO_CONTENT, 0));
    assert_eq!(preflight.headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(preflight.headers[ACCESS_CONTROL_ALLOW_HEADERS], "*");
    let refusal = fixture.send(get().header("origin", ORIGIN).body(()).unwrap()).await;
    assert!(!refusal.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}
