//! How DPoP is taken (RFC 9449): the mode, the rules for proofs, the address that clients call.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, Uri};

use super::builder::ResourceServerBuilder;
use super::mistakes::distinct_bytes;
use super::proxies::{FindAddress, Proxies};
use crate::error::ConfigProblem;
use crate::remote::url;
use crate::store::replay::ReplayStore;
use crate::verify::algorithm::Algorithm;
use crate::verify::proof::ProofRules;
use crate::verify::target::Base;

/// How a server takes tokens that are bound to a key (DPoP, RFC 9449); for
/// [`ResourceServerBuilder::dpop`](crate::ResourceServerBuilder::dpop).
///
/// With [`accept`](Dpop::accept), the default, both schemes are offered; with [`require`](Dpop::require) DPoP alone; with
/// [`off`](Dpop::off) Bearer alone. In every mode a token that is bound to a key is refused as a Bearer token: the token
/// decides how it must be presented.
///
/// A proof is made for one method and one URI, so the server must know how clients call it: see
/// [`external_base`](Dpop::external_base). The `Host` header is never believed.
///
/// # Example
/// ```
/// # use tower_bearer::{Dpop, ResourceServer};
/// let server = ResourceServer::builder("https://api.example.com", "https://as.example.com")
///     .dpop(Dpop::require().strict().external_base("https://api.example.com/v1"))
///     .build()?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Dpop {
    pub(super) mode: DpopMode,
    pub(super) algorithms: Vec<Algorithm>,
    pub(crate) past: Duration,
    pub(crate) future: Duration,
    pub(super) nonce_secret: Option<Vec<u8>>,
    pub(super) external_base: Option<String>,
    pub(super) original_uri: Option<OriginalUri>,
    pub(super) proxies: Vec<String>,
    pub(super) address: Option<FindAddress>,
    pub(super) replay_store: Option<Arc<dyn ReplayStore>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DpopMode {
    Off,
    Accept,
    Require,
}

/// Finds the URI as the client sent it.
pub(super) type OriginalUri = Arc<dyn for<'a> Fn(&'a Extensions) -> Option<&'a Uri> + Send + Sync>;

impl Dpop {
    pub(crate) fn in_mode(mode: DpopMode) -> Self {
        let ProofRules { algorithms, past, future, .. } = ProofRules::default();
        Dpop {
            mode,
            algorithms,
            past: Duration::from_secs(past),
            future: Duration::from_secs(future),
            nonce_secret: None,
            external_base: None,
            original_uri: None,
            proxies: Vec::new(),
            address: None,
            replay_store: None,
        }
    }

    /// Bound tokens with a proof, and unbound ones as Bearer tokens. A `DPoP` header beside an unbound Bearer token is
    /// 400: the client believes its token to be bound, and it is not.
    pub fn accept() -> Self {
        Dpop::in_mode(DpopMode::Accept)
    }

    /// Bound tokens with a proof and nothing else: a Bearer token is answered as if none had been sent, and the
    /// metadata document says so (`dpop_bound_access_tokens_required`).
    pub fn require() -> Self {
        Dpop::in_mode(DpopMode::Require)
    }

    /// Bearer tokens only. Tokens that are bound to a key are refused all the same.
    pub fn off() -> Self {
        Dpop::in_mode(DpopMode::Off)
    }

    /// The algorithms of proofs, as challenges list them. Default ES256, Ed25519, PS256; `EdDSA` counts as Ed25519.
    /// Only asymmetric ones (RFC 9449 section 11.6).
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// How far the `iat` of a proof may lie back and ahead. Default 300 s and 30 s: clocks of clients are worse than
    /// those of servers. Between 1 s and an hour back, 300 s ahead at most. The leeway of tokens is not added.
    pub fn window(mut self, past: Duration, future: Duration) -> Self {
        (self.past, self.future) = (past, future);
        self
    }

    /// A window of 60 s back and 10 s ahead, as FAPI 2.0 wants it.
    pub fn strict(self) -> Self {
        self.window(Duration::from_secs(60), Duration::from_secs(10))
    }

