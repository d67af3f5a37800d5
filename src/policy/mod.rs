//! Floor 3: who may do what, decided on verified claims.

pub(crate) mod access;
pub(crate) mod expression;
pub(crate) mod path;
pub(crate) mod requirement;
pub(crate) mod routes;
