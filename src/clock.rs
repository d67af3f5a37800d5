//! Time as an input, so that tests can move it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

/// A source of time. The default, [`SystemClock`], asks the operating system; tests move a
/// [`testing::ManualClock`](crate::testing::ManualClock) by hand.
///
/// Tokens are judged by [`wall`](Clock::wall); waiting, cool-downs and the age of keys go by
/// [`monotonic`](Clock::monotonic), so that a clock that is set back revives nothing.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn wall(&self) -> SystemTime;

    /// Time passed since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// Completes once `duration` has passed on the monotonic clock.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The operating system's clocks and tokio's timer.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    pub fn new() -> Self {
        SystemClock { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { tokio::time::sleep(duration).await })
    }
}

/// Lets other tasks of the runtime have their turn.
pub(crate) async fn give_way() {
    tokio::task::yield_now().await;
}

/// Both readings at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Whole seconds since 1970; 0 for a clock before that.
    pub(crate) wall: u64,
    pub(crate) monotonic: Duration,
}

impl Now {
    pub(crate) fn read(clock: &dyn Clock) -> Self {
        Now { wall: unix_seconds(clock.wall()), monotonic: clock.monotonic() }
    }

    /// Time passed by the longer of both clocks: a suspended machine stops one, a clock set back the other.
    pub(crate) fn since(self, earlier: Now) -> Duration {
        let wall = Duration::from_secs(self.wall.saturating_sub(earlier.wall));
        wall.max(self.monotonic.saturating_sub(earlier.monotonic))
    }

    /// The time of day, but never earlier than the time that has passed since `earlier`: a clock that is set back
    /// revives nothing that has expired.
    pub(crate) fn not_before(self, earlier: Now) -> u64 {
        let passed = self.monotonic.saturating_sub(earlier.monotonic);
        self.wall.max(earlier.wall.saturating_add(passed.as_secs()))
    }
}

/// Whole seconds since 1970; 0 for a time before that.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The time so many seconds after 1970; 1970 itself where the platform cannot express it.
pub(crate) fn from_unix_seconds(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}

impl fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
