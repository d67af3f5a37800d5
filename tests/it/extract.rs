//! The axum extractors.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde::{Deserialize, Deserializer};
use tower::ServiceExt;
use tower_bearer::testing::TestClaims;
use tower_bearer::{AuthError, AuthLayer, Claims, RequireScope, RequiredScopes, Scoped};

use crate::support::Fixture;

pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    code: Option<&'static str>,
}

impl Answer {
    #[track_caller]
    pub fn assert(&self, status: u16, code: Option<&str>) {
        assert_eq!((self.status.as_u16(), self.code), (status, code), "{}", self.body);
        let challenged = self.headers.contains_key("www-authenticate");
        assert_eq!(challenged, matches!(status, 400 | 401 | 403), "{:?}", self.headers);
    }
}

pub async fn ask(app: &Router, method: Method, path: &str, token: Option<&str>) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request =
        token.iter().fold(request, |request, token| request.header("authorization", format!("Bearer {token}")));
    let (parts, body) = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        code: parts.extensions.get::<AuthError>().map(AuthError::code),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub async fn get_of(app: &Router, token: Option<&str>) -> Answer {
    ask(app, Method::GET, "/r", token).await
}

pub fn route(handler: MethodRouter) -> Router {
    Router::new().route("/r", handler)
}

pub async fn whoami(claims: Claims) -> String {
    claims.subject().unwrap_or("client").to_owned()
}

async fn perhaps(claims: Option<Claims>) -> String {
    claims.map_or("nobody".into(), |claims| claims.subject().unwrap_or("client").to_owned())
}

#[tokio::test]
async fn claims_are_those_that_the_layer_verified() {
    let fixture = Fixture::new();
    let app = route(get(whoami)).layer(AuthLayer::new(fixture.server.clone()));
    let answer = get_of(&app, Some(&fixture.token().subject("alice").sign())).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "alice"));
    get_of(&app, None).await.assert(401, Some("missing_token"));
}

#[tokio::test]
async fn claims_in_optional_mode_ask_for_a_token() {
    let fixture = Fixture::new();
    let app = route(get(whoami)).layer(AuthLayer::new(fixture.server.clone()).optional());
    get_of(&app, None).await.assert(401, Some("missing_token"));
    assert_eq!(get_of(&app, Some(&fixture.token().sign())).await.status, StatusCode::OK);
}

#[tokio::test]
async fn s10_11_optional_claims_are_none_only_where_nothing_was_sent() {
    let fixture = Fixture::new();
    let app = route(get(perhaps)).layer(AuthLayer::new(fixture.server.clone()).optional());
    assert_eq!(get_of(&app, None).await.body, "nobody");
    assert_eq!(get_of(&app, Some(&fixture.token().subject("alice").sign())).await.body, "alice");
    get_of(&app, Some(&fixture.token().expired().sign())).await.assert(401, Some("token_expired"));
    get_of(&app, Some("a b")).await.assert(400, Some("malformed_credentials"));
}

#[tokio::test]
async fn s10_11_optional_claims_without_optional_mode_still_ask_for_a_token() {
    let fixture = Fixture::new();
    let app = route(get(perhaps)).layer(AuthLayer::new(fixture.server.clone()));
    get_of(&app, None).await.assert(401, Some("missing_token"));
}

#[tokio::test]
async fn s10_07_an_extractor_without_a_layer_is_500_also_for_optional_claims() {
    let token = Fixture::new().token().sign();
    for handler in [get(whoami), get(perhaps), get(async |_: Scoped<Pay>| "paid"), get(async |_: Claims<Dept>| "typed")]
    {
        for token in [None, Some(token.as_str())] {
            get_of(&route(handler.clone()), token).await.assert(500, Some("layer_missing"));
        }
    }
    let claims = TestClaims::new().subject("alice").build();
    let request = Request::get("/r").extension(claims).body(Body::empty()).unwrap();
    assert_eq!(route(get(whoami)).oneshot(request).await.unwrap().status(), StatusCode::OK);
}

#[derive(Deserialize)]
struct Dept {
    dept: String,
}

#[tokio::test]
async fn claims_of_a_type_hold_the_members_that_only_the_application_knows() {
    let fixture = Fixture::new();
    let dept = get(async |claims: Claims<Dept>| format!("{} {}", claims.subject().unwrap(), claims.extra().dept));
    let app = route(dept).layer(AuthLayer::new(fixture.server.clone()));
    let token = fixture.token().subject("alice").claim("dept", "sales").sign();
    assert_eq!(get_of(&app, Some(&token)).await.body, "alice sales");
}

