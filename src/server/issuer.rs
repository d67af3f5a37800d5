//! A trusted authorization server and what its tokens look like.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::remote::http_client::Door;
use crate::remote::jwks::RemoteJwks;
use crate::remote::key_fetch::{KeyFetcher, KeyOrigin};
use crate::remote::last_good::LastGoodKeys;
use crate::remote::metadata::MetadataSource;
use crate::remote::refresh::KeyTiming;
use crate::remote::url;
use crate::server::introspection::Introspection;
use crate::server::known_server::KnownServer;
use crate::server::token_shape::RolesAt;
use crate::server::trusted::KeySource;
use crate::verify::algorithm::{Algorithm, DEFAULT_ALGORITHMS};
use crate::verify::jwk::Jwk;
use crate::verify::jwks::Jwks;
use crate::verify::rules::Typ;

/// A trusted issuer of access tokens, named by its issuer identifier.
///
/// By default its keys are found by discovery (RFC 8414, OpenID Connect) when the first token comes.
/// Setters cannot fail: a mistake is kept and reported by
/// [`build`](crate::ResourceServerBuilder::build), together with all others. Keys are never shared
/// between issuers, and no address that stands in a token is ever fetched.
///
/// For well-known servers there are presets, such as [`Issuer::keycloak`], that know what these servers send. A preset
/// is a start: every setter after it has the last word.
///
/// # Example
/// ```
/// # use tower_bearer::{Algorithm, Issuer, ResourceServer, Typ};
/// let issuer = Issuer::new("https://as.example.com")
///     .typ(Typ::Jwt)
///     .roles_claim("permissions")
///     .algorithms([Algorithm::RS256]);
/// let server = ResourceServer::builder("https://api.example.com", issuer).build()?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Issuer {
    pub(crate) identifier: String,
    pub(crate) keys: Keys,
    pub(super) metadata_url: Option<String>,
    pub(super) ca_pem: Option<Arc<[u8]>>,
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    pub(crate) typ: Typ,
    pub(crate) required: Vec<String>,
    pub(crate) audiences: Option<Vec<String>>,
    pub(crate) client_ids: Option<Vec<String>>,
    pub(crate) scope_claims: Vec<String>,
    pub(crate) client_claim: Option<String>,
    pub(super) roles: Vec<RolesAt>,
    pub(super) known: Option<KnownServer>,
    /// What is wrong with the name that a preset was given, and what to do.
    pub(super) misnamed: Option<&'static str>,
    pub(crate) timing: KeyTiming,
    pub(crate) last_good: Option<LastGoodKeys>,
    pub(crate) introspection: Option<Introspection>,
    /// Where it stands in a file, for key paths.
    pub(super) label: String,
}

/// Where the keys come from.
#[derive(Clone)]
pub(crate) enum Keys {
    Discovery,
    Uri(String),
    Given(Jwks),
    Secret(Vec<u8>),
}

impl Issuer {
    /// An issuer by its identifier, compared byte for byte with `iss` (RFC 9068 section 4): an https URL
    /// without query and fragment. http is accepted for loopback hosts only.
    pub fn new(identifier: impl Into<String>) -> Self {
        Issuer {
            identifier: identifier.into(),
            keys: Keys::Discovery,
            metadata_url: None,
            ca_pem: None,
            algorithms: None,
            typ: Typ::default(),
            required: ["sub", "client_id", "iat", "jti"].map(String::from).to_vec(),
            audiences: None,
            client_ids: None,
            scope_claims: Vec::new(),
            client_claim: None,
            roles: Vec::new(),
            known: None,
            misnamed: None,
            timing: KeyTiming::default(),
            last_good: None,
            introspection: None,
            label: String::new(),
        }
    }

    /// Fetches the keys from this address instead of asking discovery for it.
    pub fn jwks_uri(self, uri: impl Into<String>) -> Self {
        Issuer { keys: Keys::Uri(uri.into()), ..self }
    }

    /// Fetches the metadata from this address alone, where the issuer's name is not the address at which this service
    /// reaches it: behind another host name, inside a container network. Default: the well-known addresses of the
    /// issuer (RFC 8414 section 3, OpenID Connect Discovery section 4).
    ///
    /// The `issuer` in the document must equal the configured one all the same, and http is accepted as elsewhere: for
    /// loopback hosts only. The keys are fetched from the `jwks_uri` that the document names, which may be an address
    /// for the outside; [`jwks_uri`](Issuer::jwks_uri) sets it. Where that is set, no metadata are needed for the keys.
    pub fn metadata_url(self, url: impl Into<String>) -> Self {
        Issuer { metadata_url: Some(url.into()), ..self }
    }

