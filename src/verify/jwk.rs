//! One published key (RFC 7517 section 4).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::algorithm::{Algorithm, Curve};
use super::base64url::{decode, decode_lax};
use super::crypto::{BadKey, VerifyingKey};
use crate::token::json::{self, Json, Object};
use crate::token::key_life::KeyLife;

/// Longest `kid` that is looked at.
pub(crate) const MAX_KID: usize = 256;

/// Longest modulus in bytes that a stranger may bring: 4096 bits keep a check cheap.
const MAX_PRESENTED_MODULUS: usize = 512;

/// One verification key, parsed and prepared.
///
/// A key that cannot verify (`use` other than `sig`, an unknown `alg`, a weak or malformed key, a
/// shared secret) does not become a `Jwk`; [`JwkError`] says why. `Debug` shows no key material.
#[derive(Clone)]
pub struct Jwk {
    pub(crate) kid: Option<Box<str>>,
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) private_part: bool,
    pub(crate) key: Arc<TrackedKey>,
}

/// Key material with what was learnt about it; shared by the sets that publish it one after the other.
pub(crate) struct TrackedKey {
    pub(crate) material: VerifyingKey,
    pub(crate) thumbprint: Option<Box<str>>,
    pub(crate) life: Arc<KeyLife>,
    pinned: AtomicU8,
}

/// Why a key cannot verify tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwkError {
    /// The member is absent or of another JSON type.
    Member(&'static str),
    /// A member stands twice.
    RepeatedMember,
    /// Not a JSON object.
    NotAnObject,
    /// `kty` or `crv` is not one that verifies signatures here.
    KeyType,
    /// A shared secret is never taken from a key set.
    SharedSecret,
    /// `use` is not `sig`, or `key_ops` lacks `verify`.
    Purpose,
    /// `alg` is unknown, or the key does not fit it.
    Algorithm,
    /// A private or secret member stands there.
    PrivatePart,
    /// RSA: fewer than 2048 or more than 8192 bits, a strange exponent, or a modulus of a broken generator; EC: not a
    /// point on the curve.
    Weak,
}

impl fmt::Display for JwkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JwkError::Member(name) => write!(f, "`{name}` is missing or malformed"),
            JwkError::RepeatedMember => f.write_str("a member stands twice"),
            JwkError::NotAnObject => f.write_str("not a JSON object"),
            JwkError::KeyType => f.write_str("`kty` or `crv` is not supported"),
            JwkError::SharedSecret => f.write_str("a shared secret is never taken from a key set"),
            JwkError::Purpose => f.write_str("`use` or `key_ops` says that it is not for verifying"),
            JwkError::Algorithm => f.write_str("`alg` is unknown or does not fit the key"),
            JwkError::PrivatePart => f.write_str("a private or secret member stands in it"),
            JwkError::Weak => f.write_str("the key's size, exponent or point is not acceptable"),
        }
    }
}

impl std::error::Error for JwkError {}

impl From<BadKey> for JwkError {
    fn from(_: BadKey) -> Self {
        JwkError::Weak
    }
}

impl Jwk {
    /// Reads one key from its JSON text.
    ///
    /// # Errors
    /// The key cannot verify tokens; [`JwkError`] says why.
    pub fn parse(text: &[u8]) -> Result<Self, JwkError> {
        Jwk::from_json(&json::parse_lenient(text).map_err(|_| JwkError::NotAnObject)?)
    }

    pub(crate) fn from_json(json: &Json<'_>) -> Result<Self, JwkError> {
        let object = json.as_object().ok_or(JwkError::NotAnObject)?;
        if json.repeats_a_member() {
            return Err(JwkError::RepeatedMember);
        }
        check_purpose(object)?;
        let algorithm = match object.get("alg") {
            None => None,
            Some(name) => Some(name.as_str().and_then(|name| name.parse().ok()).ok_or(JwkError::Algorithm)?),
        };
        let material = import(object, read_published)?;
        if algorithm.is_some_and(|algorithm: Algorithm| !material.serves(algorithm)) {
            return Err(JwkError::Algorithm);
        }
        let private_part = has_private_member(object);
        Ok(Jwk { kid: kid(object)?, algorithm, private_part, key: Arc::new(TrackedKey::new(material)) })
    }

    /// The thumbprint of a key that stands there with its private part, also where its `use`, `key_ops` or `alg` keeps
    /// it from verifying: the same key may verify under another entry.
    pub(crate) fn exposed_by(json: &Json<'_>) -> Option<Box<str>> {
        let object = json.as_object().filter(|object| has_private_member(object))?;
        import(object, read_published).ok()?.thumbprint().map(Into::into)
    }

