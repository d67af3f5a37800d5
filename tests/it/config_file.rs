//! Feature `config`: every key of a table, every mistake in it at once, and the same defaults as the builder.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};
use tower_bearer::testing::{ManualClock, SigningKey, TestIssuer};
use tower_bearer::{Algorithm, AuthConfig, AuthLayer, ConfigError, ConfigTable, Issuer, ResourceServer, Typ};

use crate::support::{AS, Fixture, Outcome, RS, get, send_through};

/// A secret that is long and varied enough for HS256.
const SECRET: &str = "correct-horse-battery-staple-9bf4c1";

/// A folder for the files of one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tower-bearer-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Reads a table as a program does that knows no other key.
fn read_in(folder: &str, value: Value) -> Result<AuthConfig, ConfigError> {
    let mut table = ConfigTable::new(value, folder);
    let config = AuthConfig::read(&mut table);
    table.finish().map(|()| config)
}

fn read(value: Value) -> Result<AuthConfig, ConfigError> {
    read_in(".", value)
}

/// A good table with these members of the issuer added or replaced.
fn with_issuer(members: Value) -> Value {
    let mut issuer = json!({"issuer": AS});
    issuer.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({"resource": RS, "issuers": [issuer]})
}

/// A good table with these members added or replaced.
fn with(members: Value) -> Value {
    let mut table = json!({"resource": RS, "issuers": [{"issuer": AS}]});
    table.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    table
}

/// One mistake: this key path, this value, a remedy that holds this text.
#[track_caller]
fn assert_mistake(value: Value, path: &str, shown: &str, remedy: &str) {
    let error = read(value.clone()).err().unwrap_or_else(|| panic!("{value} is accepted"));
    let [problem] = error.problems() else { panic!("{value}: {error}") };
    assert_eq!((&*problem.setting, problem.value.as_str()), (path, shown), "{value}");
    assert!(problem.remedy.contains(remedy), "{value}: {problem}");
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
}

/// A server from a table, with the network of an issuer in this process.
fn fixture(value: Value) -> Fixture {
    let clock = ManualClock::new();
    let issuer = TestIssuer::in_process_at(AS, clock.clone());
    let builder = read(value).unwrap_or_else(|error| panic!("{error}")).into_builder();
    let server = builder.clock(clock.clone()).http_client(issuer.http_client()).build().unwrap();
    Fixture { issuer, clock, server }
}

async fn optional(fixture: &Fixture, token: &str) -> Outcome {
    let layer = AuthLayer::new(fixture.server.clone()).optional();
    send_through(layer, get().header("authorization", format!("Bearer {token}")).body(()).unwrap()).await
}

