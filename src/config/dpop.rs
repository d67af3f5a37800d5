//! `[dpop]` and `external_base`: how tokens that are bound to a key are taken.

use std::time::Duration;

use super::issuer::read_algorithms;
use super::table::ConfigTable;
use crate::server::dpop::{Dpop, DpopMode};
use crate::verify::base64url;

const MODES: [(&str, DpopMode); 3] =
    [("off", DpopMode::Off), ("accept", DpopMode::Accept), ("require", DpopMode::Require)];

/// `None` where the file says nothing of it, which leaves the default.
pub(super) fn read_dpop(table: &mut ConfigTable) -> Option<Dpop> {
    let base = table.text("external_base");
    let section = table.table("dpop");
    if base.is_none() && section.is_none() {
        return None;
    }
    let mut dpop = Dpop::accept();
    if let Some(mut section) = section {
        dpop = read_section(&mut section);
        section.finish().unwrap_or_else(|error| table.absorb(error));
    }
    Some(match base {
        Some(base) => dpop.external_base(base),
        None => dpop,
    })
}

fn read_section(table: &mut ConfigTable) -> Dpop {
    let mut dpop = Dpop::in_mode(table.choice("mode", &MODES).unwrap_or(DpopMode::Accept));
    if let Some(algorithms) = read_algorithms(table) {
        dpop = dpop.algorithms(algorithms);
    }
    let (past, future) = (whole_seconds(table, "window_past"), whole_seconds(table, "window_future"));
    if past.is_some() || future.is_some() {
        let (past, future) = (past.unwrap_or(dpop.past), future.unwrap_or(dpop.future));
        dpop = dpop.window(past, future);
    }
    if let Some(secret) = table.secret("nonce_secret") {
        match base64url::decode(&secret).filter(|secret| secret.len() == 32) {
            Some(secret) => dpop = dpop.nonce_secret(secret),
            None => table.problem("nonce_secret", "", "must be 32 random bytes in base64url (43 characters)"),
        }
    }
    if let Some(replay) = table.text("replay").filter(|replay| replay != "memory") {
        let shown = replay.split_once("://").map_or(replay.as_str(), |(scheme, _)| scheme);
        table.problem("replay", shown, "must be `memory`, which serves one instance; a shared store is not built yet");
    }
    dpop
}

/// Proofs tell the time in seconds.
fn whole_seconds(table: &mut ConfigTable, key: &str) -> Option<Duration> {
    let duration = table.duration(key)?;
    if duration.subsec_nanos() > 0 {
        table.problem(key, format_args!("{duration:?}"), "must be whole seconds");
        return None;
    }
    Some(duration)
}
