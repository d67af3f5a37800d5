//! Signatures beneath the token layer: Wycheproof and the Ed25519 edge cases.

use serde_json::{Value, json};
use tower_bearer::{Algorithm, Jwk, danger};

use super::{Case, Vectors, encode, hex, judge};

#[test]
fn c7518_3_4_a_s1_10_s1_13_s1_14_s1_15_every_published_signature_is_judged_as_expected() {
    let Some(vectors) = Vectors::find() else { return };
    vectors.run("raw-signature", |case| {
        let (algorithm, key, test) = if case.file.starts_with("wycheproof/") { wycheproof(case) } else { edge(case) };
        let bytes = |names: [&str; 2]| names.iter().find_map(|name| test[name].as_str()).and_then(hex).expect("hex");
        let (message, signature) = (bytes(["msg", "message"]), bytes(["sig", "signature"]));
        let holds = || {
            let key = Jwk::parse(key.to_string().as_bytes());
            key.is_ok_and(|key| danger::verify_signature(algorithm, &key, &message, &signature).is_ok())
        };
        judge(case.verdict(), holds(), holds())
    });
}

fn wycheproof(case: &Case<'_>) -> (Algorithm, Value, Value) {
    let document = case.json();
    for group in document["testGroups"].as_array().unwrap() {
        let tests = group["tests"].as_array().unwrap();
        if let Some(test) = tests.iter().find(|test| test["tcId"] == case.index()) {
            return (algorithm(group), key(group), test.clone());
        }
    }
    panic!("no case {}", case.name);
}

fn algorithm(group: &Value) -> Algorithm {
    match (group["type"].as_str().unwrap(), group["sha"].as_str()) {
        ("EcdsaP1363Verify", Some("SHA-256")) => Algorithm::ES256,
        ("EddsaVerify", None) => Algorithm::EdDSA,
        ("RsassaPssVerify", Some("SHA-256")) => Algorithm::PS256,
        ("RsassaPssVerify", Some("SHA-512")) => Algorithm::PS512,
        ("RsassaPkcs1Verify", Some("SHA-256")) => Algorithm::RS256,
        ("RsassaPkcs1Verify", Some("SHA-512")) => Algorithm::RS512,
        other => panic!("unknown group {other:?}"),
    }
}

/// Some groups of curve points carry the key in hexadecimal only.
fn key(group: &Value) -> Value {
    if let Some(key) = group.get("publicKeyJwk").or(group.get("keyJwk")) {
        return key.clone();
    }
    let point = hex(group["publicKey"]["uncompressed"].as_str().unwrap()).unwrap();
    let (x, y) = point[1..].split_at(32);
    json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
}

fn edge(case: &Case<'_>) -> (Algorithm, Value, Value) {
    let test = case.json()[case.index()].take();
    let key = hex(test["pub_key"].as_str().unwrap()).unwrap();
    (Algorithm::Ed25519, json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&key)}), test)
}
