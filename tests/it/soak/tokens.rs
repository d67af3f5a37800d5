//! Keys and tokens of all seeds, signed once: every seed begins at the same moment.

use std::time::{Duration, SystemTime};

use tower_bearer::testing::{ManualClock, SigningKey, TestIssuer};
use tower_bearer::{Algorithm, Jwk};

use crate::support::AS;

pub const KEYS: usize = 16;
const TOKENS_PER_KEY: usize = 12;
const DAY: Duration = Duration::from_secs(86400);

/// 2027-01-15, so that no clock of the machine has a say.
pub fn beginning() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub struct Key {
    pub jwk: serde_json::Value,
    pub thumbprint: String,
    /// Outlive the run, and were issued long before it: no jump of the clock makes them early or late.
    pub tokens: Vec<String>,
    pub expired: String,
    /// The payload of a good token under a signature that is none.
    pub forged: String,
}

pub struct Tokens {
    pub keys: Vec<Key>,
    /// Signed by keys that nobody ever published.
    pub strangers: Vec<String>,
}

impl Tokens {
    pub fn sign() -> Self {
        let issuer = TestIssuer::in_process_at(AS, ManualClock::at(beginning() - DAY));
        let keys = (0..KEYS).map(|n| key(&issuer, &format!("k{n}"))).collect();
        let stranger = SigningKey::generate(Algorithm::ES256);
        let strangers = (0..64).map(|n| long_lived(&issuer, &stranger.clone().with_kid(&format!("s{n}"))));
        Tokens { keys, strangers: strangers.collect() }
    }
}

fn key(issuer: &TestIssuer, kid: &str) -> Key {
    let key = SigningKey::generate(Algorithm::ES256).with_kid(kid);
    let parsed = Jwk::parse(key.jwk().to_string().as_bytes()).unwrap();
    Key {
        thumbprint: parsed.thumbprint().unwrap().to_owned(),
        jwk: key.jwk(),
        tokens: (0..TOKENS_PER_KEY).map(|_| long_lived(issuer, &key)).collect(),
        expired: issuer.token().key(&key).expires_in(DAY / 2).sign(),
        forged: issuer.token().key(&key).expires_in(4 * DAY).with_signature(&[1; 64]),
    }
}

fn long_lived(issuer: &TestIssuer, key: &SigningKey) -> String {
    issuer.token().key(key).expires_in(4 * DAY).sign()
}
