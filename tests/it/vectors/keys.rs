//! Keys and key sets of RFC 7517, of the cookbook, and as real issuers and libraries write them.

use serde_json::Value;
use tower_bearer::{Jwk, Jwks};

use super::{Case, Vectors, without_bom};

#[test]
fn c7517_5_a_s5_16_every_key_of_the_published_sets_is_usable_or_not_as_expected() {
    let Some(vectors) = Vectors::find() else { return };
    vectors.run("jwks", |case| {
        let set = Jwks::parse(&as_set(case));
        if case.name == "set" {
            return set.map_or(Ok(()), |set| Err(format!("the set was taken: {set:?}")));
        }
        let skipped = |set: &Jwks| set.skipped().iter().any(|(index, _)| *index == case.index());
        match (case.expect(), set) {
            ("usable", Ok(set)) if !skipped(&set) => {
                let before = set.skipped().iter().filter(|(index, _)| *index < case.index()).count();
                let kid = set.keys()[case.index() - before].kid();
                if kid == case.expected["kid"].as_str() { Ok(()) } else { Err(format!("kid is {kid:?}")) }
            }
            ("unusable", Ok(set)) if skipped(&set) => Ok(()),
            ("unusable", Err(_)) => Ok(()),
            (_, found) => Err(format!("{found:?}")),
        }
    });
}

/// Some files hold one key instead of a set; an empty file is what a broken issuer sends.
fn as_set(case: &Case<'_>) -> Vec<u8> {
    match serde_json::from_slice::<Value>(without_bom(case.bytes)) {
        Ok(key) if key.get("keys").is_none() => format!("{{\"keys\":[{key}]}}").into_bytes(),
        _ => case.bytes.to_vec(),
    }
}

#[test]
fn c7517_5_b_s5_06_every_published_key_is_usable_or_not_as_expected() {
    let Some(vectors) = Vectors::find() else { return };
    vectors.run("jwk", |case| {
        let document = case.json();
        let key = match document.get("keys") {
            Some(keys) => &keys[case.index()],
            None => &document,
        };
        let private = |key: &Jwk| key.has_private_part();
        match (case.expect(), Jwk::parse(key.to_string().as_bytes())) {
            ("usable", Ok(key)) if !private(&key) => Ok(()),
            (expect, Ok(key)) if expect.starts_with("usable (private part") && private(&key) => Ok(()),
            ("unusable", Err(_)) => Ok(()),
            (_, found) => Err(format!("{found:?}")),
        }
    });
}

#[test]
fn c7638_a_the_published_thumbprint_is_reproduced() {
    let Some(vectors) = Vectors::find() else { return };
    vectors.run("thumbprint", |case| {
        assert_eq!(case.text(), case.expect());
        let key = Jwk::parse(&case.beside("jwk").expect("the key beside it")).unwrap();
        if key.thumbprint() == Some(case.expect()) { Ok(()) } else { Err(format!("{key:?}")) }
    });
}
