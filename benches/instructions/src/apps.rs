//! `GET /x` that answers `ok`: bare, or with layers mounted by `Router::layer`.

use axum::Router;
use axum::routing::get;
use tower_bearer::{AuthLayer, Issuer, Jwks, RequireScope, ResourceServer, ResourceServerBuilder};

use crate::do_nothing::DoNothing;

const KEYS: &[u8] = include_bytes!("../fixtures/keys.json");

/// A server that trusts the issuer of the fixtures, with every other setting as by default.
pub fn server() -> ResourceServer {
    builder().build().expect("defaults")
}

/// The same, but it verifies every token each time.
pub fn server_without_cache() -> ResourceServer {
    builder().token_cache(0).build().expect("defaults")
}

/// The issuer's keys.
pub fn keys() -> Jwks {
    Jwks::parse(KEYS).expect("the fixture")
}

fn builder() -> ResourceServerBuilder {
    ResourceServer::builder("https://api.example.com", Issuer::new("https://as.example.com").keys(keys()))
}

/// No layer at all: what everything else is compared with.
pub fn bare() -> Router {
    served(routes())
}

/// A layer that only passes on: what mounting any layer costs.
pub fn do_nothing() -> Router {
    served(routes().layer(DoNothing))
}

/// The layer that is measured.
pub fn auth() -> Router {
    served(routes().layer(AuthLayer::new(server())))
}

/// The same, and a layer inside it that asks for a scope.
pub fn require_scope() -> Router {
    let routes = routes().layer(RequireScope::all(["orders:read"]));
    served(routes.layer(AuthLayer::new(server())))
}

fn routes() -> Router {
    Router::new().route("/x", get(|| async { "ok" }))
}

/// As `axum::serve` does; without it every request makes its layers anew.
fn served(router: Router) -> Router {
    router.with_state(())
}
