//! `RequireScope`: which scopes pass, what is said about those that lack, and where the layer may stand.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use http::{Method, StatusCode};
use tower::{Layer, ServiceBuilder};
use tower_bearer::testing::TestClaims;
use tower_bearer::{AuthLayer, RequireScope};

use crate::challenge;
use crate::support::{Fixture, Inner, Outcome, Reply, get, send_through};

/// Sends a token with this scope through `AuthLayer` and then these layers.
async fn with_scope<L>(scope: &str, require: L) -> Outcome
where
    L: Layer<Inner<()>>,
    L::Service: tower::Service<http::Request<()>, Response = Reply, Error = std::convert::Infallible> + Clone,
{
    let fixture = Fixture::new();
    let request = get().header("authorization", format!("Bearer {}", fixture.token().scope(scope).sign()));
    let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone())).layer(require);
    send_through(layers, request.body(()).unwrap()).await
}

#[tokio::test]
async fn all_asks_for_every_scope_and_names_them_all() {
    let both = || RequireScope::all(["a:read", "a:write"]);
    with_scope("a:write other a:read", both()).await.assert_ok();
    for scope in ["a:read", "a:write", "other", ""] {
        let outcome = with_scope(scope, both()).await;
        outcome.assert_is();
        assert_eq!(outcome.code(), "insufficient_scope");
        assert_eq!(outcome.error.as_ref().unwrap().required_scope(), Some("a:read a:write"));
        let challenge = challenge::parse(outcome.challenges()[0]).unwrap();
        assert_eq!(challenge.parameters["scope"], "a:read a:write");
    }
}

#[tokio::test]
async fn any_asks_for_one_scope_and_names_the_first() {
    let either = || RequireScope::any(["a:read", "a:write"]);
    for scope in ["a:read", "a:write", "other a:write"] {
        with_scope(scope, either()).await.assert_ok();
    }
    let outcome = with_scope("other", either()).await;
    outcome.assert_is();
    let challenge = challenge::parse(outcome.challenges()[0]).unwrap();
    assert_eq!(challenge.parameters["scope"], "a:read");
}

#[tokio::test]
async fn c6749_3_3_scopes_are_compared_byte_for_byte() {
    let read = || RequireScope::all(["a:read"]);
    with_scope("a:read", read()).await.assert_ok();
    for scope in ["A:read", "a", "a:read:all", "a:rea", "xa:read", "a:read,b", "a:read\u{a0}b", "a%3Aread"] {
        with_scope(scope, read()).await.assert_is();
    }
}

#[tokio::test]
async fn two_layers_on_one_route_must_both_pass() {
    let both = || ServiceBuilder::new().layer(RequireScope::any(["a"])).layer(RequireScope::any(["b"]));
    with_scope("a b", both()).await.assert_ok();
    with_scope("a", both()).await.assert_is();
    with_scope("b", both()).await.assert_is();
}

#[tokio::test]
async fn a_token_without_a_scope_claim_holds_no_scope() {
    let fixture = Fixture::new();
    let layers = || {
        let auth = AuthLayer::new(fixture.server.clone());
        ServiceBuilder::new().layer(auth).layer(RequireScope::all(["a"]))
    };
    let send = |token: String| send_through(layers(), get().header("authorization", token).body(()).unwrap());
    send(format!("Bearer {}", fixture.token().without("scope").sign())).await.assert_is();
    send(format!("Bearer {}", fixture.token().scope("a").sign())).await.assert_ok();
}

#[track_caller]
fn assert_wired_wrongly(outcome: &Outcome) {
    assert_eq!((outcome.status, outcome.calls), (StatusCode::INTERNAL_SERVER_ERROR, 0), "{outcome:?}");
    assert_eq!(outcome.code(), "layer_missing");
    assert!(outcome.challenges().is_empty());
    assert_eq!(outcome.headers["cache-control"], "no-store");
    let problem: serde_json::Value = serde_json::from_str(&outcome.body).unwrap();
    assert_eq!(problem, serde_json::json!({"title": "Internal Server Error", "status": 500}));
}

