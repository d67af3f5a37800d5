//! The story of a request, without any framework.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderValue, Request};

use crate::clock::{Clock, Now};
use crate::remote::last_good::KeyWatch;
use crate::server::builder::ResourceServerBuilder;
use crate::server::first_use::FirstUse;
use crate::server::issuer::Issuer;
use crate::server::judgement::{Admitted, Glance, Held, Recalled, Verdict};
use crate::server::mtls::{Certificates, Shown};
use crate::server::proofs::Proofs;
use crate::server::verifier::Verifier;
use crate::store::token_cache::TokenCache;
use crate::telemetry::{self, Decision};
use crate::token::claims::Claims;
use crate::token::error::AuthError;
use crate::token::request::{Credentials, Head, ResourceRequest, Scheme, unread_token};
use crate::token::resource::Resource;

/// An OAuth 2.0 resource server: it knows which resource it is and which issuers it trusts, and turns
/// access tokens into verified [`Claims`].
///
/// Cheap to clone; all clones share keys and cache. [`AuthLayer`](crate::AuthLayer) puts it in front of a
/// service. It does not issue tokens, log users in, or decide what a caller may do.
///
/// # Example
/// ```
/// # use tower_bearer::{AuthLayer, ResourceServer};
/// let server = ResourceServer::builder("https://api.example.com", "https://as.example.com").build()?;
/// let layer = AuthLayer::new(server);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ResourceServer {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) resource: Arc<Resource>,
    pub(crate) verifier: Verifier,
    pub(crate) cache: TokenCache,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leeway: u64,
    /// Where DPoP is taken.
    pub(crate) proofs: Option<Proofs>,
    pub(crate) certificates: Option<Certificates>,
    pub(crate) key_watch: KeyWatch,
}

/// The result at once, or the wait for it.
pub(crate) enum Progress {
    Done(Result<Admitted, AuthError>),
    Waiting(Later),
}

pub(crate) type Later = Pin<Box<dyn Future<Output = Result<Admitted, AuthError>> + Send>>;

impl ResourceServer {
    /// Starts a configuration from the two things that have no default: *which resource am I* and *whom
    /// do I trust*.
    ///
    /// `audience` is the exact string that tokens for this service carry in `aud`. Where it is an https URL
    /// it is the resource identifier as well (RFC 9728), and challenges point to the metadata document.
    pub fn builder(audience: impl Into<String>, issuer: impl Into<Issuer>) -> ResourceServerBuilder {
        ResourceServerBuilder::new(audience.into(), issuer.into())
    }

    pub(crate) fn from_inner(inner: Inner) -> Self {
        ResourceServer { inner: Arc::new(inner) }
    }

    /// Removes what a client says of its certificate by itself.
    #[inline]
    pub(crate) fn remove_untrusted<Q>(&self, request: &mut Request<Q>) {
        if let Some(certificates) = &self.inner.certificates {
            certificates.remove_untrusted(request);
        }
    }

    pub(crate) fn resource(&self) -> &Arc<Resource> {
        &self.inner.resource
    }

    /// Verifies the token of a request: issuer, audience, signature, times, type and binding (RFC 9068
    /// section 4). Does not look at scopes; see [`RequireScope`](crate::RequireScope).
    ///
    /// Writes one audit event. Needs a tokio runtime where keys have to be fetched. A DPoP proof is used up by it; the
    /// nonce that a client must use next stands in the error ([`AuthError::dpop_nonce`]).
    ///
    /// # Errors
    /// [`AuthError`]: the token is absent or bad, or could not be judged
    /// ([`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable)).
    pub async fn authenticate(&self, request: ResourceRequest<'_>) -> Result<Claims, AuthError> {
        let admitted = match self.begin(request, None) {
            Progress::Done(result) => result,
            Progress::Waiting(later) => later.await,
        };
        admitted.map(|admitted| admitted.claims)
    }

    /// What the credentials of a request are worth here: those of a scheme that is not taken, nothing.
    pub(crate) fn take<'a>(
        &self,
        read: Result<ResourceRequest<'a>, AuthError>,
    ) -> Result<ResourceRequest<'a>, AuthError> {
        self.inner.take(read)
    }

    /// Looks at the token where it stands, before anything is read: enough to know it again.
    #[inline]
    pub(crate) fn glance(&self, authorization: &HeaderValue) -> Option<Glance> {
        let token = unread_token(authorization).filter(|_| self.inner.resource.schemes.bearer)?;
        self.inner.glance(token, true).ok()
    }

    /// True if this server made these claims from this very token with this very proof.
    pub(crate) fn has_proven(&self, claims: &Claims, mark: u128, request: &ResourceRequest<'_>) -> bool {
        let Credentials::Dpop { token, proof, .. } = request.credentials() else { return false };
        let wall = Now::read(&*self.inner.clock).wall;
        mark == self.inner.mark(token, proof)
            && Arc::ptr_eq(&claims.set().resource, &self.inner.resource)
            && claims.lasting().key_is_believed(wall)
            && self.inner.is_in_time(claims, wall).is_ok()
    }

    /// True if this server made these claims from this very token, so that a nested layer need not again.
    /// They may have been kept since an earlier request, so what time can change is judged all the same.
    pub(crate) fn has_verified(&self, claims: &Claims, glance: &Glance) -> bool {
        let (set, wall) = (claims.set(), glance.now.wall);
        Arc::ptr_eq(&set.resource, &self.inner.resource)
            && glance.digest.is_some()
            && glance.digest == set.digest
            && claims.lasting().key_is_believed(wall)
            && self.inner.still_holds(claims, wall, || Shown::NoSource).is_ok()
    }

    /// The result for a Bearer token that was verified before; none for any other.
    #[inline]
    pub(crate) fn recall<'a>(
        &self,
        glance: &Glance,
        head: impl FnOnce() -> Head<'a>,
    ) -> Option<Result<Claims, AuthError>> {
        let Recalled { claims, holds } = self.inner.recall(glance, head)?;
        if let Err(reason) = holds {
            let refused = Verdict { claims, holds: Err(reason.into()) };
            let admitted = self.inner.conclude(Ok(refused), Some(Scheme::Bearer));
            return Some(admitted.map(|admitted| admitted.claims));
        }
        telemetry::decided(Decision::Authenticated, Some(claims.set()), Some(&self.inner.resource));
        Some(Ok(claims))
    }

    /// Judges what can be judged now; only what must be fetched is left to a future. A glance was in vain.
    pub(crate) fn begin(&self, request: ResourceRequest<'_>, glance: Option<Glance>) -> Progress {
        let inner = &self.inner;
        let scheme = request.scheme();
        match inner.judge(request, glance) {
            Ok(verdict) => match inner.first_use(verdict) {
                FirstUse::Known(verdict) => Progress::Done(inner.conclude(Ok(verdict), scheme)),
                FirstUse::Asked(later) => {
                    let inner = inner.clone();
                    Progress::Waiting(Box::pin(async move { inner.conclude(Ok(later.await), scheme) }))
                }
            },
            Err(Held::Refused(error)) => Progress::Done(inner.conclude(Err(error), scheme)),
            Err(Held::Waits(wait)) => {
                let inner = inner.clone();
                Progress::Waiting(Box::pin(async move {
                    let result = inner.verify_later(wait).await;
                    inner.conclude(result, scheme)
                }))
            }
        }
    }
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServer").field("resource", &self.inner.resource.identifier).finish_non_exhaustive()
    }
}
