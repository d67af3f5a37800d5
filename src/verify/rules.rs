//! The rules for a payload: what RFC 9068 section 4 and RFC 8725 ask of the claims.

use std::borrow::Cow;
use std::sync::Arc;

use super::jws::Header;
use super::times::Times;
use crate::token::claims::{Audience, ClaimSet, Confirmation};
use crate::token::error::{AuthError, Reason};
use crate::token::json::{Json, Object};
use crate::token::resource::Resource;
use crate::token::scope::Scope;
use crate::token::untrusted::Untrusted;

/// Most members of `aud`, most scope-tokens.
const MAX_LIST: usize = 256;

/// Which `typ` headers an issuer's access tokens carry (RFC 9068 section 2.1). Compared without case,
/// with or without `application/`.
///
/// Whatever is chosen, types that belong to other JWTs (`dpop+jwt`, `logout+jwt`, ...) are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Typ {
    /// `at+jwt` only: the default, because an ID token of the same issuer cannot pass for an access token.
    #[default]
    AtJwt,
    /// `at+jwt`, `JWT` or none: what many servers send. ID tokens are told apart by their claims.
    Jwt,
    /// Whatever is not the type of another kind of JWT.
    Any,
}

/// JWT types that are never access tokens (RFC 8725 section 3.11).
const OTHER_TYPES: [&str; 8] = [
    "dpop+jwt",
    "secevent+jwt",
    "logout+jwt",
    "token-introspection+jwt",
    "statuslist+jwt",
    "client-authentication+jwt",
    "oauth-authz-req+jwt",
    "entity-statement+jwt",
];

/// What one issuer's tokens must look like to pass at this resource.
#[derive(Debug)]
pub(crate) struct ClaimRules {
    pub(crate) issuer: Arc<str>,
    /// Exact strings, one of which must be in `aud`. None: any audience passes.
    pub(crate) audiences: Option<Vec<String>>,
    pub(crate) leeway: u64,
    pub(crate) max_lifetime: Option<u64>,
    pub(crate) typ: Typ,
    pub(crate) required: Vec<String>,
    /// Where the scope stands if not in `scope`; then a list is taken as well.
    pub(crate) scope_claim: Option<String>,
    pub(crate) roles_claim: Option<String>,
    pub(crate) resource: Arc<Resource>,
}

