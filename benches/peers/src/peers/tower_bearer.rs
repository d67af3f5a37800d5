//! This crate: `AuthLayer` with a key set by text.

use tower::Layer;
use tower_bearer::{AuthLayer, Issuer, Jwks, ResourceServer, ResourceServerBuilder};

use super::Trust;
use crate::app::{App, route};
use crate::tokens::{AUDIENCE, ISSUER};

/// Small enough that none of 10,000 tokens in turn is still there when it comes again.
const SMALL: u64 = 64 * 1024;

pub fn builder(trust: &Trust) -> ResourceServerBuilder {
    let keys = Jwks::parse(trust.jwks.as_bytes()).expect("our own keys");
    ResourceServer::builder(AUDIENCE, Issuer::new(ISSUER).keys(keys))
}

pub fn layer(trust: &Trust) -> App {
    mount(builder(trust))
}

pub fn outer(trust: &Trust) -> App {
    let server = builder(trust).build().expect("a server");
    App::Outer(AuthLayer::new(server).layer(route().with_state(())))
}

/// Every token is verified: there is no cache.
pub fn cold(trust: &Trust) -> App {
    mount(builder(trust).token_cache(0))
}

/// Every token is verified and put into the cache, of which others are taken out.
pub fn evicting(trust: &Trust) -> App {
    mount(builder(trust).token_cache(SMALL))
}

fn mount(builder: ResourceServerBuilder) -> App {
    let server = builder.build().expect("a server");
    App::Router(route().layer(AuthLayer::new(server)).with_state(()))
}
