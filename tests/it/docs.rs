//! The pages say what the code says, where both are tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_table_of_reason_codes_is_that_of_the_code() {
    let (code, page) = (text("src/token/reason.rs"), text("src/docs/security.md"));
    // Reason::Expired => ("token_expired", InvalidToken, "the client ..."),
    let rows = code.lines().filter(|line| line.trim_start().starts_with("Reason::") && line.contains("=> (\""));
    let rows: BTreeMap<&str, (&str, &str)> = rows
        .map(|line| {
            let mut parts = line.split('"');
            let (code, kind, remedy) = (parts.nth(1).unwrap(), parts.next().unwrap(), parts.next().unwrap());
            let status = match kind.trim_matches([',', ' ']) {
                "MissingToken" | "InvalidToken" | "InvalidDpopProof" | "UseDpopNonce" => "401",
                "InsufficientUserAuthentication" => "401",
                "TooManyRequests" => "429",
                "InvalidRequest" => "400",
                "InsufficientScope" => "403",
                "Unavailable" => "503",
                "Misconfigured" => "500",
                other => panic!("{other} has no status"),
            };
            (code, (status, remedy))
        })
        .collect();
    let listed = page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let listed = listed.filter_map(|line| line.split_once("` | "));
    let listed: BTreeMap<&str, (&str, &str)> = listed
        .filter_map(|(code, rest)| Some((code, rest.split_once(" | ")?)))
        .filter(|(code, _)| !code.contains(' '))
        .collect();
    assert!(rows.len() > 30, "{rows:?}");
    for (code, row) in &rows {
        assert_eq!(listed.get(code), Some(row), "{code}");
    }
    let statuses = ["400", "401", "403", "429", "500", "503"];
    for (code, _) in listed.iter().filter(|(_, (status, _))| statuses.contains(status)) {
        assert!(rows.contains_key(code), "{code} is no reason");
    }
}
#[test]
fn the_tests_that_the_documentation_names_exist() {
    let table = include_str!("../../src/docs/security.md");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut tests: String =
        files.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    tests += concat!(include_str!("../../src/verify/roca.rs"), include_str!("../../src/remote/url.rs"));
    tests += include_str!("../../src/verify/proof.rs");
    let names = table.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_row = |name: &&str| {
        let digits = name.trim_start_matches(['s', 'r']).replace('_', "");
        name.len() > digits.len() && digits.len() > 1 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    for name in names.filter(is_row) {
        let stands = |before: char| tests.contains(&format!("{before}{name}_"));
        assert!(stands(' ') || stands('_'), "{name}");
    }
}
