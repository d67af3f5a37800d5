//! An issuer that cannot be reached or answers nonsense: 503 without keys, business as usual with them.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tower_bearer::HttpError;
use tower_bearer::testing::{Endpoint, Fault};

use crate::faulty_client::{Mode, ask, faulty, long_lived, pass, running, settle, stranger, verdict};
use crate::support::Fixture;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn refused() -> Mode {
    Mode::Fail(HttpError::Connection("refused".into()))
}

#[tokio::test]
async fn r02_r03_without_keys_every_answer_is_503_and_recovery_takes_a_second() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    client.set(refused());
    let token = long_lived(&fixture);
    for _ in 0..600 {
        let outcome = fixture.bearer(&token).await;
        outcome.assert_dep();
        let wait: u64 = outcome.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=5).contains(&wait), "{wait}");
        pass(&fixture, 1, SECOND / 10).await;
    }
    assert!((60..=81).contains(&client.log().len()), "{}", client.log().len());
    client.set(Mode::Pass);
    pass(&fixture, 1, SECOND).await;
    fixture.bearer(&token).await.assert_ok();
}

#[tokio::test]
async fn r09_an_idle_server_finds_a_returned_issuer_by_itself_within_five_seconds() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    client.set(refused());
    let token = long_lived(&fixture);
    fixture.bearer(&token).await.assert_dep();
    pass(&fixture, 720, 5 * SECOND).await;
    client.set(Mode::Pass);
    pass(&fixture, 1, 5 * SECOND).await;
    let fetches = client.key_fetches();
    assert_eq!(fetches, 1);
    fixture.bearer(&token).await.assert_ok();
    assert_eq!(client.key_fetches(), fetches);
}

#[tokio::test]
async fn r22_the_cheap_checks_judge_a_token_also_without_keys() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    client.set(refused());
    fixture.bearer(&fixture.token().expired().sign()).await.assert_it();
    fixture.bearer(&fixture.token().audience("https://other.example").sign()).await.assert_it();
    fixture.bearer(&fixture.token().claim("iss", "https://evil.example").sign()).await.assert_it();
    fixture.bearer(&fixture.token().header("alg", "none").sign()).await.assert_it();
    assert!(client.log().is_empty());
    fixture.bearer(&fixture.token().sign()).await.assert_dep();
}

#[tokio::test]
async fn r22_bis_3_14_a_a_signature_that_is_no_base64url_is_judged_also_without_keys() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    client.set(Mode::Fail(HttpError::Timeout));
    let token = fixture.token().sign();
    for bad in [format!("{token}="), format!("{token}+"), format!("{token}~"), format!("{token}AAA")] {
        assert_eq!(verdict(&fixture.server, &bad).await, "not_a_jwt", "{bad}");
    }
    assert!(client.log().is_empty());
    assert_eq!(verdict(&fixture.server, &token).await, "keys_unavailable");
}

#[tokio::test]
async fn r11_an_outage_of_an_hour_fails_no_request_and_causes_a_hundred_attempts_at_most() {
    let (fixture, client) = running().await;
    client.set(refused());
    let token = long_lived(&fixture);
    for _ in 0..3600 {
        pass(&fixture, 1, SECOND).await;
        assert_eq!(verdict(&fixture.server, &token).await, "ok");
    }
    assert!((50..=100).contains(&client.key_fetches()), "{}", client.key_fetches());
}

#[tokio::test]
async fn r12_r13_jwks_b_s6_25_the_last_good_set_serves_for_a_day_and_the_issuer_s_return_ends_the_outage() {
    let (fixture, client) = running().await;
    client.set(refused());
    let token = long_lived(&fixture);
    for _ in 0..(24 * 60 - 1) {
        pass(&fixture, 1, MINUTE).await;
        assert_eq!(verdict(&fixture.server, &token).await, "ok");
    }
    pass(&fixture, 1, MINUTE).await;
    fixture.bearer(&fixture.token().sign()).await.assert_dep();
    client.set(Mode::Pass);
    pass(&fixture, 1, SECOND).await;
    fixture.bearer(&fixture.token().sign()).await.assert_ok();
}

