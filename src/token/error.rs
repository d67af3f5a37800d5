//! Why a request was refused: the one error of authentication and authorization.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use super::reason::Reason;
use super::request::Scheme;

/// Whose matter a refusal is. Decides the status, which stands at each variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No token was sent, or one in a scheme that is not supported: 401 without an error code.
    MissingToken,
    /// The credentials are not well-formed: 400 `invalid_request`. So it is where a path can be read in several ways.
    InvalidRequest,
    /// The token is expired, forged, for somebody else or otherwise bad: 401 `invalid_token`.
    InvalidToken,
    /// The DPoP proof is missing or bad (RFC 9449 section 7.1): 401 `invalid_dpop_proof`.
    InvalidDpopProof,
    /// The DPoP proof holds no current nonce (RFC 9449 section 9): 401 `use_dpop_nonce`, with a nonce.
    UseDpopNonce,
    /// The user's authentication is too weak or too old (RFC 9470): 401 `insufficient_user_authentication`.
    InsufficientUserAuthentication,
    /// The token is good and grants too little: 403 `insufficient_scope`.
    InsufficientScope,
    /// The caller asks more often than one caller may: 429 with `Retry-After`.
    TooManyRequests,
    /// Our own trouble (no keys to be had); the token was not judged: 503 with `Retry-After`.
    Unavailable,
    /// The service is wired wrongly, for example a layer is missing: 500.
    Misconfigured,
}

/// Why a request was refused.
///
/// `Display` and [`detail`](AuthError::detail) speak to the operator; the client is told a fixed
/// text only. Nothing a caller sent stands in it unescaped, and no token at all. It is put into
/// the extensions of every refusal, so that outer layers can count or render it.
///
/// # Example
/// ```
/// # use tower_bearer::{AuthError, ErrorKind};
/// fn log(response: &http::Response<()>) {
///     if let Some(error) = response.extensions().get::<AuthError>() {
///         println!("{} ({:?}): {}", error.code(), error.kind(), error.remedy());
///     }
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AuthError {
    reason: Reason,
    scheme: Option<Scheme>,
    detail: Option<Arc<str>>,
    scope: Option<Arc<str>>,
    retry_after: Option<Duration>,
    wanted: Option<Arc<Wanted>>,
}

/// What few refusals ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Wanted {
    nonce: Option<Box<str>>,
    acr_values: Option<Box<str>>,
    max_age: Option<u64>,
}

impl AuthError {
    pub(crate) const fn new(reason: Reason) -> Self {
        AuthError { reason, scheme: None, detail: None, scope: None, retry_after: None, wanted: None }
    }

    pub(crate) fn with_detail(reason: Reason, detail: impl fmt::Display) -> Self {
        AuthError { detail: Some(detail.to_string().into()), ..AuthError::new(reason) }
    }

    pub(crate) fn retry_after(reason: Reason, wait: Duration) -> Self {
        AuthError { retry_after: Some(wait), ..AuthError::new(reason) }
    }

    /// `scope` is what a challenge names, `required` the whole requirement for the operator.
    pub(crate) fn insufficient_scope(scope: Option<Arc<str>>, required: &Arc<str>) -> Self {
        AuthError { scope, detail: Some(required.clone()), ..AuthError::new(Reason::InsufficientScope) }
    }

    /// The levels of authentication that would do, the preferred one first, separated by spaces; how many seconds ago
    /// it may have been; the scope where that lacks as well; `required` is the whole requirement for the operator.
    pub(crate) fn insufficient_user_authentication(
        acr_values: Option<Box<str>>,
        max_age: Option<u64>,
        scope: Option<Arc<str>>,
        required: &Arc<str>,
    ) -> Self {
        let wanted = Some(Arc::new(Wanted { acr_values, max_age, nonce: None }));
        let detail = Some(required.clone());
        AuthError { scope, detail, wanted, ..AuthError::new(Reason::InsufficientUserAuthentication) }
    }

    /// A refusal that hands out a nonce for the next proof.
    pub(crate) fn nonce_needed(nonce: Box<str>, detail: impl fmt::Display) -> Self {
        let wanted = Some(Arc::new(Wanted { nonce: Some(nonce), ..Wanted::default() }));
        AuthError { wanted, ..AuthError::with_detail(Reason::NonceNeeded, detail) }
    }

    /// The refusal of a token that was presented so.
    pub(crate) fn presented(self, scheme: Scheme) -> Self {
        AuthError { scheme: Some(scheme), ..self }
    }

    pub(crate) fn reason(&self) -> Reason {
        self.reason
    }

    /// The nonce for the client's next proof, with [`ErrorKind::UseDpopNonce`]: belongs into the field `DPoP-Nonce`.
    pub fn dpop_nonce(&self) -> Option<&str> {
        self.wanted.as_ref()?.nonce.as_deref()
    }

    /// How the refused token was presented; `None` where none was, or where nobody can say which one was meant.
    pub fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// The levels of authentication that would do (RFC 9470 section 3), separated by spaces, the preferred one first.
    pub fn acr_values(&self) -> Option<&str> {
        self.wanted.as_ref()?.acr_values.as_deref()
    }

    /// How many seconds ago the user may have been authenticated at most (RFC 9470 section 3).
    pub fn max_age(&self) -> Option<u64> {
        self.wanted.as_ref()?.max_age
    }

    /// The scopes to ask for where some are lacking, separated by spaces.
    pub fn required_scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Whose matter it is; decides the status.
    pub fn kind(&self) -> ErrorKind {
        self.reason.row().1
    }

    /// A stable code for logs, metrics and tests, such as `token_expired`. Part of the contract.
    pub fn code(&self) -> &'static str {
        self.reason.row().0
    }

    /// What would fix it, for the operator.
    pub fn remedy(&self) -> &'static str {
        self.reason.row().2
    }

    /// What exactly was found, for the operator; text from outside is escaped and bounded.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// How long to wait before trying again, for [`ErrorKind::Unavailable`] and [`ErrorKind::TooManyRequests`].
    pub fn retry_in(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl From<Reason> for AuthError {
    fn from(reason: Reason) -> Self {
        AuthError::new(reason)
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}; {}", self.remedy()),
            None => write!(f, ": {}", self.remedy()),
        }
    }
}

impl fmt::Debug for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthError({self})")
    }
}

impl std::error::Error for AuthError {}
