//! Where client certificates come from (RFC 8705): the TLS layer of this process, or a proxy in front of it (RFC 9440).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{Extensions, HeaderName, Request};

use super::proxies::{FindAddress, Proxies};
use crate::error::ConfigProblem;
use crate::token::claims::ClaimSet;
use crate::token::error::Reason;
use crate::token::peer::PeerCertificate;
use crate::token::request::Head;
use crate::verify::certificate;

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");

/// How a server takes tokens that are bound to a client certificate (RFC 8705 section 3); for
/// [`ResourceServerBuilder::mtls`](crate::ResourceServerBuilder::mtls).
///
/// By itself, the certificate is the [`PeerCertificate`] that whoever accepts TLS connections puts into the extensions of
/// each request. Behind a proxy that ends TLS, it is a field that this proxy sets: see
/// [`trusted_proxies`](Mtls::trusted_proxies).
///
/// Without this, a token that is bound to a certificate is refused. A token that is not bound needs no certificate either
/// way. Who issued the certificate and when it ends is the TLS layer's question, not asked here.
///
/// # Example
/// ```
/// # use tower_bearer::{Mtls, ResourceServer};
/// let server = ResourceServer::builder("https://api.example.com", "https://as.example.com")
///     .mtls(Mtls::new().trusted_proxies(["10.0.0.0/8"]))
///     .build()?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Mtls {
    header: Option<String>,
    proxies: Vec<String>,
    address: Option<FindAddress>,
}

impl Mtls {
    /// Certificates of TLS connections that end in this process.
    pub fn new() -> Self {
        Mtls::default()
    }

    /// From these proxies, the certificate is what the field `Client-Cert` holds (RFC 9440). Networks such as
    /// `10.0.0.0/8`, or addresses. Default: none.
    ///
    /// The field of anybody else is not believed and never reaches the inner service. A proxy must set it or remove it
    /// on every request, and must be the only way in. The certificate of a proxy's own connection counts for no token.
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.proxies = proxies.into_iter().map(Into::into).collect();
        self
    }

    /// Another name of that field. Default `Client-Cert`.
    ///
    /// It holds `:base64:` as RFC 9440 has it, or percent-encoded PEM as nginx writes `$ssl_client_escaped_cert`.
    pub fn client_cert_header(mut self, name: impl Into<String>) -> Self {
        self.header = Some(name.into());
        self
    }

    /// Where the address of the peer stands. Default: [`PeerAddress`](crate::PeerAddress) in the extensions.
    ///
    /// # Example
    /// With axum's `into_make_service_with_connect_info::<SocketAddr>()`:
    /// ```
    /// # use std::net::SocketAddr;
    /// # use tower_bearer::Mtls;
    /// use axum::extract::ConnectInfo;
    /// let mtls = Mtls::new()
    ///     .trusted_proxies(["127.0.0.1"])
    ///     .peer_address(|extensions| extensions.get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip()));
    /// ```
    pub fn peer_address<F>(mut self, find: F) -> Self
    where
        F: Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    {
        self.address = Some(Arc::new(find));
        self
    }

    /// Every mistake in these settings.
    pub(super) fn problems(&self) -> Vec<ConfigProblem> {
        let mut problems: Vec<_> = Proxies::problems("mtls.trusted_proxies", &self.proxies).collect();
        if let Some(header) = &self.header {
            if header.parse::<HeaderName>().is_err() {
                let remedy = "must be the name of a header field, such as Client-Cert";
                problems.push(ConfigProblem::new("mtls.client_cert_header", header, remedy));
            }
            if self.proxies.is_empty() {
                let remedy = "needs `trusted_proxies`: from anybody else the field is not believed";
                problems.push(ConfigProblem::new("mtls.client_cert_header", header, remedy));
            }
        }
        problems
    }

    /// The settings, prepared.
    pub(super) fn prepare(&self) -> Certificates {
        Certificates {
            header: self.header.as_ref().and_then(|name| name.parse().ok()).unwrap_or(CLIENT_CERT),
            proxies: Proxies::new(&self.proxies, self.address.as_ref()),
        }
    }
}

impl fmt::Debug for Mtls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mtls").field("header", &self.header).field("proxies", &self.proxies).finish_non_exhaustive()
    }
}

/// Finds the certificate of a request.
pub(crate) struct Certificates {
    header: HeaderName,
    proxies: Proxies,
}

/// The certificate of a request, as far as a token may ask for it.
#[derive(Debug, Clone)]
pub(crate) enum Shown {
    /// None can be had here.
    NoSource,
    /// None that could be read.
    Nothing,
    Certificate(PeerCertificate),
}

impl Certificates {
    pub(super) fn of(&self, head: Head<'_>) -> Shown {
        let found = if self.proxies.sent(head.extensions) {
            let mut fields = head.headers.get_all(&self.header).iter();
            match (fields.next(), fields.next()) {
                (Some(field), None) => certificate::read_field(field.as_bytes()).map(PeerCertificate::from_der),
                _ => None,
            }
        } else {
            head.extensions.get::<PeerCertificate>().cloned()
        };
        found.map_or(Shown::Nothing, Shown::Certificate)
    }

    /// Removes what a client says of its certificate by itself, in either spelling of the name.
    pub(crate) fn remove_untrusted<Q>(&self, request: &mut Request<Q>) {
        if self.proxies.sent(request.extensions()) {
            return;
        }
        let headers = request.headers_mut();
        let claims = |name: &&HeaderName| {
            let plain = name.as_str().replace('_', "-");
            plain == self.header.as_str().replace('_', "-")
                || matches!(plain.as_str(), "client-cert" | "client-cert-chain")
        };
        let names: Vec<HeaderName> = headers.keys().filter(claims).cloned().collect();
        names.iter().for_each(|name| drop(headers.remove(name)));
    }
}

/// The binding of a token to a certificate (RFC 8705 section 3). Others are not looked at.
pub(super) fn check_certificate(set: &ClaimSet, shown: &Shown) -> Result<(), Reason> {
    let wanted = set.confirmation.as_ref().and_then(|confirmation| confirmation.certificate_sha256.as_deref());
    match (wanted, shown) {
        (None, _) => Ok(()),
        (Some(_), Shown::NoSource) => Err(Reason::CertificateBound),
        (Some(wanted), Shown::Certificate(shown)) if certificate::thumbprint(shown.der()) == wanted => Ok(()),
        (Some(_), _) => Err(Reason::CertificateMismatch),
    }
}
