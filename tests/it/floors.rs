//! The folders of `src` are floors: imports go down only, and each third-party crate has its place.

use crate::sources::{Source, sources};

/// What each folder may import beside itself and the root. Adding a floor means editing this table.
const FLOORS: [(&str, &[&str]); 10] = [
    ("token", &[]),
    ("verify", &["token"]),
    ("remote", &["token", "verify"]),
    ("store", &["token", "verify"]),
    ("server", &["token", "verify", "remote", "store"]),
    ("policy", &["token", "verify", "store"]),
    ("middleware", &["token", "server", "policy"]),
    ("client", &["token", "remote", "server"]),
    ("config", &["token", "verify", "remote", "server", "policy"]),
    ("testing", &["token", "verify", "remote"]),
];

/// The files beside the folders, and what they may import. `lib.rs`, `danger.rs` and `fuzzing.rs` stand above all floors.
const ROOT: [(&str, &[&str]); 6] =
    [("audit", &[]), ("clock", &[]), ("error", &[]), ("meters", &[]), ("telemetry", &["token"]), ("told", &["token"])];

/// Where a third-party crate may be named, so that replacing one touches one place.
const FENCES: [(&str, &[&str]); 22] = [
    ("arc_swap", &["src/remote/key_store.rs", "src/middleware/rules.rs"]),
    ("aws_lc_rs", &["src/verify/crypto.rs", "src/verify/signing.rs", "src/testing/signing_key.rs"]),
    ("axum_core", &["src/middleware/extract.rs"]),
    ("base64", &["src/verify/base64url.rs", "src/testing/clients.rs"]),
    ("http_body", &["src/middleware/expiry_body.rs"]),
    ("http_body_util", &["src/testing/door.rs"]),
    ("hyper", &["src/testing/delivery.rs", "src/testing/door.rs"]),
    ("hyper_util", &["src/testing/door.rs"]),
    ("jsonwebtoken", &["src/testing/signing_key.rs"]),
    ("metrics", &["src/meters.rs"]),
    ("moka", &["src/remote/introspection/memory.rs"]),
    ("pin_project_lite", &["src/middleware/"]),
    ("quick_cache", &["src/store/"]),
    ("reqwest", &["src/remote/reqwest_client.rs"]),
    ("serde", &["src/config/", "src/token/claims.rs", "src/middleware/extract.rs", "src/testing/"]),
    (
        "serde_json",
        &[
            "src/config/",
            "src/token/json.rs",
            "src/token/claims.rs",
            "src/remote/introspection/assertion.rs",
            "src/middleware/",
            "src/testing/",
        ],
    ),
    ("memchr", &["src/verify/jws.rs", "src/verify/outlook.rs"]),
    ("siphasher", &["src/store/digest.rs"]),
    ("tokio", &["src/audit.rs", "src/clock.rs", "src/server/assembly.rs", "src/remote/", "src/testing/"]),
    ("tower_layer", &["src/middleware/"]),
    ("tower_service", &["src/middleware/"]),
    ("tracing", &["src/telemetry.rs", "src/told.rs"]),
];

/// The folder or root file a source belongs to: `src/token/json.rs` is of `token`.
fn floor_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let name = inside.split('/').next()?;
    Some(name.strip_suffix(".rs").unwrap_or(name))
}

/// The names that follow `crate::` anywhere in the code of a file.
fn imports(source: &Source) -> Vec<&str> {
    let named = |line: &'_ str| -> Vec<usize> { line.match_indices("crate::").map(|(at, _)| at + 7).collect() };
    let word = |text: &'_ str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    source
        .code()
        .flat_map(|line| named(line).into_iter().map(move |at| &line[at..]))
        .map(|rest| &rest[..word(rest)])
        .collect()
}

#[test]
fn imports_go_down_the_floors_only() {
    for source in sources("src") {
        let floor = floor_of(&source.path).unwrap();
        if ["lib", "danger", "docs", "fuzzing"].contains(&floor) {
            continue;
        }
        let rules = FLOORS.iter().chain(&ROOT).find(|(name, _)| *name == floor);
        let (_, below) = rules.unwrap_or_else(|| panic!("{} stands on no floor of the table", source.path));
        for import in imports(&source) {
            let own = import == floor;
            let root = ROOT.iter().any(|(name, _)| *name == import) && !matches!(floor, "clock" | "error");
            assert!(
                own || root || below.contains(&import),
                "{} imports crate::{import}, which is not below it",
                source.path
            );
        }
    }
}

#[test]
fn each_third_party_crate_is_named_in_its_place_only() {
    for source in sources("src") {
        for (name, places) in FENCES {
            let allowed = places
                .iter()
                .any(|place| source.path == *place || (place.ends_with('/') && source.path.starts_with(place)));
            let named = source.code().any(|line| names_crate(line, name));
            assert!(allowed || !named, "{} names {name}, whose place is {places:?}", source.path);
        }
    }
}

/// `name::` as a path's beginning, or `use name`.
fn names_crate(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
    })
}

#[test]
fn every_dependency_has_a_fence_or_is_vocabulary() {
    let manifest = include_str!("../../Cargo.toml");
    let section = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    for line in section.lines().filter(|line| line.contains('=') && !line.starts_with('#')) {
        let name = line.split('=').next().unwrap().trim().replace('-', "_");
        // `http` and `bytes` are the vocabulary of every floor.
        let known = ["http", "bytes"].contains(&name.as_str()) || FENCES.iter().any(|(fenced, _)| *fenced == name);
        assert!(known, "the dependency {name} has no place in the table of fences");
    }
}

#[test]
fn the_lower_floors_know_neither_time_nor_tasks() {
    for source in sources("src/token").into_iter().chain(sources("src/verify")) {
        for word in ["async ", ".await", "SystemTime::now", "Instant::now"] {
            assert!(!source.code().any(|line| line.contains(word)), "{} has `{word}`", source.path);
        }
    }
}

#[test]
fn only_the_middleware_knows_status_codes_of_answers() {
    for source in sources("src") {
        let knows = source.code().any(|line| line.contains("StatusCode::"));
        // The doors to the authorization server read the status of its answers.
        let allowed = ["src/middleware/", "src/remote/", "src/testing/"];
        assert!(!knows || allowed.iter().any(|place| source.path.starts_with(place)), "{}", source.path);
    }
}

#[test]
fn a_file_holds_one_idea_and_at_most_300_lines_before_its_tests() {
    for source in sources("src") {
        let end = source.text.lines().position(|line| line == "#[cfg(test)]").unwrap_or(usize::MAX);
        let lines = source.text.lines().take(end).count();
        assert!(lines <= 300, "{} has {lines} lines before its tests", source.path);
    }
}
