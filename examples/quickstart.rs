//! The main job in one command: an authorization server and a protected API, both on loopback.
//!
//! `cargo run --example quickstart` prints commands to paste; it stays up until Ctrl-C.
//! In your own service the first half of `main` falls away: the issuer is the one that you have.

use std::io::{self, Write};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AuthLayer, Claims, RequireScope, ResourceServer};

/// The members of the token that only this API knows.
#[derive(Deserialize)]
struct MyClaims {
    #[serde(default)]
    department: Option<String>,
}

async fn index() -> &'static str {
    "public: no token needed\n"
}

async fn me(claims: Claims) -> String {
    format!("hello {}\n", claims.subject().unwrap_or("client"))
}

async fn list(claims: Claims) -> String {
    format!("orders, listed with scope \"{}\"\n", claims.scope().as_str())
}

async fn create(claims: Claims<MyClaims>) -> String {
    format!("order created for department {}\n", claims.extra().department.as_deref().unwrap_or("(none)"))
}

/// The three lines: which resource am I, whom do I trust, where does it apply.
fn api(audience: &str, issuer: &str) -> Result<Router, tower_bearer::ConfigError> {
    let server = ResourceServer::builder(audience, issuer).build()?;
    Ok(Router::new()
        .route("/me", get(me))
        .route("/orders", get(list).layer(RequireScope::any(["orders:read", "orders:write"])))
        .route("/orders", post(create).layer(RequireScope::all(["orders:write"])))
        .layer(AuthLayer::new(server))
        // A route that is added after the layer is public.
        .route("/", get(index)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "tower_bearer=info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();

    // Stands in for the authorization server you have: Keycloak, Auth0, ...
    let issuer = TestIssuer::start().await;
    let listener = match TcpListener::bind("127.0.0.1:3000").await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind("127.0.0.1:0").await?,
    };
    let base = format!("http://{}", listener.local_addr()?);
    let app = api(&base, issuer.url())?;

    let mut out = io::stdout().lock();
    out.write_all(guide(&base, &issuer).as_bytes())?;
    out.flush()?;
    drop(out);

    tokio::select! {
        result = axum::serve(listener, app) => result?,
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}

/// What is printed. Each command answers the status that stands below it.
fn guide(base: &str, issuer: &TestIssuer) -> String {
    let token = |subject: &str, scope: &str| {
        issuer.token().audience(base).subject(subject).scope(scope).expires_in(Duration::from_secs(3600))
    };
    let alice = token("alice", "orders:read orders:write").claim("department", "sales").sign();
    let bob = token("bob", "").sign();
    let expired = token("alice", "orders:read").expired().sign();
    let elsewhere = token("alice", "orders:read").audience("https://other.example.com").sign();
    let get = |path: &str, token: &str| format!("{base}{path} -H \"Authorization: Bearer {token}\"");
    let url = issuer.url();
    let commands = [
        ("no token, public route", format!("{base}/"), "200"),
        ("no token, protected route: the challenge says where to get one", format!("{base}/me"), "401"),
        ("that address: which issuers this API trusts, RFC 9728", metadata(base), "200"),
        ("alice: any good token passes", get("/me", &alice), "200"),
        ("alice holds orders:read", get("/orders", &alice), "200"),
        ("alice holds orders:write", format!("-X POST {}", get("/orders", &alice)), "200"),
        ("bob has a good token", get("/me", &bob), "200"),
        ("bob has no scope: insufficient_scope", get("/orders", &bob), "403"),
        ("bob may not write either", format!("-X POST {}", get("/orders", &bob)), "403"),
        ("alice with a token that ended an hour ago: invalid_token", get("/me", &expired), "401"),
        ("alice with a token for another API: invalid_token", get("/me", &elsewhere), "401"),
        ("the metadata of the issuer, RFC 8414", format!("{url}/.well-known/oauth-authorization-server"), "200"),
        (
            "a token of your own by client credentials: use its access_token as above",
            format!(
                "{url}/token -u test-client:test-secret -d grant_type=client_credentials -d resource={base} \
                 -d scope=orders:read"
            ),
            "200",
        ),
    ];
    // No quotes or semicolons in the comments: some shells read pasted comments as commands.
    let mut text = format!(
        "tower-bearer quickstart\n\
         \n\
         API     {base}\n\
         \x20 GET  /        public\n\
         \x20 GET  /me      any good token\n\
         \x20 GET  /orders  scope orders:read or orders:write\n\
         \x20 POST /orders  scope orders:write\n\
         issuer  {url}  (signs the tokens below; they live for an hour)\n\
         \n\
         Paste these into another terminal. This one says why a token was refused. Ctrl-C ends it.\n"
    );
    for (shows, arguments, status) in commands {
        text.push_str(&format!("\n# {shows}\ncurl -i {arguments}\n# answers {status}\n"));
    }
    text
}

fn metadata(base: &str) -> String {
    format!("{base}/.well-known/oauth-protected-resource")
}
