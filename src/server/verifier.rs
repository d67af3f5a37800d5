//! From the text of a token to claims: which issuer, which key, which rules.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Now;
use crate::remote::health::IssuerHealth;
use crate::remote::introspection::Introspector;
use crate::remote::jwks::RemoteJwks;
use crate::server::known_server;
use crate::server::trusted::{Round, Signed, Signer, Stuck, Trusted};
use crate::store::known_headers::KnownHeaders;
use crate::token::claims::ClaimSet;
use crate::token::error::{AuthError, Reason};
use crate::token::json::{self, Object};
use crate::token::untrusted::Untrusted;
use crate::verify::answer::Asked;
use crate::verify::jws::{Compact, Header, parse_header};
use crate::verify::outlook;
use crate::verify::rules::{Judged, repeats_claims};
use crate::verify::shape::is_opaque;

/// The trusted issuers by identifier.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) issuers: HashMap<Arc<str>, Trusted>,
    /// The one issuer that is asked about opaque tokens: they are never shown around.
    pub(crate) opaque: Option<Arc<Introspector>>,
    pub(crate) headers: KnownHeaders,
}

/// What the keys of an issuer say of a signature, before it is certain that the token is of this issuer.
struct Early<'a> {
    issuer: &'a Trusted,
    checked: Result<Signer, Stuck>,
}

impl Verifier {
    /// Verifies a JWT access token, and tells an opaque one where an issuer takes them.
    pub(crate) fn verify(&self, token: &str, now: Now, round: Round) -> Result<ClaimSet, Stuck> {
        self.verify_jwt(token, now, round).map_err(|stuck| match (&self.opaque, &stuck) {
            (Some(issuer), Stuck::Refused(error)) if says_no_jwt(error.reason()) && is_opaque(token) => {
                Stuck::Opaque(issuer.clone())
            }
            _ => stuck,
        })
    }

    /// What the payload alone is refused for comes before the signature, and both before any wait: an expired or foreign
    /// token costs neither a signature check nor a fetch. One that looks good is read after its signature, so that a
    /// forged one costs no reading.
    fn verify_jwt(&self, token: &str, now: Now, round: Round) -> Result<ClaimSet, Stuck> {
        let compact = Compact::split(token).map_err(|error| self.advise_on_opaque(error))?;
        let known = self.headers.find(compact.header);
        let (header_bytes, header_object);
        let (header, repeated) = match &known {
            Some(known) => (known.header(), None),
            None => {
                header_bytes = compact.decode_header()?;
                header_object = parse_header(&header_bytes)?;
                (Header::read(&header_object)?, Some(&header_object))
            }
        };
        // The signature too, before any wait for keys: what is no JWT causes no fetch, and is no outage either.
        let body = compact.decode_body()?;
        let signed = Signed { compact: &compact, header: &header, signature: body.signature() };
        let early = self.check_early(&signed, body.payload(), now, round);
        if let Some(Early { checked: Err(Stuck::Refused(error)), .. }) = &early
            && error.reason() == Reason::SignatureInvalid
            && self.issuers.len() == 1
        {
            return Err(Reason::SignatureInvalid.into());
        }
        let (text, payload) = json::parse_object_text(body.payload())
            .map_err(|error| AuthError::with_detail(Reason::PayloadInvalid, error))?;

        let trusted = self.issuer_of(&payload)?;
        if !trusted.algorithms.contains(&header.algorithm) {
            return Err(AuthError::with_detail(Reason::AlgorithmNotAllowed, header.algorithm).into());
        }
        let judged = Judged { header: &header, repeated, payload: &payload, text };
        let sound = trusted.rules.judge(&judged, now.wall);
        let sound = sound.map_err(|error| known_server::explain(error, trusted.known, &judged))?;
        trusted.attend();
        let signer = match early {
            Some(Early { issuer, checked }) if std::ptr::eq(issuer, trusted) => checked?,
            _ => trusted.check_signature(&signed, now, round)?,
        };
        let key_life = signer.admit(header.algorithm)?;
        if repeated.is_some_and(|header| !repeats_claims(header)) {
            self.headers.keep(compact.header, &header);
        }
        Ok(ClaimSet { key_life: Some(key_life), ..trusted.rules.claims(sound) })
    }

