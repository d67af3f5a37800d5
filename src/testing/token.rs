//! Tokens of any shape.

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::draft::{Draft, any_shape};
use super::introspection::Issued;
use super::signing_key::SigningKey;
use crate::clock::unix_seconds;
use crate::verify::{base64url, certificate, crypto};

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
    draft: Draft,
    issued: Issued,
}

any_shape!(TokenBuilder);

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
        TokenBuilder { now, draft: Draft::new(key, header, members), issued: Issued::default() }
    }

    /// Where the issuer finds its opaque tokens again.
    pub(super) fn listed_in(self, issued: &Issued) -> Self {
        TokenBuilder { issued: issued.clone(), ..self }
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

    /// A token that is bound to this DPoP key (`cnf.jkt`).
    pub fn bound_to(self, key: &SigningKey) -> Self {
        self.bound_to_key(&key.thumbprint())
    }

    /// A token that is bound to a client certificate (`cnf.x5t#S256`, RFC 8705), given in DER.
    pub fn bound_to_certificate(self, der: &[u8]) -> Self {
        self.claim("cnf", json!({"x5t#S256": certificate::thumbprint(der)}))
    }

    /// A token that is bound to a DPoP key with this thumbprint (`cnf.jkt`).
    pub fn bound_to_key(self, thumbprint: &str) -> Self {
        self.claim("cnf", json!({"jkt": thumbprint}))
    }

    /// Signs with this key, and names it and its algorithm in the header.
    pub fn key(self, key: &SigningKey) -> Self {
        self.header("alg", key.algorithm().as_str()).header("kid", key.kid()).signed_by(key)
    }

    /// An opaque token of 43 random letters: what it stands for is told by the introspection endpoint of its issuer only.
    pub fn opaque(self) -> String {
        let token = base64url::encode(&crypto::random::<32>());
        self.opaque_as(&token)
    }

    /// An opaque token with this very text.
    pub fn opaque_as(self, text: &str) -> String {
        self.issued.insert(text, self.draft.into_payload());
        text.into()
    }
}
