//! Asks an issuer about tokens (RFC 7662): one call per token at a time, a bounded number of calls, each in a task of its
//! own.

mod assertion;
mod call;
mod client_auth;
mod exchange;
mod flight;
mod form;
mod gate;
mod memory;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub(crate) use assertion::Assertion;
pub(crate) use call::{Address, Caller};
pub(crate) use client_auth::ClientAuth;
pub(crate) use exchange::{AnswerKeys, SignedAnswers};
pub(crate) use memory::Lives;

use super::waiting::{MAX_WAITING, Places};
use crate::clock::Now;
use crate::telemetry;
use crate::token::access_token::AccessToken;
use crate::token::claims::Claims;
use crate::token::error::{AuthError, Reason};
use crate::verify::answer::Asked;
use crate::verify::rules::ClaimRules;
use flight::Flight;
use gate::Gate;
use memory::Memory;

/// Calls that wait until one of those under way has ended; more would only pile up.
const MAX_QUEUED: usize = 1024;

/// What came of a question: the claims, why the token is refused, or why it could not be judged.
pub(crate) type Outcome = Result<Claims, AuthError>;

/// What is needed to ask about tokens.
pub(crate) struct Setup {
    pub(crate) caller: Caller,
    pub(crate) rules: Arc<ClaimRules>,
    pub(crate) signed: Option<SignedAnswers>,
    pub(crate) lives: Lives,
    pub(crate) takes_opaque: bool,
    pub(crate) audience_may_be_missing: bool,
    pub(crate) max_in_flight: usize,
}

/// Asks one issuer. Dropping it ends its calls.
pub(crate) struct Introspector {
    desk: Arc<Desk>,
    tasks: Mutex<JoinSet<()>>,
}

/// What the calls share. It holds nothing of a request but tokens under way.
struct Desk {
    setup: Setup,
    gate: Mutex<Gate>,
    permits: Semaphore,
    flights: Mutex<Flights>,
    memory: Memory,
    waiters: Places,
}

/// The calls under way by the digest of their token.
#[derive(Default)]
struct Flights {
    begun: u64,
    by_token: HashMap<u128, Entry>,
}

struct Entry {
    number: u64,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Flights {
    /// True if this very call was listed.
    fn remove(&mut self, digest: u128, number: u64) -> bool {
        let listed = self.by_token.get(&digest).is_some_and(|entry| entry.number == number);
        if listed {
            self.by_token.remove(&digest);
        }
        listed
    }
}

impl Introspector {
    pub(crate) fn new(setup: Setup) -> Self {
        let desk = Desk {
            gate: Mutex::default(),
            permits: Semaphore::new(setup.max_in_flight),
            flights: Mutex::default(),
            memory: Memory::new(setup.lives),
            waiters: Places::new(MAX_WAITING),
            setup,
        };
        Introspector { desk: Arc::new(desk), tasks: Mutex::default() }
    }

    /// The name of the issuer.
    pub(crate) fn issuer(&self) -> &Arc<str> {
        &self.desk.setup.rules.issuer
    }

    /// How to ask about an opaque token, if this issuer takes them.
    pub(crate) fn about_opaque(&self) -> Option<Asked> {
        let audience_may_be_missing = self.desk.setup.audience_may_be_missing;
        self.desk.setup.takes_opaque.then_some(Asked::Opaque { audience_may_be_missing })
    }

    /// How to ask about a JWT that was verified, if that is wanted.
    pub(crate) fn about_jwt(&self) -> Option<Asked> {
        self.desk.setup.lives.jwt.map(|_| Asked::Jwt)
    }

    /// What the issuer said before, where that may still be believed.
    pub(crate) fn recall(&self, digest: u128, asked: Asked, now: Now) -> Option<Outcome> {
        self.desk.memory.recall(digest, asked, now)
    }

    /// Asks, or waits for the answer that somebody else waits for already. The call runs in a task of its own and has a
    /// deadline of its own: it ends, and a caller that goes away cancels nothing.
    pub(crate) async fn ask(&self, digest: u128, token: AccessToken, asked: Asked) -> Outcome {
        let busy = || AuthError::from(Reason::IntrospectionBusy);
        let _place = self.desk.waiters.take().ok_or_else(busy)?;
        let mut outcome = self.join(digest, token, asked)?;
        let ended = outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
        // A call that panicked, or whose runtime ended, said nothing.
        ended.ok().flatten().unwrap_or_else(|| Err(Reason::IntrospectionUnavailable.into()))
    }

    /// Whatever the issuer said of this token is asked anew from now on; an answer under way is told to those who wait
    /// for it, and not kept.
    pub(crate) fn forget(&self, digest: u128) {
        let mut flights = self.desk.flights();
        flights.by_token.remove(&digest);
        self.desk.memory.forget(digest);
    }

    fn join(
        &self,
        digest: u128,
        token: AccessToken,
        asked: Asked,
    ) -> Result<watch::Receiver<Option<Outcome>>, AuthError> {
        let desk = &self.desk;
        let refusal = desk.gate().refusal(desk.now().monotonic);
        let mut flights = desk.flights();
        if let Some(entry) = flights.by_token.get(&digest) {
            return Ok(entry.outcome.clone());
        }
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let busy = flights.by_token.len() >= desk.setup.max_in_flight.saturating_add(MAX_QUEUED);
        // Without a runtime nobody could call.
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Reason::IntrospectionUnavailable)?;
        if busy {
            telemetry::introspected(&desk.setup.rules.issuer, "busy");
            return Err(Reason::IntrospectionBusy.into());
        }
        let (sender, outcome) = watch::channel(None);
        flights.begun += 1;
        let number = flights.begun;
        flights.by_token.insert(digest, Entry { number, outcome: outcome.clone() });
        drop(flights);
        // Spawned without the lock: a runtime that shuts down drops the task at once, which takes it.
        let flight = Flight { desk: desk.clone(), digest, number, outcome: sender };
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(flight.fly(token, asked), &runtime);
        Ok(outcome)
    }
}

impl Desk {
    fn now(&self) -> Now {
        Now::read(&*self.setup.caller.door.clock)
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector")
            .field("issuer", self.issuer())
            .field("auth", &self.desk.setup.caller.auth)
            .finish_non_exhaustive()
    }
}
