//! What shows that the sender of a token holds its key: proofs, and the targets they are made for.

use std::sync::LazyLock;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_bearer::fuzzing::{self, ProofContext};
use url::Url;

use super::hmac::{hmac_sha256, sha256};
use super::naive::{self, NOW};
use super::slow_json::{self, Number, Reading, Slow};

/// The key of RFC 8037, appendix A.
static KEY: LazyLock<Ed25519KeyPair> = LazyLock::new(|| {
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base64url");
    Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed of 32 bytes")
});
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

const BASE: &str = "https://api.example.com";
const SECRET: [u8; 32] = [7; 32];

/// Lines: what is wrong with the context, then method, path and token, parted by spaces; the header; the payload.
pub fn f10_dpop_proof(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let (context, header, payload) =
        (lines.next().unwrap_or_default(), lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let [defect, method, path, token] = context.split(' ').collect::<Vec<_>>()[..] else { return };
    if header.len() + payload.len() > 2500 {
        return;
    }
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mut signature = KEY.sign(input.as_bytes()).as_ref().to_vec();
    if defect == "signature" {
        signature[payload.len() % 64] ^= 1 << (header.len() % 8);
    }
    let proof = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    let verdict = fuzzing::proof(
        &proof,
        &ProofContext {
            base: BASE,
            method,
            path,
            token,
            thumbprint: if defect == "key" { "kPrK" } else { THUMBPRINT },
            now: NOW,
            nonce_secret: (defect == "nonce").then_some(SECRET),
        },
    );
    let (header_json, payload_json) = match (slow_json::read(header.as_bytes()), slow_json::read(payload.as_bytes())) {
        (Reading::Json(header), Reading::Json(payload)) => (header, payload),
        (Reading::NotJson, _) | (_, Reading::NotJson) => return assert!(verdict.is_err(), "{verdict:?}"),
        _ => return,
    };
    let (must_not, need_not) = compare_targets(payload_json.get("htu").and_then(Slow::text), path);
    let good = !["signature", "key"].contains(&defect)
        && is_proof_header(&header_json)
        && is_proof_payload(&payload_json, method, token, defect == "nonce")
        && !must_not;
    if verdict.is_ok() || !need_not && !header.contains('\\') {
        assert_eq!(verdict.is_ok(), good, "{verdict:?} {header_json:?} {payload_json:?}");
    }
}

fn is_proof_header(header: &Slow) -> bool {
    let ed25519 = |name: &Slow| name.text().is_some_and(|name| ["EdDSA", "Ed25519"].contains(&name));
    let Some(jwk @ Slow::Map(members)) = header.get("jwk") else { return false };
    let text = |name| jwk.get(name).and_then(Slow::text);
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    naive::is_good_header(header)
        && header.get("typ").and_then(Slow::text) == Some("dpop+jwt")
        && header.get("alg").is_some_and(ed25519)
        && (text("kty"), text("crv"), text("x")) == (Some("OKP"), Some("Ed25519"), Some(X))
        && jwk.get("alg").is_none_or(ed25519)
        && !members.iter().any(|(name, _)| private.contains(&name.as_str()))
}

fn is_proof_payload(payload: &Slow, method: &str, token: &str, with_nonce: bool) -> bool {
    let text = |name| payload.get(name).and_then(Slow::text);
    let Some(Slow::Number(Number::Whole(iat))) = payload.get("iat") else { return false };
    let in_time = match with_nonce {
        false => (NOW - 300..=NOW + 30).contains(iat),
        true => (NOW / 300 - 1..=NOW / 300).any(|step| text("nonce") == Some(&nonce(step))),
    };
    naive::is_sound(payload)
        && text("jti").is_some_and(|jti| (1..=256).contains(&jti.len()))
        && text("htm") == Some(method)
        && text("ath") == Some(&URL_SAFE_NO_PAD.encode(sha256(token.as_bytes())))
        && in_time
}

fn nonce(step: u64) -> String {
    let message = [b"tower-bearer DPoP nonce 1\0".as_slice(), &step.to_be_bytes()].concat();
    URL_SAFE_NO_PAD.encode(hmac_sha256(&SECRET, &message))
}

/// Whether the targets differ for sure, and whether the crate may call them different all the same.
fn compare_targets(htu: Option<&str>, path: &str) -> (bool, bool) {
    let Some(htu) = htu else { return (true, false) };
    let plain = path.strip_prefix('/').is_some_and(|path| path.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let expected = format!("{BASE}{path}");
    let equal = second_opinion(htu).is_some() && second_opinion(htu) == second_opinion(&expected);
    (!equal, equal && !(plain && htu == expected))
}

/// Two texts, a line each.
pub fn f11_htu_normaliser(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (one, other) = text.split_once('\n').unwrap_or((text, text));
    let normal = |uri: &str| {
        let normal = fuzzing::target(uri)?;
        assert_eq!(fuzzing::target(&normal).as_ref(), Some(&normal), "{uri:?}");
        check_normal(uri, &normal);
        Some(normal)
    };
    if let (Some(one_normal), Some(other_normal)) = (normal(one), normal(other))
        && one_normal == other_normal
    {
        assert_eq!(second_opinion(one), second_opinion(other), "{one:?} {other:?}");
    }
}

fn check_normal(uri: &str, normal: &str) {
    let read = uri.split(['?', '#']).next().unwrap_or_default();
    assert!(!read.contains('\\') && read.is_ascii() && !read.bytes().any(|byte| byte <= b' '), "{uri:?}");
    let rest = normal.strip_prefix("https://").or(normal.strip_prefix("http://")).expect("a scheme");
    let (host, path) = rest.split_at(rest.find('/').expect("a path"));
    assert!(!host.contains('@') && host == host.to_ascii_lowercase(), "{normal}");
    assert!(path.split('/').all(|segment| !matches!(segment, "." | "..")) && !path.contains(['?', '#']), "{normal}");
    // What was encoded as no letter is encoded still.
    assert_eq!(unescaped(path), path, "{normal}");
}

/// Scheme, host, port and path as the crate `url` reads them, after the escapes that it does not look at.
fn second_opinion(uri: &str) -> Option<(String, String, u16, String)> {
    let url = Url::parse(&unescaped(uri.split(['?', '#']).next()?)).ok()?;
    let host = url.host_str()?.to_owned();
    Some((url.scheme().into(), host, url.port_or_known_default()?, url.path().into()))
}

/// Escapes of letters, digits and `-._~` undone, the others in capitals.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let byte = after.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(byte) = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            plain.push('%');
            rest = after;
            continue;
        };
        match char::from(byte) {
            letter if letter.is_ascii_alphanumeric() || "-._~".contains(letter) => plain.push(letter),
            _ => plain.push_str(&format!("%{byte:02X}")),
        }
        rest = &after[2..];
    }
    plain + rest
}
