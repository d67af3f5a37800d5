//! SECURITY 2.1: attacks on algorithm and signature. What a conformance row proves already stands there.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_bearer::testing::{SigningKey, TokenBuilder};
use tower_bearer::{Algorithm, Issuer, Jwks, ResourceServer};

use crate::support::{AS, Fixture, RS};
use crate::verdicts::{
    RSA, jwk_without, passes, refuses, refuses_unverified, text_is_refused, text_passes, with_keys, with_keys_and,
};

/// The order of P-256, big-endian.
const N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The order of Ed25519's group, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// `N - s`.
fn negated(s: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    let mut difference: Vec<u8> = N
        .iter()
        .zip(s)
        .rev()
        .map(|(n, s)| {
            let (digit, first) = n.overflowing_sub(*s);
            let (digit, second) = digit.overflowing_sub(u8::from(borrow));
            borrow = first || second;
            digit
        })
        .collect();
    difference.reverse();
    difference
}

/// `s + L`.
fn lifted(s: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let digits = s.iter().zip(L).map(|(s, l)| {
        let sum = u16::from(*s) + u16::from(l) + carry;
        carry = sum >> 8;
        sum as u8
    });
    digits.collect()
}

/// Everything an attacker can make of a public RSA key and take for a secret.
fn spellings_of(key: &Value) -> Vec<Vec<u8>> {
    let number = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let (n, e) = (number("n"), number("e"));
    let (pkcs1, spki) = der(&n, &e);
    let pem = |label: &str, der: &[u8]| {
        let text = STANDARD.encode(der);
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    };
    let public = pem("PUBLIC KEY", &spki);
    let texts = [
        pem("RSA PUBLIC KEY", &pkcs1),
        public.trim_end().to_owned(),
        format!(" {public}"),
        format!("\n{public} "),
        public.replace('\n', "\r\n"),
        format!("\u{feff}{public}"),
        key.to_string(),
        key["n"].as_str().unwrap().to_owned(),
        public,
    ];
    texts.into_iter().map(String::into_bytes).chain([n, pkcs1, spki]).collect()
}

/// RSAPublicKey and SubjectPublicKeyInfo.
fn der(n: &[u8], e: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let tagged = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82][..], &length, content].concat()
    };
    let pkcs1 = tagged(0x30, &[tagged(2, &[&[0], n].concat()), tagged(2, e)].concat());
    let rsa_encryption = [0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let spki = tagged(0x30, &[&rsa_encryption[..], &tagged(3, &[&[0], &pkcs1[..]].concat())].concat());
    (pkcs1, spki)
}

#[tokio::test]
async fn s1_04_s1_05_a_public_key_in_any_spelling_is_no_secret() {
    let fixture = with_keys([jwk_without(&RSA, &["alg"])]);
    passes(&fixture, fixture.token().key(&RSA)).await;
    for secret in spellings_of(&RSA.jwk()) {
        let forger = SigningKey::secret(Algorithm::HS256, &secret).with_kid(RSA.kid());
        let token = fixture.token().key(&forger).sign();
        refuses_unverified(&fixture, &token, "algorithm_not_allowed").await;
    }
}

#[test]
fn s1_06_shared_secrets_and_public_keys_are_never_in_one_list() {
    let build = |issuer: Issuer| ResourceServer::builder(RS, issuer).build().map(drop);
    let secret: Vec<u8> = (0..64).collect();
    let mixed = [Algorithm::HS256, Algorithm::RS256];
    let keys = Jwks::parse(json!({"keys": [RSA.jwk()]}).to_string().as_bytes()).unwrap();
    build(Issuer::new(AS).keys(keys.clone()).algorithms([Algorithm::RS256])).unwrap();
    build(Issuer::new(AS).shared_secret(secret.clone()).algorithms([Algorithm::HS256])).unwrap();
    for issuer in [
        Issuer::new(AS).keys(keys),
        Issuer::new(AS).shared_secret(secret),
        Issuer::new(AS).jwks_uri("https://as.example.com/jwks"),
        Issuer::new(AS),
    ] {
        let error = build(issuer.algorithms(mixed)).unwrap_err();
        assert!(error.to_string().contains("algorithms"), "{error}");
    }
}

#[tokio::test]
async fn s1_07_the_header_picks_within_the_list_also_for_a_key_without_alg() {
    let fixture = with_keys_and([jwk_without(&RSA, &["alg"])], |issuer| issuer.algorithms([Algorithm::RS256]));
    for algorithm in [Algorithm::PS256, Algorithm::RS384, Algorithm::RS512] {
        let token = fixture.token().key(&RSA.clone().with_algorithm(algorithm)).sign();
        refuses_unverified(&fixture, &token, "algorithm_not_allowed").await;
    }
    passes(&fixture, fixture.token().key(&RSA)).await;
}

#[tokio::test]
async fn s1_10_a_psychic_signature_is_no_signature() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token()).await;
    let genuine = fixture.issuer.key().sign(fixture.token().claim("jti", "1").signing_input().as_bytes());
    let (r, s) = genuine.split_at(32);
    let (zero, mut above) = ([0; 32], N);
    above[31] += 1;
    let one = {
        let mut one = zero;
        one[31] = 1;
        one
    };
    let odd = [&zero[..], &N, &above, &one, &[0xff; 32]];
    let pairs = odd.iter().flat_map(|a| odd.iter().map(move |b| (*a, *b)));
    let pairs = pairs.chain(odd.iter().map(|a| (*a, s))).chain(odd.iter().map(|a| (r, *a)));
    for (r, s) in pairs {
        let token = fixture.token().claim("jti", "1").with_signature(&[r, s].concat());
        text_is_refused(&fixture, &token, "signature_invalid").await;
    }
    text_passes(&fixture, &fixture.token().claim("jti", "1").with_signature(&genuine)).await;
}

