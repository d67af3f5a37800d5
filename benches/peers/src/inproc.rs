//! Requests in one process: every peer beside the bare route.

use crate::app::App;
use crate::keys::Algorithm;
use crate::paired::{self, Case, Row};
use crate::peers::{self, HIT, Trust};
use crate::results::{Run, Table};
use crate::scale::Scale;
use crate::tokens::Minter;

/// What is not good about a request, or good.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Hit,
    Turn,
    Cold,
    Bad,
    Expired,
    None,
}

/// How many different tokens the groups of refused and unknown tokens use.
const SOME: usize = 256;

impl Kind {
    fn title(self) -> &'static str {
        match self {
            Kind::Hit => "Hit: the same token in every request",
            Kind::Turn => "10,000 tokens in turn",
            Kind::Cold => "Cold: every token is new",
            Kind::Bad => "Bad signature",
            Kind::Expired => "Expired",
            Kind::None => "No token",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Kind::Hit => "hit",
            Kind::Turn => "turn",
            Kind::Cold => "cold",
            Kind::Bad => "bad",
            Kind::Expired => "expired",
            Kind::None => "none",
        }
    }

    fn tokens(self, minter: &Minter, scale: Scale) -> Vec<Option<String>> {
        let some = |make: &dyn Fn(usize) -> String| (0..SOME).map(|number| Some(make(number))).collect();
        match self {
            Kind::Hit => vec![Some(minter.good(0))],
            Kind::Turn => minter.many(scale.turn).into_iter().map(Some).collect(),
            // More than the small cache holds, so that each is new again when its turn comes.
            Kind::Cold => minter.many(4 * SOME).into_iter().map(Some).collect(),
            Kind::Bad => some(&|number| minter.bad(number)),
            Kind::Expired => some(&|number| minter.expired(number)),
            Kind::None => vec![None],
        }
    }

    fn status(self) -> u16 {
        if matches!(self, Kind::Hit | Kind::Turn | Kind::Cold) { 200 } else { 401 }
    }
}

/// One group for one algorithm.
pub fn group(run: &mut Run, kind: Kind, algorithm: Algorithm, scale: Scale) {
    let minter = Minter::new(algorithm);
    let trust = Trust { algorithm, jwks: minter.jwks() };
    let tokens = kind.tokens(&minter, scale);
    let apps = apps(kind, &trust);
    for (name, app) in &apps {
        check(name, app, kind, tokens[0].as_deref());
        warm(app, &tokens);
    }
    let tokens = &tokens;
    let cases = apps.iter().map(|(name, app)| {
        let mut place = 0;
        Case::new(name.clone(), move |count| {
            app.answer(count, &mut || {
                place = (place + 1) % tokens.len();
                tokens[place].as_deref()
            })
        })
    });
    let cases = cases.collect();
    figures(run, kind, algorithm, paired::measure(cases, scale.rounds));
}

/// The rows: in the group of new tokens this crate has its cache too small or switched off.
fn apps(kind: Kind, trust: &Trust) -> Vec<(String, App)> {
    let rows = peers::taking(trust.algorithm);
    let own = |name: &str| kind == Kind::Cold && name.starts_with(HIT);
    let mut apps: Vec<_> =
        rows.filter(|peer| !own(peer.name)).map(|peer| (peer.name.to_owned(), (peer.build)(trust))).collect();
    if kind == Kind::Cold {
        apps.insert(4, (HIT.into(), peers::evicting(trust)));
        apps.insert(5, (format!("{HIT}, without cache"), peers::cold(trust)));
    }
    apps
}

/// The figures mean something only if each application accepts and refuses what it should.
fn check(name: &str, app: &App, kind: Kind, token: Option<&str>) {
    let expected = if peers::unguarded(name) { 200 } else { kind.status() };
    assert_eq!(app.status(token), expected, "{name}: {}", kind.title());
}

fn warm(app: &App, tokens: &[Option<String>]) {
    let mut tokens = tokens.iter();
    app.answer(tokens.len(), &mut || tokens.next().and_then(|token| token.as_deref()));
}

fn figures(run: &mut Run, kind: Kind, algorithm: Algorithm, rows: Vec<Row>) {
    let title = format!("{}, {}", kind.title(), algorithm.name());
    let note = match kind {
        Kind::Cold => "tower-bearer: 1,024 tokens in turn over a cache of 64 KiB, so that each is verified and stored.",
        _ => "",
    };
    let id = format!("{}-{}", kind.id(), algorithm.name());
    run.tables.push(Table::of_rows(id, title, note, peers::BARE, &rows));
    let Some(own) = paired::find(&rows, HIT).filter(|_| algorithm == Algorithm::Rs256) else { return };
    if matches!(kind, Kind::Hit | Kind::Turn | Kind::None) {
        run.figure(kind.id(), own.ratio);
    }
    if kind == Kind::Hit {
        let peers = rows.iter().filter(|row| peers::is_peer(&row.name));
        let fastest = peers.map(|row| row.over).fold(f64::INFINITY, f64::min);
        run.figure("hit-peer", own.over / fastest);
    }
}

/// Allocations of one request, which are exact.
pub fn allocations(run: &mut Run) {
    let minter = Minter::new(Algorithm::Rs256);
    let trust = Trust { algorithm: Algorithm::Rs256, jwks: minter.jwks() };
    let (good, bad, expired) = (minter.good(0), minter.bad(0), minter.expired(0));
    let columns = [
        ("hit: allocations", 0),
        ("hit: bytes", 0),
        ("bad signature: allocations", 0),
        ("expired: allocations", 0),
        ("no token: allocations", 0),
    ];
    let mut table = Table::new("allocations", "Allocations of a request, RS256", "", &columns);
    for peer in peers::taking(Algorithm::Rs256) {
        let app = (peer.build)(&trust);
        let least = |token: Option<&str>| (0..20).map(|_| app.allocations(token)).min().unwrap_or_default();
        let hit = least(Some(&good));
        let others = [Some(bad.as_str()), Some(&expired), None].map(|token| least(token).0 as f64);
        table.row(peer.name, [hit.0 as f64, hit.1 as f64].into_iter().chain(others));
    }
    let added = |row| Some(table.cell(row, "hit: a")? - table.cell(peers::BARE, "hit: a")?);
    run.figure("allocations", added(HIT).unwrap_or(f64::NAN));
    run.tables.push(table);
}