    /// Asks for a nonce in each proof (RFC 9449 section 9), made of this secret of 32 random bytes and the time of day:
    /// whoever shares the secret shares the nonces, so a fleet needs no store for them. Default: no nonces.
    ///
    /// A nonce is the newest for 5 minutes and is accepted for 5 minutes more. It replaces the window of `iat`, so
    /// the clocks of clients no longer matter. The next one comes with a good answer before the old one ends.
    pub fn nonce_secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.nonce_secret = Some(secret.into());
        self
    }

    /// What clients put before the path that this service sees, such as `https://api.example.com/v1` behind a proxy
    /// that cuts `/v1` off. Default: scheme, host and port of the resource identifier.
    ///
    /// It is what `htu` is compared with: `Host` is never read, and `X-Forwarded-*` of
    /// [`trusted_proxies`](Dpop::trusted_proxies) only.
    pub fn external_base(mut self, base: impl Into<String>) -> Self {
        self.external_base = Some(base.into());
        self
    }

    /// Where routers that cut off a part of the path left the URI as it came. Default: the URI that the layer sees.
    ///
    /// # Example
    /// A layer inside axum's `nest` sees the rest of the path only; axum keeps the whole:
    /// ```
    /// # use tower_bearer::Dpop;
    /// use axum::extract::OriginalUri;
    /// let dpop = Dpop::accept().original_uri(|extensions| extensions.get::<OriginalUri>().map(|uri| &uri.0));
    /// ```
    pub fn original_uri<F>(mut self, find: F) -> Self
    where
        F: for<'a> Fn(&'a Extensions) -> Option<&'a Uri> + Send + Sync + 'static,
    {
        self.original_uri = Some(Arc::new(find));
        self
    }

    /// From these proxies, scheme and host of the target are what `X-Forwarded-Proto` and `X-Forwarded-Host` say, for
    /// services that have several names. Networks such as `10.0.0.0/8`, or addresses. Default: none, and the fields are
    /// not read.
    ///
    /// Of a list the last entry counts, which the proxy itself wrote. It must set or remove both fields on every
    /// request, or a client chooses what its proof is for. What is not said, and the path of the base, stays as configured.
    /// The peer is known by its [`PeerAddress`](crate::PeerAddress).
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.proxies = proxies.into_iter().map(Into::into).collect();
        self
    }

    /// Where the address of the peer stands. Default: [`PeerAddress`](crate::PeerAddress) in the extensions; for axum
    /// see [`Mtls::peer_address`](crate::Mtls::peer_address).
    pub fn peer_address<F>(mut self, find: F) -> Self
    where
        F: Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    {
        self.address = Some(Arc::new(find));
        self
    }

    /// Where used proofs are remembered. Default: in this process, 100,000 proofs and 10,000 of one key, which is
    /// enough for one instance only: behind a load balancer a proof could be used once at each.
    pub fn replay_store(mut self, store: impl ReplayStore) -> Self {
        self.replay_store = Some(Arc::new(store));
        self
    }
}

/// Longest window for proofs that were made before, and for those of a clock that is ahead.
const MAX_PAST: Duration = Duration::from_secs(3600);
const MAX_FUTURE: Duration = Duration::from_secs(300);

impl Dpop {
    /// Every mistake in these settings.
    pub(super) fn problems(&self, server: &ResourceServerBuilder) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut add = |setting, value: &dyn fmt::Display, remedy: &str| {
            problems.push(ConfigProblem::new(setting, value, remedy));
        };
        if self.algorithms.is_empty() {
            add("dpop.algorithms", &"[]", "must name one algorithm at least");
        }
        for algorithm in self.algorithms.iter().filter(|algorithm| algorithm.is_symmetric()) {
            add("dpop.algorithms", algorithm, "proofs are signed with asymmetric keys only (RFC 9449 section 11.6)");
        }
        if self.past < Duration::from_secs(1) || self.past > MAX_PAST {
            add("dpop.window_past", &format_args!("{:?}", self.past), "must lie between 1 s and 1 h");
        }
        if self.future > MAX_FUTURE {
            add("dpop.window_future", &format_args!("{:?}", self.future), "must be 300 s at most");
        }
        if let Some(secret) = &self.nonce_secret {
            if secret.len() != 32 {
                add("dpop.nonce_secret", &"", "must be 32 random bytes");
            } else if distinct_bytes(secret) < 8 {
                add("dpop.nonce_secret", &"", "must be random; this one can be guessed");
            }
        }
        problems.extend(Proxies::problems("dpop.trusted_proxies", &self.proxies));
        let mut add = |setting, value: &dyn fmt::Display, remedy: &str| {
            problems.push(ConfigProblem::new(setting, value, remedy));
        };
        match (&self.external_base, server.external_base()) {
            (Some(base), _) => {
                if let Err(bad) = url::check_issuer(base, server.allow_http) {
                    add("external_base", &url::shown(base), bad.remedy());
                } else if Base::parse(base).is_err() {
                    add("external_base", &url::shown(base), "must be an https URL with a host name in ASCII");
                }
            }
            (None, None) if self.mode != DpopMode::Off => {
                let remedy = "must say how clients call this service, such as https://api.example.com: the audience is no URL that could";
                add("external_base", &"", remedy);
            }
            (None, _) => {}
        }
        problems
    }
}

/// Shows no secret.
impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("mode", &self.mode)
            .field("algorithms", &self.algorithms)
            .field("external_base", &self.external_base.as_deref().map(url::shown))
            .finish_non_exhaustive()
    }
}