#[tokio::test]
async fn a_token_that_does_not_fit_the_type_is_an_invalid_token() {
    let fixture = Fixture::new();
    for handler in [get(async |_: Claims<Dept>| "in"), get(async |_: Option<Claims<Dept>>| "in")] {
        let app = route(handler).layer(AuthLayer::new(fixture.server.clone()).optional());
        for token in [
            fixture.token(),
            fixture.token().claim("dept", 5),
            fixture.token().claim("dept", "secret-x").claim("dept", [1]),
        ] {
            let answer = get_of(&app, Some(&token.sign())).await;
            answer.assert(401, Some("claims_mismatch"));
            let challenge = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        }
        let fits = fixture.token().claim("dept", "sales").sign();
        assert_eq!(get_of(&app, Some(&fits)).await.status, StatusCode::OK);
    }
}

static READ: AtomicU64 = AtomicU64::new(0);

struct Counted;

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer)?;
        READ.fetch_add(1, Ordering::SeqCst);
        Ok(Counted)
    }
}

#[tokio::test]
async fn a_type_is_deserialized_once_per_token_and_shared() {
    let fixture = Fixture::new();
    let handler = async |one: Claims<Counted>, two: Claims<Counted>| {
        assert!(std::ptr::eq(one.extra(), two.extra()));
        "in"
    };
    let app = route(get(handler)).layer(AuthLayer::new(fixture.server.clone()));
    for (token, read) in [(fixture.token().sign(), 1), (fixture.token().sign(), 2)] {
        for _ in 0..5 {
            assert_eq!(get_of(&app, Some(&token)).await.status, StatusCode::OK);
            assert_eq!(READ.load(Ordering::SeqCst), read);
        }
    }
}

struct Pay;

impl RequiredScopes for Pay {
    const SCOPES: &'static [&'static str] = &["pay:write", "pay:read"];
}

#[tokio::test]
async fn c6750_3_1_c_scoped_asks_for_its_scopes_as_the_layer_does() {
    let fixture = Fixture::new();
    let app = route(get(async |claims: Scoped<Pay>| claims.subject().unwrap().to_owned()));
    let app = app.layer(AuthLayer::new(fixture.server.clone()).optional());
    let layer = route(get(whoami).layer(RequireScope::all(Pay::SCOPES.iter().copied())));
    let layer = layer.layer(AuthLayer::new(fixture.server.clone()).optional());
    let narrow = fixture.token().scope("pay:read").sign();
    for token in [None, Some(narrow.as_str())] {
        let (extractor, layer) = (get_of(&app, token).await, get_of(&layer, token).await);
        assert_eq!((extractor.status, extractor.code, extractor.body), (layer.status, layer.code, layer.body));
        assert_eq!(extractor.headers["www-authenticate"], layer.headers["www-authenticate"]);
    }
    get_of(&app, Some(&narrow)).await.assert(403, Some("insufficient_scope"));
    let good = fixture.token().scope("pay:read pay:write").subject("alice").sign();
    assert_eq!(get_of(&app, Some(&good)).await.body, "alice");
}

#[tokio::test]
async fn scoped_carries_a_type_as_well() {
    let fixture = Fixture::new();
    let handler = get(async |claims: Scoped<Pay, Dept>| claims.into_claims().extra().dept.clone());
    let app = route(handler).layer(AuthLayer::new(fixture.server.clone()));
    let token = fixture.token().scope("pay:read pay:write");
    assert_eq!(get_of(&app, Some(&token.clone().claim("dept", "sales").sign())).await.body, "sales");
    get_of(&app, Some(&token.sign())).await.assert(401, Some("claims_mismatch"));
}

#[tokio::test]
async fn c9110_9_3_2_a_refusal_of_an_extractor_to_head_is_empty() {
    let fixture = Fixture::new();
    let app = route(get(async |_: Scoped<Pay>| "in")).layer(AuthLayer::new(fixture.server.clone()));
    let answer = ask(&app, Method::HEAD, "/r", Some(&fixture.token().sign())).await;
    answer.assert(403, Some("insufficient_scope"));
    assert!(answer.body.is_empty());
}

#[cfg(feature = "reqwest")]
mod example {
    use super::*;
    use tower_bearer::ResourceServer;

    async fn me(claims: Claims) -> String {
        format!("hello {}", claims.subject().unwrap_or("client"))
    }

    async fn list(claims: Option<Claims>) -> Json<bool> {
        Json(claims.is_some())
    }

    async fn create(claims: Claims<Dept>) -> String {
        claims.extra().dept.clone()
    }

    /// Compiles as a newcomer writes it, and builds without a network.
    #[tokio::test]
    async fn the_three_lines_of_the_first_page_compile_and_refuse() -> Result<(), tower_bearer::ConfigError> {
        let server = ResourceServer::builder("https://api.example.com", "https://as.example.com").build()?;

        let app = Router::new()
            .route("/me", get(me))
            .route("/orders", get(list).layer(RequireScope::any(["orders:read", "orders:write"])))
            .route("/orders", post(create).layer(RequireScope::all(["orders:write"])))
            .layer(AuthLayer::new(server));

        for (method, path) in [(Method::GET, "/me"), (Method::GET, "/orders"), (Method::POST, "/orders")] {
            ask(&app, method, path, None).await.assert(401, Some("missing_token"));
        }
        Ok(())
    }
}
