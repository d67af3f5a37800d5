//! Every mistake that a configuration can hold: found at `build()`, all at once, with value and remedy.

use std::time::Duration;

use tower_bearer::testing::SigningKey;
use tower_bearer::{Algorithm, ConfigError, Issuer, Jwk, Jwks, ResourceServer, ResourceServerBuilder};

use crate::support::{AS, Fixture, RS};

/// A builder whose network is the test's own, so that no default client is needed.
fn builder(audience: &str, issuer: impl Into<Issuer>) -> ResourceServerBuilder {
    ResourceServer::builder(audience, issuer).http_client(Fixture::new().issuer.http_client())
}

#[track_caller]
fn assert_good(builder: ResourceServerBuilder) {
    if let Err(error) = builder.build() {
        panic!("{error}");
    }
}

/// One mistake in this setting; the message holds value and remedy.
#[track_caller]
fn assert_problem(builder: ResourceServerBuilder, setting: &str, value: &str, remedy: &str) {
    let error = builder.build().unwrap_err();
    let [problem] = error.problems() else { panic!("{error}") };
    assert_eq!((&*problem.setting, problem.value.as_str()), (setting, value));
    assert!(problem.remedy.contains(remedy), "{problem}");
    assert!(error.to_string().contains(setting) && error.to_string().contains(remedy), "{error}");
}

fn issuer(settings: impl FnOnce(Issuer) -> Issuer) -> ResourceServerBuilder {
    builder(RS, settings(Issuer::new(AS)))
}

#[test]
fn c8414_2_a_s6_01_s6_06_an_issuer_is_an_https_url_without_query_fragment_and_password() {
    for good in [AS, "https://as.example.com/t/", "http://127.0.0.1:8080", "http://[::1]:8080/t", "http://localhost"] {
        assert_good(builder(RS, good));
    }
    for (bad, remedy) in [
        ("http://as.example.com", "danger_allow_http"),
        ("http://127.0.0.1.example.com", "danger_allow_http"),
        ("https://as.example.com/?x", "query"),
        ("https://as.example.com?", "query"),
        ("https://as.example.com/#x", "fragment"),
        ("as.example.com", "absolute"),
        ("/as", "absolute"),
        ("", "absolute"),
        ("file:///etc/passwd", "absolute"),
        ("https://as.example.com/{tenant}", "RFC 3986"),
    ] {
        assert_problem(builder(RS, bad), "issuer", bad, remedy);
    }
    assert_problem(builder(RS, "https://u:p@as.example.com"), "issuer", "https://***@as.example.com", "password");
    assert_good(builder(RS, "http://as.example.com").danger_allow_http());
}

#[test]
fn s6_01_s6_06_the_address_of_keys_is_an_https_url_and_may_have_a_query() {
    for good in ["https://as.example.com/jwks", "https://as.example.com/jwks?v=1", "http://127.0.0.1:1/jwks"] {
        assert_good(issuer(|issuer| issuer.jwks_uri(good)));
    }
    for (bad, shown, remedy) in [
        ("http://as.example.com/jwks", "http://as.example.com/jwks", "https"),
        ("/jwks", "/jwks", "absolute"),
        ("https://as.example.com/jwks#f", "https://as.example.com/jwks#f", "fragment"),
        ("https://u:p@as.example.com/jwks", "https://***@as.example.com/jwks", "password"),
        ("http://as.example.com/jwks?key=k", "http://as.example.com/jwks", "https"),
    ] {
        assert_problem(issuer(|issuer| issuer.jwks_uri(bad)), "jwks_uri", shown, remedy);
    }
}

#[test]
fn c8725_3_1_a_the_list_of_algorithms_is_never_empty_and_never_holds_none() {
    assert_good(issuer(|issuer| issuer.algorithms([Algorithm::ES256])));
    assert_problem(issuer(|issuer| issuer.algorithms([])), "algorithms", "[]", "one algorithm at least");
    for name in ["none", "None", "NONE", "", "HS1", "es256"] {
        assert!(name.parse::<Algorithm>().is_err(), "{name}");
    }
    assert_eq!("ES256".parse::<Algorithm>().unwrap(), Algorithm::ES256);
}

