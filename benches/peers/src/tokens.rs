//! The tokens of the benchmark: 965 bytes with RS256, of 15 claims and 6 scopes.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::keys::{self, Algorithm, Key};

pub const ISSUER: &str = "https://as.example.com";
pub const AUDIENCE: &str = "https://api.example.com";

/// So that an RS256 token has 965 bytes.
const PAYLOAD: usize = 416;

/// Longer than any run.
const LIFE: u64 = 12 * 3600;

/// The claims as a struct, for every crate that takes one of the caller's.
#[derive(Clone, Deserialize)]
#[allow(dead_code, reason = "deserialized for the sake of the work")]
pub struct TokenClaims {
    pub iss: String,
    pub aud: Vec<String>,
    pub sub: String,
    pub client_id: String,
    pub azp: String,
    pub iat: u64,
    pub nbf: u64,
    pub exp: u64,
    pub scope: String,
    pub typ: String,
    pub roles: Vec<String>,
    pub preferred_username: String,
    pub email: String,
    pub email_verified: bool,
    pub jti: String,
}

/// Tokens of one issuer with one key.
pub struct Minter {
    pub key: Key,
    pub issuer: String,
    now: u64,
}

impl Minter {
    pub fn new(algorithm: Algorithm) -> Minter {
        Minter::of(ISSUER, algorithm)
    }

    /// The key's name has ten letters for every algorithm, so that the header has the same length.
    pub fn of(issuer: &str, algorithm: Algorithm) -> Minter {
        let key = Key::generate(algorithm, &format!("key-{}x", algorithm.name()));
        Minter { key, issuer: issuer.into(), now: now() }
    }

    pub fn jwks(&self) -> String {
        keys::jwks(std::slice::from_ref(&self.key))
    }

    /// The `number`th good token.
    pub fn good(&self, number: usize) -> String {
        self.key.sign(&self.payload(number, self.now, self.now + LIFE))
    }

    /// One that ended an hour ago.
    pub fn expired(&self, number: usize) -> String {
        self.key.sign(&self.payload(number, self.now - 7200, self.now - 3600))
    }

    /// One whose signature does not hold.
    pub fn bad(&self, number: usize) -> String {
        keys::spoil(&self.good(number))
    }

    /// `count` good tokens, signed by two threads since RSA takes its time.
    pub fn many(&self, count: usize) -> Vec<String> {
        let half = |range: std::ops::Range<usize>| range.map(|number| self.good(number)).collect::<Vec<_>>();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| half(count / 2..count));
            let mut tokens = half(0..count / 2);
            tokens.extend(second.join().expect("tokens"));
            tokens
        })
    }

    fn payload(&self, number: usize, iat: u64, exp: u64) -> String {
        let Minter { issuer, .. } = self;
        let mut payload = format!(
            "{{\"iss\":\"{issuer}\",\"aud\":[\"{AUDIENCE}\",\"account\"],\"sub\":\"user-{number:08}\",\
             \"client_id\":\"web-app\",\"azp\":\"web-app\",\"iat\":{iat},\"nbf\":{iat},\"exp\":{exp},\
             \"scope\":\"openid profile email orders:read orders:write files:read\",\"typ\":\"Bearer\",\
             \"roles\":[\"clerk\",\"admin\"],\"preferred_username\":\"alice\",\"email\":\"alice@example.com\",\
             \"email_verified\":true,\"jti\":\""
        );
        let room = PAYLOAD.saturating_sub(payload.len() + 2);
        payload.push_str(&format!("{number:0room$}\"}}"));
        payload
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_printout() {
        assert_eq!(Minter::new(Algorithm::Rs256).good(1).len(), 965);
        assert_eq!(Minter::new(Algorithm::Es256).good(1).len(), 709);
        assert_eq!(Minter::new(Algorithm::EdDsa).good(9_999_999).len(), 709);
    }

    #[test]
    fn there_are_fifteen_claims_and_six_scopes() {
        let payload = Minter::new(Algorithm::Hs256).payload(7, 1, 2);
        let value: serde_json::Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 15);
        let claims: TokenClaims = serde_json::from_str(&payload).unwrap();
        assert_eq!(claims.scope.split(' ').count(), 6);
    }
}
