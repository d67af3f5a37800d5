//! One day: what happens at random, and the questions asked in between.

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::{Add, AddAssign};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tower_bearer::testing::ManualClock;
use tower_bearer::{AuthLayer, Clock, ResourceServer};

use super::issuer::{Behaviour, Moment, SoakIssuer};
use super::model::{Asked, Model};
use super::rng::Rng;
use super::tokens::{KEYS, Tokens, beginning};
use crate::faulty_client::give_turns;
use crate::support::{AS, Outcome, RS, get, send_through};

const DAY: Duration = Duration::from_secs(86400);
const HOUR: u64 = 3600;
/// More than two fetches may take: who still waits then waits for ever.
const PATIENCE: u32 = 130;

/// How often what was seen.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    passed: u64,
    refused: u64,
    outages: u64,
    waits: u64,
    ended_keys: u64,
    attempts: u64,
}

impl Tally {
    pub fn covers_every_verdict(&self) -> bool {
        [self.passed, self.refused, self.outages, self.waits, self.ended_keys].iter().all(|&count| count > 0)
    }
}

impl Add for Tally {
    type Output = Tally;

    fn add(self, other: Tally) -> Tally {
        Tally {
            passed: self.passed + other.passed,
            refused: self.refused + other.refused,
            outages: self.outages + other.outages,
            waits: self.waits + other.waits,
            ended_keys: self.ended_keys + other.ended_keys,
            attempts: self.attempts + other.attempts,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        *self = *self + other;
    }
}

pub struct World<'t> {
    rng: Rng,
    tokens: &'t Tokens,
    clock: ManualClock,
    issuer: SoakIssuer,
    server: ResourceServer,
    model: Model,
    next_change: Duration,
    tally: Tally,
}

impl<'t> World<'t> {
    pub fn new(seed: u64, tokens: &'t Tokens) -> Self {
        let clock = ManualClock::at(beginning());
        let issuer = SoakIssuer::new(clock.clone(), tokens.keys.iter().map(|key| key.jwk.clone()).collect());
        let server = ResourceServer::builder(RS, AS).clock(clock.clone()).http_client(issuer.clone()).build().unwrap();
        let start = clock.monotonic();
        let model = Model {
            forgotten: BTreeSet::new(),
            published_since: vec![None; KEYS],
            calm_since: start,
            paused_until: start,
        };
        let rng = Rng::new(seed);
        let mut world =
            World { rng, tokens, clock, issuer, server, model, next_change: start, tally: Tally::default() };
        world.publish(0);
        world
    }

    pub async fn live(&mut self) {
        let end = self.clock.monotonic() + DAY;
        while self.clock.monotonic() < end {
            let step = match self.rng.within(0, 3) {
                0 => self.rng.within(50, 1000),
                1 | 2 => self.rng.within(1000, 10_000),
                _ => self.rng.within(10_000, 30_000),
            };
            self.pass(Duration::from_millis(step)).await;
            self.change_keys();
            self.operate().await;
            self.disturb_clocks().await;
            for _ in 0..self.rng.within(1, 3) {
                self.ask().await;
            }
        }
    }

    /// I6: nothing stays behind.
    pub async fn end(self) -> Tally {
        let World { server, clock, issuer, mut tally, .. } = self;
        drop(server);
        settle().await;
        clock.advance(DAY);
        settle().await;
        assert_eq!(alive_tasks(), 0, "I6: tasks outlive the server");
        tally.attempts = issuer.book().pace.attempts;
        tally
    }

    async fn pass(&mut self, step: Duration) {
        self.clock.advance(step);
        settle().await;
        assert!(alive_tasks() <= 3, "I6: {} tasks for one issuer", alive_tasks());
        self.note_calm();
        let now = self.clock.monotonic();
        if now >= self.next_change {
            self.next_change = now + Duration::from_millis(self.rng.within(1000, 60_000));
            self.issuer.book().behaviour = Behaviour::random(&mut self.rng);
            self.note_calm();
        }
    }

    fn note_calm(&mut self) {
        let (now, behaviour) = (self.clock.monotonic(), self.issuer.book().behaviour);
        if behaviour != Behaviour::Sound {
            self.model.calm_since = now;
        }
        if let Behaviour::PauseFor(seconds) = behaviour {
            self.model.paused_until = now + Duration::from_secs(seconds);
        }
    }

    fn publish(&mut self, key: usize) {
        self.issuer.book().published.insert(key);
        let now = self.clock.monotonic();
        self.model.published_since[key].get_or_insert(now);
    }

