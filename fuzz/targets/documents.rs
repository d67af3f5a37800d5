//! What an authorization server publishes: key sets and metadata.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use tower_bearer::{Algorithm, Jwk, Jwks, JwksError, danger, fuzzing};

use super::hmac::sha256;
use super::naive::{self, ISSUER};
use super::slow_json::{self, Reading, Slow};

const ALGORITHMS: [Algorithm; 14] = [
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
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

pub fn f06_jwks(data: &[u8]) {
    let set = Jwks::parse(data);
    let text = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    match slow_json::read(text) {
        Reading::Json(slow) => compare_sets(&set, &slow),
        Reading::NotJson => assert_eq!(set.as_ref().err(), Some(&JwksError::Malformed)),
        Reading::Unknown => {}
    }
    let Ok(set) = set else { return };
    let printed: Vec<String> = set.keys().iter().map(print).collect();
    set.keys().iter().for_each(verifies_nothing);
    let again = Jwks::parse(format!("{{\"keys\":[{}]}}", printed.join(",")).as_bytes()).expect("our own print");
    let thumbprints = |set: &Jwks| set.keys().iter().map(|key| key.thumbprint().map(String::from)).collect::<Vec<_>>();
    assert_eq!(thumbprints(&again), thumbprints(&set));
}

fn compare_sets(set: &Result<Jwks, JwksError>, slow: &Slow) {
    let keys = match slow.get("keys") {
        Some(Slow::List(keys)) if !slow.repeats_here() && slow.depth() <= 16 => keys,
        _ => return assert_eq!(set.as_ref().err(), Some(&JwksError::Malformed)),
    };
    let Ok(set) = set else {
        let expected = if keys.len() > 256 { JwksError::TooManyKeys } else { JwksError::NoUsableKey };
        return assert_eq!(set.as_ref().err(), Some(&expected));
    };
    assert_eq!(set.keys().len() + set.skipped().len(), keys.len());
    let left_out = |index: &usize| set.skipped().iter().any(|(skipped, _)| skipped == index);
    let used = keys.iter().enumerate().filter(|(index, _)| !left_out(index)).map(|(_, key)| key);
    for (key, slow) in set.keys().iter().zip(used) {
        let text = |name| slow.get(name).and_then(Slow::text);
        assert!(!slow.has_duplicates());
        assert!(matches!(text("kty"), Some("RSA" | "EC" | "OKP")));
        assert_eq!(slow.get("use").is_some(), text("use") == Some("sig"));
        assert_eq!((slow.get("kid").is_some(), key.kid()), (text("kid").is_some(), text("kid")));
        assert_eq!(key.algorithm().map(Algorithm::as_str), text("alg"));
        let private = ["d", "p", "q", "dp", "dq", "qi", "oth"].iter().any(|name| slow.get(name).is_some());
        assert_eq!(key.has_private_part(), private);
    }
}

/// RFC 7638: the print of a key is what its thumbprint is made from.
fn print(key: &Jwk) -> String {
    let printed = fuzzing::public_jwk(key).expect("a set holds no secret");
    assert_eq!(Some(URL_SAFE_NO_PAD.encode(sha256(printed.as_bytes())).as_str()), key.thumbprint());
    printed
}

/// One fixed signature in all lengths that algorithms have; nobody signed it.
fn verifies_nothing(key: &Jwk) {
    let signature: Vec<u8> = (0..1024u32).map(|place| (place * 7 + 1) as u8 & 0x7f).collect();
    for length in [0, 32, 48, 64, 96, 132, 256, 384, 512, 1024] {
        for algorithm in ALGORITHMS {
            let verdict = danger::verify_signature(algorithm, key, b"message", &signature[..length]);
            assert!(verdict.is_err(), "{algorithm} with {length} bytes");
        }
    }
}

/// First line: `1` where http is allowed, then the media type. The rest is the document.
pub fn f07_metadata_document(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (Some([flag, media_type @ ..]), Some(body)) = (parts.next(), parts.next()) else { return };
    let Ok(value) = HeaderValue::from_bytes(media_type) else { return };
    let allow_http = *flag == b'1';
    let Some(uri) = fuzzing::metadata(value, body, ISSUER, allow_http) else { return };
    let plain = String::from_utf8_lossy(media_type).to_ascii_lowercase();
    assert_eq!(plain.split(';').next().map(str::trim), Some("application/json"));
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let slow = match slow_json::read(text) {
        Reading::Json(slow) => slow,
        Reading::NotJson => panic!("not JSON, and read"),
        Reading::Unknown => return,
    };
    assert!(naive::is_sound(&slow));
    assert_eq!(slow.get("issuer").and_then(Slow::text), Some(ISSUER));
    let address = slow.get("jwks_uri").and_then(Slow::text).expect("the address of the keys");
    let host = host_by_policy(address, allow_http).unwrap_or_else(|| panic!("{address:?} is against the policy"));
    assert!(uri.host().is_some_and(|found| found.eq_ignore_ascii_case(host)), "{uri} is not at {host}");
}

/// The host of an https URL, or of an http URL to loopback, without user name and fragment.
fn host_by_policy(address: &str, allow_http: bool) -> Option<&str> {
    if address.contains(|c: char| c == '#' || c.is_control() || c.is_whitespace()) {
        return None;
    }
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '\\']).next()?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let number = port
                .bytes()
                .fold(0, |sum: u64, digit| sum.saturating_mul(10).saturating_add(digit.wrapping_sub(b'0').into()));
            (port.bytes().all(|byte| byte.is_ascii_digit()) && number < 65536).then_some(host)?
        }
        _ => authority,
    };
    let safe = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => allow_http || is_loopback(host),
        _ => false,
    };
    (safe && !host.is_empty() && !authority.contains('@')).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    let ipv6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|ip: Ipv4Addr| ip.octets()[0] == 127)
        || ipv6.is_some_and(|ip| ip.parse() == Ok(Ipv6Addr::LOCALHOST))
}
