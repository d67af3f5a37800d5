//! What an operator does and sees: fetch now, forget a key, start with kept keys, follow the state.

use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use tower_bearer::testing::{Endpoint, Fault};
use tower_bearer::{Algorithm, Clock, HttpError, Issuer, JwksError, KeyState, LastGoodKeys};

use crate::faulty_client::{FaultyClient, Mode, ask, faulty, long_lived, pass, running, settle, stranger, verdict};
use crate::support::{AS, Fixture};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn refused() -> Mode {
    Mode::Fail(HttpError::Connection("refused".into()))
}

/// The thumbprint under which a key is forgotten.
fn thumbprint(fixture: &Fixture) -> String {
    let key = tower_bearer::Jwk::parse(fixture.issuer.key().jwk().to_string().as_bytes()).unwrap();
    key.thumbprint().unwrap().to_owned()
}

#[tokio::test]
async fn r39_an_operator_s_fetch_ends_a_removed_key_at_once_for_cached_tokens_too() {
    let (fixture, client) = running().await;
    let (old, cached, uncached) = (fixture.issuer.key(), long_lived(&fixture), long_lived(&fixture));
    assert_eq!(verdict(&fixture.server, &cached).await, "ok");
    fixture.issuer.rotate_key(Algorithm::ES256);
    fixture.issuer.remove_key(old.kid());
    assert_eq!(verdict(&fixture.server, &cached).await, "ok");
    fixture.server.refresh_now().await.unwrap();
    assert_eq!(verdict(&fixture.server, &cached).await, "key_unknown");
    assert_eq!(verdict(&fixture.server, &uncached).await, "key_unknown");
    assert_eq!(verdict(&fixture.server, &long_lived(&fixture)).await, "ok");
    // The cool-down holds for strangers, not for the operator.
    let before = client.key_fetches();
    for _ in 0..3 {
        fixture.server.refresh_now().await.unwrap();
    }
    assert_eq!(client.key_fetches(), before + 3);
}

#[tokio::test]
async fn r39_an_operator_s_fetch_waits_for_its_end_and_tells_a_failure() {
    let (fixture, client) = running().await;
    let token = long_lived(&fixture);
    client.set(Mode::Hold);
    let server = fixture.server.clone();
    let fetch = tokio::spawn(async move { server.refresh_now().await });
    settle().await;
    pass(&fixture, 49, SECOND / 10).await;
    assert!(!fetch.is_finished());
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    pass(&fixture, 1, SECOND / 10).await;
    assert_eq!(fetch.await.unwrap().unwrap_err().code(), "keys_unavailable");
    client.set(refused());
    assert_eq!(fixture.server.refresh_now().await.unwrap_err().code(), "keys_unavailable");
    assert_eq!(verdict(&fixture.server, &token).await, "ok", "the last good set stays in force");
    // Nor does a back-off hold it up.
    client.set(Mode::Pass);
    fixture.server.refresh_now().await.unwrap();
}

#[tokio::test]
async fn r40_a_forgotten_key_is_refused_from_the_next_request_on_also_while_the_issuer_is_down() {
    let (fixture, client) = running().await;
    let (cached, uncached, thumbprint) = (long_lived(&fixture), long_lived(&fixture), thumbprint(&fixture));
    assert_eq!(verdict(&fixture.server, &cached).await, "ok");
    client.set(refused());
    assert!(fixture.server.forget_key(AS, &thumbprint));
    for _ in 0..2 {
        assert_ne!(verdict(&fixture.server, &cached).await, "ok");
        assert_ne!(verdict(&fixture.server, &uncached).await, "ok");
        pass(&fixture, 10, 60 * SECOND).await;
    }
    // The issuer is back and publishes it still.
    client.set(Mode::Pass);
    pass(&fixture, 2, 60 * SECOND).await;
    assert_eq!(fixture.server.health()[0].last_error, None);
    for token in [&cached, &uncached] {
        fixture.bearer(token).await.assert_it();
    }
    fixture.issuer.add_key(fixture.issuer.key().with_kid("renamed"));
    fixture.server.refresh_now().await.unwrap();
    fixture.bearer(&long_lived(&fixture)).await.assert_it();
    fixture.issuer.rotate_key(Algorithm::ES256);
    fixture.bearer(&long_lived(&fixture)).await.assert_it();
    fixture.clock.advance(30 * SECOND);
    fixture.bearer(&long_lived(&fixture)).await.assert_ok();
}

