//! How long the tokens of one key may be believed without another look at its key set.

use std::sync::atomic::{AtomicU64, Ordering};

/// Shared by a key and every cached token that it signed: one number tells a hit whether to stand.
#[derive(Debug)]
pub(crate) struct KeyLife {
    /// The second since 1970 from which on the key set must be looked at first; 0 once the key was withdrawn.
    until: AtomicU64,
}

const WITHDRAWN: u64 = 0;

impl KeyLife {
    /// A key that was given by hand: nobody can withdraw it.
    pub(crate) fn endless() -> Self {
        KeyLife { until: AtomicU64::new(u64::MAX) }
    }

    pub(crate) fn is_believed(&self, wall: u64) -> bool {
        wall < self.until.load(Ordering::Acquire)
    }

    pub(crate) fn is_withdrawn(&self) -> bool {
        self.until.load(Ordering::Acquire) == WITHDRAWN
    }

    /// The key has left its set, or must not be used: its tokens die with it, for good.
    pub(crate) fn withdraw(&self) {
        self.until.store(WITHDRAWN, Ordering::Release);
    }

    /// Has no effect on a key that was withdrawn.
    pub(crate) fn believe_until(&self, wall: u64) {
        let keep = |until| (until != WITHDRAWN).then_some(wall.max(1));
        let _ = self.until.fetch_update(Ordering::AcqRel, Ordering::Acquire, keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withdrawn_key_stays_withdrawn() {
        let life = KeyLife::endless();
        assert!(life.is_believed(u64::MAX - 1));
        life.believe_until(100);
        assert!(life.is_believed(99) && !life.is_believed(100) && !life.is_withdrawn());
        life.withdraw();
        life.believe_until(200);
        assert!(life.is_withdrawn() && !life.is_believed(0));
    }
}
