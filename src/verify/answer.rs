//! The rules for what an issuer says of a token (RFC 7662 section 2.2), plain or signed (RFC 9701 section 5).

use super::algorithm::Algorithm;
use super::jwks::Jwks;
use super::jws::{Compact, Header, parse_header};
use super::rules::{ClaimRules, invalid, media_type};
use super::times::Times;
use crate::token::claims::ClaimSet;
use crate::token::error::{AuthError, Reason};
use crate::token::json::{self, Json, Object};
use crate::token::untrusted::Untrusted;

/// How old or how far ahead a signed answer may be, apart from the leeway: it was asked for just now.
const MAX_AGE: u64 = 60;

/// What was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A token of which nothing else is known.
    Opaque { audience_may_be_missing: bool },
    /// A JWT that was verified: what the answer leaves out stands in the token.
    Jwt,
}

/// Why an answer makes no claims.
#[derive(Debug)]
pub(crate) enum NoClaims {
    /// The issuer broke the protocol; the token was not judged.
    Malformed(&'static str),
    /// A signed answer names a key that is not at hand.
    KeyUnknown,
    Refused(AuthError),
}

impl<E: Into<AuthError>> From<E> for NoClaims {
    fn from(error: E) -> Self {
        NoClaims::Refused(error.into())
    }
}

/// Who may sign an answer, and for whom.
pub(crate) struct SignedFor<'a> {
    pub(crate) keys: &'a Jwks,
    pub(crate) algorithms: &'a [Algorithm],
    pub(crate) client_id: &'a str,
}

impl ClaimRules {
    /// Reads a plain answer: one JSON object with a boolean `active`.
    pub(crate) fn read_answer(&self, body: &[u8], asked: Asked, now: u64) -> Result<ClaimSet, NoClaims> {
        let (text, members) = json::parse_object_text(body)
            .map_err(|_| NoClaims::Malformed("the answer is not one JSON object, or a member stands twice"))?;
        self.judge_answer(&members, text, asked, now)
    }

    /// Reads a signed answer. Only what stands inside `token_introspection` says anything of the token.
    pub(crate) fn read_signed_answer(
        &self,
        jwt: &str,
        by: &SignedFor<'_>,
        asked: Asked,
        now: u64,
    ) -> Result<ClaimSet, NoClaims> {
        let payload = verified_payload(jwt, by)?;
        let envelope =
            json::parse_object(&payload).map_err(|_| NoClaims::Malformed("the signed answer holds no JSON object"))?;
        self.check_envelope(&envelope, by.client_id, now)?;
        let inside = envelope.get("token_introspection");
        let (Some(value), Some(members)) = (inside, inside.and_then(Json::as_object)) else {
            return Err(NoClaims::Malformed("the signed answer has no object `token_introspection`"));
        };
        self.judge_answer(members, &value.to_value().to_string(), asked, now)
    }

    /// RFC 9701 section 5: of this issuer, for this client, made just now.
    fn check_envelope(&self, envelope: &Object<'_>, client_id: &str, now: u64) -> Result<(), NoClaims> {
        if envelope.get("iss").and_then(Json::as_str) != Some(&*self.issuer) {
            return Err(NoClaims::Malformed("the signed answer is of another issuer"));
        }
        let audience = envelope.get("aud");
        let for_us = match audience {
            Some(Json::String(audience)) => audience == client_id,
            Some(Json::Array(list)) => list.iter().any(|one| one.as_str() == Some(client_id)),
            _ => false,
        };
        if !for_us {
            return Err(NoClaims::Malformed("the signed answer is for another client"));
        }
        let times = Times::read_open(envelope).map_err(|_| NoClaims::Malformed("a time of the signed answer"))?;
        let issued = times.issued_at.ok_or(NoClaims::Malformed("the signed answer has no `iat`"))?;
        let recent = issued.abs_diff(now) <= MAX_AGE.saturating_add(self.leeway);
        if !recent || times.check(now, self.leeway).is_err() {
            return Err(NoClaims::Malformed("the signed answer was not made just now; compare the clocks"));
        }
        Ok(())
    }

