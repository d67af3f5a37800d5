//! What the test issuer answers.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::clients::{AUTH_METHODS, Form};
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
    /// The introspection endpoint (RFC 7662).
    Introspection,
    /// The revocation endpoint (RFC 7009).
    Revocation,
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
            (Endpoint::Introspection, &Method::POST) => self.introspect(request),
            (Endpoint::Revocation, &Method::POST) => self.revoke_for(request),
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
            "/introspect" => Some(Endpoint::Introspection),
            "/revoke" => Some(Endpoint::Revocation),
            _ => None,
        }
    }

    fn metadata(&self) -> Value {
        let base = self.url.trim_end_matches('/');
        json!({
            "issuer": self.url,
            "jwks_uri": format!("{base}/jwks"),
            "token_endpoint": format!("{base}/token"),
            "introspection_endpoint": format!("{base}/introspect"),
            "introspection_endpoint_auth_methods_supported": AUTH_METHODS,
            "revocation_endpoint": format!("{base}/revoke"),
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": AUTH_METHODS,
            "response_types_supported": [],
        })
    }

    /// Client credentials (RFC 6749 section 4.4), with `resource` (RFC 8707) or `audience` for the audience.
    fn token(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let form = Form::read(request.body());
        if form.get("grant_type") != Some("client_credentials") {
            return oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
        }
        let key = self.changing().keys.last().cloned();
        let (Some(id), Some(key)) = (self.client_of(request, &form), key) else {
            return oauth_error(StatusCode::UNAUTHORIZED, "invalid_client");
        };
        let audience = form.get("resource").or(form.get("audience")).unwrap_or("https://api.example.com");
        let scope = form.get("scope").unwrap_or_default();
        let token = TokenBuilder::new(&self.url, key, self.clock.wall()).subject(&id).client_id(&id);
        let token = token.audience(audience).scope(scope).sign();
        let answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": 600, "scope": scope});
        document(StatusCode::OK, &answer)
    }
}

pub(super) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

pub(super) fn document(status: StatusCode, value: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn oauth_error(status: StatusCode, error: &str) -> Response<Bytes> {
    let mut response = document(status, &json!({"error": error}));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
