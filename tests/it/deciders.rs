//! Decisions that are made elsewhere: what each answer becomes, what waits, what is remembered.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request};
use tower::{Layer, Service, ServiceBuilder};
use tower_bearer::{
    AuditSink, AuthLayer, Claims, Decider, DeciderFuture, Require, RequireDecision, ResourceServerBuilder, Verdict,
};

use crate::support::{Fixture, Outcome, Reply, get, send_through};

/// Does what the request tells it, and counts how often it is asked.
#[derive(Clone, Default)]
struct Told(Arc<AtomicU64>);

impl Decider for Told {
    fn decide<'a>(&'a self, _: &'a Claims, request: &'a Parts) -> DeciderFuture<'a> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let what = request.headers["x-do"].to_str().unwrap();
        if what == "panic at once" {
            panic!("decider");
        }
        Box::pin(async move {
            tokio::task::yield_now().await;
            match what {
                "allow" => Verdict::Allow,
                "deny" => Verdict::deny("not on\r\nMondays"),
                "unavailable" => Verdict::unavailable("database down"),
                "panic" => panic!("decider"),
                _ => pending().await,
            }
        })
    }

    fn cache_key(&self, _: &Claims, request: &Parts) -> Option<String> {
        request.headers.get("x-key").map(|key| key.to_str().unwrap().to_owned())
    }
}

impl Told {
    fn asked(&self) -> u64 {
        self.0.swap(0, Ordering::SeqCst)
    }
}

fn request(token: &str, what: &str, key: Option<&str>) -> Request<()> {
    let request = get().header("authorization", format!("Bearer {token}")).header("x-do", what);
    key.into_iter().fold(request, |request, key| request.header("x-key", key)).body(()).unwrap()
}

async fn send(fixture: &Fixture, layer: &RequireDecision, request: Request<()>) -> Outcome {
    let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone())).layer(layer.clone());
    send_through(layers, request).await
}

#[tokio::test]
async fn each_answer_of_a_decider_has_its_status_and_an_outage_is_never_a_pass() {
    let fixture = Fixture::new();
    let layer = Require::decider("told", Told::default());
    let token = fixture.token().sign();
    let ask = async |what: &str| send(&fixture, &layer, request(&token, what, None)).await;
    ask("allow").await.assert_ok();
    let denied = ask("deny").await;
    denied.assert_is();
    assert_eq!((denied.code(), denied.error.as_ref().unwrap().required_scope()), ("denied_by_decider", None));
    assert_eq!(denied.error.as_ref().unwrap().detail(), Some("not on\\u{d}\\u{a}Mondays"));
    assert!(!denied.body.contains("Mondays") && !denied.challenges()[0].contains("Mondays"));
    let unavailable = ask("unavailable").await;
    unavailable.assert_dep();
    assert_eq!(unavailable.code(), "decider_unavailable");
    ask("allow").await.assert_ok();
}

#[tokio::test]
async fn r78_a_decider_that_panics_is_500_and_the_next_request_passes() {
    let fixture = Fixture::new();
    let layer = Require::decider("told", Told::default());
    let token = fixture.token().sign();
    for what in ["panic", "panic at once"] {
        let outcome = send(&fixture, &layer, request(&token, what, None)).await;
        assert_eq!((outcome.status.as_u16(), outcome.calls, outcome.code()), (500, 0, "decider_panicked"));
        send(&fixture, &layer, request(&token, "allow", None)).await.assert_ok();
    }
}

#[tokio::test]
async fn a_decider_that_gives_no_answer_is_503_at_its_deadline() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    fixture.bearer(&token).await.assert_ok();
    for (layer, deadline) in [
        (Require::decider("told", Told::default()), 3000),
        (Require::decider("told", Told::default()).deadline(Duration::from_millis(50)), 50),
    ] {
        let mut answer = pin!(send(&fixture, &layer, request(&token, "wait", None)));
        let mut waits = async || poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
        assert!(waits().await.is_pending());
        fixture.clock.advance(Duration::from_millis(deadline - 1));
        assert!(waits().await.is_pending());
        fixture.clock.advance(Duration::from_millis(1));
        let Poll::Ready(outcome) = waits().await else { panic!("the deadline is over") };
        outcome.assert_dep();
        assert_eq!(outcome.code(), "decider_too_late");
    }
}

#[tokio::test]
async fn decisions_are_remembered_only_if_asked_and_only_under_a_key() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    for (layer_remembers, key, asked) in [(false, Some("k"), 3), (true, None, 3), (true, Some("k"), 1)] {
        let told = Told::default();
        let layer = Require::decider("told", told.clone());
        let layer = if layer_remembers { layer.remember(100, Duration::from_secs(60)) } else { layer };
        for _ in 0..3 {
            send(&fixture, &layer, request(&token, "allow", key)).await.assert_ok();
        }
        assert_eq!(told.asked(), asked);
        let long = "k".repeat(1025);
        for _ in 0..2 {
            send(&fixture, &layer, request(&token, "allow", Some(&long))).await.assert_ok();
        }
        assert_eq!(told.asked(), 2);
    }
}

