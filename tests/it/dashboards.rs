//! The files beside the gateway: the dashboard and the scrape configuration use the names that exist, all of them, and
//! the sample file is one that the gateway takes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tower_bearer::metric_names;

use crate::examples::{Running, example};

const HISTOGRAMS: [&str; 2] = [metric_names::VERIFICATION_SECONDS, metric_names::AUTHORIZATION_SECONDS];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gateway")
}

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// Every word of a text that begins as our metrics do.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| word.starts_with("tower_bearer_")).collect()
}

/// The name that a series belongs to. A histogram is only ever seen by its parts.
fn metric(series: &str) -> Option<&'static str> {
    let of_histogram = |name: &str| ["_bucket", "_sum", "_count"].iter().any(|part| series == format!("{name}{part}"));
    metric_names::ALL.into_iter().find(|name| match HISTOGRAMS.contains(name) {
        true => of_histogram(name),
        false => series == *name,
    })
}

#[test]
fn the_dashboard_and_the_scrape_configuration_use_names_that_exist() {
    for file in ["grafana.json", "prometheus.yml", "README.md", "gateway.toml"] {
        for series in names(&text(file)) {
            assert!(metric(series).is_some(), "{series} in {file} is no metric");
        }
    }
}

#[test]
fn the_dashboard_shows_every_metric_and_its_panels_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(&text("grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let expressions: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    let shown: BTreeSet<_> = expressions.iter().flat_map(|text| names(text)).filter_map(metric).collect();
    assert_eq!(shown, BTreeSet::from(metric_names::ALL));
    for expression in &expressions {
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            assert_eq!(expression.matches(open).count(), expression.matches(close).count(), "{expression}");
        }
    }
    let mut cells = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + w <= 24, "{panel}");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{panel} overlaps");
        }
    }
}

/// The keys that the sample says, those in comments as well.
fn keys(sample: &str) -> BTreeSet<&str> {
    let lines = sample.lines().map(|line| line.trim_start_matches("# "));
    let keys = lines.filter_map(|line| line.split_once(" = ")).map(|(key, _)| key.trim());
    keys.filter(|key| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).collect()
}

#[test]
fn the_sample_file_holds_every_key_that_is_built() {
    let expected = [
        "access",
        "admin",
        "admin_listen",
        "algorithms",
        "allow_missing_audience",
        "audience",
        "auth_method",
        "block_private_addresses",
        "ca_file",
        "cache_ttl",
        "challenge_scope",
        "clerk",
        "client_cert_header",
        "client_claim",
        "client_id",
        "client_ids",
        "client_secret_file",
        "danger_admin_public",
        "danger_allow_http",
        "default_access",
        "end_streams_at_expiry",
        "endpoint",
        "external_base",
        "headers",
        "issuer",
        "jwks_cooldown",
        "jwks_file",
        "jwks_refresh",
        "jwks_stale",
        "jwks_store",
        "jwks_uri",
        "leeway",
        "legacy_audience",
        "legacy_typ",
        "listen",
        "max_bytes",
        "max_in_flight",
        "max_ttl",
        "metadata_url",
        "methods",
        "metrics_path",
        "mode",
        "nonce_secret_file",
        "path",
        "preset",
        "private_key_algorithm",
        "recheck",
        "replay",
        "require",
        "required_claims",
        "resource",
        "resource_name",
        "roles_claim",
        "scope_claim",
        "scopes_supported",
        "shared_secret_file",
        "signed_response",
        "strip_credentials",
        "trusted_proxies",
        "typ",
        "upstream",
        "upstream_timeout",
        "use_for",
        "window_future",
        "window_past",
    ];
    assert_eq!(keys(&text("gateway.toml")), BTreeSet::from(expected));
}

/// The sample with free ports and an issuer that nobody answers for, in a folder that is gone with the test.
struct Sample(PathBuf);

impl Sample {
    fn write(change: impl Fn(String) -> String) -> Self {
        let name = format!("tower-bearer-gateway-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name.replace(['(', ')'], "-")).with_extension("toml");
        let sample = text("gateway.toml").replace("127.0.0.1:9091", "127.0.0.1:0");
        fs::write(&path, change(sample.replace("https://as.example.com", "http://127.0.0.1:1"))).unwrap();
        Sample(path)
    }

    fn gateway(&self) -> Command {
        let mut command = Command::new(example("gateway"));
        command.arg("--config").arg(&self.0).args(["--listen", "127.0.0.1:0"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// One request on a connection of its own: status and body.
async fn fetch(address: &str, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", address).body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_gateway_takes_the_sample_file_and_shows_metrics_of_these_names() {
    let sample = Sample::write(|text| text);
    let mut running = Running(sample.gateway().stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut address = |label: &str| {
        let line = lines.next().expect("a line with its address");
        line.strip_prefix(label).unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    let (gateway, admin) = (address("listening on http://"), address("admin on http://"));
    assert_eq!(fetch(&gateway, "/orders/7").await.0, 401);
    assert_eq!(fetch(&gateway, "/orders//7").await.0, 400);
    // The service behind is not there.
    assert_eq!(fetch(&gateway, "/health").await.0, 502);
    assert_eq!(fetch(&gateway, "/.well-known/oauth-protected-resource").await.0, 200);
    assert_eq!(fetch(&admin, "/ready").await.0, 503);
    assert!(fetch(&admin, "/health").await.1.contains("\"down\""));
    let (status, scraped) = fetch(&gateway, "/metrics").await;
    assert_eq!(status, 200);
    assert!(scraped.contains("tower_bearer_requests_total{outcome=\"missing_token\"} 1"), "{scraped}");
    let series = scraped.lines().filter(|line| !line.starts_with('#')).flat_map(names);
    for series in series {
        assert!(metric(series).is_some(), "{series}");
    }
    assert!(running.0.try_wait().unwrap().is_none(), "it stays up until it is stopped");
}

#[test]
fn a_bad_sample_ends_the_start_with_2_and_one_line_for_each_mistake() {
    let sample = Sample::write(|text| {
        text.replace("leeway = \"30s\"", "leeway = \"30\"").replace("access = \"public\"", "access = \"open\"")
            + "\n[revocation]\non_stale = \"deny\"\n"
    });
    let output = sample.gateway().output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(output.stdout.is_empty());
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{stderr}");
    for path in
        ["leeway `30`", "rules[0].access `open`", "revocation `{...}`: this part of the gateway is not built yet"]
    {
        assert!(lines.iter().any(|line| line.contains(path)), "{path} is not in {stderr}");
    }
}
