//! Fetching keys: who causes a fetch, who waits for it, and how often there is one.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::task::JoinHandle;
use tower::{Layer, Service, service_fn};
use tower_bearer::testing::{Endpoint, TestIssuer};
use tower_bearer::{Algorithm, AuthLayer, HttpError, Issuer, ResourceServer};

use crate::faulty_client::{FaultyClient, Mode, ask, faulty, long_lived, pass, running, settle, stranger, verdict};
use crate::support::{AS, Fixture, RS, get};

const SECOND: Duration = Duration::from_secs(1);

/// So many requests with one token.
fn crowd(fixture: &Fixture, token: &str, size: usize) -> Vec<JoinHandle<&'static str>> {
    (0..size).map(|_| ask(&fixture.server, token)).collect()
}

async fn verdicts(asked: Vec<JoinHandle<&'static str>>) -> Vec<&'static str> {
    let mut verdicts = Vec::new();
    for one in asked {
        verdicts.push(one.await.unwrap());
    }
    verdicts
}

#[tokio::test]
async fn s6_30_building_a_server_touches_no_network() {
    let (_fixture, client) = faulty(|issuer| issuer, |builder| builder);
    settle().await;
    assert!(client.log().is_empty());
}

#[tokio::test]
async fn r01_a_thousand_first_requests_share_one_fetch() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    let asked = (0..1000).map(|_| ask(&fixture.server, &fixture.token().sign())).collect();
    assert!(verdicts(asked).await.iter().all(|verdict| *verdict == "ok"));
    assert_eq!(client.log().len(), 2, "one metadata document, one key set");
}

#[tokio::test]
async fn r25_s6_16_a_new_key_works_at_once_after_one_fetch_for_all() {
    let (fixture, client) = running().await;
    fixture.issuer.rotate_key(Algorithm::ES256);
    let token = fixture.token().sign();
    let asked = crowd(&fixture, &token, 1000);
    assert!(verdicts(asked).await.iter().all(|verdict| *verdict == "ok"));
    assert_eq!(client.key_fetches(), 2);
}

#[tokio::test]
async fn r26_jwks_a_a_thousand_unknown_names_cause_one_fetch() {
    let (fixture, client) = running().await;
    let asked = (0..1000).map(|n| ask(&fixture.server, &stranger(&fixture, &format!("k{n}")))).collect();
    assert!(verdicts(asked).await.iter().all(|verdict| *verdict == "key_unknown"));
    assert_eq!(client.key_fetches(), 2);
    fixture.bearer(&stranger(&fixture, "x")).await.assert_it();
    fixture.bearer(&fixture.token().sign()).await.assert_ok();
    assert_eq!(client.key_fetches(), 2);
}

#[tokio::test]
async fn jwks_a_the_cool_down_for_unknown_names_lasts_thirty_seconds() {
    let (fixture, client) = running().await;
    fixture.bearer(&stranger(&fixture, "a")).await.assert_it();
    assert_eq!(client.key_fetches(), 2);
    fixture.clock.advance(30 * SECOND - Duration::from_millis(1));
    fixture.bearer(&stranger(&fixture, "b")).await.assert_it();
    assert_eq!(client.key_fetches(), 2);
    fixture.clock.advance(Duration::from_millis(1));
    fixture.bearer(&stranger(&fixture, "c")).await.assert_it();
    assert_eq!(client.key_fetches(), 3);
}

#[tokio::test]
async fn r29_a_key_published_during_a_flood_works_after_the_cool_down() {
    let (fixture, client) = running().await;
    fixture.bearer(&stranger(&fixture, "a")).await.assert_it();
    fixture.issuer.rotate_key(Algorithm::ES256);
    let token = fixture.token().sign();
    fixture.bearer(&token).await.assert_it();
    fixture.clock.advance(30 * SECOND);
    fixture.bearer(&token).await.assert_ok();
    assert_eq!(client.key_fetches(), 3);
}

