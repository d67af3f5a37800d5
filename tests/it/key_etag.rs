//! A key set that has not changed: 304 is an answer to our own ETag and to nothing else.

use std::time::Duration;

use tower_bearer::Algorithm;
use tower_bearer::testing::{Endpoint, Fault, signature_checks};

use crate::faulty_client::{FaultyClient, faulty, long_lived, pass, running, settle, stranger, verdict};
use crate::support::Fixture;

const SECOND: Duration = Duration::from_secs(1);

/// A server whose keys came with an ETag.
async fn tagged() -> (Fixture, FaultyClient) {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    fixture.issuer.use_etags(true);
    fixture.server.warm_up().await.unwrap();
    (fixture, client)
}

/// Past the next regular refresh, and not past two.
async fn refresh(fixture: &Fixture) {
    fixture.clock.advance(265 * SECOND);
    settle().await;
}

fn error(fixture: &Fixture) -> Option<String> {
    fixture.server.health()[0].last_error.clone()
}

#[tokio::test]
async fn s6_13_an_unchanged_set_is_fresh_again_and_cached_tokens_live_on() {
    let (fixture, client) = tagged().await;
    for round in 2..30 {
        let token = long_lived(&fixture);
        assert_eq!(verdict(&fixture.server, &token).await, "ok");
        let before = signature_checks();
        refresh(&fixture).await;
        assert_eq!(client.key_fetches(), round);
        assert!(client.last().headers().contains_key("if-none-match"));
        assert!(!client.last().headers().contains_key("cache-control"));
        assert_eq!((verdict(&fixture.server, &token).await, error(&fixture)), ("ok", None));
        assert_eq!((signature_checks(), fixture.server.health()[0].age), (before, Some(Duration::ZERO)));
    }
    assert_eq!(fixture.issuer.requests(Endpoint::Metadata), 3, "the address is looked up each hour");
}

#[tokio::test]
async fn s6_13_a_set_that_has_changed_comes_whole_with_its_new_etag() {
    let (fixture, client) = tagged().await;
    refresh(&fixture).await;
    let first = client.last().headers()["if-none-match"].clone();
    let (old, token) = (fixture.issuer.key(), long_lived(&fixture));
    fixture.issuer.rotate_key(Algorithm::ES256);
    fixture.issuer.remove_key(old.kid());
    refresh(&fixture).await;
    assert_eq!(client.last().headers()["if-none-match"], first);
    assert_eq!(verdict(&fixture.server, &long_lived(&fixture)).await, "ok");
    assert_eq!(verdict(&fixture.server, &token).await, "key_unknown");
    refresh(&fixture).await;
    assert_ne!(client.last().headers()["if-none-match"], first);
}

#[tokio::test]
async fn s6_13_s6_10_304_at_the_first_fetch_is_a_failed_attempt() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    fixture.issuer.fault(Endpoint::Jwks, Some(Fault::NotModified));
    fixture.bearer(&fixture.token().sign()).await.assert_dep();
    assert!(error(&fixture).unwrap().contains("status 304"));
    fixture.issuer.fault(Endpoint::Jwks, None);
    pass(&fixture, 1, SECOND).await;
    fixture.bearer(&fixture.token().sign()).await.assert_ok();
    assert!(client.key_fetches() >= 2);
}

#[tokio::test]
async fn r14_s6_13_304_without_an_etag_of_ours_is_a_failed_attempt_that_costs_nothing() {
    let (fixture, client) = running().await;
    let token = long_lived(&fixture);
    fixture.issuer.fault(Endpoint::Jwks, Some(Fault::NotModified));
    refresh(&fixture).await;
    assert!(error(&fixture).unwrap().contains("status 304"));
    assert!(!client.last().headers().contains_key("if-none-match"));
    pass(&fixture, 360, 10 * SECOND).await;
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    // It did not make the set any younger.
    assert!(fixture.server.health()[0].age.unwrap() > 3600 * SECOND);
    pass(&fixture, 24 * 60, 60 * SECOND).await;
    fixture.bearer(&token).await.assert_dep();
}

#[tokio::test]
async fn s6_13_who_misses_a_key_wants_the_newest_set_and_takes_no_304() {
    let (fixture, client) = tagged().await;
    let known = long_lived(&fixture);
    assert_eq!(verdict(&fixture.server, &stranger(&fixture, "x")).await, "key_unknown");
    assert_eq!(client.last().headers()["cache-control"], "no-cache");
    assert!(!client.last().headers().contains_key("if-none-match"));
    fixture.issuer.fault(Endpoint::Jwks, Some(Fault::NotModified));
    fixture.clock.advance(30 * SECOND);
    assert_eq!(verdict(&fixture.server, &stranger(&fixture, "y")).await, "keys_unavailable");
    assert!(error(&fixture).unwrap().contains("status 304"));
    assert_eq!(verdict(&fixture.server, &known).await, "ok");
}

#[tokio::test]
async fn s6_13_an_operator_s_fetch_wants_the_newest_set_too() {
    let (fixture, client) = tagged().await;
    fixture.server.refresh_now().await.unwrap();
    assert_eq!(client.last().headers()["cache-control"], "no-cache");
    assert!(!client.last().headers().contains_key("if-none-match"));
}

#[tokio::test]
async fn s6_13_the_etag_of_an_answer_that_was_no_key_set_is_not_kept() {
    let (fixture, client) = tagged().await;
    refresh(&fixture).await;
    let good = client.last().headers()["if-none-match"].clone();
    let bad = http::Response::builder().header("etag", "\"bad\"").body("{\"keys\":[]}".into()).unwrap();
    fixture.issuer.answer_with(Endpoint::Jwks, Some(bad));
    refresh(&fixture).await;
    assert!(error(&fixture).is_some());
    fixture.issuer.answer_with(Endpoint::Jwks, None);
    pass(&fixture, 3, SECOND).await;
    assert_eq!((client.last().headers()["if-none-match"].clone(), error(&fixture)), (good, None));
}
