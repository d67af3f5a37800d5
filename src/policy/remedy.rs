//! What a token lacks: for the challenge the way that lacks fewest, for the operator the branch that failed.

use std::sync::Arc;

use super::facts::Facts;
use super::requirement::{Node, Requirement};
use crate::token::error::{AuthError, Reason};
use crate::token::scope::is_scope_token;

impl Requirement {
    /// Judges, and says in a refusal what was not met and what to ask for.
    pub(crate) fn check(&self, facts: &Facts<'_>) -> Result<(), AuthError> {
        let truth = self.truth(facts);
        match facts.fault() {
            // Whatever the rest says: a function that panics has not judged.
            Some(Reason::PredicatePanicked) => Err(self.not_judged(Reason::PredicatePanicked)),
            _ if truth == Some(true) => Ok(()),
            _ => Err(self.refusal(facts, truth.is_some())),
        }
    }

    fn not_judged(&self, fault: Reason) -> AuthError {
        AuthError::with_detail(fault, self)
    }

    /// Authentication before scope, and both in one challenge (RFC 9470 section 3). Without a request it is the caller's
    /// fault all the same where no predicate could change the verdict.
    fn refusal(&self, facts: &Facts<'_>, is_settled: bool) -> AuthError {
        let way = self.way(facts);
        if let Some(fault) = facts.fault().filter(|fault| !(is_settled && *fault == Reason::RequestMissing)) {
            return self.not_judged(fault);
        }
        let failed: Arc<str> = self.failed(facts).to_string().into();
        let scopes = (way.lacking_scopes > 0).then(|| way.scopes(facts).into());
        if !way.lacks_authentication {
            return AuthError::insufficient_scope(scopes, &failed);
        }
        let levels: Vec<&str> = way.levels.iter().map(AsRef::as_ref).filter(|level| is_scope_token(level)).collect();
        let levels = (!levels.is_empty()).then(|| levels.join(" ").into());
        AuthError::insufficient_user_authentication(levels, way.max_age, scopes, &failed)
    }

    /// The part of it that fails: of `and` those that do, of anything else the whole.
    fn failed(&self, facts: &Facts<'_>) -> Requirement {
        match &self.0 {
            Node::All(list) => {
                let failing = list.iter().filter(|requirement| !requirement.is_true(facts));
                Requirement::all_of(failing.map(|requirement| requirement.failed(facts)))
            }
            _ => self.clone(),
        }
    }

    /// Every scope that can help to fulfil it, in the order of its text.
    pub(crate) fn scopes(&self) -> Vec<&str> {
        match &self.0 {
            Node::Scope(scope) => vec![scope],
            Node::All(list) | Node::Any(list) | Node::Majority(list) => {
                list.iter().flat_map(Requirement::scopes).collect()
            }
            _ => Vec::new(),
        }
    }

    fn way(&self, facts: &Facts<'_>) -> Way<'_> {
        match &self.0 {
            Node::All(list) => joined(list.iter().map(|requirement| requirement.way(facts))),
            Node::Any(list) => {
                let ways = list.iter().map(|requirement| requirement.way(facts));
                ways.min_by_key(|way| way.lacking).unwrap_or(Way { lacking: 1, ..Way::default() })
            }
            Node::Majority(list) => {
                let mut ways: Vec<_> = list.iter().map(|requirement| requirement.way(facts)).enumerate().collect();
                ways.sort_by_key(|(_, way)| way.lacking);
                ways.truncate(list.len() / 2 + 1);
                ways.sort_by_key(|(place, _)| *place);
                joined(ways.into_iter().map(|(_, way)| way))
            }
            _ => self.only_way(!self.is_true(facts)),
        }
    }

    fn only_way(&self, lacks: bool) -> Way<'_> {
        let lacking = usize::from(lacks);
        match &self.0 {
            // A malformed one is never granted, and must not stand in a challenge (RFC 6750 section 3).
            Node::Scope(scope) if is_scope_token(scope) => {
                Way { scopes: vec![scope], lacking_scopes: lacking, lacking, ..Way::default() }
            }
            Node::Acr(levels) => {
                Way { levels, lacks_level: lacks, lacks_authentication: lacks, lacking, ..Way::default() }
            }
            Node::MaxAge(limit) => {
                Way { max_age: Some(*limit), lacks_authentication: lacks, lacking, ..Way::default() }
            }
            _ => Way { lacking, ..Way::default() },
        }
    }
}

/// One way to fulfil a requirement, and how much of it a token lacks. What it needs is named whole, not only what
/// lacks: a client that asks for the lacking part only loses the rest.
#[derive(Default)]
struct Way<'a> {
    scopes: Vec<&'a str>,
    levels: &'a [Box<str>],
    max_age: Option<u64>,
    lacking_scopes: usize,
    lacks_level: bool,
    lacks_authentication: bool,
    lacking: usize,
}

fn joined<'a>(ways: impl Iterator<Item = Way<'a>>) -> Way<'a> {
    ways.reduce(Way::and).unwrap_or_default()
}

impl<'a> Way<'a> {
    fn and(mut self, other: Way<'a>) -> Self {
        for scope in other.scopes {
            if !self.scopes.contains(&scope) {
                self.scopes.push(scope);
            }
        }
        // A challenge holds one list of levels; of two it names the one that lacks.
        if self.levels.is_empty() || (other.lacks_level && !self.lacks_level) {
            self.levels = other.levels;
        }
        self.max_age = self.max_age.into_iter().chain(other.max_age).min();
        self.lacks_level |= other.lacks_level;
        self.lacks_authentication |= other.lacks_authentication;
        self.lacking_scopes += other.lacking_scopes;
        self.lacking += other.lacking;
        self
    }

    fn scopes(&self, facts: &Facts<'_>) -> String {
        let mut scopes = self.scopes.clone();
        if facts.claims.resource.authorization.union_granted_scopes {
            scopes.extend(
                facts.claims.scope.iter().filter(|scope| is_scope_token(scope) && !self.scopes.contains(scope)),
            );
        }
        scopes.join(" ")
    }
}
