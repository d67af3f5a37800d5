//! What the issuer said of tokens before, for as long as the operator lets it be believed.

use std::time::Duration;

use moka::sync::Cache;

use super::Outcome;
use crate::clock::Now;
use crate::token::claims::Claims;
use crate::token::error::{AuthError, ErrorKind};
use crate::verify::answer::Asked;

/// How long a bad answer is believed at most: a token that becomes active is waited for no longer.
const MAX_BAD_LIFE: Duration = Duration::from_secs(5);
const MAX_BAD: u64 = 10_000;

/// What the good answers may take, as for verified tokens.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
const ENTRY_OVERHEAD: usize = 512;

/// How long answers are believed; zero for not at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lives {
    pub(crate) opaque: Duration,
    /// None where JWTs are not asked about.
    pub(crate) jwt: Option<Duration>,
}

impl Lives {
    fn of(&self, asked: Asked) -> Duration {
        match asked {
            Asked::Opaque { .. } => self.opaque,
            Asked::Jwt => self.jwt.unwrap_or_default(),
        }
    }
}

/// Answers by the keyed digest of the token, which is not kept. Both kinds have a cache of their own, so that a flood
/// of bad tokens evicts no good one.
pub(super) struct Memory {
    good: Cache<u128, (Claims, Now)>,
    bad: Cache<u128, (AuthError, Now)>,
    lives: Lives,
}

impl Memory {
    pub(super) fn new(lives: Lives) -> Self {
        let longest = lives.opaque.max(lives.jwt.unwrap_or_default()).max(Duration::from_secs(1));
        let weigh = |_: &u128, (claims, _): &(Claims, Now)| {
            let set = claims.set();
            u32::try_from(ENTRY_OVERHEAD + 2 * set.payload.len() + set.granted.size()).unwrap_or(u32::MAX)
        };
        // Their own expiry only tidies: what is believed is judged below, by the clock of the server.
        let good = Cache::builder().max_capacity(MAX_BYTES).weigher(weigh).time_to_live(longest).build();
        let bad = Cache::builder().max_capacity(MAX_BAD).time_to_live(MAX_BAD_LIFE).build();
        Memory { good, bad, lives }
    }

    /// Never beyond `exp`, which a fresh answer is given a leeway for: then the issuer is asked again.
    pub(super) fn recall(&self, digest: u128, asked: Asked, now: Now) -> Option<Outcome> {
        let life = self.lives.of(asked);
        if life.is_zero() {
            return None;
        }
        if let Some((claims, since)) = self.good.get(&digest) {
            let lives = now.since(since) < life && now.not_before(since) < claims.set().expires_at;
            return lives.then_some(Ok(claims));
        }
        let (error, since) = self.bad.get(&digest)?;
        (now.since(since) < life.min(MAX_BAD_LIFE)).then_some(Err(error))
    }

    /// An outage is never kept.
    pub(super) fn keep(&self, digest: u128, asked: Asked, outcome: &Outcome, now: Now) {
        if self.lives.of(asked).is_zero() {
            return;
        }
        match outcome {
            Ok(claims) => {
                self.bad.invalidate(&digest);
                self.good.insert(digest, (claims.clone(), now));
            }
            Err(error) if error.kind() == ErrorKind::InvalidToken => {
                self.good.invalidate(&digest);
                self.bad.insert(digest, (error.clone(), now));
            }
            Err(_) => {}
        }
    }

    pub(super) fn forget(&self, digest: u128) {
        self.good.invalidate(&digest);
        self.bad.invalidate(&digest);
    }
}