    /// By a glance at the payload. With one issuer its keys alone can have signed; among several the true one is known
    /// when the payload is read.
    fn check_early(&self, token: &Signed<'_>, payload: &[u8], now: Now, round: Round) -> Option<Early<'_>> {
        let issuer = self.trusted(outlook::issuer(payload)?)?;
        let looks_good = issuer.expects(token.header, payload, now.wall);
        looks_good.then(|| Early { issuer, checked: issuer.check_signature(token, now, round) })
    }

    /// Chosen among the trusted ones by the payload's `iss`, which nothing else is done with.
    fn issuer_of(&self, payload: &Object<'_>) -> Result<&Trusted, AuthError> {
        let claim = payload.text("iss").map_err(|what| AuthError::with_detail(Reason::ClaimInvalid, what))?;
        let issuer = claim.ok_or_else(|| AuthError::with_detail(Reason::ClaimMissing, "iss"))?;
        self.trusted(issuer).ok_or_else(|| {
            let error = AuthError::with_detail(Reason::IssuerUnknown, format_args!("iss is `{}`", Untrusted(issuer)));
            known_server::explain_issuer(error, issuer, |known| self.issuers.contains_key(known))
        })
    }

    /// What is no JWT names no issuer: only where there is one alone can it be said why it may be so.
    fn advise_on_opaque(&self, error: AuthError) -> AuthError {
        match self.issuers.values().next().and_then(|trusted| trusted.known) {
            Some(server) if self.issuers.len() == 1 => known_server::explain_opaque(error, server),
            _ => error,
        }
    }

    fn trusted(&self, issuer: &str) -> Option<&Trusted> {
        // Most servers trust one issuer: a comparison costs less than a hash.
        match self.issuers.iter().next() {
            Some((only, trusted)) if self.issuers.len() == 1 => (**only == *issuer).then_some(trusted),
            _ => self.issuers.get(issuer),
        }
    }

    pub(crate) fn remote(&self, issuer: &str) -> Option<&RemoteJwks> {
        self.issuers.get(issuer)?.remote()
    }

    /// How to ask about the JWTs of this issuer, where that is wanted.
    pub(crate) fn recheck_of(&self, issuer: &str) -> Option<(&Arc<Introspector>, Asked)> {
        let introspector = self.trusted(issuer)?.introspector.as_ref()?;
        Some((introspector, introspector.about_jwt()?))
    }

    pub(crate) fn introspectors(&self) -> impl Iterator<Item = &Arc<Introspector>> {
        self.issuers.values().filter_map(|trusted| trusted.introspector.as_ref())
    }

    /// In the order of the issuers' names. Keys given by hand are always fresh.
    pub(crate) fn health(&self, now: Now) -> Vec<IssuerHealth> {
        let mut issuers: Vec<IssuerHealth> = self
            .issuers
            .iter()
            .map(|(issuer, trusted)| match trusted.remote() {
                Some(remote) => remote.health(now),
                None => IssuerHealth::given(issuer),
            })
            .collect();
        issuers.sort_by(|one, other| one.issuer.cmp(&other.issuer));
        issuers
    }

    pub(crate) fn remotes(&self) -> impl Iterator<Item = &RemoteJwks> {
        self.issuers.values().filter_map(Trusted::remote)
    }
}

/// The reasons that an opaque token meets on the way of a JWT.
fn says_no_jwt(reason: Reason) -> bool {
    matches!(reason, Reason::NotAJwt | Reason::HeaderInvalid | Reason::CriticalHeader | Reason::TokenTooLarge)
}
