//! What may be asked of an issuer's keys: the set at hand, a fresh one, their state, and to forget one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::AbortHandle;

use super::health::{IssuerHealth, KeyState};
use super::key_fetch::{KeyFetcher, Source};
use super::key_store::{GRACE, KeyStore, RETRY_AFTER};
use super::last_good::LastGoodKeys;
use super::refresh::{KeyTiming, Start, Why};
use super::snapshot::{KeyView, Refreshed};
use crate::clock::Now;
use crate::token::error::AuthError;
use crate::verify::jwk::Jwk;

/// One issuer's keys. Dropping it ends its tasks.
pub(crate) struct RemoteJwks {
    store: Arc<KeyStore>,
}

impl RemoteJwks {
    pub(crate) fn new(fetcher: KeyFetcher, timing: KeyTiming) -> Self {
        RemoteJwks { store: Arc::new(KeyStore::new(fetcher, timing)) }
    }

    /// Puts a set in force that was fetched earlier, by another process for instance. Its age counts from then.
    pub(crate) fn start_with(&self, keys: &LastGoodKeys) {
        let fetched = Now { wall: keys.fetched, ..self.store.now() };
        let source = Source { text: keys.text.clone(), etag: None };
        self.store.install(keys.keys.clone(), source, fetched);
        self.store.prolong_keys();
        self.store.unattended.store(true, Ordering::Relaxed);
    }

    /// Starts with what is held against keys of this issuer, wherever they are published, and with the keys of one that
    /// looks for them at the same place, on the word of the same authorities.
    pub(crate) fn inherit(&self, other: &RemoteJwks) {
        let record = other.store.state().record.clone();
        self.store.state().record = record;
        if !self.store.fetcher.goes_the_way_of(&other.store.fetcher) {
            return;
        }
        other.last_good().iter().for_each(|keys| self.start_with(keys));
    }

    /// Begins to look after keys that an earlier process kept. Building a server cannot: it touches no network, and
    /// there may be no runtime yet.
    pub(crate) fn attend(&self) {
        if self.store.unattended.load(Ordering::Relaxed) {
            self.begin(Why::Scheduled);
        }
    }

    /// The set at hand, without waiting.
    pub(crate) fn view(&self, now: Now) -> KeyView {
        let Some(snapshot) = self.store.snapshot.load_full() else { return KeyView::Missing };
        let (age, timing) = (snapshot.age(now), &self.store.timing);
        if age >= timing.stale {
            return KeyView::Missing;
        }
        // The regular refresh has begun by 88 % of the interval; later the set needs one attempt first.
        if age > timing.overdue() && !self.store.tried_since(&snapshot) {
            return KeyView::OverAge(snapshot);
        }
        KeyView::Fresh(snapshot)
    }

    /// The state for an operator. Begins a fetch where there are no keys.
    pub(crate) fn health(&self, now: Now) -> IssuerHealth {
        let keys = match self.view(now) {
            KeyView::Missing => {
                self.begin(Why::Missing);
                if self.needs_none() { KeyState::Fresh } else { KeyState::Missing }
            }
            KeyView::Fresh(snapshot) if snapshot.age(now) <= self.store.timing.overdue() => KeyState::Fresh,
            KeyView::Fresh(_) | KeyView::OverAge(_) => KeyState::Stale,
        };
        let snapshot = self.store.snapshot.load();
        let state = self.store.state();
        IssuerHealth {
            issuer: self.store.fetcher.issuer.clone(),
            keys,
            age: snapshot
                .as_ref()
                .filter(|snapshot| keys != KeyState::Missing && !snapshot.source.is_none())
                .map(|snapshot| snapshot.age(now)),
            last_error: state.last_error.clone(),
            next_attempt: Some(state.gate.due().saturating_sub(now.monotonic)),
        }
    }

    /// The issuer has no metadata that could name keys, and nothing of what is asked of it needs any. A JWT in its name
    /// is an outage all the same: the metadata may be back.
    pub(crate) fn needs_none(&self) -> bool {
        self.store.fetcher.needs_no_metadata && self.store.state().no_metadata
    }

