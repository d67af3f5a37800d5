//! Requests with four or five fields. The bytes of a token are written anew each time, as after a socket's read.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{ACCEPT, AUTHORIZATION, HOST, HeaderName, HeaderValue, USER_AGENT};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// RS256, 965 bytes: 15 claims, 6 scopes, an array of audiences, roles. Good until 2100.
const VALID: &str = include_str!("../fixtures/valid.jwt");

/// The same, ended on the first of January 2026.
const EXPIRED: &str = include_str!("../fixtures/expired.jwt");

/// The good token's text.
pub fn valid_token() -> &'static str {
    VALID.trim_ascii_end()
}

/// The good token with another signature.
pub fn forged_token() -> String {
    let (signed, signature) = valid_token().rsplit_once('.').expect("three parts");
    let middle = signature.len() / 2;
    let other = if signature[middle..].starts_with('A') { "B" } else { "A" };
    format!("{signed}.{}{other}{}", &signature[..middle], &signature[middle + 1..])
}

/// What a base64url text stands for.
pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// A request with the good token.
pub fn valid() -> Request<Body> {
    with_token(valid_token())
}

/// A request with the expired token.
pub fn expired() -> Request<Body> {
    with_token(EXPIRED.trim_ascii_end())
}

/// A request without a token.
pub fn anonymous() -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = axum::http::Uri::from_static("/x");
    for (name, value) in [
        (HOST, "api.example.com"),
        (USER_AGENT, "instruction-count/1.0"),
        (ACCEPT, "application/json"),
        (HeaderName::from_static("x-request-id"), "5a1c7d52-95ac-4b64-a9e0-65ab97ad8d5d"),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    request
}

fn with_token(token: &str) -> Request<Body> {
    let mut request = anonymous();
    let value = HeaderValue::try_from(format!("Bearer {token}")).expect("visible ASCII");
    request.headers_mut().insert(AUTHORIZATION, value);
    request
}
