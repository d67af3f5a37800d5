//! The verified claims of an access token.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde::de::DeserializeOwned;

use super::audience::Audience;
use super::authorization::Granted;
use super::json;
use super::key_life::KeyLife;
use super::request::Scheme;
use super::resource::Resource;
use super::scope::Scope;
use super::views::View;
use crate::clock::from_unix_seconds;

/// The claims of an access token that was verified for this very request.
///
/// Only verification makes one (in tests: [`testing::TestClaims`](crate::testing::TestClaims)), so whoever
/// holds `Claims` may trust every value in it. Cheap to clone: one `Arc`. `AuthLayer` puts it into the
/// request's extensions; with axum it is an extractor.
///
/// `T` is your own type for the members this crate does not know. It is deserialized from the whole
/// payload once per token, not once per request, and shared: see [`extra`](Claims::extra). A token that
/// does not fit `T` is answered with 401 `invalid_token`, and the audit event says why.
///
/// It does not hold the token's text, and it does not say what the caller may do; see
/// [`RequireScope`](crate::RequireScope).
///
/// # Example
/// ```
/// # use tower_bearer::{Claims, testing::TestClaims};
/// fn greet(claims: &Claims) -> String {
///     format!("hello {}", claims.subject().unwrap_or("client"))
/// }
/// assert_eq!(greet(&TestClaims::new().subject("alice").build()), "hello alice");
/// ```
pub struct Claims<T = ()> {
    verified: Arc<Verified<T>>,
    pub(crate) scheme: Scheme,
}

/// Claims as they are remembered: how the token is presented is another matter on each request. No larger than the `Arc`,
/// because a hit on an entry that was not used for long costs a wait for each line of memory that it touches.
#[derive(Clone)]
pub(crate) struct Kept(Arc<Verified<()>>);

impl Kept {
    pub(crate) fn set(&self) -> &ClaimSet {
        &self.0.set
    }

    pub(crate) fn presented(self, scheme: Scheme) -> Claims {
        Claims { verified: self.0, scheme }
    }
}

/// One verified token, with the typed view `T` of its payload. What each request judges again stands first, beside
/// the counters of the `Arc`: most often in the same line of memory.
#[repr(C)]
struct Verified<T> {
    lasting: Lasting,
    set: Arc<ClaimSet>,
    extra: T,
    views: View,
}

/// The end of a token whose issuer names none: later than any moment.
pub(crate) const NO_END: u64 = u64::MAX;

/// The judged members of a payload. Times are seconds since 1970.
#[derive(Debug)]
pub(crate) struct ClaimSet {
    pub(crate) issuer: Arc<str>,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) client_id: Option<Box<str>>,
    pub(crate) audience: Audience,
    pub(crate) scope: Scope,
    pub(crate) roles: Box<[Box<str>]>,
    pub(crate) granted: Granted,
    pub(crate) acr: Option<Box<str>>,
    pub(crate) auth_time: Option<u64>,
    pub(crate) jwt_id: Option<Box<str>>,
    /// [`NO_END`] where the issuer does not say.
    pub(crate) expires_at: u64,
    pub(crate) not_before: Option<u64>,
    pub(crate) issued_at: Option<u64>,
    pub(crate) confirmation: Option<Confirmation>,
    /// The payload's JSON text, for members that only the application knows.
    pub(crate) payload: Box<str>,
    pub(crate) resource: Arc<Resource>,
    /// Of the key that signed: the token lives no longer than its key. Absent where no key did.
    pub(crate) key_life: Option<Arc<KeyLife>>,
    /// The keyed digest of the token's text, equal for the very same token only; where nobody asks for it, none.
    pub(crate) digest: Option<u128>,
}

/// What decides whether a token still holds. Times are seconds since 1970.
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct Lasting {
    /// Of the key that signed: the token lives no longer than its key. Absent where no key did.
    pub(crate) key_life: Option<Arc<KeyLife>>,
    pub(crate) expires_at: u64,
    /// 0 where the issuer does not say.
    pub(crate) not_before: u64,
    pub(crate) is_bound: bool,
}

impl Lasting {
    /// False once the key that signed has left its set, or its set was not looked at for too long.
    pub(crate) fn key_is_believed(&self, wall: u64) -> bool {
        self.key_life.as_ref().is_none_or(|life| life.is_believed(wall))
    }
}

/// How the token is bound to its holder: the `cnf` claim (RFC 7800) with the methods known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Confirmation {
    /// Thumbprint of the DPoP key (RFC 9449 section 6.1).
    pub(crate) key_thumbprint: Option<Box<str>>,
    /// SHA-256 of the client certificate (RFC 8705 section 3.1).
    pub(crate) certificate_sha256: Option<Box<str>>,
}

impl Claims {
    pub(crate) fn new(set: ClaimSet, scheme: Scheme) -> Self {
        let lasting = Lasting {
            key_life: set.key_life.clone(),
            expires_at: set.expires_at,
            not_before: set.not_before.unwrap_or(0),
            is_bound: set.confirmation.is_some(),
        };
        let verified = Verified { lasting, set: Arc::new(set), extra: (), views: View::default() };
        Claims { verified: Arc::new(verified), scheme }
    }

