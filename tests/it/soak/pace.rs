//! I4: how often an issuer may be asked, by what was known at each attempt.

use std::time::Duration;

/// The attempts to fetch keys, and how long each waited.
#[derive(Debug, Default)]
pub struct Pace {
    /// When attempts began that no failure explains.
    unforced: Vec<Duration>,
    last: Option<Duration>,
    failures_in_a_row: u32,
    /// Attempts that may come early: the operator's, and one after each jump of a clock.
    excused: Vec<Duration>,
    pub attempts: u64,
}

impl Pace {
    /// One attempt at `now`; `failed` is how the one before ended, `keys` whether a set was at hand.
    pub fn note(&mut self, now: Duration, failed: bool, keys: bool) {
        let pause = self.last.map(|last| now - last);
        self.last = Some(now);
        self.attempts += 1;
        let recent = |then: &Duration| now - *then < Duration::from_secs(600);
        self.unforced.retain(recent);
        self.excused.retain(recent);
        if !failed {
            self.failures_in_a_row = 0;
            self.unforced.push(now);
            return self.assert_rate();
        }
        self.failures_in_a_row += 1;
        // Doubling from half a second; without keys half a second each time.
        let doubled = if keys { 500 << (self.failures_in_a_row - 1).min(6) } else { 500 };
        let least = Duration::from_millis(doubled.min(30_000));
        if pause.is_some_and(|pause| pause < least) {
            assert!(self.excused.pop().is_some(), "I4: {pause:?} after failure {}", self.failures_in_a_row);
        }
    }

    pub fn excuse(&mut self, now: Duration) {
        self.excused.push(now);
    }

    /// Two in a minute and the regular ones.
    fn assert_rate(&self) {
        let most = 21 + 3 + self.excused.len();
        assert!(self.unforced.len() <= most, "I4: too many attempts in ten minutes: {self:?}");
    }
}
