//! A bad file: exit code 2, and for each mistake one line with file, key path, value and remedy.

use super::harness::{Folder, refused};

const GOOD: &str = "resource = \"https://api.example.com\"\n";
const ISSUER: &str = "[[issuers]]\nissuer = \"https://as.example.com\"\n";

/// The lines for a bad file, without the file's name that each must begin with.
pub fn mistakes(file: &str) -> Vec<String> {
    mistakes_in(&Folder::new(), file, &[])
}

pub fn mistakes_in(folder: &Folder, file: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let config = folder.write("gateway.toml", file);
    let config = config.to_str().unwrap();
    let (code, lines) = refused(&["--config", config], environment);
    assert_eq!(code, Some(2), "{file}\n{lines:?}");
    let prefix = format!("{config}: ");
    lines.iter().map(|line| line.strip_prefix(&prefix).unwrap_or_else(|| panic!("{line}")).to_owned()).collect()
}

/// The one line that must stand for this file: key path, value, and a part of the remedy.
#[track_caller]
fn assert_mistake(file: &str, path: &str, value: &str, remedy: &str) {
    let lines = mistakes(file);
    let [line] = lines.as_slice() else { panic!("{file}\n{lines:#?}") };
    assert!(line.starts_with(&format!("{path} `{value}`: ")), "{file}\n{line}");
    assert!(line.contains(remedy), "{file}\n{line}");
}

#[track_caller]
fn at_the_top(key: &str, path: &str, value: &str, remedy: &str) {
    assert_mistake(&format!("{GOOD}{key}\n{ISSUER}"), path, value, remedy);
}

#[track_caller]
fn of_an_issuer(key: &str, path: &str, value: &str, remedy: &str) {
    assert_mistake(&format!("{GOOD}{ISSUER}{key}\n"), &format!("issuers[0].{path}"), value, remedy);
}

#[track_caller]
fn of_rules(rules: &str, path: &str, value: &str, remedy: &str) {
    assert_mistake(&format!("{GOOD}{ISSUER}{rules}\n"), path, value, remedy);
}

#[test]
fn a_setting_of_the_wrong_kind_is_named_with_its_value() {
    at_the_top("listen = 80", "listen", "80", "must be a string");
    at_the_top("listen = \"here\"", "listen", "here", "address and a port");
    at_the_top("leeway = 30", "leeway", "30", "duration");
    at_the_top("leeway = \"30\"", "leeway", "30", "duration");
    at_the_top("leeway = \"301s\"", "leeway", "301s", "300 s at most");
    at_the_top("leeway = \"1h\"", "leeway", "3600s", "300 s at most");
    at_the_top("audience = \"x\"", "audience", "x", "list");
    at_the_top("default_access = \"open\"", "default_access", "open", "`public`");
    at_the_top("danger_allow_http = \"yes\"", "danger_allow_http", "yes", "true or false");
    at_the_top("metrics_path = \"metrics\"", "metrics_path", "metrics", "begin with `/`");
    at_the_top("challenge_scope = \"a\\\"b\"", "challenge_scope", "a\\\"b", "scope-token");
    at_the_top("upstream = \"127.0.0.1:9000\"", "upstream", "127.0.0.1:9000", "http origin");
    at_the_top("upstream = \"http://127.0.0.1/x\"", "upstream", "http://127.0.0.1/x", "http origin");
    let check = "mode = \"check\"\nupstream = \"http://127.0.0.1:1\"";
    at_the_top(check, "upstream", "http://127.0.0.1:1/", "leave one of them out");
    let zero = "upstream = \"http://127.0.0.1:1\"\nupstream_timeout = \"0s\"";
    at_the_top(zero, "upstream_timeout", "0s", "longer than nothing");
    at_the_top("upstream_timeout = \"5s\"", "upstream_timeout", "5s", "without an `upstream`");
    at_the_top("mode = \"redirect\"", "mode", "redirect", "`proxy`");
    at_the_top("admin_listen = \"0.0.0.0:0\"", "admin_listen", "0.0.0.0:0", "danger_admin_public");
    of_rules("[token_cache]\nmax_bytes = -1", "token_cache.max_bytes", "-1", "whole number");
    of_rules("[token_cache]\nmax_ttl = \"2h\"", "token_cache.max_ttl", "7200s", "1 h");
}

#[test]
fn an_empty_list_where_one_value_is_needed_is_a_mistake() {
    at_the_top("audience = []", "audience", "[]", "one string at least");
    of_an_issuer("audience = []", "audience", "[]", "one string at least");
    of_an_issuer("algorithms = []", "algorithms", "[]", "one string at least");
    of_rules("[[rules]]\npath = \"/a\"\nmethods = []\naccess = \"public\"", "rules[0].methods", "[]", "one string");
    assert_mistake(GOOD, "issuers", "[]", "one trusted issuer at least");
    assert_mistake(&format!("{GOOD}issuers = []"), "issuers", "[]", "one trusted issuer at least");
    assert_mistake(&format!("{GOOD}issuers = \"x\""), "issuers", "x", "list of tables");
}

