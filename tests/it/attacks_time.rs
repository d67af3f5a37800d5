//! SECURITY 2.3: attacks by time, and clocks that misbehave.

use std::time::{Duration, SystemTime};

use http::Response;
use tower_bearer::testing::Endpoint;
use tower_bearer::{Algorithm, Clock, HttpError, ResourceRequest};

use crate::faulty_client::{Mode, long_lived, running, stranger, verdict};
use crate::support::Fixture;
use crate::verdicts::{now, passes, raw_claim, refuses, text_is_refused, text_passes};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn s3_03_a_fraction_of_a_second_never_lengthens_a_life() {
    let fixture = Fixture::new();
    let at = now(&fixture);
    for (name, good, bad, code) in [
        ("exp", format!("{}.1", at - 29), format!("{}.9", at - 30), "token_expired"),
        ("nbf", format!("{}.0", at + 30), format!("{}.1", at + 30), "token_not_yet_valid"),
        ("iat", format!("{}.0", at + 60), format!("{}.1", at + 60), "issued_in_future"),
    ] {
        passes(&fixture, raw_claim(fixture.token(), name, &good)).await;
        refuses(&fixture, raw_claim(fixture.token(), name, &bad), code).await;
    }
}

#[tokio::test]
async fn s3_04_a_date_beyond_the_year_9999_or_in_milliseconds_is_refused() {
    let fixture = Fixture::new();
    passes(&fixture, raw_claim(fixture.token(), "exp", "253402300799")).await;
    let milliseconds = format!("{}000", now(&fixture) + 600);
    for exp in [
        "253402300800",
        "9007199254740993",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e19",
        "1e300",
        &milliseconds,
    ] {
        refuses(&fixture, raw_claim(fixture.token(), "exp", exp), "claim_invalid").await;
    }
}

#[tokio::test]
async fn s3_05_a_negative_date_is_refused_and_zero_is_long_past() {
    let fixture = Fixture::new();
    for exp in ["-1", "-0.5", "-9223372036854775808", "-0", "-1e-400"] {
        refuses(&fixture, raw_claim(fixture.token(), "exp", exp), "claim_invalid").await;
    }
    refuses(&fixture, raw_claim(fixture.token(), "exp", "0"), "token_expired").await;
    passes(&fixture, raw_claim(fixture.token(), "nbf", "0")).await;
}

#[tokio::test]
async fn s3_07_nbf_is_checked_whatever_form_it_has() {
    let fixture = Fixture::new();
    let at = now(&fixture);
    passes(&fixture, fixture.token().claim("nbf", at)).await;
    for (nbf, code) in [
        (format!("{}", at + 31), "token_not_yet_valid"),
        (format!("{}", at + 601), "token_not_yet_valid"),
        (format!("\"{at}\""), "claim_invalid"),
        ("1e19".into(), "claim_invalid"),
        ("null".into(), "claim_invalid"),
    ] {
        refuses(&fixture, raw_claim(fixture.token(), "nbf", &nbf), code).await;
    }
    let ending = |nbf: u64| fixture.token().claim("exp", at + 10).claim("nbf", nbf);
    passes(&fixture, ending(at + 10)).await;
    refuses(&fixture, ending(at + 11), "token_not_yet_valid").await;
}

#[tokio::test]
async fn s3_10_a_token_that_would_live_too_long_is_refused_where_a_limit_is_set() {
    let limited =
        Fixture::with(|issuer| issuer.required_claims([] as [&str; 0]), |builder| builder.max_token_lifetime(HOUR));
    passes(&limited, limited.token().expires_in(HOUR)).await;
    let longer = || limited.token().expires_in(HOUR + Duration::from_secs(1));
    refuses(&limited, longer(), "claim_invalid").await;
    refuses(&limited, limited.token().without("iat"), "claim_missing").await;
    let unlimited = Fixture::new();
    passes(&unlimited, unlimited.token().expires_in(HOUR * 24 * 365)).await;
}

