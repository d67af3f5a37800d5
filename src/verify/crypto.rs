//! What is made of aws-lc-rs: prepared keys, digests, random numbers.

use std::sync::OnceLock;

use aws_lc_rs::signature::{self as lc, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use aws_lc_rs::{digest, hmac, rand};

use super::algorithm::{Algorithm, Curve, KeyKind};
use super::{base64url, roca, small_order};

/// A key that can verify, parsed once.
pub(crate) enum VerifyingKey {
    Rsa { n: Vec<u8>, e: Vec<u8>, prepared: Box<[OnceLock<Option<ParsedPublicKey>>; 6]> },
    Ec { curve: Curve, point: Vec<u8>, prepared: ParsedPublicKey },
    Ed25519 { x: Vec<u8>, prepared: ParsedPublicKey },
    Secret { bytes: Vec<u8> },
}

/// Why key material cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadKey {
    RsaSize,
    RsaExponent,
    RsaModulus,
    Length,
    Point,
}

impl VerifyingKey {
    /// RSA with 2048 to 8192 bits (RFC 7518 section 3.3; the upper bound keeps a check cheap).
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, BadKey> {
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        if !(2048..=8192).contains(&bits(n)) {
            return Err(BadKey::RsaSize);
        }
        if n.last().is_none_or(|byte| byte % 2 == 0) || roca::is_suspect(n) {
            return Err(BadKey::RsaModulus);
        }
        // An odd exponent of 4 bytes at most lies below 2^32; 1 would be no signature at all.
        if bits(e) > 32 || bits(e) < 2 || e.last().is_none_or(|byte| byte % 2 == 0) {
            return Err(BadKey::RsaExponent);
        }
        let key = VerifyingKey::Rsa { n: n.to_vec(), e: e.to_vec(), prepared: Default::default() };
        match key.rsa_for(Algorithm::RS256) {
            Some(_) => Ok(key),
            None => Err(BadKey::RsaModulus),
        }
    }

    /// Full-length coordinates of a point on the curve (RFC 7518 section 6.2).
    pub(crate) fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, BadKey> {
        if x.len() != curve.size() || y.len() != curve.size() {
            return Err(BadKey::Length);
        }
        let point = [&[4], x, y].concat();
        let algorithm = match curve {
            Curve::P256 => &lc::ECDSA_P256_SHA256_FIXED,
            Curve::P384 => &lc::ECDSA_P384_SHA384_FIXED,
            Curve::P521 => &lc::ECDSA_P521_SHA512_FIXED,
        };
        let prepared = ParsedPublicKey::new(algorithm, &point).map_err(|_| BadKey::Point)?;
        Ok(VerifyingKey::Ec { curve, point, prepared })
    }

    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, BadKey> {
        if x.len() != 32 {
            return Err(BadKey::Length);
        }
        let prepared = ParsedPublicKey::new(&lc::ED25519, x).map_err(|_| BadKey::Point)?;
        Ok(VerifyingKey::Ed25519 { x: x.to_vec(), prepared })
    }

    pub(crate) fn secret(bytes: &[u8]) -> Self {
        VerifyingKey::Secret { bytes: bytes.to_vec() }
    }

    pub(crate) fn kind(&self) -> KeyKind {
        match self {
            VerifyingKey::Rsa { .. } => KeyKind::Rsa,
            VerifyingKey::Ec { curve, .. } => KeyKind::Ec(*curve),
            VerifyingKey::Ed25519 { .. } => KeyKind::Ed25519,
            VerifyingKey::Secret { .. } => KeyKind::Secret,
        }
    }

    /// True if the key is of the kind and size that the algorithm needs.
    pub(crate) fn serves(&self, algorithm: Algorithm) -> bool {
        self.kind() == algorithm.key_kind()
            && match self {
                VerifyingKey::Secret { bytes } => bytes.len() >= algorithm.min_secret(),
                _ => true,
            }
    }

