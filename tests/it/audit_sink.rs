//! Audit events on a channel of the application's own.

use std::time::{Duration, Instant, SystemTime};

use tower_bearer::{AuditEvents, AuditSink};

use crate::privacy::{bearer, send};
use crate::support::{AS, Fixture};

fn fixture(capacity: usize) -> (Fixture, AuditSink, AuditEvents) {
    let (sink, events) = AuditSink::channel(capacity);
    let given = sink.clone();
    (Fixture::with(|issuer| issuer, |builder| builder.audit_sink(given)), sink, events)
}

#[tokio::test]
async fn a_sink_gets_each_decision_with_who_what_and_why() {
    let (fixture, sink, mut events) = fixture(16);
    let before = SystemTime::now();
    let token = fixture.token().subject("alice").client_id("shop").scope("a").sign();
    send(&fixture, "a", &format!("Bearer {token}")).await.assert_ok();
    let passed = [events.recv().await.unwrap(), events.recv().await.unwrap()];
    assert_eq!(passed.clone().map(|event| event.code), ["authenticated", "authorized"]);
    for event in &passed {
        assert_eq!((event.issuer.as_deref(), event.subject.as_deref()), (Some(AS), Some("alice")));
        assert_eq!((event.client_id.as_deref(), event.remedy), (Some("shop"), None));
        assert!(event.time >= before && event.time <= SystemTime::now());
    }
    assert_eq!(passed[1].required_scope.as_deref(), Some("a"));
    send(&fixture, "b", &format!("Bearer {token}")).await.assert_is();
    assert_eq!(events.recv().await.unwrap().code, "authenticated");
    let refused = events.recv().await.unwrap();
    assert_eq!((refused.code, refused.required_scope.as_deref()), ("insufficient_scope", Some("b")));
    assert_eq!(refused.subject.as_deref(), Some("alice"));
    assert!(refused.remedy.is_some() && refused.detail.is_some());
    bearer(&fixture, "a", fixture.token().subject("alice").expired()).await.assert_it();
    let refused = events.recv().await.unwrap();
    assert_eq!((refused.code, refused.issuer, refused.subject, refused.client_id), ("token_expired", None, None, None));
    assert_eq!(sink.dropped(), 0);
}

#[tokio::test]
async fn r82_a_sink_that_blocks_for_ever_delays_no_request_and_its_losses_are_counted() {
    let (fixture, sink, mut events) = fixture(2);
    let token = fixture.token().scope("a").sign();
    let start = Instant::now();
    for _ in 0..500 {
        send(&fixture, "a", &format!("Bearer {token}")).await.assert_ok();
        bearer(&fixture, "a", fixture.token().expired()).await.assert_it();
    }
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(sink.dropped(), 500 * 3 - 2);
    // What was kept are the first ones, whole; once there is room again, events are taken again.
    assert_eq!(events.recv().await.unwrap().code, "authenticated");
    assert_eq!(events.recv().await.unwrap().code, "authorized");
    bearer(&fixture, "a", fixture.token().expired()).await.assert_it();
    assert_eq!(events.recv().await.unwrap().code, "token_expired");
    assert_eq!(sink.dropped(), 500 * 3 - 2);
}

#[tokio::test]
async fn r82_a_sink_whose_reader_is_gone_changes_nothing_for_requests() {
    let (fixture, sink, events) = fixture(2);
    drop(events);
    bearer(&fixture, "a", fixture.token().scope("a")).await.assert_ok();
    bearer(&fixture, "a", fixture.token().expired()).await.assert_it();
    assert_eq!(sink.dropped(), 3);
    assert_eq!(format!("{sink:?}"), "AuditSink { dropped: 3, .. }");
}
