//! What becomes of tokens while an issuer changes its keys and then goes down.
//!
//! `cargo run --example rotation` prints a line for each half second, and ends after twelve seconds. The times are
//! short to be watched: by default keys are fetched every 5 min and serve for 24 h while the issuer is down.
//!
//! While the issuer is down nobody can know whether it has published an unknown key, so the answer is 503
//! (`keys_unavailable`) and not 401 (`key_unknown`).

use std::io::{self, Write};
use std::time::Duration;

use axum::http::{Response, StatusCode};
use bytes::Bytes;
use tokio::time::{Instant, interval};
use tower_bearer::testing::{Endpoint, TestIssuer};
use tower_bearer::{Algorithm, Issuer, ResourceRequest, ResourceServer};

const API: &str = "https://api.example.com";

const TICK: Duration = Duration::from_millis(500);

const LAST: u32 = 23;

/// The tick at which something happens, and what it is called.
const SCRIPT: [(u32, &str); 6] = [
    (0, "the service starts"),
    (3, "the issuer signs with a new key"),
    (5, "the issuer withdraws the old key"),
    (10, "the issuer goes down"),
    (20, "the issuer is back"),
    (LAST, "the end"),
];

/// What a service would answer to this token.
async fn verdict(server: &ResourceServer, token: &str) -> String {
    let Ok(request) = ResourceRequest::bearer(token) else { return "not sent".into() };
    match server.authenticate(request).await {
        Ok(_) => "passes".into(),
        Err(error) => error.code().into(),
    }
}

/// Lets both endpoints fail, or serve again.
fn outage(issuer: &TestIssuer, down: bool) {
    for endpoint in [Endpoint::Metadata, Endpoint::Jwks] {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        issuer.answer_with(endpoint, down.then_some(answer));
    }
}

/// The state of the keys with their age, as a probe sees it.
fn keys(server: &ResourceServer) -> String {
    let health = server.health();
    let issuer = health.first().expect("one issuer is trusted");
    let age = issuer.age.map(|age| format!(" {} s", age.as_secs())).unwrap_or_default();
    format!("{}{age}", issuer.keys.as_str())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = TestIssuer::start().await;
    let trusted = Issuer::new(issuer.url())
        .jwks_refresh(Duration::from_secs(2))
        .jwks_cooldown(Duration::from_secs(1))
        .jwks_stale(Duration::from_secs(4));
    let server = ResourceServer::builder(API, trusted).build()?;
    let old_kid = issuer.key().kid().to_owned();
    let old_token = issuer.token().audience(API).sign();
    let mut new_token = None;

    let mut out = io::stdout();
    writeln!(out, "{:>6}  {:34}{:14}{:>7}   {:18}new token", "time", "event", "keys", "fetches", "old token")?;
    let start = Instant::now();
    let mut ticks = interval(TICK);
    for tick in 0..=LAST {
        ticks.tick().await;
        let event = SCRIPT.iter().find(|(at, _)| *at == tick).map_or("", |(_, event)| event);
        match tick {
            0 => server.warm_up().await?,
            3 => {
                issuer.rotate_key(Algorithm::ES256);
                new_token = Some(issuer.token().audience(API).sign());
            }
            5 => issuer.remove_key(&old_kid),
            10 => outage(&issuer, true),
            20 => outage(&issuer, false),
            _ => {}
        }
        let old = verdict(&server, &old_token).await;
        let new = match &new_token {
            Some(token) => verdict(&server, token).await,
            None => "-".into(),
        };
        let (time, keys, fetches) = (start.elapsed().as_secs_f64(), keys(&server), issuer.requests(Endpoint::Jwks));
        writeln!(out, "{time:>5.1}s  {event:34}{keys:14}{fetches:>7}   {old:18}{new}")?;
        out.flush()?;
    }
    Ok(())
}
