//! A resource server without a line of code: the library behind one TOML file, in front of an upstream or
//! answering itself.
//!
//! `cargo run --release --example gateway --all-features -- --config FILE [--listen ADDR]`
//!
//! Prints `listening on http://ADDR` once it accepts. Logs go to stderr (`RUST_LOG`). A bad file ends it with exit
//! code 2 and one line for each mistake. SIGTERM ends it within two seconds, requests under way finished.
//!
//! Its floors, from the bottom: `settings` and `forward` (the file), `answer` and `upstream` (what is behind), `gate`
//! (one request), `key_files`, `admin`, `listener` (sockets and shutdown), `main`.

mod admin;
mod answer;
mod forward;
mod gate;
mod key_files;
mod listener;
mod reply;
mod settings;
mod telemetry;
mod upstream;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use settings::Settings;

/// The exit code for a bad command line or file.
const BAD_CONFIGURATION: u8 = 2;

/// How long a file of keys that is being written may delay the end.
const WRITE_GRACE: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    telemetry::log_to_stderr();
    let settings = match from_command_line() {
        Ok(settings) => settings,
        Err(lines) => {
            lines.iter().for_each(|line| eprintln!("{line}"));
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let ended = tokio::runtime::Runtime::new().and_then(|runtime| {
        let ended = runtime.block_on(run(settings));
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

/// `--config FILE [--listen ADDR]`, the file read and judged. One line for each mistake.
fn from_command_line() -> Result<Settings, Vec<String>> {
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
    Settings::from_file(&config.ok_or_else(usage)?, listen.as_deref())
}

async fn run(settings: Settings) -> std::io::Result<()> {
    let metrics = settings.metrics_path.as_ref().map(|_| telemetry::record_metrics());
    let gate = Arc::new(gate::Gate::new(&settings, metrics));
    let stop = listener::stop_signal()?;
    let listening = listener::bind(&settings.listen).await?;
    let admin = match &settings.admin_listen {
        Some(address) => Some(listener::bind(address).await?),
        None => None,
    };
    println!("listening on http://{}", listening.local_addr()?);
    if let Some(admin) = &admin {
        println!("admin on http://{}", admin.local_addr()?);
    }
    let keepers: Vec<_> = settings
        .key_files
        .into_iter()
        .map(|file| tokio::spawn(key_files::keep(settings.server.clone(), file, stop.clone())))
        .collect();
    let warm = settings.server.clone();
    tokio::spawn(async move { warm.warm_up().await });
    let admin = admin.map(|socket| {
        let server = settings.server.clone();
        tokio::spawn(listener::serve(socket, stop.clone(), move |request| admin::answer(server.clone(), request)))
    });
    listener::serve(listening, stop, move |request| {
        let gate = gate.clone();
        async move { gate.answer(request).await }
    })
    .await;
    if let Some(admin) = admin {
        let _ = admin.await;
    }
    let _ = tokio::time::timeout(WRITE_GRACE, join_all(keepers)).await;
    Ok(())
}