impl ClaimRules {
    /// Judges a payload whose issuer is the one of these rules, and copies nothing of it: the signature is still to
    /// be checked, and most tokens that a stranger sends end there.
    pub(crate) fn judge<'a>(&self, token: &Judged<'a>, now: u64) -> Result<Sound<'a>, AuthError> {
        let payload = token.payload;
        self.check_typ(token.header.typ)?;
        let times = Times::read(payload)?;
        times.check(now, self.leeway)?;
        self.check_lifetime(&times)?;
        let audience = self.audience(payload)?;
        self.check_required(payload)?;
        repeats_agree(token.repeated, payload)?;
        if self.typ != Typ::AtJwt && !token.header.typ.is_some_and(is_access_token_type) {
            refuse_id_token(payload)?;
        }
        let text = |name| payload.text(name).map_err(invalid);
        Ok(Sound {
            times,
            subject: text("sub")?,
            client_id: text("client_id")?.map_or_else(|| text("azp"), |client| Ok(Some(client)))?,
            audience,
            scope: self.scope(payload)?,
            jwt_id: text("jti")?,
            confirmation: confirmation(payload)?,
            payload,
            text: token.text,
        })
    }

    /// The claims of a token whose signature holds.
    pub(crate) fn claims(&self, token: Sound<'_>) -> ClaimSet {
        ClaimSet {
            issuer: self.issuer.clone(),
            subject: token.subject.map(Into::into),
            client_id: token.client_id.map(Into::into),
            audience: Audience::new(boxed(audiences(token.audience))),
            scope: Scope::new(token.scope),
            roles: self.roles(token.payload),
            jwt_id: token.jwt_id.map(Into::into),
            expires_at: token.times.expires_at,
            not_before: token.times.not_before,
            issued_at: token.times.issued_at,
            confirmation: token.confirmation,
            payload: token.text.into(),
            resource: self.resource.clone(),
            key_life: None,
            digest: None,
        }
    }

    fn check_typ(&self, typ: Option<&str>) -> Result<(), AuthError> {
        let accepted = match (self.typ, typ) {
            (_, Some(typ)) if is_access_token_type(typ) => true,
            (Typ::AtJwt, _) => false,
            (_, None) => true,
            (Typ::Jwt, Some(typ)) => media_type(typ).eq_ignore_ascii_case("jwt"),
            (Typ::Any, Some(typ)) => !OTHER_TYPES.iter().any(|other| media_type(typ).eq_ignore_ascii_case(other)),
        };
        match (accepted, typ) {
            (true, _) => Ok(()),
            (false, None) => Err(AuthError::with_detail(Reason::TypeNotAccepted, "the token has no typ")),
            (false, Some(typ)) => {
                Err(AuthError::with_detail(Reason::TypeNotAccepted, format_args!("typ is `{}`", Untrusted(typ))))
            }
        }
    }

    fn check_lifetime(&self, times: &Times) -> Result<(), AuthError> {
        let Some(limit) = self.max_lifetime else { return Ok(()) };
        let issued = times.issued_at.ok_or_else(|| AuthError::with_detail(Reason::ClaimMissing, "iat"))?;
        if times.expires_at.saturating_sub(issued) > limit {
            return Err(AuthError::with_detail(Reason::ClaimInvalid, "exp - iat exceeds the longest accepted life"));
        }
        Ok(())
    }

    fn audience<'a>(&self, payload: &'a Object<'a>) -> Result<&'a Json<'a>, AuthError> {
        let claim = payload.get("aud").ok_or_else(|| AuthError::with_detail(Reason::ClaimMissing, "aud"))?;
        let readable = match claim {
            Json::String(_) => true,
            Json::Array(list) => (1..=MAX_LIST).contains(&list.len()) && list.iter().all(|one| one.as_str().is_some()),
            _ => false,
        };
        if !readable {
            return Err(invalid("aud is neither a string nor a list of 1 to 256 strings"));
        }
        let ours = |own: &Vec<String>| audiences(claim).any(|member| own.iter().any(|own| own == member));
        if self.audiences.as_ref().is_none_or(ours) {
            return Ok(claim);
        }
        let first = Untrusted(audiences(claim).next().unwrap_or_default()).to_string();
        Err(AuthError::with_detail(Reason::AudienceMismatch, format_args!("aud is `{first}`")))
    }

    fn check_required(&self, payload: &Object<'_>) -> Result<(), AuthError> {
        match self.required.iter().find(|name| payload.get(name).is_none()) {
            None => Ok(()),
            Some(name) => Err(AuthError::with_detail(Reason::ClaimMissing, name)),
        }
    }

    fn scope<'a>(&self, payload: &'a Object<'a>) -> Result<Cow<'a, str>, AuthError> {
        let claim = match &self.scope_claim {
            Some(path) => payload.at(path),
            None => payload.get("scope"),
        };
        let scope = match claim {
            None => Cow::default(),
            Some(Json::String(text)) => Cow::Borrowed(text.as_ref()),
            Some(Json::Array(list)) if self.scope_claim.is_some() => {
                let tokens: Option<Vec<&str>> = list.iter().map(Json::as_str).collect();
                let tokens = tokens.filter(|tokens| tokens.iter().all(|token| !token.contains(' ')));
                Cow::Owned(tokens.ok_or_else(|| invalid("the scope is not a list of scope-tokens"))?.join(" "))
            }
            Some(_) => return Err(invalid("the scope is not a string")),
        };
        let too_many = scope.split(' ').filter(|token| !token.is_empty()).nth(MAX_LIST).is_some();
        let unreadable = too_many || scope.chars().any(char::is_control);
        if unreadable { Err(invalid("the scope has control characters or more than 256 tokens")) } else { Ok(scope) }
    }

    /// Strings, or objects with `value` (SCIM); any other shape grants nothing.
    fn roles(&self, payload: &Object<'_>) -> Box<[Box<str>]> {
        let claims: Vec<&Json<'_>> = match &self.roles_claim {
            Some(path) => payload.at(path).into_iter().collect(),
            None => ["roles", "groups", "entitlements"].iter().filter_map(|name| payload.get(name)).collect(),
        };
        let members = claims.into_iter().filter_map(Json::as_array).flatten();
        boxed(members.filter_map(role_name))
    }
}

