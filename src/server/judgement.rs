//! The verdict on one token: remembered, verified now, or after a wait.

use std::sync::Arc;

use crate::clock::Now;
use crate::meters::{self, Stopwatch};
use crate::remote::refresh::Why;
use crate::remote::snapshot::Refreshed;
use crate::server::mtls::Shown;
use crate::server::opaque::Question;
use crate::server::presentation::{GoodProof, Passed, Presentation, check_binding};
use crate::server::resource_server::Inner;
use crate::server::trusted::{Round, Stuck};
use crate::store::token_cache::{Entry, Remembered};
use crate::telemetry::{self, Decision};
use crate::token::access_token::AccessToken;
use crate::token::claims::{ClaimSet, Claims, Lasting};
use crate::token::error::{AuthError, Reason};
use crate::token::request::{Head, MAX_TOKEN, ResourceRequest, Scheme};
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

/// A token that cannot be judged before something has come from its issuer.
pub(super) struct Wait {
    pub(super) token: AccessToken,
    pub(super) need: Need,
    pub(super) presentation: Presentation<'static>,
}

/// What a token waits for.
pub(super) enum Need {
    /// The keys of its issuer.
    Keys { issuer: Arc<str>, why: Why, digest: Option<u128> },
    /// What its issuer says of it.
    Answer(Question),
}

impl Held {
    pub(super) fn waits(token: &str, need: Need, presentation: Presentation<'_>) -> Self {
        let (token, presentation) = (AccessToken::new(token), presentation.into_owned());
        Held::Waits(Box::new(Wait { token, need, presentation }))
    }
}

/// A token at one moment, and what it is known by.
pub(super) struct Known<'a> {
    pub(super) token: &'a str,
    pub(super) digest: Option<u128>,
    pub(super) now: Now,
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
        let verified = self.verifier.verify(token, now, Round::First);
        watch.verified();
        self.accept(&Known { token, digest, now }, verified, presentation)
    }

    /// What becomes of a token whose signature was looked at, or which has none.
    fn accept(
        &self,
        known: &Known<'_>,
        verified: Result<ClaimSet, Stuck>,
        presentation: Presentation<'_>,
    ) -> Result<Verdict, Held> {
        match verified {
            Ok(set) => match self.verifier.recheck_of(&set.issuer) {
                None => Ok(self.admit(known, set, &presentation)),
                Some((issuer, asked)) => self.recheck(known, issuer, asked, set, presentation),
            },
            Err(Stuck::Refused(error)) => Err(error.into()),
            Err(Stuck::Opaque(issuer)) => self.judge_opaque(known, &issuer, presentation),
            Err(Stuck::Waits { issuer, why }) => {
                Err(Held::waits(known.token, Need::Keys { issuer, why, digest: known.digest }, presentation))
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
    pub(super) fn recall<'a>(&self, glance: &Glance, head: impl FnOnce() -> Head<'a>) -> Option<Recalled> {
        let Remembered { claims, wall } = self.remembered(glance)?;
        let holds = self.still_holds(&claims, wall, || self.certificate(Some(head())));
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
    pub(super) fn still_holds(
        &self,
        claims: &Claims,
        wall: u64,
        certificate: impl FnOnce() -> Shown,
    ) -> Result<(), Reason> {
        self.is_in_time(claims, wall)?;
        if claims.lasting().is_bound { check_binding(claims.set(), &certificate()) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn is_in_time(&self, claims: &Claims, wall: u64) -> Result<(), Reason> {
        let Lasting { expires_at, not_before, .. } = *claims.lasting();
        Times { expires_at, not_before: Some(not_before), issued_at: None }.check(wall, self.leeway)
    }

    pub(super) fn presented(
        &self,
        mut claims: Claims,
        token: &str,
        presentation: &Presentation<'_>,
        wall: u64,
    ) -> Verdict {
        let in_time = self.is_in_time(&claims, wall).map_err(AuthError::from);
        let holds = in_time.and_then(|()| self.check_presentation(claims.set(), token, presentation, wall));
        claims.scheme = presentation.scheme();
        Verdict { claims, holds }
    }

    /// A bound token is remembered as well: how it must be presented is judged on every request.
    fn admit(&self, known: &Known<'_>, set: ClaimSet, presentation: &Presentation<'_>) -> Verdict {
        let claims = Claims::new(ClaimSet { digest: known.digest, ..set }, Scheme::Bearer);
        self.cache.put(known.token, Entry::new(&claims, known.now));
        self.presented(claims, known.token, presentation, known.now.wall)
    }

    pub(super) async fn verify_later(&self, wait: Box<Wait>) -> Result<Verdict, AuthError> {
        let Wait { token, need, presentation } = *wait;
        let verdict = match need {
            Need::Keys { issuer, why, digest } => {
                self.verify_with_keys(token, digest, &issuer, why, presentation).await?
            }
            Need::Answer(question) => self.ask_later(token, question, &presentation).await?,
        };
        Ok(self.first_use(verdict).wait().await)
    }

    async fn verify_with_keys(
        &self,
        token: AccessToken,
        digest: Option<u128>,
        issuer: &str,
        mut why: Why,
        mut presentation: Presentation<'static>,
    ) -> Result<Verdict, AuthError> {
        let remote = self.verifier.remote(issuer).ok_or(Reason::KeysUnavailable)?;
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
            let known = Known { token: token.expose(), digest, now: Now::read(&*self.clock) };
            let verified = self.verifier.verify(known.token, known.now, round);
            let wait = match self.accept(&known, verified, presentation) {
                Ok(verdict) => return Ok(verdict),
                Err(Held::Refused(error)) => return Err(error),
                Err(Held::Waits(wait)) => *wait,
            };
            match wait.need {
                Need::Keys { why: next, .. } => (why, presentation) = (next, wait.presentation),
                Need::Answer(question) => return self.ask_later(wait.token, question, &wait.presentation).await,
            }
            refreshed?;
        }
        Err(Reason::KeysUnavailable.into())
    }
}
