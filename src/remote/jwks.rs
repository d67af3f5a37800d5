//! An issuer's key set, kept fresh: single flight, cool-down, refresh ahead, last good set.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::header::CACHE_CONTROL;
use http::{Response, Uri};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::discovery::{DiscoveryError, discover};
use super::http_client::{Door, HttpError, before};
use super::refresh::{Gate, KeyTiming, Start, Why};
use crate::clock::Now;
use crate::telemetry;
use crate::token::error::{AuthError, Reason};
use crate::verify::crypto;
use crate::verify::jwk::Jwk;
use crate::verify::jwks::{Jwks, JwksError};

/// Requests of one issuer that may wait for a fetch; more would only pile up.
const MAX_WAITING: usize = 4096;

/// What clients are told to wait when the issuer cannot be reached.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How long the address from discovery is believed, while it works and while it does not.
const METADATA_AGE: Duration = Duration::from_secs(3600);
const METADATA_AGE_FAILING: Duration = Duration::from_secs(300);

/// Where an issuer's keys are published.
#[derive(Debug, Clone)]
pub(crate) enum KeyOrigin {
    Discovery { allow_http: bool },
    Uri(Uri),
}

/// A key set with the time it came.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) keys: Jwks,
    fetched: Now,
}

impl Snapshot {
    /// The longer of both clocks: a suspended machine stops one, a clock set back the other.
    fn age(&self, now: Now) -> Duration {
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

/// One issuer's keys. Dropping it ends its tasks.
pub(crate) struct RemoteJwks {
    shared: Arc<Shared>,
}

struct Shared {
    issuer: String,
    origin: KeyOrigin,
    door: Door,
    timing: KeyTiming,
    snapshot: ArcSwapOption<Snapshot>,
    state: Mutex<State>,
    /// Number of the last attempt that ended.
    ended: watch::Sender<u64>,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct State {
    gate: Gate,
    found: Option<(Uri, Duration)>,
    /// Thumbprints of keys that were published with their private part: never used again.
    exposed: HashSet<Box<str>>,
    /// When the last attempt that ended was begun.
    tried: Option<Now>,
    attempt: Option<AbortHandle>,
    background: Option<AbortHandle>,
    closed: bool,
}

impl RemoteJwks {
    pub(crate) fn new(issuer: String, origin: KeyOrigin, door: Door, timing: KeyTiming) -> Self {
        let shared = Shared {
            issuer,
            origin,
            door,
            timing,
            snapshot: ArcSwapOption::empty(),
            state: Mutex::default(),
            ended: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
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
        if age > timing.refresh.mul_f64(1.1) && !self.shared.tried_since(&snapshot) {
            return KeyView::OverAge(snapshot);
        }
        KeyView::Fresh(snapshot)
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
            // The attempt that an over-age set has to wait for was made, and failed.
            Start::BackingOff(_) if why == Why::OverAge => return Ok(()),
            Start::BackingOff(wait) => return Err(self.shared.unavailable(wait)),
        };
        self.shared.wait_for(attempt).await?;
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
        Now::read(&*self.door.clock)
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

    async fn wait_for(&self, attempt: u64) -> Result<(), AuthError> {
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(AuthError::retry_after(Reason::KeysBusy, RETRY_AFTER));
        }
        let _place = Place(&self.waiting);
        let mut ended = self.ended.subscribe();
        let done = ended.wait_for(|&number| number >= attempt);
        match before(done, self.door.clock.sleep(self.timing.wait)).await {
            Some(_) => Ok(()),
            None => Err(self.unavailable(RETRY_AFTER)),
        }
    }

    async fn fetch(&self) -> Result<(Jwks, Option<Duration>), FetchError> {
        let uri = match &self.origin {
            KeyOrigin::Uri(uri) => uri.clone(),
            KeyOrigin::Discovery { allow_http } => self.jwks_uri(*allow_http).await?,
        };
        let response = self.door.get(&uri).await?;
        let keys = Jwks::parse(response.body()).map_err(FetchError::Jwks)?;
        Ok((keys, max_age(&response)))
    }

    /// The address from discovery: kept for a while, and kept longer when discovery itself fails.
    async fn jwks_uri(&self, allow_http: bool) -> Result<Uri, FetchError> {
        let now = self.now().monotonic;
        let (known, failing) = {
            let state = self.state();
            (state.found.clone(), state.gate.is_failing())
        };
        let believed = if failing { METADATA_AGE_FAILING } else { METADATA_AGE };
        if let Some((uri, _)) = known.as_ref().filter(|(_, found)| now.saturating_sub(*found) < believed) {
            return Ok(uri.clone());
        }
        match discover(&self.door, &self.issuer, allow_http).await {
            Ok(metadata) => {
                self.state().found = Some((metadata.jwks_uri.clone(), now));
                Ok(metadata.jwks_uri)
            }
            // A document of another issuer is no passing fault: its word ends the old address, too.
            Err(error @ DiscoveryError::IssuerMismatch(_)) => Err(error.into()),
            Err(error) => known.map(|(uri, _)| uri).ok_or_else(|| error.into()),
        }
    }

    fn install(&self, keys: Jwks) {
        let previous = self.snapshot.load_full();
        let (usable, skipped) = (keys.keys().len(), keys.skipped().len());
        for (index, reason) in keys.skipped() {
            telemetry::key_skipped(&self.issuer, *index, &reason.to_string());
        }
        let keys = {
            let mut state = self.state();
            let (keys, newly) = succeed(previous.as_deref().map(|old| &old.keys), keys, &mut state.exposed);
            newly.iter().for_each(|kid| telemetry::private_key_published(&self.issuer, kid.as_deref()));
            keys
        };
        self.snapshot.store(Some(Arc::new(Snapshot { keys, fetched: self.now() })));
        telemetry::keys_refreshed(&self.issuer, usable, skipped);
    }
}

/// Turns a fetched set into the successor of the previous one: equal keys are carried over, so that
/// cached tokens live on; keys that left are marked withdrawn, so that their tokens die with them.
/// Returns the `kid` of each key whose private part was seen for the first time as well.
fn succeed(previous: Option<&Jwks>, mut keys: Jwks, exposed: &mut HashSet<Box<str>>) -> (Jwks, Vec<Option<Box<str>>>) {
    let mut newly_exposed = Vec::new();
    let old_keys = previous.map(Jwks::keys).unwrap_or_default();
    for key in &mut keys.keys {
        let same = |old: &&_| same_key(old, key);
        if let Some(old) = old_keys.iter().find(same) {
            key.key = old.key.clone();
        }
        if key.private_part && exposed.insert(key.key.thumbprint.clone().unwrap_or_default()) {
            newly_exposed.push(key.kid.clone());
        }
    }
    // Only now: the same key may stand earlier in the set, without its private part and under another name.
    for key in &mut keys.keys {
        key.private_part = key.key.thumbprint.as_ref().is_some_and(|thumbprint| exposed.contains(thumbprint));
        if key.private_part {
            key.key.withdrawn.store(true, Ordering::Release);
        }
    }
    for old in old_keys {
        if !keys.keys.iter().any(|key| Arc::ptr_eq(&key.key, &old.key)) {
            old.key.withdrawn.store(true, Ordering::Release);
        }
    }
    (keys, newly_exposed)
}

fn same_key(old: &Jwk, new: &Jwk) -> bool {
    old.key.thumbprint == new.key.thumbprint && old.algorithm == new.algorithm
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
        let result = shared.door.within(shared.fetch()).await;
        let jitter = jitter();
        match result {
            Ok((keys, max_age)) => {
                shared.install(keys);
                let now = shared.now().monotonic;
                shared.state().gate.succeeded(now, max_age, jitter, &shared.timing);
            }
            Err(error) => {
                telemetry::keys_failed(&shared.issuer, error.code(), &error.to_string());
                let (now, has_keys) = (shared.now().monotonic, shared.snapshot.load().is_some());
                shared.state().gate.failed(now, has_keys, jitter);
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let (now, has_keys) = (self.shared.now().monotonic, self.shared.snapshot.load().is_some());
        {
            let mut state = self.shared.state();
            state.tried = Some(self.began);
            state.gate.abandon(self.number, now, has_keys);
        }
        // The next attempt may have ended before this line; its number must not be taken back.
        self.shared.ended.send_modify(|ended| *ended = self.number.max(*ended));
    }
}

/// The background task: begins an attempt whenever one is due. Holds the store only while it works.
async fn keep_fresh(store: Weak<Shared>) {
    loop {
        let (mut ended, sleep, attempt) = {
            let Some(shared) = store.upgrade() else { return };
            // Before the look at what is due, or an attempt that ends in between would go unnoticed.
            let ended = shared.ended.subscribe();
            let attempt = match shared.start(Why::Scheduled) {
                Start::Begin(attempt) | Start::Join(attempt) => Some(attempt),
                _ => None,
            };
            let rest = shared.state().gate.due().saturating_sub(shared.now().monotonic);
            (ended, shared.door.clock.sleep(rest), attempt)
        };
        match attempt {
            Some(attempt) => drop(ended.wait_for(|&number| number >= attempt).await),
            // An attempt that a request began changes what is due.
            None => _ = before(ended.changed(), sleep).await,
        }
    }
}

/// A place among the waiting, given back however the wait ends.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
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
        f.debug_struct("RemoteJwks").field("issuer", &self.shared.issuer).finish_non_exhaustive()
    }
}

/// Why no set could be had.
#[derive(Debug)]
enum FetchError {
    Http(HttpError),
    Discovery(DiscoveryError),
    Jwks(JwksError),
}

impl FetchError {
    fn code(&self) -> &'static str {
        match self {
            FetchError::Http(error) => error.code(),
            FetchError::Discovery(error) => error.code(),
            FetchError::Jwks(JwksError::Malformed) => "jwks_malformed",
            FetchError::Jwks(JwksError::TooManyKeys) => "jwks_too_many_keys",
            FetchError::Jwks(JwksError::NoUsableKey) => "jwks_no_usable_key",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Http(error) => write!(f, "keys: {error}"),
            FetchError::Discovery(error) => error.fmt(f),
            FetchError::Jwks(error) => write!(f, "keys: {error}"),
        }
    }
}

impl From<HttpError> for FetchError {
    fn from(error: HttpError) -> Self {
        FetchError::Http(error)
    }
}

impl From<DiscoveryError> for FetchError {
    fn from(error: DiscoveryError) -> Self {
        FetchError::Discovery(error)
    }
}

/// `max-age` of the answer; anything unreadable or doubled counts as absent.
fn max_age(response: &Response<bytes::Bytes>) -> Option<Duration> {
    let mut values = response.headers().get_all(CACHE_CONTROL).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let directive = |part: &str| part.trim().to_ascii_lowercase().strip_prefix("max-age=").map(str::to_owned);
    let seconds = value.split(',').find_map(directive)?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// Between 0 and 1.
fn jitter() -> f64 {
    let [first, second, ..] = crypto::random();
    f64::from(u16::from_be_bytes([first, second])) / f64::from(u16::MAX)
}