#[tokio::test]
async fn s1_12_the_twin_of_an_ecdsa_signature_is_another_text_of_the_same_token() {
    let fixture = Fixture::new();
    let token = fixture.token();
    let genuine = fixture.issuer.key().sign(token.signing_input().as_bytes());
    let twin = [&genuine[..32], &negated(&genuine[32..])].concat();
    let (one, two) = (token.clone().with_signature(&genuine), token.with_signature(&twin));
    assert_ne!(one, two);
    let before = tower_bearer::testing::signature_checks();
    text_passes(&fixture, &one).await;
    text_passes(&fixture, &two).await;
    assert_eq!(tower_bearer::testing::signature_checks() - before, 2, "cached apart from one another");
    let off_by_one = [&twin[..63], &[twin[63] ^ 1]].concat();
    let token = one.rsplit_once('.').unwrap().0;
    text_is_refused(&fixture, &format!("{token}.{}", URL_SAFE_NO_PAD.encode(off_by_one)), "signature_invalid").await;
}

#[tokio::test]
async fn s1_13_s1_14_an_rsa_signature_is_of_its_own_scheme_and_of_the_modulus_length() {
    let fixture = with_keys([jwk_without(&RSA, &["alg"])]);
    let token = || fixture.token().claim("jti", "1");
    let sign = |algorithm: Algorithm, token: &TokenBuilder| {
        RSA.clone().with_algorithm(algorithm).sign(token.signing_input().as_bytes())
    };
    for (named, others) in [
        (Algorithm::PS256, [Algorithm::RS256, Algorithm::PS384, Algorithm::PS512]),
        (Algorithm::RS256, [Algorithm::PS256, Algorithm::RS384, Algorithm::RS512]),
    ] {
        let token = token().key(&RSA.clone().with_algorithm(named));
        for other in others {
            text_is_refused(&fixture, &token.clone().with_signature(&sign(other, &token)), "signature_invalid").await;
        }
        let genuine = sign(named, &token);
        for odd in [&genuine[1..], &genuine[..255], &[&genuine[..], &[0]].concat(), &[&[0], &genuine[..]].concat()] {
            text_is_refused(&fixture, &token.clone().with_signature(odd), "signature_invalid").await;
        }
    }
    let token = token().key(&RSA);
    text_passes(&fixture, &token.clone().with_signature(&sign(Algorithm::RS256, &token))).await;
}

#[tokio::test]
async fn s1_15_an_ed25519_signature_has_one_spelling() {
    let key = SigningKey::generate(Algorithm::EdDSA);
    let fixture = with_keys([key.jwk()]);
    let token = fixture.token().key(&key);
    let genuine = key.sign(token.signing_input().as_bytes());
    let lifted = [&genuine[..32], &lifted(&genuine[32..])].concat();
    let longer = [&genuine[..], &[0]].concat();
    for odd in [&lifted[..], &longer, &genuine[..63], &[0; 64]] {
        text_is_refused(&fixture, &token.clone().with_signature(odd), "signature_invalid").await;
    }
    text_passes(&fixture, &token.with_signature(&genuine)).await;
}

#[tokio::test]
async fn an_algorithm_that_is_listed_twice_is_one_algorithm() {
    let secret = *b"0123456789abcdef0123456789abcdef";
    let key = SigningKey::secret(Algorithm::HS256, &secret);
    let twice = |issuer: Issuer| issuer.shared_secret(secret).algorithms([Algorithm::HS256, Algorithm::HS256]);
    let fixture = Fixture::with(twice, |builder| builder);
    passes(&fixture, fixture.token().key(&key)).await;
}

#[tokio::test]
async fn c7518_3_2_a_s1_20_s1_21_a_shared_secret_is_as_long_as_the_hash_and_no_word() {
    let build = |issuer: Issuer| ResourceServer::builder(RS, issuer).build();
    let secret = |length: usize| (0..length).map(|n| n as u8).collect::<Vec<_>>();
    for (algorithm, length) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        let issuer = || Issuer::new(AS).algorithms([algorithm]);
        build(issuer().shared_secret(secret(length))).unwrap();
        for short in [0, 1, length - 1] {
            build(issuer().shared_secret(secret(short))).unwrap_err();
        }
        build(issuer()).unwrap_err();
        build(issuer().jwks_uri("https://as.example.com/jwks")).unwrap_err();
    }
    for guess in ["a".repeat(32), "ab".repeat(16), "1234567".repeat(5)] {
        build(Issuer::new(AS).shared_secret(guess)).unwrap_err();
    }
    let key = SigningKey::secret(Algorithm::HS256, &secret(32));
    let fixture = Fixture::with(|issuer| issuer.shared_secret(secret(32)), |builder| builder);
    passes(&fixture, fixture.token().key(&key)).await;
    let other = SigningKey::generate(Algorithm::HS256);
    refuses(&fixture, fixture.token().key(&other), "signature_invalid").await;
}
