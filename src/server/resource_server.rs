//! The story of a request, without any framework.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderValue;

use crate::clock::Clock;
use crate::remote::last_good::KeyWatch;
use crate::server::builder::ResourceServerBuilder;
use crate::server::issuer::Issuer;
use crate::server::judgement::{Glance, Held};
use crate::server::verifier::Verifier;
use crate::store::token_cache::TokenCache;
use crate::telemetry::{self, Decision};
use crate::token::claims::Claims;
use crate::token::error::AuthError;
use crate::token::request::{ResourceRequest, unread_token};
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
    pub(super) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) resource: Arc<Resource>,
    pub(crate) verifier: Verifier,
    pub(crate) cache: TokenCache,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leeway: u64,
    pub(crate) key_watch: KeyWatch,
}

/// The result at once, or the wait for it.
pub(crate) enum Progress {
    Done(Result<Claims, AuthError>),
    Waiting(Later),
}

pub(crate) type Later = Pin<Box<dyn Future<Output = Result<Claims, AuthError>> + Send>>;

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

    pub(crate) fn resource(&self) -> &Arc<Resource> {
        &self.inner.resource
    }

    /// Verifies the token of a request: issuer, audience, signature, times, type and binding (RFC 9068
    /// section 4). Does not look at scopes; see [`RequireScope`](crate::RequireScope).
    ///
    /// Writes one audit event. Needs a tokio runtime where keys have to be fetched.
    ///
    /// # Errors
    /// [`AuthError`]: the token is absent or bad, or could not be judged
    /// ([`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable)).
    pub async fn authenticate(&self, request: ResourceRequest<'_>) -> Result<Claims, AuthError> {
        match self.begin(request, None) {
            Progress::Done(result) => result,
            Progress::Waiting(later) => later.await,
        }
    }

    /// Looks at the token where it stands, before anything is read: enough to know it again.
    #[inline]
    pub(crate) fn glance(&self, authorization: &HeaderValue) -> Option<Glance> {
        self.inner.glance(unread_token(authorization)?, true).ok()
    }

    /// True if this server made these claims from this very token, so that a nested layer need not again.
    /// They may have been kept since an earlier request, so what time can change is judged all the same.
    pub(crate) fn has_verified(&self, claims: &Claims, glance: &Glance) -> bool {
        let (set, wall) = (claims.set(), glance.now.wall);
        Arc::ptr_eq(&set.resource, &self.inner.resource)
            && glance.digest.is_some()
            && glance.digest == set.digest
            && claims.lasting().key_is_believed(wall)
            && self.inner.still_holds(claims, wall).is_ok()
    }

    /// The result for a token that was verified before; none for any other.
    #[inline]
    pub(crate) fn recall(&self, glance: &Glance) -> Option<Result<Claims, AuthError>> {
        let verdict = self.inner.recall(glance)?;
        if verdict.holds.is_err() {
            return Some(self.inner.conclude(Ok(verdict)));
        }
        telemetry::decided(Decision::Authenticated, Some(verdict.claims.set()), Some(&self.inner.resource));
        Some(Ok(verdict.claims))
    }

    /// Judges what can be judged now; only what must be fetched is left to a future. A glance was in vain.
    pub(crate) fn begin(&self, request: ResourceRequest<'_>, glance: Option<Glance>) -> Progress {
        let inner = &self.inner;
        match inner.judge(request, glance) {
            Ok(verdict) => Progress::Done(inner.conclude(Ok(verdict))),
            Err(Held::Refused(error)) => Progress::Done(inner.conclude(Err(error))),
            Err(Held::Waits(wait)) => {
                let inner = inner.clone();
                Progress::Waiting(Box::pin(async move {
                    let result = inner.verify_later(wait).await;
                    inner.conclude(result)
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
