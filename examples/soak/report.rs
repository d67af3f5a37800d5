//! What is printed, and whether the run was sound.

use std::collections::BTreeMap;
use std::io::{self, Write};

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tower_bearer::metric_names::{CACHE_HITS, CACHE_MISSES};

use crate::callers::Counts;
use crate::cycle::Phase;

/// The cache fills for five minutes, the life of its entries; a shorter run says nothing about growth.
const SETTLED: usize = 900;

pub struct Report {
    metrics: PrometheusHandle,
    hits: u64,
    misses: u64,
    seconds: u32,
    refused_good: u64,
    passed_bad: u64,
    /// KiB, one for each second.
    memory: Vec<u64>,
    /// The p99 of each second, by what happened in it.
    p99: BTreeMap<&'static str, Vec<u32>>,
}

impl Report {
    pub fn new() -> Result<Self, BuildError> {
        let metrics = PrometheusBuilder::new().install_recorder()?;
        let header = format!("{:>6}  {:22}", "time", "phase");
        print(&format!(
            "{header} {:>9} {:>7} {:>9} {:>9} {:>8} {:>10}",
            "good/s", "cached", "p50 us", "p99 us", "fetches", "memory KiB"
        ));
        Ok(Report {
            metrics,
            hits: 0,
            misses: 0,
            seconds: 0,
            refused_good: 0,
            passed_bad: 0,
            memory: Vec::new(),
            p99: BTreeMap::new(),
        })
    }

    pub fn second(&mut self, phase: Phase, mut counts: Counts, fetches: u64) {
        counts.times.sort_unstable();
        let [p50, p99] = [0.5, 0.99].map(|share| quantile(&counts.times, share));
        let cached = self.cached_since_last();
        let memory = resident_kib();
        self.seconds += 1;
        self.refused_good += counts.refused_good;
        self.passed_bad += counts.passed_bad;
        self.memory.extend(memory);
        self.p99.entry(phase.name()).or_default().push(p99);
        let (name, requests) = (phase.name(), counts.times.len());
        let [p50, p99] = [p50, p99].map(|time| f64::from(time) / 1000.0);
        let memory = memory.map_or_else(|| "-".into(), |kib| kib.to_string());
        let start = format!("{:>5}s  {name:22} {requests:>9} {:>6.1}%", self.seconds, 100.0 * cached);
        print(&format!("{start} {p50:>9.1} {p99:>9.1} {fetches:>8} {memory:>10}"));
    }

    /// The share of requests whose token was in the cache.
    fn cached_since_last(&mut self) -> f64 {
        let text = self.metrics.render();
        let (hits, misses) = (counter(&text, CACHE_HITS), counter(&text, CACHE_MISSES));
        let (new_hits, new_misses) = (hits - self.hits, misses - self.misses);
        (self.hits, self.misses) = (hits, misses);
        new_hits as f64 / (new_hits + new_misses).max(1) as f64
    }

    /// KiB in the first third and in the last, each at its most.
    fn growth(&self) -> Option<(u64, u64)> {
        let third = self.memory.len() / 3;
        let first = self.memory.get(..third)?.iter().max()?;
        let last = self.memory.get(2 * third..)?.iter().max()?;
        Some((*first, *last))
    }

    pub fn is_sound(&self) -> bool {
        let settled = self.growth().filter(|_| self.memory.len() >= SETTLED);
        let grows = settled.is_some_and(|(first, last)| last > first + first / 10);
        self.refused_good == 0 && self.passed_bad == 0 && !grows
    }

    pub fn summary(&self) {
        print(&format!("\ngood tokens refused: {}; bad tokens passed: {}", self.refused_good, self.passed_bad));
        for (phase, seconds) in &self.p99 {
            let mut seconds = seconds.clone();
            seconds.sort_unstable();
            let median = f64::from(quantile(&seconds, 0.5)) / 1000.0;
            print(&format!("p99, median of its seconds, {phase}: {median:.1} us"));
        }
        if let Some((first, last)) = self.growth() {
            print(&format!("memory: {first} KiB at most in the first third, {last} KiB in the last"));
        }
    }
}

fn quantile(sorted: &[u32], share: f64) -> u32 {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn counter(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_default()
}

/// What the operating system says; unknown where there is no `/proc`.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

fn print(line: &str) {
    // A reader that went away is no reason to stop.
    let _ = writeln!(io::stdout(), "{line}");
}
