//! A signed statement of who we are (RFC 7523 section 3), made anew for each call.

use serde_json::json;

use crate::verify::signing::PrivateKey;
use crate::verify::{base64url, crypto};

/// How long an assertion lives: long enough for one call, short enough to be of no use to a thief.
const LIFE: u64 = 60;

pub(crate) struct Assertion {
    pub(crate) client_id: String,
    /// The issuer as one string, so that no other server takes it for its own (RFC 7523bis), or what an older server
    /// wants there.
    pub(crate) audience: String,
    pub(crate) typ: &'static str,
    pub(crate) key: PrivateKey,
}

impl Assertion {
    /// None only where signing fails.
    pub(super) fn sign(&self, now: u64) -> Option<String> {
        let mut header = json!({"alg": self.key.algorithm().as_str(), "typ": self.typ});
        if let (Some(kid), Some(members)) = (self.key.kid(), header.as_object_mut()) {
            members.insert("kid".into(), kid.into());
        }
        let payload = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "jti": base64url::encode(&crypto::random::<16>()),
            "iat": now,
            "exp": now.saturating_add(LIFE),
        });
        let encode = |value: &serde_json::Value| base64url::encode(value.to_string().as_bytes());
        let input = format!("{}.{}", encode(&header), encode(&payload));
        let signature = self.key.sign(input.as_bytes())?;
        Some(format!("{input}.{}", base64url::encode(&signature)))
    }
}
