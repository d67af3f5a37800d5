//! Many tokens at once: their order, equal ones, bad ones among them, and what they cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use tower_bearer::testing::signature_checks;
use tower_bearer::{Algorithm, AuditSink, Claims, HttpError};

use crate::faulty_client::{Mode, faulty, running, stranger};
use crate::support::Fixture;

async fn codes(fixture: &Fixture, tokens: &[String]) -> Vec<String> {
    let verdicts = fixture.server.authenticate_many(tokens).await;
    let subject = |claims: Claims| claims.subject().unwrap_or_default().to_owned();
    verdicts.into_iter().map(|verdict| verdict.map_or_else(|error| error.code().to_owned(), subject)).collect()
}

#[tokio::test]
async fn the_results_stand_in_the_order_of_the_tokens() {
    let (fixture, _client) = running().await;
    let token = |subject: &str| fixture.token().subject(subject).sign();
    let bad = fixture.token().expired().sign();
    let tokens = [token("a"), bad, token("b"), "no token68".into(), token("c"), String::new()];
    let expected = ["a", "token_expired", "b", "malformed_credentials", "c", "malformed_credentials"];
    assert_eq!(codes(&fixture, &tokens).await, expected);
    assert!(fixture.server.authenticate_many::<&str>([]).await.is_empty());
}

#[tokio::test]
async fn a_token_that_stands_twice_is_judged_once() {
    let (fixture, _client) = faulty(|issuer| issuer, |builder| builder.token_cache(0));
    fixture.bearer(&fixture.token().sign()).await.assert_ok();
    let (one, two) = (fixture.token().subject("one").sign(), fixture.token().subject("two").sign());
    let before = signature_checks();
    let tokens = [one.clone(), two, one.clone(), one];
    assert_eq!(codes(&fixture, &tokens).await, ["one", "two", "one", "one"]);
    assert_eq!(signature_checks(), before + 2);
}

#[tokio::test]
async fn each_distinct_token_is_one_event() {
    let (sink, mut events) = AuditSink::channel(64);
    let (fixture, _client) = faulty(|issuer| issuer, |builder| builder.audit_sink(sink));
    let good = fixture.token().sign();
    codes(&fixture, &[good.clone(), "no token68".into(), good.clone(), good]).await;
    let mut seen = Vec::new();
    while let Some(Some(event)) = events.recv().now_or_never() {
        seen.push(event.code);
    }
    seen.sort_unstable();
    assert_eq!(seen, ["authenticated", "malformed_credentials"]);
}

#[tokio::test]
async fn tokens_that_wait_for_keys_share_one_fetch() {
    let (fixture, client) = running().await;
    fixture.issuer.rotate_key(Algorithm::ES256);
    let tokens: Vec<_> = (0..300).map(|n| fixture.token().subject(&n.to_string()).sign()).collect();
    let expected: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    assert_eq!(codes(&fixture, &tokens).await, expected);
    assert_eq!(client.key_fetches(), 2);
}

#[tokio::test]
async fn an_outage_is_told_to_those_it_concerns_only() {
    let (fixture, client) = running().await;
    client.set(Mode::Fail(HttpError::Timeout));
    let tokens = [fixture.token().subject("known").sign(), stranger(&fixture, "x"), stranger(&fixture, "y")];
    assert_eq!(codes(&fixture, &tokens).await, ["known", "keys_unavailable", "keys_unavailable"]);
    assert_eq!(client.key_fetches(), 2);
}

#[tokio::test]
async fn other_tasks_have_their_turn_between_signatures() {
    let (fixture, _client) = running().await;
    let tokens: Vec<_> = (0..32).map(|n| fixture.token().subject(&n.to_string()).sign()).collect();
    let ran = Arc::new(AtomicBool::new(false));
    let other = ran.clone();
    tokio::spawn(async move { other.store(true, Ordering::SeqCst) });
    assert_eq!(codes(&fixture, &tokens).await.len(), 32);
    assert!(ran.load(Ordering::SeqCst));
}
