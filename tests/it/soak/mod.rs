//! R84: a day of virtual time for each seed, an issuer that misbehaves at random, clocks that jump, keys that come
//! and go, and a model that knows every key and every answer. Each verdict is held against the model.
//!
//! `TOWER_BEARER_SOAK_SEEDS=5000` runs so many seeds, `TOWER_BEARER_SOAK_FIRST=17` begins with another one. A seed
//! fixes what the issuer, the clocks and the callers do; the server's own jitter is drawn anew in each run.

mod issuer;
mod model;
mod pace;
mod rng;
mod tokens;
mod world;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tokens::Tokens;
use world::{Tally, World};

/// What a developer waits for; CI runs 200.
const SEEDS: u64 = 16;

fn argument(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`: expected a whole number")),
        Err(_) => default,
    }
}

fn one_day(seed: u64, tokens: &Tokens) -> Tally {
    // Neither sockets nor a timer: all time is virtual.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed, tokens);
        world.live().await;
        world.end().await
    })
}

/// Runs seeds until none is left; names the one that failed.
fn work(next: &AtomicU64, end: u64, tokens: &Tokens) -> Tally {
    let mut total = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= end {
            return total;
        }
        let day = std::panic::catch_unwind(AssertUnwindSafe(|| one_day(seed, tokens)));
        total += day.unwrap_or_else(|_| panic!("seed {seed}: see above; TOWER_BEARER_SOAK_FIRST={seed} runs it first"));
    }
}

#[test]
fn r84_a_day_of_faults_for_each_seed_breaks_no_invariant() {
    let (first, seeds) = (argument("TOWER_BEARER_SOAK_FIRST", 0), argument("TOWER_BEARER_SOAK_SEEDS", SEEDS));
    let (next, tokens) = (AtomicU64::new(first), Tokens::sign());
    let total = thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(|| work(&next, first + seeds, &tokens))).collect();
        workers.into_iter().fold(Tally::default(), |sum, worker| sum + worker.join().expect("a seed failed"))
    });
    println!("{seeds} days: {total:?}");
    assert!(total.covers_every_verdict(), "a soak in which something never happens shows nothing: {total:?}");
}
