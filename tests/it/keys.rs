//! CONFORMANCE B5: RFC 7517, 7518, 7638, 8037, 9864.

use std::time::Duration;

use http::{Response, StatusCode};
use serde_json::{Value, json};
use tower_bearer::testing::{Endpoint, SigningKey};
use tower_bearer::{Algorithm, Issuer, Jwk, JwkError, Jwks, ResourceServer};

use crate::support::{AS, Fixture, RS};
use crate::verdicts::{
    OTHER_RSA, RSA, jwk_with, jwk_without, passes, refuses, refuses_unverified, text_is_refused, text_passes,
    with_keys, with_keys_and,
};

fn ec() -> SigningKey {
    SigningKey::generate(Algorithm::ES256)
}

fn parse(key: &Value) -> Result<Jwk, JwkError> {
    Jwk::parse(key.to_string().as_bytes())
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test]
async fn c7517_4_2_a_s5_04_a_key_that_is_not_for_verifying_verifies_nothing() {
    let (key, spare) = (ec(), ec());
    let bare = jwk_without(&key, &["use"]);
    for (member, value) in
        [("use", json!("sig")), ("key_ops", json!(["verify"])), ("key_ops", json!(["sign", "verify"]))]
    {
        let fixture = with_keys([spare.jwk(), jwk_with_member(&bare, member, value)]);
        passes(&fixture, fixture.token().key(&key)).await;
    }
    for (member, value) in [
        ("use", json!("enc")),
        ("use", json!("SIG")),
        ("use", json!(["sig"])),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!([])),
        ("key_ops", json!("verify")),
    ] {
        let fixture = with_keys([spare.jwk(), jwk_with_member(&bare, member, value)]);
        refuses_unverified(&fixture, &fixture.token().key(&key).sign(), "key_unknown").await;
    }
    let contradiction = jwk_with(&key, "key_ops", json!(["encrypt"]));
    assert_eq!(parse(&contradiction).unwrap_err(), JwkError::Purpose);
}

fn jwk_with_member(key: &Value, member: &str, value: Value) -> Value {
    let mut key = key.clone();
    key[member] = value;
    key
}

#[tokio::test]
async fn c7517_4_4_a_s1_08_the_alg_of_a_key_binds_the_token() {
    let fixture = with_keys([jwk_with(&RSA, "alg", json!("RS256"))]);
    passes(&fixture, fixture.token().key(&RSA)).await;
    let pss = RSA.clone().with_algorithm(Algorithm::PS256);
    refuses_unverified(&fixture, &fixture.token().key(&pss).sign(), "key_mismatch").await;
    let fixture = with_keys([jwk_with(&RSA, "alg", json!("PS256"))]);
    passes(&fixture, fixture.token().key(&pss)).await;
    refuses_unverified(&fixture, &fixture.token().key(&RSA).sign(), "key_mismatch").await;
    for alg in [json!("rs256"), json!("RSA-OAEP"), json!("none"), json!("HS256"), json!("ES256"), json!(7), Value::Null]
    {
        assert_eq!(parse(&jwk_with(&RSA, "alg", alg)).unwrap_err(), JwkError::Algorithm);
    }
}

#[tokio::test]
async fn c7517_4_5_a_s5_02_keys_of_one_name_are_told_apart_by_kind_and_four_are_tried() {
    let (rsa, ec_key) = (RSA.clone().with_kid("1"), ec().with_kid("1"));
    let fixture = with_keys([rsa.jwk(), ec_key.jwk()]);
    passes(&fixture, fixture.token().key(&rsa)).await;
    passes(&fixture, fixture.token().key(&ec_key)).await;
    let five: Vec<SigningKey> = (0..5).map(|_| ec().with_kid("1")).collect();
    let fixture = with_keys(five.iter().map(SigningKey::jwk));
    for key in &five[..4] {
        passes(&fixture, fixture.token().key(key)).await;
    }
    let before = tower_bearer::testing::signature_checks();
    refuses(&fixture, fixture.token().key(&five[4]), "signature_invalid").await;
    assert_eq!(tower_bearer::testing::signature_checks() - before, 4);
}

