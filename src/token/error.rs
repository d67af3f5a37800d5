//! Why a request was refused: the one error of authentication and authorization.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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

/// The stable reasons. One row each: code, kind, what would fix it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    AlgorithmNotAllowed,
    AlgorithmPinned,
    AudienceMismatch,
    BearerNotTaken,
    CertificateBound,
    ClaimInvalid,
    ClaimMissing,
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "only the extractors ask for a type of claims"))]
    ClaimsMismatch,
    ClockNotSet,
    ConfirmationUnknown,
    CriticalHeader,
    Expired,
    HeaderContradictsPayload,
    HeaderInvalid,
    IdToken,
    InsufficientScope,
    InsufficientUserAuthentication,
    IssuedInFuture,
    IssuerUnknown,
    KeyAmbiguous,
    KeyMismatch,
    KeyPublishedPrivately,
    KeyUnknown,
    KeysBusy,
    KeysUnavailable,
    LayerMissing,
    MalformedCredentials,
    MissingToken,
    NonceNeeded,
    NotAJwt,
    NotYetValid,
    PathAmbiguous,
    PayloadInvalid,
    ProofInvalid,
    ProofKeyMismatch,
    ProofMissing,
    ProofQuota,
    ProofReplayed,
    ReplayStoreFull,
    ReplayStoreUnavailable,
    SenderConstrained,
    SeveralTokens,
    SignatureInvalid,
    StrayProof,
    TokenNotBound,
    TokenTooLarge,
    TypeNotAccepted,
}

