//! Every event this crate emits, once. No token, proof or secret ever stands in one.

use tracing::{debug, error, info, warn};

use crate::token::claims::ClaimSet;
use crate::token::error::{AuthError, ErrorKind};
use crate::token::untrusted::Untrusted;

/// The target of the audit events: one for each decision, a refusal at `info`, a pass at `debug`.
///
/// Fields: `code` (stable, see [`AuthError::code`]; `authenticated` or `authorized` for a pass), `issuer`,
/// `subject`, `client_id` (of verified tokens only), `required_scope`, `detail`, `remedy`.
pub const AUDIT_TARGET: &str = "tower_bearer::audit";

/// The target of the events about issuers' keys: what was fetched, what failed, what was skipped.
pub const KEYS_TARGET: &str = "tower_bearer::keys";

/// What was decided about a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Decision<'a> {
    Authenticated,
    Authorized { required: &'a str },
    Refused(&'a AuthError),
}

/// Writes the one audit event of a decision. `claims` only if the token was verified.
pub(crate) fn audit(decision: Decision<'_>, claims: Option<&ClaimSet>) {
    let issuer = claims.map(|claims| &*claims.issuer);
    let subject = claims.and_then(|claims| claims.subject.as_deref()).map(|subject| Untrusted(subject).to_string());
    let client_id = claims.and_then(|claims| claims.client_id.as_deref()).map(|client| Untrusted(client).to_string());
    match decision {
        Decision::Authenticated => {
            debug!(target: "tower_bearer::audit", code = "authenticated", issuer, subject, client_id);
        }
        Decision::Authorized { required } => {
            debug!(target: "tower_bearer::audit", code = "authorized", issuer, subject, client_id, detail = required);
        }
        Decision::Refused(error) if error.kind() == ErrorKind::Misconfigured => {
            error!(target: "tower_bearer::audit", code = error.code(), remedy = error.remedy());
        }
        Decision::Refused(error) => {
            let (code, remedy, detail) = (error.code(), error.remedy(), error.detail());
            let required_scope = error.required_scope();
            info!(target: "tower_bearer::audit", code, issuer, subject, client_id, required_scope, detail, remedy);
        }
    }
}

/// True if somebody listens to passes; spares the hot path the strings of an event nobody reads.
pub(crate) fn audits_passes() -> bool {
    tracing::enabled!(target: "tower_bearer::audit", tracing::Level::DEBUG)
}

pub(crate) fn keys_refreshed(issuer: &str, usable: usize, skipped: usize) {
    debug!(target: "tower_bearer::keys", issuer, usable, skipped, "keys refreshed");
}

pub(crate) fn keys_failed(issuer: &str, reason: &str, detail: &str) {
    warn!(target: "tower_bearer::keys", issuer, reason, detail, "keys could not be refreshed; the last good set stays in force");
}

pub(crate) fn key_skipped(issuer: &str, index: usize, reason: &str) {
    debug!(target: "tower_bearer::keys", issuer, index, reason, "a key of the set cannot verify tokens and was left out");
}

pub(crate) fn private_key_published(issuer: &str, kid: Option<&str>) {
    let kid = kid.map(|kid| Untrusted(kid).to_string());
    error!(
        target: "tower_bearer::audit",
        code = "private_key_published",
        issuer,
        kid,
        remedy = "the issuer publishes the private part of this key: its tokens are refused; replace the key at the issuer",
    );
}

pub(crate) fn body_hook_failed() {
    error!(target: "tower_bearer::audit", code = "refusal_body_panicked", remedy = "the refusal_body hook panicked; the standard body was sent");
}