#[tokio::test]
async fn c7517_4_5_b_s5_03_a_token_without_kid_needs_a_set_where_one_key_fits() {
    let (one, two) = (ec(), ec());
    let fixture = with_keys([RSA.jwk(), one.jwk()]);
    passes(&fixture, fixture.token().key(&one).without_header("kid")).await;
    let fixture = with_keys([RSA.jwk(), one.jwk(), two.jwk()]);
    passes(&fixture, fixture.token().key(&one)).await;
    let token = fixture.token().key(&one).without_header("kid").sign();
    refuses_unverified(&fixture, &token, "key_ambiguous").await;
}

#[tokio::test]
async fn c7517_5_a_s5_01_a_key_that_cannot_be_used_spoils_no_set() {
    let good = ec();
    let odd = [
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "1"}),
        jwk_without(&RSA, &["n"]),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"}),
        Value::Null,
        json!(7),
        json!([]),
        json!({}),
    ];
    let fixture = with_keys(odd.iter().cloned().chain([good.jwk()]));
    passes(&fixture, fixture.token().key(&good)).await;
    refuses(&fixture, fixture.token().key(&RSA), "key_unknown").await;
    let set = json!({"keys": odd.iter().cloned().chain([good.jwk()]).collect::<Vec<_>>()}).to_string();
    let set = Jwks::parse(set.as_bytes()).unwrap();
    assert_eq!((set.keys().len(), set.skipped().len()), (1, 7));
    let remote = Fixture::new();
    odd.into_iter().for_each(|key| remote.issuer.publish(key));
    passes(&remote, remote.token()).await;
}

#[tokio::test]
async fn c7517_5_b_s5_05_s5_06_a_shared_secret_or_private_key_in_a_set_is_never_used() {
    let fixture = Fixture::new();
    let secret = SigningKey::generate(Algorithm::HS256).with_kid("s");
    let key = ec().with_kid("p");
    fixture.issuer.publish(secret.jwk());
    fixture.issuer.publish(jwk_with(&key, "d", json!("AAAA")));
    passes(&fixture, fixture.token()).await;
    refuses_unverified(&fixture, &fixture.token().key(&secret).sign(), "algorithm_not_allowed").await;
    refuses(&fixture, fixture.token().key(&key), "private_key_published").await;
    assert_eq!(parse(&secret.jwk()).unwrap_err(), JwkError::SharedSecret);
    let given = Jwks::parse(json!({"keys": [jwk_with(&key, "d", json!("AAAA"))]}).to_string().as_bytes()).unwrap();
    let error = ResourceServer::builder(RS, Issuer::new(AS).keys(given)).build().unwrap_err();
    assert!(error.to_string().contains("private"), "{error}");
}

#[tokio::test]
async fn c7518_3_3_a_s5_07_s5_08_rsa_keys_have_2048_to_8192_bits_and_an_exponent_of_32() {
    let modulus = |bits: usize| {
        let mut bytes = vec![0xA5; bits.div_ceil(8)];
        bytes[0] = if bits.is_multiple_of(8) { 0xC5 } else { ((1_u16 << (bits % 8)) - 1) as u8 };
        base64url(&bytes)
    };
    let key = |n: String, e: &[u8]| parse(&json!({"kty": "RSA", "n": n, "e": base64url(e), "kid": "weak"}));
    for bits in [2048, 2056, 4096, 8192] {
        key(modulus(bits), &[1, 0, 1]).unwrap_or_else(|error| panic!("{bits}: {error}"));
    }
    for bits in [8, 512, 1024, 2047, 8193, 16384, 65536] {
        assert_eq!(key(modulus(bits), &[1, 0, 1]).unwrap_err(), JwkError::Weak, "{bits}");
    }
    key(modulus(2048), &[3]).unwrap();
    for exponent in [&[0][..], &[1], &[2], &[1, 0, 0], &[2, 0, 0, 0, 1], &[1, 0, 0, 0, 0, 0, 0, 0, 1]] {
        assert_eq!(key(modulus(2048), exponent).unwrap_err(), JwkError::Weak, "{exponent:?}");
    }
    let weak = json!({"kty": "RSA", "n": modulus(2047), "e": "AQAB", "kid": "weak"});
    let fixture = with_keys([weak, RSA.jwk()]);
    passes(&fixture, fixture.token().key(&RSA)).await;
    let token = fixture.token().key(&RSA.clone().with_kid("weak")).sign();
    refuses_unverified(&fixture, &token, "key_unknown").await;
}

