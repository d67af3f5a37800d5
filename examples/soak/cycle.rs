//! What happens when: one minute, again and again.

use std::sync::Arc;

use tower_bearer::Algorithm;
use tower_bearer::testing::{Endpoint, SigningKey, TestIssuer};

use crate::wallet::Wallet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Calm,
    /// A new key is published, and signs from the next phase on.
    NewKey,
    /// 333 tokens a second, each with another key that nobody knows.
    FloodOfKeys,
    /// As many tokens with a signature that does not hold.
    FloodOfSignatures,
    /// The old key is gone; its tokens are sent still.
    KeyWithdrawn,
}

/// What strangers send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    None,
    UnknownKeys,
    BadSignatures,
}

impl Phase {
    fn at(second: u32) -> Self {
        match second % 60 {
            0..=14 => Phase::Calm,
            15..=22 => Phase::NewKey,
            23..=37 => Phase::FloodOfKeys,
            38..=47 => Phase::FloodOfSignatures,
            _ => Phase::KeyWithdrawn,
        }
    }

    pub fn flood(self) -> Flood {
        match self {
            Phase::FloodOfKeys => Flood::UnknownKeys,
            Phase::FloodOfSignatures => Flood::BadSignatures,
            Phase::Calm | Phase::NewKey | Phase::KeyWithdrawn => Flood::None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Phase::Calm => "calm",
            Phase::NewKey => "new key published",
            Phase::FloodOfKeys => "flood: unknown keys",
            Phase::FloodOfSignatures => "flood: bad signatures",
            Phase::KeyWithdrawn => "old key withdrawn",
        }
    }
}

pub struct Cycle {
    issuer: TestIssuer,
    wallet: Arc<Wallet>,
    old: SigningKey,
    new: Option<SigningKey>,
    second: u32,
    phase: Phase,
}

impl Cycle {
    pub fn new(issuer: TestIssuer, wallet: Arc<Wallet>) -> Self {
        let old = issuer.key();
        Cycle { issuer, wallet, old, new: None, second: 0, phase: Phase::Calm }
    }

    /// One second on; does what the phase that begins asks for.
    pub fn step(&mut self) -> Phase {
        let phase = Phase::at(self.second);
        self.second += 1;
        if phase != self.phase {
            self.phase = phase;
            self.enter(phase);
        }
        phase
    }

    fn enter(&mut self, phase: Phase) {
        match (phase, self.new.take()) {
            (Phase::NewKey, _) => self.new = Some(self.issuer.add_key(SigningKey::generate(Algorithm::ES256))),
            (Phase::FloodOfKeys, Some(new)) => {
                self.wallet.sign_with(&new);
                let old = std::mem::replace(&mut self.old, new);
                self.wallet.remember_withdrawn(&old);
            }
            (Phase::KeyWithdrawn, _) => self.wallet.withdraw(&self.issuer),
            (Phase::Calm, _) => self.wallet.begin_again(),
            (_, new) => self.new = new,
        }
    }

    pub fn fetches(&self) -> u64 {
        self.issuer.requests(Endpoint::Jwks)
    }
}
