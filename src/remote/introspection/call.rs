//! One call to the endpoint (RFC 7662 section 2): what is sent, and what kind of answer came.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};

use super::client_auth::ClientAuth;
use super::form;
use crate::clock::Now;
use crate::remote::discovery::{DiscoveryError, is_of_type};
use crate::remote::http_client::{Door, HttpError};
use crate::remote::metadata::MetadataSource;
use crate::telemetry;
use crate::token::json::{self, Json};

const JSON: &str = "application/json";
const SIGNED: &str = "application/token-introspection+jwt";

/// The longest pause that the endpoint can ask for.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Where the endpoint is.
pub(crate) enum Address {
    Given(Uri),
    Discovered(Arc<MetadataSource>),
}

/// Calls one endpoint.
pub(crate) struct Caller {
    pub(crate) issuer: Arc<str>,
    pub(crate) address: Address,
    pub(crate) auth: ClientAuth,
    /// Signed answers are asked for, and no other taken.
    pub(crate) signed: bool,
    pub(crate) door: Door,
}

/// Why a call brought no answer about the token.
#[derive(Debug)]
pub(super) enum CallError {
    Http(HttpError),
    Discovery(DiscoveryError),
    /// 401, 403 or `invalid_client`: the endpoint refuses this service.
    Unauthorized(StatusCode),
    /// 429.
    Paused(Duration),
    /// `unsupported_token_type`: it is no token of this issuer.
    TokenRefused,
    Malformed(&'static str),
    /// The keys for a signed answer cannot be had.
    Keys,
    /// Our own assertion could not be signed.
    Signing,
}

impl Caller {
    /// One answer of the expected media type. A connection that broke is tried once more: the question changes nothing
    /// at the issuer.
    pub(super) async fn call(&self, token: &str) -> Result<Bytes, CallError> {
        let endpoint = self.endpoint().await?;
        let response = match self.send(&endpoint, token).await {
            Err(CallError::Http(HttpError::Connection(_))) => self.send(&endpoint, token).await?,
            other => other?,
        };
        self.judge(response)
    }

    async fn endpoint(&self) -> Result<Uri, CallError> {
        let metadata = match &self.address {
            Address::Given(uri) => return Ok(uri.clone()),
            Address::Discovered(metadata) => metadata,
        };
        let found = metadata.get(&self.door, false).await.map_err(CallError::Discovery)?.introspection;
        let wrong = |what: &str| CallError::Discovery(DiscoveryError::Introspection(what.into()));
        let found = found.ok_or_else(|| wrong("is missing; name it with `Introspection::endpoint(..)`"))?;
        // Credentials and tokens go there, so a document alone does not choose another host.
        if !same_host(&found.uri, &self.issuer) {
            return Err(wrong("is on another host than the issuer; name it with `Introspection::endpoint(..)`"));
        }
        if !found.methods.is_empty() && !found.methods.iter().any(|method| method == self.auth.method()) {
            telemetry::client_auth_unlisted(&self.issuer, self.auth.method());
        }
        Ok(found.uri)
    }

    async fn send(&self, endpoint: &Uri, token: &str) -> Result<Response<Bytes>, CallError> {
        let now = Now::read(&*self.door.clock).wall;
        let credentials = self.auth.credentials(now).ok_or(CallError::Signing)?;
        let mut members = vec![("token", token.to_owned()), ("token_type_hint", "access_token".to_owned())];
        members.extend(credentials.members);
        let mut request = Request::new(Bytes::from(form::body(&members)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static(if self.signed { SIGNED } else { JSON }));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(authorization) = credentials.authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        self.door.client.send(request, self.door.max_body).await.map_err(CallError::Http)
    }

    fn judge(&self, response: Response<Bytes>) -> Result<Bytes, CallError> {
        match response.status() {
            StatusCode::OK => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => return Err(CallError::Unauthorized(status)),
            StatusCode::TOO_MANY_REQUESTS => return Err(CallError::Paused(pause(&response))),
            StatusCode::BAD_REQUEST => return Err(bad_request(&response)),
            status => return Err(CallError::Http(HttpError::Status(status))),
        }
        if response.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(CallError::Malformed("the answer is compressed although nobody asked for it"));
        }
        if response.body().len() > self.door.max_body {
            return Err(CallError::Http(HttpError::TooLarge));
        }
        match (self.signed, is_of_type(&response, if self.signed { SIGNED } else { JSON })) {
            (_, true) => Ok(response.into_body()),
            (true, false) => Err(CallError::Malformed("the answer is not signed, as `signed_response` demands")),
            (false, false) => Err(CallError::Malformed("the answer is not of type application/json")),
        }
    }
}

/// The two errors of RFC 6749 section 5.2 and RFC 7009 section 2.2.1 that mean something else than a broken request.
fn bad_request(response: &Response<Bytes>) -> CallError {
    let object = json::parse_object(response.body()).ok();
    let error = object.as_ref().and_then(|object| object.get("error")).and_then(Json::as_str);
    match error {
        Some("unsupported_token_type") => CallError::TokenRefused,
        Some("invalid_client" | "unauthorized_client") => CallError::Unauthorized(response.status()),
        _ => CallError::Http(HttpError::Status(response.status())),
    }
}

/// `Retry-After` in seconds, a minute at most; five seconds where it does not say.
fn pause(response: &Response<Bytes>) -> Duration {
    let value = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = value.and_then(|text| text.trim().parse().ok()).unwrap_or(5);
    Duration::from_secs(seconds).clamp(Duration::from_secs(1), MAX_PAUSE)
}

fn same_host(uri: &Uri, issuer: &str) -> bool {
    let own = issuer.parse::<Uri>().ok();
    let own = own.as_ref().and_then(Uri::host);
    uri.host().zip(own).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
}

impl CallError {
    /// A stable code for logs and metrics.
    pub(super) fn code(&self) -> &'static str {
        match self {
            CallError::Http(error) => error.code(),
            CallError::Discovery(error) => error.code(),
            CallError::Unauthorized(_) => "unauthorized",
            CallError::Paused(_) => "too_many_requests",
            CallError::TokenRefused => "inactive",
            CallError::Malformed(_) => "malformed",
            CallError::Keys => "keys",
            CallError::Signing => "signing",
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Http(error) => error.fmt(f),
            CallError::Discovery(error) => error.fmt(f),
            CallError::Unauthorized(status) => write!(f, "status {status}: the endpoint refuses this service itself"),
            CallError::Paused(wait) => write!(f, "status 429: the endpoint asks for a pause of {wait:?}"),
            CallError::TokenRefused => f.write_str("the endpoint does not know this type of token"),
            CallError::Malformed(what) => f.write_str(what),
            CallError::Keys => f.write_str("the issuer's keys for its signed answer cannot be had"),
            CallError::Signing => f.write_str("the client assertion could not be signed"),
        }
    }
}
