//! A key set (RFC 7517 section 5) and the choice of a key within it.

use std::fmt;

use super::algorithm::Algorithm;
use super::jwk::{Jwk, JwkError};
use crate::token::json::{self, Json};

/// Most keys that are read from one set.
const MAX_KEYS: usize = 256;

/// Most keys that are tried for one token.
const MAX_TRIES: usize = 4;

/// A set of verification keys, parsed key by key and prepared once.
///
/// A key that cannot verify is left out and listed in [`skipped`](Jwks::skipped); one odd key never
/// spoils the set. Shared secrets are never taken from a set.
///
/// # Example
/// ```
/// # use tower_bearer::Jwks;
/// let set = Jwks::parse(br#"{"keys":[
///   {"kty":"AKP","alg":"ML-DSA-44"},
///   {"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
/// ]}"#).unwrap();
/// assert_eq!(set.keys()[0].kid(), Some("1"));
/// assert_eq!(set.skipped().len(), 1);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Jwks {
    pub(crate) keys: Vec<Jwk>,
    skipped: Vec<(usize, JwkError)>,
    /// Thumbprints of skipped keys that stood there with their private part.
    pub(crate) exposed: Vec<Box<str>>,
}

/// Why a whole key set was refused; the previous one then stays in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwksError {
    /// Not a JSON object with an array `keys`, or a member stands twice.
    Malformed,
    /// More than 256 keys.
    TooManyKeys,
    /// No key of it can verify a token.
    NoUsableKey,
}

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JwksError::Malformed => "not a JSON object with an array `keys`",
            JwksError::TooManyKeys => "more than 256 keys",
            JwksError::NoUsableKey => "no key of the set can verify a token",
        })
    }
}

impl std::error::Error for JwksError {}

/// What became of the search for a token's key.
#[derive(Debug)]
pub(crate) enum Candidates<'a> {
    /// Keys to be tried in turn, four at most.
    Keys([Option<&'a Jwk>; MAX_TRIES]),
    /// No key of that name: the set may be behind the issuer.
    Unknown,
    /// The name is known, but none of its keys serves the algorithm.
    Unfit,
    /// Several keys fit, and the token does not say which one.
    Ambiguous,
}

impl Jwks {
    /// Reads a key set. A byte order mark and base64 deviations of real issuers are forgiven here.
    ///
    /// # Errors
    /// The set as a whole is unusable: see [`JwksError`].
    pub fn parse(text: &[u8]) -> Result<Self, JwksError> {
        let document = json::parse_lenient(json::without_byte_order_mark(text)).map_err(|_| JwksError::Malformed)?;
        let Json::Object(object) = &document else { return Err(JwksError::Malformed) };
        let keys = object.get("keys").and_then(Json::as_array).ok_or(JwksError::Malformed)?;
        if object.repeats() {
            return Err(JwksError::Malformed);
        }
        if keys.len() > MAX_KEYS {
            return Err(JwksError::TooManyKeys);
        }
        let mut set = Jwks::default();
        for (index, key) in keys.iter().enumerate() {
            match Jwk::from_json(key) {
                Ok(key) => set.keys.push(key),
                Err(error) => {
                    set.skipped.push((index, error));
                    set.exposed.extend(Jwk::exposed_by(key));
                }
            }
        }
        if set.keys.is_empty() { Err(JwksError::NoUsableKey) } else { Ok(set) }
    }

    /// A set of keys that are at hand already.
    pub fn from_keys(keys: impl IntoIterator<Item = Jwk>) -> Self {
        Jwks { keys: keys.into_iter().collect(), ..Jwks::default() }
    }

    /// The usable keys, in the order of the set.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The keys that were left out, by their place in the set, and why.
    pub fn skipped(&self) -> &[(usize, JwkError)] {
        &self.skipped
    }

    pub(crate) fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> Candidates<'_> {
        let named = |key: &&Jwk| kid.is_none() || key.kid() == kid;
        let mut fitting = [None; MAX_TRIES];
        let found = self.keys.iter().filter(named).filter(|key| key.serves(algorithm));
        let count = fitting.iter_mut().zip(found).map(|(place, key)| *place = Some(key)).count();
        match (count, kid) {
            (0, Some(_)) if self.keys.iter().any(|key| named(&key)) => Candidates::Unfit,
            (0, _) => Candidates::Unknown,
            (2.., None) => Candidates::Ambiguous,
            // Secrets are given by hand, so two of one name are a mistake and no rotation.
            (2.., Some(_)) if algorithm.is_symmetric() => Candidates::Ambiguous,
            _ => Candidates::Keys(fitting),
        }
    }
}