#[test]
fn an_unknown_key_is_a_mistake_on_every_level() {
    at_the_top("colour = 1", "colour", "...", "is not a setting here");
    of_an_issuer("colour = 1", "colour", "...", "is not a setting here");
    of_rules("[token_cache]\ncolour = 1", "token_cache.colour", "...", "is not a setting here");
    let rule = "[[rules]]\npath = \"/a\"\naccess = \"public\"\ncolour = 1";
    of_rules(rule, "rules[0].colour", "...", "is not a setting here");
    of_rules("[colours]\nred = 1", "colours", "...", "is not a setting here");
}

#[test]
fn a_mistake_of_an_issuer_is_named_with_its_number() {
    of_an_issuer("algorithms = [\"RS256\", \"rs512\"]", "algorithms", "rs512", "no signature algorithm");
    of_an_issuer("algorithms = [\"none\"]", "algorithms", "none", "no signature algorithm");
    of_an_issuer("algorithms = [\"HS256\"]", "algorithms", "HS256", "shared secret");
    of_an_issuer("typ = \"JWT\"", "typ", "JWT", "`at+jwt`, `jwt`, `any`");
    of_an_issuer("jwks_uri = \"http://as.example.com/jwks\"", "jwks_uri", "http://as.example.com/jwks", "https");
    of_an_issuer("jwks_uri = \"https://a/b\"\nshared_secret = \"s\"", "jwks_uri", "", "one source of keys");
    of_an_issuer("jwks_refresh = \"999ms\"", "jwks_refresh", "999ms", "between 1s");
    of_an_issuer("jwks_cooldown = \"0s\"", "jwks_cooldown", "0ns", "between 1s");
    of_an_issuer("jwks_stale = \"8d\"", "jwks_stale", "691200s", "between 1s");
    of_an_issuer("scope_claim = \"\"", "scope_claim", "", "name a claim");
    of_an_issuer("preset = \"hydra\"", "preset", "hydra", "`keycloak`, `entra`, `auth0`");
    of_an_issuer("metadata_url = \"http://as:8080/x?k=1\"", "metadata_url", "http://as:8080/x", "https");
    of_an_issuer("ca_file = \"none.pem\"", "ca_file", "none.pem", "cannot be read");
    of_an_issuer("ca_file = \"gateway.toml\"", "ca_file", "gateway.toml", "BEGIN CERTIFICATE");
    of_an_issuer("client_ids = []", "client_ids", "[]", "one string at least");
    assert_mistake(&format!("{GOOD}[[issuers]]\n"), "issuers[0].issuer", "", "issuer identifier");
    let plain = "[[issuers]]\nissuer = \"http://as.example.com\"\n";
    assert_mistake(
        &format!("{GOOD}{ISSUER}{plain}"),
        "issuers[1].issuer",
        "http://as.example.com",
        "danger_allow_http",
    );
    assert_mistake(&format!("{GOOD}{ISSUER}{ISSUER}"), "issuers", "https://as.example.com", "stands twice");
}

#[test]
fn a_resource_must_be_named() {
    assert_mistake(ISSUER, "resource", "", "must name this service");
    assert_mistake(&format!("resource = \"\"\n{ISSUER}"), "resource", "", "must not be empty");
    assert_mistake(&format!("resource = 1\n{ISSUER}"), "resource", "1", "must be a string");
}

#[test]
fn a_rule_has_either_require_or_access_and_a_place_of_its_own() {
    let either = "either `require` or `access`";
    of_rules("[[rules]]\npath = \"/a\"", "rules[0].require", "", either);
    of_rules("[[rules]]\npath = \"/a\"\naccess = \"public\"\nrequire = \"scope:a\"", "rules[0].require", "", either);
    let two = |first: &str, second: &str| {
        format!("[[rules]]\naccess = \"public\"\n{first}\n[[rules]]\naccess = \"deny\"\n{second}")
    };
    let taken = "same path and method";
    of_rules(&two("path = \"/a\"", "path = \"/a\""), "rules[1].path", "/a", taken);
    of_rules(&two("path = \"/a\"", "path = \"/a/\""), "rules[1].path", "/a/", taken);
    of_rules(&two("path = \"/{a}\"", "path = \"/{b}\""), "rules[1].path", "/{b}", taken);
    let methods = two("path = \"/a\"\nmethods = [\"GET\", \"PUT\"]", "path = \"/a\"\nmethods = [\"PUT\"]");
    of_rules(&methods, "rules[1].path", "/a", taken);
}

