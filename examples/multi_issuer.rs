//! Two trusted issuers behind one API: staff sign with RS256 and carry roles, a partner signs with a
//! shared secret. Their keys are never exchanged.
//!
//! `cargo run --example multi_issuer` prints who passes where, and ends.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use axum::{Router, http};
use tower::ServiceExt;
use tower_bearer::testing::{SigningKey, TestIssuer};
use tower_bearer::{Algorithm, AuthError, AuthLayer, Claims, Issuer, RequireScope, ResourceServer};

/// Roles of one issuer mean nothing at another, so the issuer is compared, too.
async fn admin(claims: Claims, staff: String) -> Result<String, StatusCode> {
    if claims.issuer() == staff && claims.has_role("admin") {
        Ok(format!("admin {}", claims.subject().unwrap_or("client")))
    } else {
        Err(StatusCode::FORBIDDEN)
    }
}

/// Issuer and subject together name a user: two issuers may both know an "alice".
async fn me(claims: Claims) -> String {
    format!("{:?}", claims.subject_key())
}

fn api(server: ResourceServer, staff: &str) -> Router {
    let staff = staff.to_owned();
    Router::new()
        .route("/me", get(me))
        .route("/orders", get(|| async { "orders" }).layer(RequireScope::all(["orders:read"])))
        .route("/admin", get(move |claims: Claims| admin(claims, staff)))
        .layer(AuthLayer::new(server))
}

/// The status, and the stable reason of a refusal by the layer.
async fn ask(api: &Router, path: &str, token: &str) -> Result<String, http::Error> {
    let request = Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty())?;
    let Ok(response) = api.clone().oneshot(request).await;
    let status = response.status().as_u16();
    let reason = response.extensions().get::<AuthError>().map(AuthError::code);
    Ok(reason.map_or(status.to_string(), |reason| format!("{status} {reason}")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Staff: keys found by discovery; roles where Keycloak puts them.
    let staff = TestIssuer::start().await;
    let staff_key = staff.rotate_key(Algorithm::RS256);
    // The partner: a secret that both sides know. In production it comes from a secret store.
    let partner = TestIssuer::in_process("https://partner.example.com");
    let secret: [u8; 32] = std::array::from_fn(|index| index as u8);
    let partner_key = partner.add_key(SigningKey::secret(Algorithm::HS256, &secret));

    let staff_issuer = Issuer::new(staff.url()).algorithms([Algorithm::RS256]).roles_claim("realm_access.roles");
    let partner_issuer = Issuer::new(partner.url()).shared_secret(secret);
    let server = ResourceServer::builder("https://api.example.com", staff_issuer).issuer(partner_issuer).build()?;
    let api = api(server, staff.url());

    let roles = serde_json::json!({"roles": ["admin"]});
    let stranger = TestIssuer::in_process("https://stranger.example.com");
    let tokens = [
        ("alice of staff, role admin", staff.token().subject("alice").claim("realm_access", &roles).sign()),
        ("bob of staff, orders:read", staff.token().subject("bob").scope("orders:read").sign()),
        ("alice of partner, orders:read", partner.token().subject("alice").scope("orders:read").sign()),
        ("mallory of partner, role admin", partner.token().subject("mallory").claim("realm_access", &roles).sign()),
        ("staff's name, partner's secret", staff.token().subject("alice").key(&partner_key).sign()),
        ("partner's name, staff's key", partner.token().subject("alice").key(&staff_key).sign()),
        ("staff's name, a key of one's own", staff.token().key(&SigningKey::generate(Algorithm::RS256)).sign()),
        ("an issuer nobody trusts", stranger.token().sign()),
    ];
    println!("{:<34}{:<27}{:<27}/admin", "", "/me", "/orders");
    for (who, token) in &tokens {
        let [me, orders, admin] =
            [ask(&api, "/me", token).await?, ask(&api, "/orders", token).await?, ask(&api, "/admin", token).await?];
        println!("{who:<34}{me:<27}{orders:<27}{admin}");
    }
    Ok(())
}
