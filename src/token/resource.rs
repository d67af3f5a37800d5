//! The protected resource as it names itself in challenges and metadata.

use std::fmt;
use std::sync::{Arc, OnceLock};

use http::HeaderValue;

use super::authorization::AuthorizationSettings;
use super::refusal::RefusalHook;
use super::request::Scheme;
use crate::audit::AuditSink;
use crate::clock::Clock;

/// The names of one resource server; every `Claims` it verified leads back to it.
pub(crate) struct Resource {
    /// The resource identifier, else the first audience. Kept as text: RFC 9728 compares code points.
    pub(crate) identifier: String,
    /// Stands in challenges only where set by hand or where there is no metadata to point to.
    pub(crate) realm: Option<String>,
    pub(crate) realm_is_chosen: bool,
    pub(crate) metadata: Option<MetadataAddress>,
    pub(crate) authorization_servers: Vec<String>,
    pub(crate) challenge_scope: Option<String>,
    pub(crate) schemes: Schemes,
    /// Tokens that are bound to a client certificate are taken.
    pub(crate) binds_certificates: bool,
    pub(crate) refusal_body: Option<RefusalHook>,
    pub(crate) audit_sink: Option<AuditSink>,
    /// The challenges of the refusals that say the same to everybody, each made when first needed: by refusal, then
    /// by scheme.
    pub(crate) challenges: [[OnceLock<Option<HeaderValue>>; 2]; Self::ANSWERS],
    pub(crate) description: Description,
    /// A preset that forbids passing tokens on: every layer of this server removes them.
    pub(crate) strip_credentials: bool,
    /// Whether refusals of gRPC calls are written as their clients read them.
    pub(crate) grpc_refusals: bool,
    /// By which the end of a token can be waited for.
    pub(crate) clock: Arc<dyn Clock>,
    /// In seconds, on top of `exp`.
    pub(crate) leeway: u64,
    pub(crate) authorization: AuthorizationSettings,
}

/// What the metadata document says for people and clients beside the names; what is empty is left out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Description {
    pub(crate) scopes: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) documentation: Option<String>,
    /// The document stands at the root of the host as well.
    pub(crate) at_root: bool,
}

impl Resource {
    /// How many kinds of refusals there are on the wire.
    pub(crate) const ANSWERS: usize = 16;
}

/// The schemes in which tokens are taken, as challenges offer them.
#[derive(Debug, Clone)]
pub(crate) struct Schemes {
    pub(crate) bearer: bool,
    /// The algorithms of proofs where DPoP is taken, separated by spaces (RFC 9449 section 7.1).
    pub(crate) dpop: Option<Box<str>>,
}

impl Schemes {
    #[cfg(any(test, feature = "testing"))]
    pub(crate) const BEARER: Self = Schemes { bearer: true, dpop: None };

    pub(crate) fn offer(&self, scheme: Scheme) -> bool {
        match scheme {
            Scheme::Bearer => self.bearer,
            Scheme::Dpop => self.dpop.is_some(),
        }
    }
}

/// Where the protected resource metadata document stands (RFC 9728 section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetadataAddress {
    pub(crate) url: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
}

pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

impl MetadataAddress {
    /// Puts the well-known segment between host and path; a slash right after the host is dropped.
    pub(crate) fn of(resource: &str) -> Option<Self> {
        let uri: http::Uri = resource.parse().ok()?;
        let origin = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
        let path = match uri.path() {
            "/" => String::from(WELL_KNOWN),
            path => format!("{WELL_KNOWN}{path}"),
        };
        let query = uri.query().map(String::from);
        let suffix = query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        Some(MetadataAddress { url: format!("{origin}{path}{suffix}"), path, query })
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c9728_3_a_the_well_known_segment_goes_between_host_and_path() {
        let host = "https://api.example.com";
        for (path, expected) in [
            ("", "/.well-known/oauth-protected-resource"),
            ("/", "/.well-known/oauth-protected-resource"),
            ("/mcp", "/.well-known/oauth-protected-resource/mcp"),
            ("/?a=1", "/.well-known/oauth-protected-resource?a=1"),
            ("/t/", "/.well-known/oauth-protected-resource/t/"),
        ] {
            let address = MetadataAddress::of(&format!("{host}{path}")).unwrap();
            assert_eq!(address.url, format!("{host}{expected}"), "{path}");
        }
    }
}
