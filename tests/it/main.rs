//! Everything that needs two floors, tested through public names only. One crate, so that it links once.
//!
//! Names are sentences that begin with the conformance id they prove: `c6750_2_1_a_...`, `s1_01_...`, `r26_...`.

mod conformance;
mod discovery;
mod examples;
mod faulty_client;
mod floors;
mod sources;
mod support;
