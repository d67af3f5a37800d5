//! The key set at hand, and what a request may do with it.

use std::sync::Arc;
use std::time::Duration;

use super::key_fetch::Source;
use crate::clock::Now;
use crate::verify::jwks::Jwks;

/// A key set with the time it came.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) keys: Jwks,
    pub(super) fetched: Now,
    pub(super) source: Source,
}

impl Snapshot {
    pub(super) fn age(&self, now: Now) -> Duration {
        now.since(self.fetched)
    }
}

/// What a request may do with the set at hand.
#[derive(Debug)]
pub(crate) enum KeyView {
    Fresh(Arc<Snapshot>),
    /// To be believed only after an attempt to refresh it.
    OverAge(Arc<Snapshot>),
    Missing,
}

/// What a request that waited for a fetch has at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refreshed {
    /// The newest set there is for now: what it does not hold does not exist.
    Newest,
    /// The fetch failed: the last good set serves the keys it holds and says nothing of others.
    LastGood,
}
