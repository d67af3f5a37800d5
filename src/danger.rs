//! What a reviewer should search for: verification of less than a whole access token.
//!
//! Neither function looks at a single claim: whatever they accept may be expired, for somebody else, or
//! no access token at all. They exist for other protocols and for published test vectors.

use crate::token::error::{AuthError, Reason};
use crate::verify::algorithm::Algorithm;
use crate::verify::jwk::Jwk;
use crate::verify::jwks::Jwks;
use crate::verify::jws::{Compact, Header, parse_header};

/// Verifies the signature of a compact JWS (RFC 7515 section 5.2) and nothing else; returns the payload.
///
/// Only the given algorithms and keys are used; `crit` and `b64` are refused.
///
/// # Errors
/// Not a compact JWS, an algorithm that is not listed, no fitting key, or a signature that does not hold.
///
/// # Example
/// ```
/// # use tower_bearer::{Algorithm, Jwks, danger};
/// let keys = Jwks::default();
/// assert!(danger::verify_jws("eyJhbGciOiJub25lIn0.e30.", &keys, &[Algorithm::RS256]).is_err());
/// ```
pub fn verify_jws(token: &str, keys: &Jwks, algorithms: &[Algorithm]) -> Result<Vec<u8>, AuthError> {
    let compact = Compact::split(token)?;
    let header = compact.decode_header()?;
    let header = parse_header(&header)?;
    let header = Header::read(&header)?;
    if !algorithms.contains(&header.algorithm) {
        return Err(Reason::AlgorithmNotAllowed.into());
    }
    compact.verify(&header, &compact.decode_signature()?, keys)?;
    compact.decode_payload()
}

/// Verifies one signature over a message. `signature` is R || S for ECDSA, as in JWS.
///
/// # Errors
/// The key does not serve the algorithm, or the signature does not hold.
pub fn verify_signature(algorithm: Algorithm, key: &Jwk, message: &[u8], signature: &[u8]) -> Result<(), AuthError> {
    if !key.serves(algorithm) {
        return Err(Reason::KeyMismatch.into());
    }
    if key.key.material.verify(algorithm, message, signature) { Ok(()) } else { Err(Reason::SignatureInvalid.into()) }
}
