//! Floor 3: who may do what, decided on verified claims.

pub(crate) mod access;
pub(crate) mod decider;
pub(crate) mod expression;
pub(crate) mod facts;
pub(crate) mod path;
pub(crate) mod predicate;
mod print;
mod remedy;
pub(crate) mod requirement;
pub(crate) mod routes;
pub(crate) mod rule;
