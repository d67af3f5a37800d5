//! What the test issuer answers.

use base64::Engine;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::fault::{Manner, Planned, not_modified};
use super::issuer::State;
use super::token::TokenBuilder;
use crate::verify::{base64url, crypto};

/// An endpoint of the test issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// The metadata document, in any of its forms.
    Metadata,
    /// The key set.
    Jwks,
    /// The token endpoint.
    Token,
}

impl State {
    /// What is answered, and how.
    pub(super) fn plan(&self, request: &Request<Bytes>) -> Planned {
        let plain = |response| Planned { response, manner: Manner::Plain };
        let Some(endpoint) = self.endpoint(request.uri().path()) else {
            return plain(empty(StatusCode::NOT_FOUND));
        };
        let (answer, fault) = {
            let mut changing = self.changing();
            *changing.requests.entry(endpoint).or_default() += 1;
            (changing.overrides.get(&endpoint).cloned(), changing.faults.get(&endpoint).cloned())
        };
        let response = answer.unwrap_or_else(|| self.good(endpoint, request));
        match fault {
            Some(fault) => fault.spoil(response),
            None => plain(response),
        }
    }

    fn good(&self, endpoint: Endpoint, request: &Request<Bytes>) -> Response<Bytes> {
        match (endpoint, request.method()) {
            (Endpoint::Metadata, &Method::GET) => document(StatusCode::OK, &self.metadata()),
            (Endpoint::Jwks, &Method::GET) => self.key_set(request),
            (Endpoint::Token, &Method::POST) => self.token(request),
            _ => empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    /// With an ETag where they are used: the hash of the set.
    fn key_set(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut response = document(StatusCode::OK, &self.jwks());
        if !self.changing().etags {
            return response;
        }
        let etag = format!("\"{}\"", base64url::encode(&crypto::sha256(response.body())));
        let listed = |value: &HeaderValue| {
            let mut tags = value.to_str().unwrap_or_default().split(',').map(str::trim);
            tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
        };
        let unchanged = request.headers().get_all(IF_NONE_MATCH).iter().any(listed);
        response.headers_mut().insert(ETAG, HeaderValue::from_str(&etag).expect("base64url in quotes"));
        if unchanged {
            not_modified(&mut response);
        }
        response
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        let base: http::Uri = self.url.parse().ok()?;
        let own = base.path().trim_end_matches('/');
        let inserted = path.strip_suffix(own).unwrap_or(path);
        match inserted {
            "/.well-known/oauth-authorization-server" => return Some(Endpoint::Metadata),
            "/.well-known/openid-configuration" => return Some(Endpoint::Metadata),
            _ => {}
        }
        match path.strip_prefix(own)? {
            "/.well-known/openid-configuration" => Some(Endpoint::Metadata),
            "/jwks" => Some(Endpoint::Jwks),
            "/token" => Some(Endpoint::Token),
            _ => None,
        }
    }

    fn metadata(&self) -> Value {
        let base = self.url.trim_end_matches('/');
        json!({
            "issuer": self.url,
            "jwks_uri": format!("{base}/jwks"),
            "token_endpoint": format!("{base}/token"),
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "response_types_supported": [],
        })
    }

    /// Client credentials (RFC 6749 section 4.4), with `resource` (RFC 8707) or `audience` for the audience.
    fn token(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let form = form(request.body());
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        if field("grant_type") != Some("client_credentials") {
            return oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
        }
        let posted = || Some((field("client_id")?.to_owned(), field("client_secret")?.to_owned()));
        let Some((id, secret)) = basic(request).or_else(posted) else {
            return oauth_error(StatusCode::UNAUTHORIZED, "invalid_client");
        };
        let (known, key) = {
            let changing = self.changing();
            (changing.clients.get(&id).is_some_and(|expected| *expected == secret), changing.keys.last().cloned())
        };
        let (true, Some(key)) = (known, key) else {
            return oauth_error(StatusCode::UNAUTHORIZED, "invalid_client");
        };
        let audience = field("resource").or(field("audience")).unwrap_or("https://api.example.com");
        let scope = field("scope").unwrap_or_default();
        let token = TokenBuilder::new(&self.url, key, self.clock.wall()).subject(&id).client_id(&id);
        let token = token.audience(audience).scope(scope).sign();
        let answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": 600, "scope": scope});
        document(StatusCode::OK, &answer)
    }
}

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

fn document(status: StatusCode, value: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn oauth_error(status: StatusCode, error: &str) -> Response<Bytes> {
    let mut response = document(status, &json!({"error": error}));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
fn basic(request: &Request<Bytes>) -> Option<(String, String)> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(value).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((form_decode(id), form_decode(secret)))
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (form_decode(key), form_decode(value))).collect()
}

/// `application/x-www-form-urlencoded`; what is not well-formed stays as it is.
fn form_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        let escaped = match (byte, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => bytes.push(high << 4 | low),
            None if *byte == b'+' => bytes.push(b' '),
            None => bytes.push(*byte),
        }
        rest = if escaped.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
