//! The store behind an issuer's keys: one fetch at a time, in a task of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::task::AbortHandle;

use super::http_client::before;
use super::key_fetch::{Fetched, KeyFetcher, Manner, Source};
use super::refresh::{Gate, KeyTiming, Start, Why};
use super::snapshot::Snapshot;
use super::succession::{Record, succeed};
use super::waiting::Waiting;
use crate::clock::Now;
use crate::telemetry;
use crate::token::error::{AuthError, Reason};
use crate::verify::crypto;
use crate::verify::jwks::Jwks;

/// What clients are told to wait when the issuer cannot be reached.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// From the deadline of an attempt until its end is known for certain.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// The set at hand and what is known about fetching the next one.
pub(super) struct KeyStore {
    pub(super) fetcher: KeyFetcher,
    pub(super) timing: KeyTiming,
    pub(super) snapshot: ArcSwapOption<Snapshot>,
    pub(super) state: Mutex<State>,
    pub(super) waiting: Waiting,
    /// The set at hand was kept by an earlier process, and nobody looks after it yet.
    pub(super) unattended: AtomicBool,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) gate: Gate,
    pub(super) record: Record,
    /// When the last attempt that ended was begun, if it failed.
    pub(super) tried: Option<Now>,
    pub(super) last_error: Option<String>,
    /// The last attempt found an issuer without metadata.
    pub(super) no_metadata: bool,
    pub(super) attempt: Option<AbortHandle>,
    pub(super) background: Option<AbortHandle>,
    pub(super) closed: bool,
}

