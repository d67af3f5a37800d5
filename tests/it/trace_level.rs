//! R83: everything at TRACE, and no part of a secret anywhere.

use std::fmt::Write;

use bytes::Bytes;
use http::{Request, Response};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use tower::ServiceBuilder;
use tower_bearer::testing::{Endpoint, SigningKey};
use tower_bearer::{Algorithm, AuditSink, AuthLayer, Issuer, ProtectedResourceMetadata, Require, Requirement};
use tracing_subscriber::filter::LevelFilter;

use crate::capture::Log;
use crate::privacy::{assert_hidden, printable, tokens};
use crate::support::{Fixture, get, send_through, with_proof};

const SHARED: &str = "0f8a-the-secret-of-both-sides-7c41d9";
const PARTNER: &str = "https://partner.example.com";
const PRIVATE: &str = "c2VjcmV0LXNjYWxhci1vZi1hLXB1Ymxpc2hlZC1rZXk";
const OUTAGE: &str = "body-of-the-outage-0123456789";
const NONCE: &str = "nonce-of-another-server-5d1c07";

/// A requirement of every kind of check, as the gateway reads it from its file.
fn requirement() -> Requirement {
    "scope:a and (role:admin or client:test-client or sub:alice) and not claim:dept=none".parse().unwrap()
}

/// Sends a credential in every place where clients put one; what an application could print of the answers.
async fn everywhere(fixture: &Fixture, credential: &str) -> String {
    let auth = || AuthLayer::new(fixture.server.clone());
    let mut printed = String::new();
    for line in [
        format!("Bearer {credential}"),
        format!("bearer  {credential}"),
        format!("Bearer {credential}, Bearer {credential}"),
        format!("DPoP {credential}"),
        format!("Basic {credential}"),
        credential.to_owned(),
    ] {
        for beside in ["dpop", "x-other"] {
            let request = || get().header("authorization", &line).header(beside, credential).body(()).unwrap();
            printed += &printable(&send_through(auth(), request()).await);
            printed += &printable(&send_through(auth().optional(), request()).await);
            let layers = ServiceBuilder::new().layer(auth()).layer(Require::new(requirement()));
            printed += &printable(&send_through(layers.into_inner(), request()).await);
        }
    }
    let misplaced = Request::post(format!("/r?access_token={credential}")).header("cookie", format!("t={credential}"));
    printed + &printable(&fixture.send(misplaced.body(()).unwrap()).await)
}

fn fixture(sink: AuditSink) -> Fixture {
    let partner = Issuer::new(PARTNER).shared_secret(SHARED);
    Fixture::with(|issuer| issuer, |builder| builder.issuer(partner).audit_sink(sink).challenge_scope(["a"]))
}

#[tokio::test]
async fn r83_no_eight_bytes_of_a_secret_stand_in_any_log_answer_debug_text_event_or_metric() {
    let (log, _logging) = Log::listen(LevelFilter::TRACE);
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (sink, mut events) = AuditSink::channel(65_536);
    let fixture = fixture(sink.clone());
    let shared = SigningKey::secret(Algorithm::HS256, SHARED.as_bytes());
    let mut published = SigningKey::generate(Algorithm::ES256).with_kid("careless").jwk();
    published["d"] = json!(PRIVATE);
    fixture.issuer.publish(published);
    let mut secrets = tokens(&fixture);
    let of_partner = fixture.token().claim("iss", PARTNER).scope("a").key(&shared);
    secrets.extend([of_partner.clone().sign(), of_partner.expired().sign()]);
    let mut printed = format!("{:?} {:?} {:?} {:?}", fixture.server, fixture.issuer, fixture.token(), shared);
    printed += &everywhere(&fixture, "").await;
    for token in &secrets.clone() {
        printed += &everywhere(&fixture, token).await;
    }
    let key = SigningKey::generate(Algorithm::ES256);
    let bound = fixture.bound(&key);
    let proofs = [fixture.proof(&key, &bound), fixture.proof(&key, &bound).claim("nonce", NONCE)];
    for proof in proofs.map(|proof| proof.sign()) {
        for _ in 0..2 {
            let request = with_proof(&bound, &proof).body(()).unwrap();
            printed += &printable(&send_through(AuthLayer::new(fixture.server.clone()), request).await);
        }
        secrets.push(proof);
    }
    secrets.push(bound);
    let outage = Response::builder().status(500).body(Bytes::from(OUTAGE)).unwrap();
    fixture.issuer.answer_with(Endpoint::Jwks, Some(outage));
    fixture.clock.advance(std::time::Duration::from_secs(400));
    for token in &secrets.clone() {
        printed += &everywhere(&fixture, token).await;
    }
    let metadata = ProtectedResourceMetadata::of(&fixture.server).unwrap();
    write!(printed, "{metadata:?} {:?} {:?}", fixture.server.health(), requirement()).unwrap();
    drop((fixture, sink));
    while let Some(event) = events.recv().await {
        write!(printed, "{event:?}").unwrap();
    }
    fixture_was_lively(&log.text());
    secrets.extend([SHARED, PRIVATE, OUTAGE, NONCE].map(String::from));
    secrets.push(shared.jwk()["k"].as_str().unwrap().to_owned());
    assert_hidden(&secrets, &log.text());
    assert_hidden(&secrets, &printed);
    assert_hidden(&secrets, &metrics.render());
}

/// Silence would hide everything.
fn fixture_was_lively(log: &str) {
    for code in [
        "dpop_proof_replayed",
        "dpop_proof_beside_bearer",
        "authorized",
        "insufficient_scope",
        "token_expired",
        "signature_invalid",
        "private_key_published",
    ] {
        assert!(log.contains(code), "{code}");
    }
    assert!(log.contains("keys could not be refreshed"));
}
