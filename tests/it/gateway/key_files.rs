//! `jwks_store`: a restart while the issuer is down serves at once. And `block_private_addresses`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tower_bearer::Algorithm;
use tower_bearer::testing::{Endpoint, TestIssuer};

use super::RESOURCE;
use super::client::eventually;
use super::harness::{DEADLINE, Folder, Gateway};

/// A file that keeps the keys of this issuer in `keys.json`.
fn keeping(url: &str) -> String {
    format!(
        "resource = \"{RESOURCE}\"\nadmin_listen = \"127.0.0.1:0\"\n[[issuers]]\nissuer = \"{url}\"\n\
         jwks_refresh = \"1s\"\njwks_cooldown = \"1s\"\njwks_stale = \"1h\"\njwks_store = \"keys.json\"\n"
    )
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An issuer that is down from now on, a token that it signed, and its keys.
async fn gone() -> (String, String, Value) {
    let issuer = TestIssuer::start().await;
    let token = issuer.token().audience(RESOURCE).expires_in(Duration::from_secs(300)).sign();
    (issuer.url().to_owned(), token, issuer.jwks())
}

fn kept(gateway: &Gateway) -> Option<Value> {
    serde_json::from_slice(&fs::read(store(gateway)).ok()?).ok()
}

fn store(gateway: &Gateway) -> PathBuf {
    gateway.folder.0.join("keys.json")
}

/// Starts with this store while the issuer is down; the status of a good token, and the log.
async fn start_with(url: &str, token: &str, content: impl AsRef<[u8]>) -> (u16, String) {
    let folder = Folder::new();
    folder.write("keys.json", content);
    let gateway = Gateway::start_in(folder, &keeping(url), |_| {});
    let reply = gateway.get("/r", token).await;
    (reply.status.as_u16(), gateway.log())
}

#[tokio::test]
async fn a_gateway_with_kept_keys_serves_at_once_while_the_issuer_is_down() {
    let (url, token, jwks) = gone().await;
    let (status, log) =
        start_with(&url, &token, json!({"issuer": url, "fetched": now(), "jwks": jwks}).to_string()).await;
    assert_eq!(status, 200, "{log}");
    assert!(!log.contains("jwks_store"), "{log}");
    // Older than the interval, and good as long as `jwks_stale` says.
    let old = json!({"issuer": url, "fetched": now() - 3000, "jwks": jwks, "comment": "more is ignored"});
    assert_eq!(start_with(&url, &token, old.to_string()).await.0, 200);
}

#[tokio::test]
async fn kept_keys_that_are_corrupt_foreign_or_too_old_are_ignored_with_a_warning() {
    let (url, token, jwks) = gone().await;
    let good = json!({"issuer": url, "fetched": now(), "jwks": jwks}).to_string();
    let with = |member: &str, value: Value| {
        let mut document: Value = serde_json::from_str(&good).unwrap();
        document[member] = value;
        document.to_string()
    };
    for (content, reason) in [
        (String::new(), "corrupt"),
        (good[..good.len() / 2].to_owned(), "corrupt"),
        (format!("{good}x"), "corrupt"),
        ("[]".into(), "corrupt"),
        ("{}".into(), "`issuer` is missing"),
        (with("issuer", json!(1)), "`issuer`"),
        (with("fetched", json!("now")), "`fetched`"),
        (with("fetched", json!(u64::MAX)), "`fetched` is no time"),
        (with("jwks", json!({"keys": 1})), "corrupt"),
        (with("jwks", Value::Null), "corrupt"),
        (with("issuer", json!(format!("{url}/"))), "of another issuer"),
        (with("fetched", json!(now() - 3601)), "too old"),
        (with("fetched", json!(now() + 3600)), "from the future"),
        (with("jwks", json!("x".repeat(1024 * 1024))), "larger than any key set"),
    ] {
        let (status, log) = start_with(&url, &token, &content).await;
        let shown = content.chars().take(200).collect::<String>();
        assert_eq!(status, 503, "{shown}");
        let warning = log.lines().find(|line| line.contains("jwks_store")).unwrap_or_else(|| panic!("{shown}\n{log}"));
        assert!(warning.contains("WARN") && warning.contains(reason) && warning.contains("keys.json"), "{warning}");
    }
}

#[tokio::test]
async fn a_restart_keeps_what_was_fetched_last_and_replaces_what_was_no_use() {
    let issuer = TestIssuer::start().await;
    let folder = Folder::new();
    folder.write("keys.json", "corrupt");
    let file = keeping(issuer.url());
    let mut gateway = Gateway::start_in(folder, &file, |_| {});
    assert!(eventually(DEADLINE, || async { kept(&gateway).is_some_and(|kept| kept["jwks"] == issuer.jwks()) }).await);
    // A rotation is kept as well, and nothing but the file is left in the folder.
    issuer.rotate_key(Algorithm::RS256);
    assert!(eventually(DEADLINE, || async { kept(&gateway).is_some_and(|kept| kept["jwks"] == issuer.jwks()) }).await);

    let token = issuer.token().audience(RESOURCE).expires_in(Duration::from_secs(300)).sign();
    let url = issuer.url().to_owned();
    drop(issuer);
    gateway.terminate();
    assert_eq!(gateway.ended().await.0.code(), Some(0));
    let document = kept(&gateway).unwrap();
    assert_eq!(document["issuer"], url);
    assert!(now() - document["fetched"].as_u64().unwrap() < 20, "{document}");
    assert_eq!(fs::metadata(store(&gateway)).unwrap().permissions().mode() & 0o777, 0o600);
    let folder = std::mem::replace(&mut gateway.folder, Folder::new());
    let mut gateway = Gateway::start_in(folder, &file, |_| {});
    assert_eq!(gateway.get("/r", &token).await.status, 200, "{}", gateway.log());
    let admin = gateway.line();
    assert!(admin.starts_with("admin on "), "{admin}");
    // A failed fetch writes nothing.
    assert_eq!(kept(&gateway).unwrap(), document);
    let names = fs::read_dir(&gateway.folder.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["gateway.toml", "keys.json", "log"]);
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_complained_of_and_stops_nothing() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&keeping(issuer.url()).replace("keys.json", &"k".repeat(250)));
    let token = issuer.token().audience(RESOURCE).sign();
    assert_eq!(gateway.get("/r", &token).await.status, 200);
    assert!(eventually(DEADLINE, || async { gateway.log().contains("could not be written to `jwks_store`") }).await);
}

#[tokio::test]
async fn block_private_addresses_refuses_an_issuer_on_loopback() {
    let issuer = TestIssuer::start().await;
    let token = issuer.token().audience(RESOURCE).sign();
    for (value, status) in [("false", 200), ("true", 503)] {
        let asked = issuer.requests(Endpoint::Metadata);
        let file = format!("block_private_addresses = {value}\n{}", super::harness::top(&issuer));
        let gateway = Gateway::start(&file);
        assert_eq!(gateway.get("/r", &token).await.status, status, "{}", gateway.log());
        assert_eq!(issuer.requests(Endpoint::Metadata) > asked, status == 200);
        assert_eq!(gateway.log().contains("block_private_addresses"), status == 503, "{}", gateway.log());
    }
}