const SECRET: &[u8] = b"s3cr3t-of-the-two-of-us-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF";

#[test]
fn c7518_3_2_a_s1_06_one_key_source_serves_one_family_of_algorithms() {
    let shared =
        |algorithms: &[Algorithm]| issuer(|issuer| issuer.shared_secret(SECRET).algorithms(algorithms.to_vec()));
    let published = |algorithms: &[Algorithm]| issuer(|issuer| issuer.algorithms(algorithms.to_vec()));
    let given = |algorithms: &[Algorithm]| {
        let keys = Jwks::from_keys([public_key(&SigningKey::generate(Algorithm::ES256))]);
        issuer(|issuer| issuer.keys(keys).algorithms(algorithms.to_vec()))
    };
    assert_good(shared(&[Algorithm::HS256, Algorithm::HS512]));
    assert_good(published(&[Algorithm::RS256, Algorithm::ES256]));
    assert_good(given(&[Algorithm::ES256]));
    let mixed = [Algorithm::HS256, Algorithm::RS256];
    assert_problem(shared(&mixed), "algorithms", "RS256", "shared secret");
    assert_problem(published(&mixed), "algorithms", "HS256", "shared_secret(..)");
    assert_problem(given(&mixed), "algorithms", "HS256", "shared_secret(..)");
}

#[test]
fn c7518_3_2_a_s1_20_a_secret_is_as_long_as_its_hash() {
    let secret =
        |length: usize, algorithm| issuer(|issuer| issuer.shared_secret(&SECRET[..length]).algorithms([algorithm]));
    for (algorithm, length) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        assert_good(secret(length, algorithm));
        for short in [0, 1, length - 1] {
            assert_problem(secret(short, algorithm), "shared_secret", "", &format!("{length} bytes"));
        }
    }
    assert_problem(issuer(|issuer| issuer.shared_secret(&SECRET[..31])), "shared_secret", "", "32 bytes");
}

#[test]
fn s1_21_a_secret_that_can_be_guessed_is_refused() {
    let secret = |text: &[u8]| issuer(|issuer| issuer.shared_secret(text));
    for text in [&[b'a'; 32][..], &b"abab".repeat(10), &b"1234567".repeat(6), &[0; 64]] {
        assert_problem(secret(text), "shared_secret", "", "guessed");
    }
    assert_problem(secret(b"changemechangemechangemechangeme"), "shared_secret", "", "guessed");
    assert_good(secret(&b"12345678".repeat(4)));
}

fn public_key(key: &SigningKey) -> Jwk {
    Jwk::parse(key.jwk().to_string().as_bytes()).unwrap()
}

#[test]
fn keys_given_by_hand_are_there_and_hold_no_private_part() {
    let key = SigningKey::generate(Algorithm::ES256).with_kid("k1");
    assert_good(issuer(|issuer| issuer.keys(Jwks::from_keys([public_key(&key)]))));
    assert_problem(issuer(|issuer| issuer.keys(Jwks::default())), "keys", "", "one usable key");
    let mut private = key.jwk();
    private["d"] = "c2VjcmV0LXNjYWxhcg".into();
    let private = Jwk::parse(private.to_string().as_bytes()).unwrap();
    assert_problem(issuer(|issuer| issuer.keys(Jwks::from_keys([private]))), "keys", "k1", "public part only");
}

#[test]
fn a_claim_that_is_named_has_a_name() {
    assert_good(issuer(|issuer| issuer.scope_claim("scp").roles_claim("realm_access.roles")));
    assert_problem(issuer(|issuer| issuer.scope_claim("")), "scope_claim", "", "name a claim");
    assert_problem(issuer(|issuer| issuer.roles_claim("")), "roles_claim", "", "name a claim");
}

const DAY: u64 = 86_400;