/// Answers without a usable key set.
fn bad_sets(good: &str) -> Vec<Response<Bytes>> {
    let ok = |body: &str| Response::new(Bytes::from(body.to_owned()));
    let status = |status: u16| Response::builder().status(status).body(Bytes::from(good.to_owned())).unwrap();
    let odd = r#"{"keys":[{"kty":"AKP"},{"kty":"RSA"},null,7]}"#;
    let many = format!(r#"{{"keys":[{}]}}"#, vec!["{}"; 257].join(","));
    let mut answers = [500, 404, 429, 204, 201, 302].map(status).to_vec();
    for body in ["", "null", "[]", "{}", r#"{"keys":[]}"#, r#"{"keys":{}}"#, "<html>", "not json", odd, &many] {
        answers.push(ok(body));
    }
    answers.push(ok(&good[..good.len() / 2]));
    answers.push(ok(&good.replacen("{\"keys\"", "{\"keys\":[],\"keys\"", 1)));
    answers.push(ok(&format!("{good}{}", " ".repeat(512 * 1024))));
    answers
}

#[tokio::test]
async fn r14_r07_jwks_b_s5_13_a_bad_answer_is_no_key_set_and_the_previous_one_stays() {
    let good = Fixture::new().issuer.jwks().to_string();
    for bad in bad_sets(&good) {
        let (fixture, client) = running().await;
        fixture.issuer.answer_with(Endpoint::Jwks, Some(bad.clone()));
        pass(&fixture, 10, MINUTE).await;
        assert!(client.key_fetches() > 3, "{bad:?}");
        assert_eq!(verdict(&fixture.server, &long_lived(&fixture)).await, "ok", "{bad:?}");
        assert_eq!(verdict(&fixture.server, &stranger(&fixture, "x")).await, "keys_unavailable", "{bad:?}");

        let (cold, _client) = faulty(|issuer| issuer, |builder| builder);
        cold.issuer.answer_with(Endpoint::Jwks, Some(bad.clone()));
        cold.bearer(&cold.token().sign()).await.assert_dep();
        cold.issuer.answer_with(Endpoint::Jwks, None);
        cold.clock.advance(SECOND);
        cold.bearer(&cold.token().sign()).await.assert_ok();
    }
}

#[tokio::test]
async fn s6_07_a_set_of_512_kib_is_read_and_one_byte_more_is_not() {
    for (size, accepted) in [(512 * 1024, true), (512 * 1024 + 1, false)] {
        let fixture = Fixture::new();
        let mut body = fixture.issuer.jwks().to_string();
        body.push_str(&" ".repeat(size - body.len()));
        fixture.issuer.answer_with(Endpoint::Jwks, Some(Response::new(body.into())));
        let outcome = fixture.bearer(&fixture.token().sign()).await;
        if accepted { outcome.assert_ok() } else { outcome.assert_dep() }
    }
}

#[tokio::test]
async fn r20_a_key_that_nobody_here_has_seen_is_503_while_the_issuer_is_away() {
    let (fixture, client) = running().await;
    client.set(refused());
    let before = client.log().len();
    for n in 0..100 {
        fixture.bearer(&stranger(&fixture, &format!("k{n}"))).await.assert_dep();
    }
    assert_eq!(client.log().len(), before + 1);
    // Also once the back-off is over and the cool-down is not.
    pass(&fixture, 25, SECOND).await;
    fixture.bearer(&stranger(&fixture, "x")).await.assert_dep();
}

#[tokio::test]
async fn r24_s6_24_an_error_is_not_remembered_as_a_key_set() {
    let (fixture, client) = running().await;
    client.set(refused());
    fixture.issuer.rotate_key(tower_bearer::Algorithm::ES256);
    let token = long_lived(&fixture);
    fixture.bearer(&token).await.assert_dep();
    client.set(Mode::Pass);
    pass(&fixture, 2, SECOND).await;
    fixture.bearer(&token).await.assert_ok();
}

#[tokio::test]
async fn s6_18_the_set_is_refreshed_in_the_background_before_it_is_old() {
    let (fixture, client) = running().await;
    let token = long_lived(&fixture);
    // 80 % of five minutes, up to 10 % earlier or later.
    pass(&fixture, 215, SECOND).await;
    assert_eq!(client.key_fetches(), 1);
    pass(&fixture, 50, SECOND).await;
    assert_eq!(client.key_fetches(), 2);
    for _ in 0..(3600 - 265) {
        pass(&fixture, 1, SECOND).await;
        assert_eq!(verdict(&fixture.server, &token).await, "ok");
    }
    assert!((13..=17).contains(&client.key_fetches()), "{}", client.key_fetches());
}

#[tokio::test]
async fn r15_a_slow_refresh_makes_no_request_wait() {
    let (fixture, client) = running().await;
    let token = long_lived(&fixture);
    client.set(Mode::Hold);
    pass(&fixture, 1, 265 * SECOND).await;
    assert_eq!(client.key_fetches(), 2);
    for _ in 0..49 {
        pass(&fixture, 1, SECOND / 10).await;
        assert_eq!(verdict(&fixture.server, &token).await, "ok");
    }
    client.set(Mode::Pass);
    pass(&fixture, 200, SECOND).await;
    assert_eq!(client.key_fetches(), 2);
}

#[tokio::test]
async fn r46_s6_12_cache_control_shortens_the_interval_to_a_minute_and_never_lengthens_it() {
    for (header, from, to) in [
        ("max-age=0", 43, 53),
        ("max-age=100", 72, 88),
        ("public, Max-Age=100", 72, 88),
        ("max-age=86400", 216, 264),
        ("max-age=99999999999999999999", 216, 264),
        ("max-age=-1", 216, 264),
        ("rubbish", 216, 264),
    ] {
        let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
        let body = Bytes::from(fixture.issuer.jwks().to_string());
        let answer = Response::builder().header("cache-control", header).body(body).unwrap();
        fixture.issuer.answer_with(Endpoint::Jwks, Some(answer));
        fixture.bearer(&fixture.token().sign()).await.assert_ok();
        pass(&fixture, from - 1, SECOND).await;
        assert_eq!(client.key_fetches(), 1, "{header}");
        pass(&fixture, to - from + 2, SECOND).await;
        assert_eq!(client.key_fetches(), 2, "{header}");
    }
}

#[tokio::test]
async fn r41_a_set_that_outlived_its_interval_is_believed_after_one_attempt_only() {
    let (fixture, client) = running().await;
    let (token, kid) = (long_lived(&fixture), fixture.issuer.key().kid().to_owned());
    fixture.issuer.rotate_key(tower_bearer::Algorithm::ES256);
    fixture.issuer.remove_key(&kid);
    client.set(Mode::Hold);
    // No task ran in this hour, as in a process that was stopped.
    fixture.clock.advance(60 * MINUTE);
    let first = ask(&fixture.server, &token);
    settle().await;
    let second = ask(&fixture.server, &token);
    settle().await;
    assert!(!first.is_finished() && !second.is_finished(), "an attempt under way is not an attempt made");
    client.set(Mode::Pass);
    assert_eq!((first.await.unwrap(), second.await.unwrap()), ("key_unknown", "key_unknown"));
    assert_eq!(client.key_fetches(), 2);
}

#[tokio::test]
async fn r41_if_that_attempt_fails_the_old_set_serves_and_nobody_waits_again() {
    let (fixture, client) = running().await;
    let token = long_lived(&fixture);
    client.set(refused());
    fixture.clock.advance(59 * MINUTE);
    for _ in 0..100 {
        assert_eq!(verdict(&fixture.server, &token).await, "ok");
    }
    assert_eq!(client.log().len(), 3);
}

#[tokio::test]
async fn r20_r41_an_attempt_that_failed_says_nothing_about_a_key_that_nobody_here_has_seen() {
    for (mode, expected) in [(refused(), "keys_unavailable"), (Mode::Pass, "key_unknown")] {
        let (fixture, client) = running().await;
        let (unknown, known) = (stranger(&fixture, "x"), long_lived(&fixture));
        client.set(mode);
        fixture.clock.advance(59 * MINUTE);
        // The set is overdue, so this request waits for one attempt.
        assert_eq!(verdict(&fixture.server, &unknown).await, expected);
        assert_eq!(verdict(&fixture.server, &known).await, "ok");
    }
}

#[tokio::test]
async fn s3_14_an_answer_from_before_the_machine_was_suspended_is_as_old_as_the_question() {
    let (fixture, client) = running().await;
    let (token, removed) = (long_lived(&fixture), fixture.issuer.key().kid().to_owned());
    // The regular refresh is under way when the machine falls asleep.
    fixture.issuer.fault(Endpoint::Jwks, Some(Fault::Delay(SECOND)));
    pass(&fixture, 1, 265 * SECOND).await;
    assert_eq!(client.key_fetches(), 2);
    fixture.clock.set_wall(tower_bearer::Clock::wall(&fixture.clock) + 60 * MINUTE);
    fixture.issuer.rotate_key(tower_bearer::Algorithm::ES256);
    fixture.issuer.remove_key(&removed);
    let asked = ask(&fixture.server, &token);
    settle().await;
    pass(&fixture, 2, SECOND).await;
    assert_eq!(asked.await.unwrap(), "key_unknown");
    assert_eq!(client.key_fetches(), 3);
}

#[tokio::test]
async fn r15_an_issuer_slower_than_a_short_interval_costs_a_wait_and_no_refusal() {
    let (fixture, client) = faulty(|issuer| issuer.jwks_refresh(2 * SECOND), |builder| builder);
    let token = long_lived(&fixture);
    fixture.bearer(&token).await.assert_ok();
    fixture.issuer.fault(Endpoint::Jwks, Some(Fault::Delay(4 * SECOND)));
    for _ in 0..20 {
        let asked = ask(&fixture.server, &token);
        pass(&fixture, 50, SECOND / 10).await;
        assert!(asked.is_finished());
        assert_eq!(asked.await.unwrap(), "ok");
    }
    assert!((15..=25).contains(&client.key_fetches()), "{}", client.key_fetches());
}

#[tokio::test]
async fn r51_a_set_that_came_while_the_clock_was_set_back_is_looked_at_once_it_is_right_again() {
    let (fixture, client) = running().await;
    let token = long_lived(&fixture);
    // The regular refresh begins by the right clock and ends by a wrong one.
    fixture.issuer.fault(Endpoint::Jwks, Some(Fault::Delay(SECOND)));
    pass(&fixture, 1, 265 * SECOND).await;
    let right = tower_bearer::Clock::wall(&fixture.clock);
    fixture.clock.set_wall(right - 60 * MINUTE);
    pass(&fixture, 2, SECOND).await;
    assert_eq!(client.key_fetches(), 2);
    fixture.clock.set_wall(right + 2 * SECOND);
    let asked = ask(&fixture.server, &token);
    pass(&fixture, 2, SECOND).await;
    assert_eq!(asked.await.unwrap(), "ok");
    assert_eq!(client.key_fetches(), 3);
}

#[tokio::test]
async fn s3_14_a_machine_that_was_suspended_asks_before_it_believes_its_keys_and_its_cache() {
    let (fixture, client) = running().await;
    let cached = long_lived(&fixture);
    assert_eq!(verdict(&fixture.server, &cached).await, "ok");
    let kid = fixture.issuer.key().kid().to_owned();
    fixture.issuer.rotate_key(tower_bearer::Algorithm::ES256);
    fixture.issuer.remove_key(&kid);
    let uncached = fixture.token().key(&fixture.issuer.key()).sign();
    // The monotonic clock stood still meanwhile.
    fixture.clock.set_wall(tower_bearer::Clock::wall(&fixture.clock) + 60 * MINUTE);
    assert_eq!(verdict(&fixture.server, &cached).await, "key_unknown");
    assert_eq!(verdict(&fixture.server, &uncached).await, "token_expired");
    assert_eq!(client.key_fetches(), 2);
}

#[tokio::test]
async fn s3_14_a_machine_that_was_suspended_during_an_outage_goes_on_with_its_keys() {
    let (fixture, client) = running().await;
    client.set(refused());
    let token = long_lived(&fixture);
    fixture.clock.set_wall(tower_bearer::Clock::wall(&fixture.clock) + 60 * MINUTE);
    for _ in 0..50 {
        assert_eq!(verdict(&fixture.server, &token).await, "ok");
    }
    assert_eq!(client.log().len(), 3);
}
