//! The file: every key of the contract, every mistake at once.

use std::path::Path;

use http::Uri;
use tower_bearer::{AccessRules, AuthConfig, ConfigError, ConfigTable, ForwardLayer, KeyFile, ResourceServer};

use crate::forward;

/// What the file says, judged.
pub struct Settings {
    pub listen: String,
    pub admin_listen: Option<String>,
    pub upstream: Option<Uri>,
    pub metrics_path: Option<String>,
    pub rules: AccessRules,
    pub forward: ForwardLayer,
    pub end_streams_at_expiry: bool,
    pub server: ResourceServer,
    pub key_files: Vec<KeyFile>,
}

/// Parts of the contract that are not built yet: named in the file they end the start, never ignored.
const NOT_BUILT: [&str; 2] = ["mtls", "revocation"];

/// The same below `[[issuers]]`.
const NOT_BUILT_FOR_ISSUERS: [&str; 2] = ["metadata_url", "ca_file"];

impl Settings {
    /// Reads a file; `listen` of the command line beats the one in it.
    pub fn from_file(name: &str, listen: Option<&str>) -> Result<Self, Vec<String>> {
        let text = std::fs::read_to_string(name).map_err(|error| vec![format!("{name}: cannot be read: {error}")])?;
        let value: serde_json::Value =
            toml::from_str(&text).map_err(|error| vec![format!("{name}: {}", one_line(&error))])?;
        let folder = Path::new(name).parent().unwrap_or(Path::new("."));
        let lines = |error: ConfigError| {
            error.problems().iter().map(|problem| format!("{name}: {problem}")).collect::<Vec<_>>()
        };
        Settings::read(refuse_unbuilt(ConfigTable::new(value, folder)), listen).map_err(lines)
    }

    fn read(mut table: ConfigTable, listen: Option<&str>) -> Result<Self, ConfigError> {
        let in_file = table.text("listen");
        let listen = listen.map(String::from).or(in_file).unwrap_or_else(|| "127.0.0.1:0".into());
        let public_admin = table.flag("danger_admin_public");
        let admin_listen = table.text("admin_listen");
        check_addresses(&mut table, &listen, admin_listen.as_deref(), public_admin);
        let upstream = read_upstream(&mut table);
        if let Some("check") = table.choice("mode", &[("proxy", "proxy"), ("check", "check")]) {
            table.problem("mode", "check", "this part is not built yet; leave it out or write `proxy`");
        }
        let metrics_path = table.text("metrics_path");
        if let Some(path) = metrics_path.as_ref().filter(|path| !path.starts_with('/')) {
            table.problem("metrics_path", path, "must begin with `/`");
        }
        let end_streams_at_expiry = table.flag("end_streams_at_expiry");
        let rules = AccessRules::read(&mut table);
        let forward = forward::read(&mut table);
        let auth = AuthConfig::read(&mut table);
        table.finish()?;
        let key_files = auth.key_files().to_vec();
        let server = auth.into_builder().build()?;
        Ok(Settings {
            listen,
            admin_listen,
            upstream,
            metrics_path,
            rules,
            forward,
            end_streams_at_expiry,
            server,
            key_files,
        })
    }
}

fn refuse_unbuilt(mut table: ConfigTable) -> ConfigTable {
    let remedy = "this part of the gateway is not built yet; leave it out";
    for key in NOT_BUILT {
        table.refuse(key, remedy);
    }
    table.refuse_in_each("issuers", &NOT_BUILT_FOR_ISSUERS, remedy);
    table
}

fn check_addresses(table: &mut ConfigTable, listen: &str, admin: Option<&str>, public_admin: bool) {
    let parsed = |text: &str| text.parse::<std::net::SocketAddr>();
    if parsed(listen).is_err() {
        table.problem("listen", listen, "must be an address and a port, such as 127.0.0.1:8080");
    }
    match admin.map(|text| (text, parsed(text))) {
        Some((text, Err(_))) => {
            table.problem("admin_listen", text, "must be an address and a port, such as 127.0.0.1:0")
        }
        Some((text, Ok(address))) if !address.ip().is_loopback() && !public_admin => {
            table.problem("admin_listen", text, "must be a loopback address, or set `danger_admin_public = true`");
        }
        _ => {}
    }
}

fn read_upstream(table: &mut ConfigTable) -> Option<Uri> {
    let text = table.text("upstream")?;
    let uri: Option<Uri> = text.parse().ok();
    let plain = |uri: &Uri| {
        uri.scheme_str() == Some("http") && uri.authority().is_some() && uri.path() == "/" && uri.query().is_none()
    };
    if uri.as_ref().is_some_and(plain) {
        return uri;
    }
    table.problem("upstream", text, "must be the http origin of the service behind, such as http://127.0.0.1:9000");
    None
}

/// A mistake in the TOML itself, with its place, on one line.
fn one_line(error: &toml::de::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
