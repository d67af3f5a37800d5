//! How the cost of a hit grows with the number of cached tokens and of issuers.

use std::time::Duration;

use tower_bearer::{AuthLayer, Issuer, Jwks, ResourceServer};

use crate::app::{App, route};
use crate::keys::{Algorithm, SECRET};
use crate::paired::{self, Case};
use crate::peers::{self, Trust};
use crate::results::{Run, Table};
use crate::scale::Scale;
use crate::tokens::{AUDIENCE, ISSUER, Minter};
use crate::verify::accepts;

/// Tokens made at once, outside of the measured time: a million of them would fill the memory that is measured.
const CHUNK: usize = 64;

/// Far from the order in which tokens were stored.
const STRIDE: usize = 700_001;

const NOTE: &str = "HS256 tokens with the same 15 claims, made outside of the measured time.";

/// A server that verifies with the shared secret.
pub fn secret_server(cache_bytes: u64) -> ResourceServer {
    let issuer = Issuer::new(ISSUER).shared_secret(SECRET);
    ResourceServer::builder(AUDIENCE, issuer).token_cache(cache_bytes).build().expect("a server")
}

fn mount(server: ResourceServer) -> App {
    App::Router(route().layer(AuthLayer::new(server)).with_state(()))
}

/// Hits on 1, 1,000, 100,000 and 1,000,000 distinct tokens.
pub fn distinct(run: &mut Run, scale: Scale) {
    let minter = Minter::new(Algorithm::Hs256);
    let bare = (peers::find(peers::BARE).expect("the first row").build)(&trust(&minter));
    let sizes: &[usize] = scale.pick(&[1, 1_000, 100_000, 1_000_000], &[1, 1_000, 100_000]);
    let servers: Vec<_> = sizes.iter().map(|&size| (size, full(&minter, size))).collect();
    let mut cases =
        vec![Case::new(peers::BARE, hits(&bare, &minter, 1)), Case::new("bare (control)", hits(&bare, &minter, 1))];
    for (size, app) in &servers {
        cases.push(Case::new(plural(*size, "token"), hits(app, &minter, *size)));
    }
    let rows = paired::measure(cases, scale.rounds);
    run.tables.push(Table::of_rows("growth-tokens", "Distinct tokens in the cache", NOTE, peers::BARE, &rows));
}

/// An application whose cache holds this many tokens.
fn full(minter: &Minter, size: usize) -> App {
    let server = secret_server(size as u64 * 2048 + (1 << 20));
    for number in 0..size {
        assert!(accepts(&server, &minter.good(number)), "a good token");
    }
    mount(server)
}

fn hits<'a>(app: &'a App, minter: &'a Minter, size: usize) -> impl FnMut(usize) -> Duration + 'a {
    let mut place = 0;
    move |count| {
        let mut spent = Duration::ZERO;
        let mut left = count;
        while left > 0 {
            let chunk = left.min(CHUNK);
            left -= chunk;
            let mut numbers = (0..chunk).map(|_| {
                place = (place + STRIDE) % size;
                minter.good(place)
            });
            let tokens: Vec<_> = numbers.by_ref().collect();
            let mut next = tokens.iter();
            spent += app.answer(chunk, &mut || next.next().map(String::as_str));
        }
        spent
    }
}

/// 1, 10 and 100 trusted issuers, each with a key of its own: hits, and verification without a cache.
pub fn issuers(run: &mut Run, scale: Scale) {
    let worlds: Vec<_> = [1, 10, 100].map(World::new).into_iter().collect();
    let trust = trust(&worlds[0].minters[0]);
    let bare = (peers::find(peers::BARE).expect("the first row").build)(&trust);
    let same = |name, app| Case::new(name, worlds[0].turn(app));
    let mut hits = vec![same(peers::BARE, &bare), same("bare (control)", &bare)];
    let mut cold = vec![same("1 issuer", &worlds[0].cold), same("1 issuer (control)", &worlds[0].cold)];
    for world in &worlds {
        let name = plural(world.minters.len(), "issuer");
        hits.push(Case::new(&name, world.turn(&world.cached)));
        if world.minters.len() > 1 {
            cold.push(Case::new(&name, world.turn(&world.cold)));
        }
    }
    let note = "ES256, 1,000 tokens in turn, spread evenly over the issuers.";
    let hits = paired::measure(hits, scale.rounds);
    run.tables.push(Table::of_rows("growth-issuers-hit", "Issuers: hit", note, peers::BARE, &hits));
    let cold = paired::measure(cold, scale.rounds);
    run.tables.push(Table::of_rows("growth-issuers-cold", "Issuers: verification", note, "1 issuer", &cold));
}

/// Some issuers, their tokens, and servers that trust them.
struct World {
    minters: Vec<Minter>,
    tokens: Vec<String>,
    cached: App,
    cold: App,
}

impl World {
    fn new(count: usize) -> World {
        let minter = |number: usize| Minter::of(&format!("https://as-{number:02}.example.com"), Algorithm::Es256);
        let minters: Vec<_> = (0..count).map(minter).collect();
        let tokens = (0..1000).map(|number| minters[number % count].good(number)).collect();
        let server = |bytes| {
            let mut issuers = minters.iter().map(|minter| {
                Issuer::new(&minter.issuer).keys(Jwks::parse(minter.jwks().as_bytes()).expect("our own keys"))
            });
            let first = ResourceServer::builder(AUDIENCE, issuers.next().expect("an issuer")).token_cache(bytes);
            mount(issuers.fold(first, |builder, issuer| builder.issuer(issuer)).build().expect("a server"))
        };
        let (cached, cold) = (server(32 << 20), server(0));
        let world = World { tokens, cached, cold, minters };
        assert!(world.tokens.iter().all(|token| world.cached.status(Some(token)) == 200));
        world
    }

    fn turn<'a>(&'a self, app: &'a App) -> impl FnMut(usize) -> Duration + 'a {
        let mut place = 0;
        move |count| {
            app.answer(count, &mut || {
                place = (place + 1) % self.tokens.len();
                Some(&self.tokens[place])
            })
        }
    }
}

fn trust(minter: &Minter) -> Trust {
    Trust { algorithm: minter.key.algorithm, jwks: minter.jwks() }
}

/// So many things.
pub fn plural(count: usize, thing: &str) -> String {
    format!("{} {thing}{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// A number with commas.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}
