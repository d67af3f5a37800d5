//! What a server that takes DPoP judges proofs by: the rules, the address that clients call, the proofs that were used.

use std::sync::Arc;

use http::Uri;

use super::builder::ResourceServerBuilder;
use super::dpop::{Dpop, DpopMode, OriginalUri};
use super::presentation::Proof;
use super::proxies::Proxies;
use crate::store::replay::ReplayStore;
use crate::store::replay_memory::InMemoryReplayStore;
use crate::telemetry;
use crate::token::error::{AuthError, Reason};
use crate::token::forwarded::Forwarded;
use crate::token::request::Head;
use crate::verify::crypto;
use crate::verify::nonce::Nonces;
use crate::verify::proof::{Presented, ProofRules, Proven};
use crate::verify::proof_fault::{FaultClass, ProofFault};
use crate::verify::target::{BadTarget, Base, Target};

pub(crate) struct Proofs {
    pub(super) rules: ProofRules,
    pub(super) base: Base,
    /// The digest of the resource's name.
    pub(super) name: [u8; 32],
    pub(super) original_uri: Option<OriginalUri>,
    pub(super) proxies: Proxies,
    pub(super) used: Arc<dyn ReplayStore>,
}

fn new_store() -> Arc<dyn ReplayStore> {
    Arc::new(InMemoryReplayStore::default())
}

impl ResourceServerBuilder {
    /// Whether Bearer tokens are taken, and how proofs are judged where they are.
    pub(super) fn proofs(&self) -> (bool, Option<Proofs>) {
        let dpop = match (&self.dpop, self.external_base()) {
            (Some(dpop), _) => dpop.clone(),
            (None, Some(_)) => Dpop::accept(),
            (None, None) => {
                telemetry::dpop_is_off(self.audiences.first().map(String::as_str).unwrap_or_default());
                return (true, None);
            }
        };
        let base = self.external_base().and_then(|base| Base::parse(&base).ok());
        let proofs = base.filter(|_| dpop.mode != DpopMode::Off).map(|base| Proofs {
            rules: dpop.rules(),
            name: crypto::sha256(self.identifier().map_or("", String::as_str).as_bytes()),
            base,
            original_uri: dpop.original_uri.clone(),
            proxies: Proxies::new(&dpop.proxies, dpop.address.as_ref()),
            used: dpop.replay_store.clone().or_else(|| self.used_before()).unwrap_or_else(new_store),
        });
        (dpop.mode != DpopMode::Require, proofs)
    }

    /// A proof that was used stays so under the configuration that follows.
    fn used_before(&self) -> Option<Arc<dyn ReplayStore>> {
        Some(self.before.as_ref()?.inner.proofs.as_ref()?.used.clone())
    }

    /// What was given, else the origin of the resource identifier.
    pub(super) fn external_base(&self) -> Option<String> {
        let given = self.dpop.as_ref().and_then(|dpop| dpop.external_base.clone());
        given.or_else(|| {
            let uri: Uri = self.identifier()?.parse().ok()?;
            Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
        })
    }
}

impl Dpop {
    fn rules(&self) -> ProofRules {
        let secret = self.nonce_secret.as_deref().and_then(|secret| secret.try_into().ok());
        ProofRules {
            algorithms: self.algorithms.clone(),
            past: self.past.as_secs(),
            future: self.future.as_secs(),
            nonces: secret.map(Nonces::new),
        }
    }
}

impl Proofs {
    /// As challenges list them.
    pub(super) fn algorithms(&self) -> Box<str> {
        let names: Vec<&str> = self.rules.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        names.join(" ").into()
    }

    /// The URI that the client called: the base, and the path as it was sent. Neither `Host` nor what proxies add is
    /// believed, because a caller can write both; but that of a trusted proxy.
    pub(super) fn target(&self, head: Head<'_>) -> Result<Target, BadTarget> {
        let original = self.original_uri.as_ref().and_then(|find| find(head.extensions));
        let path = original.unwrap_or(head.uri).path();
        if !self.proxies.sent(head.extensions) {
            return self.base.target(path);
        }
        let Forwarded { scheme, authority } = Forwarded::read(head.headers);
        self.base.called(scheme, authority)?.target(path)
    }

    pub(super) fn check(
        &self,
        proof: &Proof<'_>,
        token: &str,
        thumbprint: &str,
        now: u64,
    ) -> Result<Proven, AuthError> {
        let judged = proof.target.as_ref().map_err(|bad| ProofFault::from(*bad)).and_then(|target| {
            let presented = Presented { method: proof.method.as_str(), target, token, thumbprint, now };
            self.rules.check(&proof.text, &presented)
        });
        judged.map_err(|fault| match fault.class() {
            FaultClass::InvalidProof => AuthError::with_detail(Reason::ProofInvalid, fault),
            FaultClass::KeyMismatch => AuthError::with_detail(Reason::ProofKeyMismatch, fault),
            FaultClass::NonceNeeded => AuthError::nonce_needed(self.next_nonce(now).unwrap_or_default(), fault),
        })
    }

    /// One store may serve several resources, and a proof may be judged for each of them: every resource has its own names.
    pub(super) fn in_our_name(&self, proven: &Proven) -> Proven {
        let replay_key = crypto::sha256(&[&self.name[..], &proven.replay_key].concat());
        Proven { replay_key, ..proven.clone() }
    }

    /// The nonce for the next proof, where nonces are asked for.
    pub(super) fn next_nonce(&self, now: u64) -> Option<Box<str>> {
        self.rules.nonces.as_ref().map(|nonces| nonces.current(now).into())
    }
}
