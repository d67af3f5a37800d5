//! The one table from an error to an answer: status, `WWW-Authenticate`, body.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use super::body::RefusalBody;
use super::cors::DPOP_NONCE;
use super::grpc;
use super::recycled::Recycled;
use crate::telemetry;
use crate::token::error::{AuthError, ErrorKind, Reason};
use crate::token::refusal::Refusal;
use crate::token::request::Scheme;
use crate::token::resource::Resource;

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

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
    (TOO_MANY_REQUESTS, tail) => {
        r#""status":429,"title":"Too Many Requests"}"#
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
static UNBOUND: Wire = wire!(9, UNAUTHORIZED, "invalid_token", "The access token is not bound to the proof key");
static PROOF: Wire = wire!(10, UNAUTHORIZED, "invalid_dpop_proof", "The DPoP proof is missing or invalid");
static NONCE: Wire = wire!(11, UNAUTHORIZED, "use_dpop_nonce", "A current DPoP nonce is required");
static STRAY: Wire = wire!(12, BAD_REQUEST, "invalid_request", "A DPoP proof needs the DPoP scheme");
static STEP_UP: Wire =
    wire!(13, UNAUTHORIZED, "insufficient_user_authentication", "A stronger or newer authentication is required");
static QUOTA: Wire = wire!(14, TOO_MANY_REQUESTS);
static PATH: Wire = wire!(15, BAD_REQUEST);

fn wire(error: &AuthError) -> &'static Wire {
    match (error.kind(), error.reason()) {
        (ErrorKind::MissingToken, _) => &ANONYMOUS,
        (_, Reason::SeveralTokens) => &SEVERAL,
        (_, Reason::StrayProof) => &STRAY,
        (_, Reason::PathAmbiguous) => &PATH,
        (ErrorKind::InvalidRequest, _) => &MALFORMED,
        (_, Reason::SenderConstrained) => &CONSTRAINED,
        (_, Reason::CertificateBound | Reason::CertificateMismatch) => &CERTIFICATE,
        (_, Reason::TokenNotBound | Reason::ProofKeyMismatch) => &UNBOUND,
        (ErrorKind::InvalidToken, _) => &INVALID,
        (ErrorKind::InvalidDpopProof, _) => &PROOF,
        (ErrorKind::UseDpopNonce, _) => &NONCE,
        (ErrorKind::InsufficientUserAuthentication, _) => &STEP_UP,
        (ErrorKind::InsufficientScope, _) => &SCOPE,
        (ErrorKind::TooManyRequests, _) => &QUOTA,
        (ErrorKind::Unavailable, _) => &UNAVAILABLE,
        (ErrorKind::Misconfigured, _) => &MISCONFIGURED,
    }
}

/// What the challenge of one scheme says.
#[derive(Clone, Copy)]
enum Line {
    /// The refusal.
    Told,
    /// As to somebody who sent nothing.
    Clean,
}

/// Which schemes are challenged, Bearer first (RFC 9449 section 7.2): all that are taken where nothing was sent or nobody
/// can say what was meant. The error stands with the scheme that was used. After an attempt with DPoP no other is
/// offered, which would invite to the weaker one; nor is it where another scheme would not help.
fn lines(error: &AuthError, resource: &Resource) -> [Option<Line>; 2] {
    let offers = |scheme| resource.schemes.offer(scheme);
    let told = |scheme| offers(scheme).then_some(Line::Told);
    match (error.kind(), error.scheme()) {
        (ErrorKind::Unavailable | ErrorKind::Misconfigured | ErrorKind::TooManyRequests, _) => [None, None],
        // It is no matter of credentials.
        _ if error.reason() == Reason::PathAmbiguous => [None, None],
        (ErrorKind::MissingToken, _) => SCHEMES.map(|scheme| offers(scheme).then_some(Line::Clean)),
        (_, None) => SCHEMES.map(told),
        (_, Some(Scheme::Dpop)) => [None, told(Scheme::Dpop)],
        (kind, Some(Scheme::Bearer)) => {
            let helps = kind != ErrorKind::InsufficientScope
                && kind != ErrorKind::InsufficientUserAuthentication
                && !matches!(error.reason(), Reason::CertificateBound | Reason::CertificateMismatch);
            [told(Scheme::Bearer), (helps && offers(Scheme::Dpop)).then_some(Line::Clean)]
        }
    }
}

