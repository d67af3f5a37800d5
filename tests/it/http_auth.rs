//! RFC 9110 section 11 (HTTP authentication) and RFC 9111 (caching).

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::testing::Endpoint;
use tower_bearer::{AuthLayer, Dpop, RequireScope};

use crate::challenge;
use crate::support::{Fixture, Reply, get, send_through};

/// Sends a request through a layer and gives back the headers that the inner service saw.
async fn seen_inside(layer: AuthLayer, request: Request<()>) -> Option<HeaderMap> {
    let seen: Arc<Mutex<Option<HeaderMap>>> = Arc::default();
    let noted = seen.clone();
    let inner = service_fn(move |request: Request<()>| {
        *noted.lock().unwrap() = Some(request.headers().clone());
        async { Ok::<_, Infallible>(Reply::default()) }
    });
    layer.layer(inner).oneshot(request).await.unwrap();
    seen.lock().unwrap().take()
}

fn bearer(token: &str) -> Request<()> {
    get().header("authorization", format!("Bearer {token}")).body(()).unwrap()
}

#[tokio::test]
async fn c9110_11_6_1_b_each_scheme_has_a_field_line_of_its_own_bearer_first() {
    let (two, one) = (Fixture::new(), Fixture::with(|issuer| issuer, |builder| builder.dpop(Dpop::off())));
    for (fixture, expected) in [(two, vec!["Bearer", "DPoP"]), (one, vec!["Bearer"])] {
        let outcome = fixture.send(get().body(()).unwrap()).await;
        let schemes: Vec<_> = outcome.challenges().iter().map(|line| challenge::parse(line).unwrap().scheme).collect();
        assert_eq!(schemes, expected);
    }
}

#[tokio::test]
async fn c9110_11_6_1_d_challenges_of_the_inner_service_survive() {
    let fixture = Fixture::new();
    let inner = service_fn(|_: Request<()>| async {
        let response = Response::builder().status(401).header(WWW_AUTHENTICATE, "Basic realm=\"inner\"");
        let response = response.header(WWW_AUTHENTICATE, "Negotiate").header(CACHE_CONTROL, "private");
        Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
    });
    let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone())).layer(RequireScope::all(["a"]));
    let service = layers.service(inner);
    let response = service.oneshot(bearer(&fixture.token().scope("a").sign())).await.unwrap();
    let challenges: Vec<_> = response.headers().get_all(WWW_AUTHENTICATE).iter().collect();
    assert_eq!(challenges, ["Basic realm=\"inner\"", "Negotiate"]);
    assert_eq!(response.headers()[CACHE_CONTROL], "private");
}

#[tokio::test]
async fn s11_01_as_many_fields_as_a_map_can_hold_cause_no_panic() {
    let fixture = Fixture::new();
    let full = |mut request: Request<()>| {
        let names = (0..1 << 15).map(|n| http::HeaderName::try_from(format!("x-{n}")).unwrap());
        let appended = names.map(|name| request.headers_mut().try_append(name, "x".parse().unwrap()));
        assert!(appended.take_while(Result::is_ok).count() > 20_000);
        request
    };
    fixture.send(full(get().body(()).unwrap())).await.assert_anon();
    let seen = seen_inside(AuthLayer::new(fixture.server.clone()), full(bearer(&fixture.token().sign()))).await;
    assert!(seen.unwrap()[AUTHORIZATION].is_sensitive());
}

#[tokio::test]
async fn c9110_11_6_2_a_the_field_is_passed_on_unmodified_and_marked_as_sensitive() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    // The first request waits for keys, the second is judged at once.
    for _ in 0..2 {
        let headers = seen_inside(AuthLayer::new(fixture.server.clone()), bearer(&token)).await.unwrap();
        assert_eq!(headers[AUTHORIZATION], format!("Bearer {token}"));
        assert!(headers[AUTHORIZATION].is_sensitive());
    }
}

#[tokio::test]
async fn c9110_11_6_2_a_strip_credentials_removes_the_field() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    let layer = || AuthLayer::new(fixture.server.clone()).strip_credentials();
    for _ in 0..2 {
        let headers = seen_inside(layer(), bearer(&token)).await.unwrap();
        assert!(!headers.contains_key(AUTHORIZATION));
    }
}