#[tokio::test]
async fn r40_r45_only_the_named_key_of_the_named_issuer_is_forgotten() {
    let (fixture, _client) = running().await;
    let (token, thumbprint) = (long_lived(&fixture), thumbprint(&fixture));
    assert!(!fixture.server.forget_key("https://other.example", &thumbprint));
    assert!(!fixture.server.forget_key(AS, "another"));
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    fixture.issuer.rotate_key(Algorithm::ES256);
    let other = long_lived(&fixture);
    assert_eq!(verdict(&fixture.server, &other).await, "ok");
    assert!(fixture.server.forget_key(AS, &thumbprint));
    assert_eq!(verdict(&fixture.server, &other).await, "ok");
    fixture.bearer(&token).await.assert_it();
}

#[tokio::test]
async fn r40_a_key_can_be_forgotten_before_it_was_ever_fetched() {
    let (fixture, _client) = faulty(|issuer| issuer, |builder| builder);
    assert!(!fixture.server.forget_key(AS, &thumbprint(&fixture)));
    assert_ne!(verdict(&fixture.server, &long_lived(&fixture)).await, "ok");
    fixture.issuer.rotate_key(Algorithm::ES256);
    fixture.clock.advance(30 * SECOND);
    assert_eq!(verdict(&fixture.server, &long_lived(&fixture)).await, "ok");
}

/// A server that starts with kept keys of this age, and its issuer down.
fn restarted(age: Duration) -> (Fixture, FaultyClient, String) {
    let first = Fixture::new();
    let (key, text) = (first.issuer.key(), first.issuer.jwks().to_string());
    let kept = LastGoodKeys::parse(text, first.clock.wall() - age).unwrap();
    let (fixture, client) = faulty(|issuer: Issuer| issuer.last_good_keys(kept), |builder| builder);
    fixture.issuer.remove_key(fixture.issuer.key().kid());
    fixture.issuer.add_key(key);
    client.set(refused());
    let token = long_lived(&fixture);
    (fixture, client, token)
}

#[tokio::test]
async fn r10_with_kept_keys_a_server_starts_while_its_issuer_is_down() {
    for age in [Duration::ZERO, 200 * SECOND, 300 * SECOND, HOUR, 23 * HOUR] {
        let (fixture, client, token) = restarted(age);
        for _ in 0..100 {
            assert_eq!(verdict(&fixture.server, &token).await, "ok", "{age:?}");
        }
        let known = fixture.server.health()[0].age.unwrap();
        assert!(known >= age && known <= age + SECOND, "{known:?}");
        // Down for as long as the keys last.
        while fixture.server.health()[0].age.is_some_and(|age| age < 24 * HOUR - 600 * SECOND) {
            pass(&fixture, 1, 300 * SECOND).await;
            assert_eq!(verdict(&fixture.server, &token).await, "ok", "{age:?}");
        }
        pass(&fixture, 3, 300 * SECOND).await;
        fixture.bearer(&token).await.assert_dep();
        client.set(Mode::Pass);
        pass(&fixture, 1, SECOND).await;
        fixture.bearer(&token).await.assert_ok();
    }
}

#[tokio::test]
async fn r10_kept_keys_that_are_too_old_serve_nobody() {
    let (fixture, client, token) = restarted(24 * HOUR + SECOND);
    fixture.bearer(&token).await.assert_dep();
    assert_eq!(fixture.server.health()[0].keys, KeyState::Missing);
    client.set(Mode::Pass);
    pass(&fixture, 1, SECOND).await;
    fixture.bearer(&token).await.assert_ok();
}

#[tokio::test]
async fn r10_kept_keys_are_refreshed_in_the_background_from_the_first_request_on() {
    let (fixture, client, token) = restarted(200 * SECOND);
    client.set(Mode::Hold);
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    settle().await;
    assert_eq!(client.log().len(), 1, "begun, and not waited for");
    client.set(Mode::Pass);
    for _ in 0..600 {
        pass(&fixture, 1, SECOND).await;
        assert!(fixture.server.health()[0].age.unwrap() < 265 * SECOND);
    }
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
}

#[tokio::test]
async fn r41_kept_keys_past_their_interval_are_believed_after_one_attempt() {
    let (fixture, client, token) = restarted(HOUR);
    client.set(Mode::Pass);
    let old = fixture.issuer.key();
    fixture.issuer.rotate_key(Algorithm::ES256);
    fixture.issuer.remove_key(old.kid());
    assert_eq!(verdict(&fixture.server, &token).await, "key_unknown");
    assert_eq!(client.key_fetches(), 1);
}

