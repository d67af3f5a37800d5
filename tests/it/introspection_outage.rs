//! Asking an issuer that is slow, down, or does not take us; and asking about many tokens at once (R55 to R64).

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::json;
use tower_bearer::testing::{Endpoint, Fault};
use tower_bearer::{HttpError, Introspection};

use crate::faulty_client::{FaultyClient, Mode, ask, pass, settle, verdict};
use crate::introspection::{INTROSPECT, active, answers, asking, calls, test_client};
use crate::support::Fixture;

const SECOND: Duration = Duration::from_secs(1);

/// An endpoint that needs no discovery, so that each call of the client is a question.
fn at_once() -> Introspection {
    test_client().endpoint(INTROSPECT)
}

fn slow(fixture: &Fixture, time: Duration) {
    fixture.issuer.fault(Endpoint::Introspection, Some(Fault::Delay(time)));
}

fn questions(client: &FaultyClient) -> usize {
    client.log().len()
}

#[tokio::test]
async fn r55_what_is_cached_serves_on_and_new_tokens_and_jwts_are_told_apart() {
    let (fixture, client) = asking(test_client().cache_ttl(30 * SECOND));
    let jwt = fixture.token().sign();
    fixture.bearer(&jwt).await.assert_ok();
    let cached: Vec<String> = (0..100).map(|_| fixture.token().opaque()).collect();
    for token in &cached {
        fixture.bearer(token).await.assert_ok();
    }
    client.set(Mode::Fail(HttpError::Connection("refused".into())));
    fixture.clock.advance(29 * SECOND);
    for token in &cached {
        fixture.bearer(token).await.assert_ok();
    }
    fixture.bearer(&fixture.token().opaque()).await.assert_dep();
    fixture.bearer(&jwt).await.assert_ok();
    fixture.clock.advance(SECOND);
    for token in &cached {
        fixture.bearer(token).await.assert_dep();
    }
    fixture.bearer(&jwt).await.assert_ok();
    // Nothing of the outage is kept.
    client.set(Mode::Pass);
    fixture.bearer(&cached[0]).await.assert_ok();
}

#[tokio::test]
async fn r56_c7662_4_c_a_thousand_equal_tokens_at_once_are_one_call() {
    let (fixture, client) = asking(at_once());
    slow(&fixture, Duration::from_millis(200));
    let token = fixture.token().opaque();
    let asked: Vec<_> = (0..1000).map(|_| ask(&fixture.server, &token)).collect();
    settle().await;
    fixture.clock.advance(Duration::from_millis(200));
    for one in asked {
        assert_eq!(one.await.unwrap(), "ok");
    }
    assert_eq!(questions(&client), 1);
}

#[tokio::test]
async fn r57_a_caller_that_goes_away_cancels_nothing() {
    let (fixture, client) = asking(at_once());
    slow(&fixture, Duration::from_millis(200));
    let token = fixture.token().opaque();
    let first = ask(&fixture.server, &token);
    settle().await;
    let others: Vec<_> = (0..999).map(|_| ask(&fixture.server, &token)).collect();
    fixture.clock.advance(Duration::from_millis(10));
    settle().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    fixture.clock.advance(Duration::from_millis(190));
    for one in others {
        assert_eq!(one.await.unwrap(), "ok");
    }
    assert_eq!(questions(&client), 1);
}

#[tokio::test]
async fn r57_r76_callers_may_go_away_at_any_moment() {
    let (fixture, client) = asking(at_once());
    let token = fixture.token().opaque();
    for turns in 0..12 {
        let asked = ask(&fixture.server, &token);
        crate::faulty_client::give_turns(turns).await;
        asked.abort();
        let _ = asked.await;
        assert_eq!(verdict(&fixture.server, &token).await, "ok", "after {turns} turns");
    }
    // No place is lost: as many distinct tokens as may wait at all are taken afterwards.
    client.set(Mode::Hold);
    let asked: Vec<_> = (0..1088).map(|n| ask(&fixture.server, &format!("t{n}"))).collect();
    settle().await;
    assert_eq!(verdict(&fixture.server, "one-more").await, "introspection_busy");
    client.set(Mode::Pass);
    for one in asked {
        assert_eq!(one.await.unwrap(), "token_inactive");
    }
}

