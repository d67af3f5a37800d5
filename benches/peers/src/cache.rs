//! What the cache holds and keeps: memory of a token, hot tokens beside many others, good ones beside a flood.

use std::time::Duration;

use tower_bearer::testing::signature_checks;

use crate::app::App;
use crate::growth::{secret_server, thousands};
use crate::keys::{Algorithm, vary};
use crate::paired::{self, Case};
use crate::peers::{self, HIT, Trust};
use crate::results::{Run, Table};
use crate::scale::Scale;
use crate::tokens::Minter;
use crate::verify::accepts;

/// What one token takes, with a cache that they fill.
pub fn memory(run: &mut Run) {
    const TOKENS: usize = 90_000;
    const CACHE: u64 = 128 << 20;
    let minter = Minter::new(Algorithm::Hs256);
    // What the first verification sets up belongs to no token.
    assert!(accepts(&secret_server(CACHE), &minter.good(0)));
    let (heap, resident) = (crate::alloc::count().live, resident_bytes());
    let server = secret_server(CACHE);
    for number in 0..TOKENS {
        assert!(accepts(&server, &minter.good(number)), "a good token");
    }
    let each = |bytes: i64| bytes as f64 / TOKENS as f64;
    let heap = each(crate::alloc::count().live - heap);
    let resident = each(resident_bytes() - resident);
    let before = signature_checks();
    (0..TOKENS).for_each(|number| assert!(accepts(&server, &minter.good(number))));
    let kept = 1.0 - (signature_checks() - before) as f64 / TOKENS as f64;
    let note = "The claims of the 965-byte token. Heap as it was asked for, and resident memory of the process.";
    let columns = [("tokens", 0), ("heap, bytes each", 0), ("resident, bytes each", 0), ("still cached", 4)];
    let mut table = Table::new("memory", "Memory of a cached token", note, &columns);
    table.row(HIT, [TOKENS as f64, heap, resident, kept]);
    run.figure("memory", heap.max(resident));
    run.tables.push(table);
}

fn resident_bytes() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<i64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// The share of hot requests that are hits, while others come once each; with the cache as it is by default.
pub fn hot(run: &mut Run, scale: Scale) {
    const HOT: usize = 10_000;
    let others = scale.pick(1_000_000, 100_000);
    let minter = Minter::new(Algorithm::Hs256);
    let server = secret_server(32 << 20);
    let hot: Vec<_> = (0..HOT).map(|number| minter.good(number)).collect();
    for token in hot.iter().chain(&hot) {
        assert!(accepts(&server, token));
    }
    let mut misses = 0;
    for number in 0..others {
        assert!(accepts(&server, &minter.good(HOT + number)));
        let before = signature_checks();
        assert!(accepts(&server, &hot[number % HOT]));
        misses += signature_checks() - before;
    }
    let rate = 1.0 - misses as f64 / others as f64;
    let title = format!("{} hot tokens beside {} others", thousands(HOT), thousands(others));
    let note = "Hot and other requests alternate; each other token comes once. Cache of 32 MiB, the default.";
    let mut table = Table::new("hot", title, note, &[("hit rate of the hot tokens", 4)]);
    table.row(HIT, [rate]);
    run.figure("hot", rate);
    run.tables.push(table);
}

/// Good requests while ten bad signatures come before each: what they cost, and how many are still hits.
pub fn flood(run: &mut Run, scale: Scale) {
    const BAD: usize = 10;
    let minter = Minter::new(Algorithm::Rs256);
    let trust = Trust { algorithm: Algorithm::Rs256, jwks: minter.jwks() };
    let good = minter.many(1000);
    let build = |name| (peers::find(name).expect("a row").build)(&trust);
    let (bare, app) = (build(peers::BARE), build(HIT));
    good.iter().for_each(|token| assert_eq!(app.status(Some(token)), 200));
    let cases = vec![
        Case::new("bare", beside(&bare, None, &good)),
        Case::new("bare (control)", beside(&bare, None, &good)),
        Case::new("bare, beside the flood", beside(&bare, Some((&app, BAD)), &good)),
        Case::new("tower-bearer", beside(&app, None, &good)),
        Case::new("tower-bearer, beside the flood", beside(&app, Some((&app, BAD)), &good)),
    ];
    let rows = paired::measure(cases, scale.pick(100, 20));
    let note = "Time of the good requests alone, each timed for itself; before each, ten different tokens with a bad \
                signature are refused. The flood also takes the processor's caches, as the bare route shows.";
    run.tables.push(Table::of_rows("flood", "Good traffic beside a flood of bad tokens", note, peers::BARE, &rows));
    let before = signature_checks();
    good.iter().for_each(|token| assert_eq!(app.status(Some(token)), 200));
    let rate = 1.0 - (signature_checks() - before) as f64 / good.len() as f64;
    let mut table = Table::new("flood-hits", "Good tokens still cached after the flood", "", &[("hit rate", 4)]);
    table.row(HIT, [rate]);
    run.tables.push(table);
}

/// Good requests to `app`, each after some bad ones to another.
fn beside<'a>(
    app: &'a App,
    flood: Option<(&'a App, usize)>,
    tokens: &'a [String],
) -> impl FnMut(usize) -> Duration + 'a {
    let mut place = 0;
    let mut bad = 0;
    move |count| {
        let mut spent = Duration::ZERO;
        for _ in 0..count {
            place = (place + 1) % tokens.len();
            let token = &tokens[place];
            if let Some((other, times)) = flood {
                for _ in 0..times {
                    bad += 1;
                    assert_eq!(other.status(Some(&vary(token, bad))), 401);
                }
            }
            spent += app.answer(1, &mut || Some(token));
        }
        spent
    }
}
