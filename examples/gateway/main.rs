//! A resource server without a line of code: the library behind one TOML file, in front of an upstream or
//! answering itself.
//!
//! `cargo run --release --example gateway --all-features -- --config FILE [--listen ADDR]`
//!
//! Prints `listening on http://ADDR` once it accepts. Logs go to stderr (`RUST_LOG`). A bad file ends it with exit
//! code 2 and one line for each mistake. SIGTERM ends it within two seconds, requests under way finished.
//!
//! Its floors, from the bottom: `settings` and `forward` (the file), `answer`, `upstream` with `upgrade`, and `check`
//! (what is `behind`), `gate` (one request), `key_files`, `admin`, `watched` and `reload`
//! (the file while it runs), `listener` (sockets and shutdown), `main`.

mod admin;
mod answer;
mod behind;
mod check;
mod forward;
mod gate;
mod header_list;
mod key_files;
mod listener;
mod reload;
mod reply;
mod settings;
mod telemetry;
mod upgrade;
mod upstream;
mod watched;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gate::Gate;
use key_files::Keepers;
use reload::Reloads;
use settings::{Place, Settings};
use telemetry::Metrics;
use watched::Watched;

/// The exit code for a bad command line or file.
const BAD_CONFIGURATION: u8 = 2;

/// How long what belongs to a configuration may delay the end.
const GRACE: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    telemetry::log_to_stderr();
    let mut watched = Watched::default();
    let read = from_command_line().and_then(|place| Ok((watched.read(|| place.read(None))?, place)));
    let (settings, place) = match read {
        Ok(read) => read,
        Err(lines) => {
            lines.iter().for_each(|line| eprintln!("{line}"));
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let ended = tokio::runtime::Runtime::new().and_then(|runtime| {
        let ended = runtime.block_on(run(settings, place, watched));
        // A name that is being resolved cannot be interrupted, and must not delay the end.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// `--config FILE [--listen ADDR]`.
fn from_command_line() -> Result<Place, Vec<String>> {
    let usage = || vec!["usage: gateway --config FILE [--listen ADDR]".to_owned()];
    let (mut config, mut listen) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(usage)?;
        match argument.as_str() {
            "--config" => config = Some(value),
            "--listen" => listen = Some(value),
            _ => return Err(usage()),
        }
    }
    Ok(Place { file: config.ok_or_else(usage)?, listen })
}

async fn run(settings: Settings, place: Place, watched: Watched) -> std::io::Result<()> {
    let metrics = Metrics::default();
    let gate = Gate::new(&settings, metrics.handle(&settings), None);
    let gate = Arc::new(ArcSwap::from_pointee(gate));
    let (stop, hangup) = (listener::stop_signal()?, listener::hangup_signal()?);
    let listening = listener::bind(&settings.addresses.listen).await?;
    let admin = match &settings.addresses.admin {
        Some(address) => Some(listener::bind(address).await?),
        None => None,
    };
    println!("listening on http://{}", listening.local_addr()?);
    if let Some(admin) = &admin {
        println!("admin on http://{}", admin.local_addr()?);
    }
    let keepers = Keepers::start(&settings.server, settings.key_files);
    let reloads = Reloads { place, addresses: settings.addresses, gate: gate.clone(), metrics, watched, keepers };
    let reloads = tokio::spawn(reloads.follow(hangup, stop.clone()));
    let warm = settings.server;
    tokio::spawn(async move { warm.warm_up().await });
    let admin = admin.map(|socket| {
        let gate = gate.clone();
        let answer = move |request| admin::answer(gate.load().server().clone(), request);
        tokio::spawn(listener::serve(socket, stop.clone(), answer))
    });
    listener::serve(listening, stop, move |request| {
        let gate = gate.load_full();
        async move { gate.answer(request).await }
    })
    .await;
    if let Some(admin) = admin {
        let _ = admin.await;
    }
    let _ = tokio::time::timeout(GRACE, reloads).await;
    Ok(())
}
