//! Every event this crate emits, once. No token, proof or secret ever stands in one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tracing::level_filters::LevelFilter;
use tracing::{debug, error, info, warn};

use crate::audit::AuditEvent;
use crate::clock::unix_seconds;
use crate::meters;
use crate::token::claims::ClaimSet;
use crate::token::error::{AuthError, ErrorKind};
use crate::token::resource::Resource;
use crate::token::untrusted::Untrusted;

/// The target of the audit events: one for each decision, a refusal at `info`, a pass at `debug`.
///
/// Fields: `code` (stable, see [`AuthError::code`]; `authenticated` or `authorized` for a pass; `stream_expired`
/// where an answer was cut at the end of its token), `issuer`,
/// `subject`, `client_id` (of verified tokens only), `required_scope`, `detail`, `remedy`. For sinks other than
/// `tracing` there is [`AuditSink`](crate::AuditSink).
pub const AUDIT_TARGET: &str = "tower_bearer::audit";

/// The target of the events about issuers' keys: what was fetched, what failed, what was skipped.
pub const KEYS_TARGET: &str = "tower_bearer::keys";

/// The target of the events about calls to introspection endpoints: what failed, and that an endpoint refuses this
/// service itself (at `error`, code `introspection_unauthorized`, once a second at most).
pub const INTROSPECTION_TARGET: &str = "tower_bearer::introspection";

/// The target of complaints about the application's wiring, at `error` and once a minute at most: a route asks for
/// claims or scopes and no `AuthLayer` stands above it. A server that can take no DPoP by its configuration says so at
/// `info`, once when it is built.
pub const WIRING_TARGET: &str = "tower_bearer::wiring";

/// The fields that are recorded on the current span where it declares them: `auth.outcome` (as `code` above),
/// `auth.issuer`, `auth.subject`, `auth.client_id`.
///
/// # Example
/// With `tower-http`'s `TraceLayer` outside `AuthLayer`:
/// ```
/// use tower_http::trace::TraceLayer;
/// let trace = TraceLayer::new_for_http().make_span_with(|request: &http::Request<()>| {
///     tracing::info_span!("request", method = %request.method(), auth.outcome = tracing::field::Empty,
///         auth.client_id = tracing::field::Empty)
/// });
/// ```
pub const SPAN_FIELDS: [&str; 4] = ["auth.outcome", "auth.issuer", "auth.subject", "auth.client_id"];

/// What was decided about a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Decision<'a> {
    Authenticated,
    Authorized { scopes: &'a str, required: &'a str },
    Refused(&'a AuthError),
}

impl Decision<'_> {
    fn code(&self) -> &'static str {
        match self {
            Decision::Authenticated => "authenticated",
            Decision::Authorized { .. } => "authorized",
            Decision::Refused(error) => error.code(),
        }
    }
}

/// Tells of a decision, once: metrics, the current span, the audit event. `claims` only if the token was verified;
/// `resource` is absent only where the layer is missing.
pub(crate) fn decided(decision: Decision<'_>, claims: Option<&ClaimSet>, resource: Option<&Resource>) {
    if !matches!(decision, Decision::Authorized { .. }) {
        meters::request(decision.code());
    }
    record_on_span(decision.code(), claims);
    let told = Told::of(decision, claims);
    told.write(matches!(decision, Decision::Refused(_)));
    if let Some(sink) = resource.and_then(|resource| resource.audit_sink.as_ref()) {
        sink.send(told.event());
    }
    if let Decision::Refused(error) = decision
        && error.kind() == ErrorKind::Misconfigured
        && WIRING.lets_pass(SystemTime::now())
    {
        error!(target: WIRING_TARGET, code = error.code(), remedy = error.remedy());
    }
}

static WIRING: OncePerMinute = OncePerMinute(AtomicU64::new(0));

/// Lets one complaint a minute through: a mistake in the wiring meets every request.
struct OncePerMinute(AtomicU64);

impl OncePerMinute {
    fn lets_pass(&self, now: SystemTime) -> bool {
        let minute = unix_seconds(now) / 60;
        self.0.swap(minute, Ordering::Relaxed) != minute
    }
}

/// What is told of a decision, borrowed: most of the time nobody listens.
struct Told<'a> {
    code: &'static str,
    claims: Option<&'a ClaimSet>,
    required_scope: Option<&'a str>,
    detail: Option<&'a str>,
    remedy: Option<&'static str>,
}