#[tokio::test]
async fn s10_07_a_scope_check_without_authentication_is_500_and_never_a_pass() {
    let require = || RequireScope::all(["a"]);
    assert_wired_wrongly(&send_through(require(), get().body(()).unwrap()).await);
    let bearer = get().header("authorization", format!("Bearer {}", Fixture::new().token().scope("a").sign()));
    assert_wired_wrongly(&send_through(require(), bearer.body(()).unwrap()).await);
    let preflight = get().method(Method::OPTIONS).header("origin", "https://a.example.com");
    let preflight = preflight.header("access-control-request-method", "GET");
    assert_wired_wrongly(&send_through(require(), preflight.body(()).unwrap()).await);
}

#[tokio::test]
async fn s10_09_layers_in_either_order_fail_closed() {
    let fixture = Fixture::new();
    let token = fixture.token().scope("a").sign();
    let request = || get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let auth = || AuthLayer::new(fixture.server.clone());
    let require = || RequireScope::all(["a"]);
    send_through(ServiceBuilder::new().layer(auth()).layer(require()), request()).await.assert_ok();
    assert_wired_wrongly(&send_through(ServiceBuilder::new().layer(require()).layer(auth()), request()).await);
}

#[tokio::test]
async fn c6750_3_1_d_optional_mode_and_a_scope_ask_for_a_token() {
    let fixture = Fixture::new();
    let optional = || AuthLayer::new(fixture.server.clone()).optional();
    let layers = || ServiceBuilder::new().layer(optional()).layer(RequireScope::all(["a"]));
    send_through(layers(), get().body(()).unwrap()).await.assert_anon();
    let token = format!("Bearer {}", fixture.token().scope("a").sign());
    send_through(layers(), get().header("authorization", token).body(()).unwrap()).await.assert_ok();
}

#[tokio::test]
async fn claims_of_a_test_pass_without_a_layer_and_are_judged_by_their_scope() {
    let with = |scope| get().extension(TestClaims::new().scope(scope).build()).body(()).unwrap();
    send_through(RequireScope::all(["a"]), with("a")).await.assert_ok();
    send_through(RequireScope::all(["a"]), with("b")).await.assert_is();
}

#[test]
fn s10_08_an_empty_requirement_is_a_mistake() {
    for error in [RequireScope::try_all([""; 0]).unwrap_err(), RequireScope::try_any([""; 0]).unwrap_err()] {
        assert_eq!(error.problems()[0].value, "[]");
    }
    assert!(RequireScope::try_all(["a"]).is_ok() && RequireScope::try_any(["a"]).is_ok());
}

#[test]
fn c6750_3_d_a_malformed_scope_is_a_mistake_and_all_are_reported_at_once() {
    let bad = ["a\"b", "a\\b", "\u{e9}", "", "a b", "a\r\nx"];
    for error in [RequireScope::try_all(bad).unwrap_err(), RequireScope::try_any(bad).unwrap_err()] {
        let values: Vec<&str> = error.problems().iter().map(|problem| problem.value.as_str()).collect();
        assert_eq!(values, bad);
        assert!(error.problems().iter().all(|problem| problem.remedy.contains("scope-token")));
        assert_eq!(error.to_string().lines().count(), bad.len());
    }
    assert!(RequireScope::try_all(["!#[]~", "urn:a/b?c=d&e"]).is_ok());
}

thread_local! {
    static PANICKED_AT: Cell<Option<(String, u32)>> = const { Cell::new(None) };
}

/// Where the panic of this closure says that it happened, and what it says.
fn panic_of(closure: impl FnOnce()) -> (String, u32, String) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICKED_AT.set(info.location().map(|at| (at.file().to_owned(), at.line())));
            before(info);
        }));
    });
    let payload = catch_unwind(AssertUnwindSafe(closure)).unwrap_err();
    let (file, line) = PANICKED_AT.take().unwrap();
    (file, line, payload.downcast_ref::<String>().cloned().unwrap())
}

#[test]
#[rustfmt::skip]
fn all_and_any_panic_at_start_up_where_they_were_called() {
    let line = line!();
    let all = panic_of(|| drop(RequireScope::all(["a b"])));
    let any = panic_of(|| drop(RequireScope::any([""; 0])));
    for (index, (file, at, text)) in (1..).zip([all, any]) {
        assert!(file.ends_with("scope.rs"), "{file}");
        assert_eq!(at, line + index);
        assert!(text.starts_with("RequireScope `"), "{text}");
    }
}
