//! When the endpoint may be asked at all: a state machine without a clock or a lock.

use std::time::Duration;

use crate::token::error::{AuthError, Reason};

/// While the endpoint refuses us, or asked for a pause, one call a second looks whether that has ended.
const PROBE: Duration = Duration::from_secs(1);

/// `now` is monotonic everywhere.
#[derive(Debug, Default)]
pub(super) struct Gate {
    shut: Option<Shut>,
}

#[derive(Debug, Clone, Copy)]
struct Shut {
    why: Reason,
    /// The end of a pause; none where only a good answer opens again.
    until: Option<Duration>,
    probe_from: Duration,
}

impl Gate {
    /// Why nobody may ask now; the token was not judged then.
    pub(super) fn refusal(&self, now: Duration) -> Option<AuthError> {
        let shut = self.shut.filter(|shut| shut.until.is_none_or(|until| now < until) && now < shut.probe_from)?;
        let wait = shut.until.unwrap_or(shut.probe_from).saturating_sub(now);
        Some(AuthError::retry_after(shut.why, wait.max(PROBE)))
    }

    /// The same, and where one may ask, this is the one call a second.
    pub(super) fn pass(&mut self, now: Duration) -> Result<(), AuthError> {
        if let Some(refusal) = self.refusal(now) {
            return Err(refusal);
        }
        if let Some(shut) = &mut self.shut {
            shut.probe_from = now.saturating_add(PROBE);
        }
        Ok(())
    }

    /// The endpoint judged a token, so it takes us.
    pub(super) fn open(&mut self) {
        self.shut = None;
    }

    /// The endpoint refused our own credentials.
    pub(super) fn unauthorized(&mut self, now: Duration) {
        self.shut =
            Some(Shut { why: Reason::IntrospectionUnauthorized, until: None, probe_from: now.saturating_add(PROBE) });
    }

    /// The endpoint asked for a pause.
    pub(super) fn pause(&mut self, now: Duration, wait: Duration) {
        let until = Some(now.saturating_add(wait));
        self.shut = Some(Shut { why: Reason::IntrospectionPaused, until, probe_from: now.saturating_add(PROBE) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn s8_05_while_we_are_refused_one_call_a_second_passes_until_one_goes_well() {
        let mut gate = Gate::default();
        assert!(gate.pass(s(0.0)).is_ok() && gate.pass(s(0.0)).is_ok());
        gate.unauthorized(s(10.0));
        assert_eq!(gate.pass(s(10.9)).unwrap_err().code(), "introspection_unauthorized");
        assert!(gate.pass(s(11.0)).is_ok());
        assert!(gate.pass(s(11.5)).is_err(), "one a second");
        assert!(gate.pass(s(12.0)).is_ok());
        gate.open();
        assert!(gate.pass(s(12.0)).is_ok() && gate.pass(s(12.0)).is_ok());
    }

    #[test]
    fn s8_06_a_pause_lasts_as_long_as_was_asked_for_and_is_told_to_clients() {
        let mut gate = Gate::default();
        gate.pause(s(10.0), s(7.0));
        let refused = gate.pass(s(10.0)).unwrap_err();
        assert_eq!((refused.code(), refused.retry_in()), ("introspection_paused", Some(s(7.0))));
        assert!(gate.pass(s(11.0)).is_ok(), "a probe");
        assert_eq!(gate.pass(s(11.5)).unwrap_err().retry_in(), Some(s(5.5)));
        assert!(gate.pass(s(17.0)).is_ok() && gate.pass(s(17.0)).is_ok());
    }
}