#[tokio::test]
async fn r58_s8_10_sixty_four_calls_are_under_way_and_1024_wait_and_the_rest_is_told_at_once() {
    let (fixture, client) = asking(at_once().cache_ttl(30 * SECOND));
    let hot = fixture.token().opaque();
    fixture.bearer(&hot).await.assert_ok();
    client.set(Mode::Hold);
    let asked: Vec<_> = (0..1500).map(|n| ask(&fixture.server, &format!("t{n}"))).collect();
    settle().await;
    assert_eq!(questions(&client), 1 + 64);
    let told = asked.iter().filter(|one| one.is_finished()).count();
    assert_eq!(told, 1500 - 64 - 1024);
    // Those behind the cache do not notice.
    fixture.bearer(&hot).await.assert_ok();
    pass(&fixture, 1, 3 * SECOND).await;
    let mut seen = std::collections::BTreeMap::new();
    for one in asked {
        *seen.entry(one.await.unwrap()).or_insert(0) += 1;
    }
    assert_eq!(seen, [("introspection_busy", 412), ("introspection_unavailable", 1088)].into());
    assert_eq!(questions(&client), 1 + 64, "what waited in vain is not asked later");
    client.set(Mode::Pass);
    assert_eq!(verdict(&fixture.server, "t1").await, "token_inactive");
}

#[tokio::test]
async fn s8_10_the_number_of_calls_can_be_chosen() {
    let (fixture, client) = asking(at_once().max_in_flight(2));
    client.set(Mode::Hold);
    let asked: Vec<_> = (0..10).map(|n| ask(&fixture.server, &format!("t{n}"))).collect();
    settle().await;
    assert_eq!(questions(&client), 2);
    client.set(Mode::Pass);
    for one in asked {
        assert_eq!(one.await.unwrap(), "token_inactive");
    }
    assert_eq!(questions(&client), 10);
}

