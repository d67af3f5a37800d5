//! Compact JWS: Wycheproof, RFC 7520, RFC 7797, the appendices of RFC 7515.

use base64::engine::{GeneralPurpose, general_purpose};
use base64::{Engine, alphabet};
use serde_json::Value;
use tower_bearer::{Algorithm, Jwk, Jwks, danger};

use super::{Case, Vectors, judge, verdict};

const DEFAULT: [Algorithm; 11] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::EdDSA,
    Algorithm::Ed25519,
];

const HMAC: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

#[test]
fn c7515_5_2_b_every_published_jws_is_judged_as_expected() {
    let Some(vectors) = Vectors::find() else { return };
    vectors.run("jws", |case| {
        let (token, keys) = token_and_keys(case);
        let public = Jwks::from_keys(keys.iter().filter_map(|key| Jwk::parse(key.to_string().as_bytes()).ok()));
        let accepts = |keys: &Jwks, list: &[Algorithm]| danger::verify_jws(&token, keys, list).is_ok();
        judge(case.verdict(), accepts(&public, &DEFAULT), accepts(&public, &DEFAULT))?;
        let Some(expected) = case.expected["expect_with_hmac_allowed"].as_str() else { return Ok(()) };
        let secrets = keys.iter().flat_map(shared_secrets);
        let all = Jwks::from_keys(public.keys().iter().cloned().chain(secrets));
        let list = [&DEFAULT[..], &HMAC].concat();
        judge(verdict(expected), accepts(&all, &list), accepts(&all, &list))
            .map_err(|wrong| format!("with HMAC allowed: {wrong}"))
    });
}

/// Keys may have spare bits set, as in published sets.
const KEY: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, general_purpose::NO_PAD.with_decode_allow_trailing_bits(true));

/// What an application does that is given such a key by hand: the key's purpose and `alg` bind it.
fn shared_secrets(key: &Value) -> Vec<Jwk> {
    let purpose = key["use"].as_str().unwrap_or("sig");
    let secret = key["k"].as_str().and_then(|text| KEY.decode(text).ok());
    let (Some("oct"), "sig", Some(secret)) = (key["kty"].as_str(), purpose, secret) else {
        return Vec::new();
    };
    let named = key["alg"].as_str();
    let fitting = HMAC.into_iter().filter(|algorithm| named.is_none_or(|name| name == algorithm.as_str()));
    fitting.filter_map(|algorithm| Jwk::shared_secret(algorithm, key["kid"].as_str(), &secret).ok()).collect()
}

fn token_and_keys(case: &Case<'_>) -> (String, Vec<Value>) {
    match case.file.split('/').next().unwrap() {
        "wycheproof" => wycheproof(case),
        "rfc7520" => cookbook(case),
        "joserfc" => {
            let tests = case.json()["tests"].take();
            let test = tests.as_array().unwrap().iter().find(|test| test["name"] == case.name).expect(case.name);
            (test["compact"].as_str().unwrap().into(), Vec::new())
        }
        "rfc-appendix" => {
            // A.7 names a key file that is not part of this set; its token is no compact JWS anyway.
            let key = case.beside("jwk").and_then(|text| serde_json::from_slice(&text).ok());
            (case.text().into(), key.into_iter().collect())
        }
        source => panic!("unknown source {source}"),
    }
}

fn wycheproof(case: &Case<'_>) -> (String, Vec<Value>) {
    let document = case.json();
    for group in document["testGroups"].as_array().unwrap() {
        let tests = group["tests"].as_array().unwrap();
        let Some(test) = tests.iter().find(|test| test["tcId"] == case.index()) else { continue };
        let keys = group.get("public").unwrap_or(&group["private"]);
        return (text(test.get("jws").or(test.get("jwe"))), one_or_many(keys));
    }
    panic!("no case {}", case.name);
}

fn cookbook(case: &Case<'_>) -> (String, Vec<Value>) {
    let document = case.json();
    let path: Vec<&str> = case.name.split('.').collect();
    let (step, output) = match path[..] {
        [step, "output", name] => (&document[step], name),
        [name] => (&document, name),
        _ => panic!("unknown case {}", case.name),
    };
    (text(step["output"].get(output)), one_or_many(&step["input"]["key"]))
}

/// A compact token, or the text of a JSON serialization.
fn text(token: Option<&Value>) -> String {
    let token = token.expect("a token");
    token.as_str().map_or_else(|| token.to_string(), String::from)
}

fn one_or_many(keys: &Value) -> Vec<Value> {
    match keys.get("keys").unwrap_or(keys) {
        Value::Array(keys) => keys.clone(),
        key => vec![key.clone()],
    }
}