#[test]
fn the_whole_table_of_the_documentation_is_read() {
    let folder = Folder::new("whole");
    folder.write("keys.json", &json!({"keys": [SigningKey::generate(Algorithm::ES256).jwk()]}).to_string());
    folder.write("secret", &format!("{SECRET}\n"));
    let text = r#"
        resource = "https://api.example.com"
        audience = ["https://api.example.com", "orders"]
        leeway = "45s"
        challenge_scope = "orders:read orders:write"
        scopes_supported = ["orders:read"]
        resource_name = "Orders"
        resource_documentation = "https://example.com/docs"
        danger_allow_http = true

        [[issuers]]
        issuer = "http://as.internal"
        jwks_uri = "http://as.internal/keys"
        algorithms = ["RS256", "ES256"]
        audience = ["internal"]
        typ = "jwt"
        required_claims = ["sub"]
        scope_claim = "scp"
        roles_claim = "realm_access.roles"
        jwks_refresh = "1m"
        jwks_cooldown = "10s"
        jwks_stale = "7d"

        [[issuers]]
        issuer = "https://files.example.com"
        jwks_file = "keys.json"
        typ = "any"
        required_claims = []

        [[issuers]]
        issuer = "https://secret.example.com"
        shared_secret_file = "secret"
        typ = "at+jwt"

        [[issuers]]
        issuer = "https://plain.example.com"

        [token_cache]
        max_bytes = 0
        max_ttl = "1m"
    "#;
    let config = read_in(folder.0.to_str().unwrap(), toml::from_str(text).unwrap()).unwrap();
    config.into_builder().http_client(Fixture::new().issuer.http_client()).build().unwrap();
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_path_and_what_is_wanted() {
    for (key, wrong) in [
        ("resource", json!(7)),
        ("audience", json!("https://api.example.com")),
        ("audience", json!([1])),
        ("issuers", json!({"issuer": AS})),
        ("leeway", json!(30)),
        ("leeway", json!("30")),
        ("leeway", json!("half a minute")),
        ("challenge_scope", json!(["a"])),
        ("scopes_supported", json!("a")),
        ("resource_name", json!(1)),
        ("resource_documentation", json!(true)),
        ("danger_allow_http", json!("yes")),
        ("token_cache", json!(0)),
    ] {
        let error = read(with(json!({key: wrong.clone()}))).unwrap_err();
        let first = &error.problems()[0];
        assert_eq!(first.setting, key, "{wrong}: {error}");
        assert!(first.remedy.contains("must"), "{error}");
    }
    for (key, wrong) in [
        ("issuer", json!(1)),
        ("jwks_uri", json!(true)),
        ("jwks_file", json!(1)),
        ("algorithms", json!("RS256")),
        ("audience", json!("a")),
        ("typ", json!(["jwt"])),
        ("typ", json!("JWT")),
        ("required_claims", json!("sub")),
        ("scope_claim", json!([5])),
        ("roles_claim", json!(1)),
        ("roles_claim", json!(["a", 1])),
        ("client_claim", json!(["azp"])),
        ("client_ids", json!("web")),
        ("preset", json!(["keycloak"])),
        ("preset", json!("Keycloak")),
        ("jwks_refresh", json!(300)),
        ("jwks_cooldown", json!("1.5s")),
        ("jwks_stale", json!("-1h")),
        ("shared_secret", json!(["x"])),
        ("shared_secret_env", json!(1)),
        ("shared_secret_file", json!(1)),
    ] {
        let error = read(with_issuer(json!({key: wrong.clone()}))).unwrap_err();
        assert_eq!(error.problems()[0].setting, format!("issuers[0].{key}"), "{wrong}: {error}");
    }
    for (key, wrong) in [("max_bytes", json!(-1)), ("max_bytes", json!("32M")), ("max_ttl", json!(300))] {
        let error = read(with(json!({"token_cache": {key: wrong}}))).unwrap_err();
        assert_eq!(error.problems()[0].setting, format!("token_cache.{key}"), "{error}");
    }
    assert_eq!(read(json!([])).unwrap_err().problems()[0].setting, "");
}

#[test]
fn a_value_out_of_range_is_one_mistake_with_its_bounds() {
    assert_mistake(with(json!({"leeway": "301s"})), "leeway", "301s", "300 s at most");
    assert_mistake(
        with(json!({"token_cache": {"max_ttl": "0s"}})),
        "token_cache.max_ttl",
        "0ns",
        "between 1 s and 1 h",
    );
    assert_mistake(with(json!({"token_cache": {"max_ttl": "2h"}})), "token_cache.max_ttl", "7200s", "1 h");
    assert_mistake(with(json!({"challenge_scope": "a \"b"})), "challenge_scope", "\"b", "scope-token");
    assert_mistake(with(json!({"scopes_supported": ["a b"]})), "scopes_supported", "a b", "scope-token");
    assert_mistake(with(json!({"audience": [""]})), "audience", "", "`aud` of tokens");
    assert_mistake(with(json!({"audience": []})), "audience", "[]", "leave the key out");
    assert_mistake(with(json!({"issuers": []})), "issuers", "[]", "[[issuers]]");
    assert_mistake(json!({"issuers": [{"issuer": AS}]}), "resource", "", "must name this service");
    assert_mistake(json!({"resource": RS}), "issuers", "[]", "one trusted issuer");
    assert_mistake(json!({"resource": RS, "issuers": [{}]}), "issuers[0].issuer", "", "issuer identifier");
    for (key, value, shown, remedy) in [
        ("jwks_refresh", "999ms", "999ms", "between 1s and"),
        ("jwks_cooldown", "6m", "360s", "between 1s and"),
        ("jwks_stale", "8d", "691200s", "between 1s and"),
        ("jwks_stale", "4m", "240s", "as long as `jwks_refresh`"),
        ("jwks_uri", "http://as.example.com/keys", "http://as.example.com/keys", "https"),
        ("jwks_uri", "https://u:p@as.example.com/", "https://***@as.example.com/", "password"),
        ("scope_claim", "", "", "name a claim"),
        ("roles_claim", "", "", "name a claim"),
        ("client_claim", "", "", "name a claim"),
        ("preset", "oidc-provider", "oidc-provider", "one of `keycloak`, `entra`, `auth0`, `okta`, `cognito`"),
        ("typ", "JWT", "JWT", "one of `at+jwt`, `jwt`, `any`"),
    ] {
        assert_mistake(with_issuer(json!({key: value})), &format!("issuers[0].{key}"), shown, remedy);
    }
    for (list, shown, remedy) in [
        (json!([]), "[]", "one string at least"),
        (json!(["RS256", "rs256", "none"]), "rs256, none", "case-sensitive"),
        (json!(["HS256"]), "HS256", "shared secret"),
    ] {
        assert_mistake(with_issuer(json!({"algorithms": list})), "issuers[0].algorithms", shown, remedy);
    }
    for (clients, shown, remedy) in [(json!([]), "[]", "one string at least"), (json!([""]), "", "of a client")] {
        assert_mistake(with_issuer(json!({"client_ids": clients})), "issuers[0].client_ids", shown, remedy);
    }
    assert_mistake(
        with_issuer(json!({"issuer": "common", "preset": "entra"})),
        "issuers[0].issuer",
        "https://login.microsoftonline.com/common/v2.0",
        "one tenant",
    );
    assert_mistake(
        with_issuer(json!({"issuer": "http://as.example.com"})),
        "issuers[0].issuer",
        "http://as.example.com",
        "danger_allow_http",
    );
}

#[test]
fn an_unknown_key_is_a_mistake_and_its_value_is_not_shown() {
    assert_mistake(with(json!({"audiences": ["a"]})), "audiences", "...", "not a setting");
    assert_mistake(with(json!({"sharedsecret": SECRET})), "sharedsecret", "...", "not a setting");
    assert_mistake(with_issuer(json!({"shared-secret": SECRET})), "issuers[0].shared-secret", "...", "not a setting");
    assert_mistake(with_issuer(json!({"jwks": {"secret": SECRET}})), "issuers[0].jwks", "...", "not a setting");
    assert_mistake(with(json!({"token_cache": {"ttl": "5m"}})), "token_cache.ttl", "...", "not a setting");
    for value in [json!([SECRET]), json!({"k": [SECRET]}), json!([{"k": SECRET}]), json!(12_345_678)] {
        let error = read(with_issuer(json!({"secret": value}))).unwrap_err();
        assert!(!error.to_string().contains("correct-horse") && !error.to_string().contains("1234"), "{error}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once_with_their_paths() {
    let error = read(json!({
        "resource": RS,
        "leeway": "1h",
        "colour": "red",
        "issuers": [
            {"issuer": AS, "jwks_refresh": "5 minutes", "typ": "jwt+at"},
            {"issuer": "ftp://x", "jwks_cooldown": "0s", "tpy": "jwt"},
            {"issuer": "https://b.example.com", "jwks_uri": "https://b.example.com/k", "jwks_file": "absent.json"},
        ],
        "token_cache": {"max_bytes": "all", "size": 1},
    }))
    .unwrap_err();
    let mut paths: Vec<&str> = error.problems().iter().map(|problem| &*problem.setting).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "colour",
            "issuers[0].jwks_refresh",
            "issuers[0].typ",
            "issuers[1].issuer",
            "issuers[1].jwks_cooldown",
            "issuers[1].tpy",
            "issuers[2].jwks_file",
            "issuers[2].jwks_uri",
            "leeway",
            "token_cache.max_bytes",
            "token_cache.size",
        ]
    );
    assert_eq!(error.to_string().lines().count(), paths.len());
}

#[tokio::test]
async fn a_secret_stands_in_the_file_in_a_variable_or_in_a_file_of_its_own() {
    let folder = Folder::new("secret");
    folder.write("newline", &format!("{SECRET}\r\n"));
    folder.write("exact", SECRET);
    // Variables that every test run has; setting one is not safe while other threads read them.
    let (name, from_environment) =
        std::env::vars().find(|(_, value)| value.len() >= 40).expect("a variable with a long value");
    for (members, secret) in [
        (json!({"shared_secret": SECRET}), SECRET),
        (json!({"shared_secret_file": "newline"}), SECRET),
        (json!({"shared_secret_file": "exact"}), SECRET),
        (json!({"shared_secret_env": name}), &*from_environment),
    ] {
        let config = read_in(folder.0.to_str().unwrap(), with_issuer(members.clone())).unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains(secret) && !shown.contains("correct-horse"), "{shown}");
        let clock = ManualClock::new();
        let issuer = TestIssuer::in_process_at(AS, clock.clone());
        let server = config.into_builder().clock(clock.clone()).build().unwrap();
        let fixture = Fixture { issuer, clock, server };
        let key = SigningKey::secret(Algorithm::HS256, secret.as_bytes());
        fixture.bearer(&fixture.token().key(&key).without_header("kid").sign()).await.assert_ok();
        let other = SigningKey::secret(Algorithm::HS256, b"another-secret-of-more-than-32-bytes");
        fixture.bearer(&fixture.token().key(&other).without_header("kid").sign()).await.assert_it();
    }
}

