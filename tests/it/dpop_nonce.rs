//! RFC 9449 sections 8 and 9: nonces that a server asks for.

use std::time::Duration;

use http::header::CACHE_CONTROL;
use tower::ServiceBuilder;
use tower_bearer::testing::{DpopProof, SigningKey};
use tower_bearer::{Algorithm, AuthLayer, Clock, Dpop, RequireScope, ResourceServerBuilder};

use crate::dpop::Holder;
use crate::support::{Fixture, Outcome, RS, send_through, with_proof};

/// How long a nonce is the newest one.
const STEP: Duration = Duration::from_secs(300);

fn asks_for_nonces(builder: ResourceServerBuilder) -> ResourceServerBuilder {
    builder.dpop(Dpop::accept().nonce_secret((0..32).collect::<Vec<u8>>()))
}

/// The client's side: a proof without a nonce, then with the one of the answer.
async fn with_retry(holder: &Holder, proof: impl Fn() -> DpopProof) -> (Outcome, String) {
    let nonce = holder.send(proof()).await.assert_udn();
    (holder.send(proof().nonce(&nonce)).await, nonce)
}

#[tokio::test]
async fn c9449_4_3_10_c9449_9_a_c9449_11_3_a_a_proof_without_a_nonce_is_asked_for_one_every_time() {
    let holder = Holder::with(asks_for_nonces);
    let (outcome, nonce) = with_retry(&holder, || holder.proof()).await;
    outcome.assert_ok();
    for _ in 0..2 {
        assert_eq!(holder.send(holder.proof()).await.assert_udn(), nonce);
        holder.passes(holder.proof().nonce(&nonce)).await;
    }
    let indifferent = Holder::new();
    indifferent.passes(indifferent.proof().nonce("anything")).await;
}

#[tokio::test]
async fn s9_19_c9449_8_1_a_a_nonce_that_is_not_ours_or_too_old_is_answered_with_a_new_one() {
    let holder = Holder::with(asks_for_nonces);
    let nonce = holder.send(holder.proof()).await.assert_udn();
    assert!(nonce.len() >= 22 && nonce.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~')));
    let foreign = Holder::with(|builder| builder.dpop(Dpop::accept().nonce_secret((1..33).collect::<Vec<u8>>())));
    let foreign = foreign.send(foreign.proof()).await.assert_udn();
    let altered = format!("{}{}", if nonce.starts_with('A') { "B" } else { "A" }, &nonce[1..]);
    for bad in ["", "x", &foreign, &altered, &format!("{nonce}="), &"n".repeat(2000)] {
        assert_eq!(holder.send(holder.proof().nonce(bad)).await.assert_udn(), nonce, "{bad}");
    }
    for odd in [serde_json::json!(7), serde_json::json!(null), serde_json::json!([nonce])] {
        holder.send(holder.proof().claim("nonce", odd)).await.assert_udn();
    }
    holder.passes(holder.proof().nonce(&nonce)).await;
    holder.fixture.clock.advance(2 * STEP);
    let token = holder.fixture.bound(&holder.key);
    let late = holder.fixture.proof(&holder.key, &token).nonce(&nonce);
    assert_ne!(holder.fixture.dpop(&token, late).await.assert_udn(), nonce);
}

#[tokio::test]
async fn c9449_8_2_a_the_next_nonce_rides_on_a_good_answer_that_is_not_to_be_stored() {
    let holder = Holder::with(asks_for_nonces);
    let (fresh, nonce) = with_retry(&holder, || holder.proof()).await;
    assert!(!fresh.headers.contains_key("dpop-nonce"), "{fresh:?}");
    holder.fixture.clock.advance(STEP);
    let renewed = holder.send(holder.proof().nonce(&nonce)).await;
    renewed.assert_ok();
    assert_eq!(renewed.headers[CACHE_CONTROL], "no-store");
    let next = renewed.headers["dpop-nonce"].to_str().unwrap();
    assert_ne!(next, nonce);
    let outcome = holder.send(holder.proof().nonce(next)).await;
    outcome.assert_ok();
    assert!(!outcome.headers.contains_key("dpop-nonce") && !outcome.headers.contains_key(CACHE_CONTROL));
    // A plain Bearer token has nothing to do with it.
    let bearer = holder.fixture.bearer(&holder.fixture.token().sign()).await;
    assert!(!bearer.headers.contains_key("dpop-nonce"), "{bearer:?}");
}

#[tokio::test]
async fn c9449_8_2_a_the_next_nonce_rides_on_a_refusal_of_the_inside_and_after_a_wait_for_keys_as_well() {
    let holder = Holder::with(asks_for_nonces);
    let (_, nonce) = with_retry(&holder, || holder.proof()).await;
    holder.fixture.clock.advance(STEP);
    let layers = ServiceBuilder::new().layer(AuthLayer::new(holder.fixture.server.clone()));
    let request = with_proof(&holder.token, &holder.proof().nonce(&nonce).sign()).body(()).unwrap();
    let refused = send_through(layers.layer(RequireScope::all(["a"])), request).await;
    refused.assert_is();
    assert_eq!((refused.headers.get_all("dpop-nonce").iter().count(), refused.challenges().len()), (1, 1));
    // Another process with the same secret has no keys yet.
    let other = Fixture::with(|issuer| issuer, |builder| asks_for_nonces(builder).clock(holder.fixture.clock.clone()));
    let token = other.bound(&holder.key);
    let proof = other.proof(&holder.key, &token).issued_at(holder.fixture.clock.wall()).nonce(&nonce);
    let outcome = other.dpop(&token, proof).await;
    outcome.assert_ok();
    assert!(outcome.headers.contains_key("dpop-nonce"), "{outcome:?}");
}

#[tokio::test]
async fn s9_20_a_client_whose_clock_is_off_is_asked_once_and_then_passes() {
    let holder = Holder::with(asks_for_nonces);
    for hours in [1, 100] {
        let off = Duration::from_secs(3600 * hours);
        let now = holder.fixture.clock.wall();
        for time in [now - off, now + off] {
            let (outcome, _) = with_retry(&holder, || holder.proof().issued_at(time)).await;
            outcome.assert_ok();
        }
    }
}

#[tokio::test]
async fn c9449_8_1_a_instances_that_share_the_secret_share_the_nonces() {
    let one = Holder::with(asks_for_nonces);
    let nonce = one.send(one.proof()).await.assert_udn();
    let other = Fixture::with(|issuer| issuer, |builder| asks_for_nonces(builder).clock(one.fixture.clock.clone()));
    let key = SigningKey::generate(Algorithm::ES256);
    let token = other.bound(&key);
    let proof = DpopProof::new(&key, "GET", &format!("{RS}/r")).token(&token);
    other.dpop(&token, proof.issued_at(one.fixture.clock.wall()).nonce(&nonce)).await.assert_ok();
}
