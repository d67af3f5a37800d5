//! The settings of a [`ResourceServer`](crate::ResourceServer) as one table.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use super::dpop::read_dpop;
use super::issuer::{read_issuer, read_key_file};
use super::key_file::KeyFile;
use super::mtls::read_mtls;
use super::table::ConfigTable;
use crate::error::ConfigError;
use crate::server::builder::ResourceServerBuilder;
use crate::server::issuer::Issuer;
use crate::server::resource_server::ResourceServer;
use crate::verify::role_map::RoleMap;

/// The settings of a server, read from a table of a configuration file: the same names and defaults as the
/// setters of [`ResourceServerBuilder`] and [`Issuer`].
///
/// ```toml
/// resource = "https://api.example.com"   # resource identifier and default audience
/// audience = ["https://api.example.com"] # default: [resource]
/// leeway = "30s"
/// challenge_scope = "orders:read"
/// scopes_supported = ["orders:read"]     # for the metadata document; also resource_name, resource_documentation
/// external_base = "https://api.example.com" # what clients call, for DPoP; default: the origin of `resource`
/// danger_allow_http = false
/// block_private_addresses = false
///
/// [[issuers]]
/// issuer = "https://as.example.com"
/// preset = "keycloak"                    # or another preset of `Issuer`; the keys below beat it
/// jwks_uri = "https://as.example.com/keys" # instead of discovery; or jwks_file; or shared_secret(_env, _file)
/// metadata_url = "http://as:8080/.well-known/openid-configuration" # where the issuer's name is not its address
/// ca_file = "ca.pem"                     # the roots for this issuer, instead of the system's
/// algorithms = ["RS256", "ES256"]
/// audience = ["..."]                     # instead of the one above
/// client_ids = ["..."]                   # accepted instead of an audience where the token holds none
/// typ = "at+jwt"                         # or "jwt" or "any"
/// required_claims = ["sub", "client_id", "iat", "jti"]
/// scope_claim = "scope"
/// client_claim = "client_id"
/// roles_claim = "realm_access.roles"     # or a list of them
/// jwks_refresh = "5m"
/// jwks_cooldown = "30s"
/// jwks_stale = "24h"
/// jwks_store = "as-keys.json"            # the last good keys over a restart; see `key_files`
///
/// [issuers.introspection]                # for opaque tokens, and JWTs that may be revoked
/// endpoint = "https://..."               # default: from discovery
/// client_id = "api"
/// client_secret = "..."                  # or client_secret_env, client_secret_file
/// private_key_file = "key.pem"           # or private_key, private_key_env; PEM or JWK, instead of a secret
/// auth_method = "client_secret_basic"    # or "client_secret_post" or "private_key_jwt"
/// use_for = "opaque"                     # or "jwt" or "all"
/// recheck = "5m"                         # JWTs: verified each time, introspected this often
/// cache_ttl = "0s"
/// signed_response = false                # or true, or the algorithm of the answers
/// allow_missing_audience = false
/// max_in_flight = 64
///
/// [dpop]
/// mode = "accept"                        # or "off" or "require"
/// algorithms = ["ES256", "Ed25519", "PS256"]
/// window_past = "300s"
/// window_future = "30s"
/// nonce_secret_file = "nonce"            # 32 bytes in base64url: nonces are then required
/// replay = "memory"
///
/// [mtls]
/// client_cert_header = "Client-Cert"     # the field of RFC 9440, believed from these proxies only
/// trusted_proxies = ["127.0.0.1/32"]
///
/// [roles]                                # role -> what it grants; `role:NAME` for a role that it inherits
/// admin = ["orders:write", "role:clerk"]
/// clerk = ["orders:read"]
///
/// [token_cache]
/// max_bytes = 33554432                   # 0 = off
/// max_ttl = "5m"
/// ```
///
/// Unknown keys are mistakes. Deserializing reports every mistake of the table at once.
///
/// # Example
/// ```
/// # use tower_bearer::AuthConfig;
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     auth: AuthConfig,
/// }
/// let settings: Settings = serde_json::from_str(r#"{"auth": {
///     "resource": "https://api.example.com",
///     "issuers": [{"issuer": "https://as.example.com", "typ": "jwt"}]
/// }}"#).unwrap();
/// let server = settings.auth.into_builder().build().unwrap();
/// ```
#[derive(Debug)]
pub struct AuthConfig {
    builder: ResourceServerBuilder,
    key_files: Vec<KeyFile>,
}

