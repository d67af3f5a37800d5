//! An issuer's key set, kept fresh: single flight, cool-down, refresh ahead, last good set.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::task::AbortHandle;

use super::health::{IssuerHealth, KeyState};
use super::http_client::{Door, before};
use super::key_fetch::{KeyFetcher, KeyOrigin};
use super::refresh::{Gate, KeyTiming, Start, Why};
use super::snapshot::{KeyView, OVERDUE, Snapshot};
use super::succession::succeed;
use super::waiting::Waiting;
use crate::clock::Now;
use crate::telemetry;
use crate::token::error::{AuthError, Reason};
use crate::verify::crypto;
use crate::verify::jwks::Jwks;

/// What clients are told to wait when the issuer cannot be reached.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// One issuer's keys. Dropping it ends its tasks.
pub(crate) struct RemoteJwks {
    shared: Arc<Shared>,
}

struct Shared {
    fetcher: KeyFetcher,
    timing: KeyTiming,
    snapshot: ArcSwapOption<Snapshot>,
    state: Mutex<State>,
    waiting: Waiting,
}

#[derive(Default)]
struct State {
    gate: Gate,
    /// Thumbprints of keys that were published with their private part: never used again.
    exposed: HashSet<Box<str>>,
    /// When the last attempt that ended was begun.
    tried: Option<Now>,
    last_error: Option<String>,
    attempt: Option<AbortHandle>,
    background: Option<AbortHandle>,
    closed: bool,
}

impl RemoteJwks {
    pub(crate) fn new(issuer: String, origin: KeyOrigin, door: Door, timing: KeyTiming) -> Self {
        let shared = Shared {
            fetcher: KeyFetcher { issuer, origin, door, found: Mutex::default() },
            timing,
            snapshot: ArcSwapOption::empty(),
            state: Mutex::default(),
            waiting: Waiting::new(),
        };
        RemoteJwks { shared: Arc::new(shared) }
    }

    /// The set at hand, without waiting.
    pub(crate) fn view(&self, now: Now) -> KeyView {
        let Some(snapshot) = self.shared.snapshot.load_full() else { return KeyView::Missing };
        let (age, timing) = (snapshot.age(now), &self.shared.timing);
        if age >= timing.stale {
            return KeyView::Missing;
        }
        // The regular refresh has begun by 88 % of the interval; later the set needs one attempt first.
        if age > timing.refresh.mul_f64(OVERDUE) && !self.shared.tried_since(&snapshot) {
            return KeyView::OverAge(snapshot);
        }
        KeyView::Fresh(snapshot)
    }

    /// The state for an operator. Begins a fetch where there are no keys.
    pub(crate) fn health(&self, now: Now) -> IssuerHealth {
        let keys = match self.view(now) {
            KeyView::Missing => {
                self.begin(Why::Missing);
                KeyState::Missing
            }
            KeyView::Fresh(snapshot) if snapshot.age(now) <= self.shared.timing.refresh.mul_f64(OVERDUE) => {
                KeyState::Fresh
            }
            KeyView::Fresh(_) | KeyView::OverAge(_) => KeyState::Stale,
        };
        let snapshot = self.shared.snapshot.load();
        let state = self.shared.state();
        IssuerHealth {
            issuer: self.shared.fetcher.issuer.clone(),
            keys,
            age: snapshot.as_ref().filter(|_| keys != KeyState::Missing).map(|snapshot| snapshot.age(now)),
            last_error: state.last_error.clone(),
            next_attempt: Some(state.gate.due().saturating_sub(now.monotonic)),
        }
    }

    /// Begins a fetch, unless it is too early for one, and does not wait for it.
    pub(crate) fn begin(&self, why: Why) {
        self.shared.start(why);
    }

    /// Begins or joins a fetch and waits for its end, two seconds at most. The fetch itself runs in a
    /// task of its own: a caller that goes away cancels nothing.
    ///
    /// # Errors
    /// Nothing fresh can be had: 503, never a judgement of the token. `Ok` means that the set at hand is
    /// the newest there is for now, so that what it does not hold is unknown.
    pub(crate) async fn refresh(&self, why: Why) -> Result<(), AuthError> {
        let attempt = match self.shared.start(why) {
            Start::Begin(attempt) | Start::Join(attempt) => attempt,
            Start::CoolingDown => return Ok(()),
            // No runtime could run the attempt that an over-age set has to wait for: it failed.
            Start::BackingOff(_) if why == Why::OverAge => return Ok(()),
            Start::BackingOff(wait) => return Err(self.shared.unavailable(wait)),
        };
        let limit = self.shared.fetcher.door.clock.sleep(self.shared.timing.wait);
        let wait = self.shared.waiting.wait_for(attempt, limit);
        wait.await.map_err(|reason| AuthError::retry_after(reason, RETRY_AFTER))?;
        let failing = self.shared.state().gate.is_failing();
        // An outage is no reason to doubt the set at hand; it is one for a key that nobody here has seen.
        if failing && why != Why::OverAge { Err(self.shared.unavailable(RETRY_AFTER)) } else { Ok(()) }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        Now::read(&*self.fetcher.door.clock)
    }

