//! Tokens of any shape.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::signing_key::SigningKey;
use crate::clock::unix_seconds;
use crate::verify::{base64url, crypto};

/// Builds an access token: a good one unless told otherwise, a hostile one if asked.
///
/// Begins with [`TestIssuer::token`](super::TestIssuer::token): typ `at+jwt`, the issuer's current key, all claims
/// of RFC 9068 section 2.2, subject `test-subject`, client `test-client`, audience `https://api.example.com`,
/// no scope, ten minutes to live.
///
/// # Example
/// ```
/// # use tower_bearer::testing::TestIssuer;
/// # use std::time::Duration;
/// let issuer = TestIssuer::in_process("https://as.example.com");
/// let token = issuer.token().subject("alice").scope("orders:write").expires_in(Duration::from_secs(60)).claim("dept", "x").sign();
/// assert_eq!(token.split('.').count(), 3);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct TokenBuilder {
    now: u64,
    key: SigningKey,
    header: Map<String, Value>,
    payload: Map<String, Value>,
    raw_header: Option<Vec<u8>>,
    raw_payload: Option<Vec<u8>>,
}

impl TokenBuilder {
    pub(super) fn new(issuer: &str, key: SigningKey, now: SystemTime) -> Self {
        let now = unix_seconds(now);
        let members = json!({
            "iss": issuer,
            "aud": "https://api.example.com",
            "sub": "test-subject",
            "client_id": "test-client",
            "jti": base64url::encode(&crypto::random::<16>()),
            "iat": now,
            "exp": now + 600,
        });
        let header = json!({"typ": "at+jwt", "alg": key.algorithm().as_str(), "kid": key.kid()});
        let (header, payload) = (into_map(header), into_map(members));
        TokenBuilder { now, key, header, payload, raw_header: None, raw_payload: None }
    }

    /// The subject (`sub`).
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// The client (`client_id`).
    pub fn client_id(self, client: &str) -> Self {
        self.claim("client_id", client)
    }

    /// The audience (`aud`).
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// The scopes, separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// How long the token lives from now on.
    pub fn expires_in(self, life: Duration) -> Self {
        let exp = self.now + life.as_secs();
        self.claim("exp", exp)
    }

    /// A token that ended an hour ago.
    pub fn expired(self) -> Self {
        let now = self.now;
        self.claim("iat", now - 7200).claim("exp", now - 3600)
    }

    /// A token that is bound to a DPoP key with this thumbprint (`cnf.jkt`).
    pub fn bound_to_key(self, thumbprint: &str) -> Self {
        self.claim("cnf", json!({"jkt": thumbprint}))
    }

    /// Any claim; replaces what stood there. What does not serialize becomes null.
    pub fn claim(mut self, name: &str, value: impl Serialize) -> Self {
        self.payload.insert(name.into(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// The token without this claim.
    pub fn without(mut self, name: &str) -> Self {
        self.payload.remove(name);
        self
    }

    /// Any header member; replaces what stood there.
    pub fn header(mut self, name: &str, value: impl Serialize) -> Self {
        self.header.insert(name.into(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// The token without this header member.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// The header's `typ`.
    pub fn typ(self, typ: &str) -> Self {
        self.header("typ", typ)
    }

    /// Signs with this key, and names it and its algorithm in the header.
    pub fn key(mut self, key: &SigningKey) -> Self {
        self.header.insert("alg".into(), key.algorithm().as_str().into());
        self.header.insert("kid".into(), key.kid().into());
        self.signed_by(key)
    }

    /// Signs with this key, whatever the header says: a forgery.
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        self.key = key.clone();
        self
    }

    /// These very bytes for the header, well-formed or not.
    pub fn raw_header(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_header = Some(bytes.into());
        self
    }

    /// These very bytes for the payload, well-formed or not.
    pub fn raw_payload(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_payload = Some(bytes.into());
        self
    }

    /// The payload as JSON text, to be changed and given to [`raw_payload`](TokenBuilder::raw_payload).
    pub fn payload_json(&self) -> String {
        Value::Object(self.payload.clone()).to_string()
    }

    /// The header as JSON text, to be changed and given to [`raw_header`](TokenBuilder::raw_header).
    pub fn header_json(&self) -> String {
        Value::Object(self.header.clone()).to_string()
    }

    /// Header and payload, encoded: what the signature covers.
    pub fn signing_input(&self) -> String {
        let header = self.raw_header.clone().unwrap_or_else(|| self.header_json().into_bytes());
        let payload = self.raw_payload.clone().unwrap_or_else(|| self.payload_json().into_bytes());
        format!("{}.{}", base64url::encode(&header), base64url::encode(&payload))
    }

    /// The signed token.
    pub fn sign(self) -> String {
        let input = self.signing_input();
        let signature = self.key.sign(input.as_bytes());
        self.with_signature(&signature)
    }

    /// The token with these bytes for a signature.
    pub fn with_signature(self, signature: &[u8]) -> String {
        format!("{}.{}", self.signing_input(), base64url::encode(signature))
    }
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
