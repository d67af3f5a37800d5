//! The file while the gateway runs: SIGHUP, or a change on disk, puts it in force anew.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::Signal;
use tokio::sync::watch;

use crate::gate::Gate;
use crate::key_files::Keepers;
use crate::listener::stopped;
use crate::settings::{Addresses, Place, Settings};
use crate::telemetry::Metrics;
use crate::watched::Watched;

/// How long the keys of issuers that are new are waited for before the switch.
const WARM_UP: Duration = Duration::from_secs(6);

/// What is in force, and where it comes from. A request is answered by the gate that stood when it came, to its end.
pub struct Reloads {
    pub place: Place,
    pub addresses: Addresses,
    pub gate: Arc<ArcSwap<Gate>>,
    pub metrics: Metrics,
    pub watched: Watched,
    pub keepers: Keepers,
}

impl Reloads {
    /// Until the signal to stop.
    pub async fn follow(mut self, mut hangup: Signal, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = hangup.recv() => {}
                () = self.watched.changed() => {}
                () = stopped(&mut stop) => break,
            }
            let before = self.gate.load_full();
            match self.watched.read(|| self.place.read(Some(before.server()))) {
                Ok(settings) => tokio::select! {
                    () = self.switch(&before, settings) => {}
                    () = stopped(&mut stop) => break,
                },
                Err(lines) => {
                    lines.iter().for_each(|line| eprintln!("{line}"));
                    eprintln!("{}: not put in force; what was in force before stays", self.place.file);
                }
            }
        }
        self.keepers.finish().await;
    }

    async fn switch(&mut self, before: &Gate, settings: Settings) {
        if settings.addresses != self.addresses {
            eprintln!("{}: `listen` and `admin_listen` stay as they were until a restart", self.place.file);
        }
        // An issuer that was there before keeps its keys. Only those of another can be missing, and no request should
        // have to wait for them.
        let warm = tokio::time::timeout(WARM_UP, settings.server.warm_up()).await;
        if !matches!(warm, Ok(Ok(()))) {
            tracing::warn!("the keys of an issuer could not be fetched");
        }
        let gate = Gate::new(&settings, self.metrics.handle(&settings), Some(before));
        self.gate.store(Arc::new(gate));
        self.keepers.replace(&settings.server, settings.key_files).await;
        tracing::info!(file = self.place.file, "read anew and in force");
    }
}
