//! What a requirement is judged by, and its verdict.

use std::cell::Cell;

use http::request::Parts;

use super::predicate::Predicate;
use super::requirement::{Node, Requirement};
use crate::clock::unix_seconds;
use crate::token::claims::{ClaimSet, Claims};
use crate::token::error::Reason;
use crate::token::json_find;

/// The claims of a token and, where there is one, the request. The time is that of the server that verified it.
pub(crate) struct Facts<'a> {
    pub(super) claims: &'a ClaimSet,
    request: Option<(&'a Claims, &'a Parts)>,
    fault: Cell<Option<Reason>>,
}

impl<'a> Facts<'a> {
    /// Claims alone: predicates have no say.
    pub(crate) fn of(claims: &'a ClaimSet) -> Self {
        Facts { claims, request: None, fault: Cell::new(None) }
    }

    pub(crate) fn with_request(self, claims: &'a Claims, request: &'a Parts) -> Self {
        Facts { request: Some((claims, request)), ..self }
    }

    /// Why something could not be judged, if so; the worst of several.
    pub(super) fn fault(&self) -> Option<Reason> {
        self.fault.get()
    }

    fn note(&self, fault: Reason) {
        if self.fault.get().is_none() || fault == Reason::PredicatePanicked {
            self.fault.set(Some(fault));
        }
    }

    fn ask(&self, predicate: &Predicate) -> Option<bool> {
        let Some((claims, request)) = self.request else {
            self.note(Reason::RequestMissing);
            return None;
        };
        let answer = predicate.ask(claims, request);
        if answer.is_none() {
            self.note(Reason::PredicatePanicked);
        }
        answer
    }

    /// A time that is not given fails; one that lies ahead says that the token is not to be believed.
    fn is_recent(&self, limit: u64) -> Option<bool> {
        let Some(authenticated_at) = self.claims.auth_time else { return Some(false) };
        let settings = &self.claims.resource;
        let now = unix_seconds(settings.clock.wall());
        if authenticated_at > now.saturating_add(settings.leeway) {
            self.note(Reason::AuthTimeInFuture);
            return None;
        }
        Some(now.saturating_sub(authenticated_at) <= limit.saturating_add(settings.leeway))
    }
}

impl Requirement {
    /// Three-valued, so that what cannot be judged is not met, and its opposite is not either (Kleene's logic).
    pub(super) fn truth(&self, facts: &Facts<'_>) -> Option<bool> {
        let claims = facts.claims;
        match &self.0 {
            Node::Scope(scope) => Some(claims.has_permission(scope)),
            Node::Role(role) => Some(claims.has_role(role)),
            Node::Client(client) => Some(claims.client_id.as_ref() == Some(client)),
            Node::Subject(subject) => Some(claims.subject.as_ref() == Some(subject)),
            Node::Claim { path, value } => Some(json_find::holds(&claims.payload, path, value)),
            Node::Acr(values) => Some(claims.acr.as_ref().is_some_and(|acr| values.contains(acr))),
            Node::MaxAge(limit) => facts.is_recent(*limit),
            Node::Predicate(predicate) => facts.ask(predicate),
            Node::All(list) => settle(list, facts, false),
            Node::Any(list) => settle(list, facts, true),
            Node::Majority(list) => majority(list, facts),
            Node::Not(inner) => inner.truth(facts).map(|met| !met),
        }
    }

    pub(super) fn is_true(&self, facts: &Facts<'_>) -> bool {
        self.truth(facts) == Some(true)
    }
}

/// `decisive` where one of them is, its opposite where all are that.
fn settle(list: &[Requirement], facts: &Facts<'_>, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for requirement in list {
        match requirement.truth(facts) {
            Some(truth) if truth == decisive => return Some(decisive),
            None => result = None,
            Some(_) => {}
        }
    }
    result
}

fn majority(list: &[Requirement], facts: &Facts<'_>) -> Option<bool> {
    let (mut met, mut open) = (0, 0);
    for requirement in list {
        match requirement.truth(facts) {
            Some(true) => met += 1,
            Some(false) => {}
            None => open += 1,
        }
    }
    match (met * 2 > list.len(), (met + open) * 2 > list.len()) {
        (true, _) => Some(true),
        (false, true) => None,
        (false, false) => Some(false),
    }
}
