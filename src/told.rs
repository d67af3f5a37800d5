//! What is told of a decision: the audit event, on `tracing` and for sinks.

use std::time::{Duration, SystemTime};

use tracing::{debug, info};

use crate::audit::AuditEvent;
use crate::telemetry::AUDIT_TARGET;
use crate::token::claims::ClaimSet;
use crate::token::error::AuthError;
use crate::token::untrusted::Untrusted;

/// What was decided about a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Decision<'a> {
    Authenticated,
    Authorized,
    Refused(&'a AuthError),
    /// An answer was cut at the end of its token.
    StreamExpired,
}

impl Decision<'_> {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Decision::Authenticated => "authenticated",
            Decision::Authorized => "authorized",
            Decision::Refused(error) => error.code(),
            Decision::StreamExpired => "stream_expired",
        }
    }
}

/// What an authorization was about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checked<'a> {
    pub(crate) route: Option<&'a str>,
    pub(crate) requirement: &'a str,
    /// Every scope that the requirement names.
    pub(crate) scopes: &'a str,
    pub(crate) took: Option<Duration>,
}

/// What is told of a decision, borrowed: most of the time nobody listens.
pub(crate) struct Told<'a> {
    pub(crate) decision: Decision<'a>,
    pub(crate) checked: Option<Checked<'a>>,
    pub(crate) claims: Option<&'a ClaimSet>,
}

impl<'a> Told<'a> {
    fn error(&self) -> Option<&'a AuthError> {
        if let Decision::Refused(error) = self.decision { Some(error) } else { None }
    }

    /// What a refused client has to ask for; of a pass what was required.
    fn required_scope(&self) -> Option<&'a str> {
        match self.error() {
            Some(error) => error.required_scope(),
            None => self.checked.map(|checked| checked.scopes).filter(|scopes| !scopes.is_empty()),
        }
    }

    fn verdict(&self) -> &'static str {
        match self.decision {
            Decision::Authenticated | Decision::Authorized => "passed",
            Decision::Refused(_) => "refused",
            Decision::StreamExpired => "ended",
        }
    }

    fn route(&self) -> Option<&'a str> {
        self.checked?.route
    }

    fn requirement(&self) -> Option<&'a str> {
        self.checked.map(|checked| checked.requirement)
    }

    fn took(&self) -> Option<Duration> {
        self.checked?.took
    }

    fn issuer(&self) -> Option<&'a str> {
        self.claims.map(|claims| claims.issuer.as_ref())
    }

    fn subject(&self) -> Option<String> {
        shown(self.claims?.subject.as_deref())
    }

    fn client_id(&self) -> Option<String> {
        shown(self.claims?.client_id.as_deref())
    }

    /// The values stand inside the macros, which read them only where somebody listens.
    pub(crate) fn write(&self) {
        let took_ns = || self.took().and_then(|took| u64::try_from(took.as_nanos()).ok());
        match self.error() {
            Some(error) => info!(
                target: AUDIT_TARGET, code = error.code(), verdict = self.verdict(), issuer = self.issuer(),
                subject = self.subject().as_deref(), client_id = self.client_id().as_deref(),
                route = self.route(), requirement = self.requirement(), required_scope = self.required_scope(),
                took_ns = took_ns(), detail = error.detail(), remedy = error.remedy(),
            ),
            None => debug!(
                target: AUDIT_TARGET, code = self.decision.code(), verdict = self.verdict(), issuer = self.issuer(),
                subject = self.subject().as_deref(), client_id = self.client_id().as_deref(),
                route = self.route(), requirement = self.requirement(), required_scope = self.required_scope(),
                took_ns = took_ns(),
            ),
        }
    }

    pub(crate) fn event(&self) -> AuditEvent {
        let error = self.error();
        AuditEvent {
            time: SystemTime::now(),
            code: self.decision.code(),
            verdict: self.verdict(),
            issuer: self.issuer().map(String::from),
            subject: self.subject(),
            client_id: self.client_id(),
            route: self.route().map(String::from),
            requirement: self.requirement().map(String::from),
            required_scope: self.required_scope().map(String::from),
            took: self.took(),
            detail: error.and_then(AuthError::detail).map(String::from),
            remedy: error.map(AuthError::remedy),
        }
    }
}

fn shown(text: Option<&str>) -> Option<String> {
    text.map(|text| Untrusted(text).to_string())
}
