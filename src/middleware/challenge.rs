//! The one table from an error to an answer: status, `WWW-Authenticate`, body.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Extensions, HeaderMap, HeaderValue, Request, Response, StatusCode};

use super::body::RefusalBody;
use crate::telemetry;
use crate::token::error::{AuthError, ErrorKind, Reason};
use crate::token::refusal::Refusal;
use crate::token::resource::Resource;

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What a client is told, fixed: the error code of RFC 6750 section 3.1, a text, and both as a problem document
/// (RFC 9457, with the members of RFC 6749 section 5.2). It learns no more than that.
struct Wire {
    /// Its place among the challenges that a resource keeps.
    place: usize,
    status: StatusCode,
    error: Option<(&'static str, &'static str)>,
    problem: &'static str,
}

macro_rules! problem {
    ($status:ident) => {
        concat!("{", problem!($status, tail))
    };
    (BAD_REQUEST, tail) => {
        r#""status":400,"title":"Bad Request"}"#
    };
    (UNAUTHORIZED, tail) => {
        r#""status":401,"title":"Unauthorized"}"#
    };
    (FORBIDDEN, tail) => {
        r#""status":403,"title":"Forbidden"}"#
    };
    (SERVICE_UNAVAILABLE, tail) => {
        r#""status":503,"title":"Service Unavailable"}"#
    };
    (INTERNAL_SERVER_ERROR, tail) => {
        r#""status":500,"title":"Internal Server Error"}"#
    };
}

macro_rules! wire {
    ($place:literal, $status:ident) => {
        Wire { place: $place, status: StatusCode::$status, error: None, problem: problem!($status) }
    };
    ($place:literal, $status:ident, $code:literal, $text:literal) => {
        Wire {
            place: $place,
            status: StatusCode::$status,
            error: Some(($code, $text)),
            problem: concat!(
                r#"{"error":""#,
                $code,
                r#"","error_description":""#,
                $text,
                "\",",
                problem!($status, tail)
            ),
        }
    };
}

static ANONYMOUS: Wire = wire!(0, UNAUTHORIZED);
static SEVERAL: Wire = wire!(1, BAD_REQUEST, "invalid_request", "More than one access token was sent");
static MALFORMED: Wire = wire!(2, BAD_REQUEST, "invalid_request", "Malformed Authorization header");
static CONSTRAINED: Wire = wire!(3, UNAUTHORIZED, "invalid_token", "The access token is sender-constrained");
static CERTIFICATE: Wire = wire!(4, UNAUTHORIZED, "invalid_token", "The client certificate does not match the token");
static INVALID: Wire = wire!(5, UNAUTHORIZED, "invalid_token", "The access token is invalid or expired");
static SCOPE: Wire = wire!(6, FORBIDDEN, "insufficient_scope", "The token lacks a required scope");
static UNAVAILABLE: Wire = wire!(7, SERVICE_UNAVAILABLE);
static MISCONFIGURED: Wire = wire!(8, INTERNAL_SERVER_ERROR);

fn wire(error: &AuthError) -> &'static Wire {
    match (error.kind(), error.reason()) {
        (ErrorKind::MissingToken, _) => &ANONYMOUS,
        (_, Reason::SeveralTokens) => &SEVERAL,
        (ErrorKind::InvalidRequest, _) => &MALFORMED,
        (_, Reason::SenderConstrained) => &CONSTRAINED,
        (_, Reason::CertificateBound) => &CERTIFICATE,
        (ErrorKind::InvalidToken, _) => &INVALID,
        (ErrorKind::InsufficientScope, _) => &SCOPE,
        (ErrorKind::Unavailable, _) => &UNAVAILABLE,
        (ErrorKind::Misconfigured, _) => &MISCONFIGURED,
    }
}

/// The challenge of a refusal; none for our own trouble. Made once, but for the scope that a route asks for.
fn challenge(error: &AuthError, wire: &Wire, resource: &Resource) -> Option<HeaderValue> {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Misconfigured => None,
        ErrorKind::InsufficientScope => new_challenge(wire, error.required_scope(), resource),
        kind => {
            let scope = resource.challenge_scope.as_deref().filter(|_| kind == ErrorKind::MissingToken);
            let kept = resource.challenges.get(wire.place)?;
            kept.get_or_init(|| new_challenge(wire, scope, resource)).clone()
        }
    }
}

