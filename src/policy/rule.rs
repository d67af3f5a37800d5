//! A requirement as it stands on a route: with what is told of it, made once.

use std::sync::Arc;

use super::facts::Facts;
use super::requirement::{Node, Requirement};
use crate::token::error::AuthError;

/// What is told of a decision, whatever it was.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    /// What was asked for.
    pub(crate) text: Box<str>,
    /// Every scope that it names, separated by spaces.
    pub(crate) scopes: Box<str>,
    /// The template that the route is known by.
    pub(crate) route: Option<Arc<str>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    requirement: Requirement,
    label: Label,
    asks_request: bool,
}

impl Rule {
    pub(crate) fn new(requirement: Requirement) -> Self {
        Rule { label: requirement.label(), asks_request: requirement.asks_request(), requirement }
    }

    /// The template that its route is known by, for the audit.
    pub(crate) fn on_route(mut self, route: impl Into<Arc<str>>) -> Self {
        self.label.route = Some(route.into());
        self
    }

    pub(crate) fn check(&self, facts: &Facts<'_>) -> Result<(), AuthError> {
        self.requirement.check(facts)
    }

    /// True if it has predicates, which are asked about the whole request.
    pub(crate) fn asks_request(&self) -> bool {
        self.asks_request
    }

    pub(crate) fn label(&self) -> &Label {
        &self.label
    }
}

impl Requirement {
    pub(crate) fn label(&self) -> Label {
        Label { text: self.to_string().into(), scopes: self.scopes().join(" ").into(), route: None }
    }

    pub(crate) fn asks_request(&self) -> bool {
        match &self.0 {
            Node::Predicate(_) => true,
            Node::All(list) | Node::Any(list) | Node::Majority(list) => list.iter().any(Requirement::asks_request),
            Node::Not(inner) => inner.asks_request(),
            _ => false,
        }
    }
}
