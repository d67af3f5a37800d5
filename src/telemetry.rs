//! Every event this crate emits, once. No token, proof or secret ever stands in one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tracing::level_filters::LevelFilter;
use tracing::{debug, error, info, warn};

use crate::clock::unix_seconds;
use crate::meters::{self, Stopwatch};
use crate::token::claims::ClaimSet;
use crate::token::error::{AuthError, ErrorKind};
use crate::token::resource::Resource;
use crate::token::untrusted::Untrusted;
use crate::told::Told;
pub(crate) use crate::told::{Checked, Decision};

/// The target of the audit events: one for each decision, a refusal at `info`, a pass at `debug`.
///
/// Fields: `code` (stable, see [`AuthError::code`]; `authenticated` or `authorized` for a pass; `stream_expired`
/// where an answer was cut at the end of its token), `verdict` (`passed`, `refused` or `ended`), `issuer`, `subject`,
/// `client_id` (of verified tokens only), `detail`, `remedy`; of an authorization also `route`, `requirement`,
/// `required_scope`, `took_ns`. For sinks other than `tracing` there is [`AuditSink`](crate::AuditSink).
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

/// Measures an authorization where somebody wants to know.
pub(crate) struct Watch {
    meter: Stopwatch,
    start: Option<Instant>,
}

impl Watch {
    pub(crate) fn start(resource: Option<&Resource>) -> Self {
        Watch { meter: Stopwatch::start(), start: listens(resource).then(Instant::now) }
    }

    pub(crate) fn is_heard(&self) -> bool {
        self.start.is_some()
    }

    /// `None` where nobody listens.
    pub(crate) fn stop(self) -> Option<Duration> {
        self.meter.authorized();
        self.start.map(|start| start.elapsed())
    }
}

/// Tells of a decision about who calls, once: metrics, the current span, the audit event. `claims` only if the token was
/// verified; `resource` is absent only where the layer is missing.
pub(crate) fn decided(decision: Decision<'_>, claims: Option<&ClaimSet>, resource: Option<&Resource>) {
    tell(decision, None, claims, resource);
}

/// Tells of a decision about what the caller may do.
pub(crate) fn authorized(
    result: &Result<(), AuthError>,
    checked: Checked<'_>,
    claims: Option<&ClaimSet>,
    resource: Option<&Resource>,
) {
    let decision = result.as_ref().map_or_else(Decision::Refused, |()| Decision::Authorized);
    tell(decision, Some(checked), claims, resource);
}

#[inline]
fn tell(decision: Decision<'_>, checked: Option<Checked<'_>>, claims: Option<&ClaimSet>, resource: Option<&Resource>) {
    if !matches!(decision, Decision::Authorized) {
        meters::request(decision.code());
    }
    if listens(resource) {
        tell_listeners(Told { decision, checked, claims }, resource);
    }
}

/// Most of the time nobody does.
fn listens(resource: Option<&Resource>) -> bool {
    resource.is_some_and(|resource| resource.audit_sink.is_some()) || LevelFilter::current() != LevelFilter::OFF
}

fn tell_listeners(told: Told<'_>, resource: Option<&Resource>) {
    let Told { decision, claims, .. } = told;
    record_on_span(decision.code(), claims);
    told.write();
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
    let told = Told { decision: Decision::StreamExpired, checked: None, claims: Some(claims) };
    told.write();
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

    #[test]
    fn s10_07_a_mistake_in_the_wiring_is_complained_of_once_a_minute() {
        let complaints = OncePerMinute(AtomicU64::new(0));
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(6000);
        let passed = |seconds: u64| complaints.lets_pass(start + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59, 60, 61, 120].map(passed), [true, false, false, true, false, true]);
    }
}
