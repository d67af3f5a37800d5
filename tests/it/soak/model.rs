//! What each verdict may be, from what the issuer said and from nothing that the server says of itself.

use std::collections::BTreeSet;
use std::time::Duration;

use super::issuer::{Book, Moment};
use crate::support::Outcome;

/// The promises of the documentation, with every default.
const OVERDUE: Duration = Duration::from_secs(330);
/// No regular refresh begins earlier.
const REFRESHED_FROM: Duration = Duration::from_secs(210);
const REMOVED_BY: Duration = Duration::from_secs(335);
pub const STALE: Duration = Duration::from_secs(86400);
const COOL_DOWN: Duration = Duration::from_secs(30);
/// The longest back-off, an attempt, and the longest step of the soak, in which no task runs.
const RECOVERED_BY: Duration = Duration::from_secs(66 + 30);
/// A clock that shows an earlier day was never set.
const CLOCK_NOT_SET: Duration = Duration::from_secs(1_767_225_600);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asked {
    /// A good token of this key.
    Good(usize),
    Expired(usize),
    Forged(usize),
    Stranger,
}

/// The world at one moment, as far as a verdict depends on it.
#[derive(Debug)]
pub struct Model {
    /// Forgotten by the operator.
    pub forgotten: BTreeSet<usize>,
    /// Since when each published key has been there without a break.
    pub published_since: Vec<Option<Duration>>,
    /// Since when the issuer has been sound and no clock has jumped.
    pub calm_since: Duration,
    /// Until when the issuer asked for a pause.
    pub paused_until: Duration,
}

impl Model {
    /// True if a good token of this key must pass, now and without a wait.
    pub fn must_pass(&self, key: usize, book: &Book, now: Moment) -> bool {
        clock_is_set(now) && self.is_usable(key, book, now) && !needs_a_look(book, now)
    }

    /// The set at hand has the key, and nothing ended it.
    fn is_usable(&self, key: usize, book: &Book, now: Moment) -> bool {
        let Some(held) = &book.held else { return false };
        held.keys.contains(&key) && now.since(held.fetched) < STALE && !self.is_ended(key, book)
    }

    fn is_ended(&self, key: usize, book: &Book) -> bool {
        self.forgotten.contains(&key) || book.burnt.contains(&key)
    }

    /// I1 to I3, I7 and I8 for one answer.
    pub fn judge(&self, asked: Asked, outcome: &Outcome, book: &Book, now: Moment) {
        match outcome.status.as_u16() {
            200 => self.judge_ok(asked, outcome, book, now),
            401 => self.judge_refusal(asked, outcome, book, now),
            503 => self.judge_outage(asked, outcome, book, now),
            status => panic!("I8: an answer {status} to {asked:?}: {outcome:?}"),
        }
    }

    fn judge_ok(&self, asked: Asked, outcome: &Outcome, book: &Book, now: Moment) {
        outcome.assert_ok();
        let Asked::Good(key) = asked else { panic!("I1: {asked:?} passed") };
        assert!(!self.is_ended(key, book), "I7: {asked:?} passed, though it was ended");
        assert!(self.is_usable(key, book, now), "I1: {asked:?} passed by a set that does not hold its key");
        let age = book.held.as_ref().map(|held| now.since(held.fetched)).unwrap_or_default();
        let outage = book.failures > 0 && self.calm(now) <= RECOVERED_BY;
        assert!(age <= REMOVED_BY || outage, "I1: {asked:?} passed by a set of {age:?} ago, without an outage");
    }

    fn judge_refusal(&self, asked: Asked, outcome: &Outcome, book: &Book, now: Moment) {
        outcome.assert_it();
        let key = match asked {
            Asked::Good(key) => key,
            // Which needs no key to say.
            Asked::Expired(_) => return,
            Asked::Forged(_) | Asked::Stranger => return self.assert_not_our_trouble(asked, outcome, book, now),
        };
        if self.is_ended(key, book) {
            return;
        }
        assert!(
            !self.is_usable(key, book, now),
            "I2: {asked:?} refused ({}), though its key is at hand",
            outcome.code()
        );
        self.assert_not_our_trouble(asked, outcome, book, now);
        let there = self.published_since[key].map(|since| now.monotonic - since).unwrap_or_default();
        assert!(there <= COOL_DOWN, "I3: {asked:?} refused, though its key was published {there:?} ago");
    }

    /// I3: who cannot know whether a key exists does not blame the token.
    fn assert_not_our_trouble(&self, asked: Asked, outcome: &Outcome, book: &Book, now: Moment) {
        assert!(clock_is_set(now), "I3: {asked:?} judged by a clock that was never set");
        let held = book.held.as_ref().expect("I3: refused without any set");
        assert!(now.since(held.fetched) < STALE, "I3: {asked:?} refused by a stale set");
        let unknown = outcome.code() == "key_unknown";
        let failing = book.in_flight == 0 && book.last_failed;
        assert!(!(unknown && failing), "I3: {asked:?} has an unknown key, said while the issuer fails");
    }

    /// How long the issuer has been sound, and free to be asked.
    fn calm(&self, now: Moment) -> Duration {
        now.monotonic - self.calm_since.max(self.paused_until).min(now.monotonic)
    }

    /// True if the answer to this can only be a refusal for good: somebody ended the key.
    pub fn asks_for_an_ended_key(&self, asked: Asked, book: &Book) -> bool {
        matches!(asked, Asked::Good(key) if self.is_ended(key, book))
    }

    fn judge_outage(&self, asked: Asked, outcome: &Outcome, book: &Book, now: Moment) {
        outcome.assert_dep();
        if !clock_is_set(now) {
            return;
        }
        match asked {
            Asked::Expired(_) => panic!("I3: {asked:?} is refused without a key, and was not: {outcome:?}"),
            Asked::Good(key) | Asked::Forged(key) => {
                assert!(!self.is_usable(key, book, now), "I2: {asked:?} not judged, though its key is at hand");
            }
            Asked::Stranger => {}
        }
        let calm = self.calm(now);
        assert!(calm <= RECOVERED_BY, "no recovery: {asked:?} not judged after {calm:?} with a sound issuer");
    }
}

fn clock_is_set(now: Moment) -> bool {
    now.since_1970() >= CLOCK_NOT_SET
}

/// R41: a set that is overdue is believed after one attempt only.
fn needs_a_look(book: &Book, now: Moment) -> bool {
    let Some(held) = &book.held else { return false };
    let tried = book.tried.is_some_and(|tried| tried.since(held.fetched) > REFRESHED_FROM);
    now.since(held.fetched) > OVERDUE && !tried
}
