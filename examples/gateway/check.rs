//! `mode = "check"`: a proxy in front asks whether a request may pass, and keeps the request itself.
//!
//! What it asks about stands in header fields or in the path, which the proxy sets and a client behind it can only add
//! to. So whatever is said twice must be said alike.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CACHE_CONTROL, HeaderName, WWW_AUTHENTICATE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use tower_bearer::{ForwardLayer, normalize_path};

use crate::reply::{Body, body};

/// The fields of nginx (set by its configuration) and of Traefik (set by itself): method and target.
const FIELDS: [(&str, &str); 2] = [("x-original-method", "x-original-uri"), ("x-forwarded-method", "x-forwarded-uri")];

/// Envoy sends the request line itself, behind a prefix of ours: `path_prefix: "/envoy"`.
const PREFIX: &str = "/envoy";

/// The request that a proxy asks about.
#[derive(Debug, PartialEq)]
pub struct Original {
    /// Absent where the proxy does not say.
    pub method: Option<Method>,
    pub target: Uri,
}

/// Two sources contradict each other, or one is no method and target: nobody can say what is asked.
#[derive(Debug, PartialEq)]
pub struct Contradiction;

/// What the proxy asks about; none where it names nothing.
pub fn original<B>(request: &Request<B>) -> Result<Option<Original>, Contradiction> {
    let mut found: Option<Original> = None;
    let named = FIELDS.iter().map(|(method, target)| from_fields(request.headers(), method, target));
    for source in named.chain([from_path(request)]) {
        let Some(source) = source? else { continue };
        found = Some(match found {
            Some(earlier) => earlier.and(source)?,
            None => source,
        });
    }
    Ok(found)
}

impl Original {
    fn and(self, other: Original) -> Result<Original, Contradiction> {
        // A source that leaves the method open would let the other one, perhaps the client's, choose it.
        if self == other { Ok(self) } else { Err(Contradiction) }
    }
}

fn from_fields(headers: &HeaderMap, method: &str, target: &str) -> Result<Option<Original>, Contradiction> {
    let (method, target) = (single(headers, method)?, single(headers, target)?);
    let Some(target) = target else { return if method.is_some() { Err(Contradiction) } else { Ok(None) } };
    let method = method.map(|method| Method::from_bytes(method.as_bytes())).transpose().map_err(|_| Contradiction)?;
    Ok(Some(Original { method, target: parse(target.as_bytes()).ok_or(Contradiction)? }))
}

/// What follows a `#` would be dropped here, while the proxy passes it on to a service that may read a path in it.
fn parse(target: &[u8]) -> Option<Uri> {
    let uri = Uri::try_from(target).ok().filter(|_| !target.contains(&b'#'))?;
    uri.into_parts().path_and_query.map(Uri::from)
}

/// A preflight passes without a token, and here its method may be a client's word: where the proxy does not set the
/// fields above, a client can.
pub fn is_no_preflight(headers: &mut HeaderMap) {
    headers.remove(ACCESS_CONTROL_REQUEST_METHOD);
}

/// True for a path that is its own normal form, which the rules match, while the service behind gets what was sent. The
/// case of the digits in an escape is all that may differ: every other change makes a path shorter.
pub fn is_normal(path: &str) -> bool {
    normalize_path(path).is_some_and(|normal| normal.len() == path.len())
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a HeaderValue>, Contradiction> {
    let mut values = headers.get_all(name).into_iter();
    let first = values.next();
    if values.next().is_some() { Err(Contradiction) } else { Ok(first) }
}

fn from_path<B>(request: &Request<B>) -> Result<Option<Original>, Contradiction> {
    let target = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
    let Some(target) = target.strip_prefix(PREFIX).filter(|target| target.starts_with('/')) else { return Ok(None) };
    let target = target.parse().map_err(|_| Contradiction)?;
    Ok(Some(Original { method: Some(request.method().clone()), target }))
}

/// True for a token in the scheme `DPoP`, whose proof is for one method and one target.
pub fn brings_proof(headers: &HeaderMap) -> bool {
    let is_dpop =
        |value: &HeaderValue| value.as_bytes().get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"dpop"));
    headers.get_all(AUTHORIZATION).iter().any(is_dpop)
}

/// The answer for every request that the rules let pass: 200, with the fields that tell who calls.
pub fn passed(headers: &HeaderMap, forward: &ForwardLayer) -> Response<Body> {
    let mut answer = Response::new(body(""));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for name in forward.names() {
        answer.headers_mut().insert(name.clone(), value_of(headers, name));
    }
    answer
}

/// Empty where there is none: a proxy that copies the answer's fields over those of the client then overwrites them.
fn value_of(headers: &HeaderMap, name: &HeaderName) -> HeaderValue {
    headers.get(name).cloned().unwrap_or(HeaderValue::from_static(""))
}

/// The statuses that such a proxy understands: a malformed request is none that may pass, and 401 is the one whose
/// challenge nginx hands to the client.
pub fn understood(mut answer: Response<Body>) -> Response<Body> {
    if answer.status() == StatusCode::BAD_REQUEST {
        let challenged = answer.headers().contains_key(WWW_AUTHENTICATE);
        *answer.status_mut() = if challenged { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    }
    answer
}
