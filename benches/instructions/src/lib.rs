//! What the instruction counts are taken of: applications, and the requests they get.
//!
//! Everything is as by default: no `tracing` subscriber, no metrics recorder, no audit sink, the system's clock, a
//! refusal's problem body and the error in its extensions, the claims in the extensions of a request that passes.
//! Keys are given by hand; a fetched key's hit takes the same path.

pub mod apps;
pub mod case;
pub mod do_nothing;
pub mod requests;