#[tokio::test]
async fn r27_a_flood_of_unknown_names_adds_two_fetches_a_minute_and_no_refusal_of_known_ones() {
    let (fixture, client) = running().await;
    let known = long_lived(&fixture);
    for n in 0..600 {
        assert_eq!(verdict(&fixture.server, &stranger(&fixture, &format!("k{n}"))).await, "key_unknown");
        assert_eq!(verdict(&fixture.server, &known).await, "ok");
        pass(&fixture, 1, SECOND).await;
    }
    assert!(client.key_fetches() <= 1 + 20 + 3, "{}", client.key_fetches());
}

#[tokio::test]
async fn r28_s6_15_the_cool_down_counts_from_the_attempt_whatever_its_result() {
    let html = Response::new(Bytes::from_static(b"<html>"));
    let empty = Response::new(Bytes::from_static(b"{\"keys\":[]}"));
    let trouble = Response::builder().status(500).body(Bytes::new()).unwrap();
    for bad in [html, empty, trouble] {
        let (fixture, client) = running().await;
        let known = long_lived(&fixture);
        fixture.issuer.answer_with(Endpoint::Jwks, Some(bad));
        for n in 0..590 {
            // An outage is not the token's fault.
            assert_eq!(verdict(&fixture.server, &stranger(&fixture, &format!("k{n}"))).await, "keys_unavailable");
            assert_eq!(verdict(&fixture.server, &known).await, "ok");
            pass(&fixture, 1, SECOND / 10).await;
        }
        // The background alone tries again after 1, 2, 4, 8, 16, 32 s, drawn from the upper half.
        assert!(client.key_fetches() <= 1 + 2 + 6, "{}", client.key_fetches());
    }
}

#[tokio::test]
async fn r31_what_is_refused_anyway_causes_no_fetch() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    let token = || fixture.token().header("kid", "unknown");
    for bad in [
        token().expired(),
        token().audience("https://other.example"),
        token().claim("iss", "https://evil.example"),
        token().header("alg", "ES512"),
        token().header("alg", "none"),
        token().header("kid", "k".repeat(257)),
        token().header("kid", 7),
    ] {
        fixture.bearer(&bad.sign()).await.assert_it();
    }
    assert!(client.log().is_empty());
    fixture.bearer(&token().sign()).await.assert_it();
    assert!(!client.log().is_empty());
}

#[tokio::test]
async fn r21_a_bad_signature_under_a_known_name_causes_no_fetch() {
    let (fixture, client) = running().await;
    fixture.bearer(&fixture.token().with_signature(&[1; 64])).await.assert_it();
    assert_eq!(client.key_fetches(), 1);
}

#[tokio::test]
async fn r30_a_request_waits_two_seconds_while_the_fetch_goes_on() {
    let (fixture, client) = running().await;
    fixture.issuer.rotate_key(Algorithm::ES256);
    let token = fixture.token().sign();
    client.set(Mode::Hold);
    let waiting = ask(&fixture.server, &token);
    settle().await;
    fixture.clock.advance(2 * SECOND - Duration::from_millis(1));
    settle().await;
    assert!(!waiting.is_finished());
    fixture.clock.advance(Duration::from_millis(1));
    assert_eq!(waiting.await.unwrap(), "keys_unavailable");
    pass(&fixture, 1, SECOND).await;
    client.set(Mode::Pass);
    settle().await;
    fixture.bearer(&token).await.assert_ok();
    assert_eq!(client.key_fetches(), 2);
}

#[tokio::test]
async fn s6_09_a_silent_issuer_is_given_up_after_five_seconds() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    client.set(Mode::Hold);
    let token = fixture.token().sign();
    let _waiting = ask(&fixture.server, &token);
    settle().await;
    pass(&fixture, 49, SECOND / 10).await;
    assert_eq!(client.log().len(), 1);
    // Given up at 5 s; the next attempt follows after the back-off.
    pass(&fixture, 12, SECOND / 10).await;
    assert_eq!(client.log().len(), 2);
}