#[tokio::test]
async fn c9110_11_6_2_a_strip_credentials_removes_the_field_also_where_it_was_not_looked_at() {
    let fixture = Fixture::new();
    let layer = || AuthLayer::new(fixture.server.clone()).optional();
    let foreign = || get().header("authorization", "Basic abcdefgh").body(()).unwrap();
    let headers = seen_inside(layer().strip_credentials(), foreign()).await.unwrap();
    assert!(!headers.contains_key(AUTHORIZATION));
    let headers = seen_inside(layer(), foreign()).await.unwrap();
    assert_eq!(headers[AUTHORIZATION], "Basic abcdefgh");
    assert!(headers[AUTHORIZATION].is_sensitive());
}

#[tokio::test]
async fn s12_02_the_field_is_sensitive_on_every_way_into_the_inner_service() {
    let fixture = Fixture::new();
    let document = Request::get("/.well-known/oauth-protected-resource").header("authorization", "Bearer abcdefgh");
    let layer = AuthLayer::new(fixture.server.clone()).empty_body();
    let inner = service_fn(|request: Request<()>| async move {
        assert!(request.headers()[AUTHORIZATION].is_sensitive());
        Ok::<_, Infallible>(Reply::default())
    });
    let response = layer.layer(inner).oneshot(document.body(()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn c9110_9_3_a_head_and_options_are_protected_like_get() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        fixture.send(get().method(method.clone()).body(()).unwrap()).await.assert_anon();
        let mut request = bearer(&token);
        *request.method_mut() = method;
        fixture.send(request).await.assert_ok();
    }
}

#[tokio::test]
async fn c9110_9_3_2_a_refused_head_has_the_headers_of_get_and_no_body() {
    let fixture = Fixture::new();
    let with = |method: Method, authorization: Option<String>| {
        let request = authorization.iter().fold(get().method(method), |get, value| get.header("authorization", value));
        let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone()));
        send_through(layers.layer(RequireScope::all(["a"])), request.body(()).unwrap())
    };
    let expired = format!("Bearer {}", fixture.token().expired().sign());
    let narrow = format!("Bearer {}", fixture.token().sign());
    for authorization in [None, Some("Bearer".into()), Some(expired), Some(narrow)] {
        let get = with(Method::GET, authorization.clone()).await;
        let head = with(Method::HEAD, authorization).await;
        assert_eq!((get.status, &get.headers), (head.status, &head.headers));
        assert!(!get.body.is_empty() && head.body.is_empty(), "{head:?}");
        assert_eq!(head.calls, 0);
    }
}

#[tokio::test]
async fn c9111_3_5_a_s10_20_refusals_must_not_be_stored() {
    let fixture = Fixture::new();
    let token = fixture.token().scope("a").sign();
    let send = |scope: &'static str, value: String| {
        let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone()));
        let request = get().header("authorization", value).body(()).unwrap();
        send_through(layers.layer(RequireScope::all([scope])), request)
    };
    let outage = Response::builder().status(500).body(Bytes::new()).unwrap();
    fixture.issuer.answer_with(Endpoint::Metadata, Some(outage));
    let unavailable = send("a", format!("Bearer {token}")).await;
    unavailable.assert_dep();
    assert_eq!(unavailable.headers[CACHE_CONTROL], "no-store");

    let fixture = Fixture::new();
    let send = |scope: &'static str, value: String| {
        let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone()));
        let request = get().header("authorization", value).body(()).unwrap();
        send_through(layers.layer(RequireScope::all([scope])), request)
    };
    let token = fixture.token().scope("a").sign();
    for (scope, value, status) in
        [("a", "Bearer".to_owned(), 400), ("a", "Bearer abc".to_owned(), 401), ("b", format!("Bearer {token}"), 403)]
    {
        let outcome = send(scope, value).await;
        assert_eq!(outcome.status.as_u16(), status);
        assert_eq!(outcome.headers[CACHE_CONTROL], "no-store");
    }
    let good = send("a", format!("Bearer {token}")).await;
    good.assert_ok();
    assert!(!good.headers.contains_key(CACHE_CONTROL));
}
