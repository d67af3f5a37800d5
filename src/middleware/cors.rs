//! Cross-origin requests (Fetch standard): what a preflight is, and what a CORS layer must let through.

use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, ORIGIN, TRANSFER_ENCODING,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method};

/// The answer fields a script must be allowed to read: `Access-Control-Expose-Headers` of the CORS layer
/// that stands outside [`AuthLayer`](crate::AuthLayer). Without them a script sees a refusal, not its reason.
///
/// # Example
/// ```
/// use tower_http::cors::CorsLayer;
/// use tower_bearer::{CORS_EXPOSED_HEADERS, CORS_REQUEST_HEADERS};
/// let cors = CorsLayer::new().expose_headers(CORS_EXPOSED_HEADERS).allow_headers(CORS_REQUEST_HEADERS);
/// ```
pub const CORS_EXPOSED_HEADERS: [HeaderName; 2] = [WWW_AUTHENTICATE, DPOP_NONCE];

/// The request fields a script must be allowed to send: `Access-Control-Allow-Headers`. `Authorization` must
/// be named, a `*` does not cover it.
pub const CORS_REQUEST_HEADERS: [HeaderName; 3] = [AUTHORIZATION, HeaderName::from_static("dpop"), CONTENT_TYPE];

/// Carries the nonce for the next proof (RFC 9449 section 8.2).
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// True for a preflight in its real form: it carries no credentials and no body.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        && !headers.contains_key(AUTHORIZATION)
        && !headers.contains_key(TRANSFER_ENCODING)
        && headers.get_all(CONTENT_LENGTH).iter().all(|length| length == "0")
}