#[tokio::test]
async fn r04_the_4097th_waiter_is_told_at_once() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    client.set(Mode::Hold);
    let token = fixture.token().sign();
    let waiting = crowd(&fixture, &token, 4096);
    settle().await;
    let outcome = fixture.bearer(&token).await;
    outcome.assert_dep();
    assert_eq!(outcome.code(), "keys_busy");
    fixture.clock.advance(2 * SECOND);
    assert!(verdicts(waiting).await.iter().all(|verdict| *verdict == "keys_unavailable"));
    assert_eq!(client.log().len(), 1);
    // Every place was given back.
    let waiting = crowd(&fixture, &token, 4096);
    settle().await;
    client.set(Mode::Pass);
    assert!(verdicts(waiting).await.iter().all(|verdict| *verdict == "ok"));
}

#[tokio::test]
async fn r34_s6_20_waiters_that_leave_cancel_nothing() {
    let (fixture, client) = running().await;
    fixture.issuer.rotate_key(Algorithm::ES256);
    let token = fixture.token().sign();
    client.set(Mode::Hold);
    let waiting = crowd(&fixture, &token, 100);
    settle().await;
    let (last, leaving) = waiting.split_last().unwrap();
    for one in leaving {
        one.abort();
        settle().await;
    }
    client.set(Mode::Pass);
    settle().await;
    assert!(last.is_finished());
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    assert_eq!(client.key_fetches(), 2);
}

#[tokio::test]
async fn r35_s6_21_the_fetch_completes_when_all_waiters_have_left() {
    let (fixture, client) = running().await;
    fixture.issuer.rotate_key(Algorithm::ES256);
    let token = fixture.token().sign();
    client.set(Mode::Hold);
    let waiting = crowd(&fixture, &token, 100);
    settle().await;
    waiting.iter().for_each(JoinHandle::abort);
    settle().await;
    client.set(Mode::Pass);
    settle().await;
    fixture.bearer(&token).await.assert_ok();
    assert_eq!(client.key_fetches(), 2);
}

#[tokio::test]
async fn r36_s6_22_a_client_that_panics_fails_one_attempt() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    client.set(Mode::Panic);
    let token = fixture.token().sign();
    let waiting = crowd(&fixture, &token, 100);
    assert!(verdicts(waiting).await.iter().all(|verdict| *verdict == "keys_unavailable"));
    assert_eq!(client.log().len(), 1);
    client.set(Mode::Pass);
    fixture.clock.advance(Duration::from_millis(750));
    fixture.bearer(&token).await.assert_ok();
}

/// The response future of a request that was called already and not polled yet.
fn called(fixture: &Fixture, token: &str) -> impl Future<Output = u16> + use<> {
    let inner = service_fn(|_: http::Request<()>| async {
        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let mut service = AuthLayer::new(fixture.server.clone()).layer(inner);
    assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    let future = service.call(get().header("authorization", format!("Bearer {token}")).body(()).unwrap());
    async move { future.await.unwrap().status().as_u16() }
}

#[tokio::test]
async fn r01_a_request_that_found_no_keys_takes_those_that_another_fetched_meanwhile() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    let (first, second) = (called(&fixture, &fixture.token().sign()), called(&fixture, &fixture.token().sign()));
    assert_eq!((first.await, second.await), (200, 200));
    assert_eq!(client.key_fetches(), 1);
}

#[tokio::test]
async fn r25_a_request_that_found_no_key_takes_the_one_that_another_fetched_meanwhile() {
    let (fixture, client) = running().await;
    fixture.issuer.rotate_key(Algorithm::ES256);
    let (first, second) = (called(&fixture, &fixture.token().sign()), called(&fixture, &fixture.token().sign()));
    let unknown = called(&fixture, &stranger(&fixture, "x"));
    assert_eq!((first.await, second.await, unknown.await), (200, 200, 401));
    assert_eq!(client.key_fetches(), 2);
}

#[test]
fn r77_many_threads_ask_at_the_same_instant_and_cause_one_fetch_a_round() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let (fixture, client) = faulty(|issuer| issuer.jwks_refresh(12 * 3600 * SECOND), |builder| builder);
    runtime.block_on(async {
        fixture.bearer(&fixture.token().sign()).await.assert_ok();
        for round in 1..=50 {
            fixture.clock.advance(30 * SECOND);
            fixture.issuer.rotate_key(Algorithm::EdDSA);
            let token = long_lived(&fixture);
            let asked = (0..16).map(|_| ask(&fixture.server, &token)).collect();
            let verdicts = verdicts(asked).await;
            assert!(verdicts.iter().all(|verdict| *verdict == "ok"), "{round}: {verdicts:?}");
            assert_eq!(client.key_fetches(), 1 + round);
        }
    });
}

