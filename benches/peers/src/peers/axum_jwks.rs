//! axum-jwks: an extractor with the key set in the router's state.

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use axum_jwks::{Claims, Jwks, ParseTokenClaims, TokenError};

use super::Trust;
use crate::app::App;
use crate::tokens::{AUDIENCE, TokenClaims};

#[derive(Clone, FromRef)]
struct State {
    jwks: Jwks,
}

impl ParseTokenClaims for TokenClaims {
    type Rejection = TokenError;
}

async fn handler(_: Claims<TokenClaims>) -> &'static str {
    "ok"
}

pub fn app(trust: &Trust) -> App {
    let set = serde_json::from_str(&trust.jwks).expect("a key set");
    let jwks = Jwks::from_jwk_set(set, Some(AUDIENCE), None).expect("keys");
    App::Router(Router::new().route("/x", get(handler)).with_state(State { jwks }))
}
