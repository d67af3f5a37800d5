//! What the test issuer tells of tokens, and how they are revoked.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::clients::{Form, verified};
use super::endpoints::{document, empty, oauth_error};
use super::issuer::State;
use super::token::TokenBuilder;
use crate::clock::unix_seconds;

/// The opaque tokens of an issuer, with what they stand for. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Issued(Arc<Mutex<HashMap<String, Map<String, Value>>>>);

impl Issued {
    pub(super) fn insert(&self, token: &str, payload: Map<String, Value>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token.into(), payload);
    }

    fn get(&self, token: &str) -> Option<Map<String, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issued")
    }
}

const SIGNED: &str = "application/token-introspection+jwt";

impl State {
    /// RFC 7662 section 2.2, signed where it was asked for (RFC 9701).
    pub(super) fn introspect(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let form = Form::read(request.body());
        let Some(client) = self.client_of(request, &form) else {
            return oauth_error(StatusCode::UNAUTHORIZED, "invalid_client");
        };
        let Some(token) = form.get("token") else {
            return oauth_error(StatusCode::BAD_REQUEST, "invalid_request");
        };
        let answer = match self.payload_of(token) {
            Some(mut members) => {
                let bound = members.get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some());
                members.entry("token_type").or_insert(if bound { "DPoP" } else { "Bearer" }.into());
                members.insert("active".into(), true.into());
                Value::Object(members)
            }
            None => json!({"active": false}),
        };
        let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accepts.contains(SIGNED) { self.signed(&client, &answer) } else { document(StatusCode::OK, &answer) }
    }

    /// RFC 7009 section 2: a token that is not known is no error.
    pub(super) fn revoke_for(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let form = Form::read(request.body());
        if self.client_of(request, &form).is_none() {
            return oauth_error(StatusCode::UNAUTHORIZED, "invalid_client");
        }
        let Some(token) = form.get("token") else {
            return oauth_error(StatusCode::BAD_REQUEST, "invalid_request");
        };
        self.changing().revoked.insert(token.into());
        empty(StatusCode::OK)
    }

    /// What a token of this issuer stands for, while it is active.
    fn payload_of(&self, token: &str) -> Option<Map<String, Value>> {
        if self.changing().revoked.contains(token) {
            return None;
        }
        let jwt = || match verified(token, &self.jwks(), &["at+jwt", "JWT"]) {
            Some(Value::Object(payload)) => Some(payload),
            _ => None,
        };
        let payload = self.issued.get(token).or_else(jwt)?;
        let now = unix_seconds(self.clock.wall());
        let is_over = payload.get("exp").and_then(Value::as_u64).is_some_and(|exp| exp <= now);
        (!is_over).then_some(payload)
    }

    fn signed(&self, client: &str, answer: &Value) -> Response<Bytes> {
        let Some(key) = self.changing().keys.last().cloned() else { return empty(StatusCode::INTERNAL_SERVER_ERROR) };
        let envelope = json!({
            "iss": self.url,
            "aud": client,
            "iat": unix_seconds(self.clock.wall()),
            "token_introspection": answer,
        });
        let builder = TokenBuilder::new(&self.url, key, self.clock.wall()).typ("token-introspection+jwt");
        let mut response = Response::new(Bytes::from(builder.raw_payload(envelope.to_string()).sign()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(SIGNED));
        response
    }
}
