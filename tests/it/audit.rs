//! The audit events: one for each decision, a refusal at INFO, a pass at DEBUG.

use bytes::Bytes;
use http::Response;
use tower_bearer::testing::Endpoint;
use tower_bearer::{AuditSink, RequireScope};
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

use crate::capture::Log;
use crate::privacy::{bearer, send};
use crate::support::{AS, Fixture, get, send_through};

#[tokio::test]
async fn each_decision_is_audited_once_a_refusal_at_info_and_a_pass_at_debug() {
    let (log, _guard) = Log::listen(LevelFilter::TRACE);
    let fixture = Fixture::new();
    let token = fixture.token().subject("alice").client_id("shop").scope("a").sign();
    // Before and after the token is in the cache.
    for _ in 0..2 {
        send(&fixture, "a", &format!("Bearer {token}")).await.assert_ok();
        let events = log.audited();
        let codes: Vec<_> = events.iter().map(|event| (event.field("code"), event.level)).collect();
        assert_eq!(codes, [("authenticated", Level::DEBUG), ("authorized", Level::DEBUG)]);
        for event in &events {
            assert_eq!(
                (event.field("issuer"), event.field("subject"), event.field("client_id")),
                (AS, "alice", "shop")
            );
        }
        assert_eq!(events[1].field("required_scope"), "a");
    }
    send(&fixture, "b", &format!("Bearer {token}")).await.assert_is();
    let events = log.audited();
    assert_eq!((events[0].field("code"), events[1].field("code")), ("authenticated", "insufficient_scope"));
    let refusal = &events[1];
    assert_eq!((events.len(), refusal.level, refusal.field("required_scope")), (2, Level::INFO, "b"));
    assert_eq!((refusal.field("issuer"), refusal.field("subject"), refusal.field("client_id")), (AS, "alice", "shop"));
    assert!(refusal.field("remedy").contains("required scopes"));
}

#[tokio::test]
async fn a_refusal_is_audited_with_code_and_remedy_and_names_nobody_unverified() {
    let (log, _guard) = Log::listen(LevelFilter::TRACE);
    let fixture = Fixture::new();
    let expired = format!("Bearer {}", fixture.token().subject("alice").expired().sign());
    for (authorization, code) in [
        ("", "missing_token"),
        ("Bearer", "malformed_credentials"),
        ("Bearer x, Bearer y", "several_tokens"),
        (&expired, "token_expired"),
    ] {
        send(&fixture, "a", authorization).await;
        let events = log.audited();
        let [event] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((event.field("code"), event.level), (code, Level::INFO));
        assert!(!event.field("remedy").is_empty());
        for name in ["issuer", "subject", "client_id", "required_scope"] {
            assert!(!event.fields.contains_key(name), "{event:?}");
        }
    }
    send_through(RequireScope::all(["a"]), get().body(()).unwrap()).await;
    let events = log.audited();
    assert_eq!((events[0].field("code"), events[0].level, events.len()), ("layer_missing", Level::INFO, 1));
    assert!(events[0].field("remedy").contains("AuthLayer::new"));
}

#[tokio::test]
async fn an_outage_is_audited_and_its_keys_event_names_the_issuer() {
    let (log, _guard) = Log::listen(LevelFilter::TRACE);
    let fixture = Fixture::new();
    let outage = Response::builder().status(500).body(Bytes::new()).unwrap();
    fixture.issuer.answer_with(Endpoint::Metadata, Some(outage));
    bearer(&fixture, "a", fixture.token()).await.assert_dep();
    let records = log.records.lock().unwrap().clone();
    let failed = records.iter().find(|record| record.target == tower_bearer::KEYS_TARGET).unwrap();
    assert_eq!((failed.level, failed.field("issuer")), (Level::WARN, AS));
    let events = log.audited();
    assert_eq!((events.len(), events[0].field("code")), (1, "keys_unavailable"));
}

#[tokio::test]
async fn passes_are_not_audited_where_nobody_listens_to_them() {
    let (log, _guard) = Log::listen(LevelFilter::INFO);
    let fixture = Fixture::new();
    bearer(&fixture, "a", fixture.token().scope("a")).await.assert_ok();
    assert!(log.audited().is_empty());
    bearer(&fixture, "a", fixture.token().expired()).await.assert_it();
    assert_eq!(log.audited().len(), 1);
}

#[tokio::test]
async fn r82_a_full_audit_channel_drops_and_counts_and_holds_no_request() {
    let (sink, mut events) = AuditSink::channel(2);
    let fixture = Fixture::with(|issuer| issuer, |builder| builder.audit_sink(sink.clone()));
    let token = fixture.token().subject("alice").sign();
    for _ in 0..5 {
        fixture.bearer(&token).await.assert_ok();
    }
    assert_eq!(sink.dropped(), 3);
    let event = events.recv().await.unwrap();
    assert_eq!((event.code, event.subject.as_deref(), event.remedy), ("authenticated", Some("alice"), None));
    // There is room again, and then nobody listens any more.
    fixture.bearer(&fixture.token().expired().sign()).await.assert_it();
    assert_eq!(sink.dropped(), 3);
    events.recv().await.unwrap();
    let refusal = events.recv().await.unwrap();
    assert_eq!((refusal.code, refusal.subject), ("token_expired", None));
    drop(events);
    fixture.bearer(&token).await.assert_ok();
    assert_eq!(sink.dropped(), 4);
}
