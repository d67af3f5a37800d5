//! What the library records through the crate `metrics`.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tower_bearer::testing::{Endpoint, SigningKey};
use tower_bearer::{Algorithm, AuditSink, metric_names};

use crate::introspection::test_client;
use crate::privacy::{bearer, send};
use crate::support::{AS, Fixture};

fn recorder() -> (PrometheusRecorder, PrometheusHandle) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    (recorder, handle)
}

/// The value of one series; 0 where there is none.
fn value(text: &str, series: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.map_or(0.0, |value| value.parse().unwrap())
}

fn series(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

#[tokio::test]
async fn requests_cache_keys_and_times_are_counted() {
    let (recorder, handle) = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (sink, _events) = AuditSink::channel(1);
    let fixture = Fixture::with(|issuer| issuer.introspection(test_client()), |builder| builder.audit_sink(sink));
    let token = fixture.token().scope("a").sign();
    for _ in 0..3 {
        send(&fixture, "a", &format!("Bearer {token}")).await.assert_ok();
    }
    bearer(&fixture, "a", fixture.token()).await.assert_is();
    bearer(&fixture, "a", fixture.token().expired()).await.assert_it();
    send(&fixture, "a", "Bearer").await;
    let opaque = fixture.token().scope("a").opaque();
    send(&fixture, "a", &format!("Bearer {opaque}")).await.assert_ok();
    fixture.clock.advance(Duration::from_secs(10));
    fixture.server.record_gauges();
    let text = handle.render();
    let outcome = |code: &str| value(&text, &format!("{}{{outcome=\"{code}\"}}", metric_names::REQUESTS));
    let codes = ["authenticated", "insufficient_scope", "token_expired", "malformed_credentials"];
    assert_eq!(codes.map(outcome), [5.0, 1.0, 1.0, 1.0], "{text}");
    assert_eq!((value(&text, metric_names::CACHE_HITS), value(&text, metric_names::CACHE_MISSES)), (2.0, 4.0));
    assert_eq!(value(&text, metric_names::CACHE_ENTRIES), 2.0);
    assert!(value(&text, metric_names::CACHE_BYTES) > 0.0);
    let of_issuer = |name: &str, more: &str| value(&text, &format!("{name}{{issuer=\"{AS}\"{more}}}"));
    assert_eq!(of_issuer(metric_names::KEY_REFRESHES, ",outcome=\"ok\""), 1.0);
    assert_eq!(of_issuer(metric_names::KEY_AGE_SECONDS, ""), 10.0);
    assert_eq!(value(&text, &format!("{}_count", metric_names::VERIFICATION_SECONDS)), 4.0);
    assert_eq!(of_issuer(metric_names::INTROSPECTIONS, ",outcome=\"active\""), 1.0);
    assert_eq!(value(&text, &format!("{}_count", metric_names::AUTHORIZATION_SECONDS)), 5.0);
    assert!(value(&text, metric_names::AUDIT_DROPPED) > 0.0);
    for name in metric_names::ALL {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name} in {text}");
    }
}

#[tokio::test]
async fn a_failed_refresh_is_counted_by_its_reason() {
    let (recorder, handle) = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let fixture = Fixture::new();
    let outage = Response::builder().status(500).body(Bytes::new()).unwrap();
    fixture.issuer.answer_with(Endpoint::Metadata, Some(outage));
    bearer(&fixture, "a", fixture.token()).await.assert_dep();
    let text = handle.render();
    let failed = format!("{}{{issuer=\"{AS}\",outcome=\"", metric_names::KEY_REFRESHES);
    assert!(text.contains(&failed) && !text.contains(&format!("{failed}ok")), "{text}");
    assert_eq!(value(&text, &format!("{}{{outcome=\"keys_unavailable\"}}", metric_names::REQUESTS)), 1.0);
}

/// The same kinds of refusal each time, with text of a stranger that never repeats.
async fn hostile(fixture: &Fixture, stranger: &SigningKey, number: usize) {
    let name = format!("stranger-{number}");
    let token = fixture.token().subject(&name).client_id(&name);
    let token = match number % 8 {
        0 => token.claim("iss", format!("https://{name}.example.com")),
        1 => token.header("kid", &name),
        2 => token.header("alg", &name),
        3 => token.typ(&name),
        4 => token.audience(&name),
        5 => token.signed_by(stranger),
        6 => token.scope(&name),
        _ => return drop(send(fixture, "a", &format!("{name} {name}")).await),
    };
    bearer(fixture, "a", token).await;
}

#[tokio::test]
async fn a_thousand_hostile_requests_add_no_series_and_no_text_of_theirs() {
    let (recorder, handle) = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let fixture = Fixture::new();
    let stranger = SigningKey::generate(Algorithm::ES256);
    for number in 0..16 {
        hostile(&fixture, &stranger, number).await;
    }
    let first = handle.render();
    for number in 16..1016 {
        hostile(&fixture, &stranger, number).await;
    }
    let last = handle.render();
    assert_eq!(series(&last), series(&first));
    assert!(!last.contains("stranger"), "{last}");
}