#[tokio::test]
async fn r08_a_silent_issuer_does_not_delay_another() {
    let clock = tower_bearer::testing::ManualClock::new();
    let good = TestIssuer::in_process_at("https://good.example.com", clock.clone());
    let silent = TestIssuer::in_process_at(AS, clock.clone());
    let client = BothOf(FaultyClient::new(good.http_client()), FaultyClient::new(silent.http_client()));
    client.1.set(Mode::Hold);
    let server = ResourceServer::builder(RS, AS).issuer(Issuer::new(good.url()));
    let server = server.clock(clock.clone()).http_client(client.clone()).build().unwrap();
    let waiting = ask(&server, &silent.token().sign());
    settle().await;
    assert_eq!(verdict(&server, &good.token().sign()).await, "ok");
    let warm_up = tokio::spawn({
        let server = server.clone();
        async move { server.warm_up().await }
    });
    settle().await;
    assert!(!warm_up.is_finished());
    clock.advance(2 * SECOND);
    assert_eq!(waiting.await.unwrap(), "keys_unavailable");
    assert_eq!(warm_up.await.unwrap().unwrap_err().code(), "keys_unavailable");
    client.1.set(Mode::Pass);
    settle().await;
    server.warm_up().await.unwrap();
    assert_eq!(verdict(&server, &silent.token().sign()).await, "ok");
}

#[derive(Clone)]
struct BothOf(FaultyClient, FaultyClient);

impl tower_bearer::HttpClient for BothOf {
    fn send(&self, request: http::Request<Bytes>, max_body: usize) -> tower_bearer::HttpFuture<'_> {
        let side = if request.uri().host() == Some("good.example.com") { &self.0 } else { &self.1 };
        side.send(request, max_body)
    }
}

#[tokio::test]
async fn warm_up_fetches_and_fails_only_where_no_keys_are_usable() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    fixture.server.warm_up().await.unwrap();
    assert_eq!(client.key_fetches(), 1);
    // Too early for another fetch, and with keys at hand no reason to complain.
    fixture.server.warm_up().await.unwrap();
    let (cold, client) = faulty(|issuer| issuer, |builder| builder);
    client.set(Mode::Fail(HttpError::Timeout));
    assert_eq!(cold.server.warm_up().await.unwrap_err().code(), "keys_unavailable");
}

#[test]
fn r77_a_fetch_that_no_runtime_can_run_is_an_outage_and_no_panic() {
    let (fixture, _client) = faulty(|issuer| issuer, |builder| builder);
    let token = fixture.token().sign();
    let mut asked = Box::pin(verdict(&fixture.server, &token));
    let polled = asked.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready("keys_unavailable"));
    drop(asked);
    // The same server works once there is one.
    fixture.clock.advance(SECOND);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = Arc::new(fixture.server.clone());
    assert_eq!(runtime.block_on(verdict(&server, &token)), "ok");
}