    /// Rotations, removals and returns; once in a while a private part among them.
    fn change_keys(&mut self) {
        let key = self.rng.index(KEYS);
        if self.rng.once_in(40) {
            self.publish(key);
        }
        let mut book = self.issuer.book();
        let others: Vec<_> =
            book.published.iter().filter(|&&other| other != key && !book.exposed.contains(&other)).collect();
        if others.is_empty() {
            return;
        }
        if self.rng.once_in(40) {
            book.published.remove(&key);
            book.exposed.remove(&key);
            self.model.published_since[key] = None;
        } else if self.rng.once_in(4000) && book.published.contains(&key) {
            book.exposed.insert(key);
        }
    }

    /// What comes now may cause an attempt out of turn.
    fn excuse(&mut self) {
        self.issuer.book().pace.excuse(self.clock.monotonic());
        self.model.calm_since = self.clock.monotonic();
    }

    async fn operate(&mut self) {
        if self.rng.once_in(3000) {
            let key = self.rng.index(KEYS);
            self.server.forget_key(AS, &self.tokens.keys[key].thumbprint);
            self.model.forgotten.insert(key);
        }
        if self.rng.once_in(300) {
            self.excuse();
            let server = self.server.clone();
            tokio::spawn(async move { server.refresh_now().await.is_ok() });
            settle().await;
        }
    }

    /// The clock is set, the machine sleeps, the process is stopped.
    async fn disturb_clocks(&mut self) {
        if !self.rng.once_in(300) {
            return;
        }
        self.excuse();
        let wall = self.clock.wall();
        let seconds = Duration::from_secs(self.rng.within(1, HOUR));
        match self.rng.within(0, 5) {
            0 => self.clock.set_wall(wall - seconds),
            1 => self.clock.set_wall(wall + seconds),
            // No task runs meanwhile.
            2 => self.clock.advance(seconds),
            3 => self.with_wall(wall + DAY, 10).await,
            4 => self.with_wall(wall - Duration::from_secs(HOUR), 10).await,
            _ => self.with_wall(std::time::SystemTime::UNIX_EPOCH, 2).await,
        }
        self.excuse();
    }

    /// A wrong time of day, so many seconds long.
    async fn with_wall(&mut self, wrong: std::time::SystemTime, seconds: u64) {
        let right = self.clock.wall();
        self.clock.set_wall(wrong);
        for _ in 0..seconds {
            self.ask().await;
            self.pass(Duration::from_secs(1)).await;
        }
        self.clock.set_wall(right + Duration::from_secs(seconds));
    }

    fn question(&mut self) -> (Asked, &'t str) {
        let tokens = self.tokens;
        let published: Vec<_> = self.issuer.book().published.iter().copied().collect();
        let key = if self.rng.once_in(3) { self.rng.index(KEYS) } else { published[self.rng.index(published.len())] };
        match self.rng.within(0, 9) {
            0 => (Asked::Expired(key), &tokens.keys[key].expired),
            1 => (Asked::Forged(key), &tokens.keys[key].forged),
            2 | 3 => (Asked::Stranger, &tokens.strangers[self.rng.index(tokens.strangers.len())]),
            _ => {
                let tokens = &tokens.keys[key].tokens;
                (Asked::Good(key), &tokens[self.rng.index(tokens.len())])
            }
        }
    }

    async fn ask(&mut self) {
        let (asked, token) = self.question();
        let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
        let mut answer = Box::pin(send_through(AuthLayer::new(self.server.clone()), request));
        let must_pass = match asked {
            Asked::Good(key) => self.model.must_pass(key, &self.issuer.book(), Moment::read(&self.clock)),
            Asked::Expired(_) => true,
            Asked::Forged(_) | Asked::Stranger => false,
        };
        let mut outcome = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(outcome.is_ready() || !must_pass, "I5: {asked:?} waits");
        let mut patience = PATIENCE;
        while outcome.is_pending() {
            assert!(patience > 0, "I5: {asked:?} waits for ever");
            patience -= 1;
            self.tally.waits += u64::from(patience == PATIENCE - 1);
            self.pass(Duration::from_millis(100)).await;
            outcome = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        if let Poll::Ready(outcome) = outcome {
            self.judge(asked, &outcome);
        }
    }

    fn judge(&mut self, asked: Asked, outcome: &Outcome) {
        let now = Moment::read(&self.clock);
        self.model.judge(asked, outcome, &self.issuer.book(), now);
        self.tally.ended_keys += u64::from(self.model.asks_for_an_ended_key(asked, &self.issuer.book()));
        match outcome.status.as_u16() {
            200 => self.tally.passed += 1,
            401 => self.tally.refused += 1,
            _ => self.tally.outages += 1,
        }
    }
}

/// One issuer has two tasks at most, so that few turns are enough.
async fn settle() {
    give_turns(12).await;
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}