    fn unavailable(&self, wait: Duration) -> AuthError {
        let wait = wait.clamp(Duration::from_secs(1), RETRY_AFTER);
        AuthError::retry_after(Reason::KeysUnavailable, wait)
    }

    /// True if the refresh of this set was tried, by an attempt that has ended: one under way may still
    /// bring the news that a key is gone.
    fn tried_since(&self, snapshot: &Snapshot) -> bool {
        self.state().tried.is_some_and(|tried| snapshot.age(tried) > self.timing.refresh.mul_f64(0.7))
    }

    fn start(self: &Arc<Self>, why: Why) -> Start {
        let began = self.now();
        let start = self.state().gate.ask(why, began.monotonic, &self.timing);
        let Start::Begin(number) = start else { return start };
        let attempt = Attempt { shared: self.clone(), number, began };
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
        start
    }

    /// Tells cached tokens how long they may stand without another look at the set: until a refresh is overdue,
    /// or, where it was tried and failed, as long as the last good set serves.
    fn prolong_keys(&self) {
        let Some(snapshot) = self.snapshot.load_full() else { return };
        let overdue = self.timing.refresh.mul_f64(OVERDUE);
        let life = if self.tried_since(&snapshot) { self.timing.stale } else { overdue };
        let until = snapshot.fetched.wall.saturating_add(life.as_secs());
        snapshot.keys.keys().iter().for_each(|key| key.key.life.believe_until(until));
    }

    fn install(&self, keys: Jwks) {
        let previous = self.snapshot.load_full();
        let (usable, skipped) = (keys.keys().len(), keys.skipped().len());
        for (index, reason) in keys.skipped() {
            telemetry::key_skipped(&self.fetcher.issuer, *index, &reason.to_string());
        }
        let (keys, newly) = succeed(previous.as_deref().map(|old| &old.keys), keys, &mut self.state().exposed);
        // Without the lock: a subscriber is foreign code.
        newly.iter().for_each(|kid| telemetry::private_key_published(&self.fetcher.issuer, kid.as_deref()));
        self.snapshot.store(Some(Arc::new(Snapshot { keys, fetched: self.now() })));
        telemetry::keys_refreshed(&self.fetcher.issuer, usable, skipped);
    }
}

/// One fetch. However it ends, by an answer, a panic or the end of its runtime, the gate is told.
struct Attempt {
    shared: Arc<Shared>,
    number: u64,
    began: Now,
}

impl Attempt {
    async fn run(self) {
        let shared = &self.shared;
        let failing = shared.state().gate.is_failing();
        let result = shared.fetcher.door.within(shared.fetcher.fetch(failing)).await;
        let jitter = jitter();
        match result {
            Ok(fetched) => {
                shared.install(fetched.keys);
                let now = shared.now().monotonic;
                shared.state().last_error = None;
                shared.state().gate.succeeded(now, fetched.max_age, jitter, &shared.timing);
            }
            Err(error) => {
                telemetry::keys_failed(&shared.fetcher.issuer, error.code(), &error.to_string());
                shared.state().last_error = Some(error.to_string());
                let (now, has_keys) = (shared.now().monotonic, shared.snapshot.load().is_some());
                shared.state().gate.failed(now, has_keys, jitter);
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let (now, has_keys) = (self.shared.now().monotonic, self.shared.snapshot.load().is_some());
        let abandoned = {
            let mut state = self.shared.state();
            state.tried = Some(self.began);
            state.gate.abandon(self.number, now, has_keys)
        };
        if abandoned {
            let reason = "the fetch ended without a result: its client panicked or its runtime was shut down";
            telemetry::keys_failed(&self.shared.fetcher.issuer, "abandoned", reason);
        }
        self.shared.prolong_keys();
        self.shared.waiting.announce(self.number);
    }
}

/// The background task: begins an attempt whenever one is due. Holds the store only while it works.
async fn keep_fresh(store: Weak<Shared>) {
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

impl Drop for RemoteJwks {
    fn drop(&mut self) {
        let tasks = {
            let mut state = self.shared.state();
            state.closed = true;
            [state.attempt.take(), state.background.take()]
        };
        tasks.iter().flatten().for_each(AbortHandle::abort);
    }
}

impl fmt::Debug for RemoteJwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJwks").field("issuer", &self.shared.fetcher.issuer).finish_non_exhaustive()
    }
}

/// Between 0 and 1.
fn jitter() -> f64 {
    let [first, second, ..] = crypto::random();
    f64::from(u16::from_be_bytes([first, second])) / f64::from(u16::MAX)
}
