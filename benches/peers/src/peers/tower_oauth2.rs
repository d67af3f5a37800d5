//! tower-oauth2-resource-server, with its feature `jwt-aws-lc-rs`.

use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;
use tower_oauth2_resource_server::validation::ClaimsValidationSpec;

use super::Trust;
use crate::app::{App, route, wait};
use crate::tokens::{AUDIENCE, ISSUER, TokenClaims};

pub fn app(trust: &Trust) -> App {
    let audiences = vec![AUDIENCE.to_owned()];
    let tenant = TenantConfiguration::static_builder(trust.jwks.as_str())
        .identifier(ISSUER)
        .audiences(&audiences)
        .claims_validation(ClaimsValidationSpec::recommended(ISSUER, &audiences))
        .build()
        .expect("a tenant");
    let server = wait(OAuth2ResourceServer::<TokenClaims>::builder().add_tenant(tenant).build()).expect("a server");
    App::Router(route().layer(server.into_layer::<axum::body::Body>()).with_state(()))
}