    /// Ed25519 keys for which anybody makes signatures that hold.
    pub(crate) fn is_of_small_order(&self) -> bool {
        let VerifyingKey::Ed25519 { x, .. } = self else { return false };
        x.as_slice().try_into().is_ok_and(small_order::is_suspect)
    }

    /// The one place where a signature is computed.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.serves(algorithm) {
            return false;
        }
        count_check();
        match self {
            VerifyingKey::Rsa { .. } => {
                self.rsa_for(algorithm).is_some_and(|key| key.verify_sig(message, signature).is_ok())
            }
            // R || S of fixed length: a DER signature is refused before the primitive sees it.
            VerifyingKey::Ec { curve, prepared, .. } => {
                signature.len() == 2 * curve.size() && prepared.verify_sig(message, signature).is_ok()
            }
            VerifyingKey::Ed25519 { prepared, .. } => prepared.verify_sig(message, signature).is_ok(),
            VerifyingKey::Secret { bytes } => {
                hmac::verify(&hmac::Key::new(hmac_of(algorithm), bytes), message, signature).is_ok()
            }
        }
    }

    fn rsa_for(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        let VerifyingKey::Rsa { n, e, prepared } = self else { return None };
        let (slot, parameters) = rsa_parameters(algorithm)?;
        let components = RsaPublicKeyComponents { n, e };
        prepared.get(slot)?.get_or_init(|| components.to_parsed_public_key(parameters).ok()).as_ref()
    }

    /// The RFC 7638 thumbprint, from the imported and so canonical members. None for secrets.
    pub(crate) fn thumbprint(&self) -> Option<String> {
        Some(base64url::encode(&sha256(self.canonical_jwk()?.as_bytes())))
    }

    /// The members that RFC 7638 section 3.2 names, in its order and without white space.
    pub(crate) fn canonical_jwk(&self) -> Option<String> {
        let encode = base64url::encode;
        Some(match self {
            VerifyingKey::Rsa { n, e, .. } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n))
            }
            VerifyingKey::Ec { curve, point, .. } => {
                let (x, y) = point.get(1..)?.split_at_checked(curve.size())?;
                format!(r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#, curve.name(), encode(x), encode(y))
            }
            VerifyingKey::Ed25519 { x, .. } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x)),
            VerifyingKey::Secret { .. } => return None,
        })
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<(usize, &'static RsaParameters)> {
    Some(match algorithm {
        Algorithm::RS256 => (0, &lc::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => (1, &lc::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => (2, &lc::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => (3, &lc::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => (4, &lc::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => (5, &lc::RSA_PSS_2048_8192_SHA512),
        _ => return None,
    })
}

fn hmac_of(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm {
        Algorithm::HS384 => hmac::HMAC_SHA384,
        Algorithm::HS512 => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    }
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

fn bits(number: &[u8]) -> usize {
    let first = number.first().map_or(8, |byte| byte.leading_zeros() as usize);
    (number.len() * 8).saturating_sub(first)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    sum
}

pub(crate) fn hmac_sha256(secret: &[u8], message: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref());
    sum
}

/// Compares in constant time.
pub(crate) fn is_hmac_sha256(secret: &[u8], message: &[u8], sum: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, sum).is_ok()
}

/// Sixteen random bytes of the operating system, for the keys of this process and for jitter.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // aws-lc reseeds from the operating system and aborts rather than return predictable bytes.
    let _ = rand::fill(&mut bytes);
    bytes
}

#[cfg(any(test, feature = "testing"))]
thread_local! {
    static CHECKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How many signatures this thread has computed, so that tests can tell an early refusal from a late one.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn checks_on_this_thread() -> u64 {
    CHECKS.with(std::cell::Cell::get)
}

fn count_check() {
    #[cfg(any(test, feature = "testing"))]
    CHECKS.with(|checks| checks.set(checks.get().wrapping_add(1)));
}
