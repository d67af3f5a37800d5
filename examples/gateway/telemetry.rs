//! Logs to stderr, metrics for Prometheus.

use std::io::stderr;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tower_bearer::metric_names;
use tracing_subscriber::EnvFilter;

use crate::settings::Settings;

/// Buckets from a cache hit (a microsecond) to a wait for keys (two seconds).
const SECONDS: [f64; 9] = [1e-6, 1e-5, 5e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 2.0];

const UPKEEP: Duration = Duration::from_secs(5);

pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(false).init();
}

/// The one recorder of this process, once a file asks for it.
#[derive(Default)]
pub struct Metrics(OnceLock<PrometheusHandle>);

impl Metrics {
    pub fn handle(&self, settings: &Settings) -> Option<PrometheusHandle> {
        settings.metrics_path.as_ref().map(|_| self.0.get_or_init(record_metrics).clone())
    }
}

/// Starts recording; the handle renders the text that Prometheus scrapes.
fn record_metrics() -> PrometheusHandle {
    let builder = [metric_names::VERIFICATION_SECONDS, metric_names::AUTHORIZATION_SECONDS]
        .into_iter()
        .try_fold(PrometheusBuilder::new(), |builder, name| {
            builder.set_buckets_for_metric(Matcher::Full(name.into()), &SECONDS)
        });
    let recorder = builder.expect("the buckets are not empty").build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).expect("the one recorder of this process");
    let upkeep = handle.clone();
    tokio::spawn(async move {
        // Histograms grow until they are drained, and perhaps nobody scrapes.
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    handle
}
