//! One trusted issuer, and the signatures that its keys make.

use std::sync::Arc;

use crate::clock::Now;
use crate::remote::introspection::{AnswerKeys, Introspector};
use crate::remote::jwks::RemoteJwks;
use crate::remote::refresh::Why;
use crate::remote::snapshot::{KeyView, Snapshot};
use crate::server::known_server::KnownServer;
use crate::token::error::{AuthError, Reason};
use crate::token::key_life::KeyLife;
use crate::verify::algorithm::Algorithm;
use crate::verify::jwk::{Jwk, TrackedKey};
use crate::verify::jwks::Jwks;
use crate::verify::jws::{Compact, Header};
use crate::verify::outlook::Outlook;
use crate::verify::rules::ClaimRules;

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
    pub(crate) outlook: Outlook,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) known: Option<KnownServer>,
    pub(crate) keys: KeySource,
    pub(crate) introspector: Option<Arc<Introspector>>,
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

/// A token whose header is read, and whose payload need not be.
pub(super) struct Signed<'a> {
    pub(super) compact: &'a Compact<'a>,
    pub(super) header: &'a Header<'a>,
    pub(super) signature: &'a [u8],
}

/// The key that made a signature.
pub(super) struct Signer {
    key: Arc<TrackedKey>,
    /// The set does not say for which algorithm it is.
    is_open: bool,
}

impl Signer {
    /// The life of the key, which from now on is for this algorithm alone. Only a token that is good in everything else
    /// may fix that.
    pub(super) fn admit(self, algorithm: Algorithm) -> Result<Arc<KeyLife>, Reason> {
        if self.is_open && !self.key.pin(algorithm) {
            return Err(Reason::AlgorithmPinned);
        }
        Ok(self.key.life.clone())
    }
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

impl Trusted {
    pub(crate) fn remote(&self) -> Option<&RemoteJwks> {
        match &self.keys {
            KeySource::Remote(remote) => Some(remote),
            KeySource::Given(_) | KeySource::Secret(_) => None,
        }
    }

    /// Begins the regular fetch of keys where no task does.
    pub(super) fn attend(&self) {
        if let Some(remote) = self.remote() {
            remote.attend();
        }
    }

    /// True where nothing that shows at a glance speaks against a token.
    pub(super) fn expects(&self, header: &Header<'_>, payload: &[u8], now: u64) -> bool {
        self.algorithms.contains(&header.algorithm)
            && self.rules.check_typ(header.typ).is_ok()
            && self.outlook.is_good(payload, now, self.rules.leeway)
    }

    fn keys_at_hand(&self, now: Now, round: Round) -> Result<AtHand, Stuck> {
        let remote = match &self.keys {
            KeySource::Given(keys) | KeySource::Secret(keys) => return Ok(AtHand::Given(keys.clone())),
            KeySource::Remote(remote) => remote,
        };
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

    /// The signature, and whether its key may be used. Whatever it says, a payload that breaks a rule is refused for
    /// that.
    pub(super) fn check_signature(&self, token: &Signed<'_>, now: Now, round: Round) -> Result<Signer, Stuck> {
        let at_hand = self.keys_at_hand(now, round)?;
        // A shared secret has no name: whatever `kid` the token carries, there is one key to try.
        let kid = if matches!(self.keys, KeySource::Secret(_)) { None } else { token.header.kid };
        let header = Header { kid, ..*token.header };
        let checked = match token.compact.verify(&header, token.signature, at_hand.keys()) {
            Ok(key) => signer(key).map_err(AuthError::from),
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

fn signer(key: &Jwk) -> Result<Signer, Reason> {
    if key.private_part {
        return Err(Reason::KeyPublishedPrivately);
    }
    if key.key.life.is_withdrawn() {
        return Err(Reason::KeyUnknown);
    }
    Ok(Signer { key: key.key.clone(), is_open: key.algorithm.is_none() })
}
