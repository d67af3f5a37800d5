//! What a request brings and what a refusal answers: `Authorization` fields and challenges.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use tower_bearer::{Issuer, Jwks, ProtectedResourceMetadata, RequireScope, ResourceServer, fuzzing};

use super::grammar::{self, is_tchar};
use super::naive::ISSUER;
use super::slow_json::{self, Reading, Slow};

/// Each line is a field: `D:` begins a `DPoP` field, all others are `Authorization`.
pub fn f09_authorization_fields(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut values = Vec::new();
    for line in data.split(|byte| *byte == b'\n').take(4).filter(|_| !data.is_empty()) {
        let (name, value) = match line.strip_prefix(b"D:") {
            Some(proof) => ("dpop", proof),
            None => ("authorization", line),
        };
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        if name == "authorization" {
            values.push(value.as_bytes().to_vec());
        }
        headers.append(name, value);
    }
    let read = fuzzing::token(&headers);
    let code = || read.as_ref().map_err(|error| error.code());
    match &values[..] {
        [] => assert_eq!(read, Ok(None)),
        [value] => match token_of(value) {
            Some(token) => assert_eq!(code(), Ok(&Some(token))),
            None if scheme_of(value).eq_ignore_ascii_case(b"bearer") => {
                assert!(matches!(code(), Err("malformed_credentials" | "several_tokens")), "{read:?}");
            }
            // Another scheme is nothing sent, unless a second one follows it.
            None => assert!(matches!(code(), Ok(None) | Err("several_tokens")), "{read:?}"),
        },
        _ => assert_eq!(code(), Err("several_tokens")),
    }
    if let (Err("several_tokens"), [value]) = (code(), &values[..]) {
        let lower = value.to_ascii_lowercase();
        let names = |scheme: &[u8]| lower.windows(scheme.len()).any(|window| window == scheme);
        assert!(lower.contains(&b',') && (names(b"bearer ") || names(b"dpop ")));
    }
}

fn scheme_of(value: &[u8]) -> &[u8] {
    &value[..value.iter().position(|byte| !is_tchar(*byte)).unwrap_or(value.len())]
}

/// `^[Bb][Ee][Aa][Rr][Ee][Rr] +[A-Za-z0-9._~+/-]+=*$`
fn token_of(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, rest) = text.split_at_checked(6)?;
    let token = rest.trim_start_matches(' ');
    let body = token.trim_end_matches('=');
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    let good = scheme.eq_ignore_ascii_case("bearer") && rest.len() > token.len() && !body.is_empty();
    (good && body.chars().all(legal)).then_some(token)
}

static KEYS: LazyLock<Jwks> = LazyLock::new(|| {
    let key = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    Jwks::parse(key).expect("the key of RFC 8037")
});

/// Lines: realm, scopes of the challenge, resource, audience, scopes of the route. An empty line is not set; `|`
/// parts scopes, so that each may hold anything.
pub fn f12_challenge_of_any_configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(5, '\n').map(|line| Some(line).filter(|line| !line.is_empty()));
    let mut line = || lines.next().flatten();
    let (realm, scopes, resource, audience, required) = (line(), line(), line(), line(), line());
    let issuer = Issuer::new(ISSUER).keys(KEYS.clone());
    let mut builder = ResourceServer::builder(audience.unwrap_or("urn:api"), issuer);
    if let Some(realm) = realm {
        builder = builder.realm(realm);
    }
    if let Some(scopes) = scopes {
        builder = builder.challenge_scope(scopes.split('|'));
    }
    if let Some(resource) = resource {
        builder = builder.resource(resource);
    }
    let Ok(server) = builder.build() else { return };
    let required: Vec<&str> = required.unwrap_or("a").split('|').collect();
    let required = if RequireScope::try_all(required.clone()).is_ok() { required.join(" ") } else { "a".into() };
    for response in fuzzing::refusals(&server, &required) {
        check_refusal(&response, realm, scopes, &required);
    }
    if let Some(metadata) = ProtectedResourceMetadata::of(&server) {
        let Reading::Json(document) = slow_json::read(metadata.json()) else { panic!("the document is not JSON") };
        assert_eq!(document.get("resource").and_then(Slow::text), resource.or(audience));
    }
}

fn check_refusal(response: &Response<Bytes>, realm: Option<&str>, scopes: Option<&str>, required: &str) {
    let headers = response.headers();
    let lines: Vec<_> = headers.get_all("www-authenticate").iter().map(HeaderValue::as_bytes).collect();
    let retry = headers.get("retry-after").map(|value| value.to_str().expect("digits").parse::<u64>().expect("digits"));
    assert!(matches!(slow_json::read(response.body()), Reading::Json(Slow::Map(_))));
    let status = response.status().as_u16();
    if !matches!(status, 400 | 401 | 403) {
        assert_eq!((lines.len(), retry.is_some()), (0, status == 503), "{status}");
        return;
    }
    assert!(retry.is_none(), "{status}");
    let (line, dpop) = match lines[..] {
        [line] => (line, None),
        [line, dpop] => (line, Some(dpop)),
        _ => panic!("{status} with {} challenges", lines.len()),
    };
    // Beside it DPoP is offered, without the error of the scheme that was used unless nobody can say which one was.
    if let Some(dpop) = dpop {
        let offer = grammar::challenge(dpop).unwrap_or_else(|| panic!("not a challenge: {dpop:?}"));
        assert!(offer.scheme == "DPoP" && offer.parameters.contains_key("algs"), "{dpop:?}");
    }
    let shown = String::from_utf8_lossy(line);
    assert!(line.is_ascii() && !line.iter().any(u8::is_ascii_control), "{shown:?}");
    let challenge = grammar::challenge(line).unwrap_or_else(|| panic!("not a challenge: {shown:?}"));
    assert_eq!(challenge.scheme, "Bearer");
    let value = |name: &str| challenge.parameters.get(name).map(Vec::as_slice);
    if let Some(realm) = realm {
        assert_eq!(value("realm"), Some(realm.as_bytes()));
    }
    assert!(value("realm").or(value("resource_metadata")).is_some(), "{shown:?}");
    let expected = match (status, value("error")) {
        (401, None) => scopes.map(|scopes| scopes.replace('|', " ")),
        (403, _) => Some(required.to_owned()),
        _ => None,
    };
    assert_eq!(value("scope"), expected.as_deref().map(str::as_bytes), "{shown:?}");
    if let Some(url) = value("resource_metadata") {
        assert!(url.iter().all(|byte| matches!(byte, b'!'..=b'~') && !b"\"\\#<>".contains(byte)), "{shown:?}");
    }
}
