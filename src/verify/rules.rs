//! The rules for a payload: what RFC 9068 section 4 and RFC 8725 ask of the claims.

use std::borrow::Cow;
use std::sync::Arc;

use super::audience::AudienceRule;
use super::jws::Header;
use super::role_map::RoleGrants;
use super::roles::{RolesClaim, roles};
use super::scopes::scope;
use super::times::{Times, auth_time};
use crate::token::audience::Audience;
use crate::token::claims::{ClaimSet, Confirmation};
use crate::token::error::{AuthError, Reason};
use crate::token::json::{Json, Object};
use crate::token::resource::Resource;
use crate::token::scope::Scope;
use crate::token::untrusted::Untrusted;

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
    pub(crate) audience: AudienceRule,
    pub(crate) leeway: u64,
    pub(crate) max_lifetime: Option<u64>,
    pub(crate) typ: Typ,
    pub(crate) required: Vec<String>,
    /// Where the scope stands if not in `scope`; then a list is taken as well.
    pub(crate) scope_claims: Vec<String>,
    /// Where the client stands if neither in `client_id` nor in `azp`.
    pub(crate) client_claim: Option<String>,
    /// Where the roles stand if not in the claims of RFC 9068.
    pub(crate) roles_claims: Vec<RolesClaim>,
    pub(crate) role_grants: Arc<RoleGrants>,
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
        let client_id = self.client(payload)?;
        let audience = self.audience.judge(payload, client_id)?;
        self.check_required(payload)?;
        token.repeated.map_or(Ok(()), |header| repeats_agree(header, payload))?;
        if self.typ != Typ::AtJwt && !token.header.typ.is_some_and(is_access_token_type) {
            self.refuse_id_token(payload, client_id)?;
        }
        self.sound(payload, token.text, times, client_id, audience)
    }

    /// What is left to read once times and audience are judged.
    pub(super) fn sound<'a>(
        &self,
        payload: &'a Object<'a>,
        text: &'a str,
        times: Times,
        client_id: Option<&'a str>,
        audience: Option<&'a Json<'a>>,
    ) -> Result<Sound<'a>, AuthError> {
        let member = |name| payload.text(name).map_err(invalid);
        Ok(Sound {
            times,
            subject: member("sub")?,
            client_id,
            audience,
            scope: scope(&self.scope_claims, payload)?,
            jwt_id: member("jti")?,
            confirmation: confirmation(payload)?,
            payload,
            text,
        })
    }

    /// The claims of a token whose signature holds.
    pub(crate) fn claims(&self, token: Sound<'_>) -> ClaimSet {
        let roles = roles(&self.roles_claims, token.payload);
        ClaimSet {
            issuer: self.issuer.clone(),
            subject: token.subject.map(Into::into),
            client_id: token.client_id.map(Into::into),
            audience: token.audience.map(|claim| Audience::new(boxed(audiences(claim)))).unwrap_or_default(),
            scope: Scope::new(token.scope),
            granted: self.role_grants.of(roles.iter().map(AsRef::as_ref)),
            roles,
            acr: token.payload.get("acr").and_then(Json::as_str).map(Into::into),
            auth_time: auth_time(token.payload),
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

    pub(crate) fn check_typ(&self, typ: Option<&str>) -> Result<(), AuthError> {
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

    pub(super) fn check_lifetime(&self, times: &Times) -> Result<(), AuthError> {
        let Some(limit) = self.max_lifetime else { return Ok(()) };
        let issued = times.issued_at.ok_or_else(|| AuthError::with_detail(Reason::ClaimMissing, "iat"))?;
        if times.expires_at.saturating_sub(issued) > limit {
            return Err(AuthError::with_detail(Reason::ClaimInvalid, "exp - iat exceeds the longest accepted life"));
        }
        Ok(())
    }

    pub(super) fn client<'a>(&self, payload: &'a Object<'a>) -> Result<Option<&'a str>, AuthError> {
        if let Some(path) = &self.client_claim {
            let claim = payload.at(path);
            let text = claim.map(|claim| claim.as_str().ok_or_else(|| invalid("the client is not a string")));
            return text.transpose();
        }
        let text = |name| payload.text(name).map_err(invalid);
        text("client_id")?.map_or_else(|| text("azp"), |client| Ok(Some(client)))
    }

    fn check_required(&self, payload: &Object<'_>) -> Result<(), AuthError> {
        match self.required.iter().find(|name| payload.get(name).is_none()) {
            None => Ok(()),
            Some(name) => Err(AuthError::with_detail(Reason::ClaimMissing, name)),
        }
    }

    /// Without the `typ` of RFC 9068 an ID token is told by what only it has or says of itself (`typ` of Keycloak,
    /// `token_use` of Cognito), or by what it lacks.
    fn refuse_id_token(&self, payload: &Object<'_>, client: Option<&str>) -> Result<(), AuthError> {
        let has = |names: &[&str]| names.iter().any(|name| payload.get(name).is_some());
        let says = |name: &str, kinds: &[&str]| {
            payload.get(name).and_then(Json::as_str).is_some_and(|kind| kinds.contains(&kind))
        };
        let other = has(&["nonce", "at_hash", "c_hash"])
            || says("typ", &["ID", "Refresh", "Offline", "Logout"])
            || says("token_use", &["id"]);
        if other || (client.is_none() && !has(&["scope", "scp", "client_id", "azp"])) {
            return Err(Reason::IdToken.into());
        }
        Ok(())
    }
}

/// A decoded token on its way through the rules.
pub(crate) struct Judged<'a> {
    pub(crate) header: &'a Header<'a>,
    /// The header's object, for claims repeated in it; absent where there are none.
    pub(crate) repeated: Option<&'a Object<'a>>,
    pub(crate) payload: &'a Object<'a>,
    pub(crate) text: &'a str,
}

/// A payload that keeps every rule, borrowed from the token. Worth nothing until the signature holds.
pub(crate) struct Sound<'a> {
    times: Times,
    subject: Option<&'a str>,
    client_id: Option<&'a str>,
    audience: Option<&'a Json<'a>>,
    scope: Cow<'a, str>,
    jwt_id: Option<&'a str>,
    pub(super) confirmation: Option<Confirmation>,
    payload: &'a Object<'a>,
    text: &'a str,
}

