//! The fuzz targets as plain functions: any bytes in, a panic where an oracle disagrees with the crate.
//!
//! Compiled twice: in the library's unit tests, which replay `fuzz/corpus` on every run, and in the package
//! `fuzz`, which feeds them from libFuzzer. The oracles share no code with the crate; they are slow and plain.

mod credentials;
mod documents;
mod grammar;
mod hmac;
mod jose;
mod naive;
mod proofs;
mod slow_json;
mod whole;

pub use credentials::{f09_authorization_fields, f12_challenge_of_any_configuration};
pub use documents::{f06_jwks, f07_metadata_document};
pub use jose::{f01_compact_split, f02_base64url, f03_jose_header};
pub use proofs::{f10_dpop_proof, f11_htu_normaliser};
pub use whole::{f04_payload_to_claims, f05_whole_verification, f08_introspection_answer};

pub type Target = fn(&[u8]);

/// Every target by the name of its folder in `fuzz/corpus`.
pub const TARGETS: [(&str, Target); 12] = [
    ("f01_compact_split", f01_compact_split),
    ("f02_base64url", f02_base64url),
    ("f03_jose_header", f03_jose_header),
    ("f04_payload_to_claims", f04_payload_to_claims),
    ("f05_whole_verification", f05_whole_verification),
    ("f06_jwks", f06_jwks),
    ("f07_metadata_document", f07_metadata_document),
    ("f08_introspection_answer", f08_introspection_answer),
    ("f09_authorization_fields", f09_authorization_fields),
    ("f10_dpop_proof", f10_dpop_proof),
    ("f11_htu_normaliser", f11_htu_normaliser),
    ("f12_challenge_of_any_configuration", f12_challenge_of_any_configuration),
];