/// In the order of their challenges.
const SCHEMES: [Scheme; 2] = [Scheme::Bearer, Scheme::Dpop];

/// The challenges of a refusal; none for our own trouble. Made once, but for what a route asks for.
fn challenges(error: &AuthError, wire: &Wire, resource: &Resource) -> [Option<HeaderValue>; 2] {
    let [bearer, dpop] = lines(error, resource);
    let challenge = |line: Option<Line>, scheme| match line? {
        Line::Clean => kept(&ANONYMOUS, scheme, resource),
        Line::Told => match error.kind() {
            ErrorKind::InsufficientScope | ErrorKind::InsufficientUserAuthentication => {
                new_challenge(wire, scheme, Some(error), error.required_scope(), resource)
            }
            _ => kept(wire, scheme, resource),
        },
    };
    [challenge(bearer, Scheme::Bearer), challenge(dpop, Scheme::Dpop)]
}

fn kept(wire: &Wire, scheme: Scheme, resource: &Resource) -> Option<HeaderValue> {
    let scope = resource.challenge_scope.as_deref().filter(|_| wire.place == ANONYMOUS.place);
    let [bearer, dpop] = resource.challenges.get(wire.place)?;
    let place = match scheme {
        Scheme::Bearer => bearer,
        Scheme::Dpop => dpop,
    };
    place.get_or_init(|| new_challenge(wire, scheme, None, scope, resource)).clone()
}