/// The members of an `aud`, a string or a list of strings.
pub(super) fn audiences<'a>(claim: &'a Json<'a>) -> impl Iterator<Item = &'a str> + Clone {
    let list = claim.as_array().unwrap_or(std::slice::from_ref(claim));
    list.iter().filter_map(Json::as_str)
}

/// Counted first, so that the list is made in one piece.
pub(super) fn boxed<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Box<[Box<str>]> {
    let mut list = Vec::with_capacity(texts.clone().count());
    list.extend(texts.map(Box::from));
    list.into_boxed_slice()
}

/// A `typ` without a slash means `application/...` (RFC 7515 section 4.1.9).
pub(super) fn media_type(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.get(..PREFIX.len()) {
        Some(start) if start.eq_ignore_ascii_case(PREFIX) => typ.get(PREFIX.len()..).unwrap_or(typ),
        _ => typ,
    }
}

fn is_access_token_type(typ: &str) -> bool {
    media_type(typ).eq_ignore_ascii_case("at+jwt")
}

/// The claims that a header may repeat (RFC 7519 section 5.3).
const REPEATED: [&str; 3] = ["iss", "sub", "aud"];

/// True if a header repeats a claim.
pub(crate) fn repeats_claims(header: &Object<'_>) -> bool {
    REPEATED.iter().any(|name| header.get(name).is_some())
}

/// RFC 7519 section 5.3: claims repeated in the header must agree with the payload.
fn repeats_agree(header: &Object<'_>, payload: &Object<'_>) -> Result<(), AuthError> {
    let differs = |name: &&str| header.get(name).is_some_and(|value| payload.get(name) != Some(value));
    match REPEATED.into_iter().find(differs) {
        None => Ok(()),
        Some(name) => Err(AuthError::with_detail(Reason::HeaderContradictsPayload, name)),
    }
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

pub(super) fn invalid(what: impl std::fmt::Display) -> AuthError {
    AuthError::with_detail(Reason::ClaimInvalid, what)
}