/// Its parameters in a fixed order.
fn new_challenge(wire: &Wire, scope: Option<&str>, resource: &Resource) -> Option<HeaderValue> {
    let (code, description) = wire.error.unzip();
    let parameters = [
        ("realm", resource.realm.as_deref()),
        ("error", code),
        ("error_description", description),
        ("scope", scope),
        ("resource_metadata", resource.metadata.as_ref().map(|metadata| metadata.url.as_str())),
    ];
    let mut text = String::from("Bearer");
    let mut separator = " ";
    for (name, value) in parameters {
        let Some(value) = value else { continue };
        text.push_str(separator);
        push_parameter(&mut text, name, value);
        separator = ", ";
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

/// The maps of a request that goes no further, emptied: its refusal needs no new ones.
#[derive(Default)]
pub(crate) struct Recycled {
    headers: HeaderMap,
    extensions: Extensions,
}

impl Recycled {
    pub(crate) fn from<Q>(request: &mut Request<Q>) -> Self {
        let mut headers = std::mem::take(request.headers_mut());
        let mut extensions = std::mem::take(request.extensions_mut());
        headers.clear();
        extensions.clear();
        Recycled { headers, extensions }
    }
}

/// The whole answer to a refused request. `resource` is absent only where the layer is missing.
pub(crate) fn refuse<B>(
    error: AuthError,
    resource: Option<&Resource>,
    head: bool,
    body: &impl RefusalBody<B>,
    recycled: Recycled,
) -> Response<B> {
    let wire = wire(&error);
    let (content_type, text) = content(&error, wire, resource);
    let text = if head { Bytes::new() } else { text };
    let mut response = Response::new(body.body(text));
    *response.status_mut() = wire.status;
    (*response.headers_mut(), *response.extensions_mut()) = (recycled.headers, recycled.extensions);
    let headers = response.headers_mut();
    if let Some(challenge) = resource.and_then(|resource| challenge(&error, wire, resource)) {
        headers.insert(WWW_AUTHENTICATE, challenge);
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

fn content(error: &AuthError, wire: &Wire, resource: Option<&Resource>) -> (HeaderValue, Bytes) {
    let standard = (PROBLEM, Bytes::from_static(wire.problem.as_bytes()));
    let Some(hook) = resource.and_then(|resource| resource.refusal_body.as_ref()) else { return standard };
    let (code, description) = wire.error.unzip();
    let refusal =
        Refusal { status: wire.status, error: code, description, scope: error.required_scope(), code: error.code() };
    // A hook that panics must not turn a refusal into a broken connection.
    catch_unwind(AssertUnwindSafe(|| hook(&refusal))).unwrap_or_else(|_| {
        telemetry::body_hook_failed();
        standard
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_document_says_what_its_row_says() {
        let rows = [&ANONYMOUS, &SEVERAL, &MALFORMED, &CONSTRAINED, &CERTIFICATE, &INVALID, &SCOPE];
        let rows: Vec<_> = rows.into_iter().chain([&UNAVAILABLE, &MISCONFIGURED]).collect();
        assert_eq!(rows.len(), Resource::ANSWERS);
        for (place, wire) in rows.into_iter().enumerate() {
            assert_eq!(wire.place, place);
            let document: serde_json::Value = serde_json::from_str(wire.problem).unwrap();
            assert_eq!(document["status"], wire.status.as_u16());
            assert_eq!(document["title"], wire.status.canonical_reason().unwrap());
            let (code, description) = wire.error.unzip();
            assert_eq!(document.get("error").and_then(|code| code.as_str()), code);
            assert_eq!(document.get("error_description").and_then(|text| text.as_str()), description);
            assert_eq!(document.as_object().unwrap().len(), if code.is_some() { 4 } else { 2 });
        }
    }
}