#[tokio::test]
async fn c7518_3_4_a_s1_09_s1_11_an_ecdsa_signature_is_r_and_s_of_the_curve_s_length() {
    let key = ec();
    let fixture = with_keys([key.jwk()]);
    let token = || fixture.token().key(&key);
    let input = token().claim("jti", "1");
    let signature = key.sign(input.signing_input().as_bytes());
    text_passes(&fixture, &input.clone().with_signature(&signature)).await;
    let der = [&[0x30, 0x44, 0x02, 0x20][..], &signature[..32], &[0x02, 0x20], &signature[32..]].concat();
    let padded = [&[0][..], &signature[..32], &[0], &signature[32..]].concat();
    let longer = [&signature[..], &[0; 32]].concat();
    for odd in [&der[..], &signature[..63], &signature[1..], &padded, &longer, &[0; 128], &[0; 1], &[0; 132]] {
        text_is_refused(&fixture, &input.clone().with_signature(odd), "signature_invalid").await;
    }
    for other in [Algorithm::ES384, Algorithm::ES512] {
        let key = SigningKey::generate(other);
        let list = [Algorithm::ES256, other];
        let fixture = with_keys_and([jwk_without(&key, &["alg"])], |issuer| issuer.algorithms(list));
        passes(&fixture, fixture.token().key(&key)).await;
        let token = fixture.token().key(&key).header("alg", "ES256").sign();
        refuses_unverified(&fixture, &token, "key_mismatch").await;
    }
}

#[tokio::test]
async fn c7518_6_2_a_s5_11_a_point_has_full_length_and_lies_on_the_curve() {
    let key = ec().jwk();
    parse(&key).unwrap();
    let coordinate = |bytes: &[u8]| json!(base64url(bytes));
    for (member, value) in [
        ("x", coordinate(&[1; 32])),
        ("x", coordinate(&[1; 31])),
        ("x", coordinate(&[0; 33])),
        ("x", coordinate(&[])),
        ("x", coordinate(&[0xff; 32])),
        ("y", coordinate(&[0; 32])),
    ] {
        assert_eq!(parse(&jwk_with_member(&key, member, value)).unwrap_err(), JwkError::Weak, "{member}");
    }
    let zero = jwk_with_member(&jwk_with_member(&key, "x", coordinate(&[0; 32])), "y", coordinate(&[0; 32]));
    assert_eq!(parse(&zero).unwrap_err(), JwkError::Weak);
    for crv in ["P-384", "p-256", "P256", "secp256k1", "Ed25519"] {
        parse(&jwk_with_member(&key, "crv", json!(crv))).unwrap_err();
    }
}

#[tokio::test]
async fn c9864_a_s1_27_both_names_of_ed25519_mean_the_same_and_x25519_signs_nothing() {
    let old = SigningKey::generate(Algorithm::EdDSA);
    let new = old.clone().with_algorithm(Algorithm::Ed25519).with_kid(old.kid());
    for published in [old.jwk(), jwk_with(&old, "alg", json!("Ed25519")), jwk_without(&old, &["alg"])] {
        let fixture = with_keys([published]);
        for _ in 0..2 {
            passes(&fixture, fixture.token().key(&old)).await;
            passes(&fixture, fixture.token().key(&new)).await;
        }
    }
    for crv in ["X25519", "Ed448", "ed25519"] {
        let fixture = with_keys([jwk_with(&old, "crv", json!(crv)), RSA.jwk()]);
        passes(&fixture, fixture.token().key(&RSA)).await;
        refuses_unverified(&fixture, &fixture.token().key(&old).sign(), "key_unknown").await;
    }
}

