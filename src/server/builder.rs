//! The configuration of a resource server, checked as a whole.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

use crate::audit::AuditSink;
use crate::clock::{Clock, SystemClock};
use crate::remote::http_client::HttpClient;
use crate::remote::url;
use crate::server::dpop::Dpop;
use crate::server::issuer::Issuer;
use crate::server::mtls::Mtls;
use crate::server::resource_server::ResourceServer;
use crate::token::authorization::AuthorizationSettings;
use crate::token::refusal::{Refusal, RefusalHook};
use crate::token::resource::Description;
use crate::verify::role_map::RoleMap;

/// Configures a [`ResourceServer`](crate::ResourceServer); begins with [`ResourceServer::builder`](crate::ResourceServer::builder).
///
/// Setters cannot fail; [`build`](ResourceServerBuilder::build) reports every mistake at once.
#[must_use]
pub struct ResourceServerBuilder {
    pub(super) audiences: Vec<String>,
    pub(super) issuers: Vec<Issuer>,
    pub(super) resource: Option<String>,
    pub(super) realm: Option<String>,
    pub(super) challenge_scope: Vec<String>,
    pub(super) leeway: Duration,
    pub(super) max_token_lifetime: Option<Duration>,
    pub(super) cache_bytes: u64,
    pub(super) cache_ttl: Duration,
    pub(super) dpop: Option<Dpop>,
    pub(super) mtls: Option<Mtls>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) http_client: Option<Arc<dyn HttpClient>>,
    pub(super) refusal_body: Option<RefusalHook>,
    pub(super) audit_sink: Option<AuditSink>,
    pub(super) roles: RoleMap,
    pub(super) authorization: AuthorizationSettings,
    pub(super) allow_http: bool,
    pub(super) public_only: bool,
    pub(super) any_audience: bool,
    pub(super) description: Description,
    pub(super) mcp: bool,
    pub(super) grpc_refusals: bool,
    pub(super) before: Option<ResourceServer>,
}

impl ResourceServerBuilder {
    pub(crate) fn new(audience: String, issuer: Issuer) -> Self {
        ResourceServerBuilder {
            audiences: vec![audience],
            issuers: vec![issuer],
            resource: None,
            realm: None,
            challenge_scope: Vec::new(),
            leeway: Duration::from_secs(30),
            max_token_lifetime: None,
            cache_bytes: 32 * 1024 * 1024,
            cache_ttl: Duration::from_secs(300),
            dpop: None,
            mtls: None,
            clock: Arc::new(SystemClock::new()),
            http_client: None,
            refusal_body: None,
            audit_sink: None,
            roles: RoleMap::new(),
            authorization: AuthorizationSettings::default(),
            allow_http: false,
            public_only: false,
            any_audience: false,
            description: Description::default(),
            mcp: false,
            grpc_refusals: true,
            before: None,
        }
    }