    /// A shared secret for HS256, HS384 or HS512, given by hand; never read from a key set.
    ///
    /// # Errors
    /// The secret is shorter than the hash of the algorithm (RFC 7518 section 3.2).
    pub fn shared_secret(algorithm: Algorithm, kid: Option<&str>, secret: &[u8]) -> Result<Self, JwkError> {
        let material = VerifyingKey::secret(secret);
        if !material.serves(algorithm) {
            return Err(JwkError::Weak);
        }
        let key = Arc::new(TrackedKey::new(material));
        Ok(Jwk { kid: kid.map(Into::into), algorithm: Some(algorithm), private_part: false, key })
    }

    /// The key's name.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm this key is for, where its publisher says so.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// The RFC 7638 thumbprint (SHA-256, base64url); none for a shared secret.
    pub fn thumbprint(&self) -> Option<&str> {
        self.key.thumbprint.as_deref()
    }

    /// True if the private part was published with it: anybody can sign with such a key, so a server refuses it.
    pub fn has_private_part(&self) -> bool {
        self.private_part
    }

    /// Allowed by the key's `alg` (if it has one) and by its kind, curve and size.
    pub(crate) fn serves(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own.same_as(algorithm)) && self.key.material.serves(algorithm)
    }
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwk")
            .field("kid", &self.kid())
            .field("algorithm", &self.algorithm)
            .field("thumbprint", &self.thumbprint())
            .finish_non_exhaustive()
    }
}

impl TrackedKey {
    fn new(material: VerifyingKey) -> Self {
        let thumbprint = material.thumbprint().map(Into::into);
        TrackedKey { material, thumbprint, life: Arc::new(KeyLife::endless()), pinned: AtomicU8::new(UNPINNED) }
    }

    /// Pins the key to the first algorithm that it verified (RFC 8725bis section 3.1: one key, one
    /// algorithm). False if it is pinned to another one.
    pub(crate) fn pin(&self, algorithm: Algorithm) -> bool {
        let wanted = algorithm.canonical() as u8;
        match self.pinned.compare_exchange(UNPINNED, wanted, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(pinned) => pinned == wanted,
        }
    }
}

const UNPINNED: u8 = u8::MAX;

fn kid(object: &Object<'_>) -> Result<Option<Box<str>>, JwkError> {
    match object.get("kid") {
        None => Ok(None),
        Some(Json::String(kid)) if kid.len() <= MAX_KID => Ok(Some(kid.as_ref().into())),
        Some(_) => Err(JwkError::Member("kid")),
    }
}

/// Members that only a private key or a shared secret has (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1).
pub(crate) fn has_private_member(object: &Object<'_>) -> bool {
    ["d", "p", "q", "dp", "dq", "qi", "oth"].iter().any(|name| object.get(name).is_some())
}

/// A key that whoever uses it sends along (RFC 9449 section 4.2): one spelling for one key, no private part, and
/// nothing that is costly or weak.
pub(crate) fn presented(object: &Object<'_>) -> Result<VerifyingKey, JwkError> {
    if has_private_member(object) || object.get("k").is_some() {
        return Err(JwkError::PrivatePart);
    }
    let key = import(object, |name, value| {
        let Json::String(Cow::Borrowed(text)) = value else { return None };
        let bytes = decode(text).filter(|bytes| bytes.len() <= MAX_PRESENTED_MODULUS)?;
        // A number with zeros in front is another spelling of itself (RFC 7518 section 2).
        (!matches!(name, "n" | "e") || bytes.first() != Some(&0)).then_some(bytes)
    })?;
    if key.is_of_small_order() { Err(JwkError::Weak) } else { Ok(key) }
}

fn check_purpose(object: &Object<'_>) -> Result<(), JwkError> {
    let for_signatures = object.get("use").is_none_or(|purpose| purpose.as_str() == Some("sig"));
    let may_verify = object
        .get("key_ops")
        .is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op.as_str() == Some("verify"))));
    if for_signatures && may_verify { Ok(()) } else { Err(JwkError::Purpose) }
}

/// `read` decodes the value of a member.
fn import(object: &Object<'_>, read: impl Fn(&str, &Json<'_>) -> Option<Vec<u8>>) -> Result<VerifyingKey, JwkError> {
    let text = |name| object.get(name).and_then(Json::as_str).ok_or(JwkError::Member(name));
    let bytes = |name| object.get(name).and_then(|value| read(name, value)).ok_or(JwkError::Member(name));
    match text("kty")? {
        "RSA" => Ok(VerifyingKey::rsa(&bytes("n")?, &bytes("e")?)?),
        "EC" => {
            let curve = Curve::named(text("crv")?).ok_or(JwkError::KeyType)?;
            Ok(VerifyingKey::ec(curve, &bytes("x")?, &bytes("y")?)?)
        }
        "OKP" if text("crv")? == "Ed25519" => Ok(VerifyingKey::ed25519(&bytes("x")?)?),
        "oct" => Err(JwkError::SharedSecret),
        _ => Err(JwkError::KeyType),
    }
}

fn read_published(_: &str, value: &Json<'_>) -> Option<Vec<u8>> {
    value.as_str().and_then(decode_lax)
}