#[test]
fn c7638_a_the_thumbprint_is_made_from_the_required_members_and_bad_ones_are_no_key() {
    let key = RSA.jwk();
    let plain = parse(&key).unwrap();
    let decorated = jwk_with_member(&jwk_without(&RSA, &["alg", "use", "kid"]), "x5t", json!("AAAA"));
    assert_eq!(plain.thumbprint(), parse(&decorated).unwrap().thumbprint());
    let padded = jwk_with_member(&key, "n", json!(format!("{}==", key["n"].as_str().unwrap())));
    assert_eq!(plain.thumbprint(), parse(&padded).unwrap().thumbprint());
    assert_ne!(plain.thumbprint(), parse(&OTHER_RSA.jwk()).unwrap().thumbprint());
    assert_eq!(plain.thumbprint().unwrap().len(), 43);
    for bad in [
        json!({"kty": "EC", "crv": "Ed25519"}),
        json!({"kty": "EC", "crv": "Ed25519", "x": "AAAA", "y": "AAAA"}),
        json!({"kty": "OKP", "crv": "P-256", "x": "AAAA"}),
        json!({"kty": "RSA", "n": 7, "e": "AQAB"}),
        json!({"kty": "rsa", "n": key["n"], "e": "AQAB"}),
    ] {
        parse(&bad).unwrap_err();
    }
}

#[tokio::test]
async fn jwks_a_a_thousand_unknown_names_cause_one_fetch_and_a_new_key_is_found_after_the_pause() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token()).await;
    let before = fixture.issuer.requests(Endpoint::Jwks);
    let stranger = ec();
    for n in 0..1000 {
        let token = fixture.token().signed_by(&stranger).header("kid", n.to_string()).with_signature(&[1; 64]);
        refuses_unverified(&fixture, &token, "key_unknown").await;
    }
    assert_eq!(fixture.issuer.requests(Endpoint::Jwks) - before, 1);
    fixture.issuer.rotate_key(Algorithm::ES256);
    let token = fixture.token().sign();
    fixture.clock.advance(Duration::from_secs(29));
    text_is_refused(&fixture, &token, "key_unknown").await;
    fixture.clock.advance(Duration::from_secs(1));
    text_passes(&fixture, &token).await;
    assert_eq!(fixture.issuer.requests(Endpoint::Jwks) - before, 2);
}

#[tokio::test]
async fn jwks_b_s5_19_s5_20_an_outage_keeps_the_last_good_set_and_a_key_that_was_removed_stops_working() {
    let fixture = Fixture::new();
    let broken = |status: StatusCode| Response::builder().status(status).body("<html>".into()).unwrap();
    fixture.issuer.answer_with(Endpoint::Jwks, Some(broken(StatusCode::OK)));
    fixture.bearer(&fixture.token().sign()).await.assert_dep();
    fixture.issuer.answer_with(Endpoint::Jwks, None);
    fixture.clock.advance(Duration::from_secs(1));
    let (cached, old) = (fixture.token().expires_in(Duration::from_secs(90_000)), fixture.issuer.key());
    let cached = cached.sign();
    text_passes(&fixture, &cached).await;
    for (status, body) in [(StatusCode::BAD_GATEWAY, ""), (StatusCode::OK, "{\"keys\":[]}"), (StatusCode::OK, "[]")] {
        let answer = Response::builder().status(status).body(body.into()).unwrap();
        fixture.issuer.answer_with(Endpoint::Jwks, Some(answer));
        fixture.clock.advance(Duration::from_secs(400));
        passes(&fixture, fixture.token().expires_in(Duration::from_secs(3600))).await;
    }
    fixture.issuer.answer_with(Endpoint::Jwks, None);
    fixture.issuer.rotate_key(Algorithm::ES256);
    fixture.issuer.remove_key(old.kid());
    fixture.clock.advance(Duration::from_secs(400));
    passes(&fixture, fixture.token()).await;
    text_is_refused(&fixture, &cached, "key_unknown").await;
}
