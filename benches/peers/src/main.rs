//! This crate beside the published peers: in process, alone, growing, and on loopback. Started by `run`.

mod alloc;
mod app;
mod cache;
mod chart;
mod gates;
mod growth;
mod inproc;
mod keys;
mod load;
mod loopback;
mod paired;
mod peers;
mod report;
mod results;
mod scale;
mod server;
mod system;
mod table;
mod threads;
mod tokens;
mod verify;

use std::process::ExitCode;

use inproc::Kind;
use keys::Algorithm;
use results::Run;
use scale::Scale;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Memory comes first, while the process has freed nothing that could be used again.
const GROUPS: &[&str] = &[
    "memory",
    "hit",
    "turn",
    "cold",
    "bad",
    "expired",
    "none",
    "allocations",
    "verify",
    "growth",
    "issuers",
    "threads",
    "hot",
    "flood",
    "loopback",
];

const USAGE: &str = "peers measure --out FILE [--quick] [group...]\n\
    peers report --results DIR --date DATE --compiler TEXT [--gate] FILE...\n\
    peers serve ROW";

const SIGNED: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match command.as_str() {
        "measure" => measure(&rest),
        "report" => report::report(&rest),
        "serve" => server::serve(&rest),
        _ => {
            eprintln!("{USAGE}\ngroups: {}", GROUPS.join(" "));
            ExitCode::from(2)
        }
    }
}

/// The value after a flag.
pub fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let place = arguments.iter().position(|argument| argument == name)?;
    arguments.get(place + 1).map(String::as_str)
}

fn measure(arguments: &[String]) -> ExitCode {
    let Some(out) = option(arguments, "--out") else {
        eprintln!("--out FILE is missing");
        return ExitCode::from(2);
    };
    let scale = if arguments.iter().any(|argument| argument == "--quick") { scale::QUICK } else { scale::WHOLE };
    let named: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|name| *name != out && !name.starts_with("--")).collect();
    if let Some(unknown) = named.iter().find(|name| !GROUPS.contains(name)) {
        eprintln!("no group {unknown}; there are: {}", GROUPS.join(" "));
        return ExitCode::from(2);
    }
    let mut run = Run::default();
    for group in GROUPS.iter().filter(|group| named.is_empty() || named.contains(group)) {
        eprintln!("{group} ...");
        one(&mut run, group, scale);
        // After each group, so that a run which is cut short leaves what it has.
        let text = serde_json::to_string(&run).expect("numbers and texts");
        std::fs::write(out, text).expect("a file that can be written");
    }
    ExitCode::SUCCESS
}

fn one(run: &mut Run, group: &str, scale: Scale) {
    let mut each = |kind, algorithms: &[Algorithm]| {
        algorithms.iter().for_each(|algorithm| inproc::group(run, kind, *algorithm, scale));
    };
    match group {
        "hit" => each(Kind::Hit, &[Algorithm::Rs256]),
        "turn" => each(Kind::Turn, &[Algorithm::Rs256]),
        "cold" => each(Kind::Cold, &SIGNED),
        "bad" => each(Kind::Bad, &SIGNED),
        "expired" => each(Kind::Expired, &SIGNED),
        "none" => each(Kind::None, &[Algorithm::Rs256]),
        "allocations" => inproc::allocations(run),
        "verify" => SIGNED.iter().for_each(|algorithm| verify::group(run, *algorithm, scale)),
        "growth" => growth::distinct(run, scale),
        "issuers" => growth::issuers(run, scale),
        "threads" => threads::group(run, scale),
        "memory" => cache::memory(run),
        "hot" => cache::hot(run, scale),
        "flood" => cache::flood(run, scale),
        _ => loopback::group(run, scale),
    }
}
