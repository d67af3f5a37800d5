//! jwt-authorizer, on a router of axum 0.7.

use axum07::Router;
use axum07::routing::get;
use jwt_authorizer::{AuthorizerBuilder, IntoLayer, Validation};

use super::Trust;
use crate::app::{App, ok, wait};
use crate::tokens::{AUDIENCE, ISSUER, TokenClaims};

pub fn app(trust: &Trust) -> App {
    let validation = Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE]);
    let authorizer = AuthorizerBuilder::<TokenClaims>::from_jwks_text(&trust.jwks).validation(validation).build();
    let layer = wait(authorizer).expect("an authorizer").into_layer();
    App::Router07(Router::new().route("/x", get(ok)).layer(layer).with_state(()))
}
