//! A cached token lives no longer than its key set may be believed.

use std::time::Duration;

use http::{Response, StatusCode};
use tower_bearer::testing::Endpoint;
use tower_bearer::{Algorithm, Clock, HttpError};

use crate::faulty_client::{Mode, long_lived, running, verdict};
use crate::support::Fixture;

/// A fixture whose machine slept just after a token was cached: the wall clock went on, the other did not, so that
/// the set is overdue although the entry is young.
async fn after_a_sleep(meanwhile: impl FnOnce(&Fixture)) -> (Fixture, String) {
    let fixture = Fixture::new();
    let token = fixture.token().expires_in(Duration::from_secs(3600)).sign();
    fixture.bearer(&token).await.assert_ok();
    fixture.clock.advance(Duration::from_secs(200));
    let cached = fixture.token().expires_in(Duration::from_secs(3600)).sign();
    fixture.bearer(&cached).await.assert_ok();
    meanwhile(&fixture);
    fixture.clock.set_wall(fixture.clock.wall() + Duration::from_secs(150));
    (fixture, cached)
}

#[tokio::test]
async fn s3_14_after_a_sleep_a_cached_token_waits_for_a_look_at_its_key_set() {
    let (fixture, cached) = after_a_sleep(|_| {}).await;
    fixture.bearer(&cached).await.assert_ok();
    assert_eq!(fixture.issuer.requests(Endpoint::Jwks), 2);
    let (fixture, cached) = after_a_sleep(|fixture| fixture.issuer.remove_key(fixture.issuer.key().kid())).await;
    fixture.issuer.rotate_key(tower_bearer::Algorithm::ES256);
    assert_eq!(fixture.bearer(&cached).await.code(), "key_unknown");
}

#[tokio::test]
async fn r41_after_a_sleep_into_an_outage_the_last_good_keys_serve_cached_tokens_too() {
    let (fixture, cached) = after_a_sleep(|fixture| {
        let mut down = Response::new(bytes::Bytes::new());
        *down.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        fixture.issuer.answer_with(Endpoint::Jwks, Some(down));
    })
    .await;
    for _ in 0..3 {
        fixture.bearer(&cached).await.assert_ok();
    }
    assert_eq!(fixture.issuer.requests(Endpoint::Jwks), 2, "one attempt, then the outage is known");
}

/// A stopped process: no task ran, and both clocks went on.
#[tokio::test]
async fn r42_a_process_that_was_stopped_asks_before_it_believes_its_keys_and_its_cache() {
    for down in [false, true] {
        let (fixture, client) = running().await;
        let (cached, uncached, old) = (long_lived(&fixture), long_lived(&fixture), fixture.issuer.key());
        assert_eq!(verdict(&fixture.server, &cached).await, "ok");
        fixture.issuer.rotate_key(Algorithm::ES256);
        fixture.issuer.remove_key(old.kid());
        if down {
            client.set(Mode::Fail(HttpError::Timeout));
        }
        fixture.clock.advance(3 * Duration::from_secs(300));
        let expected = if down { "ok" } else { "key_unknown" };
        assert_eq!(verdict(&fixture.server, &cached).await, expected);
        assert_eq!(client.key_fetches(), 2, "one attempt");
        assert_eq!(verdict(&fixture.server, &uncached).await, expected);
    }
}
