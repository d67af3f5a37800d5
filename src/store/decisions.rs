//! Decisions of a decider that were asked for before.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;

use super::digest::KeyedDigest;
use crate::clock::Now;

/// Allowed, or denied for a reason.
pub(crate) type Kept = Result<(), Arc<str>>;

/// Decisions by the keyed digest of what they depend on, for a time. Bounded by their number: keys and reasons are no
/// longer than a few hundred bytes.
pub(crate) struct Decisions {
    entries: Cache<u128, (Kept, Now)>,
    digest: KeyedDigest,
    ttl: Duration,
}

/// Longest reason that is kept whole.
const MAX_REASON: usize = 256;

impl Decisions {
    pub(crate) fn new(capacity: usize, ttl: Duration, secret: [u8; 16]) -> Self {
        Decisions { entries: Cache::new(capacity.max(1)), digest: KeyedDigest::new(secret), ttl }
    }

    pub(crate) fn key(&self, parts: &[u8]) -> u128 {
        self.digest.of(parts)
    }

    /// None where it is too old by one of both clocks.
    pub(crate) fn get(&self, key: u128, now: Now) -> Option<Kept> {
        let (kept, since) = self.entries.get(&key)?;
        (now.since(since) < self.ttl).then_some(kept)
    }

    pub(crate) fn put(&self, key: u128, kept: Kept, now: Now) {
        let kept = kept.map_err(|reason| match reason.char_indices().nth(MAX_REASON) {
            Some((end, _)) => reason.get(..end).unwrap_or_default().into(),
            None => reason,
        });
        self.entries.insert(key, (kept, now));
    }
}

impl fmt::Debug for Decisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decisions").field("entries", &self.entries.len()).field("ttl", &self.ttl).finish()
    }
}
