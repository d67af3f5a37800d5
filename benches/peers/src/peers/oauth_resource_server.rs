//! oauth-resource-server, with the key set it starts from.

use std::sync::Arc;

use oauth_resource_server::axum::AuthLayer;
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};

use super::Trust;
use crate::app::{App, route};
use crate::tokens::{AUDIENCE, ISSUER};

pub fn app(trust: &Trust) -> App {
    let config = OAuthConfig {
        enabled: true,
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        resource: AUDIENCE.into(),
        required_scope: Some("orders:read".into()),
        require_at_jwt: true,
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth")).expect("a configuration").expect("enabled");
    let validator = OAuthValidator::builder(&config).initial_jwks(&trust.jwks).build().expect("a validator");
    let layer = AuthLayer::builder().oauth(Arc::new(validator)).build().expect("a layer");
    App::Router(route().layer(layer).with_state(()))
}
