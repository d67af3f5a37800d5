//! The crates that are measured, each built with its own defaults as its documentation shows it.

mod aliri_tower;
mod axum_jwks;
mod axum_jwt_auth;
mod axum_keycloak_auth;
mod bare;
mod jwt_authorizer;
mod oauth_resource_server;
mod tower_bearer;
mod tower_oauth2;

use crate::app::App;
use crate::keys::Algorithm;

pub use tower_bearer::{builder, cold, evicting};

/// What a crate is told: the key set of the one issuer, by text, so that nothing has to be fetched.
pub struct Trust {
    pub algorithm: Algorithm,
    pub jwks: String,
}

/// One row of the tables.
pub struct Peer {
    pub name: &'static str,
    /// The package whose version is printed, if it is a crate of somebody else.
    pub package: Option<&'static str>,
    /// How it is used here.
    pub setup: &'static str,
    /// The algorithms that it takes in this build.
    pub takes: &'static [Algorithm],
    pub build: fn(&Trust) -> App,
}

const ALL: &[Algorithm] = &[Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];
const RSA: &[Algorithm] = &[Algorithm::Rs256];

pub const BARE: &str = "bare";
pub const HIT: &str = "tower-bearer";
pub const OUTER: &str = "tower-bearer, outer";

/// The rows without a crate of somebody else. The first is the baseline, the second its control.
pub const OWN: &[Peer] = &[
    Peer { name: BARE, setup: "a route of axum 0.8 without any check", package: None, takes: ALL, build: bare::bare },
    Peer { name: "bare (control)", setup: "the same once more", package: None, takes: ALL, build: bare::bare },
    Peer { name: "bare, axum 0.7", setup: "the same with axum 0.7", package: None, takes: ALL, build: bare::bare07 },
    Peer {
        name: "noop-layer",
        setup: "a layer that only calls the inner service, by `Router::layer`",
        package: None,
        takes: ALL,
        build: bare::noop,
    },
    Peer {
        name: HIT,
        setup: "`AuthLayer` by `Router::layer`, default cache",
        package: None,
        takes: ALL,
        build: tower_bearer::layer,
    },
    Peer {
        name: OUTER,
        setup: "`AuthLayer` around the whole router",
        package: None,
        takes: ALL,
        build: tower_bearer::outer,
    },
];

/// The published peers.
pub const PEERS: &[Peer] = &[
    Peer {
        name: "aliri_tower",
        setup: "layer, keys given; RSA (default features)",
        package: Some("aliri_tower"),
        takes: RSA,
        build: aliri_tower::app,
    },
    Peer {
        name: "axum-jwks",
        setup: "extractor, keys given; RSA",
        package: Some("axum-jwks"),
        takes: RSA,
        build: axum_jwks::app,
    },
    Peer {
        name: "axum-jwt-auth",
        setup: "extractor with `LocalDecoder`, keys given; jsonwebtoken 10 with `rust_crypto`",
        package: Some("axum-jwt-auth"),
        takes: ALL,
        build: axum_jwt_auth::app,
    },
    Peer {
        name: "axum-keycloak-auth",
        setup: "layer, keys by discovery from a local realm; jsonwebtoken 9 (ring)",
        package: Some("axum-keycloak-auth"),
        takes: ALL,
        build: axum_keycloak_auth::app,
    },
    Peer {
        name: "jwt-authorizer",
        setup: "layer, keys given, on a router of axum 0.7; jsonwebtoken 9 (ring)",
        package: Some("jwt-authorizer"),
        takes: ALL,
        build: jwt_authorizer::app,
    },
    Peer {
        name: "oauth-resource-server",
        setup: "layer with `initial_jwks`, `require_at_jwt` and one required scope; jsonwebtoken 9 (ring)",
        package: Some("oauth-resource-server"),
        takes: ALL,
        build: oauth_resource_server::app,
    },
    Peer {
        name: "tower-oauth2-resource-server",
        setup: "layer, keys given; jsonwebtoken 11 with `jwt-aws-lc-rs`",
        package: Some("tower-oauth2-resource-server"),
        takes: ALL,
        build: tower_oauth2::app,
    },
];

/// All rows that take this algorithm.
pub fn taking(algorithm: Algorithm) -> impl Iterator<Item = &'static Peer> {
    OWN.iter().chain(PEERS).filter(move |peer| peer.takes.contains(&algorithm))
}

pub fn is_peer(name: &str) -> bool {
    PEERS.iter().any(|peer| peer.name == name)
}

/// Whether a row checks nothing.
pub fn unguarded(name: &str) -> bool {
    name.starts_with(BARE) || name == "noop-layer"
}

/// The row of this name.
pub fn find(name: &str) -> Option<&'static Peer> {
    OWN.iter().chain(PEERS).find(|peer| peer.name == name)
}
