//! SECURITY 2.5: attacks and accidents in the content of key sets.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tower_bearer::testing::{Endpoint, SigningKey, signature_checks};
use tower_bearer::{Algorithm, Jwk, JwkError, Jwks, JwksError};

use crate::support::Fixture;
use crate::verdicts::{
    OTHER_RSA, RSA, jwk_with, jwk_without, passes, refuses, refuses_unverified, text_is_refused, text_passes, with_keys,
};

fn ec() -> SigningKey {
    SigningKey::generate(Algorithm::ES256)
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn modulus(key: &SigningKey) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(key.jwk()["n"].as_str().unwrap()).unwrap()
}

fn answer(body: impl Into<Bytes>) -> Option<Response<Bytes>> {
    Some(Response::new(body.into()))
}

#[tokio::test]
async fn s5_09_a_modulus_is_odd_and_may_have_leading_zeros() {
    let parse = |n: &[u8]| Jwk::parse(jwk_with(&RSA, "n", json!(base64url(n))).to_string().as_bytes());
    let n = modulus(&RSA);
    let with_zeros = [&[0, 0], &n[..]].concat();
    assert_eq!(parse(&with_zeros).unwrap().thumbprint(), parse(&n).unwrap().thumbprint());
    let even = [&n[..255], &[n[255] ^ 1]].concat();
    for bad in [&even[..], &[0; 256], &[], &[0]] {
        assert_eq!(parse(bad).unwrap_err(), JwkError::Weak);
    }
    let fixture = with_keys([jwk_with(&RSA, "n", json!(base64url(&with_zeros)))]);
    passes(&fixture, fixture.token().key(&RSA)).await;
}

#[tokio::test]
async fn s5_12_a_key_without_a_good_name_overwrites_no_other() {
    let key = ec();
    for kid in [json!(7), Value::Null, json!([]), json!("a".repeat(257))] {
        let fixture = with_keys([jwk_with(&key, "kid", kid), RSA.jwk()]);
        passes(&fixture, fixture.token().key(&RSA)).await;
        refuses_unverified(&fixture, &fixture.token().key(&key).without_header("kid").sign(), "key_unknown").await;
    }
    let other = SigningKey::generate(Algorithm::EdDSA);
    for nameless in [|key: &SigningKey| jwk_without(key, &["kid"]), |key: &SigningKey| jwk_with(key, "kid", json!(""))]
    {
        let fixture = with_keys([nameless(&key), nameless(&other)]);
        passes(&fixture, fixture.token().key(&key).without_header("kid")).await;
        passes(&fixture, fixture.token().key(&other).without_header("kid")).await;
    }
    let fixture = with_keys([jwk_without(&key, &["kid"])]);
    refuses_unverified(&fixture, &fixture.token().key(&key).header("kid", "").sign(), "key_unknown").await;
}

#[tokio::test]
async fn s5_13_an_empty_or_absurd_set_is_a_failed_attempt_and_the_previous_one_stays() {
    let useless = json!({"keys": [{"kty": "oct", "k": "AAAA"}, 7, null]}).to_string();
    for body in [
        "{\"keys\":[]}",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":null}",
        "[]",
        "null",
        "\"keys\"",
        "",
        "<html></html>",
        &useless,
    ] {
        let fixture = Fixture::new();
        fixture.issuer.answer_with(Endpoint::Jwks, answer(body.to_owned()));
        assert_eq!(fixture.server.warm_up().await.unwrap_err().code(), "keys_unavailable", "{body}");
        fixture.bearer(&fixture.token().sign()).await.assert_dep();
        fixture.issuer.answer_with(Endpoint::Jwks, None);
        fixture.clock.advance(Duration::from_secs(1));
        passes(&fixture, fixture.token()).await;
        fixture.issuer.answer_with(Endpoint::Jwks, answer(body.to_owned()));
        // An outage is no judgement: a token of an unknown key may be good.
        fixture.bearer(&fixture.token().key(&ec()).sign()).await.assert_dep();
        passes(&fixture, fixture.token()).await;
    }
}

#[tokio::test]
async fn s5_14_a_set_has_256_keys_and_512_kib_at_most() {
    let fixture = Fixture::new();
    let set = |odd: usize, padding: usize| {
        let mut keys = vec![Value::Null; odd];
        keys.push(fixture.issuer.key().jwk());
        json!({"keys": keys, "x": "a".repeat(padding)}).to_string()
    };
    let room = 512 * 1024 - set(0, 0).len();
    for (good, bad) in [(set(255, 0), set(256, 0)), (set(0, room), set(0, room + 1))] {
        let fresh = Fixture::new();
        let token = || fresh.token().key(&fixture.issuer.key());
        fresh.issuer.answer_with(Endpoint::Jwks, answer(bad));
        fresh.bearer(&token().sign()).await.assert_dep();
        fresh.clock.advance(Duration::from_secs(1));
        fresh.issuer.answer_with(Endpoint::Jwks, answer(good));
        passes(&fresh, token()).await;
    }
    assert_eq!(Jwks::parse(set(256, 0).as_bytes()).unwrap_err(), JwksError::TooManyKeys);
}

