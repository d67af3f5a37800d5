//! JWT or opaque: told by the header, never by counting dots (an opaque token may contain two).

use super::base64url::decode;
use super::jws::MAX_HEADER;
use crate::token::json::{Json, JsonError, parse_lenient};

/// True for a token that is no signed JWT: only its issuer can tell what it is.
///
/// A header that can be read and names an `alg`, whichever, makes a token a JWT: a bad one is refused and never shown to
/// anybody. A header with `enc` belongs to an encrypted token, which nobody here can read.
pub(crate) fn is_opaque(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    if header.len() * 3 / 4 > MAX_HEADER {
        return true;
    }
    let Some(decoded) = decode(header) else { return true };
    match parse_lenient(&decoded) {
        Ok(Json::Object(header)) => header.get("enc").is_some() || header.get("alg").is_none(),
        // Whatever is nested so deep is no header, and no opaque token comes out like this by chance.
        Err(JsonError::TooDeep) => false,
        Ok(_) | Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::base64url::encode;

    #[test]
    fn s8_13_the_header_tells_a_jwt_and_not_the_number_of_dots() {
        let headed = |header: &str, rest: &str| format!("{}{rest}", encode(header.as_bytes()));
        for jwt in [
            headed(r#"{"alg":"RS256"}"#, ".e30.AA"),
            headed(r#"{"alg":"none"}"#, ".e30."),
            headed(r#"{"alg":7}"#, ".e30.AA"),
            headed(r#"{"alg":"RS256","alg":"none"}"#, ".e30.AA"),
            headed(r#"{"alg":"RS256"}"#, ""),
            headed(r#"{"alg":"RS256","crit":["x"]}"#, ".e30.AA.b.c"),
            headed(&"[".repeat(40), ".e30.AA"),
        ] {
            assert!(!is_opaque(&jwt), "{jwt}");
        }
        for opaque in [
            "2YotnFZFEjr1zCsicMWpAA".to_owned(),
            "a.b.c".to_owned(),
            "abcd.efgh.ijkl".to_owned(),
            "v4.local.abc".to_owned(),
            "abc+/~==".to_owned(),
            headed(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, ".a.b.c.d"),
            headed(r#"{"typ":"JWT"}"#, ".e30.AA"),
            headed("[]", ".e30.AA"),
            headed("7", ".e30.AA"),
            "A".repeat(6000),
        ] {
            assert!(is_opaque(&opaque), "{opaque}");
        }
    }
}
