//! Instructions of one request, counted by callgrind, in loops of two lengths: the slope between them is one request,
//! whatever a loop costs besides. Run it with `benches/instructions/run`, which subtracts and compares.

use axum::http::StatusCode;
use gungraun::Callgrind;
use gungraun::prelude::*;
use tower_bearer_instructions::case::{Case, Direct, Raw};
use tower_bearer_instructions::{apps, requests};

const OK: StatusCode = StatusCode::OK;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

// What is returned is dropped after counting ends.
#[library_benchmark]
#[benches::bare(args = [200, 1200], setup = bare)]
#[benches::bare_anonymous(args = [200, 1200], setup = bare_anonymous)]
#[benches::do_nothing_layer(args = [200, 1200], setup = do_nothing_layer)]
#[benches::hit(args = [200, 1200], setup = hit)]
#[benches::require_scope(args = [200, 1200], setup = require_scope)]
#[benches::no_token(args = [200, 1200], setup = no_token)]
#[benches::expired(args = [200, 1200], setup = expired)]
fn router((case, count): (Case, u32)) -> Case {
    case.send_many(count);
    case
}

#[library_benchmark]
#[benches::authenticate(args = [200, 1200], setup = known)]
#[benches::verify(args = [20, 120], setup = unknown)]
#[benches::bad_signature(args = [20, 120], setup = bad_signature)]
fn library((direct, count): (Direct, u32)) -> Direct {
    direct.authenticate_many(count);
    direct
}

#[library_benchmark]
#[benches::verify(args = [20, 120], setup = raw)]
#[benches::bad_signature(args = [20, 120], setup = raw_bad_signature)]
fn aws_lc((raw, count): (Raw, u32)) -> Raw {
    raw.check_many(count);
    raw
}

fn bare(count: u32) -> (Case, u32) {
    (Case::new(apps::bare(), requests::valid, OK), count)
}

fn bare_anonymous(count: u32) -> (Case, u32) {
    (Case::new(apps::bare(), requests::anonymous, OK), count)
}

fn do_nothing_layer(count: u32) -> (Case, u32) {
    (Case::new(apps::do_nothing(), requests::valid, OK), count)
}

fn hit(count: u32) -> (Case, u32) {
    (Case::new(apps::auth(), requests::valid, OK), count)
}

fn require_scope(count: u32) -> (Case, u32) {
    (Case::new(apps::require_scope(), requests::valid, OK), count)
}

fn no_token(count: u32) -> (Case, u32) {
    (Case::new(apps::auth(), requests::anonymous, UNAUTHORIZED), count)
}

fn expired(count: u32) -> (Case, u32) {
    (Case::new(apps::auth(), requests::expired, UNAUTHORIZED), count)
}

fn known(count: u32) -> (Direct, u32) {
    (Direct::known(), count)
}

fn bad_signature(count: u32) -> (Direct, u32) {
    (Direct::bad_signature(), count)
}

fn unknown(count: u32) -> (Direct, u32) {
    (Direct::unknown(), count)
}

fn raw(count: u32) -> (Raw, u32) {
    (Raw::good_signature(), count)
}

fn raw_bad_signature(count: u32) -> (Raw, u32) {
    (Raw::bad_signature(), count)
}

fn instructions_only() -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::with_args(["--cache-sim=no"]));
    config
}

library_benchmark_group!(name = counts, benchmarks = [router, library, aws_lc]);
main!(config = instructions_only(), library_benchmark_groups = counts);
