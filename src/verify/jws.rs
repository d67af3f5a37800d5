//! JWS compact serialization (RFC 7515): split, header, signature.

use memchr::memchr_iter;

use super::algorithm::Algorithm;
use super::base64url::{append, decode, decoded_length};
use super::jwk::{Jwk, MAX_KID};
use super::jwks::{Candidates, Jwks};
use crate::token::error::{AuthError, Reason};
use crate::token::json::{self, Json, Object};
use crate::token::request::MAX_TOKEN;

/// Longest header that is decoded.
pub(super) const MAX_HEADER: usize = 4 * 1024;

/// The three parts of a compact JWS, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'a> {
    /// What the signature covers: header and payload as received.
    pub(crate) signing_input: &'a str,
    pub(crate) header: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) signature: &'a str,
}

impl<'a> Compact<'a> {
    /// Exactly three parts, lengths checked first. The payload may be empty, as in a JWS; it is no JWT then.
    pub(crate) fn split(token: &'a str) -> Result<Self, AuthError> {
        if token.len() > MAX_TOKEN {
            return Err(Reason::TokenTooLarge.into());
        }
        let mut dots = memchr_iter(b'.', token.as_bytes());
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(Reason::NotAJwt.into());
        };
        let part = |from: usize, to: usize| token.get(from..to).unwrap_or_default();
        let (header, payload, signature) = (part(0, first), part(first + 1, second), part(second + 1, token.len()));
        if header.is_empty() || signature.is_empty() {
            return Err(Reason::NotAJwt.into());
        }
        if header.len() * 3 / 4 > MAX_HEADER {
            return Err(Reason::TokenTooLarge.into());
        }
        let signing_input = part(0, second);
        Ok(Compact { signing_input, header, payload, signature })
    }

    pub(crate) fn decode_header(&self) -> Result<Vec<u8>, AuthError> {
        decode(self.header).ok_or_else(|| Reason::NotAJwt.into())
    }

    pub(crate) fn decode_payload(&self) -> Result<Vec<u8>, AuthError> {
        decode(self.payload).ok_or_else(|| Reason::NotAJwt.into())
    }

    /// Payload and signature in one piece of memory.
    pub(crate) fn decode_body(&self) -> Result<Body, AuthError> {
        let mut bytes = Vec::with_capacity(decoded_length(self.payload) + decoded_length(self.signature));
        append(self.payload, &mut bytes).ok_or(Reason::NotAJwt)?;
        let payload = bytes.len();
        append(self.signature, &mut bytes).ok_or(Reason::NotAJwt)?;
        Ok(Body { bytes, payload })
    }

    pub(crate) fn decode_signature(&self) -> Result<Vec<u8>, AuthError> {
        decode(self.signature).ok_or_else(|| Reason::NotAJwt.into())
    }

    /// Tries the keys that the header can mean; the first whose signature holds is returned.
    pub(crate) fn verify<'k>(
        &self,
        header: &Header<'_>,
        signature: &[u8],
        keys: &'k Jwks,
    ) -> Result<&'k Jwk, AuthError> {
        let candidates = match keys.candidates(header.kid, header.algorithm) {
            Candidates::Keys(candidates) => candidates,
            Candidates::Unknown => return Err(Reason::KeyUnknown.into()),
            Candidates::Unfit => return Err(Reason::KeyMismatch.into()),
            Candidates::Ambiguous => return Err(Reason::KeyAmbiguous.into()),
        };
        let message = self.signing_input.as_bytes();
        candidates
            .into_iter()
            .flatten()
            .find(|jwk| jwk.key.material.verify(header.algorithm, message, signature))
            .ok_or_else(|| Reason::SignatureInvalid.into())
    }
}

/// The decoded payload and signature of a compact JWS.
pub(crate) struct Body {
    bytes: Vec<u8>,
    /// Bytes of the payload, which comes first.
    payload: usize,
}

impl Body {
    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(..self.payload).unwrap_or_default()
    }

    pub(crate) fn signature(&self) -> &[u8] {
        self.bytes.get(self.payload..).unwrap_or_default()
    }
}

/// What counts of a JOSE header. There is no member for `jwk`, `jku`, `x5c` or `x5u`: a token cannot
/// bring its own key (RFC 8725 section 3.10).
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<&'a str>,
    pub(crate) typ: Option<&'a str>,
}

impl<'a> Header<'a> {
    /// Reads a parsed header. Every extension is refused: none is implemented (RFC 7515 section 4.1.11).
    pub(crate) fn read(object: &'a Object<'_>) -> Result<Self, AuthError> {
        if object.get("crit").is_some() || object.get("b64").is_some_and(|b64| *b64 != Json::Bool(true)) {
            return Err(Reason::CriticalHeader.into());
        }
        let name = object.text("alg").map_err(invalid)?.ok_or_else(|| invalid("alg is missing"))?;
        if object.get("enc").is_some() {
            return Err(AuthError::with_detail(Reason::NotAJwt, "the token is encrypted"));
        }
        let algorithm = name.parse().map_err(|_| Reason::AlgorithmNotAllowed)?;
        let kid = object.text("kid").map_err(invalid)?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(invalid("kid is longer than 256 bytes"));
        }
        Ok(Header { algorithm, kid, typ: object.text("typ").map_err(invalid)? })
    }
}

/// The one JSON object of a header.
pub(crate) fn parse_header(decoded: &[u8]) -> Result<Object<'_>, AuthError> {
    json::parse_object(decoded).map_err(invalid)
}

fn invalid(what: impl std::fmt::Display) -> AuthError {
    AuthError::with_detail(Reason::HeaderInvalid, what)
}
