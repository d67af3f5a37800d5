//! aliri_tower, with the authority of aliri_oauth2.

use aliri::jwa::Algorithm;
use aliri::jwt::{Audience, Audiences, CoreClaims, CoreValidator, Issuer, IssuerRef, Subject, SubjectRef};
use aliri_clock::UnixTime;
use aliri_oauth2::{Authority, HasScope, Scope};
use aliri_tower::Oauth2Authorizer;
use serde::Deserialize;

use super::Trust;
use crate::app::{App, route};
use crate::tokens::{AUDIENCE, ISSUER};

/// The 15 claims, in the types that the crate asks for.
#[derive(Clone, Deserialize)]
#[allow(dead_code, reason = "deserialized for the sake of the work")]
struct Claims {
    iss: Issuer,
    aud: Audiences,
    sub: Subject,
    client_id: String,
    azp: String,
    iat: u64,
    nbf: UnixTime,
    exp: UnixTime,
    scope: Scope,
    typ: String,
    roles: Vec<String>,
    preferred_username: String,
    email: String,
    email_verified: bool,
    jti: String,
}

impl CoreClaims for Claims {
    fn nbf(&self) -> Option<UnixTime> {
        Some(self.nbf)
    }

    fn exp(&self) -> Option<UnixTime> {
        Some(self.exp)
    }

    fn aud(&self) -> &Audiences {
        &self.aud
    }

    fn iss(&self) -> Option<&IssuerRef> {
        Some(&self.iss)
    }

    fn sub(&self) -> Option<&SubjectRef> {
        Some(&self.sub)
    }
}

impl HasScope for Claims {
    fn scope(&self) -> &Scope {
        &self.scope
    }
}

pub fn app(trust: &Trust) -> App {
    let keys = serde_json::from_str(&trust.jwks).expect("a key set");
    let validator = CoreValidator::default()
        .add_approved_algorithm(Algorithm::RS256)
        .add_allowed_audience(Audience::from_static(AUDIENCE))
        .require_issuer(Issuer::from_static(ISSUER))
        .check_expiration()
        .check_not_before();
    let authorizer = Oauth2Authorizer::new().with_claims::<Claims>().with_terse_error_handler::<axum::body::Body>();
    App::Router(route().layer(authorizer.jwt_layer(Authority::new(keys, validator))).with_state(()))
}