#[tokio::test]
async fn r59_c7662_2_3_a_s8_05_an_endpoint_that_refuses_us_is_an_outage_and_asked_once_a_second() {
    let forbidden = Response::builder().status(403).body(Bytes::new()).unwrap();
    let unknown = Response::builder().status(400).header("content-type", "application/json");
    let unknown = unknown.body(Bytes::from_static(br#"{"error":"invalid_client"}"#)).unwrap();
    for refusal in [None, Some(forbidden), Some(unknown)] {
        let (fixture, _client) = asking(Introspection::new("orders").client_secret("old"));
        fixture.issuer.register_client("orders", "new");
        fixture.issuer.answer_with(Endpoint::Introspection, refusal);
        let token = fixture.token().opaque();
        for tenth in 0..50 {
            let outcome = fixture.bearer(&token).await;
            outcome.assert_dep();
            assert_eq!(outcome.code(), "introspection_unauthorized");
            assert!(calls(&fixture) <= 1 + tenth / 10, "{} calls in {tenth} tenths", calls(&fixture));
            fixture.clock.advance(SECOND / 10);
        }
        assert_eq!(calls(&fixture), 5);
        // The secret is put right at the issuer.
        fixture.issuer.register_client("orders", "old");
        fixture.issuer.answer_with(Endpoint::Introspection, None);
        fixture.clock.advance(SECOND);
        fixture.bearer(&token).await.assert_ok();
        fixture.bearer(&fixture.token().opaque()).await.assert_ok();
    }
}

#[tokio::test]
async fn r60_s8_06_a_pause_that_the_endpoint_asks_for_is_kept_and_told_to_clients() {
    let (fixture, _client) = asking(test_client());
    let busy = |wait: &str| Response::builder().status(429).header("retry-after", wait).body(Bytes::new()).unwrap();
    fixture.issuer.answer_with(Endpoint::Introspection, Some(busy("7")));
    let outcome = fixture.bearer("t0").await;
    outcome.assert_dep();
    assert_eq!(outcome.headers["retry-after"], "7");
    let outcome = fixture.bearer("t1").await;
    assert_eq!((outcome.code(), calls(&fixture)), ("introspection_paused", 1));
    assert_eq!(outcome.headers["retry-after"], "7");
    for tenth in 1..70 {
        fixture.clock.advance(SECOND / 10);
        // One probe a second, which is told seven seconds again.
        fixture.bearer("t2").await.assert_dep();
        assert!(calls(&fixture) <= 1 + tenth / 10);
    }
    fixture.issuer.answer_with(Endpoint::Introspection, None);
    fixture.clock.advance(SECOND);
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
    // A minute at most, whatever the endpoint says.
    for (text, told) in [("3600", "60"), ("0", "1"), ("soon", "5"), ("-1", "5")] {
        let (fixture, _client) = asking(test_client());
        fixture.issuer.answer_with(Endpoint::Introspection, Some(busy(text)));
        assert_eq!(fixture.bearer("t").await.headers["retry-after"], told, "{text}");
    }
}

#[tokio::test]
async fn r60_after_the_pause_calls_go_on_as_before() {
    let (fixture, _client) = asking(test_client());
    let busy = Response::builder().status(429).header("retry-after", "7").body(Bytes::new()).unwrap();
    fixture.issuer.answer_with(Endpoint::Introspection, Some(busy));
    fixture.bearer("t0").await.assert_dep();
    fixture.issuer.answer_with(Endpoint::Introspection, None);
    fixture.clock.advance(7 * SECOND);
    fixture.bearer("t1").await.assert_it();
    fixture.bearer("t2").await.assert_it();
    assert_eq!(calls(&fixture), 3);
}

#[tokio::test]
async fn c7662_2_3_b_a_connection_that_broke_is_tried_once_more_and_nothing_else_is() {
    let (fixture, client) = asking(at_once());
    for (error, tried) in
        [(HttpError::Connection("reset".into()), 2), (HttpError::TooLarge, 1), (HttpError::Unexpected("compressed"), 1)]
    {
        let before = questions(&client);
        client.set(Mode::Fail(error.clone()));
        fixture.bearer("opaque").await.assert_dep();
        assert_eq!(questions(&client) - before, tried, "{error:?}");
    }
}

#[tokio::test]
async fn c7662_2_3_b_s8_14_every_fault_of_the_endpoint_is_an_outage() {
    for fault in [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Reset,
        Fault::Truncate(3),
        Fault::Endless,
        Fault::Html,
        Fault::Empty,
        Fault::NotJson,
        Fault::Huge(300 * 1024),
        Fault::Redirect("https://as.example.com/elsewhere".into()),
        Fault::NotModified,
        Fault::Gzip,
        Fault::LengthLie(10 * 1024 * 1024),
    ] {
        let (fixture, _client) = asking(test_client());
        let token = fixture.token().opaque();
        fixture.issuer.fault(Endpoint::Introspection, Some(fault.clone()));
        let outcome = fixture.bearer(&token).await;
        outcome.assert_dep();
        assert_eq!(outcome.code(), "introspection_unavailable", "{fault:?}");
        fixture.issuer.fault(Endpoint::Introspection, None);
        fixture.bearer(&token).await.assert_ok();
    }
}

#[tokio::test]
async fn r63_a_call_has_three_seconds_and_a_later_answer_fills_nothing() {
    let (fixture, _client) = asking(test_client().cache_ttl(60 * SECOND));
    slow(&fixture, Duration::from_millis(3100));
    let token = fixture.token().opaque();
    let asked = ask(&fixture.server, &token);
    settle().await;
    pass(&fixture, 1, Duration::from_millis(2999)).await;
    assert!(!asked.is_finished());
    pass(&fixture, 1, Duration::from_millis(1)).await;
    assert_eq!(asked.await.unwrap(), "introspection_unavailable");
    pass(&fixture, 5, SECOND).await;
    fixture.issuer.fault(Endpoint::Introspection, None);
    fixture.issuer.revoke(&token);
    assert_eq!(verdict(&fixture.server, &token).await, "token_inactive");
    assert_eq!(calls(&fixture), 2);
}

#[tokio::test]
async fn r63_a_thousand_tokens_before_an_endpoint_that_hangs_are_told_within_the_deadline() {
    let (fixture, _client) = asking(at_once());
    fixture.issuer.fault(Endpoint::Introspection, Some(Fault::Silent));
    let asked: Vec<_> = (0..1000).map(|n| ask(&fixture.server, &format!("t{n}"))).collect();
    settle().await;
    pass(&fixture, 1, 3 * SECOND).await;
    assert!(asked.iter().all(|one| one.is_finished()));
    for one in asked {
        assert_eq!(one.await.unwrap(), "introspection_unavailable");
    }
    assert_eq!(calls(&fixture), 64);
}

#[tokio::test]
async fn r64_s7_26_an_answer_that_was_under_way_when_its_token_was_forgotten_is_not_kept() {
    let (fixture, _client) = asking(test_client().cache_ttl(60 * SECOND));
    let token = fixture.token().opaque();
    slow(&fixture, SECOND);
    let asked = ask(&fixture.server, &token);
    settle().await;
    fixture.issuer.revoke("something-else");
    fixture.server.forget_token(&token);
    // Whoever comes now does not join the call from before.
    fixture.issuer.fault(Endpoint::Introspection, None);
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    assert_eq!(calls(&fixture), 2);
    fixture.server.forget_token(&token);
    pass(&fixture, 1, SECOND).await;
    assert_eq!(asked.await.unwrap(), "ok", "that request is answered");
    fixture.issuer.revoke(&token);
    assert_eq!(verdict(&fixture.server, &token).await, "token_inactive", "nothing was kept");
    assert_eq!(calls(&fixture), 3);
}

#[tokio::test]
async fn r62_s8_03_answers_go_to_the_tokens_they_are_about() {
    let (fixture, client) = asking(at_once().cache_ttl(2 * SECOND));
    let tokens: Vec<_> = (0..64).map(|n| fixture.token().subject(&format!("s{n}")).opaque()).collect();
    for round in 0..50_u32 {
        let late = Duration::from_millis(u64::from(round * 791 % 6000));
        slow(&fixture, late);
        let asked = tokens.iter().map(|token| {
            let (server, token) = (fixture.server.clone(), token.clone());
            tokio::spawn(async move {
                let request = tower_bearer::ResourceRequest::bearer(&token).unwrap();
                server.authenticate(request).await.map(|claims| claims.subject().unwrap().to_owned())
            })
        });
        let asked: Vec<_> = asked.collect();
        settle().await;
        pass(&fixture, 6, Duration::from_millis(500)).await;
        for (n, one) in asked.into_iter().enumerate() {
            match one.await.unwrap() {
                Ok(subject) => assert_eq!(subject, format!("s{n}")),
                Err(error) => assert_eq!(error.code(), "introspection_unavailable"),
            }
        }
    }
    assert!(questions(&client) > 100);
}

#[tokio::test]
async fn a_client_that_panics_is_an_outage_and_the_next_call_is_made() {
    let (fixture, client) = asking(at_once());
    client.set(Mode::Panic);
    assert_eq!(verdict(&fixture.server, "opaque").await, "introspection_unavailable");
    client.set(Mode::Pass);
    assert_eq!(verdict(&fixture.server, &fixture.token().opaque()).await, "ok");
}

#[test]
fn r74_r75_calls_end_with_their_runtime_and_with_their_server() {
    let (fixture, client) = asking(at_once());
    client.set(Mode::Hold);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let asked: Vec<_> = runtime.block_on(async {
        let asked = (0..100).map(|n| ask(&fixture.server, &format!("t{n}"))).collect();
        tokio::time::timeout(SECOND, settle()).await.ok();
        asked
    });
    let start = std::time::Instant::now();
    runtime.shutdown_timeout(5 * SECOND);
    assert!(start.elapsed() < 2 * SECOND);
    drop(asked);
    // Another runtime goes on with the same server.
    client.set(Mode::Pass);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        assert_eq!(verdict(&fixture.server, &fixture.token().opaque()).await, "ok");
        client.set(Mode::Hold);
        let asked = ask(&fixture.server, "t");
        settle().await;
        asked.abort();
        let _ = asked.await;
        drop(fixture);
        settle().await;
        assert_eq!(client.clones(), 1, "no call holds the client any more");
    });
}