#[tokio::test]
async fn s5_15_a_member_that_stands_twice_spoils_its_key_or_the_document() {
    let (key, spare) = (RSA.jwk().to_string(), ec());
    let evil = format!("{},\"n\":{}}}", key.strip_suffix('}').unwrap(), OTHER_RSA.jwk()["n"]);
    let good = spare.jwk().to_string();
    let set = Jwks::parse(format!("{{\"keys\":[{evil},{good}]}}").as_bytes()).unwrap();
    assert_eq!(set.skipped(), [(0, JwkError::RepeatedMember)]);
    let fixture = Fixture::with(|issuer| issuer.keys(set), |builder| builder);
    passes(&fixture, fixture.token().key(&spare)).await;
    refuses_unverified(&fixture, &fixture.token().key(&RSA).sign(), "key_unknown").await;
    refuses_unverified(&fixture, &fixture.token().key(&OTHER_RSA).header("kid", RSA.kid()).sign(), "key_unknown").await;
    Jwks::parse(format!("{{\"keys\":[{good}]}}").as_bytes()).unwrap();
    let twice = format!("{{\"keys\":[{good}],\"keys\":[{key}]}}");
    assert_eq!(Jwks::parse(twice.as_bytes()).unwrap_err(), JwksError::Malformed);
}

#[tokio::test]
async fn s5_16_a_published_key_may_be_padded_or_in_the_other_alphabet() {
    let n = RSA.jwk()["n"].as_str().unwrap().to_owned();
    let other_alphabet = n.replace('-', "+").replace('_', "/");
    for spelling in [format!("{n}=="), other_alphabet.clone(), format!("{other_alphabet}==")] {
        let fixture = with_keys([jwk_with(&RSA, "n", json!(spelling))]);
        passes(&fixture, fixture.token().key(&RSA)).await;
    }
    let fixture = Fixture::new();
    let marked = format!("\u{feff}{}", fixture.issuer.jwks());
    fixture.issuer.answer_with(Endpoint::Jwks, answer(marked));
    passes(&fixture, fixture.token()).await;
    for bad in [format!("{n}!"), n.replacen('A', "\u{410}", 1), format!("{}=", &n[..n.len() - 1])] {
        let key = jwk_with(&RSA, "n", json!(bad));
        let fixture = with_keys([key, ec().jwk()]);
        let outcome = fixture.bearer(&fixture.token().key(&RSA).sign()).await;
        outcome.assert_it();
    }
}

#[tokio::test]
async fn s5_17_the_members_of_a_key_decide_and_not_its_certificate() {
    for x5c in [json!(["MIIBJTCByqADAgEC"]), json!([]), json!(7), json!(["!"])] {
        let fixture = with_keys([jwk_with(&RSA, "x5c", x5c)]);
        passes(&fixture, fixture.token().key(&RSA)).await;
        refuses(&fixture, fixture.token().key(&RSA).signed_by(&OTHER_RSA), "signature_invalid").await;
    }
}

/// A server that reads its keys every ten seconds.
fn brisk() -> Fixture {
    Fixture::with(|issuer| issuer.jwks_refresh(Duration::from_secs(10)), |builder| builder)
}

#[tokio::test]
async fn s5_18_a_key_that_is_renamed_keeps_its_tokens_and_one_that_is_replaced_loses_them() {
    for same_material in [true, false] {
        let fixture = brisk();
        let key = fixture.issuer.key();
        let token = fixture.token().sign();
        text_passes(&fixture, &token).await;
        fixture.issuer.remove_key(key.kid());
        let successor = if same_material { key.clone().with_kid("renamed") } else { ec().with_kid(key.kid()) };
        fixture.issuer.add_key(successor);
        fixture.clock.advance(Duration::from_secs(12));
        passes(&fixture, fixture.token()).await;
        let before = signature_checks();
        if same_material {
            text_passes(&fixture, &token).await;
            assert_eq!(signature_checks(), before, "from the cache");
        } else {
            text_is_refused(&fixture, &token, "signature_invalid").await;
        }
    }
}

#[tokio::test]
async fn s5_19_a_cached_token_dies_with_its_key() {
    let fixture = brisk();
    let key = fixture.issuer.key();
    let token = fixture.token().sign();
    text_passes(&fixture, &token).await;
    fixture.issuer.rotate_key(Algorithm::ES256);
    fixture.clock.advance(Duration::from_secs(12));
    passes(&fixture, fixture.token()).await;
    text_passes(&fixture, &token).await;
    fixture.issuer.remove_key(key.kid());
    fixture.clock.advance(Duration::from_secs(31));
    passes(&fixture, fixture.token()).await;
    refuses_unverified(&fixture, &token, "key_unknown").await;
}
