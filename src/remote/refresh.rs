//! When a key set may be fetched: a state machine without a clock, a lock or a task.

use std::time::Duration;

/// The durations of a key store. Their reasons stand at the setters of `Issuer`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyTiming {
    pub(crate) refresh: Duration,
    pub(crate) cooldown: Duration,
    pub(crate) stale: Duration,
    /// How long a request waits for a fetch that it needs.
    pub(crate) wait: Duration,
}

/// The part of the interval after which a set must be looked at before it is believed. The regular refresh has
/// begun by 0.88 of it.
const OVERDUE: f64 = 1.1;

impl KeyTiming {
    /// The age at which a set must be looked at before it is believed.
    pub(super) fn overdue(&self) -> Duration {
        self.refresh.mul_f64(OVERDUE)
    }
}

impl Default for KeyTiming {
    fn default() -> Self {
        KeyTiming {
            refresh: Duration::from_secs(300),
            cooldown: Duration::from_secs(30),
            stale: Duration::from_secs(24 * 3600),
            wait: Duration::from_secs(2),
        }
    }
}

/// Without a usable set an attempt may start this long after the last one began.
const EAGER: Duration = Duration::from_millis(750);
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// Without a usable set and without requests, the issuer is asked at least this often.
const MAX_IDLE_BACKOFF: Duration = Duration::from_secs(5);
/// What `Cache-Control` can shorten the interval to.
const MIN_INTERVAL: Duration = Duration::from_secs(60);

/// Why somebody wants a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// There is no usable set.
    Missing,
    /// A token names a key that the set does not hold.
    UnknownKey,
    /// The set is older than the interval although a refresh should have begun.
    OverAge,
    /// The regular refresh.
    Scheduled,
    /// The operator wants one now, whatever the gate would say.
    Forced,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Begin attempt number n.
    Begin(u64),
    /// Attempt number n is under way.
    Join(u64),
    /// Not now, and the last attempt went well.
    CoolingDown,
    /// Not now, because the last attempt failed; try again after this time.
    BackingOff(Duration),
}

/// Counts attempts and decides whether another may begin. `now` is monotonic.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    begun: u64,
    running: bool,
    last_begun: Option<Duration>,
    on_demand_from: Duration,
    failures: u32,
    retry_from: Duration,
    due: Duration,
}

impl Gate {
    pub(crate) fn ask(&mut self, why: Why, now: Duration, timing: &KeyTiming) -> Start {
        if self.running {
            return Start::Join(self.begun);
        }
        let eager_from = self.last_begun.map_or(Duration::ZERO, |begun| begun + EAGER);
        let refused = match why {
            Why::Missing if now < eager_from => Some(Start::BackingOff(eager_from - now)),
            // Not an over-age set: it is out of date by a clock that the back-off may not have seen move (a suspended
            // machine), and one attempt settles it.
            Why::UnknownKey if now < self.retry_from => Some(Start::BackingOff(self.retry_from - now)),
            // While the last attempt failed nobody can say that the key does not exist.
            Why::UnknownKey if now < self.on_demand_from && self.is_failing() => {
                Some(Start::BackingOff(self.on_demand_from - now))
            }
            Why::UnknownKey if now < self.on_demand_from => Some(Start::CoolingDown),
            Why::Scheduled if now < self.due => Some(Start::CoolingDown),
            _ => None,
        };
        if let Some(refused) = refused {
            return refused;
        }
        // The cool-down counts from the attempt, whatever becomes of it.
        if why == Why::UnknownKey {
            self.on_demand_from = now + timing.cooldown;
        }
        self.running = true;
        self.begun += 1;
        self.last_begun = Some(now);
        Start::Begin(self.begun)
    }

    /// A set was installed. `max_age` is what the answer said of its own life, `jitter` lies in 0..=1.
    pub(crate) fn succeeded(&mut self, now: Duration, max_age: Option<Duration>, jitter: f64, timing: &KeyTiming) {
        self.running = false;
        self.failures = 0;
        self.retry_from = Duration::ZERO;
        let floor = MIN_INTERVAL.min(timing.refresh);
        let interval = max_age.map_or(timing.refresh, |age| age.clamp(floor, timing.refresh));
        // 80 % of an interval that differs by up to 10 % each way, so that a fleet spreads out.
        self.due = now + interval.mul_f64(0.8 * (0.9 + 0.2 * jitter));
    }

    /// Nothing usable came. Waits 1 s doubling to 60 s, drawn from the upper half.
    pub(crate) fn failed(&mut self, now: Duration, has_keys: bool, jitter: f64) {
        self.running = false;
        let doubled = Duration::from_secs(1 << self.failures.min(6));
        self.failures = self.failures.saturating_add(1);
        let wait = doubled.min(MAX_BACKOFF).mul_f64(0.5 + 0.5 * jitter);
        self.retry_from = now + wait;
        self.due = now + if has_keys { wait } else { wait.min(MAX_IDLE_BACKOFF) };
    }