impl KeyStore {
    pub(super) fn new(fetcher: KeyFetcher, timing: KeyTiming) -> Self {
        KeyStore {
            fetcher,
            timing,
            snapshot: ArcSwapOption::empty(),
            state: Mutex::default(),
            waiting: Waiting::new(),
            unattended: AtomicBool::new(false),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Now {
        Now::read(&*self.fetcher.door.clock)
    }

    pub(super) fn unavailable(&self, wait: Duration) -> AuthError {
        let wait = wait.clamp(Duration::from_secs(1), RETRY_AFTER);
        AuthError::retry_after(Reason::KeysUnavailable, wait)
    }

    /// True if the refresh of this set was tried, by an attempt that has ended: one under way may still
    /// bring the news that a key is gone.
    pub(super) fn tried_since(&self, snapshot: &Snapshot) -> bool {
        self.state().tried.is_some_and(|tried| snapshot.age(tried) > self.timing.refresh.mul_f64(0.7))
    }

    pub(super) fn start(self: &Arc<Self>, why: Why) -> Start {
        let began = self.now();
        let start = self.state().gate.ask(why, began.monotonic, &self.timing);
        let Start::Begin(number) = start else { return start };
        let attempt = Attempt { shared: self.clone(), number, began, why };
        // Without a runtime the attempt is dropped here, which counts as a failure.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return Start::BackingOff(RETRY_AFTER) };
        // Spawned without the lock: a runtime that shuts down drops the attempt at once, which takes it.
        let task = runtime.spawn(attempt.run()).abort_handle();
        let mut state = self.state();
        if state.closed {
            task.abort();
            return start;
        }
        state.attempt = Some(task);
        if state.background.as_ref().is_none_or(AbortHandle::is_finished) {
            state.background = Some(runtime.spawn(keep_fresh(Arc::downgrade(self))).abort_handle());
        }
        self.unattended.store(false, Ordering::Relaxed);
        start
    }

    /// Whether the set at hand still serves.
    fn has_keys(&self, now: Now) -> bool {
        self.snapshot.load().as_ref().is_some_and(|snapshot| snapshot.age(now) < self.timing.stale)
    }

    /// Tells cached tokens how long they may stand without another look at the set: until a refresh is overdue,
    /// or, where it was tried and failed, as long as the last good set serves.
    pub(super) fn prolong_keys(&self) {
        let Some(snapshot) = self.snapshot.load_full() else { return };
        let life = if self.tried_since(&snapshot) { self.timing.stale } else { self.timing.overdue() };
        let until = snapshot.fetched.wall.saturating_add(life.as_secs());
        snapshot.keys.keys().iter().for_each(|key| key.key.life.believe_until(until));
    }

    pub(super) fn install(&self, keys: Jwks, source: Source, fetched: Now) {
        let previous = self.snapshot.load_full();
        let (usable, skipped) = (keys.keys().len(), keys.skipped().len());
        for (index, reason) in keys.skipped() {
            telemetry::key_skipped(&self.fetcher.issuer, *index, &reason.to_string());
        }
        let (keys, newly) = succeed(previous.as_deref().map(|old| &old.keys), keys, &mut self.state().record);
        // Without the lock: a subscriber is foreign code.
        newly.iter().for_each(|kid| telemetry::private_key_published(&self.fetcher.issuer, kid.as_deref()));
        self.snapshot.store(Some(Arc::new(Snapshot { keys, fetched, source })));
        telemetry::keys_refreshed(&self.fetcher.issuer, usable, skipped);
    }

    /// An answer that took longer than a fetch can take came through a stop of the machine: its age counts from the
    /// question.
    fn take(&self, new: Option<(Jwks, Source)>, began: Now) {
        let now = self.now();
        let stopped = now.since(began) > self.fetcher.door.deadline + GRACE;
        let fetched = if stopped { began } else { now };
        match new {
            Some((keys, source)) => self.install(keys, source, fetched),
            None => self.confirm(fetched),
        }
    }

    /// The issuer says that the set at hand is still the one.
    fn confirm(&self, fetched: Now) {
        let Some(snapshot) = self.snapshot.load_full() else { return };
        let (keys, source) = (snapshot.keys.clone(), snapshot.source.clone());
        self.snapshot.store(Some(Arc::new(Snapshot { keys, fetched, source })));
        telemetry::keys_confirmed(&self.fetcher.issuer);
    }
}

/// One fetch. However it ends, by an answer, a panic or the end of its runtime, the gate is told.
struct Attempt {
    shared: Arc<KeyStore>,
    number: u64,
    began: Now,
    why: Why,
}

impl Attempt {
    async fn run(self) {
        let shared = &self.shared;
        let failing = shared.state().gate.is_failing();
        let at_hand = shared.snapshot.load_full();
        let newest = matches!(self.why, Why::UnknownKey | Why::Forced);
        let manner = Manner { failing, newest, at_hand: at_hand.as_ref().map(|snapshot| &snapshot.source) };
        let result = shared.fetcher.door.within(shared.fetcher.fetch(manner)).await;
        let jitter = jitter();
        match result {
            Ok(Fetched { new, max_age }) => {
                shared.take(new, self.began);
                let now = shared.now().monotonic;
                let mut state = shared.state();
                state.last_error = None;
                state.no_metadata = false;
                state.gate.succeeded(now, max_age, jitter, &shared.timing);
            }
            Err(error) => {
                telemetry::keys_failed(&shared.fetcher.issuer, error.code(), &error.to_string());
                let now = shared.now();
                let has_keys = shared.has_keys(now);
                let mut state = shared.state();
                state.last_error = Some(error.to_string());
                state.no_metadata = error.says_there_are_no_metadata();
                state.gate.failed(now.monotonic, has_keys, jitter);
                state.gate.postpone(now.monotonic + error.pause());
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let now = self.shared.now();
        let has_keys = self.shared.has_keys(now);
        let abandoned = {
            let mut state = self.shared.state();
            let abandoned = state.gate.abandon(self.number, now.monotonic, has_keys);
            // A set that came needs no look; and by a clock that was set back it may seem older than its question.
            state.tried = state.gate.is_failing().then_some(self.began);
            abandoned
        };
        if abandoned {
            let reason = "the fetch ended without a result: its client panicked or its runtime was shut down";
            telemetry::keys_failed(&self.shared.fetcher.issuer, "abandoned", reason);
        }
        self.shared.prolong_keys();
        self.shared.waiting.announce(self.number);
        self.shared.fetcher.door.news.send_modify(|attempts| *attempts += 1);
    }
}

/// The background task: begins an attempt whenever one is due. Holds the store only while it works.
async fn keep_fresh(store: Weak<KeyStore>) {
    loop {
        let (mut ended, sleep, attempt) = {
            let Some(shared) = store.upgrade() else { return };
            // Before the look at what is due, or an attempt that ends in between would go unnoticed.
            let ended = shared.waiting.subscribe();
            let attempt = match shared.start(Why::Scheduled) {
                Start::Begin(attempt) | Start::Join(attempt) => Some(attempt),
                _ => None,
            };
            let rest = shared.state().gate.due().saturating_sub(shared.now().monotonic);
            (ended, shared.fetcher.door.clock.sleep(rest), attempt)
        };
        match attempt {
            Some(attempt) => drop(ended.wait_for(|&number| number >= attempt).await),
            // An attempt that a request began changes what is due.
            None => {
                let _ = before(ended.changed(), sleep).await;
            }
        }
    }
}

/// Between 0 and 1.
fn jitter() -> f64 {
    let [first, second] = crypto::random();
    f64::from(u16::from_be_bytes([first, second])) / f64::from(u16::MAX)
}