#[test]
fn a_rule_that_could_never_match_or_never_be_met_is_a_mistake() {
    let rule = |path: &str| format!("[[rules]]\naccess = \"public\"\npath = \"{path}\"");
    of_rules(&rule("a"), "rules[0].path", "a", "begins with `/`");
    of_rules(&rule("/{*r}/a"), "rules[0].path", "/{*r}/a", "at the end");
    of_rules(&rule("/%61"), "rules[0].path", "/%61", "write `a`");
    of_rules(&rule("/a;b"), "rules[0].path", "/a;b", "no request");
    of_rules("[[rules]]\naccess = \"public\"", "rules[0].path", "", "must be a path");
    let methods = "[[rules]]\naccess = \"public\"\npath = \"/a\"\nmethods = [\"get\"]";
    of_rules(methods, "rules[0].methods", "get", "capital letters");
    of_rules("[[rules]]\npath = \"/a\"\naccess = \"none\"", "rules[0].access", "none", "`deny`");
    for (require, at) in [("scope:a and", 12), ("skope:a", 1), ("(scope:a", 9), ("max_age:high", 9), ("", 1)] {
        let rule = format!("[[rules]]\npath = \"/a\"\nrequire = \"{require}\"");
        of_rules(&rule, "rules[0].require", require, &format!("at character {at}"));
    }
}

#[test]
fn what_is_not_built_yet_is_refused_by_name() {
    let not_built = "not built yet";
    of_rules("[revocation]\nx = 1", "revocation", "{...}", not_built);
    of_rules("[revocation]", "revocation", "{...}", not_built);
}

#[test]
fn roles_that_cannot_be_are_named_and_a_circle_with_all_its_roles() {
    of_rules("[roles]\na = [\"role:b\"]\nb = [\"role:a\"]", "roles.a", "a -> b -> a", "circle");
    of_rules("[roles]\na = [\"x y\"]", "roles.a", "x y", "scope-token");
    of_rules("[roles]\na = [\"role:b\"]", "roles.a", "b", "no role of the map");
    of_rules("[roles]\na = \"x\"", "roles.a", "x", "list of strings");
    of_rules("[[rules]]\npath = \"/\"\nrequire = \"max_age:5\"", "rules[0].require", "max_age:5", "character 9");
    of_rules("[[rules]]\npath = \"/\"\nrequire = \"predicate:x\"", "rules[0].require", "predicate:x", "registered");
}

#[test]
fn a_key_store_is_a_file_of_its_own_for_keys_that_are_fetched() {
    let folder = "a folder that exists";
    of_an_issuer("jwks_store = \"none/keys.json\"", "jwks_store", "none/keys.json", folder);
    of_an_issuer("jwks_store = \".\"", "jwks_store", ".", folder);
    of_an_issuer("jwks_store = \"\"", "jwks_store", "", folder);
    of_an_issuer("jwks_store = 1", "jwks_store", "1", "must be a string");
    let secret = "shared_secret = \"correct-horse-battery-staple-9bf4c1\"\njwks_store = \"keys.json\"";
    of_an_issuer(secret, "jwks_store", "keys.json", "keys that are fetched");
    at_the_top("block_private_addresses = 1", "block_private_addresses", "1", "true or false");
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let lines = mistakes(
        "leeway = \"1h\"\ncolour = 1\nlisten = 1\nmode = \"tunnel\"\n[[issuers]]\ntyp = \"x\"\njwks_refresh = \"0s\"\n\
         [[issuers]]\nissuer = \"http://as.example.com\"\npreset = \"p\"\nsize = 1\n[token_cache]\nmax_ttl = \"0s\"\n\
         [[rules]]\npath = \"x\"\naccess = \"public\"\n[[rules]]\npath = \"/a\"\nrequire = \"or\"\n[dpop]\nmode = 1\n",
    );
    let mut paths: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    paths.sort_unstable();
    let expected = [
        "colour",
        "dpop.mode",
        "issuers[0].issuer",
        "issuers[0].jwks_refresh",
        "issuers[0].typ",
        "issuers[1].issuer",
        "issuers[1].preset",
        "issuers[1].size",
        "leeway",
        "listen",
        "mode",
        "resource",
        "rules[0].path",
        "rules[1].require",
        "token_cache.max_ttl",
    ];
    assert_eq!(paths, expected, "{lines:#?}");
}

#[test]
fn broken_toml_is_one_line_with_its_place() {
    for file in ["resource = ", "a = 1\na = 2", "[issuers", "resource = \"x\n\n\ny\"", "\u{0}"] {
        let lines = mistakes(file);
        assert_eq!(lines.len(), 1, "{file:?} {lines:?}");
        assert!(lines[0].contains("line"), "{lines:?}");
    }
}
