//! The outer layers of a token: split, base64url, header.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_bearer::fuzzing;

use super::naive;
use super::slow_json::{self, Reading};

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub fn f01_compact_split(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let dots: Vec<usize> = data.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at).collect();
    let expected = match dots[..] {
        [first, second] => {
            let fits = data.len() <= 16 * 1024 && first / 4 * 3 <= 4096;
            (fits && first > 0 && second + 1 < data.len()).then_some((first, second))
        }
        _ => None,
    };
    let split = fuzzing::split(text);
    assert_eq!(split.is_ok(), expected.is_some(), "{split:?}");
    let (Ok([signing_input, header, payload, signature]), Some((first, second))) = (split, expected) else { return };
    assert_eq!(format!("{header}.{payload}.{signature}"), text);
    assert_eq!(format!("{header}.{payload}"), signing_input);
    assert_eq!((header.len(), header.len() + 1 + payload.len()), (first, second));
    for part in [header, payload, signature] {
        let legal = part.bytes().all(|byte| ALPHABET.contains(&byte));
        assert!(legal || fuzzing::base64url(part).is_none(), "{part}");
    }
}

pub fn f02_base64url(data: &[u8]) {
    let encoded = fuzzing::base64url_encode(data);
    assert_eq!(encoded, URL_SAFE_NO_PAD.encode(data));
    assert_eq!(fuzzing::base64url(&encoded).as_deref(), Some(data));
    let Ok(text) = std::str::from_utf8(data) else { return };
    let decoded = fuzzing::base64url(text);
    assert_eq!(decoded, URL_SAFE_NO_PAD.decode(text).ok());
    assert_eq!(decoded, bit_by_bit(data));
    if let Some(bytes) = decoded {
        assert_eq!(fuzzing::base64url_encode(&bytes), text);
    }
}

/// RFC 4648 section 5 without padding: six bits a letter, what is left over at the end must be zero.
fn bit_by_bit(text: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Vec::new();
    for letter in text {
        let value = ALPHABET.iter().position(|known| known == letter)?;
        bits.extend((0..6).rev().map(|bit| (value >> bit) & 1));
    }
    let whole = bits.len() / 8 * 8;
    let rest = bits.split_off(whole);
    if rest.len() >= 6 || rest.contains(&1) {
        return None;
    }
    Some(bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | *bit as u8)).collect())
}

pub fn f03_jose_header(data: &[u8]) {
    let read = fuzzing::header(data);
    let slow = match slow_json::read(data) {
        Reading::Json(slow) => slow,
        Reading::NotJson => return assert!(read.is_err(), "not JSON, and read as {read:?}"),
        Reading::Unknown => return,
    };
    assert_eq!(read.is_ok(), naive::is_good_header(&slow), "{read:?}");
    let Ok(header) = read else { return };
    assert!(!slow.has_duplicates() && slow.get("crit").is_none());
    let text = |name| slow.get(name).and_then(slow_json::Slow::text);
    assert_eq!(text("alg"), Some(header.algorithm));
    assert_eq!(text("kid"), header.kid.as_deref());
    assert_eq!(text("typ"), header.typ.as_deref());
}
