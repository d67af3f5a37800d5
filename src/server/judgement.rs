//! The verdict on one token: remembered, verified now, or after a wait.

use std::sync::Arc;

use crate::clock::Now;
use crate::meters::{self, Stopwatch};
use crate::remote::refresh::Why;
use crate::remote::snapshot::Refreshed;
use crate::server::presentation::{GoodProof, Passed, Presentation, check_binding};
use crate::server::resource_server::Inner;
use crate::server::verifier::{Round, Stuck};
use crate::store::token_cache::{Entry, Remembered};
use crate::telemetry::{self, Decision};
use crate::token::access_token::AccessToken;
use crate::token::claims::{ClaimSet, Claims, Lasting};
use crate::token::error::{AuthError, Reason};
use crate::token::request::{MAX_TOKEN, ResourceRequest, Scheme};
use crate::verify::times::Times;

/// A clock before this moment (2026-01-01) was never set: tokens cannot be judged by it.
const EARLIEST: u64 = 1_767_225_600;

/// What a token is known by, and when it was looked at. Without a cache it need not be known before it is verified.
pub(crate) struct Glance {
    pub(super) digest: Option<u128>,
    pub(super) now: Now,
}

/// A token that was verified before, and whether it holds as a Bearer token.
pub(super) struct Recalled {
    pub(super) claims: Claims,
    pub(super) holds: Result<(), Reason>,
}

/// A verified token, and whether it may be used as it was presented, now.
pub(super) struct Verdict {
    pub(super) claims: Claims,
    pub(super) holds: Result<Option<Passed>, AuthError>,
}

/// A token that may be used as it was presented.
pub(crate) struct Admitted {
    pub(crate) claims: Claims,
    pub(crate) proof: Option<GoodProof>,
}

/// Why a request has no verdict yet.
pub(super) enum Held {
    Refused(AuthError),
    Waits(Box<Wait>),
}

impl<E: Into<AuthError>> From<E> for Held {
    fn from(error: E) -> Self {
        Held::Refused(error.into())
    }
}

/// A token whose issuer's keys must be fetched first.
pub(super) struct Wait {
    token: AccessToken,
    digest: Option<u128>,
    issuer: Arc<str>,
    why: Why,
    presentation: Presentation<'static>,
}

impl Inner {
    /// Tells of the decision, once.
    pub(super) fn conclude(
        &self,
        judged: Result<Verdict, AuthError>,
        scheme: Option<Scheme>,
    ) -> Result<Admitted, AuthError> {
        let (claims, result) = match judged {
            Ok(Verdict { claims, holds }) => (Some(claims), holds),
            Err(error) => (None, Err(error)),
        };
        let result = result.map_err(|error| match scheme {
            Some(scheme) => error.presented(scheme),
            None => error,
        });
        let decision = result.as_ref().map_or_else(Decision::Refused, |_| Decision::Authenticated);
        telemetry::decided(decision, claims.as_ref().map(Claims::set), Some(&self.resource));
        let passed = result?;
        let claims = claims.ok_or(Reason::MissingToken)?;
        Ok(Admitted { claims, proof: passed.map(|passed| passed.good) })
    }

    pub(super) fn judge(&self, request: ResourceRequest<'_>, glance: Option<Glance>) -> Result<Verdict, Held> {
        let (token, presentation) = self.read(request)?;
        let glance = match glance {
            Some(in_vain) => in_vain,
            None => {
                let glance = self.glance(token.as_bytes(), self.cache.is_on())?;
                if let Some(Remembered { claims, wall }) = self.remembered(&glance) {
                    return Ok(self.presented(claims, token, &presentation, wall));
                }
                glance
            }
        };
        meters::cache_lookup(false);
        self.verify_now(token, presentation, glance)
    }

    fn verify_now(&self, token: &str, presentation: Presentation<'_>, glance: Glance) -> Result<Verdict, Held> {
        let Glance { digest, now } = glance;
        let watch = Stopwatch::start();
        let verdict = self.verifier.verify(token, now, Round::First);
        watch.verified();
        match verdict {
            Ok(set) => Ok(self.admit(token, digest, set, &presentation, now)),
            Err(Stuck::Refused(error)) => Err(error.into()),
            Err(Stuck::Waits { issuer, why }) => {
                let (token, presentation) = (AccessToken::new(token), presentation.into_owned());
                Err(Held::Waits(Box::new(Wait { token, digest, issuer, why, presentation })))
            }
        }
    }

    #[inline]
    pub(super) fn glance(&self, token: &[u8], know: bool) -> Result<Glance, Reason> {
        if token.len() > MAX_TOKEN {
            return Err(Reason::TokenTooLarge);
        }
        let now = Now::read(&*self.clock);
        if now.wall < EARLIEST {
            return Err(Reason::ClockNotSet);
        }
        Ok(Glance { digest: know.then(|| self.cache.digest(token)), now })
    }

    /// A Bearer token that was verified before.
    #[inline]
    pub(super) fn recall(&self, glance: &Glance) -> Option<Recalled> {
        let Remembered { claims, wall } = self.remembered(glance)?;
        let holds = self.still_holds(&claims, wall);
        Some(Recalled { claims, holds })
    }

    /// An entry whose key has left its set, or whose set is due for a look, is no entry: the token is verified
    /// anew, by the keys of now. A hit proves the signature only; whatever time can change is judged again.
    #[inline]
    fn remembered(&self, glance: &Glance) -> Option<Remembered> {
        let remembered = self.cache.get(glance.digest?, glance.now)?;
        if !remembered.claims.lasting().key_is_believed(remembered.wall) {
            return None;
        }
        meters::cache_lookup(true);
        Some(remembered)
    }

    #[inline]
    pub(super) fn still_holds(&self, claims: &Claims, wall: u64) -> Result<(), Reason> {
        self.is_in_time(claims, wall)?;
        if claims.lasting().is_bound { check_binding(claims.set()) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn is_in_time(&self, claims: &Claims, wall: u64) -> Result<(), Reason> {
        let Lasting { expires_at, not_before, .. } = *claims.lasting();
        Times { expires_at, not_before, issued_at: None }.check(wall, self.leeway)
    }

    fn presented(&self, mut claims: Claims, token: &str, presentation: &Presentation<'_>, wall: u64) -> Verdict {
        let in_time = self.is_in_time(&claims, wall).map_err(AuthError::from);
        let holds = in_time.and_then(|()| self.check_presentation(claims.set(), token, presentation, wall));
        claims.scheme = presentation.scheme();
        Verdict { claims, holds }
    }

    /// A bound token is remembered as well: how it must be presented is judged on every request.
    fn admit(
        &self,
        token: &str,
        digest: Option<u128>,
        mut set: ClaimSet,
        presentation: &Presentation<'_>,
        now: Now,
    ) -> Verdict {
        set.digest = digest;
        let claims = Claims::new(set, Scheme::Bearer);
        self.cache.put(token, Entry { claims: claims.clone(), since: now });
        self.presented(claims, token, presentation, now.wall)
    }

    pub(super) async fn verify_later(&self, wait: Box<Wait>) -> Result<Verdict, AuthError> {
        let Wait { token, digest, issuer, mut why, presentation } = *wait;
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
                Ok(set) => {
                    let verdict = self.admit(token.expose(), digest, set, &presentation, now);
                    return Ok(self.first_use(verdict).wait().await);
                }
                Err(Stuck::Refused(error)) => return Err(error),
                Err(Stuck::Waits { why: next, .. }) => why = next,
            }
            refreshed?;
        }
        Err(Reason::KeysUnavailable.into())
    }
}
