//! Decisions that are made elsewhere: a database, Cedar, OPA.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::request::Parts;

use crate::clock::{Clock, Now};
use crate::store::decisions::{Decisions, Kept};
use crate::token::claims::{ClaimSet, Claims};
use crate::token::error::{AuthError, Reason};
use crate::token::untrusted::Untrusted;
use crate::verify::crypto;

/// What a [`Decider`] answers with, in its time.
pub type DeciderFuture<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// Decides elsewhere what a verified caller may do: in a database, a policy engine, another service. Stands on a route
/// by [`Require::decider`](crate::Require::decider).
///
/// It is asked on every request, and waited for within a deadline, unless it names a
/// [`cache_key`](Decider::cache_key) and the layer was told to remember. One that panics is answered with 500; one that
/// says it is [`Unavailable`](Verdict::Unavailable) or takes too long with 503: an outage is never a pass.
///
/// # Example
/// ```
/// use http::request::Parts;
/// use tower_bearer::{Claims, Decider, DeciderFuture, Verdict};
///
/// struct Tenants(std::collections::HashMap<String, String>);
///
/// impl Decider for Tenants {
///     fn decide<'a>(&'a self, claims: &'a Claims, request: &'a Parts) -> DeciderFuture<'a> {
///         Box::pin(async move {
///             let tenant = request.uri.path().split('/').nth(1).unwrap_or_default();
///             match claims.subject().and_then(|subject| self.0.get(subject)) {
///                 Some(own) if own == tenant => Verdict::Allow,
///                 _ => Verdict::deny("not of this tenant"),
///             }
///         })
///     }
/// }
/// ```
pub trait Decider: Send + Sync + 'static {
    /// Decides about this request.
    fn decide<'a>(&'a self, claims: &'a Claims, request: &'a Parts) -> DeciderFuture<'a>;

    /// By what a decision may be remembered, where [`remember`](crate::RequireDecision::remember) is on: whatever it
    /// depends on beside issuer, subject and client of the token, which always count. That is the route at least, and
    /// scope, roles or headers where they are looked at. `None`, the default, and keys over 1 KiB are not remembered; nor
    /// is anything of a token that names neither subject nor client, which could be anybody's.
    fn cache_key(&self, claims: &Claims, request: &Parts) -> Option<String> {
        let _ = (claims, request);
        None
    }
}

/// What a [`Decider`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The caller may.
    Allow,
    /// The caller may not: 403. The reason is for the operator; the client gets a fixed text.
    Deny(Box<str>),
    /// It cannot be said now: 503 with `Retry-After`. The reason is for the operator.
    Unavailable(Box<str>),
}

impl Verdict {
    /// The caller may not, for this reason.
    pub fn deny(reason: impl Into<Box<str>>) -> Self {
        Verdict::Deny(reason.into())
    }

    /// It cannot be said now, for this reason.
    pub fn unavailable(reason: impl Into<Box<str>>) -> Self {
        Verdict::Unavailable(reason.into())
    }
}

/// Longest key that a decision is remembered by.
const MAX_KEY: usize = 1024;

/// A decider as it stands on a route.
#[derive(Clone)]
pub(crate) struct Referral {
    decider: Arc<dyn Decider>,
    pub(crate) deadline: Duration,
    decisions: Option<Arc<Decisions>>,
}

/// How asking ended.
enum Outcome {
    Said(Verdict),
    TooLate,
    Panicked,
}

impl Referral {
    pub(crate) fn new(decider: impl Decider, deadline: Duration) -> Self {
        Referral { decider: Arc::new(decider), deadline, decisions: None }
    }

    pub(crate) fn remember(&mut self, entries: usize, ttl: Duration) {
        self.decisions = Some(Arc::new(Decisions::new(entries, ttl, crypto::random())));
    }

    /// What is remembered, else what the decider says now.
    pub(crate) async fn ask(&self, claims: &Claims, request: &Parts) -> Result<(), AuthError> {
        let clock = &*claims.set().resource.clock;
        let memory = match (&self.decisions, self.key(claims, request)) {
            (_, Err(reason)) => return Err(reason.into()),
            (Some(decisions), Ok(Some(key))) => Some((decisions, key)),
            _ => None,
        };
        if let Some(kept) = memory.as_ref().and_then(|(decisions, key)| decisions.get(*key, Now::read(clock))) {
            return kept.map_or_else(|reason| Err(denied(&reason)), Ok);
        }
        let verdict = match self.decide(claims, request, clock).await {
            Outcome::Said(verdict) => verdict,
            Outcome::TooLate => return Err(Reason::DeciderTooLate.into()),
            Outcome::Panicked => return Err(Reason::DeciderPanicked.into()),
        };
        let (kept, result): (Kept, _) = match verdict {
            Verdict::Allow => (Ok(()), Ok(())),
            Verdict::Deny(reason) => (Err(reason.as_ref().into()), Err(denied(&reason))),
            Verdict::Unavailable(reason) => {
                return Err(AuthError::with_detail(Reason::DeciderUnavailable, Untrusted(&reason)));
            }
        };
        if let Some((decisions, key)) = memory {
            decisions.put(key, kept, Now::read(clock));
        }
        result
    }

    async fn decide(&self, claims: &Claims, request: &Parts, clock: &dyn Clock) -> Outcome {
        let Ok(mut decision) = catch_unwind(AssertUnwindSafe(|| self.decider.decide(claims, request))) else {
            return Outcome::Panicked;
        };
        let mut deadline = clock.sleep(self.deadline);
        poll_fn(|context| {
            match catch_unwind(AssertUnwindSafe(|| decision.as_mut().poll(context))) {
                Ok(Poll::Ready(verdict)) => return Poll::Ready(Outcome::Said(verdict)),
                Ok(Poll::Pending) => {}
                Err(_) => return Poll::Ready(Outcome::Panicked),
            }
            deadline.as_mut().poll(context).map(|()| Outcome::TooLate)
        })
        .await
    }

    /// The key of this decision, where it may be remembered.
    fn key(&self, claims: &Claims, request: &Parts) -> Result<Option<u128>, Reason> {
        let set = claims.set();
        let is_somebody = set.subject.is_some() || set.client_id.is_some();
        let Some(decisions) = self.decisions.as_ref().filter(|_| is_somebody) else { return Ok(None) };
        let key = catch_unwind(AssertUnwindSafe(|| self.decider.cache_key(claims, request)));
        let key = key.map_err(|_| Reason::DeciderPanicked)?.filter(|key| key.len() <= MAX_KEY);
        Ok(key.map(|key| decisions.key(&parts_of(set, &key))))
    }
}

/// Each with its length, so that no two keys run into each other.
fn parts_of(set: &ClaimSet, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [Some(&*set.issuer), set.subject.as_deref(), set.client_id.as_deref(), Some(key)] {
        bytes.extend(part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
        bytes.extend(part.unwrap_or_default().as_bytes());
    }
    bytes
}

fn denied(reason: &str) -> AuthError {
    AuthError::with_detail(Reason::DeniedElsewhere, Untrusted(reason))
}

impl fmt::Debug for Referral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Referral").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
