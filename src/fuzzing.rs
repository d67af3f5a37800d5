//! Doors to the inside for the targets in `fuzz/`. No rule stands here, so that what is fuzzed is what runs.
//!
//! Compiled under `cfg(fuzzing)` and in unit tests only; no part of the API.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, Uri};

use crate::middleware::body::BytesBody;
use crate::middleware::challenge::refuse;
use crate::middleware::recycled::Recycled;
use crate::remote::discovery;
use crate::server::resource_server::{Progress, ResourceServer};
use crate::token::claims::Claims;
use crate::token::error::{AuthError, Reason};
use crate::token::request::{ResourceRequest, Scheme};
use crate::verify::answer::{Asked, NoClaims};
use crate::verify::jwk::Jwk;
use crate::verify::jws::{self, Compact};
use crate::verify::nonce::Nonces;
use crate::verify::proof::{Presented, ProofRules};
use crate::verify::target::{Base, Target};

/// Signing input, header, payload and signature.
pub fn split(token: &str) -> Result<[&str; 4], AuthError> {
    let compact = Compact::split(token)?;
    Ok([compact.signing_input, compact.header, compact.payload, compact.signature])
}

pub fn base64url(text: &str) -> Option<Vec<u8>> {
    crate::verify::base64url::decode(text)
}

pub fn base64url_encode(bytes: &[u8]) -> String {
    crate::verify::base64url::encode(bytes)
}

#[derive(Debug)]
pub struct Header {
    pub algorithm: &'static str,
    pub kid: Option<String>,
    pub typ: Option<String>,
}

pub fn header(decoded: &[u8]) -> Result<Header, AuthError> {
    let object = jws::parse_header(decoded)?;
    let header = jws::Header::read(&object)?;
    Ok(Header {
        algorithm: header.algorithm.as_str(),
        kid: header.kid.map(String::from),
        typ: header.typ.map(String::from),
    })
}

/// The address of the keys.
pub fn metadata(media_type: HeaderValue, body: &[u8], issuer: &str, allow_http: bool) -> Option<Uri> {
    let mut response = Response::new(Bytes::copy_from_slice(body));
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    discovery::read(&response, issuer, allow_http).ok().and_then(|metadata| metadata.jwks_uri)
}

pub fn token(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    ResourceRequest::read(headers).map(|request| request.token())
}

/// The request that a proof is judged for.
#[derive(Debug, Clone, Copy)]
pub struct ProofContext<'a> {
    pub base: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub token: &'a str,
    pub thumbprint: &'a str,
    pub now: u64,
    pub nonce_secret: Option<[u8; 32]>,
}

/// Judges a proof with every default; the refusal in words.
pub fn proof(proof: &str, context: &ProofContext<'_>) -> Result<(), String> {
    let ProofContext { base, method, path, token, thumbprint, now, nonce_secret } = *context;
    let target = Base::parse(base).and_then(|base| base.target(path)).map_err(|bad| bad.to_string())?;
    let rules = ProofRules { nonces: nonce_secret.map(Nonces::new), ..ProofRules::default() };
    let presented = Presented { method, target: &target, token, thumbprint, now };
    rules.check(proof, &presented).map(drop).map_err(|fault| fault.to_string())
}

/// The normal form of a target.
pub fn target(uri: &str) -> Option<String> {
    Target::parse(uri).ok().map(|target| target.as_str().to_owned())
}

/// What can be judged without a fetch; none if keys would have to be fetched.
pub fn verdict(server: &ResourceServer, token: &str) -> Option<Result<Claims, AuthError>> {
    match server.begin(ResourceRequest::bearer(token).ok()?, None) {
        Progress::Done(verdict) => Some(verdict.map(|admitted| admitted.claims)),
        Progress::Waiting(_) => None,
    }
}

/// What comes of the body of an introspection answer about an opaque token; none where it is an outage.
pub fn introspection_answer(server: &ResourceServer, body: &[u8], now: u64) -> Option<Result<Claims, AuthError>> {
    let trusted = server.inner.verifier.issuers.values().next()?;
    match trusted.rules.read_answer(body, Asked::Opaque { audience_may_be_missing: false }, now) {
        Ok(set) => Some(Ok(Claims::new(set, Scheme::Bearer))),
        Err(NoClaims::Refused(error)) => Some(Err(error)),
        Err(NoClaims::Malformed(_) | NoClaims::KeyUnknown) => None,
    }
}

/// The public members of a key, printed canonically.
pub fn public_jwk(key: &Jwk) -> Option<String> {
    key.key.material.canonical_jwk()
}

/// One refusal of each kind.
pub fn refusals(server: &ResourceServer, required_scope: &str) -> Vec<Response<Bytes>> {
    let required: Arc<str> = required_scope.into();
    let wait = AuthError::retry_after(Reason::KeysUnavailable, Duration::from_millis(1500));
    let plain = [
        Reason::MissingToken,
        Reason::SeveralTokens,
        Reason::MalformedCredentials,
        Reason::SignatureInvalid,
        Reason::SenderConstrained,
        Reason::CertificateBound,
        Reason::ClockNotSet,
        Reason::LayerMissing,
    ];
    let errors = plain
        .map(AuthError::new)
        .into_iter()
        .chain([AuthError::insufficient_scope(Some(required.clone()), &required), wait]);
    errors.map(|error| refuse(error, Some(server.resource()), false, &BytesBody, Recycled::default())).collect()
}