#[tokio::test]
async fn discovery_that_is_down_is_asked_once_for_those_who_wait_together() {
    let (fixture, client) = asking(test_client());
    client.set(Mode::Hold);
    let asked: Vec<_> = (0..200).map(|n| ask(&fixture.server, &format!("t{n}"))).collect();
    settle().await;
    client.set(Mode::Fail(HttpError::Connection("down".into())));
    for one in asked {
        assert_eq!(one.await.unwrap(), "introspection_unavailable");
    }
    assert!(client.log().len() <= 200 / 64 + 1, "{}", client.log().len());
    client.set(Mode::Pass);
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
    answers(&fixture, &active(json!({})));
    fixture.bearer("x").await.assert_ok();
}

#[tokio::test]
async fn an_address_that_was_found_serves_on_while_discovery_hangs() {
    let (fixture, client) = asking(test_client());
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
    fixture.issuer.fault(Endpoint::Metadata, Some(Fault::Delay(3600 * SECOND)));
    fixture.clock.advance(3600 * SECOND);
    let looked_up = || client.log().iter().filter(|address| address.contains("well-known")).count();
    let before = looked_up();
    let asked = ask(&fixture.server, &fixture.token().opaque());
    settle().await;
    fixture.clock.advance(SECOND * 3 / 2);
    assert_eq!(asked.await.unwrap(), "ok");
    assert_eq!(looked_up(), before + 1);
    // For a minute nobody waits for it again.
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
    assert_eq!(looked_up(), before + 1);
}
