//! Time that is moved by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use crate::clock::Clock;

/// A clock that stands still until it is told to move. Clones share the time.
///
/// # Example
/// ```
/// # use tower_bearer::{Clock, testing::ManualClock};
/// # use std::time::Duration;
/// let clock = ManualClock::new();
/// let before = clock.wall();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.wall(), before + Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    time: Arc<Mutex<Time>>,
}

#[derive(Debug)]
struct Time {
    wall: SystemTime,
    monotonic: Duration,
    sleepers: Vec<Waker>,
}

impl ManualClock {
    /// A clock that starts at the time of day.
    pub fn new() -> Self {
        ManualClock::at(SystemTime::now())
    }

    /// A clock that starts at `wall`.
    pub fn at(wall: SystemTime) -> Self {
        let time = Time { wall, monotonic: Duration::from_secs(1), sleepers: Vec::new() };
        ManualClock { time: Arc::new(Mutex::new(time)) }
    }

    /// Moves both clocks ahead and wakes whoever has slept long enough.
    pub fn advance(&self, by: Duration) {
        let sleepers = {
            let mut time = self.lock();
            time.wall += by;
            time.monotonic += by;
            std::mem::take(&mut time.sleepers)
        };
        // Woken without the lock: what a waker runs or drops may ask for the time.
        sleepers.into_iter().for_each(Waker::wake);
    }

    /// Sets the time of day, ahead or back, as an operator or NTP does; monotonic time is not touched.
    pub fn set_wall(&self, wall: SystemTime) {
        self.lock().wall = wall;
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        ManualClock::new()
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> SystemTime {
        self.lock().wall
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let until = self.monotonic().saturating_add(duration);
        Box::pin(Sleep { clock: self.clone(), until })
    }
}

struct Sleep {
    clock: ManualClock,
    until: Duration,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut time = self.clock.lock();
        if time.monotonic >= self.until {
            return Poll::Ready(());
        }
        if !time.sleepers.iter().any(|sleeper| sleeper.will_wake(context.waker())) {
            time.sleepers.push(context.waker().clone());
        }
        Poll::Pending
    }
}