#[test]
fn the_times_of_keys_have_bounds() {
    let seconds = Duration::from_secs;
    let refresh = |value| issuer(|issuer| issuer.jwks_refresh(value));
    for good in [seconds(1), seconds(12 * 3600)] {
        assert_good(refresh(good));
    }
    assert_problem(refresh(Duration::from_millis(999)), "jwks_refresh", "999ms", "between 1s");
    let too_long = issuer(|issuer| issuer.jwks_refresh(seconds(12 * 3600 + 1)).jwks_stale(seconds(7 * DAY)));
    assert_problem(too_long, "jwks_refresh", "43201s", "43200s");
    let cooldown = |value| issuer(|issuer| issuer.jwks_cooldown(value));
    assert_good(cooldown(seconds(300)));
    assert_problem(cooldown(seconds(301)), "jwks_cooldown", "301s", "300s");
    assert_problem(cooldown(seconds(0)), "jwks_cooldown", "0ns", "1s");
    let stale = |value| issuer(|issuer| issuer.jwks_refresh(seconds(60)).jwks_stale(value));
    for good in [seconds(60), seconds(7 * DAY)] {
        assert_good(stale(good));
    }
    assert_problem(stale(seconds(7 * DAY + 1)), "jwks_stale", "604801s", "604800s");
    assert_problem(stale(seconds(59)), "jwks_stale", "59s", "as long as");
}

#[test]
fn c8725_3_9_a_s4_04_there_is_no_server_without_an_audience() {
    assert_good(builder(RS, AS));
    assert_problem(builder("", AS), "audience", "", "every token of the issuer would pass");
    assert_problem(builder(RS, AS).audience(""), "audience", "", "`aud`");
    assert_problem(issuer(|issuer| issuer.audience("")), "audience", "", "`aud`");
    assert_good(builder("", AS).danger_accept_any_audience());
}

#[test]
fn c8707_2_a_an_audience_is_an_absolute_uri_without_fragment_or_the_exact_identifier_of_the_issuer() {
    for good in [RS, "urn:files", "6f2c1a58-9f5e-4f1c-8f0d-0c5d5f0f2d3e", "my api", "api://files"] {
        assert_good(builder(good, AS));
        assert_good(issuer(|issuer| issuer.audience(good)));
    }
    for (bad, remedy) in [("/x", "absolute"), ("https://api.example.com/#f", "fragment"), ("x#f", "fragment")] {
        assert_problem(builder(bad, AS), "audience", bad, remedy);
        assert_problem(builder(RS, AS).audience(bad), "audience", bad, remedy);
        assert_problem(issuer(|issuer| issuer.audience(bad)), "audience", bad, remedy);
    }
}

#[test]
fn c9728_1_2_a_a_resource_is_an_https_url_without_fragment() {
    for good in ["https://files.example.com", "https://files.example.com/?a=1", "http://127.0.0.1:8080"] {
        assert_good(builder("urn:files", AS).resource(good));
    }
    for (bad, remedy) in [
        ("http://files.example.com", "https"),
        ("https://files.example.com/#f", "fragment"),
        ("files", "absolute"),
        ("https://files.example.com/\u{e9}", "RFC 3986"),
    ] {
        assert_problem(builder("urn:files", AS).resource(bad), "resource", bad, remedy);
    }
}

