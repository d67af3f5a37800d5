//! Every metric, once. Without the feature `metrics` nothing is recorded and nothing costs.

#[cfg(feature = "metrics")]
use std::time::{Duration, Instant};

/// The names of the metrics (feature `metrics`), recorded through the facade of the crate `metrics`: the
/// application installs a recorder, this crate only speaks to it.
///
/// Labels are bounded: outcomes are the stable codes of [`AuthError::code`](crate::AuthError::code), issuers the
/// configured ones. Nothing that a caller sends becomes a label.
#[cfg(feature = "metrics")]
pub mod metric_names {
    /// Counter: requests by `outcome` (`authenticated` or a reason code).
    pub const REQUESTS: &str = "tower_bearer_requests_total";
    /// Histogram, seconds: verification of a token that was not in the cache, without waits for keys.
    pub const VERIFICATION_SECONDS: &str = "tower_bearer_verification_seconds";
    /// Counter: requests whose token was in the cache.
    pub const CACHE_HITS: &str = "tower_bearer_token_cache_hits_total";
    /// Counter: requests whose token was not.
    pub const CACHE_MISSES: &str = "tower_bearer_token_cache_misses_total";
    /// Gauge: tokens in the cache. Set by [`record_gauges`](crate::ResourceServer::record_gauges).
    pub const CACHE_ENTRIES: &str = "tower_bearer_token_cache_entries";
    /// Gauge: bytes the cache holds. Set by [`record_gauges`](crate::ResourceServer::record_gauges).
    pub const CACHE_BYTES: &str = "tower_bearer_token_cache_bytes";
    /// Counter: fetches of keys by `issuer` and `outcome` (`ok` or why not).
    pub const KEY_REFRESHES: &str = "tower_bearer_key_refreshes_total";
    /// Gauge, seconds: age of the keys at hand by `issuer`. Set by
    /// [`record_gauges`](crate::ResourceServer::record_gauges).
    pub const KEY_AGE_SECONDS: &str = "tower_bearer_key_age_seconds";
    /// Counter: calls to introspection endpoints by `issuer` and `outcome` (`active`, a reason code, or why no answer came).
    pub const INTROSPECTIONS: &str = "tower_bearer_introspections_total";
    /// Histogram, seconds: the check of a requirement on a verified token.
    pub const AUTHORIZATION_SECONDS: &str = "tower_bearer_authorization_seconds";
    /// Counter: audit events that a full sink did not take.
    pub const AUDIT_DROPPED: &str = "tower_bearer_audit_dropped_total";

    /// All of them.
    pub const ALL: [&str; 11] = [
        REQUESTS,
        VERIFICATION_SECONDS,
        CACHE_HITS,
        CACHE_MISSES,
        CACHE_ENTRIES,
        CACHE_BYTES,
        KEY_REFRESHES,
        KEY_AGE_SECONDS,
        INTROSPECTIONS,
        AUTHORIZATION_SECONDS,
        AUDIT_DROPPED,
    ];
}

/// A running measurement; nothing without the feature.
pub(crate) struct Stopwatch {
    #[cfg(feature = "metrics")]
    start: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Stopwatch {
            #[cfg(feature = "metrics")]
            start: Instant::now(),
        }
    }

    pub(crate) fn verified(self) {
        #[cfg(feature = "metrics")]
        metrics::histogram!(metric_names::VERIFICATION_SECONDS).record(self.start.elapsed());
    }

    pub(crate) fn authorized(self) {
        #[cfg(feature = "metrics")]
        metrics::histogram!(metric_names::AUTHORIZATION_SECONDS).record(self.start.elapsed());
    }
}

pub(crate) fn request(outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(metric_names::REQUESTS, "outcome" => outcome).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = outcome;
}

pub(crate) fn cache_lookup(hit: bool) {
    #[cfg(feature = "metrics")]
    metrics::counter!(if hit { metric_names::CACHE_HITS } else { metric_names::CACHE_MISSES }).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = hit;
}

pub(crate) fn keys_refreshed(issuer: &str, outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(metric_names::KEY_REFRESHES, "issuer" => issuer.to_owned(), "outcome" => outcome).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (issuer, outcome);
}

pub(crate) fn introspected(issuer: &str, outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(metric_names::INTROSPECTIONS, "issuer" => issuer.to_owned(), "outcome" => outcome).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (issuer, outcome);
}

pub(crate) fn audit_dropped() {
    #[cfg(feature = "metrics")]
    metrics::counter!(metric_names::AUDIT_DROPPED).increment(1);
}

#[cfg(feature = "metrics")]
pub(crate) fn cache_size(entries: usize, bytes: u64) {
    metrics::gauge!(metric_names::CACHE_ENTRIES).set(entries as f64);
    metrics::gauge!(metric_names::CACHE_BYTES).set(bytes as f64);
}

#[cfg(feature = "metrics")]
pub(crate) fn key_age(issuer: &str, age: Duration) {
    metrics::gauge!(metric_names::KEY_AGE_SECONDS, "issuer" => issuer.to_owned()).set(age.as_secs_f64());
}
