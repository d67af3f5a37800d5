//! The rules for a payload: what RFC 9068 section 4 and RFC 8725 ask of the claims.

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
    /// Judges a payload whose issuer is the one of these rules. Nothing is trusted until the
    /// signature holds; the caller checks it before the result leaves its hands.
    pub(crate) fn judge(&self, token: &Judged<'_>, now: u64) -> Result<ClaimSet, AuthError> {
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
        Ok(ClaimSet {
            issuer: self.issuer.clone(),
            subject: optional_text(payload, "sub")?,
            client_id: match optional_text(payload, "client_id")? {
                Some(client) => Some(client),
                None => optional_text(payload, "azp")?,
            },
            audience,
            scope: self.scope(payload)?,
            roles: self.roles(payload),
            jwt_id: optional_text(payload, "jti")?,
            expires_at: times.expires_at,
            not_before: times.not_before,
            issued_at: times.issued_at,
            confirmation: confirmation(payload)?,
            payload: token.text.into(),
            resource: self.resource.clone(),
            key_life: None,
            digest: 0,
        })
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

    fn audience(&self, payload: &Object<'_>) -> Result<Audience, AuthError> {
        let claim = payload.get("aud").ok_or_else(|| AuthError::with_detail(Reason::ClaimMissing, "aud"))?;
        let members: Option<Vec<&str>> = match claim {
            Json::String(one) => Some(vec![one]),
            Json::Array(list) if !list.is_empty() && list.len() <= MAX_LIST => list.iter().map(Json::as_str).collect(),
            _ => None,
        };
        let members = members.ok_or_else(|| invalid("aud is neither a string nor a list of 1 to 256 strings"))?;
        let ours = |audiences: &Vec<String>| members.iter().any(|member| audiences.iter().any(|own| own == member));
        if self.audiences.as_ref().is_none_or(ours) {
            return Ok(Audience::new(members));
        }
        let first = Untrusted(members.first().copied().unwrap_or_default()).to_string();
        Err(AuthError::with_detail(Reason::AudienceMismatch, format_args!("aud is `{first}`")))
    }

    fn check_required(&self, payload: &Object<'_>) -> Result<(), AuthError> {
        match self.required.iter().find(|name| payload.get(name).is_none()) {
            None => Ok(()),
            Some(name) => Err(AuthError::with_detail(Reason::ClaimMissing, name)),
        }
    }

    fn scope(&self, payload: &Object<'_>) -> Result<Scope, AuthError> {
        let claim = match &self.scope_claim {
            Some(path) => payload.at(path),
            None => payload.get("scope"),
        };
        let scope = match claim {
            None => Scope::default(),
            Some(Json::String(text)) => Scope::new(text.as_ref()),
            Some(Json::Array(list)) if self.scope_claim.is_some() => {
                let tokens: Option<Vec<&str>> = list.iter().map(Json::as_str).collect();
                let tokens = tokens.filter(|tokens| tokens.iter().all(|token| !token.contains(' ')));
                Scope::new(tokens.ok_or_else(|| invalid("the scope is not a list of scope-tokens"))?.join(" "))
            }
            Some(_) => return Err(invalid("the scope is not a string")),
        };
        let unreadable = scope.as_str().chars().any(char::is_control) || scope.iter().nth(MAX_LIST).is_some();
        if unreadable { Err(invalid("the scope has control characters or more than 256 tokens")) } else { Ok(scope) }
    }

    /// Strings, or objects with `value` (SCIM); any other shape grants nothing.
    fn roles(&self, payload: &Object<'_>) -> Box<[Box<str>]> {
        let claims: Vec<&Json<'_>> = match &self.roles_claim {
            Some(path) => payload.at(path).into_iter().collect(),
            None => ["roles", "groups", "entitlements"].iter().filter_map(|name| payload.get(name)).collect(),
        };
        let members = claims.into_iter().filter_map(Json::as_array).flatten();
        members.filter_map(role_name).map(Into::into).collect()
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

fn optional_text(payload: &Object<'_>, name: &str) -> Result<Option<Box<str>>, AuthError> {
    Ok(payload.text(name).map_err(invalid)?.map(Into::into))
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
