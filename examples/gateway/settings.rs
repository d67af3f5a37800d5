//! The file: every key of the contract, every mistake at once.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use tower_bearer::{
    AccessRules, AuthConfig, ConfigError, ConfigTable, ForwardLayer, KeyFile, ResourceServer, ResourceServerBuilder,
};

use crate::forward;
use crate::upstream::Upstream;
use crate::watched::Reading;

/// Whether requests come through the gateway, or a proxy in front asks about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Proxy,
    Check,
}

/// Where the file lies, and what the command line says beside it.
pub struct Place {
    pub file: String,
    pub listen: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Addresses {
    pub listen: String,
    pub admin: Option<String>,
}

/// What the file says, judged.
pub struct Settings {
    pub addresses: Addresses,
    pub mode: Mode,
    pub upstream: Option<Upstream>,
    pub metrics_path: Option<String>,
    pub rules: AccessRules,
    pub forward: ForwardLayer,
    pub end_streams_at_expiry: bool,
    pub server: ResourceServer,
    pub key_files: Vec<KeyFile>,
}

/// As other proxies have it. It counts only while nothing of the request's body flows.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(60);

/// Parts of the contract that are not built yet: named in the file they end the start, never ignored.
const NOT_BUILT: [&str; 1] = ["revocation"];

impl Place {
    /// Reads the file, and names it and every file that it names. Issuers that `before` trusts keep its keys.
    pub fn read(&self, before: Option<&ResourceServer>) -> Reading<Result<Settings, Vec<String>>> {
        let mut files = vec![PathBuf::from(&self.file)];
        let outcome = self.table().and_then(|table| {
            let named = table.files();
            let settings = Settings::read(refuse_unbuilt(table), self.listen.as_deref(), before);
            files.extend(named.read_so_far());
            settings.map_err(|error| error.problems().iter().map(|problem| self.line(problem)).collect())
        });
        Reading { files, outcome }
    }

    fn table(&self) -> Result<ConfigTable, Vec<String>> {
        let text = std::fs::read_to_string(&self.file);
        let text = text.map_err(|error| vec![self.line(format_args!("cannot be read: {error}"))])?;
        let value: serde_json::Value = toml::from_str(&text).map_err(|error| vec![self.line(one_line(&error))])?;
        let folder = Path::new(&self.file).parent().unwrap_or(Path::new("."));
        Ok(ConfigTable::new(value, folder))
    }

    fn line(&self, mistake: impl Display) -> String {
        format!("{}: {mistake}", self.file)
    }
}

impl Settings {
    /// `listen` of the command line beats the one in the file.
    fn read(
        mut table: ConfigTable,
        listen: Option<&str>,
        before: Option<&ResourceServer>,
    ) -> Result<Self, ConfigError> {
        let in_file = table.text("listen");
        let listen = listen.map(String::from).or(in_file).unwrap_or_else(|| "127.0.0.1:0".into());
        let public_admin = table.flag("danger_admin_public");
        let addresses = Addresses { listen, admin: table.text("admin_listen") };
        check_addresses(&mut table, &addresses, public_admin);
        let upstream = read_upstream(&mut table);
        let mode = table.choice("mode", &[("proxy", Mode::Proxy), ("check", Mode::Check)]).unwrap_or(Mode::Proxy);
        if let Some(upstream) = upstream.as_ref().filter(|_| mode == Mode::Check) {
            table.problem("upstream", &upstream.origin, "is not called with `mode = \"check\"`; leave one of them out");
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
        let mut builder = auth.into_builder();
        if mode == Mode::Check {
            // The proxy in front looks at the HTTP status, and takes 200 for a pass.
            builder = builder.without_grpc_refusals();
        }
        let server = before.into_iter().fold(builder, ResourceServerBuilder::keys_from).build()?;
        Ok(Settings {
            addresses,
            mode,
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
    table
}

fn check_addresses(table: &mut ConfigTable, addresses: &Addresses, public_admin: bool) {
    let parsed = |text: &str| text.parse::<std::net::SocketAddr>();
    if parsed(&addresses.listen).is_err() {
        table.problem("listen", &addresses.listen, "must be an address and a port, such as 127.0.0.1:8080");
    }
    match addresses.admin.as_ref().map(|text| (text, parsed(text))) {
        Some((text, Err(_))) => {
            table.problem("admin_listen", text, "must be an address and a port, such as 127.0.0.1:0")
        }
        Some((text, Ok(address))) if !address.ip().is_loopback() && !public_admin => {
            table.problem("admin_listen", text, "must be a loopback address, or set `danger_admin_public = true`");
        }
        _ => {}
    }
}

fn read_upstream(table: &mut ConfigTable) -> Option<Upstream> {
    let timeout = table.duration("upstream_timeout");
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        table.problem("upstream_timeout", "0s", "must be longer than nothing");
    }
    if let Some(timeout) = timeout.filter(|_| !table.has("upstream")) {
        table.problem(
            "upstream_timeout",
            format_args!("{timeout:?}"),
            "says nothing without an `upstream`; leave it out",
        );
    }
    let text = table.text("upstream")?;
    let uri: Option<Uri> = text.parse().ok();
    let plain = |uri: &Uri| {
        uri.scheme_str() == Some("http") && uri.authority().is_some() && uri.path() == "/" && uri.query().is_none()
    };
    if let Some(origin) = uri.filter(plain) {
        return Some(Upstream { origin, timeout: timeout.unwrap_or(UPSTREAM_TIMEOUT) });
    }
    table.problem("upstream", text, "must be the http origin of the service behind, such as http://127.0.0.1:9000");
    None
}

/// A mistake in the TOML itself, with its place, on one line.
fn one_line(error: &toml::de::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
