//! Opaque tokens: the issuer is asked what they are worth (RFC 7662).
//!
//! `cargo run --example introspection` prints what a service answers, step by step, and ends.

use std::time::Duration;

use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use axum::{Router, body::Body};
use tower::ServiceExt;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{AuthLayer, Claims, Introspection, Issuer, ResourceServer};

const API: &str = "https://api.example.com";

/// The layer is the same for JWTs and opaque tokens, and so is what a handler sees.
async fn orders(claims: Claims) -> String {
    format!("the orders of {}", claims.subject().unwrap_or("nobody"))
}

/// Asks an authorization server as the client `orders-api`, which it knows. An answer is believed for 30 s where
/// `cache_ttl` says so; without it, each request asks.
fn app(issuer: &TestIssuer, cache_ttl: Duration) -> Result<Router, tower_bearer::ConfigError> {
    let introspection = Introspection::new("orders-api").client_secret("a secret of both").cache_ttl(cache_ttl);
    let server = ResourceServer::builder(API, Issuer::new(issuer.url()).introspection(introspection)).build()?;
    Ok(Router::new().route("/orders", get(orders)).layer(AuthLayer::new(server)))
}

/// One request, what came of it, and how often the issuer had to be asked.
async fn show(app: &Router, issuer: &TestIssuer, what: &str, token: &str) -> Result<(), Box<dyn std::error::Error>> {
    let before = issuer.requests(Endpoint::Introspection);
    let request = Request::get("/orders").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let response = app.clone().oneshot(request.body(Body::empty())?).await?;
    let questions = issuer.requests(Endpoint::Introspection) - before;
    println!("{what}\n  {}, {questions} asked", response.status());
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let wait = response.headers().get(header::RETRY_AFTER).and_then(|wait| wait.to_str().ok());
        println!("  Retry-After: {}", wait.unwrap_or_default());
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = TestIssuer::start().await;
    issuer.register_client("orders-api", "a secret of both");
    let token = || issuer.token().audience(API).subject("alice");
    let (first, second, jwt) = (token().opaque(), token().opaque(), token().sign());

    println!("Each opaque token is asked about on each request.");
    let each_time = app(&issuer, Duration::ZERO)?;
    show(&each_time, &issuer, "an opaque token of alice", &first).await?;
    show(&each_time, &issuer, "a JWT of alice: verified here", &jwt).await?;
    show(&each_time, &issuer, "a token that nobody issued", "opaque-and-made-up").await?;
    issuer.revoke(&first);
    show(&each_time, &issuer, "alice's token after it was revoked", &first).await?;

    println!("\nAn issuer that cannot be asked is an outage: no token passes by it, and none is refused.");
    issuer.fault(Endpoint::Introspection, Some(Fault::Status(500)));
    show(&each_time, &issuer, "a good token while the issuer is down", &second).await?;
    show(&each_time, &issuer, "the JWT while the issuer is down", &jwt).await?;
    issuer.fault(Endpoint::Introspection, None);
    show(&each_time, &issuer, "the good token, the issuer is back", &second).await?;

    println!("\nWith cache_ttl = 30 s there are fewer questions, and a revocation is noticed later.");
    let remembers = app(&issuer, Duration::from_secs(30))?;
    show(&remembers, &issuer, "the good token", &second).await?;
    issuer.revoke(&second);
    show(&remembers, &issuer, "the same, revoked, within 30 s", &second).await?;
    Ok(())
}