#[test]
fn no_mistake_shows_a_secret() {
    let folder = Folder::new("hidden");
    folder.write("one", SECRET);
    fs::write(folder.0.join("binary"), [0xff; 40]).unwrap();
    for (members, path, remedy) in [
        (json!({"shared_secret": "hunter22"}), "shared_secret", "32 bytes at least"),
        (json!({"shared_secret": "aaaabbbbaaaabbbbaaaabbbbaaaabbbb"}), "shared_secret", "can be guessed"),
        (json!({"shared_secret": [SECRET]}), "shared_secret", "must be a string"),
        (json!({"shared_secret": SECRET, "shared_secret_file": "one"}), "shared_secret", "must stand once"),
        (json!({"shared_secret_env": "TOWER_BEARER_NOT_SET"}), "shared_secret_env", "is not set"),
        (json!({"shared_secret_env": SECRET}), "shared_secret_env", "is not set"),
        (json!({"shared_secret_file": "absent"}), "shared_secret_file", "cannot be read"),
        (json!({"shared_secret_file": "binary"}), "shared_secret_file", "UTF-8"),
        (json!({"shared_secret": SECRET, "algorithms": ["RS256"]}), "algorithms", "shared secret"),
        (json!({"shared_secret": SECRET, "jwks_uri": "https://as.example.com/k"}), "jwks_uri", "one source of keys"),
        (json!({"shared_secret": ""}), "shared_secret", "32 bytes at least"),
    ] {
        let error = read_in(folder.0.to_str().unwrap(), with_issuer(members.clone())).unwrap_err();
        let [problem] = error.problems() else { panic!("{members}: {error}") };
        assert_eq!(problem.setting, format!("issuers[0].{path}"), "{members}");
        assert!(problem.remedy.contains(remedy), "{members}: {error}");
        for secret in [SECRET, "hunter22", "aaaabbbb"] {
            assert!(!format!("{error} {error:?}").contains(secret), "{error}");
        }
    }
}

