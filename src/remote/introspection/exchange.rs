//! From a token to a judgement: a place among the calls, the call, and the reading of its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::call::CallError;
use super::{Desk, Outcome};
use crate::remote::jwks::RemoteJwks;
use crate::remote::refresh::Why;
use crate::remote::snapshot::KeyView;
use crate::telemetry;
use crate::token::claims::{ClaimSet, Claims};
use crate::token::error::{AuthError, Reason};
use crate::token::request::Scheme;
use crate::verify::algorithm::Algorithm;
use crate::verify::answer::{Asked, NoClaims, SignedFor};
use crate::verify::jwks::Jwks;

/// Who signs the answers (RFC 9701), and for whom.
pub(crate) struct SignedAnswers {
    pub(crate) keys: AnswerKeys,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) client_id: String,
}

/// The keys of the issuer, which its answers are signed with as its tokens are.
pub(crate) enum AnswerKeys {
    Given(Arc<Jwks>),
    Remote(Arc<RemoteJwks>),
}

impl Desk {
    /// None where its turn came too late: those before it had the whole time.
    pub(super) async fn exchange(&self, token: &str, digest: u128, asked: Asked, until: Duration) -> Option<Outcome> {
        // Never closed.
        let _permit = self.permits.acquire().await.ok()?;
        if self.now().monotonic >= until {
            return None;
        }
        Some(self.call(token, digest, asked).await)
    }

    async fn call(&self, token: &str, digest: u128, asked: Asked) -> Outcome {
        self.gate().pass(self.now().monotonic)?;
        let answer = match self.setup.caller.call(token).await {
            Ok(body) => self.read(&body, asked).await,
            Err(error) => Err(error.into()),
        };
        match answer {
            Ok(set) => {
                self.gate().open();
                telemetry::introspected(&self.setup.rules.issuer, "active");
                Ok(Claims::new(ClaimSet { digest: Some(digest), ..set }, Scheme::Bearer))
            }
            Err(NoAnswer::Refused(error)) => {
                self.gate().open();
                telemetry::introspected(&self.setup.rules.issuer, error.code());
                Err(error)
            }
            Err(NoAnswer::Call(error)) => Err(self.outage(&error)),
        }
    }

    async fn read(&self, body: &Bytes, asked: Asked) -> Result<ClaimSet, NoAnswer> {
        match &self.setup.signed {
            None => Ok(self.setup.rules.read_answer(body, asked, self.now().wall)?),
            Some(signed) => self.read_signed(signed, body, asked).await,
        }
    }

    async fn read_signed(&self, signed: &SignedAnswers, body: &Bytes, asked: Asked) -> Result<ClaimSet, NoAnswer> {
        let jwt = std::str::from_utf8(body).map_err(|_| CallError::Malformed("the signed answer is not UTF-8"))?;
        let by = |keys: &Jwks| {
            let by = SignedFor { keys, algorithms: &signed.algorithms, client_id: &signed.client_id };
            self.setup.rules.read_signed_answer(jwt.trim_end(), &by, asked, self.now().wall)
        };
        let remote = match &signed.keys {
            AnswerKeys::Given(keys) => return Ok(by(keys)?),
            AnswerKeys::Remote(remote) => remote,
        };
        // A key that is not known may have been published since, as with tokens.
        let mut why = Why::Missing;
        if let KeyView::Fresh(snapshot) = remote.view(self.now()) {
            match by(&snapshot.keys) {
                Err(NoClaims::KeyUnknown) => why = Why::UnknownKey,
                read => return Ok(read?),
            }
        }
        remote.refresh(why).await.map_err(|_| CallError::Keys)?;
        match remote.view(self.now()) {
            KeyView::Fresh(snapshot) | KeyView::OverAge(snapshot) => Ok(by(&snapshot.keys)?),
            KeyView::Missing => Err(CallError::Keys.into()),
        }
    }

    /// Tells the operator, keeps the gate, and says to the caller that the token was not judged.
    fn outage(&self, error: &CallError) -> AuthError {
        let issuer = &self.setup.rules.issuer;
        let now = self.now().monotonic;
        match error {
            CallError::Unauthorized(_) => {
                telemetry::introspection_unauthorized(issuer, self.setup.caller.auth.method(), &error.to_string());
                self.gate().unauthorized(now);
                Reason::IntrospectionUnauthorized.into()
            }
            CallError::Paused(wait) => {
                telemetry::introspection_failed(issuer, error.code(), &error.to_string());
                self.gate().pause(now, *wait);
                AuthError::retry_after(Reason::IntrospectionPaused, (*wait).max(Duration::from_secs(1)))
            }
            _ => {
                telemetry::introspection_failed(issuer, error.code(), &error.to_string());
                Reason::IntrospectionUnavailable.into()
            }
        }
    }
}

/// Why an exchange brought no claims.
enum NoAnswer {
    /// The token is bad.
    Refused(AuthError),
    /// The token was not judged.
    Call(CallError),
}

impl From<CallError> for NoAnswer {
    fn from(error: CallError) -> Self {
        match error {
            CallError::TokenRefused => NoAnswer::Refused(Reason::TokenInactive.into()),
            other => NoAnswer::Call(other),
        }
    }
}

impl From<NoClaims> for NoAnswer {
    fn from(error: NoClaims) -> Self {
        match error {
            NoClaims::Refused(error) => NoAnswer::Refused(error),
            NoClaims::Malformed(what) => NoAnswer::Call(CallError::Malformed(what)),
            NoClaims::KeyUnknown => {
                NoAnswer::Call(CallError::Malformed("the signed answer names a key that is not published"))
            }
        }
    }
}
