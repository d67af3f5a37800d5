//! From the text of a token to claims: which issuer, which key, which rules.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Now;
use crate::remote::health::IssuerHealth;
use crate::remote::introspection::{AnswerKeys, Introspector};
use crate::remote::jwks::RemoteJwks;
use crate::remote::refresh::Why;
use crate::remote::snapshot::{KeyView, Snapshot};
use crate::server::known_server::{self, KnownServer};
use crate::store::known_headers::KnownHeaders;
use crate::token::claims::ClaimSet;
use crate::token::error::{AuthError, Reason};
use crate::token::json::{self, Object};
use crate::token::untrusted::Untrusted;
use crate::verify::algorithm::Algorithm;
use crate::verify::answer::Asked;
use crate::verify::jwk::Jwk;
use crate::verify::jwks::Jwks;
use crate::verify::jws::{Compact, Header, parse_header};
use crate::verify::rules::{ClaimRules, Judged, repeats_claims};
use crate::verify::shape::is_opaque;

/// Where an issuer's keys come from.
#[derive(Debug)]
pub(crate) enum KeySource {
    Given(Arc<Jwks>),
    Secret(Arc<Jwks>),
    Remote(Arc<RemoteJwks>),
}

impl KeySource {
    /// The keys of the issuer's signed answers; a secret signs none.
    pub(crate) fn of_answers(&self) -> AnswerKeys {
        match self {
            KeySource::Given(keys) => AnswerKeys::Given(keys.clone()),
            KeySource::Secret(_) => AnswerKeys::Given(Arc::default()),
            KeySource::Remote(remote) => AnswerKeys::Remote(remote.clone()),
        }
    }
}

/// One trusted issuer: its keys serve its own tokens only.
#[derive(Debug)]
pub(crate) struct Trusted {
    pub(crate) rules: Arc<ClaimRules>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) known: Option<KnownServer>,
    pub(crate) keys: KeySource,
    pub(crate) introspector: Option<Arc<Introspector>>,
}

/// The trusted issuers by identifier.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) issuers: HashMap<Arc<str>, Trusted>,
    /// The one issuer that is asked about opaque tokens: they are never shown around.
    pub(crate) opaque: Option<Arc<Introspector>>,
    pub(crate) headers: KnownHeaders,
}

/// Why verification stopped.
#[derive(Debug)]
pub(crate) enum Stuck {
    Refused(AuthError),
    /// The issuer's keys must be fetched first.
    Waits {
        issuer: Arc<str>,
        why: Why,
    },
    /// The token is no JWT: only its issuer can tell what it is.
    Opaque(Arc<Introspector>),
}

impl<E: Into<AuthError>> From<E> for Stuck {
    fn from(error: E) -> Self {
        Stuck::Refused(error.into())
    }
}

/// Whether keys were waited for already, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    First,
    /// What is at hand decides.
    AfterWaiting,
    /// What is at hand serves, and a key that it does not hold may exist all the same.
    AfterOutage,
}

/// The keys at hand: borrowed from the configuration or from the store's snapshot.
enum AtHand {
    Given(Arc<Jwks>),
    Fetched(Arc<Snapshot>),
}

impl AtHand {
    fn keys(&self) -> &Jwks {
        match self {
            AtHand::Given(keys) => keys,
            AtHand::Fetched(snapshot) => &snapshot.keys,
        }
    }
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

    /// The cheap refusals come before the signature, and both before any wait: an expired or foreign token costs neither
    /// a signature check nor a fetch.
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
        let (text, payload) = json::parse_object_text(body.payload())
            .map_err(|error| AuthError::with_detail(Reason::PayloadInvalid, error))?;