/// A decoded token on its way through the rules.
pub(crate) struct Judged<'a> {
    pub(crate) header: &'a Header<'a>,
    /// The header's object, for claims repeated in it.
    pub(crate) repeated: &'a Object<'a>,
    pub(crate) payload: &'a Object<'a>,
    pub(crate) text: &'a str,
}

/// A payload that keeps every rule, borrowed from the token. Worth nothing until the signature holds.
pub(crate) struct Sound<'a> {
    times: Times,
    subject: Option<&'a str>,
    client_id: Option<&'a str>,
    audience: &'a Json<'a>,
    scope: Cow<'a, str>,
    jwt_id: Option<&'a str>,
    confirmation: Option<Confirmation>,
    payload: &'a Object<'a>,
    text: &'a str,
}

/// The members of an `aud`, a string or a list of strings.
fn audiences<'a>(claim: &'a Json<'a>) -> impl Iterator<Item = &'a str> + Clone {
    let list = claim.as_array().unwrap_or(std::slice::from_ref(claim));
    list.iter().filter_map(Json::as_str)
}

/// Counted first, so that the list is made in one piece.
fn boxed<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Box<[Box<str>]> {
    let mut list = Vec::with_capacity(texts.clone().count());
    list.extend(texts.map(Box::from));
    list.into_boxed_slice()
}

fn role_name<'a>(role: &'a Json<'_>) -> Option<&'a str> {
    match role {
        Json::Object(object) => object.get("value")?.as_str(),
        other => other.as_str(),
    }
}

/// A `typ` without a slash means `application/...` (RFC 7515 section 4.1.9).
fn media_type(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.get(..PREFIX.len()) {
        Some(start) if start.eq_ignore_ascii_case(PREFIX) => typ.get(PREFIX.len()..).unwrap_or(typ),
        _ => typ,
    }
}

fn is_access_token_type(typ: &str) -> bool {
    media_type(typ).eq_ignore_ascii_case("at+jwt")
}

/// RFC 7519 section 5.3: claims repeated in the header must agree with the payload.
fn repeats_agree(header: &Object<'_>, payload: &Object<'_>) -> Result<(), AuthError> {
    let differs = |name: &&str| header.get(name).is_some_and(|value| payload.get(name) != Some(value));
    match ["iss", "sub", "aud"].into_iter().find(differs) {
        None => Ok(()),
        Some(name) => Err(AuthError::with_detail(Reason::HeaderContradictsPayload, name)),
    }
}

/// Without the `typ` of RFC 9068 an ID token is told by what only it has, or by what it lacks.
fn refuse_id_token(payload: &Object<'_>) -> Result<(), AuthError> {
    let has = |names: &[&str]| names.iter().any(|name| payload.get(name).is_some());
    if has(&["nonce", "at_hash", "c_hash"]) || !has(&["scope", "scp", "client_id", "azp"]) {
        return Err(Reason::IdToken.into());
    }
    Ok(())
}

/// Unknown members beside a known one are ignored; `cnf` with only unknown ones is a refusal, because
/// passing it would turn a bound token into a bearer token (RFC 7800 section 3.1).
fn confirmation(payload: &Object<'_>) -> Result<Option<Confirmation>, AuthError> {
    let Some(cnf) = payload.get("cnf") else { return Ok(None) };
    let cnf = cnf.as_object().ok_or(Reason::ConfirmationUnknown)?;
    let member = |name: &str| match cnf.get(name) {
        None => Ok(None),
        Some(Json::String(text)) if !text.is_empty() => Ok(Some(Box::from(text.as_ref()))),
        Some(_) => Err(AuthError::new(Reason::ConfirmationUnknown)),
    };
    let confirmation = Confirmation { key_thumbprint: member("jkt")?, certificate_sha256: member("x5t#S256")? };
    if confirmation.key_thumbprint.is_none() && confirmation.certificate_sha256.is_none() {
        return Err(Reason::ConfirmationUnknown.into());
    }
    Ok(Some(confirmation))
}

fn invalid(what: impl std::fmt::Display) -> AuthError {
    AuthError::with_detail(Reason::ClaimInvalid, what)
}
