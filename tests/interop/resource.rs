//! The resource server under test.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::testing::{ManualClock, SigningKey, TestIssuer};
use tower_bearer::{Algorithm, AuthError, Claims, Issuer, ResourceRequest, ResourceServer};

/// A resource server with a clock to be moved.
pub struct Resource {
    pub server: ResourceServer,
    pub clock: ManualClock,
}

impl Resource {
    pub fn new(audience: &str, issuer: Issuer) -> Self {
        let clock = ManualClock::new();
        let server = ResourceServer::builder(audience, issuer).clock(clock.clone()).build().unwrap();
        Resource { server, clock }
    }

    pub async fn judge(&self, token: &str) -> Result<Claims, AuthError> {
        self.server.authenticate(ResourceRequest::bearer(token).unwrap()).await
    }

    /// `ok` or the reason code.
    pub async fn verdict(&self, token: &str) -> &'static str {
        match self.judge(token).await {
            Ok(_) => "ok",
            Err(error) => error.code(),
        }
    }

    /// Good until its life and the leeway are over, and no longer; nothing else changes.
    pub async fn expires(&self, token: &str) {
        let end = self.judge(token).await.unwrap().expires_at().unwrap();
        self.clock.set_wall(end + Duration::from_secs(29));
        let still = self.verdict(token).await;
        self.clock.set_wall(end + Duration::from_secs(31));
        assert_eq!((still, self.verdict(token).await), ("ok", "token_expired"));
    }
}

/// A proof for a request to a token endpoint (RFC 9449 section 4.2), made by hand.
pub fn proof(url: &str) -> String {
    let key = SigningKey::generate(Algorithm::ES256);
    let mut jwk = key.jwk();
    jwk.as_object_mut().unwrap().retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let payload: Value = json!({"htm": "POST", "htu": url, "iat": now, "jti": format!("proof-{now}-{}", key.kid())});
    let token = TestIssuer::in_process("https://client.example.com").token().key(&key).without_header("kid");
    token.typ("dpop+jwt").header("jwk", jwk).raw_payload(payload.to_string()).sign()
}
