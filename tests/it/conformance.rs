//! `tests/conformance.tsv`: each row of the conformance matrix, what is done of it and what proves it.
//!
//! The last column is written by this test: `UPDATE_CONFORMANCE=1 cargo test --all-features conformance`.

use std::collections::BTreeMap;

use crate::sources::sources;

const TABLE: &str = include_str!("../conformance.tsv");

struct Row<'a> {
    id: &'a str,
    level: &'a str,
    state: &'a str,
    tests: &'a str,
}

fn rows() -> impl Iterator<Item = Row<'static>> {
    TABLE.lines().skip(1).map(|line| {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap_or_else(|| panic!("a cell is missing: {line}"));
        let (id, _group, level, state, tests) = (cell(), cell(), cell(), cell(), cell());
        Row { id, level, state, tests }
    })
}

/// The names of all test functions of the project.
fn test_names() -> Vec<String> {
    let all = sources("src").into_iter().chain(sources("tests"));
    let texts: Vec<String> = all.map(|source| source.text).collect();
    let mut names = Vec::new();
    for text in &texts {
        let mut attributed = false;
        for line in text.lines().map(str::trim_start) {
            attributed |= line.starts_with("#[test") || line.starts_with("#[tokio::test");
            let function = line.trim_start_matches("async ").strip_prefix("fn ");
            if let (true, Some(function)) = (attributed, function) {
                names.push(function.split('(').next().unwrap().to_owned());
                attributed = false;
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// `6750-2.1-a` as it stands in names: the stem `6750_2_1` and the part `a`, since one name may prove several
/// parts of one stem (`c6750_2_1_c_d_e_...`).
fn stem_and_part(id: &str) -> (String, String) {
    let (stem, part) = id.rsplit_once('-').unwrap();
    let plain = |text: &str| text.to_lowercase().replace(['.', '-'], "_");
    (plain(stem), plain(part))
}

/// True if the name holds the stem, followed by short parts among which is ours.
fn proves(name: &str, stem: &str, part: &str) -> bool {
    let padded = format!("_{name}_");
    let marks = [format!("_c{stem}_"), format!("_{stem}_")];
    marks.iter().any(|mark| {
        padded.match_indices(mark.as_str()).any(|(at, _)| {
            let parts = padded[at + mark.len()..].split('_');
            parts.take_while(|word| word.len() == 1 || *word == part).any(|word| word == part)
        })
    })
}

fn found() -> BTreeMap<&'static str, String> {
    let names = test_names();
    rows()
        .map(|row| {
            let (stem, part) = stem_and_part(row.id);
            let tests: Vec<&str> = names.iter().filter(|name| proves(name, &stem, &part)).map(String::as_str).collect();
            (row.id, tests.join(" "))
        })
        .collect()
}

#[test]
fn every_must_of_the_groups_done_is_named_by_a_test() {
    let found = found();
    let missing: Vec<&str> = rows()
        .filter(|row| row.state == "done" && row.level.starts_with('M') && found[row.id].is_empty())
        .map(|row| row.id)
        .collect();
    assert!(missing.is_empty(), "no test names these rows: {missing:?}");
}

#[test]
fn the_table_says_what_each_row_is_tested_by() {
    let found = found();
    if std::env::var_os("UPDATE_CONFORMANCE").is_some() {
        let mut lines: Vec<String> = TABLE.lines().take(1).map(String::from).collect();
        for line in TABLE.lines().skip(1) {
            let (start, _) = line.rsplit_once('\t').unwrap();
            let id = start.split('\t').next().unwrap();
            lines.push(format!("{start}\t{}", found[id]));
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance.tsv");
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
        return;
    }
    for row in rows() {
        assert_eq!(row.tests, found[row.id], "row {}: run with UPDATE_CONFORMANCE=1 and commit the table", row.id);
    }
}

#[test]
fn every_row_of_the_matrix_has_a_state() {
    assert_eq!(rows().count(), 248);
    for row in rows() {
        let known = row.state == "done" || row.state == "later" || row.state.starts_with("not built: ");
        assert!(known, "row {}: {}", row.id, row.state);
    }
}