#[tokio::test]
async fn a_remembered_decision_is_that_of_one_caller_and_key_and_ends_in_time() {
    let fixture = Fixture::new();
    let told = Told::default();
    let layer =
        Require::decider("told", told.clone()).remember(100, Duration::from_secs(60)).deadline(Duration::from_secs(1));
    let token = |subject: &str, client: &str| fixture.token().subject(subject).client_id(client).sign();
    let ask = async |token: &str, what: &str, key: &str| send(&fixture, &layer, request(token, what, Some(key))).await;
    let alice = token("alice", "shop");
    ask(&alice, "allow", "k").await.assert_ok();
    ask(&alice, "deny", "other").await.assert_is();
    assert_eq!(told.asked(), 2);
    // What is remembered is the answer, whatever the decider would say now.
    ask(&alice, "deny", "k").await.assert_ok();
    let denied = ask(&alice, "allow", "other").await;
    assert_eq!((denied.code(), told.asked()), ("denied_by_decider", 0));
    assert_eq!(denied.error.unwrap().detail(), Some("not on\\u{d}\\u{a}Mondays"));
    for other in [token("bob", "shop"), token("alice", "web")] {
        ask(&other, "deny", "k").await.assert_is();
        assert_eq!(told.asked(), 1);
    }
    fixture.clock.advance(Duration::from_secs(59));
    ask(&alice, "deny", "k").await.assert_ok();
    fixture.clock.advance(Duration::from_secs(1));
    ask(&alice, "deny", "k").await.assert_is();
}

#[tokio::test]
async fn nothing_is_remembered_of_a_token_that_names_neither_subject_nor_client() {
    let fixture = Fixture::with(|issuer| issuer.required_claims(["iat"]), |builder| builder);
    let told = Told::default();
    let layer = Require::decider("told", told.clone()).remember(100, Duration::from_secs(60));
    let nobody = |scope: &str| fixture.token().without("sub").without("client_id").scope(scope).sign();
    send(&fixture, &layer, request(&nobody("a"), "allow", Some("k"))).await.assert_ok();
    send(&fixture, &layer, request(&nobody("b"), "deny", Some("k"))).await.assert_is();
    assert_eq!(told.asked(), 2);
    for named in [fixture.token().without("sub").sign(), fixture.token().without("client_id").sign()] {
        for _ in 0..2 {
            send(&fixture, &layer, request(&named, "allow", Some("k"))).await.assert_ok();
        }
        assert_eq!(told.asked(), 1);
    }
}

#[tokio::test]
async fn an_outage_or_a_panic_is_not_remembered() {
    let fixture = Fixture::new();
    let told = Told::default();
    let layer = Require::decider("told", told.clone()).remember(100, Duration::from_secs(60));
    let token = fixture.token().sign();
    for what in ["unavailable", "panic", "panic at once"] {
        assert!(send(&fixture, &layer, request(&token, what, Some(what))).await.status.is_server_error());
        send(&fixture, &layer, request(&token, "allow", Some(what))).await.assert_ok();
        assert_eq!(told.asked(), 2);
    }
}

#[tokio::test]
async fn a_decider_is_asked_about_verified_callers_only() {
    let told = Told::default();
    let layer = Require::decider("told", told.clone());
    let fixture = Fixture::new();
    let bare = || get().header("x-do", "allow").body(()).unwrap();
    let optional = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone()).optional()).layer(layer.clone());
    send_through(optional, bare()).await.assert_anon();
    send(&fixture, &layer, request(&fixture.token().expired().sign(), "allow", None)).await.assert_it();
    let missing = send_through(layer.clone(), bare()).await;
    assert_eq!((missing.status.as_u16(), missing.code()), (500, "layer_missing"));
    let preflight = get().method(Method::OPTIONS).header("origin", "https://a.example.com");
    let preflight = preflight.header("access-control-request-method", "GET").body(()).unwrap();
    assert_eq!(send(&fixture, &layer, preflight).await.calls, 1);
    assert_eq!(told.asked(), 0);
}

#[tokio::test]
async fn decisions_are_audited_with_name_route_verdict_and_time() {
    let (sink, mut events) = AuditSink::channel(8);
    let fixture = Fixture::with(|issuer| issuer, |builder: ResourceServerBuilder| builder.audit_sink(sink));
    let layer = Require::decider("opa", Told::default()).route("/orders/{id}");
    let token = fixture.token().subject("alice").sign();
    for (what, code, verdict) in [("allow", "authorized", "passed"), ("deny", "denied_by_decider", "refused")] {
        send(&fixture, &layer, request(&token, what, None)).await;
        assert_eq!(events.recv().await.unwrap().code, "authenticated");
        let told = events.recv().await.unwrap();
        assert_eq!((told.code, told.verdict, told.requirement.as_deref()), (code, verdict, Some("decider:opa")));
        assert_eq!((told.route.as_deref(), told.subject.as_deref()), (Some("/orders/{id}"), Some("alice")));
        assert!(told.took.is_some());
    }
}

/// Panics if it is called without having been ready.
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Strict { ready: false }
    }
}

impl Service<Request<()>> for Strict {
    type Response = Reply;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Reply, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been ready");
        std::future::ready(Ok(Reply::default()))
    }
}

#[tokio::test]
async fn s10_16_the_service_that_was_ready_is_the_one_that_a_decision_leads_to() {
    let mut service = Require::decider("told", Told::default()).layer(Strict { ready: false });
    for what in ["allow", "deny", "allow"] {
        let request = get().extension(tower_bearer::testing::TestClaims::new().build()).header("x-do", what);
        poll_fn(|context| service.poll_ready(context)).await.unwrap();
        let response = service.call(request.body(()).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), if what == "allow" { 200 } else { 403 });
    }
}
