//! A service under load for some minutes, while keys rotate and are withdrawn, tokens expire, and strangers flood it.
//!
//! `cargo run --release --example soak --features testing,metrics -- --minutes 10 --tokens 10000`
//!
//! Prints a line for each second: what happens, requests per second, share of cached tokens, p50 and p99 of good
//! requests, fetches of keys, memory. Ends with a summary, and with exit code 1 where a good token was refused, a bad
//! one passed, or, in runs of 15 minutes or more, memory grew by more than a tenth between the first third and the
//! last: before, the cache still fills.
//!
//! Keys are refreshed every 5 s here, so that a cycle of a minute shows all of it; by default it is every 5 min.

mod callers;
mod cycle;
mod report;
mod wallet;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use callers::Callers;
use cycle::{Cycle, Phase};
use report::Report;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AuthLayer, Claims, Issuer, ResourceServer};
use wallet::Wallet;

pub const API: &str = "https://api.example.com";

struct Arguments {
    minutes: f64,
    tokens: usize,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Arguments { minutes: 2.0, tokens: 10_000 };
        while let Some(name) = arguments.next() {
            let value = arguments.next().unwrap_or_default();
            let bad = || format!("{name} {value}: expected a number above 0");
            match name.as_str() {
                "--minutes" => parsed.minutes = value.parse().ok().filter(|&minutes| minutes > 0.0).ok_or_else(bad)?,
                "--tokens" => parsed.tokens = value.parse().ok().filter(|&tokens| tokens > 0).ok_or_else(bad)?,
                _ => return Err(format!("unknown argument {name}: expected --minutes N or --tokens N")),
            }
        }
        Ok(parsed)
    }
}

fn api(server: &ResourceServer) -> Router {
    let name = |claims: Claims| async move { claims.subject().unwrap_or_default().to_owned() };
    Router::new().route("/me", get(name)).layer(AuthLayer::new(server.clone())).with_state(())
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(mistake) => {
            eprintln!("{mistake}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    match runtime.block_on(soak(&arguments)) {
        Ok(report) if report.is_sound() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn soak(arguments: &Arguments) -> Result<Report, Box<dyn std::error::Error>> {
    let mut report = Report::new()?;
    let issuer = TestIssuer::start().await;
    let trusted = Issuer::new(issuer.url()).jwks_refresh(Duration::from_secs(5)).jwks_stale(Duration::from_secs(3600));
    let server = ResourceServer::builder(API, trusted).build()?;
    server.warm_up().await?;
    let wallet = Arc::new(Wallet::new(&issuer, arguments.tokens));
    let callers = Callers::start(api(&server), wallet.clone());
    let end = Instant::now() + Duration::from_secs_f64(arguments.minutes * 60.0);
    let mut cycle = Cycle::new(issuer, wallet);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.tick().await;
    while Instant::now() < end {
        let phase: Phase = cycle.step();
        callers.flood_with(phase.flood());
        seconds.tick().await;
        report.second(phase, callers.take(), cycle.fetches());
    }
    callers.stop();
    report.summary();
    Ok(report)
}