#[tokio::test]
async fn r10_r41_a_silent_issuer_delays_the_first_requests_by_its_deadline_and_refuses_none() {
    let (fixture, client, token) = restarted(HOUR);
    client.set(Mode::Hold);
    let first = ask(&fixture.server, &token);
    settle().await;
    pass(&fixture, 49, SECOND / 10).await;
    assert!(!first.is_finished(), "an attempt under way is not an attempt made");
    pass(&fixture, 1, SECOND / 10).await;
    assert_eq!(first.await.unwrap(), "ok");
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    assert_eq!(client.log().len(), 1);
}

#[tokio::test]
async fn r10_the_keys_of_one_process_serve_the_next() {
    let (first, _client) = running().await;
    let kept = first.server.last_good_keys(AS).unwrap();
    assert_eq!(kept.text(), first.issuer.jwks().to_string().as_bytes());
    let age = first.clock.wall().duration_since(kept.fetched()).unwrap();
    assert!(age < SECOND, "{age:?}");
    let again = LastGoodKeys::parse(kept.text().to_vec(), kept.fetched()).unwrap();
    let (second, client) = faulty(|issuer: Issuer| issuer.last_good_keys(again), |builder| builder);
    client.set(refused());
    assert_eq!(verdict(&second.server, &long_lived(&first)).await, "ok");
    assert!(faulty(|issuer| issuer, |builder| builder).0.server.last_good_keys(AS).is_none());
    assert!(first.server.last_good_keys("https://other.example").is_none());
}

#[test]
fn r10_kept_text_that_is_no_key_set_is_an_error() {
    let good = Fixture::new().issuer.jwks().to_string();
    for (text, error) in [
        ("", JwksError::Malformed),
        ("<html>", JwksError::Malformed),
        (&good[..good.len() - 1], JwksError::Malformed),
        ("{\"keys\":[]}", JwksError::NoUsableKey),
    ] {
        assert_eq!(LastGoodKeys::parse(text.to_owned(), SystemTime::now()).unwrap_err(), error, "{text}");
    }
}

#[tokio::test]
async fn s8_health_tells_the_state_of_the_keys_their_age_and_what_comes_next() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    let health = || fixture.server.health().remove(0);
    client.set(refused());
    assert_eq!((health().issuer.as_str(), health().keys, health().age), (AS, KeyState::Missing, None));
    settle().await;
    assert!(health().last_error.unwrap().contains("refused"), "asking began a fetch");
    client.set(Mode::Pass);
    pass(&fixture, 2, SECOND).await;
    let fresh = health();
    assert_eq!((fresh.keys, fresh.last_error), (KeyState::Fresh, None));
    assert!(fresh.age.unwrap() <= 2 * SECOND);
    let next = fresh.next_attempt.unwrap();
    assert!((210 * SECOND..=264 * SECOND).contains(&next), "{next:?}");
    client.set(refused());
    pass(&fixture, 34, 10 * SECOND).await;
    let stale = health();
    assert_eq!((stale.keys, stale.keys.as_str()), (KeyState::Stale, "stale"));
    assert!(stale.age.unwrap() >= 340 * SECOND && stale.last_error.is_some());
    assert!(stale.next_attempt.unwrap() <= 60 * SECOND);
    pass(&fixture, 24 * 60, 60 * SECOND).await;
    let missing = health();
    assert_eq!((missing.keys, missing.age), (KeyState::Missing, None));
    assert!(missing.last_error.is_some());
    // Nobody asks meanwhile.
    client.set(Mode::Pass);
    pass(&fixture, 6, SECOND).await;
    assert_eq!((health().keys, health().last_error), (KeyState::Fresh, None));
}

#[tokio::test]
async fn the_watch_tells_of_each_fetch_good_or_bad_and_of_the_end_of_the_server() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    let mut watch = fixture.server.key_watch();
    assert_eq!(watch.changed().now_or_never(), None);
    fixture.server.warm_up().await.unwrap();
    assert_eq!(watch.changed().now_or_never(), Some(true));
    assert_eq!(watch.changed().now_or_never(), None);
    fixture.issuer.fault(Endpoint::Jwks, Some(Fault::Status(500)));
    fixture.server.refresh_now().await.unwrap_err();
    assert_eq!(watch.changed().now_or_never(), Some(true));
    client.set(Mode::Hold);
    let waiting = ask(&fixture.server, &stranger(&fixture, "x"));
    settle().await;
    assert_eq!(watch.changed().now_or_never(), None, "under way is not ended");
    client.set(Mode::Pass);
    settle().await;
    waiting.await.unwrap();
    while watch.changed().now_or_never() == Some(true) {}
    drop(fixture);
    settle().await;
    assert!(!watch.changed().await);
}
