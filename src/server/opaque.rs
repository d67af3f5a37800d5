//! Tokens that their issuer is asked about: opaque ones, and JWTs where it may have revoked them.

use std::sync::Arc;

use super::judgement::{Held, Known, Need, Verdict};
use super::presentation::Presentation;
use super::resource_server::{Inner, ResourceServer};
use crate::clock::Now;
use crate::remote::introspection::{Introspector, Outcome};
use crate::token::access_token::AccessToken;
use crate::token::claims::{ClaimSet, Claims};
use crate::token::error::{AuthError, Reason};
use crate::token::request::Scheme;
use crate::verify::answer::Asked;

/// Longest opaque token that is shown to an issuer: real ones have some dozen characters.
const MAX_OPAQUE: usize = 4 * 1024;

/// What an issuer has to be asked.
pub(super) struct Question {
    issuer: Arc<Introspector>,
    asked: Asked,
    digest: u128,
    /// The claims of a JWT that was verified: the answer only lets them stand.
    verified: Option<Box<ClaimSet>>,
}

impl Inner {
    /// An opaque token: what its issuer says of it is all that is known.
    pub(super) fn judge_opaque(
        &self,
        known: &Known<'_>,
        issuer: &Arc<Introspector>,
        presentation: Presentation<'_>,
    ) -> Result<Verdict, Held> {
        if known.token.len() > MAX_OPAQUE {
            return Err(Reason::TokenTooLarge.into());
        }
        let asked = issuer.about_opaque().ok_or(Reason::NotAJwt)?;
        self.consult(known, self.question(known, issuer, asked, None), presentation)
    }

    /// A JWT that was verified here: its issuer may have revoked it all the same.
    pub(super) fn recheck(
        &self,
        known: &Known<'_>,
        issuer: &Arc<Introspector>,
        asked: Asked,
        verified: ClaimSet,
        presentation: Presentation<'_>,
    ) -> Result<Verdict, Held> {
        self.consult(known, self.question(known, issuer, asked, Some(Box::new(verified))), presentation)
    }

    fn question(
        &self,
        known: &Known<'_>,
        issuer: &Arc<Introspector>,
        asked: Asked,
        verified: Option<Box<ClaimSet>>,
    ) -> Question {
        let digest = known.digest.unwrap_or_else(|| self.cache.digest(known.token.as_bytes()));
        Question { issuer: issuer.clone(), asked, digest, verified }
    }

    /// What the issuer said before decides where that may still be believed; else it has to be asked.
    fn consult(&self, known: &Known<'_>, question: Question, presentation: Presentation<'_>) -> Result<Verdict, Held> {
        match question.issuer.recall(question.digest, question.asked, known.now) {
            Some(outcome) => {
                let claims = question.claims_by(outcome)?;
                Ok(self.presented(claims, known.token, &presentation, known.now.wall))
            }
            None => Err(Held::waits(known.token, Need::Answer(question), presentation)),
        }
    }

    /// An answer may be older than the moment it comes, by the wait for it: the times are judged again.
    pub(super) async fn ask_later(
        &self,
        token: AccessToken,
        question: Question,
        presentation: &Presentation<'_>,
    ) -> Result<Verdict, AuthError> {
        let outcome = question.issuer.ask(question.digest, token.clone(), question.asked).await;
        let claims = question.claims_by(outcome)?;
        Ok(self.presented(claims, token.expose(), presentation, Now::read(&*self.clock).wall))
    }
}

impl Question {
    /// The claims that the answer lets stand. A binding that only the issuer tells of binds as well.
    fn claims_by(self, outcome: Outcome) -> Result<Claims, AuthError> {
        let answered = outcome?;
        let Some(set) = self.verified else { return Ok(answered) };
        let confirmation = set.confirmation.clone().or_else(|| answered.set().confirmation.clone());
        Ok(Claims::new(ClaimSet { digest: Some(self.digest), confirmation, ..*set }, Scheme::Bearer))
    }
}

impl ResourceServer {
    /// Forgets what is remembered of this very token: the next request that brings it is judged anew, by its signature
    /// or by asking its issuer. For whoever learns that a token was revoked before its time in the cache is over. An
    /// answer of the issuer that is under way is not kept.
    ///
    /// It does not refuse the token: a JWT that is not asked about stays good until it expires.
    pub fn forget_token(&self, token: &str) {
        let digest = self.inner.cache.digest(token.as_bytes());
        self.inner.cache.forget(digest);
        self.inner.verifier.introspectors().for_each(|issuer| issuer.forget(digest));
    }
}