    /// The server asked for a pause: nothing but the lack of any keys is a reason to ask again before it is over.
    pub(crate) fn postpone(&mut self, until: Duration) {
        self.retry_from = self.retry_from.max(until);
        self.due = self.due.max(until);
    }

    /// An attempt ended without a word (a panic, a runtime shut down): it failed. No effect if it gave its
    /// result before; the next one may be under way by then.
    /// True if it was abandoned.
    pub(crate) fn abandon(&mut self, attempt: u64, now: Duration, has_keys: bool) -> bool {
        let abandoned = self.running && self.begun == attempt;
        if abandoned {
            self.failed(now, has_keys, 1.0);
        }
        abandoned
    }

    /// When the background task should ask next.
    pub(crate) fn due(&self) -> Duration {
        self.due
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: KeyTiming = KeyTiming {
        refresh: Duration::from_secs(300),
        cooldown: Duration::from_secs(30),
        stale: Duration::from_secs(86400),
        wait: Duration::from_secs(2),
    };

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn one_attempt_at_a_time_and_one_per_cool_down_for_unknown_keys() {
        let mut gate = Gate::default();
        assert_eq!(gate.ask(Why::UnknownKey, s(1.0), &T), Start::Begin(1));
        assert_eq!(gate.ask(Why::UnknownKey, s(1.1), &T), Start::Join(1));
        gate.succeeded(s(2.0), None, 0.5, &T);
        assert_eq!(gate.ask(Why::UnknownKey, s(30.9), &T), Start::CoolingDown);
        assert_eq!(gate.ask(Why::UnknownKey, s(31.0), &T), Start::Begin(2));
    }

    #[test]
    fn a_failure_backs_off_and_does_not_shorten_the_cool_down() {
        let mut gate = Gate::default();
        gate.ask(Why::UnknownKey, s(0.0), &T);
        gate.failed(s(0.0), true, 1.0);
        assert_eq!(gate.ask(Why::UnknownKey, s(0.5), &T), Start::BackingOff(s(0.5)));
        assert_eq!(gate.ask(Why::UnknownKey, s(1.0), &T), Start::BackingOff(s(29.0)));
        for failures in 1..20 {
            gate.failed(s(0.0), true, 1.0);
            assert!(gate.due() <= s(60.0), "{failures}");
        }
        assert_eq!(gate.due(), s(60.0));
    }

    #[test]
    fn an_attempt_that_is_abandoned_has_failed_unless_the_next_one_runs_already() {
        let mut gate = Gate::default();
        gate.ask(Why::Missing, s(0.0), &T);
        gate.abandon(1, s(1.0), false);
        assert!(gate.is_failing());
        gate.ask(Why::Missing, s(2.0), &T);
        gate.succeeded(s(2.1), None, 0.5, &T);
        assert_eq!(gate.ask(Why::UnknownKey, s(2.1), &T), Start::Begin(3));
        gate.abandon(2, s(2.1), true);
        assert!(!gate.is_failing());
        assert_eq!(gate.ask(Why::UnknownKey, s(2.2), &T), Start::Join(3));
    }

    #[test]
    fn without_keys_demand_may_start_an_attempt_every_three_quarters_of_a_second() {
        let mut gate = Gate::default();
        assert_eq!(gate.ask(Why::Missing, s(0.0), &T), Start::Begin(1));
        gate.failed(s(0.1), false, 1.0);
        assert_eq!(gate.ask(Why::Missing, s(0.7), &T), Start::BackingOff(s(0.05)));
        assert_eq!(gate.ask(Why::Missing, s(0.75), &T), Start::Begin(2));
        for _ in 0..10 {
            gate.failed(s(1.0), false, 1.0);
        }
        assert_eq!(gate.due(), s(6.0));
    }

    #[test]
    fn cache_control_only_shortens_the_interval_and_never_below_a_minute() {
        let mut gate = Gate::default();
        for (max_age, due) in [(None, 240.0), (Some(s(86400.0)), 240.0), (Some(s(0.0)), 48.0), (Some(s(100.0)), 80.0)] {
            gate.succeeded(s(0.0), max_age, 0.5, &T);
            assert!((gate.due().as_secs_f64() - due).abs() < 1e-6, "{max_age:?}");
        }
        assert_eq!(gate.ask(Why::Scheduled, s(79.0), &T), Start::CoolingDown);
        assert_eq!(gate.ask(Why::Scheduled, s(80.0), &T), Start::Begin(1));
    }
}
