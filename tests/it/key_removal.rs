//! Keys that leave their set, come back, change under their name, or are published with their private part.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tower_bearer::testing::{Endpoint, SigningKey, signature_checks};
use tower_bearer::{Algorithm, ResourceServer};
use tracing_subscriber::layer::SubscriberExt;

use crate::faulty_client::{faulty, long_lived, pass, running, settle, verdict};
use crate::support::Fixture;

/// Past the next regular refresh.
async fn refresh(fixture: &Fixture) {
    fixture.clock.advance(Duration::from_secs(265));
    settle().await;
}

fn publish_only(fixture: &Fixture, keys: &[Value]) {
    let body = json!({ "keys": keys }).to_string();
    fixture.issuer.answer_with(Endpoint::Jwks, Some(http::Response::new(body.into())));
}

#[tokio::test]
async fn r38_s7_06_s5_19_jwks_b_a_removed_key_stops_working_at_that_refresh_for_cached_tokens_too() {
    let (fixture, _client) = running().await;
    let (old, cached) = (fixture.issuer.key(), long_lived(&fixture));
    let uncached = long_lived(&fixture);
    assert_eq!(verdict(&fixture.server, &cached).await, "ok");
    fixture.issuer.rotate_key(Algorithm::ES256);
    let new = long_lived(&fixture);
    assert_eq!(verdict(&fixture.server, &new).await, "ok");
    fixture.issuer.remove_key(old.kid());
    let mut refused_after = None;
    for second in 0..335 {
        let verdicts = (verdict(&fixture.server, &cached).await, verdict(&fixture.server, &uncached).await);
        match refused_after {
            Some(_) => assert_eq!(verdicts, ("key_unknown", "key_unknown"), "no way back"),
            None if verdicts == ("key_unknown", "key_unknown") => refused_after = Some(second),
            None => assert_eq!(verdicts, ("ok", "ok")),
        }
        assert_eq!(verdict(&fixture.server, &new).await, "ok");
        pass(&fixture, 1, Duration::from_secs(1)).await;
    }
    assert!(refused_after.is_some());
}

#[tokio::test]
async fn r45_a_key_that_comes_back_works_again() {
    let (fixture, _client) = running().await;
    let (old, token) = (fixture.issuer.key(), long_lived(&fixture));
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    let new = fixture.issuer.rotate_key(Algorithm::ES256);
    for (published, expected) in [(vec![new.jwk()], "key_unknown"), (vec![new.jwk(), old.jwk()], "ok")] {
        publish_only(&fixture, &published);
        refresh(&fixture).await;
        assert_eq!(verdict(&fixture.server, &token).await, expected);
    }
}

#[tokio::test]
async fn r43_a_set_that_alternates_is_taken_as_its_latest_answer() {
    let (fixture, client) = running().await;
    let (one, first) = (fixture.issuer.key(), long_lived(&fixture));
    let two = fixture.issuer.rotate_key(Algorithm::ES256);
    let second = long_lived(&fixture);
    for round in 0..6 {
        let both = round % 2 == 0;
        publish_only(&fixture, &if both { vec![one.jwk(), two.jwk()] } else { vec![two.jwk()] });
        refresh(&fixture).await;
        assert_eq!(verdict(&fixture.server, &second).await, "ok");
        assert_eq!(verdict(&fixture.server, &first).await, if both { "ok" } else { "key_unknown" });
    }
    assert!(client.key_fetches() <= 1 + 2 * 6);
}

#[tokio::test]
async fn r33_s5_18_other_material_under_the_same_name_ends_the_old_tokens_and_admits_the_new() {
    let (fixture, client) = running().await;
    let (old, new) = (fixture.issuer.key(), SigningKey::generate(Algorithm::ES256));
    let new = new.with_kid(old.kid());
    let cached = long_lived(&fixture);
    let later = fixture.token().key(&new).expires_in(Duration::from_secs(3600)).sign();
    assert_eq!(verdict(&fixture.server, &cached).await, "ok");
    publish_only(&fixture, &[new.jwk()]);
    // A bad signature under a known name is no reason to ask the issuer.
    assert_eq!(verdict(&fixture.server, &later).await, "signature_invalid");
    assert_eq!(client.key_fetches(), 1);
    refresh(&fixture).await;
    assert_eq!(verdict(&fixture.server, &cached).await, "signature_invalid");
    assert_eq!(verdict(&fixture.server, &later).await, "ok");
}

#[tokio::test]
async fn s5_18_a_renamed_key_keeps_its_cached_verdicts() {
    let (fixture, client) = running().await;
    let (old, token) = (fixture.issuer.key(), long_lived(&fixture));
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    publish_only(&fixture, &[old.with_kid("renamed").jwk()]);
    refresh(&fixture).await;
    assert_eq!(client.key_fetches(), 2);
    let before = signature_checks();
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    assert_eq!(signature_checks(), before);
    // The same material with another algorithm is another key.
    let mut other = fixture.issuer.key().jwk();
    other["alg"] = json!(null);
    other.as_object_mut().unwrap().remove("alg");
    publish_only(&fixture, &[other]);
    refresh(&fixture).await;
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    assert_eq!(signature_checks(), before + 1);
}