    pub(crate) fn kept(&self) -> Kept {
        Kept(self.verified.clone())
    }

    /// The same claims with your own type beside them, deserialized once per token and shared.
    ///
    /// # Errors
    /// The payload does not fit `T`.
    pub fn typed<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Claims<T>, serde_json::Error> {
        if let Some(same) = (self as &dyn Any).downcast_ref::<Claims<T>>() {
            return Ok(same.clone());
        }
        let verified = match self.verified.views.find::<Verified<T>>() {
            Some(verified) => verified,
            None => self.verified.views.remember(self.read_typed()?),
        };
        Ok(Claims { verified, scheme: self.scheme })
    }

    fn read_typed<T: DeserializeOwned>(&self) -> Result<Arc<Verified<T>>, serde_json::Error> {
        let extra = serde_json::from_str(&self.set().payload)?;
        let (lasting, set) = (self.verified.lasting.clone(), self.verified.set.clone());
        Ok(Arc::new(Verified { lasting, set, extra, views: View::default() }))
    }
}

impl<T> Claims<T> {
    pub(crate) fn set(&self) -> &ClaimSet {
        &self.verified.set
    }

    pub(crate) fn shared(&self) -> &Arc<ClaimSet> {
        &self.verified.set
    }

    pub(crate) fn lasting(&self) -> &Lasting {
        &self.verified.lasting
    }

    /// The same claims without the view.
    pub(crate) fn untyped(&self) -> Claims {
        let (lasting, set) = (self.verified.lasting.clone(), self.verified.set.clone());
        let verified = Verified { lasting, set, extra: (), views: View::default() };
        Claims { verified: Arc::new(verified), scheme: self.scheme }
    }

    /// Your own type, as this token fills it.
    pub fn extra(&self) -> &T {
        &self.verified.extra
    }

    /// The issuer (`iss`), one of those the server trusts.
    pub fn issuer(&self) -> &str {
        &self.set().issuer
    }

    /// The subject (`sub`): unique within one issuer only; see [`subject_key`](Claims::subject_key).
    /// With client credentials many servers put the client here: see [`is_client`](Claims::is_client).
    pub fn subject(&self) -> Option<&str> {
        self.set().subject.as_deref()
    }

    /// Issuer and subject together: what identifies a user where several issuers are trusted.
    pub fn subject_key(&self) -> Option<(&str, &str)> {
        Some((self.issuer(), self.subject()?))
    }

    /// The client that asked for the token (`client_id`, else `azp`, or the claim named with `Issuer::client_claim`).
    pub fn client_id(&self) -> Option<&str> {
        self.set().client_id.as_deref()
    }

    /// True if the client acts for itself: subject and client are the same (RFC 9068 section 5).
    pub fn is_client(&self) -> bool {
        self.subject().is_some() && self.subject() == self.client_id()
    }

    /// Whom the token is for (`aud`).
    pub fn audience(&self) -> &Audience {
        &self.set().audience
    }

    /// What was granted (`scope`, or the claim named with `Issuer::scope_claim`), and nothing that a role adds: see
    /// [`permissions`](Claims::permissions).
    pub fn scope(&self) -> &Scope {
        &self.set().scope
    }

    /// The roles of `roles`, `groups` and `entitlements` (RFC 9068 section 2.2.3.1), or of the claim
    /// named with `Issuer::roles_claim` or a preset.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.set().roles.iter().map(AsRef::as_ref)
    }

    /// The token's identifier (`jti`). It is not a one-time value: a token may be sent many times.
    pub fn jwt_id(&self) -> Option<&str> {
        self.set().jwt_id.as_deref()
    }

    /// When the token ends (`exp`); the server's leeway comes on top. Every JWT says so; an opaque token's issuer need
    /// not (RFC 7662 section 2.2), and then nobody knows: `None`.
    pub fn expires_at(&self) -> Option<SystemTime> {
        let end = self.set().expires_at;
        (end != NO_END).then(|| from_unix_seconds(end))
    }

    /// When the token was issued (`iat`).
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.set().issued_at.map(from_unix_seconds)
    }

    /// How the token was presented on this request.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// One claim by name or dotted path (`realm_access.roles`); `None` if the token does not hold it.
    ///
    /// Reads the payload anew on each call: for what a handler needs often, use `Claims<T>`.
    pub fn claim(&self, path: &str) -> Option<serde_json::Value> {
        let payload = json::parse_object(self.set().payload.as_bytes()).ok()?;
        Some(payload.at(path)?.to_value())
    }

    /// The payload as the issuer signed it: one JSON object.
    pub fn as_json(&self) -> &str {
        &self.set().payload
    }
}

impl<T> Clone for Claims<T> {
    fn clone(&self) -> Self {
        Claims { verified: self.verified.clone(), scheme: self.scheme }
    }
}

/// Names who and what for; the other claims may be personal data and stay out of logs.
impl<T> fmt::Debug for Claims<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .field("client_id", &self.client_id())
            .field("scope", &self.scope().as_str())
            .finish_non_exhaustive()
    }
}
