//! How an issuer is asked about tokens: the settings.

use std::fmt;
use std::time::Duration;

use crate::verify::algorithm::Algorithm;

/// Which tokens an issuer is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Introspect {
    /// Tokens that are no signed JWT: opaque ones, and encrypted ones that only the issuer can read. JWTs are verified
    /// here, without a call.
    #[default]
    Opaque,
    /// JWTs only, after they were verified here: so that several issuers can be asked, of whom one at most takes opaque
    /// tokens.
    Jwt,
    /// Both.
    All,
}

/// Asks an issuer about its tokens (RFC 7662): for opaque tokens, and for JWTs that the issuer may revoke.
///
/// Given to [`Issuer::introspection`](crate::Issuer::introspection). Setters cannot fail: a mistake is kept and reported
/// by [`build`](crate::ResourceServerBuilder::build).
///
/// What the issuer answers is judged as the claims of a JWT are: `exp`, `nbf`, `iat`, `iss`, `aud`, `scope`, `cnf`. It
/// need not hold `sub`, `client_id`, `iat`, `jti` or even `exp`, which RFC 7662 leaves to the issuer. The claims are the
/// same [`Claims`](crate::Claims).
///
/// An issuer that cannot be asked is an outage: 503, never a refusal and never a pass. A call has 3 s, the wait for its
/// turn included, and its answer 256 KiB; redirects are not followed. One token causes one call at a time, however many
/// requests bring it.
///
/// # Example
/// ```
/// # use tower_bearer::{Introspection, Issuer, ResourceServer};
/// # use std::time::Duration;
/// let issuer = Issuer::new("https://as.example.com").introspection(
///     Introspection::new("orders-api").client_secret("hunter2-hunter2").cache_ttl(Duration::from_secs(30)),
/// );
/// let server = ResourceServer::builder("https://api.example.com", issuer).build()?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Introspection {
    pub(super) client_id: String,
    pub(super) credentials: Credentials,
    pub(super) key_algorithm: Option<Algorithm>,
    pub(super) key_id: Option<String>,
    pub(super) legacy_audience: Option<String>,
    pub(super) legacy_typ: bool,
    pub(super) endpoint: Option<String>,
    pub(super) use_for: Introspect,
    pub(super) recheck: Option<Duration>,
    pub(super) cache_ttl: Duration,
    pub(super) signed: bool,
    pub(super) signed_algorithm: Option<Algorithm>,
    pub(super) audience_may_be_missing: bool,
    pub(super) max_in_flight: usize,
}

#[derive(Clone)]
pub(super) enum Credentials {
    None,
    Basic(String),
    Post(String),
    Key(Vec<u8>),
}

impl Introspection {
    /// Asks as this client of the issuer, who wants to know whom it tells of tokens (RFC 7662 section 2.1). It needs one
    /// of [`client_secret`](Self::client_secret), [`client_secret_post`](Self::client_secret_post) and
    /// [`private_key`](Self::private_key).
    pub fn new(client_id: impl Into<String>) -> Self {
        Introspection {
            client_id: client_id.into(),
            credentials: Credentials::None,
            key_algorithm: None,
            key_id: None,
            legacy_audience: None,
            legacy_typ: false,
            endpoint: None,
            use_for: Introspect::default(),
            recheck: None,
            cache_ttl: Duration::ZERO,
            signed: false,
            signed_algorithm: None,
            audience_may_be_missing: false,
            max_in_flight: 64,
        }
    }

    /// Authenticates with a secret in the `Authorization` field (`client_secret_basic`), which every server must take
    /// (RFC 6749 section 2.3.1).
    pub fn client_secret(self, secret: impl Into<String>) -> Self {
        Introspection { credentials: Credentials::Basic(secret.into()), ..self }
    }

    /// Authenticates with a secret in the form (`client_secret_post`), for servers that take no other way.
    pub fn client_secret_post(self, secret: impl Into<String>) -> Self {
        Introspection { credentials: Credentials::Post(secret.into()), ..self }
    }

    /// Authenticates with an assertion signed by this key (`private_key_jwt`, RFC 7523): no secret travels. The key is
    /// PEM (PKCS #8, PKCS #1, SEC 1) or a JWK, RSA, P-256 or Ed25519. Each call has an assertion of its own, which lives
    /// 60 s.
    pub fn private_key(self, key: impl AsRef<[u8]>) -> Self {
        Introspection { credentials: Credentials::Key(key.as_ref().to_vec()), ..self }
    }