    /// A further audience: a token for any of them passes. Compared byte for byte (RFC 8707 section 2).
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// A further trusted issuer. Its keys verify its own tokens only.
    pub fn issuer(mut self, issuer: impl Into<Issuer>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// The resource identifier (RFC 9728 section 1.2), where it is not the audience: an https URL without
    /// fragment. It stands in the metadata document exactly as given here.
    pub fn resource(mut self, identifier: impl Into<String>) -> Self {
        self.resource = Some(identifier.into());
        self
    }

    /// In a file the resource may also be a plain audience, which is no resource identifier.
    #[cfg(feature = "config")]
    pub(crate) fn resource_if_url(self, identifier: String) -> Self {
        if identifier.contains("://") { self.resource(identifier) } else { self }
    }

    /// The `realm` of every challenge. Default: none where the challenge points to the metadata document,
    /// else the resource or audience, because a Bearer challenge must not be bare (RFC 6750 section 3).
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// The scopes that a challenge names when no token was sent, so that a client knows what to ask for.
    /// Default: none.
    pub fn challenge_scope(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.challenge_scope = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// How far the issuer's clock and ours may differ, added to `exp` and `nbf`. Default 30 s, 300 s at most.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Refuses tokens that live longer than this (`exp - iat`). Default: no limit, as no standard sets one.
    pub fn max_token_lifetime(mut self, limit: Duration) -> Self {
        self.max_token_lifetime = Some(limit);
        self
    }

    /// The memory for verified tokens in bytes; 0 turns the cache off. Default 32 MiB, some 20,000 tokens.
    /// Each hit judges times, key and binding again, so the cache changes no verdict.
    pub fn token_cache(mut self, max_bytes: u64) -> Self {
        self.cache_bytes = max_bytes;
        self
    }

    /// How long a token is believed before its signature is checked again. Default 5 min, an hour at most; never
    /// beyond `exp`.
    pub fn token_cache_ttl(mut self, ttl: Duration) -> Self {
        self.cache_ttl = ttl;
        self
    }

    /// How tokens that are bound to a key are taken (DPoP, RFC 9449). Default: [`Dpop::accept`] where the resource
    /// identifier or an audience is an https (or loopback) URL; else [`Dpop::off`], because nothing then says which URI
    /// a proof must be made for, and an event on `tower_bearer::wiring` says so.
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.dpop = Some(dpop);
        self
    }

    /// Takes tokens that are bound to a client certificate (RFC 8705), with the certificate of the connection. Default:
    /// such tokens are refused, because nothing says where a certificate is to be had.
    ///
    /// The metadata document then says so (`tls_client_certificate_bound_access_tokens`).
    pub fn mtls(mut self, mtls: Mtls) -> Self {
        self.mtls = Some(mtls);
        self
    }

    /// Starts with the keys of a server that is running, for a configuration that follows another one: issuers that
    /// stand in both, and publish their keys at the same place under the same `ca_pem`, keep them with their age, and
    /// what was [forgotten](crate::ResourceServer::forget_key) stays so. No request has to wait because of the change.
    /// They are fetched anew all the same, soon after. Proofs that were used there are remembered, unless a store of
    /// one's own is given, and time is told by its clock.
    pub fn keys_from(self, server: &ResourceServer) -> Self {
        ResourceServerBuilder { clock: server.inner.clock.clone(), before: Some(server.clone()), ..self }
    }

    /// Another source of time, for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Another client for discovery and keys; the default needs the feature `reqwest`.
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.http_client = Some(Arc::new(client));
        self
    }

    /// Connects to addresses of the public internet only when it fetches metadata and keys: private, loopback,
    /// link-local, shared (100.64.0.0/10), multicast, reserved and documentation ranges are refused, a cloud's metadata
    /// service among them, and IPv6 addresses that stand for IPv4 ones. What counts is the address that the connection
    /// is made to, after DNS.
    ///
    /// Turn it on where an issuer's metadata is not wholly yours: it names the address of the keys, and whoever writes
    /// it could otherwise have this service call what only this service can reach (SSRF). Off by default, because
    /// issuers on loopback and in one's own network are common. An IPv6-only machine behind NAT64 cannot reach issuers
    /// on IPv4 with it. It is the default client's: with [`http_client`](Self::http_client) it is a mistake.
    pub fn block_private_addresses(mut self) -> Self {
        self.public_only = true;
        self
    }

    /// One's own body for refusals: its content type and its bytes, nothing else. Status and challenge
    /// stay as they are. Default: RFC 9457 `application/problem+json`.
    pub fn refusal_body<F>(mut self, body: F) -> Self
    where
        F: Fn(&Refusal<'_>) -> (HeaderValue, Bytes) + Send + Sync + 'static,
    {
        self.refusal_body = Some(Arc::new(body));
        self
    }

    /// Answers gRPC calls as all other requests: by HTTP status. Default: a call that is refused is answered as gRPC
    /// clients read it, with status 200 and the refusal in `grpc-status`.
    ///
    /// For services whose answer lets another request pass (`auth_request` of nginx, forward-auth, `ext_authz`), which
    /// look at the HTTP status: a caller who writes `content-type: application/grpc` must not turn a refusal into a 200.
    pub fn without_grpc_refusals(mut self) -> Self {
        self.grpc_refusals = false;
        self
    }

    /// Sends every decision to this sink as well, beside the events on `tracing`. Never blocks a request.
    pub fn audit_sink(mut self, sink: AuditSink) -> Self {
        self.audit_sink = Some(sink);
        self
    }

    /// Accepts http for issuers and key sets that are not on loopback. Whoever is on the way can then
    /// replace the keys and so forge any token.
    pub fn danger_allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// Accepts tokens for any audience. Every other service of the same issuer can then replay the tokens
    /// it received here (RFC 8725 section 3.9).
    pub fn danger_accept_any_audience(mut self) -> Self {
        self.any_audience = true;
        self
    }
}

impl fmt::Debug for ResourceServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServerBuilder")
            .field("audiences", &self.audiences.iter().map(|audience| url::shown(audience)).collect::<Vec<_>>())
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}
