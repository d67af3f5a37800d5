//! The key set at hand, and what a request may do with it.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Now;
use crate::verify::jwks::Jwks;

/// The part of the interval after which a set must be looked at before it is believed. The regular refresh has
/// begun by 0.88 of it.
pub(super) const OVERDUE: f64 = 1.1;

/// A key set with the time it came.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) keys: Jwks,
    pub(super) fetched: Now,
}

impl Snapshot {
    /// The longer of both clocks: a suspended machine stops one, a clock set back the other.
    pub(super) fn age(&self, now: Now) -> Duration {
        let wall = Duration::from_secs(now.wall.saturating_sub(self.fetched.wall));
        wall.max(now.monotonic.saturating_sub(self.fetched.monotonic))
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