impl Reason {
    #[rustfmt::skip]
    const fn row(self) -> (&'static str, ErrorKind, &'static str) {
        use ErrorKind::*;
        match self {
            Reason::AlgorithmNotAllowed => ("algorithm_not_allowed", InvalidToken, "allow it with `Issuer::algorithms(..)` if the issuer really signs with it"),
            Reason::AlgorithmPinned => ("algorithm_pinned", InvalidToken, "this key signed with another algorithm before; the issuer should publish `alg` with each key and use one key for one algorithm"),
            Reason::AudienceMismatch => ("audience_mismatch", InvalidToken, "the client must ask the issuer for a token for this resource, or add the audience with `audience(..)` if it names this service"),
            Reason::BearerNotTaken => ("bearer_not_taken", MissingToken, "this server takes DPoP only (`Dpop::require()`); the client must send `Authorization: DPoP <token>` with a proof"),
            Reason::CertificateBound => ("certificate_bound", InvalidToken, "the token is bound to a client certificate and no certificate source is configured"),
            Reason::ClaimInvalid => ("claim_invalid", InvalidToken, "the issuer writes this claim in another form; `Issuer::scope_claim(..)` names a scope that is an array"),
            Reason::ClaimMissing => ("claim_missing", InvalidToken, "let the issuer add the claim, or relax the list with `Issuer::required_claims(..)`"),
            Reason::ClaimsMismatch => ("claims_mismatch", InvalidToken, "the token does not fit the type `T` of `Claims<T>`; make the member optional or let the issuer add it"),
            Reason::ClockNotSet => ("clock_not_set", Unavailable, "the system clock stands before this release was made; set it"),
            Reason::ConfirmationUnknown => ("confirmation_unknown", InvalidToken, "the token is bound (`cnf`) in a way that cannot be checked here"),
            Reason::CriticalHeader => ("critical_header", InvalidToken, "the token demands a JWS extension (`crit` or `b64`); none is implemented"),
            Reason::Expired => ("token_expired", InvalidToken, "the client must renew its token; if it is fresh, compare the clocks"),
            Reason::HeaderContradictsPayload => ("header_contradicts_payload", InvalidToken, "`iss`, `sub` or `aud` stands in the header with another value than in the payload"),
            Reason::HeaderInvalid => ("header_invalid", InvalidToken, "the JOSE header is not one flat JSON object with a string `alg`"),
            Reason::IdToken => ("id_token", InvalidToken, "the client sent an ID token or another JWT that is no access token"),
            Reason::InsufficientScope => ("insufficient_scope", InsufficientScope, "the client must ask the issuer for the required scopes, or the caller lacks what the requirement in `detail` names"),
            Reason::InsufficientUserAuthentication => ("insufficient_user_authentication", InsufficientUserAuthentication, "the client must send the user through the issuer again, with the `acr_values` and `max_age` of the challenge"),
            Reason::IssuedInFuture => ("issued_in_future", InvalidToken, "`iat` is more than 60 s ahead; compare the clocks"),
            Reason::IssuerUnknown => ("issuer_unknown", InvalidToken, "add the issuer with `issuer(..)` if it is to be trusted; it is compared byte for byte"),
            Reason::KeyAmbiguous => ("key_ambiguous", InvalidToken, "several keys fit the token; the issuer must send a `kid` that names one"),
            Reason::KeyMismatch => ("key_mismatch", InvalidToken, "the key of that `kid` does not serve the token's algorithm"),
            Reason::KeyPublishedPrivately => ("private_key_published", InvalidToken, "the issuer publishes the private part of this key; anybody can sign with it: replace the key at the issuer"),
            Reason::KeyUnknown => ("key_unknown", InvalidToken, "no published key has this `kid`; if the issuer has just rotated, it is read again within the cool-down"),
            Reason::KeysBusy => ("keys_busy", Unavailable, "too many requests wait for the issuer's keys"),
            Reason::KeysUnavailable => ("keys_unavailable", Unavailable, "the issuer's keys cannot be fetched; see the events on `tower_bearer::keys`"),
            Reason::LayerMissing => ("layer_missing", Misconfigured, "put `.layer(AuthLayer::new(server))` outside this route"),
            Reason::MalformedCredentials => ("malformed_credentials", InvalidRequest, "the header must be `Authorization: Bearer <token>`"),
            Reason::MissingToken => ("missing_token", MissingToken, "send `Authorization: Bearer <token>`"),
            Reason::NonceNeeded => ("dpop_nonce_needed", UseDpopNonce, "the client must sign its proof anew with the nonce of this answer; a client that never does cannot do nonces"),
            Reason::NotAJwt => ("not_a_jwt", InvalidToken, "the token is not a signed JWT (three base64url parts); opaque and encrypted tokens are not taken here"),
            Reason::NotYetValid => ("token_not_yet_valid", InvalidToken, "`nbf` is ahead; compare the clocks"),
            Reason::PathAmbiguous => ("path_ambiguous", InvalidRequest, "the client must send the path in normal form: no empty segment, encoded slash, backslash, `;` or NUL, and no broken escape"),
            Reason::PayloadInvalid => ("payload_invalid", InvalidToken, "the payload is not one JSON object, or a member stands twice"),
            Reason::ProofInvalid => ("dpop_proof_invalid", InvalidDpopProof, "`detail` names the check of RFC 9449 section 4.3 that failed; for `htu` compare `external_base(..)` with the address that clients call"),
            Reason::ProofKeyMismatch => ("dpop_key_mismatch", InvalidToken, "the proof is signed by another key than the one the token is bound to (`cnf.jkt`): a stolen token, or a client that lost its key"),
            Reason::ProofMissing => ("dpop_proof_missing", InvalidDpopProof, "the client must send one `DPoP` header with each request"),
            Reason::ProofQuota => ("dpop_proof_quota", TooManyRequests, "one key sent more proofs within the window than one key may; look at what this client does"),
            Reason::ProofReplayed => ("dpop_proof_replayed", InvalidDpopProof, "this proof was used before: the client must sign a new one for each request, also when it repeats one"),
            Reason::ReplayStoreFull => ("replay_store_full", Unavailable, "more proofs are in their window than the replay store holds; enlarge it or shorten the window"),
            Reason::ReplayStoreUnavailable => ("replay_store_unavailable", Unavailable, "the replay store gives no answer, so no proof can be told from a replayed one"),
            Reason::SenderConstrained => ("sender_constrained", InvalidToken, "the token is bound to a key (`cnf.jkt`) and was sent as a plain Bearer token"),
            Reason::SeveralTokens => ("several_tokens", InvalidRequest, "send one `Authorization` header with one token"),
            Reason::SignatureInvalid => ("signature_invalid", InvalidToken, "the token was altered or signed by another key"),
            Reason::StrayProof => ("dpop_proof_beside_bearer", InvalidRequest, "the client sends a DPoP proof with a plain Bearer token: it must ask the issuer for a bound token, and send it with the scheme DPoP"),
            Reason::TokenNotBound => ("token_not_bound", InvalidToken, "the token holds no `cnf.jkt` and was sent with the scheme DPoP; let the issuer bind it, or send it as Bearer"),
            Reason::TokenTooLarge => ("token_too_large", InvalidToken, "tokens of more than 16 KiB and headers of more than 4 KiB are refused"),
            Reason::TypeNotAccepted => ("type_not_accepted", InvalidToken, "RFC 9068 wants `typ` `at+jwt`; accept what the issuer sends with `Issuer::typ(..)`"),
        }
    }
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
    #[allow(dead_code, reason = "asked for by the requirements on authentication")]
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
