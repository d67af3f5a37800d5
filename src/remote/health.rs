//! The state of an issuer's keys, for probes and dashboards.

use std::time::Duration;

/// How an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuerHealth {
    /// The issuer identifier.
    pub issuer: String,
    /// Whether there are keys to verify with.
    pub keys: KeyState,
    /// The age of the keys; none where there are none, or where they were given by hand.
    pub age: Option<Duration>,
    /// Why the last attempt to fetch them failed, if it did.
    pub last_error: Option<String>,
    /// When they are fetched next; none where they were given by hand.
    pub next_attempt: Option<Duration>,
}

/// Whether an issuer has usable keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// Fetched within the refresh interval, or given by hand. Also where none are needed: the issuer's metadata name no
    /// `jwks_uri`, or it has none and its introspection endpoint was named, and it is asked about its opaque tokens.
    Fresh,
    /// The last good keys serve; the issuer could not be asked in time.
    Stale,
    /// None, or too old: tokens of this issuer are answered with 503.
    Missing,
}

impl KeyState {
    /// `fresh`, `stale` or `missing`.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyState::Fresh => "fresh",
            KeyState::Stale => "stale",
            KeyState::Missing => "missing",
        }
    }
}

impl IssuerHealth {
    pub(crate) fn given(issuer: &str) -> Self {
        IssuerHealth { issuer: issuer.into(), keys: KeyState::Fresh, age: None, last_error: None, next_attempt: None }
    }
}
