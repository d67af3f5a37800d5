//! Requests that wait for the end of a fetch: any number of them for one fetch, within bounds.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

use super::http_client::before;
use crate::token::error::Reason;

/// Requests of one issuer that may wait for a fetch; more would only pile up.
pub(super) const MAX_WAITING: usize = 4096;

/// The ends of attempts, announced to whoever waits for them.
pub(super) struct Waiting {
    /// Number of the last attempt that ended.
    ended: watch::Sender<u64>,
    places: Places,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Waiting { ended: watch::Sender::new(0), places: Places::new(MAX_WAITING) }
    }

    /// The next attempt may have ended before this call; its number is not taken back.
    pub(super) fn announce(&self, attempt: u64) {
        self.ended.send_modify(|ended| *ended = attempt.max(*ended));
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// Waits for the end of an attempt, as long as `limit` does.
    pub(super) async fn wait_for(&self, attempt: u64, limit: impl Future<Output = ()>) -> Result<(), Reason> {
        let _place = self.places.take().ok_or(Reason::KeysBusy)?;
        let mut ended = self.subscribe();
        let done = ended.wait_for(|&number| number >= attempt);
        before(done, limit).await.map(drop).ok_or(Reason::KeysUnavailable)
    }
}

/// A bounded number of places for those who wait.
pub(super) struct Places {
    taken: AtomicUsize,
    most: usize,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Places { taken: AtomicUsize::new(0), most }
    }

    pub(super) fn take(&self) -> Option<Place<'_>> {
        let place = Place(&self.taken);
        (self.taken.fetch_add(1, Ordering::AcqRel) < self.most).then_some(place)
    }
}

/// A place among the waiting, given back however the wait ends.
pub(super) struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
