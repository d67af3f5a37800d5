//! Proofs of possession, as a client makes them.

use std::time::SystemTime;

use serde_json::json;

use super::draft::{Draft, any_shape};
use super::signing_key::SigningKey;
use crate::clock::unix_seconds;
use crate::verify::{base64url, crypto};

/// Builds a DPoP proof (RFC 9449 section 4.2): a good one unless told otherwise, a hostile one if asked.
///
/// Holds the public part of the key, the method, the URL without query and fragment, the time of day, and a random
/// `jti`. A resource server wants the digest of the token as well: [`token`](DpopProof::token). Each request needs a
/// proof of its own, also one that is sent again.
///
/// # Example
/// ```
/// # use tower_bearer::{Algorithm, testing::{DpopProof, SigningKey, TestIssuer}};
/// let issuer = TestIssuer::in_process("https://as.example.com");
/// let key = SigningKey::generate(Algorithm::ES256);
/// let token = issuer.token().bound_to(&key).sign();
/// let proof = DpopProof::new(&key, "GET", "https://api.example.com/orders").token(&token).sign();
/// let request = http::Request::get("/orders")
///     .header("authorization", format!("DPoP {token}"))
///     .header("dpop", proof);
/// # assert!(request.body(()).is_ok());
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct DpopProof {
    draft: Draft,
}

impl DpopProof {
    /// A proof for a request to `url`, made now.
    pub fn new(key: &SigningKey, method: &str, url: &str) -> Self {
        let header = json!({"typ": "dpop+jwt", "alg": key.algorithm().as_str(), "jwk": key.public_members()});
        let payload = json!({
            "jti": base64url::encode(&crypto::random::<16>()),
            "htm": method,
            "htu": url.split(['?', '#']).next(),
            "iat": unix_seconds(SystemTime::now()),
        });
        DpopProof { draft: Draft::new(key.clone(), header, payload) }
    }

    /// The token that is sent along (`ath`).
    pub fn token(self, token: &str) -> Self {
        self.claim("ath", base64url::encode(&crypto::sha256(token.as_bytes())))
    }

    /// The server's nonce.
    pub fn nonce(self, nonce: &str) -> Self {
        self.claim("nonce", nonce)
    }

    /// This identifier for a random one.
    pub fn jti(self, jti: &str) -> Self {
        self.claim("jti", jti)
    }

    /// Made at this time, in whole seconds.
    pub fn issued_at(self, time: SystemTime) -> Self {
        self.claim("iat", unix_seconds(time))
    }
}

any_shape!(DpopProof);
