//! Everything that needs two floors, tested through public names only. One crate, so that it links once.
//!
//! Names are sentences that begin with the conformance id they prove: `c6750_2_1_a_...`, `s1_01_...`, `r26_...`.

mod access_token_profile;
mod allocations;
mod attacks_algorithm;
mod attacks_encoding;
mod attacks_issuer;
mod attacks_keys;
mod attacks_time;
mod audit;
mod audit_sink;
mod bcp;
mod bearer;
mod bound_tokens;
mod capture;
mod challenge;
mod composition;
mod config;
#[cfg(feature = "config")]
mod config_file;
mod conformance;
mod cors;
#[cfg(feature = "metrics")]
mod dashboards;
mod deciders;
mod discovery;
mod docs;
mod dpop;
mod dpop_nonce;
mod dpop_replay;
mod examples;
mod expiry;
mod extract;
mod faulty_client;
mod floors;
mod forward;
#[cfg(all(unix, feature = "config", feature = "metrics"))]
mod gateway;
mod grpc;
mod handler_checks;
mod http_auth;
mod introspection;
mod introspection_modes;
mod introspection_outage;
mod jws;
mod jwt_claims;
mod key_etag;
mod key_faults;
mod key_fleet;
mod key_incident;
mod key_life;
mod key_outage;
mod key_pause;
mod key_removal;
mod key_sockets;
mod key_store;
mod keys;
mod known_headers;
mod many;
mod mcp;
mod metadata;
#[cfg(feature = "metrics")]
mod metrics;
mod mtls;
mod multi_issuer;
mod policy;
mod presets;
mod privacy;
mod properties;
mod properties_policy;
mod properties_requests;
mod relay;
mod roles;
mod routers;
mod rules;
mod runtime;
mod scope;
mod soak;
mod sources;
mod spans;
mod step_up;
mod succession;
mod support;
mod testing_faults;
mod testing_tools;
mod token_cache;
mod tower_contract;
#[cfg(feature = "metrics")]
mod trace_level;
mod uploads;
mod vectors;
mod verdicts;
mod way_to_issuer;
mod wire;
