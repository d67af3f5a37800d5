//! The one table from an error to an answer: status, `WWW-Authenticate`, body.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use super::body::RefusalBody;
use crate::telemetry;
use crate::token::error::{AuthError, ErrorKind, Reason};
use crate::token::refusal::Refusal;
use crate::token::resource::Resource;

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::MissingToken | ErrorKind::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorKind::InvalidRequest => StatusCode::BAD_REQUEST,
        ErrorKind::InsufficientScope => StatusCode::FORBIDDEN,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The error code of RFC 6750 section 3.1 and a fixed text: a client learns no more than that.
fn wire(reason: Reason, kind: ErrorKind) -> Option<(&'static str, &'static str)> {
    match (kind, reason) {
        (_, Reason::SeveralTokens) => Some(("invalid_request", "More than one access token was sent")),
        (ErrorKind::InvalidRequest, _) => Some(("invalid_request", "Malformed Authorization header")),
        (_, Reason::SenderConstrained) => Some(("invalid_token", "The access token is sender-constrained")),
        (_, Reason::CertificateBound) => Some(("invalid_token", "The client certificate does not match the token")),
        (ErrorKind::InvalidToken, _) => Some(("invalid_token", "The access token is invalid or expired")),
        (ErrorKind::InsufficientScope, _) => Some(("insufficient_scope", "The token lacks a required scope")),
        (ErrorKind::MissingToken | ErrorKind::Unavailable | ErrorKind::Misconfigured, _) => None,
    }
}

/// The challenge of a refusal, its parameters in a fixed order; none for our own trouble.
fn challenge(error: &AuthError, resource: &Resource) -> Option<HeaderValue> {
    if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Misconfigured) {
        return None;
    }
    let (code, description) = wire(error.reason(), error.kind()).unzip();
    let scope = match error.kind() {
        ErrorKind::MissingToken => resource.challenge_scope.as_deref(),
        _ => error.required_scope(),
    };
    let parameters = [
        ("realm", resource.realm.as_deref()),
        ("error", code),
        ("error_description", description),
        ("scope", scope),
        ("resource_metadata", resource.metadata.as_ref().map(|metadata| metadata.url.as_str())),
    ];
    let mut text = String::from("Bearer");
    let mut separator = ' ';
    for (name, value) in parameters {
        let Some(value) = value else { continue };
        text.push(separator);
        if separator == ',' {
            text.push(' ');
        }
        push_parameter(&mut text, name, value);
        separator = ',';
    }
    HeaderValue::try_from(text).ok()
}

/// A quoted-string (RFC 9110 section 5.6.4).
fn push_parameter(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str("=\"");
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

/// The whole answer to a refused request. `resource` is absent only where the layer is missing.
pub(crate) fn refuse<B>(
    error: AuthError,
    resource: Option<&Resource>,
    head: bool,
    body: &impl RefusalBody<B>,
) -> Response<B> {
    let (content_type, text) = content(&error, resource);
    let text = if head { Bytes::new() } else { text };
    let mut response = Response::new(body.body(text));
    *response.status_mut() = status(error.kind());
    let headers = response.headers_mut();
    if let Some(challenge) = resource.and_then(|resource| challenge(&error, resource)) {
        headers.append(WWW_AUTHENTICATE, challenge);
    }
    headers.insert(CACHE_CONTROL, NO_STORE);
    if body.carries() {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if error.kind() == ErrorKind::Unavailable {
        headers.insert(RETRY_AFTER, retry_after(error.retry_in()));
    }
    response.extensions_mut().insert(error);
    response
}

/// Whole seconds, rounded up; 5 where nothing better is known.
fn retry_after(wait: Option<Duration>) -> HeaderValue {
    wait.map_or(HeaderValue::from_static("5"), |wait| {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        HeaderValue::from(seconds.max(1))
    })
}

fn content(error: &AuthError, resource: Option<&Resource>) -> (HeaderValue, Bytes) {
    let (code, description) = wire(error.reason(), error.kind()).unzip();
    let refusal = Refusal {
        status: status(error.kind()),
        error: code,
        description,
        scope: error.required_scope(),
        code: error.code(),
    };
    let hook = resource.and_then(|resource| resource.refusal_body.as_ref());
    // A hook that panics must not turn a refusal into a broken connection.
    let own = hook.and_then(|hook| match catch_unwind(AssertUnwindSafe(|| hook(&refusal))) {
        Ok(content) => Some(content),
        Err(_) => {
            telemetry::body_hook_failed();
            None
        }
    });
    own.unwrap_or_else(|| (PROBLEM, problem(&refusal)))
}

/// RFC 9457 with the members of RFC 6749 section 5.2 beside it.
fn problem(refusal: &Refusal<'_>) -> Bytes {
    let mut document = serde_json::Map::new();
    document.insert("title".into(), refusal.status.canonical_reason().into());
    document.insert("status".into(), refusal.status.as_u16().into());
    if let (Some(error), Some(description)) = (refusal.error, refusal.description) {
        document.insert("error".into(), error.into());
        document.insert("error_description".into(), description.into());
    }
    serde_json::Value::Object(document).to_string().into()
}