#[tokio::test]
async fn c7517_4_5_a_s5_02_keys_of_one_name_are_told_apart_by_kind_and_four_are_tried() {
    let (fixture, _client) = faulty(|issuer| issuer, |builder| builder);
    let [ec, ed] = [Algorithm::ES256, Algorithm::EdDSA].map(|algorithm| SigningKey::generate(algorithm).with_kid("1"));
    let same: Vec<_> = (0..5).map(|_| SigningKey::generate(Algorithm::ES256).with_kid("many")).collect();
    let mut keys = vec![ec.jwk(), ed.jwk()];
    keys.extend(same.iter().map(SigningKey::jwk));
    publish_only(&fixture, &keys);
    for key in [&ec, &ed, &same[0], &same[3]] {
        assert_eq!(verdict(&fixture.server, &fixture.token().key(key).sign()).await, "ok");
    }
    assert_eq!(verdict(&fixture.server, &fixture.token().key(&same[4]).sign()).await, "signature_invalid");
}

fn with_private_part(key: &SigningKey) -> Value {
    let mut jwk = key.jwk();
    jwk["d"] = json!("AAAA");
    jwk
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn r47_s5_06_a_key_published_with_its_private_part_is_never_used_again() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR).with_writer(move || writer.clone()).finish();
    let _guard = crate::capture::listen_on_this_thread(subscriber);
    let (fixture, _client) = running().await;
    let (exposed, cached) = (fixture.issuer.key(), long_lived(&fixture));
    let sound = fixture.issuer.rotate_key(Algorithm::ES256);
    let other = long_lived(&fixture);
    assert_eq!(verdict(&fixture.server, &cached).await, "ok");
    // The third set is clean again: who has the private part has it still.
    for published in [with_private_part(&exposed), exposed.clone().with_kid("again").jwk(), exposed.jwk()] {
        publish_only(&fixture, &[published, sound.jwk()]);
        refresh(&fixture).await;
        assert_ne!(verdict(&fixture.server, &cached).await, "ok");
        let renamed = fixture.token().key(&exposed.clone().with_kid("again")).sign();
        assert_ne!(verdict(&fixture.server, &renamed).await, "ok");
        assert_eq!(verdict(&fixture.server, &other).await, "ok");
    }
    assert_eq!(verdict(&fixture.server, &cached).await, "private_key_published");
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.matches("code=\"private_key_published\"").count(), 1, "{text}");
    assert!(text.contains(exposed.kid()) && !text.contains("AAAA"), "{text}");
}

#[tokio::test]
async fn r47_the_private_part_counts_under_every_name_of_the_key_in_any_order() {
    let key = SigningKey::generate(Algorithm::ES256);
    let (one, two) = (key.clone().with_kid("one"), key.with_kid("two"));
    for (published, expected) in [
        ([one.jwk(), two.jwk()], "ok"),
        ([one.jwk(), with_private_part(&two)], "private_key_published"),
        ([with_private_part(&one), two.jwk()], "private_key_published"),
    ] {
        let (fixture, _client) = faulty(|issuer| issuer, |builder| builder);
        publish_only(&fixture, &published);
        for key in [&one, &two] {
            assert_eq!(verdict(&fixture.server, &fixture.token().key(key).sign()).await, expected);
        }
    }
}

#[tokio::test]
async fn r47_the_private_part_counts_in_an_entry_that_cannot_verify_too() {
    for (member, value) in [("key_ops", json!(["sign"])), ("use", json!("enc")), ("alg", json!("ECDH-ES"))] {
        let (fixture, _client) = running().await;
        let (key, token) = (fixture.issuer.key(), long_lived(&fixture));
        assert_eq!(verdict(&fixture.server, &token).await, "ok");
        let mut private = with_private_part(&key);
        private[member] = value;
        // The second set is clean again: who has the private part has it still.
        for published in [vec![key.jwk(), private], vec![key.jwk()]] {
            publish_only(&fixture, &published);
            refresh(&fixture).await;
            assert_eq!(verdict(&fixture.server, &token).await, "private_key_published", "{member}");
        }
    }
}

#[tokio::test]
async fn s5_18_a_new_algorithm_name_for_the_same_material_is_judged_anew() {
    let (fixture, _client) = faulty(|issuer| issuer, |builder| builder);
    let key = SigningKey::generate(Algorithm::RS256);
    publish_only(&fixture, &[key.jwk()]);
    let token = fixture.token().key(&key).expires_in(Duration::from_secs(3600)).sign();
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    let mut other = key.jwk();
    other["alg"] = json!("PS256");
    publish_only(&fixture, &[other]);
    refresh(&fixture).await;
    assert_eq!(verdict(&fixture.server, &token).await, "key_mismatch");
}

/// Asks the server about a token whenever an error is logged, on the thread that logs.
struct AsksBack(Arc<OnceLock<(ResourceServer, String)>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for AsksBack {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if *event.metadata().level() == tracing::Level::ERROR {
            let (server, token) = self.0.get().expect("set before the first request");
            let _ = verdict(server, token).now_or_never();
        }
    }
}

#[test]
fn s11_03_no_lock_is_held_while_a_subscriber_runs() {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let asks = Arc::new(OnceLock::new());
        let subscriber = tracing_subscriber::registry().with(AsksBack(asks.clone()));
        let _guard = tracing::subscriber::set_default(subscriber);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (fixture, _client) = faulty(|issuer| issuer, |builder| builder);
            publish_only(&fixture, &[with_private_part(&fixture.issuer.key())]);
            let token = fixture.token().sign();
            asks.set((fixture.server.clone(), token.clone())).ok().unwrap();
            done.send(verdict(&fixture.server, &token).await).unwrap();
        });
    });
    assert_eq!(ended.recv_timeout(Duration::from_secs(10)), Ok("private_key_published"));
}