    /// The root certificates, PEM, that vouch for this issuer's host *instead of* the system's: of a company's own
    /// authority, or of a test. Several may stand in one text. Default: the roots of the system.
    ///
    /// Instead of, because an issuer behind an authority of one's own is better believed on its word alone: no public
    /// authority can then certify a stand-in. All that is fetched for this issuer is verified so, the key set included;
    /// names and times are verified as ever, and there is no switch for that. Other issuers are not touched.
    ///
    /// It is the default client's: with [`http_client`](crate::ResourceServerBuilder::http_client), or without the
    /// feature `reqwest`, it is a mistake.
    ///
    /// ```no_run
    /// # use tower_bearer::Issuer;
    /// let issuer = Issuer::new("https://as.internal").ca_pem(std::fs::read("company-ca.pem")?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ca_pem(self, pem: impl AsRef<[u8]>) -> Self {
        Issuer { ca_pem: Some(pem.as_ref().into()), ..self }
    }

    /// Uses these keys and fetches nothing. They do not rotate.
    pub fn keys(self, keys: Jwks) -> Self {
        Issuer { keys: Keys::Given(keys), ..self }
    }

    /// Verifies HS256 (or, with [`algorithms`](Issuer::algorithms), HS384 or HS512) with a secret both sides
    /// know: 32 random bytes at least, as long as the hash. Whoever can verify can then also issue.
    pub fn shared_secret(self, secret: impl Into<Vec<u8>>) -> Self {
        Issuer { keys: Keys::Secret(secret.into()), ..self }
    }

    /// The signature algorithms this issuer uses. Default: RS256, PS256, ES256 and EdDSA/Ed25519, and HS256
    /// with a shared secret; a token cannot choose beyond this list (RFC 8725 section 3.1).
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        Issuer { algorithms: Some(algorithms.into_iter().collect()), ..self }
    }

    /// How often the keys are fetched anew, begun in the background at 80 % of it. Default 5 minutes:
    /// it bounds how long a key that the issuer removed still works (335 s). From 1 s to 12 h.
    pub fn jwks_refresh(mut self, interval: Duration) -> Self {
        self.timing.refresh = interval;
        self
    }

    /// How long after a fetch for an unknown `kid` another unknown `kid` may cause one. Default 30 s: it bounds
    /// what strangers can make us fetch to two a minute. From 1 s to 5 min.
    pub fn jwks_cooldown(mut self, pause: Duration) -> Self {
        self.timing.cooldown = pause;
        self
    }

    /// How long the last good keys are used while the issuer cannot be reached. Default 24 h, then 503.
    /// From 1 s to 7 d, and no less than the refresh interval.
    pub fn jwks_stale(mut self, age: Duration) -> Self {
        self.timing.stale = age;
        self
    }

    /// Starts with these keys, fetched earlier and kept, for example over a restart; see [`LastGoodKeys`].
    pub fn last_good_keys(self, keys: LastGoodKeys) -> Self {
        Issuer { last_good: Some(keys), ..self }
    }

    /// Asks this issuer about opaque tokens, or about its JWTs as well; see [`Introspection`]. Default: opaque tokens are
    /// refused. One issuer of a server at most takes opaque tokens, because nothing in them says whose they are, and a
    /// token is shown to nobody but its issuer.
    pub fn introspection(self, introspection: Introspection) -> Self {
        Issuer { introspection: Some(introspection), ..self }
    }

    pub(crate) fn algorithms_or_default(&self) -> Vec<Algorithm> {
        match (&self.algorithms, &self.keys) {
            (Some(algorithms), _) => algorithms.clone(),
            (None, Keys::Secret(_)) => vec![Algorithm::HS256],
            (None, _) => DEFAULT_ALGORITHMS.to_vec(),
        }
    }

    /// Under just this identifier, whatever a preset made of it: in a file it stands as it is compared.
    #[cfg(feature = "config")]
    pub(crate) fn named(self, identifier: String) -> Self {
        Issuer { identifier, misnamed: None, ..self }
    }

    /// Problems then name their place in a file.
    #[cfg(feature = "config")]
    pub(crate) fn labelled(self, label: &str) -> Self {
        Issuer { label: label.into(), ..self }
    }

    /// The source of keys. Fetches nothing. Without a door there is no issuer that needs one.
    pub(crate) fn key_source(&self, door: Option<&Door>, metadata: &Arc<MetadataSource>) -> KeySource {
        let remote = |origin| match door {
            Some(door) => {
                let opaque = self.introspection.as_ref().filter(|introspection| introspection.needs_no_keys());
                let fetcher = KeyFetcher {
                    issuer: self.identifier.clone(),
                    origin,
                    roots: self.ca_pem.clone(),
                    may_be_absent: opaque.is_some(),
                    needs_no_metadata: opaque.is_some_and(|introspection| introspection.endpoint.is_some()),
                    door: door.clone(),
                };
                let remote = RemoteJwks::new(fetcher, self.timing);
                self.last_good.iter().for_each(|keys| remote.start_with(keys));
                KeySource::Remote(Arc::new(remote))
            }
            None => KeySource::Given(Arc::default()),
        };
        match &self.keys {
            Keys::Discovery => remote(KeyOrigin::Discovery(metadata.clone())),
            Keys::Uri(uri) => remote(KeyOrigin::Uri(uri.parse().unwrap_or_default())),
            Keys::Given(keys) => KeySource::Given(Arc::new(keys.clone())),
            Keys::Secret(secret) => {
                let mut algorithms = self.algorithms_or_default();
                // Two equal keys would be two candidates, and a token could not say which one it means.
                algorithms.sort_unstable_by_key(|algorithm| algorithm.as_str());
                algorithms.dedup();
                let keys = algorithms.iter().filter_map(|algorithm| Jwk::shared_secret(*algorithm, None, secret).ok());
                KeySource::Secret(Arc::new(Jwks::from_keys(keys)))
            }
        }
    }
}

impl From<&str> for Issuer {
    fn from(identifier: &str) -> Self {
        Issuer::new(identifier)
    }
}

impl From<String> for Issuer {
    fn from(identifier: String) -> Self {
        Issuer::new(identifier)
    }
}

/// Shows no secret.
impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identifier = url::shown(&self.identifier);
        f.debug_struct("Issuer").field("identifier", &identifier).field("typ", &self.typ).finish_non_exhaustive()
    }
}