    /// Begins a fetch, unless it is too early for one, and does not wait for it.
    pub(crate) fn begin(&self, why: Why) {
        self.store.start(why);
    }

    /// Begins or joins a fetch, whatever the gate would say; the number to wait for, or none without a runtime.
    pub(crate) fn force(&self) -> Option<u64> {
        match self.store.start(Why::Forced) {
            Start::Begin(attempt) | Start::Join(attempt) => Some(attempt),
            Start::CoolingDown | Start::BackingOff(_) => None,
        }
    }

    /// Waits for the end of a fetch; it has a deadline of its own and always ends.
    pub(crate) async fn ended(&self, attempt: Option<u64>) -> Result<(), AuthError> {
        let attempt = attempt.ok_or_else(|| self.store.unavailable(RETRY_AFTER))?;
        let ended = self.store.waiting.wait_for(attempt, std::future::pending());
        ended.await.map_err(|reason| AuthError::retry_after(reason, RETRY_AFTER))?;
        if self.store.state().gate.is_failing() { Err(self.store.unavailable(RETRY_AFTER)) } else { Ok(()) }
    }

    /// Never uses the key with this thumbprint again. True if it was in use.
    pub(crate) fn forget(&self, thumbprint: &str) -> bool {
        self.store.state().record.forgotten.insert(thumbprint.into());
        let Some(snapshot) = self.store.snapshot.load_full() else { return false };
        let is_it = |key: &&Jwk| key.thumbprint() == Some(thumbprint);
        let was_used = snapshot.keys.keys().iter().any(|key| is_it(&key));
        snapshot.keys.keys().iter().filter(is_it).for_each(|key| key.key.life.withdraw());
        was_used
    }

    /// The set at hand as it was published, and when.
    pub(crate) fn last_good(&self) -> Option<LastGoodKeys> {
        let snapshot = self.store.snapshot.load_full().filter(|snapshot| !snapshot.source.is_none())?;
        let (keys, text) = (snapshot.keys.clone(), snapshot.source.text.clone());
        Some(LastGoodKeys { keys, text, fetched: snapshot.fetched.wall })
    }

    /// Begins or joins a fetch and waits for its end, two seconds at most; for an over-age set as long as a fetch can
    /// take. The fetch itself runs in a
    /// task of its own: a caller that goes away cancels nothing.
    ///
    /// # Errors
    /// Nothing that serves can be had: 503, never a judgement of the token.
    pub(crate) async fn refresh(&self, why: Why) -> Result<Refreshed, AuthError> {
        let attempt = match self.store.start(why) {
            Start::Begin(attempt) | Start::Join(attempt) => attempt,
            Start::CoolingDown => return Ok(Refreshed::Newest),
            // No runtime could run the attempt that an over-age set has to wait for: it failed.
            Start::BackingOff(_) if why == Why::OverAge => return Ok(Refreshed::LastGood),
            Start::BackingOff(wait) => return Err(self.store.unavailable(wait)),
        };
        let door = &self.store.fetcher.door;
        // There is a set to fall back on once the attempt has failed, so its end is waited for; it has a deadline.
        let limit = if why == Why::OverAge { door.deadline + GRACE } else { self.store.timing.wait };
        let limit = door.clock.sleep(limit);
        let wait = self.store.waiting.wait_for(attempt, limit);
        wait.await.map_err(|reason| AuthError::retry_after(reason, RETRY_AFTER))?;
        match self.store.state().gate.is_failing() {
            false => Ok(Refreshed::Newest),
            true if why == Why::OverAge => Ok(Refreshed::LastGood),
            true => Err(self.store.unavailable(RETRY_AFTER)),
        }
    }
}

impl Drop for RemoteJwks {
    fn drop(&mut self) {
        let tasks = {
            let mut state = self.store.state();
            state.closed = true;
            [state.attempt.take(), state.background.take()]
        };
        tasks.iter().flatten().for_each(AbortHandle::abort);
    }
}

impl fmt::Debug for RemoteJwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJwks").field("issuer", &self.store.fetcher.issuer).finish_non_exhaustive()
    }
}