#[tokio::test]
async fn s3_11_a_clock_that_is_set_back_revives_no_token_that_was_seen_to_expire() {
    let fixture = Fixture::new();
    let start = fixture.clock.wall();
    let token = fixture.token().expires_in(Duration::from_secs(60)).sign();
    text_passes(&fixture, &token).await;
    fixture.clock.advance(Duration::from_secs(90));
    text_is_refused(&fixture, &token, "token_expired").await;
    fixture.clock.set_wall(start);
    text_is_refused(&fixture, &token, "token_expired").await;
    fixture.clock.set_wall(start - HOUR);
    text_is_refused(&fixture, &token, "token_expired").await;
    passes(&fixture, fixture.token()).await;
}

#[tokio::test]
async fn s3_12_a_clock_that_jumps_ahead_and_is_corrected_loses_no_keys() {
    for down in [false, true] {
        let fixture = Fixture::new();
        let start = fixture.clock.wall();
        passes(&fixture, fixture.token()).await;
        let before = fixture.issuer.requests(Endpoint::Jwks);
        if down {
            let answer = Response::builder().status(502).body("".into()).unwrap();
            fixture.issuer.answer_with(Endpoint::Jwks, Some(answer));
        }
        fixture.clock.advance(Duration::from_secs(5));
        fixture.clock.set_wall(start + DAY);
        let during = fixture.bearer(&fixture.token().sign()).await;
        if down {
            during.assert_dep()
        } else {
            during.assert_ok()
        }
        fixture.clock.set_wall(start + Duration::from_secs(15));
        for _ in 0..3 {
            passes(&fixture, fixture.token()).await;
        }
        assert!(fixture.issuer.requests(Endpoint::Jwks) - before <= 1, "down: {down}");
    }
}

#[tokio::test]
async fn s3_13_a_clock_that_was_never_set_judges_no_token() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    let release = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    for unset in [
        SystemTime::UNIX_EPOCH - HOUR,
        SystemTime::UNIX_EPOCH,
        SystemTime::UNIX_EPOCH + DAY,
        release - Duration::from_secs(1),
    ] {
        fixture.clock.set_wall(unset);
        let outcome = fixture.bearer(&token).await;
        assert_eq!(outcome.code(), "clock_not_set");
        outcome.assert_dep();
        let request = ResourceRequest::bearer(&token).unwrap();
        assert!(fixture.server.authenticate(request).await.is_err());
    }
    fixture.clock.set_wall(release);
    passes(&fixture, fixture.token()).await;
}

#[tokio::test]
async fn s3_14_after_a_suspension_the_keys_are_read_again_before_they_are_believed() {
    let fixture = Fixture::new();
    let start = fixture.clock.wall();
    passes(&fixture, fixture.token()).await;
    let removed = fixture.issuer.key();
    let token = fixture.token().expires_in(HOUR * 2).sign();
    fixture.issuer.rotate_key(Algorithm::ES256);
    fixture.issuer.remove_key(removed.kid());
    passes(&fixture, fixture.token().key(&removed)).await;
    fixture.clock.set_wall(start + HOUR);
    text_is_refused(&fixture, &token, "key_unknown").await;
    passes(&fixture, fixture.token()).await;
}

#[tokio::test]
async fn s3_14_a_suspension_just_after_a_failed_attempt_is_no_reason_to_believe_old_keys() {
    let (fixture, client) = running().await;
    let (removed, token) = (fixture.issuer.key(), long_lived(&fixture));
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    fixture.issuer.rotate_key(Algorithm::ES256);
    fixture.issuer.remove_key(removed.kid());
    client.set(Mode::Fail(HttpError::Timeout));
    assert_eq!(verdict(&fixture.server, &stranger(&fixture, "x")).await, "keys_unavailable");
    client.set(Mode::Pass);
    fixture.clock.set_wall(fixture.clock.wall() + HOUR);
    assert_eq!(verdict(&fixture.server, &token).await, "key_unknown");
}

#[tokio::test]
async fn s3_14_an_issuer_that_is_down_after_a_suspension_costs_no_token() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token()).await;
    fixture.clock.advance(Duration::from_secs(5));
    fixture.clock.set_wall(fixture.clock.wall() + HOUR);
    let answer = Response::builder().status(502).body("".into()).unwrap();
    fixture.issuer.answer_with(Endpoint::Jwks, Some(answer));
    for _ in 0..5 {
        passes(&fixture, fixture.token()).await;
        fixture.clock.advance(Duration::from_millis(100));
    }
    fixture.clock.set_wall(fixture.clock.wall() + DAY);
    fixture.bearer(&fixture.token().sign()).await.assert_dep();
}
