//! Merges runs into Markdown and charts, and says which gates hold.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::chart::{Bar, Chart};
use crate::gates::{self, Verdict};
use crate::option;
use crate::peers::{self, BARE, HIT};
use crate::results::{Run, Table, merge};
use crate::system;
use crate::table::{markdown, number};

/// The tables by file.
const FILES: &[(&str, &str, &[&str])] = &[
    ("in-process", "Requests in one process", &["hit", "turn", "cold", "bad", "expired", "none", "allocations"]),
    ("verification", "Verification alone", &["verify"]),
    ("growth", "Growth", &["growth", "threads", "memory", "hot", "flood"]),
    ("loopback", "Loopback", &["loopback"]),
];

pub fn report(arguments: &[String]) -> ExitCode {
    let (Some(results), Some(date), Some(compiler)) =
        (option(arguments, "--results"), option(arguments, "--date"), option(arguments, "--compiler"))
    else {
        eprintln!("--results, --date or --compiler is missing");
        return ExitCode::from(2);
    };
    let files = arguments.iter().filter(|argument| argument.ends_with(".json"));
    let runs: Vec<Run> = files.map(|file| read(file)).collect();
    let foot = foot(date, compiler, runs.len());
    fs::create_dir_all(results).expect("a directory");
    let tables = merged(&runs);
    write_tables(Path::new(results), &tables, &foot);
    write_charts(Path::new(results), &tables, &foot);
    let verdicts = gates::judge(&runs);
    let summary = summary(&verdicts);
    write(Path::new(results), "gates.md", &format!("# Gates\n\n{}\n\n{summary}", foot.join("  \n")));
    println!("{summary}");
    let failed = verdicts.iter().any(|verdict| verdict.holds() == Some(false));
    let strict = arguments.iter().any(|argument| argument == "--gate");
    if failed && strict { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn read(file: &str) -> Run {
    serde_json::from_str(&fs::read_to_string(file).expect("a run")).expect("a run of this version")
}

/// Date, machine and versions.
fn foot(date: &str, compiler: &str, runs: usize) -> Vec<String> {
    let peers = peers::PEERS.iter().filter_map(|peer| peer.package);
    let versions = |names: &[&str]| {
        let each = names.iter().filter_map(|name| Some(format!("{name} {}", system::version(name)?)));
        each.collect::<Vec<_>>().join(", ")
    };
    let peers: Vec<_> = peers.collect();
    let (first, second) = peers.split_at(peers.len() / 2 + 1);
    vec![
        format!("{date}, {}. {}, {compiler}", made_of(runs), system::machine()),
        versions(&["tower-bearer", "axum", "aws-lc-rs", "jsonwebtoken"]),
        format!("{},", versions(first)),
        versions(second),
    ]
}

fn made_of(runs: usize) -> String {
    if runs == 1 { "one run".into() } else { format!("medians of {runs} runs") }
}

fn merged(runs: &[Run]) -> Vec<Table> {
    let Some(first) = runs.first() else { return Vec::new() };
    let same = |id: &str| runs.iter().flat_map(|run| &run.tables).filter(|table| table.id == id).collect::<Vec<_>>();
    first.tables.iter().filter_map(|table| merge(&same(&table.id))).collect()
}

fn write_tables(results: &Path, tables: &[Table], foot: &[String]) {
    let setups = setups();
    for (file, title, groups) in FILES {
        let own = |table: &&Table| groups.iter().any(|group| table.id.split('-').next() == Some(group));
        let tables: Vec<_> = tables.iter().filter(own).map(markdown).collect();
        if !tables.is_empty() {
            let text = format!("# {title}\n\n{}\n\n{setups}\n{}", foot.join("  \n"), tables.join("\n"));
            println!("{text}");
            write(results, &format!("{file}.md"), &text);
        }
    }
}

/// How each row is made: features and settings, nothing else.
fn setups() -> String {
    let one = |peer: &peers::Peer| {
        let version = peer.package.and_then(system::version).map(|version| format!(" {version}")).unwrap_or_default();
        format!("- {}{version}: {}\n", peer.name, peer.setup)
    };
    peers::OWN.iter().chain(peers::PEERS).map(one).collect()
}

fn write_charts(results: &Path, tables: &[Table], foot: &[String]) {
    let find = |id: &str| tables.iter().find(|table| table.id == id);
    if let Some(table) = find("hit-RS256") {
        let mut bars = bars(table, "µs over", "µs", 2);
        if let Some(cold) = find("cold-RS256").and_then(|table| table.cell(HIT, "µs over")) {
            let text = format!("{} µs", number(cold, 2));
            bars.push(Bar { name: format!("{HIT}, new token"), value: cold, text, own: true });
        }
        bars.sort_by(|one, other| one.value.total_cmp(&other.value));
        let unit = "µs over a bare axum route, RS256, a token of 965 bytes in every request; logarithmic";
        draw(results, "overhead", "What a request with a good token costs", unit, bars, true, foot);
    }
    if let Some(table) = find("loopback") {
        let mut bars = bars(table, "requests/s ÷", "", 3);
        bars.sort_by(|one, other| other.value.total_cmp(&one.value));
        let unit = "requests per second of one server core, share of a bare axum route, RS256";
        draw(results, "loopback", "HTTP/1.1 on loopback", unit, bars, false, foot);
    }
    if let Some(table) = find("growth-tokens") {
        let bars = bars(table, "µs over", "µs", 2);
        let unit = "µs of a hit over a bare axum route, by the number of distinct tokens in the cache";
        draw(results, "growth", "Growth with the number of cached tokens", unit, bars, false, foot);
    }
}

/// The rows but for the baseline, its control and the layer that does nothing in one column.
fn bars(table: &Table, column: &str, unit: &str, places: usize) -> Vec<Bar> {
    let rows = table.rows.iter().filter(|(name, _)| !name.starts_with(BARE));
    let bar = |(name, _): &(String, Vec<f64>)| {
        let value = table.cell(name, column)?;
        let text = format!("{} {unit}", number(value, places)).trim_end().to_owned();
        Some(Bar {
            name: name.clone(),
            value,
            text,
            own: name.starts_with(HIT) || name.ends_with(" token") || name.ends_with(" tokens"),
        })
    };
    rows.filter_map(bar).collect()
}

fn draw(results: &Path, file: &str, title: &str, unit: &str, bars: Vec<Bar>, logarithmic: bool, foot: &[String]) {
    let chart = Chart { title, unit, bars, logarithmic, foot };
    write(results, &format!("{file}.svg"), &chart.svg());
}

fn write(results: &Path, file: &str, text: &str) {
    fs::write(results.join(file), text).expect("a file that can be written");
}

/// One line for each gate.
fn summary(verdicts: &[Verdict<'_>]) -> String {
    let mut text = String::from("| figure | runs | worst | gate | |\n|---|--:|--:|--:|---|\n");
    for verdict in verdicts {
        let gate = verdict.gate;
        let places = if gate.limit > 100.0 { 0 } else { 3 };
        let values: Vec<_> = verdict.values.iter().map(|value| number(*value, places)).collect();
        let worst = verdict.worst().map_or("-".into(), |worst| number(worst, places));
        let limit = format!("{} {}", if gate.least { "≥" } else { "≤" }, number(gate.limit, places));
        let word = verdict.holds().map_or("not measured", |holds| if holds { "holds" } else { "FAILS" });
        text.push_str(&format!("| {} | {} | {worst} | {limit} | {word} |\n", gate.what, values.join(", ")));
    }
    text
}
