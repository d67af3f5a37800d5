//! Floor 1: the rules. Pure functions of (input, rules, now): no async, no clock, no network.

pub(crate) mod algorithm;
pub(crate) mod answer;
pub(crate) mod audience;
pub(crate) mod base64url;
pub(crate) mod certificate;
pub(crate) mod crypto;
pub(crate) mod jwk;
pub(crate) mod jwks;
pub(crate) mod jws;
pub(crate) mod nonce;
pub(crate) mod outlook;
pub(crate) mod proof;
pub(crate) mod proof_fault;
pub(crate) mod roca;
pub(crate) mod role_map;
pub(crate) mod roles;
pub(crate) mod rules;
mod scopes;
pub(crate) mod shape;
pub(crate) mod signing;
pub(crate) mod small_order;
pub(crate) mod target;
pub(crate) mod times;
