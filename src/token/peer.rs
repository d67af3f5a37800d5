//! Who is at the other end of a connection, as told by whoever accepted it.

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;

/// The certificate that the client showed in the TLS handshake, as a request extension.
///
/// Whoever accepts connections puts it into each request of the connection; nothing else is to be believed for it. It
/// is compared with `cnf.x5t#S256` of the token (RFC 8705 section 3), where the server was built with
/// [`mtls`](crate::ResourceServerBuilder::mtls). Chain, name and end of the certificate are not looked at: the handshake
/// has proved that the client holds its key, and the token says that no other will do.
///
/// # Example
/// With rustls, once for each connection:
/// ```
/// # use tower_bearer::PeerCertificate;
/// # fn of(chain: Option<&[Vec<u8>]>) -> Option<PeerCertificate> {
/// // chain: what `connection.peer_certificates()` gives; the first one is the client's own.
/// let certificate = chain?.first()?;
/// Some(PeerCertificate::from_der(certificate.clone()))
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate(Bytes);

impl PeerCertificate {
    /// The client's own certificate in DER, not its chain.
    pub fn from_der(der: impl Into<Bytes>) -> Self {
        PeerCertificate(der.into())
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.0
    }
}

/// A certificate is personal data: `Debug` tells its length only.
impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerCertificate({} bytes)", self.0.len())
    }
}

/// The address of whoever opened the connection, as a request extension: by it a proxy is known again.
///
/// An IPv4 address may stand in its IPv6 form, as dual-stack sockets give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);