    fn judge_answer(&self, members: &Object<'_>, text: &str, asked: Asked, now: u64) -> Result<ClaimSet, NoClaims> {
        match members.get("active") {
            Some(Json::Bool(true)) => {}
            Some(Json::Bool(false)) => return Err(Reason::TokenInactive.into()),
            _ => return Err(NoClaims::Malformed("`active` is not true or false")),
        }
        self.check_answer_issuer(members)?;
        let times = Times::read_open(members)?;
        times.check(now, self.leeway)?;
        if asked != Asked::Jwt {
            self.check_lifetime(&times)?;
        }
        let client_id = self.client(members)?;
        let audience = self.answer_audience(members, client_id, asked)?;
        let sound = self.sound(members, text, times, client_id, audience)?;
        check_token_type(members, sound.confirmation.as_ref().is_some_and(|cnf| cnf.key_thumbprint.is_some()))?;
        Ok(self.claims(sound))
    }

    fn check_answer_issuer(&self, members: &Object<'_>) -> Result<(), AuthError> {
        match members.text("iss").map_err(invalid)? {
            Some(issuer) if *issuer != *self.issuer => {
                let what = format_args!("iss of the introspection answer is `{}`", Untrusted(issuer));
                Err(AuthError::with_detail(Reason::IssuerUnknown, what))
            }
            _ => Ok(()),
        }
    }

    /// A token that names no audience could be meant for anybody (RFC 9700 section 2.3), so its absence is a refusal
    /// unless the operator says otherwise.
    fn answer_audience<'a>(
        &self,
        members: &'a Object<'a>,
        client_id: Option<&str>,
        asked: Asked,
    ) -> Result<Option<&'a Json<'a>>, AuthError> {
        let may_be_missing = match asked {
            Asked::Jwt => true,
            Asked::Opaque { audience_may_be_missing } => audience_may_be_missing || self.audience.accepted.is_none(),
        };
        match members.get("aud") {
            None if may_be_missing => Ok(None),
            None if self.audience.client_ids.is_empty() => Err(Reason::AudienceMissing.into()),
            _ => self.audience.judge(members, client_id),
        }
    }
}

/// The payload, if the issuer signed it as such an answer.
fn verified_payload(jwt: &str, by: &SignedFor<'_>) -> Result<Vec<u8>, NoClaims> {
    let broken = |_| NoClaims::Malformed("the answer is not a signed JWT");
    let compact = Compact::split(jwt).map_err(broken)?;
    let decoded = compact.decode_header().map_err(broken)?;
    let object = parse_header(&decoded).map_err(broken)?;
    let header = Header::read(&object).map_err(broken)?;
    if !header.typ.is_some_and(|typ| media_type(typ).eq_ignore_ascii_case("token-introspection+jwt")) {
        return Err(NoClaims::Malformed("`typ` of the signed answer is not token-introspection+jwt"));
    }
    if !by.algorithms.contains(&header.algorithm) {
        return Err(NoClaims::Malformed("the answer is not signed with the agreed algorithm"));
    }
    let signature = compact.decode_signature().map_err(broken)?;
    match compact.verify(&header, &signature, by.keys) {
        Ok(key) if key.private_part || key.key.life.is_withdrawn() => Err(NoClaims::KeyUnknown),
        Ok(_) => compact.decode_payload().map_err(broken),
        Err(error) if error.reason() == Reason::KeyUnknown => Err(NoClaims::KeyUnknown),
        Err(_) => Err(NoClaims::Malformed("the signature of the answer does not hold")),
    }
}

/// Not a refresh token and not an ID token, of which an issuer may say as well that they are active.
fn check_token_type(members: &Object<'_>, bound_to_key: bool) -> Result<(), AuthError> {
    let refused = |what: &str, found: &str| {
        let what = format_args!("{what} is `{}`", Untrusted(found));
        Err(AuthError::with_detail(Reason::TokenTypeNotAccepted, what))
    };
    if let Some(kind) = members.text("token_type").map_err(invalid)? {
        let is = |name: &str| kind.eq_ignore_ascii_case(name);
        match is("dpop") {
            true if !bound_to_key => return refused("without `cnf.jkt`, token_type", kind),
            false if !is("bearer") && !is("n_a") => return refused("token_type", kind),
            _ => {}
        }
    }
    // Keycloak names the kind of a token here.
    match members.get("typ").and_then(Json::as_str) {
        Some(typ) if ["refresh", "offline", "id"].iter().any(|kind| typ.eq_ignore_ascii_case(kind)) => {
            refused("typ", typ)
        }
        _ => Ok(()),
    }
}