#[test]
fn a_table_is_shown_without_its_values() {
    let table = ConfigTable::new(json!({"shared_secret": SECRET, "inner": {"x": SECRET}}), ".");
    let shown = format!("{table:?}");
    assert!(shown.contains("shared_secret") && !shown.contains("correct-horse"), "{shown}");
}

#[test]
fn keys_of_a_file_are_read_relative_to_the_configuration_and_are_public() {
    let folder = Folder::new("keys");
    let key = SigningKey::generate(Algorithm::ES256);
    folder.write("good.json", &json!({"keys": [key.jwk()]}).to_string());
    folder.write("empty.json", r#"{"keys": []}"#);
    folder.write("odd.json", "keys");
    let read = |file: &str| {
        let config = read_in(folder.0.to_str().unwrap(), with_issuer(json!({"jwks_file": file})))?;
        config.into_builder().build().map(drop)
    };
    read("good.json").unwrap();
    for (file, remedy) in [("empty.json", "no key of the set"), ("odd.json", ""), ("absent.json", "cannot be read")] {
        let error = read(file).unwrap_err();
        let [problem] = error.problems() else { panic!("{file}: {error}") };
        assert!(["issuers[0].jwks_file", "issuers[0].keys"].contains(&&*problem.setting), "{file}: {error}");
        assert!(problem.remedy.contains(remedy), "{file}: {error}");
    }
}

#[tokio::test]
async fn the_defaults_are_those_of_the_builder() {
    let from_file = fixture(with(json!({})));
    let built = Fixture::new();
    for fixture in [&from_file, &built] {
        fixture.bearer(&fixture.token().sign()).await.assert_ok();
        fixture.bearer(&fixture.token().typ("JWT").sign()).await.assert_it();
        fixture.bearer(&fixture.token().without("jti").sign()).await.assert_it();
        fixture.bearer(&fixture.token().audience("https://other.example.com").sign()).await.assert_it();
        let bare = fixture.send(get().body(()).unwrap()).await;
        bare.assert_anon();
    }
    let headers = |outcome: Outcome| outcome.headers;
    let bare = || get().body(()).unwrap();
    assert_eq!(headers(from_file.send(bare()).await), headers(built.send(bare()).await));
    assert_eq!(from_file.server.health().len(), built.server.health().len());
}

#[tokio::test]
async fn each_key_does_what_its_setter_does() {
    let lax = fixture(with_issuer(json!({
        "typ": "jwt", "required_claims": ["sub"], "scope_claim": "scp", "roles_claim": "realm_access.roles",
        "audience": ["orders"], "algorithms": ["ES256", "RS256"],
    })));
    let token = || lax.token().typ("JWT").audience("orders").without("jti").claim("scp", ["a", "b"]);
    let outcome = lax.bearer(&token().claim("realm_access", json!({"roles": ["admin"]})).sign()).await;
    outcome.assert_ok();
    let claims = outcome.claims.unwrap();
    assert!(claims.has_role("admin"));
    assert_eq!(claims.scope().as_str(), "a b");
    lax.bearer(&token().audience(RS).sign()).await.assert_it();

    let challenged = fixture(with(json!({"challenge_scope": "a:read  a:write", "leeway": "0s"})));
    let bare = challenged.send(get().body(()).unwrap()).await;
    assert!(bare.challenges()[0].contains("scope=\"a:read a:write\""), "{bare:?}");
    let expired = challenged.token().expires_in(std::time::Duration::from_secs(5)).sign();
    challenged.clock.advance(std::time::Duration::from_secs(6));
    challenged.bearer(&expired).await.assert_it();
    optional(&challenged, &expired).await.assert_it();

    // A resource that is no URL is an audience, and no metadata document stands for it.
    let plain = fixture(json!({"resource": "orders", "issuers": [{"issuer": AS}]}));
    plain.bearer(&plain.token().audience("orders").sign()).await.assert_ok();
    assert!(!plain.send(get().body(()).unwrap()).await.challenges()[0].contains("resource_metadata"));

    // The first audience is not the resource: the metadata document speaks of the resource.
    let both = fixture(with(json!({"audience": ["https://other.example.com", "x"]})));
    both.bearer(&both.token().audience("x").sign()).await.assert_ok();
    both.bearer(&both.token().audience(RS).sign()).await.assert_it();
    let bare = both.send(get().body(()).unwrap()).await;
    assert!(bare.challenges()[0].contains("https://api.example.com/.well-known/"), "{bare:?}");
}

#[tokio::test]
async fn a_preset_fits_the_issuer_as_it_is_named_and_the_other_keys_beat_it() {
    let keycloak = fixture(with_issuer(json!({"preset": "keycloak"})));
    let token = |fixture: &Fixture| {
        let token = fixture.token().typ("JWT").without("client_id").claim("azp", "web");
        token.claim("realm_access", json!({"roles": ["staff"]})).claim("acr", "1")
    };
    let outcome = keycloak.bearer(&token(&keycloak).sign()).await;
    outcome.assert_ok();
    assert!(outcome.claims.unwrap().has_role("staff"));
    let beaten = fixture(with_issuer(json!({
        "preset": "keycloak", "typ": "at+jwt", "required_claims": ["acr"], "roles_claim": ["a", "b.c"], "client_claim": "sub",
    })));
    beaten.bearer(&token(&beaten).sign()).await.assert_it();
    let outcome = beaten.bearer(&token(&beaten).typ("at+jwt").without("jti").claim("a", ["x"]).sign()).await;
    let claims = outcome.claims.unwrap();
    assert_eq!((claims.roles().collect::<Vec<_>>(), claims.client_id()), (vec!["x"], claims.subject()));

    let clients = fixture(with_issuer(json!({"client_ids": ["web", "batch"]})));
    let token = || clients.token().without("aud");
    clients.bearer(&token().client_id("batch").sign()).await.assert_ok();
    clients.bearer(&token().client_id("other").sign()).await.assert_it();

    // Where it is no URL, the preset makes one of it.
    let tenant = json!({"issuer": "72f988bf-86f1-41af-91ab-2d7cd011db47", "preset": "entra"});
    let server = read(with_issuer(tenant)).unwrap().into_builder().build().unwrap();
    let entra = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
    assert_eq!(server.health()[0].issuer, entra);
    for name in ["keycloak", "entra", "auth0", "okta", "cognito", "zitadel", "openiddict", "oidc_provider"] {
        let config = read(with_issuer(json!({"preset": name}))).unwrap();
        assert_eq!(config.into_builder().build().unwrap().health()[0].issuer, AS, "{name}");
    }
}

#[tokio::test]
async fn a_file_says_where_an_issuer_is_reached_and_who_vouches_for_it() {
    let issuer = TestIssuer::start().await;
    let address = format!("{}/.well-known/openid-configuration", issuer.url());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures");
    let named = json!({"issuer": issuer.url(), "metadata_url": address, "ca_file": "ca.pem"});
    let server = read_in(folder, with_issuer(named)).unwrap().into_builder().build().unwrap();
    let token = issuer.token().sign();
    server.authenticate(tower_bearer::ResourceRequest::bearer(&token).unwrap()).await.unwrap();
    for (key, value, shown, remedy) in [
        ("metadata_url", "as.internal", "as.internal", "absolute URL"),
        ("ca_file", "none.pem", "none.pem", "cannot be read"),
        ("ca_file", "localhost.key", "localhost.key", "one certificate at least"),
    ] {
        let error = read_in(folder, with_issuer(json!({key: value}))).unwrap_err();
        let [problem] = error.problems() else { panic!("{error}") };
        assert_eq!((&*problem.setting, problem.value.as_str()), (&*format!("issuers[0].{key}"), shown));
        assert!(problem.remedy.contains(remedy), "{error}");
    }
}

#[test]
fn a_service_reads_it_as_a_part_of_its_own_settings() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        port: u16,
        auth: AuthConfig,
    }
    let good: Settings = toml::from_str(
        r#"
        port = 8080
        [auth]
        resource = "https://api.example.com"
        [[auth.issuers]]
        issuer = "https://as.example.com"
        typ = "jwt"
        "#,
    )
    .unwrap();
    assert_eq!(good.port, 8080);
    let from_code = ResourceServer::builder(RS, Issuer::new(AS).typ(Typ::Jwt));
    assert_eq!(format!("{:?}", good.auth.into_builder()), format!("{from_code:?}"));
    let bad = "port = 1\n[auth]\nresource = \"x\"\nleeway = \"1h\"\ncolour = \"red\"\n[[auth.issuers]]\nissuer = \"nowhere\"\n";
    let error = toml::from_str::<Settings>(bad).unwrap_err().to_string();
    for path in ["leeway", "colour", "issuers[0].issuer"] {
        assert!(error.contains(path), "{path} is not in {error}");
    }
}