        let trusted = self.issuer_of(&payload)?;
        if !trusted.algorithms.contains(&header.algorithm) {
            return Err(AuthError::with_detail(Reason::AlgorithmNotAllowed, header.algorithm).into());
        }
        let judged = Judged { header: &header, repeated, payload: &payload, text };
        let sound = trusted.rules.judge(&judged, now.wall);
        let sound = sound.map_err(|error| known_server::explain(error, trusted.known, &judged))?;
        let at_hand = trusted.keys_at_hand(now, round)?;
        let key = trusted.verify_signature(&compact, body.signature(), &header, at_hand.keys(), round)?;
        if repeated.is_some_and(|header| !repeats_claims(header)) {
            self.headers.keep(compact.header, &header);
        }
        Ok(ClaimSet { key_life: Some(key.key.life.clone()), ..trusted.rules.claims(sound) })
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

impl Trusted {
    fn remote(&self) -> Option<&RemoteJwks> {
        match &self.keys {
            KeySource::Remote(remote) => Some(remote),
            KeySource::Given(_) | KeySource::Secret(_) => None,
        }
    }

    fn keys_at_hand(&self, now: Now, round: Round) -> Result<AtHand, Stuck> {
        let remote = match &self.keys {
            KeySource::Given(keys) | KeySource::Secret(keys) => return Ok(AtHand::Given(keys.clone())),
            KeySource::Remote(remote) => remote,
        };
        remote.attend();
        match (remote.view(now), round) {
            (KeyView::Fresh(snapshot), _) | (KeyView::OverAge(snapshot), Round::AfterOutage) => {
                Ok(AtHand::Fetched(snapshot))
            }
            (KeyView::OverAge(_), Round::First | Round::AfterWaiting) => Err(self.waits(Why::OverAge)),
            (KeyView::Missing, Round::First) => Err(self.waits(Why::Missing)),
            (KeyView::Missing, Round::AfterWaiting | Round::AfterOutage) => Err(Reason::KeysUnavailable.into()),
        }
    }

    fn waits(&self, why: Why) -> Stuck {
        Stuck::Waits { issuer: self.rules.issuer.clone(), why }
    }

    fn verify_signature<'k>(
        &self,
        compact: &Compact<'_>,
        signature: &[u8],
        header: &Header<'_>,
        keys: &'k Jwks,
        round: Round,
    ) -> Result<&'k Jwk, Stuck> {
        // A shared secret has no name: whatever `kid` the token carries, there is one key to try.
        let kid = if matches!(self.keys, KeySource::Secret(_)) { None } else { header.kid };
        let header = Header { kid, ..*header };
        let checked = match compact.verify(&header, signature, keys) {
            Ok(key) => check_key(key, header.algorithm).map_err(AuthError::from),
            Err(error) => Err(error),
        };
        // Also a key that was withdrawn while this request looked at it: the set that follows may hold its twin.
        checked.map_err(|error| match self.may_be_behind(error.reason(), header.kid, round) {
            true => self.waits(Why::UnknownKey),
            false => error.into(),
        })
    }

    /// A key that is not known may have been published since. A bad signature under a known name never causes a
    /// fetch; without a name it may be that of a key that has replaced the one at hand.
    fn may_be_behind(&self, reason: Reason, kid: Option<&str>, round: Round) -> bool {
        let unknown = match reason {
            Reason::KeyUnknown => true,
            Reason::SignatureInvalid => kid.is_none(),
            _ => false,
        };
        unknown && round != Round::AfterWaiting && matches!(self.keys, KeySource::Remote(_))
    }
}

/// The reasons that an opaque token meets on the way of a JWT.
fn says_no_jwt(reason: Reason) -> bool {
    matches!(reason, Reason::NotAJwt | Reason::HeaderInvalid | Reason::CriticalHeader | Reason::TokenTooLarge)
}

fn check_key(key: &Jwk, algorithm: Algorithm) -> Result<&Jwk, Reason> {
    if key.private_part {
        return Err(Reason::KeyPublishedPrivately);
    }
    if key.key.life.is_withdrawn() {
        return Err(Reason::KeyUnknown);
    }
    if key.algorithm.is_none() && !key.key.pin(algorithm) {
        return Err(Reason::AlgorithmPinned);
    }
    Ok(key)
}