    /// The algorithm of the assertion: RS256, PS256, ES256 or EdDSA. Default: the `alg` of the JWK, else RS256, ES256 or
    /// EdDSA by the kind of key.
    pub fn private_key_algorithm(self, algorithm: Algorithm) -> Self {
        Introspection { key_algorithm: Some(algorithm), ..self }
    }

    /// The `kid` of the assertion, where the issuer knows several keys of this client. Default: that of the JWK, else
    /// none.
    pub fn private_key_id(self, kid: impl Into<String>) -> Self {
        Introspection { key_id: Some(kid.into()), ..self }
    }

    /// The audience of the assertion, for servers that want the address of an endpoint there. Default: the issuer
    /// identifier, so that no other server can use the assertion (RFC 7523bis).
    pub fn legacy_audience(self, url: impl Into<String>) -> Self {
        Introspection { legacy_audience: Some(url.into()), ..self }
    }

    /// The assertion's `typ` is `JWT`, for servers that do not know `client-authentication+jwt` (RFC 7523bis) yet.
    pub fn legacy_typ(self) -> Self {
        Introspection { legacy_typ: true, ..self }
    }

    /// Where to ask. Default: the `introspection_endpoint` of the issuer's metadata, which must be on the issuer's own
    /// host; one on another host has to be named here, as credentials are sent there.
    pub fn endpoint(self, url: impl Into<String>) -> Self {
        Introspection { endpoint: Some(url.into()), ..self }
    }

    /// Which tokens to ask about. Default [`Introspect::Opaque`]: a JWT that is verified here needs no call. With
    /// [`Introspect::All`] each JWT is verified here first, which keeps bad ones from the issuer, and then asked about;
    /// such tokens are not kept in the cache of verified tokens.
    pub fn use_for(self, tokens: Introspect) -> Self {
        Introspection { use_for: tokens, ..self }
    }

    /// Verifies each JWT here each time and asks the issuer about it this often, so that a revocation is noticed within
    /// this time without a call per request. From 1 s to 24 h. Where the issuer cannot be asked when it is time to, the
    /// answer is 503: a token that may have been revoked does not pass. Default: JWTs are not asked about.
    pub fn recheck(self, interval: Duration) -> Self {
        Introspection { recheck: Some(interval), ..self }
    }

    /// How long an answer is believed, never beyond the token's `exp`; a bad one 5 s at most. Default zero: the issuer is
    /// asked each time, so that a revocation holds at once. 5 min at most.
    pub fn cache_ttl(self, ttl: Duration) -> Self {
        Introspection { cache_ttl: ttl, ..self }
    }

    /// Asks for signed answers (RFC 9701) and takes no others. They are verified with the issuer's keys, and must be
    /// signed with [`signed_response_algorithm`](Self::signed_response_algorithm). Default: plain JSON, protected by TLS.
    pub fn signed_response(self) -> Self {
        Introspection { signed: true, ..self }
    }

    /// The algorithm that answers are signed with. Default: the issuer's [`algorithms`](crate::Issuer::algorithms) where
    /// they were set, else RS256, as RFC 9701 section 6 has it. Encrypted answers are not taken.
    pub fn signed_response_algorithm(self, algorithm: Algorithm) -> Self {
        Introspection { signed_algorithm: Some(algorithm), ..self }
    }

    /// Accepts tokens whose answer names no audience. Default: they are refused, because a token that was meant for
    /// another service would pass (RFC 9700 section 2.3). An audience that is named must be ours in any case.
    pub fn allow_missing_audience(self) -> Self {
        Introspection { audience_may_be_missing: true, ..self }
    }

    /// How many calls may be under way at once; 1,024 more wait for their turn, and beyond them the answer is 503 at
    /// once. Default 64: a slow issuer is not buried. From 1 to 1,024.
    pub fn max_in_flight(self, calls: usize) -> Self {
        Introspection { max_in_flight: calls, ..self }
    }

    pub(super) fn takes_opaque(&self) -> bool {
        self.use_for != Introspect::Jwt
    }

    /// Opaque tokens are taken, and no key is needed to read the answers.
    pub(super) fn needs_no_keys(&self) -> bool {
        self.takes_opaque() && !self.signed
    }

    /// How long an answer about a JWT is believed; none where JWTs are not asked about.
    pub(super) fn jwt_life(&self) -> Option<Duration> {
        self.recheck.or((self.use_for != Introspect::Opaque).then_some(self.cache_ttl))
    }
}

/// Shows no secret.
impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("client_id", &self.client_id)
            .field("use_for", &self.use_for)
            .finish_non_exhaustive()
    }
}
