//! axum-jwt-auth: an extractor with the key at hand.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use axum_jwt_auth::{Claims, Decoder, LocalDecoder};
use jsonwebtoken10::jwk::JwkSet;
use jsonwebtoken10::{Algorithm as Jwa, DecodingKey, Validation};

use super::Trust;
use crate::app::App;
use crate::keys::Algorithm;
use crate::tokens::{AUDIENCE, ISSUER, TokenClaims};

#[derive(Clone, FromRef)]
struct State {
    decoder: Decoder<TokenClaims>,
}

async fn handler(_: Claims<TokenClaims>) -> &'static str {
    "ok"
}

pub fn app(trust: &Trust) -> App {
    let set: JwkSet = serde_json::from_str(&trust.jwks).expect("a key set");
    let keys = set.keys.iter().map(|key| DecodingKey::from_jwk(key).expect("a key")).collect();
    let mut validation = Validation::new(match trust.algorithm {
        Algorithm::Es256 => Jwa::ES256,
        Algorithm::EdDsa => Jwa::EdDSA,
        _ => Jwa::RS256,
    });
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    let decoder = LocalDecoder::builder().keys(keys).validation(validation).build().expect("a decoder");
    let state = State { decoder: Arc::new(decoder) };
    App::Router(Router::new().route("/x", get(handler)).with_state(state))
}