impl AuthConfig {
    /// Takes the settings out of a table and leaves other keys in it. Mistakes are noted in the table, and the
    /// result is of use only if there were none.
    pub fn read(table: &mut ConfigTable) -> Self {
        let resource = table.required_text("resource", "must name this service: the `aud` of its tokens");
        if resource.as_deref() == Some("") {
            table.problem("resource", "", "must not be empty");
        }
        let resource = resource.filter(|resource| !resource.is_empty()).unwrap_or_else(|| PLACEHOLDER.into());
        let mut audiences = table.texts("audience").unwrap_or_else(|| vec![resource.clone()]).into_iter();
        let mut key_files = Vec::new();
        let mut issuers = read_issuers(table, &mut key_files).into_iter();
        let first_issuer = issuers.next().unwrap_or_else(|| Issuer::new(PLACEHOLDER));
        let mut builder = ResourceServer::builder(audiences.next().unwrap_or_default(), first_issuer);
        builder = audiences.fold(builder, ResourceServerBuilder::audience);
        builder = issuers.fold(builder, ResourceServerBuilder::issuer);
        let builder = read_settings(table, builder.resource_if_url(resource));
        if let Err(error) = builder.check() {
            table.absorb(in_words_of_the_file(error));
        }
        AuthConfig { builder, key_files }
    }

    /// The files of `jwks_store`. They were read; to write them is the program's matter, see [`KeyFile`].
    pub fn key_files(&self) -> &[KeyFile] {
        &self.key_files
    }

    /// The builder with these settings, for what a file cannot say: a clock, a client, a hook.
    pub fn into_builder(self) -> ResourceServerBuilder {
        self.builder
    }
}

/// Stands where a value is missing, so that the rest is checked all the same.
pub(super) const PLACEHOLDER: &str = "https://missing.invalid";

/// Setters and keys of the file differ in a few names.
fn in_words_of_the_file(error: ConfigError) -> ConfigError {
    error.renamed(|setting| match setting {
        "issuer" => Some("issuers".into()),
        _ => setting.strip_suffix(".keys").map(|issuer| format!("{issuer}.jwks_file")),
    })
}

fn read_issuers(table: &mut ConfigTable, key_files: &mut Vec<KeyFile>) -> Vec<Issuer> {
    let given = table.has("issuers");
    let tables = table.tables("issuers");
    if tables.is_empty() && !(given && table.has_problem("issuers")) {
        table.problem("issuers", "[]", "must name one trusted issuer at least: `[[issuers]]` with `issuer = ...`");
    }
    let mut issuers = Vec::new();
    for mut issuer in tables {
        let read = read_issuer(&mut issuer);
        issuers.push(read_key_file(&mut issuer, read, key_files));
        issuer.finish().unwrap_or_else(|error| table.absorb(error));
    }
    issuers
}

fn read_settings(table: &mut ConfigTable, mut builder: ResourceServerBuilder) -> ResourceServerBuilder {
    if let Some(leeway) = table.duration("leeway") {
        builder = builder.leeway(leeway);
    }
    if let Some(scopes) = table.text("challenge_scope") {
        builder = builder.challenge_scope(scopes.split(' ').filter(|scope| !scope.is_empty()));
    }
    if let Some(scopes) = table.texts_or_none("scopes_supported") {
        builder = builder.scopes_supported(scopes);
    }
    if let Some(name) = table.text("resource_name") {
        builder = builder.resource_name(name);
    }
    if let Some(url) = table.text("resource_documentation") {
        builder = builder.resource_documentation(url);
    }
    if table.flag("danger_allow_http") {
        builder = builder.danger_allow_http();
    }
    if table.flag("block_private_addresses") {
        builder = builder.block_private_addresses();
    }
    if let Some(mtls) = read_mtls(table) {
        builder = builder.mtls(mtls);
    }
    if let Some(dpop) = read_dpop(table) {
        builder = builder.dpop(dpop);
    }
    if let Some(mut roles) = table.table("roles") {
        builder = builder.roles(read_roles(&mut roles));
        roles.finish().unwrap_or_else(|error| table.absorb(error));
    }
    if let Some(mut cache) = table.table("token_cache") {
        if let Some(bytes) = cache.number("max_bytes") {
            builder = builder.token_cache(bytes);
        }
        if let Some(ttl) = cache.duration("max_ttl") {
            builder = builder.token_cache_ttl(ttl);
        }
        cache.finish().unwrap_or_else(|error| table.absorb(error));
    }
    builder
}

/// What a role grants stands beside the roles that it inherits, which begin with `role:`.
fn read_roles(table: &mut ConfigTable) -> RoleMap {
    let mut map = RoleMap::new();
    for role in table.keys() {
        let (mut grants, mut inherited) = (Vec::new(), Vec::new());
        for text in table.texts_or_none(&role).unwrap_or_default() {
            match text.strip_prefix("role:") {
                Some(other) => inherited.push(other.to_owned()),
                None => grants.push(text),
            }
        }
        map = map.role(role.as_str(), grants).inherits(role, inherited);
    }
    map
}

impl<'de> Deserialize<'de> for AuthConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = ConfigTable::new(Value::deserialize(deserializer)?, ".");
        let config = AuthConfig::read(&mut table);
        table.finish().map_err(D::Error::custom)?;
        Ok(config)
    }
}