#[test]
fn c6750_3_c_d_what_stands_in_a_challenge_can_stand_in_a_header() {
    assert_good(builder(RS, AS).realm(r#"a "b" \c"#));
    for bad in ["a\r\nb", "a\0", "\u{e9}", "\t", "\u{7f}"] {
        assert_problem(builder(RS, AS).realm(bad), "realm", bad, "printable ASCII");
    }
    assert_good(builder(RS, AS).challenge_scope(["a", "b"]));
    for bad in ["", "a b", "a\"b", "a\\b", "\u{e9}"] {
        assert_problem(builder(RS, AS).challenge_scope(["a", bad]), "challenge_scope", bad, "scope-token");
        assert_problem(builder(RS, AS).scopes_supported(["a", bad]), "scopes_supported", bad, "scope-token");
    }
}

#[test]
fn the_texts_of_the_metadata_document_say_something() {
    assert_good(builder(RS, AS).resource_name("Orders").resource_documentation("https://example.com/docs?v=1#top"));
    assert_problem(builder(RS, AS).resource_name(" "), "resource_name", " ", "leave it out");
    for (bad, remedy) in [("http://example.com", "https"), ("docs", "absolute")] {
        assert_problem(builder(RS, AS).resource_documentation(bad), "resource_documentation", bad, remedy);
    }
}

#[test]
fn c7519_4_1_lw_a_leeway_is_a_few_minutes_at_most() {
    assert_good(builder(RS, AS).leeway(Duration::ZERO));
    assert_good(builder(RS, AS).leeway(Duration::from_secs(300)));
    assert_problem(builder(RS, AS).leeway(Duration::from_secs(301)), "leeway", "301s", "300 s");
}

#[test]
fn a_verified_token_is_believed_for_an_hour_at_most() {
    assert_good(builder(RS, AS).token_cache_ttl(Duration::from_secs(3600)));
    assert_problem(builder(RS, AS).token_cache_ttl(Duration::from_secs(3601)), "token_cache.max_ttl", "3601s", "1 h");
    assert_problem(builder(RS, AS).token_cache_ttl(Duration::ZERO), "token_cache.max_ttl", "0ns", "token_cache(0)");
    assert_good(builder(RS, AS).token_cache(0));
}

#[test]
fn an_issuer_stands_once() {
    assert_good(builder(RS, AS).issuer("https://two.example.com"));
    assert_good(builder(RS, AS).issuer("https://as.example.com/"));
    assert_problem(builder(RS, AS).issuer("https://two.example.com").issuer(AS), "issuer", AS, "stands twice");
}

#[cfg(not(feature = "reqwest"))]
#[test]
fn an_issuer_whose_keys_are_fetched_needs_a_client() {
    assert_problem(ResourceServer::builder(RS, AS), "http_client", "(none)", "reqwest");
    assert_good(ResourceServer::builder(RS, Issuer::new(AS).shared_secret(SECRET)));
}

/// A builder with a mistake in every setting.
fn all_wrong() -> ConfigError {
    let first = Issuer::new("http://as.example.com").shared_secret("too-short-a-secret").scope_claim("").audience("#");
    let second = Issuer::new("https://u:hunter2-password@two.example.com").algorithms([]).roles_claim("");
    let builder = builder("", first).issuer(second).resource("x").realm("\n").challenge_scope([" "]);
    let builder = builder.leeway(Duration::MAX).token_cache_ttl(Duration::ZERO);
    assert!(!format!("{builder:?}").contains("hunter2-password"));
    builder.build().unwrap_err()
}

#[test]
fn every_mistake_is_reported_at_once_one_line_each() {
    let error = all_wrong();
    let settings: Vec<&str> = error.problems().iter().map(|problem| &*problem.setting).collect();
    let expected = [
        "issuer",
        "shared_secret",
        "scope_claim",
        "audience",
        "issuer",
        "algorithms",
        "roles_claim",
        "audience",
        "resource",
        "realm",
        "challenge_scope",
        "leeway",
        "token_cache.max_ttl",
    ];
    assert_eq!(settings, expected, "{error}");
    assert_eq!(error.to_string().lines().count(), expected.len(), "{error}");
}

#[test]
fn s12_01_no_secret_stands_in_an_error() {
    let error = all_wrong();
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains("too-short") && !text.contains("hunter2"), "{text}");
        assert!(text.contains("two.example.com"), "{text}");
    }
    let issuer = Issuer::new("https://u:hunter2-password@as.example.com").shared_secret(SECRET);
    let debug = format!("{issuer:?}");
    assert!(!debug.contains("hunter2") && !debug.contains("s3cr3t"), "{debug}");
}

#[test]
fn a_client_of_ones_own_must_refuse_private_addresses_itself() {
    let both = builder(RS, AS).block_private_addresses();
    assert_problem(both, "block_private_addresses", "true", "http_client(..)");
    if cfg!(feature = "reqwest") {
        assert_good(ResourceServer::builder(RS, AS).block_private_addresses());
    }
}
