//! Everything that needs two floors, tested through public names only. One crate, so that it links once.
//!
//! Names are sentences that begin with the conformance id they prove: `c6750_2_1_a_...`, `s1_01_...`, `r26_...`, `p01_...`.

mod access_token_profile;
mod bcp;
mod bearer;
mod bound_tokens;
mod challenge;
mod composition;
mod conformance;
mod cors;
mod discovery;
mod examples;
mod extract;
mod faulty_client;
mod floors;
mod http_auth;
mod jws;
mod jwt_claims;
mod keys;
mod metadata;
mod properties;
mod properties_policy;
mod properties_requests;
mod scope;
mod sources;
mod support;
mod tower_contract;
mod vectors;
mod verdicts;