#[test]
fn block_private_addresses_is_on_where_the_file_says_so() {
    let client = || TestIssuer::in_process(AS).http_client();
    let built = |value: bool| {
        let config = read(with(json!({"block_private_addresses": value}))).unwrap();
        config.into_builder().http_client(client()).build()
    };
    assert!(built(false).is_ok());
    let error = built(true).unwrap_err();
    assert_eq!(error.problems()[0].setting, "block_private_addresses");
    assert_mistake(
        with(json!({"block_private_addresses": "yes"})),
        "block_private_addresses",
        "yes",
        "must be true or false",
    );
}

#[tokio::test]
async fn keys_that_were_kept_serve_until_a_fetch_brings_others() {
    let folder = Folder::new("kept-keys");
    let name = folder.0.to_str().unwrap();
    let issuer = TestIssuer::in_process(AS);
    let table = || with_issuer(json!({"jwks_store": "as.json"}));
    let server = |config: AuthConfig| config.into_builder().http_client(issuer.http_client()).build().unwrap();
    let first = read_in(name, table()).unwrap();
    let [file] = first.key_files() else { panic!("{first:?}") };
    let file = file.clone();
    assert_eq!((file.issuer(), file.path()), (AS, folder.0.join("as.json").as_path()));
    let first = server(first);
    assert!(first.last_good_keys(AS).is_none());
    first.warm_up().await.unwrap();
    let keys = first.last_good_keys(AS).unwrap();
    file.save(&keys).unwrap();
    file.save(&keys).unwrap();

    let second = server(read_in(name, table()).unwrap());
    let kept = second.last_good_keys(AS).unwrap();
    assert_eq!((kept.text(), kept.fetched()), (keys.text(), keys.fetched()));
}

#[test]
fn two_issuers_do_not_share_a_store() {
    let issuers = json!([{"issuer": AS, "jwks_store": "k"}, {"issuer": "https://b.example.com", "jwks_store": "./k"}]);
    assert_mistake(with(json!({"issuers": issuers})), "issuers[1].jwks_store", "./k", "of its own");
}
