//! The story of a request, without any framework.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderValue;

use crate::clock::{Clock, Now};
use crate::meters::{self, Stopwatch};
use crate::remote::last_good::KeyWatch;
use crate::remote::refresh::Why;
use crate::remote::snapshot::Refreshed;
use crate::server::builder::ResourceServerBuilder;
use crate::server::issuer::Issuer;
use crate::server::verifier::{Round, Stuck, Verifier};
use crate::store::token_cache::{Entry, Remembered, TokenCache};
use crate::telemetry::{self, Decision};
use crate::token::access_token::AccessToken;
use crate::token::claims::{ClaimSet, Claims, Lasting};
use crate::token::error::{AuthError, Reason};
use crate::token::request::{MAX_TOKEN, ResourceRequest, Scheme, unread_token};
use crate::token::resource::Resource;
use crate::verify::times::Times;

/// A clock before this moment (2026-01-01) was never set: tokens cannot be judged by it.
const EARLIEST: u64 = 1_767_225_600;

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

/// What a token is known by, and when it was looked at. Without a cache it need not be known before it is verified.
pub(crate) struct Glance {
    digest: Option<u128>,
    now: Now,
}

/// A verified token, and whether it may be used as it was presented, now.
struct Verdict {
    claims: Claims,
    holds: Result<(), Reason>,
}

/// Why a request has no verdict yet.
enum Held {
    Refused(AuthError),
    Waits(Wait),
}

impl<E: Into<AuthError>> From<E> for Held {
    fn from(error: E) -> Self {
        Held::Refused(error.into())
    }
}

/// A token whose issuer's keys must be fetched first.
struct Wait {
    token: AccessToken,
    digest: Option<u128>,
    issuer: Arc<str>,
    why: Why,
}

impl Inner {
    /// Tells of the decision, once.
    fn conclude(&self, judged: Result<Verdict, AuthError>) -> Result<Claims, AuthError> {
        let (claims, result) = match judged {
            Ok(Verdict { claims, holds }) => (Some(claims), holds.map_err(AuthError::from)),
            Err(error) => (None, Err(error)),
        };
        let decision = result.as_ref().map_or_else(Decision::Refused, |()| Decision::Authenticated);
        telemetry::decided(decision, claims.as_ref().map(Claims::set), Some(&self.resource));
        result.and_then(|()| claims.ok_or_else(|| Reason::MissingToken.into()))
    }

    fn judge(&self, request: ResourceRequest<'_>, glance: Option<Glance>) -> Result<Verdict, Held> {
        let token = request.token().ok_or(Reason::MissingToken)?;
        let glance = match glance {
            Some(in_vain) => in_vain,
            None => {
                let glance = self.glance(token.as_bytes(), self.cache.is_on())?;
                if let Some(verdict) = self.recall(&glance) {
                    return Ok(verdict);
                }
                glance
            }
        };
        meters::cache_lookup(false);
        self.verify_now(token, glance)
    }

    fn verify_now(&self, token: &str, glance: Glance) -> Result<Verdict, Held> {
        let Glance { digest, now } = glance;
        let watch = Stopwatch::start();
        let verdict = self.verifier.verify(token, now, Round::First);
        watch.verified();
        match verdict {
            Ok(set) => Ok(self.admit(token, digest, set, now)),
            Err(Stuck::Refused(error)) => Err(error.into()),
            Err(Stuck::Waits { issuer, why }) => {
                Err(Held::Waits(Wait { token: AccessToken::new(token), digest, issuer, why }))
            }
        }
    }

    #[inline]
    fn glance(&self, token: &[u8], know: bool) -> Result<Glance, Reason> {
        if token.len() > MAX_TOKEN {
            return Err(Reason::TokenTooLarge);
        }
        let now = Now::read(&*self.clock);
        if now.wall < EARLIEST {
            return Err(Reason::ClockNotSet);
        }
        Ok(Glance { digest: know.then(|| self.cache.digest(token)), now })
    }

    /// An entry whose key has left its set, or whose set is due for a look, is no entry: the token is verified
    /// anew, by the keys of now.
    #[inline]
    fn recall(&self, glance: &Glance) -> Option<Verdict> {
        let Remembered { claims, wall } = self.cache.get(glance.digest?, glance.now)?;
        if !claims.lasting().key_is_believed(wall) {
            return None;
        }
        meters::cache_lookup(true);
        // A hit proves the signature only; whatever time can change is judged again.
        let holds = self.still_holds(&claims, wall);
        Some(Verdict { claims, holds })
    }

    fn still_holds(&self, claims: &Claims, wall: u64) -> Result<(), Reason> {
        let Lasting { expires_at, not_before, is_bound, .. } = *claims.lasting();
        Times { expires_at, not_before, issued_at: None }.check(wall, self.leeway)?;
        if is_bound { check_binding(claims.set()) } else { Ok(()) }
    }

    /// A bound token is remembered as well: how it must be presented is judged on every request.
    fn admit(&self, token: &str, digest: Option<u128>, mut set: ClaimSet, now: Now) -> Verdict {
        set.digest = digest;
        let claims = Claims::new(set, Scheme::Bearer);
        self.cache.put(token, Entry { claims: claims.clone(), since: now });
        let holds = check_binding(claims.set());
        Verdict { claims, holds }
    }

    async fn verify_later(&self, wait: Wait) -> Result<Verdict, AuthError> {
        let Wait { token, digest, issuer, mut why } = wait;
        let remote = self.verifier.remote(&issuer).ok_or(Reason::KeysUnavailable)?;
        // Twice: an attempt that was under way when the machine stopped brings a set that is as old as the stop.
        for _ in 0..2 {
            let refreshed = remote.refresh(why).await;
            // Judged again even if nothing could be fetched now: between the first look and this one another
            // request may have fetched what was missing.
            let round = match refreshed {
                Ok(Refreshed::Newest) => Round::AfterWaiting,
                Ok(Refreshed::LastGood) => Round::AfterOutage,
                Err(_) => Round::First,
            };
            let now = Now::read(&*self.clock);
            match self.verifier.verify(token.expose(), now, round) {
                Ok(set) => return Ok(self.admit(token.expose(), digest, set, now)),
                Err(Stuck::Refused(error)) => return Err(error),
                Err(Stuck::Waits { why: next, .. }) => why = next,
            }
            refreshed?;
        }
        Err(Reason::KeysUnavailable.into())
    }
}

/// The token decides how it must be presented: a binding that cannot be checked is a refusal, or a
/// stolen token would pass (RFC 9449 section 7.2, RFC 8705 section 3).
fn check_binding(set: &ClaimSet) -> Result<(), Reason> {
    match &set.confirmation {
        None => Ok(()),
        Some(confirmation) if confirmation.key_thumbprint.is_some() => Err(Reason::SenderConstrained),
        Some(_) => Err(Reason::CertificateBound),
    }
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServer").field("resource", &self.inner.resource.identifier).finish_non_exhaustive()
    }
}