impl<'a> Told<'a> {
    fn of(decision: Decision<'a>, claims: Option<&'a ClaimSet>) -> Self {
        let (required_scope, detail, remedy) = match decision {
            Decision::Authenticated => (None, None, None),
            Decision::Authorized { scopes, required } => {
                (Some(scopes).filter(|scopes| !scopes.is_empty()), Some(required), None)
            }
            Decision::Refused(error) => (error.required_scope(), error.detail(), Some(error.remedy())),
        };
        Told { code: decision.code(), claims, required_scope, detail, remedy }
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
    fn write(&self, refused: bool) {
        let Told { code, required_scope, detail, remedy, .. } = *self;
        if refused {
            info!(
                target: AUDIT_TARGET, code, issuer = self.issuer(), subject = self.subject().as_deref(),
                client_id = self.client_id().as_deref(), required_scope, detail, remedy,
            );
        } else {
            debug!(
                target: AUDIT_TARGET, code, issuer = self.issuer(), subject = self.subject().as_deref(),
                client_id = self.client_id().as_deref(), required_scope, detail,
            );
        }
    }

    fn event(&self) -> AuditEvent {
        AuditEvent {
            time: SystemTime::now(),
            code: self.code,
            issuer: self.issuer().map(String::from),
            subject: self.subject(),
            client_id: self.client_id(),
            required_scope: self.required_scope.map(String::from),
            detail: self.detail.map(String::from),
            remedy: self.remedy,
        }
    }
}

fn shown(text: Option<&str>) -> Option<String> {
    text.map(|text| Untrusted(text).to_string())
}

fn record_on_span(code: &'static str, claims: Option<&ClaimSet>) {
    // Without a subscriber there is no span, and the question alone would cost.
    if LevelFilter::current() == LevelFilter::OFF {
        return;
    }
    let span = tracing::Span::current();
    if span.is_disabled() {
        return;
    }
    let [outcome, issuer, subject, client_id] = SPAN_FIELDS;
    span.record(outcome, code);
    if let Some(claims) = claims {
        span.record(issuer, &*claims.issuer);
        for (field, value) in [(subject, &claims.subject), (client_id, &claims.client_id)] {
            if let Some(value) = value {
                span.record(field, tracing::field::display(Untrusted(value)));
            }
        }
    }
}

pub(crate) fn keys_refreshed(issuer: &str, usable: usize, skipped: usize) {
    meters::keys_refreshed(issuer, "ok");
    debug!(target: KEYS_TARGET, issuer, usable, skipped, "keys refreshed");
}

pub(crate) fn keys_confirmed(issuer: &str) {
    meters::keys_refreshed(issuer, "not_modified");
    debug!(target: KEYS_TARGET, issuer, "the issuer still publishes the keys at hand");
}

pub(crate) fn keys_failed(issuer: &str, reason: &'static str, detail: &str) {
    meters::keys_refreshed(issuer, reason);
    warn!(target: KEYS_TARGET, issuer, reason, detail, "keys could not be refreshed; the last good set stays in force");
}

#[cfg(feature = "config")]
pub(crate) fn key_file_ignored(issuer: &str, path: &std::path::Path, reason: &str) {
    let path = path.display();
    warn!(target: KEYS_TARGET, issuer, %path, reason, "the keys kept in `jwks_store` are not used");
}

pub(crate) fn key_skipped(issuer: &str, index: usize, reason: &str) {
    debug!(target: KEYS_TARGET, issuer, index, reason, "a key of the set cannot verify tokens and was left out");
}

pub(crate) fn private_key_published(issuer: &str, kid: Option<&str>) {
    let kid = kid.map(|kid| Untrusted(kid).to_string());
    error!(
        target: AUDIT_TARGET,
        code = "private_key_published",
        issuer,
        kid,
        remedy = "the issuer publishes the private part of this key: its tokens are refused; replace the key at the issuer",
    );
}

pub(crate) fn claim_not_forwarded(header: &str, claim: &str, why: &'static str) {
    let remedy = "the header is left out where the claim cannot stand in one; forward another claim";
    warn!(target: AUDIT_TARGET, code = "claim_not_forwarded", header, claim, why, remedy);
}

/// An answer was cut at the end of its token.
pub(crate) fn stream_ended(claims: &ClaimSet) {
    let (required_scope, detail, remedy) = (None, None, None);
    let told = Told { code: "stream_expired", claims: Some(claims), required_scope, detail, remedy };
    told.write(false);
    if let Some(sink) = &claims.resource.audit_sink {
        sink.send(told.event());
    }
}

pub(crate) fn resource_has_query(resource: &str) {
    warn!(target: WIRING_TARGET, resource, "the resource identifier has a query, which clients may drop (RFC 9728 section 1.2)");
}

pub(crate) fn dpop_is_off(audience: &str) {
    info!(
        target: WIRING_TARGET,
        code = "dpop_is_off",
        audience,
        remedy = "no address says what proofs must be made for: name the resource with `resource(..)`, or use `Dpop::external_base(..)`",
    );
}

/// One call ended with a judgement of its token, or none was made.
pub(crate) fn introspected(issuer: &str, outcome: &'static str) {
    meters::introspected(issuer, outcome);
    debug!(target: INTROSPECTION_TARGET, issuer, outcome, "the issuer was asked about a token");
}

pub(crate) fn introspection_failed(issuer: &str, reason: &'static str, detail: &str) {
    meters::introspected(issuer, reason);
    warn!(target: INTROSPECTION_TARGET, issuer, reason, detail, "the issuer gave no answer about a token; it was not judged");
}

pub(crate) fn introspection_unauthorized(issuer: &str, method: &'static str, detail: &str) {
    meters::introspected(issuer, "unauthorized");
    error!(
        target: INTROSPECTION_TARGET,
        code = "introspection_unauthorized",
        issuer,
        method,
        detail,
        remedy = "no token of this issuer can be judged until it takes this service: compare `client_id`, secret or key, and the client authentication",
    );
}

pub(crate) fn client_auth_unlisted(issuer: &str, method: &'static str) {
    debug!(
        target: INTROSPECTION_TARGET,
        issuer, method, "the metadata do not list this client authentication for the introspection endpoint"
    );
}

pub(crate) fn body_hook_failed() {
    error!(target: AUDIT_TARGET, code = "refusal_body_panicked", remedy = "the refusal_body hook panicked; the standard body was sent");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn s10_07_a_mistake_in_the_wiring_is_complained_of_once_a_minute() {
        let complaints = OncePerMinute(AtomicU64::new(0));
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(6000);
        let passed = |seconds: u64| complaints.lets_pass(start + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59, 60, 61, 120].map(passed), [true, false, false, true, false, true]);
    }
}
