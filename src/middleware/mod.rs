//! Floor 4: tower and axum. The only floor that knows status codes and response headers.

pub(crate) mod auth;
pub(crate) mod auth_future;
pub(crate) mod body;
pub(crate) mod challenge;
pub(crate) mod cors;
pub(crate) mod decide;
pub(crate) mod expiry;
pub(crate) mod expiry_body;
#[cfg(feature = "axum")]
pub(crate) mod extract;
mod fields;
pub(crate) mod forward;
mod forward_value;
mod grpc;
pub(crate) mod judge;
pub(crate) mod metadata;
pub(crate) mod passage;
pub(crate) mod recycled;
pub(crate) mod rejection;
pub(crate) mod require;
pub(crate) mod require_scope;
pub(crate) mod rules;
pub(crate) mod rules_service;