/// Its parameters in a fixed order.
fn new_challenge(
    wire: &Wire,
    scheme: Scheme,
    asked: Option<&AuthError>,
    scope: Option<&str>,
    resource: &Resource,
) -> Option<HeaderValue> {
    let (code, description) = wire.error.unzip();
    let max_age = asked.and_then(AuthError::max_age).map(|seconds| seconds.to_string());
    // A DPoP challenge is never bare (RFC 6750 section 3 wants that of Bearer), so a realm stands there by choice only.
    let (realm, algorithms) = match scheme {
        Scheme::Bearer => (resource.realm.as_deref(), None),
        Scheme::Dpop => {
            (resource.realm.as_deref().filter(|_| resource.realm_is_chosen), resource.schemes.dpop.as_deref())
        }
    };
    let parameters = [
        ("realm", realm),
        ("error", code),
        ("error_description", description),
        ("scope", scope),
        ("acr_values", asked.and_then(AuthError::acr_values)),
        ("max_age", max_age.as_deref()),
        ("algs", algorithms),
        ("resource_metadata", resource.metadata.as_ref().map(|metadata| metadata.url.as_str())),
    ];
    let mut text = String::from(scheme.as_str());
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
    // Without a layer nobody knows whether a status of 200 is safe here.
    let as_grpc = recycled.is_grpc && resource.is_some_and(|resource| resource.grpc_refusals);
    let text = if head || as_grpc { Bytes::new() } else { text };
    let mut response = Response::new(body.body(text));
    *response.status_mut() = wire.status;
    (*response.headers_mut(), *response.extensions_mut()) = (recycled.headers, recycled.extensions);
    let headers = response.headers_mut();
    if let Some(resource) = resource {
        for challenge in challenges(&error, wire, resource).into_iter().flatten() {
            headers.append(WWW_AUTHENTICATE, challenge);
        }
    }
    headers.insert(CACHE_CONTROL, NO_STORE);
    if body.carries() {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TooManyRequests) {
        headers.insert(RETRY_AFTER, retry_after(error.retry_in()));
    }
    if let Some(Ok(nonce)) = error.dpop_nonce().map(HeaderValue::from_str) {
        headers.insert(DPOP_NONCE, nonce);
    }
    if as_grpc {
        let title = wire.status.canonical_reason().unwrap_or_default();
        grpc::trailers_only(&mut response, wire.error.map_or(title, |(_, description)| description));
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
    use crate::token::resource::{MetadataAddress, Schemes};

    #[test]
    fn every_problem_document_says_what_its_row_says() {
        let rows = [&ANONYMOUS, &SEVERAL, &MALFORMED, &CONSTRAINED, &CERTIFICATE, &INVALID, &SCOPE];
        let rows = rows.into_iter().chain([&UNAVAILABLE, &MISCONFIGURED, &UNBOUND, &PROOF, &NONCE, &STRAY]);
        let rows: Vec<_> = rows.chain([&STEP_UP, &QUOTA, &PATH]).collect();
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
    const ALGS: &str = "ES256 Ed25519 PS256";
    const PRM: &str = "https://api.example.com/.well-known/oauth-protected-resource";

    fn resource(schemes: Schemes) -> Resource {
        Resource {
            identifier: "https://api.example.com".into(),
            realm: None,
            realm_is_chosen: false,
            metadata: MetadataAddress::of("https://api.example.com"),
            authorization_servers: Vec::new(),
            challenge_scope: None,
            schemes,
            binds_certificates: false,
            refusal_body: None,
            audit_sink: None,
            authorization: Default::default(),
            challenges: Default::default(),
            description: Default::default(),
            strip_credentials: false,
            grpc_refusals: true,
            clock: std::sync::Arc::new(crate::SystemClock::new()),
            leeway: 30,
        }
    }

    fn said(error: AuthError, resource: &Resource) -> Vec<String> {
        let response: Response<Bytes> = refuse(error, Some(resource), false, &crate::BytesBody, Recycled::default());
        let lines = response.headers().get_all(WWW_AUTHENTICATE).iter();
        lines.map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    /// `scheme` with these parameters before those that stand in every challenge of it.
    fn line(scheme: Scheme, parameters: &str) -> String {
        let algorithms = if scheme == Scheme::Dpop { format!("algs=\"{ALGS}\", ") } else { String::new() };
        format!("{} {parameters}{algorithms}resource_metadata=\"{PRM}\"", scheme.as_str())
    }

    /// Part C of the conformance matrix: what each of the three kinds of servers says.
    #[test]
    fn c9449_7_2_d_the_error_stands_with_the_scheme_that_was_used_and_both_where_that_is_not_known() {
        use Scheme::{Bearer, Dpop};
        let error = |code: &str, text: &str| format!("error=\"{code}\", error_description=\"{text}\", ");
        let invalid = |text| error("invalid_token", text);
        let required: std::sync::Arc<str> = "files:write".into();
        let step_up = |scope| {
            let acr = Some("urn:example:mfa".into());
            AuthError::insufficient_user_authentication(acr, Some(300), scope, &required)
        };
        let stronger = error("insufficient_user_authentication", "A stronger or newer authentication is required");
        let levels = "acr_values=\"urn:example:mfa\", max_age=\"300\", ";
        let write = "scope=\"files:write\", ";
        // The error, the parameters it adds, and whether a Bearer attempt is shown DPoP as a way out.
        let rows: [(AuthError, String, bool); 11] = [
            (Reason::MalformedCredentials.into(), error("invalid_request", "Malformed Authorization header"), true),
            (Reason::Expired.into(), invalid("The access token is invalid or expired"), true),
            (Reason::SenderConstrained.into(), invalid("The access token is sender-constrained"), true),
            (Reason::TokenNotBound.into(), invalid("The access token is not bound to the proof key"), true),
            (Reason::ProofKeyMismatch.into(), invalid("The access token is not bound to the proof key"), true),
            (Reason::ProofReplayed.into(), error("invalid_dpop_proof", "The DPoP proof is missing or invalid"), true),
            (
                AuthError::nonce_needed("n".into(), "none"),
                error("use_dpop_nonce", "A current DPoP nonce is required"),
                true,
            ),
            (Reason::StrayProof.into(), error("invalid_request", "A DPoP proof needs the DPoP scheme"), true),
            (
                AuthError::insufficient_scope(Some(required.clone()), &required),
                error("insufficient_scope", "The token lacks a required scope") + write,
                false,
            ),
            (step_up(None), format!("{stronger}{levels}"), false),
            (step_up(Some(required.clone())), format!("{stronger}{write}{levels}"), false),
        ];
        let both = || Schemes { bearer: true, dpop: Some(ALGS.into()) };
        for (error, parameters, helps) in &rows {
            let told = |scheme: Scheme, schemes| said(error.clone().presented(scheme), &resource(schemes));
            assert_eq!(told(Bearer, Schemes::BEARER), [line(Bearer, parameters)], "{error}");
            assert_eq!(told(Dpop, Schemes { bearer: false, ..both() }), [line(Dpop, parameters)], "{error}");
            assert_eq!(told(Dpop, both()), [line(Dpop, parameters)], "{error}");
            let with_a_way_out = if *helps { vec![line(Dpop, "")] } else { Vec::new() };
            assert_eq!(told(Bearer, both()), [vec![line(Bearer, parameters)], with_a_way_out].concat(), "{error}");
        }
        for (reason, parameters) in [
            (Reason::MissingToken, String::new()),
            (Reason::SeveralTokens, error("invalid_request", "More than one access token was sent")),
        ] {
            let told = |schemes| said(reason.into(), &resource(schemes));
            let (bearer, dpop) = (line(Bearer, &parameters), line(Dpop, &parameters));
            assert_eq!(told(Schemes::BEARER), std::slice::from_ref(&bearer));
            assert_eq!(told(Schemes { bearer: false, ..both() }), std::slice::from_ref(&dpop));
            assert_eq!(told(both()), [bearer, dpop]);
        }
        let certificate = || AuthError::new(Reason::CertificateBound);
        let parameters = invalid("The client certificate does not match the token");
        for scheme in SCHEMES {
            assert_eq!(said(certificate().presented(scheme), &resource(both())), [line(scheme, &parameters)]);
        }
    }

    #[test]
    fn c9449_9_a_a_refusal_for_want_of_a_nonce_hands_out_exactly_one() {
        let resource = resource(Schemes { bearer: true, dpop: Some(ALGS.into()) });
        let refusal = |error: AuthError| -> Response<Bytes> {
            refuse(error.presented(Scheme::Dpop), Some(&resource), false, &crate::BytesBody, Recycled::default())
        };
        let response = refusal(AuthError::nonce_needed("abc".into(), "none"));
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let nonces: Vec<_> = response.headers().get_all(DPOP_NONCE).iter().collect();
        assert_eq!((nonces, &response.headers()[CACHE_CONTROL]), (vec![&HeaderValue::from_static("abc")], &NO_STORE));
        assert!(!refusal(Reason::ProofInvalid.into()).headers().contains_key(DPOP_NONCE));
    }

    #[test]
    fn c9449_11_1_c_a_quota_and_a_store_that_fails_say_when_to_come_back_and_challenge_nobody() {
        let resource = resource(Schemes { bearer: true, dpop: Some(ALGS.into()) });
        for (reason, status) in [
            (Reason::ProofQuota, StatusCode::TOO_MANY_REQUESTS),
            (Reason::ReplayStoreFull, StatusCode::SERVICE_UNAVAILABLE),
            (Reason::ReplayStoreUnavailable, StatusCode::SERVICE_UNAVAILABLE),
        ] {
            let error = AuthError::retry_after(reason, Duration::from_secs(7)).presented(Scheme::Dpop);
            let response: Response<Bytes> =
                refuse(error, Some(&resource), false, &crate::BytesBody, Recycled::default());
            assert_eq!((response.status(), &response.headers()[RETRY_AFTER]), (status, &HeaderValue::from(7)));
            assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
        }
    }
}
