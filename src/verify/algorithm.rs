//! The one table of signature algorithms (RFC 7518, 8037, 9864).

use std::fmt;
use std::str::FromStr;

/// A signature algorithm by its JWS name. `none` does not exist here.
///
/// # Example
/// ```
/// # use tower_bearer::Algorithm;
/// assert_eq!("ES256".parse(), Ok(Algorithm::ES256));
/// assert!("es256".parse::<Algorithm>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256; only with a shared secret.
    HS256,
    /// HMAC with SHA-384; only with a shared secret.
    HS384,
    /// HMAC with SHA-512; only with a shared secret.
    HS512,
    /// RSA PKCS #1 v1.5 with SHA-256.
    RS256,
    /// RSA PKCS #1 v1.5 with SHA-384.
    RS384,
    /// RSA PKCS #1 v1.5 with SHA-512.
    RS512,
    /// RSA-PSS with SHA-256.
    PS256,
    /// RSA-PSS with SHA-384.
    PS384,
    /// RSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// Ed25519 by its older name (RFC 8037).
    EdDSA,
    /// Ed25519 by its fully specified name (RFC 9864).
    Ed25519,
}

/// What kind of key an algorithm needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Secret,
    Rsa,
    Ec(Curve),
    Ed25519,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

use Algorithm::*;

/// What is accepted unless said otherwise: one algorithm for each kind of key in common use.
pub(crate) const DEFAULT_ALGORITHMS: [Algorithm; 5] = [RS256, PS256, ES256, EdDSA, Ed25519];

const ALL: [Algorithm; 14] =
    [HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519];

impl Algorithm {
    /// The name as it stands in `alg`.
    pub fn as_str(self) -> &'static str {
        match self {
            HS256 => "HS256",
            HS384 => "HS384",
            HS512 => "HS512",
            RS256 => "RS256",
            RS384 => "RS384",
            RS512 => "RS512",
            PS256 => "PS256",
            PS384 => "PS384",
            PS512 => "PS512",
            ES256 => "ES256",
            ES384 => "ES384",
            ES512 => "ES512",
            EdDSA => "EdDSA",
            Ed25519 => "Ed25519",
        }
    }

    pub(crate) fn key_kind(self) -> KeyKind {
        match self {
            HS256 | HS384 | HS512 => KeyKind::Secret,
            RS256 | RS384 | RS512 | PS256 | PS384 | PS512 => KeyKind::Rsa,
            ES256 => KeyKind::Ec(Curve::P256),
            ES384 => KeyKind::Ec(Curve::P384),
            ES512 => KeyKind::Ec(Curve::P521),
            EdDSA | Ed25519 => KeyKind::Ed25519,
        }
    }

    pub(crate) fn is_symmetric(self) -> bool {
        self.key_kind() == KeyKind::Secret
    }

    /// Both names of Ed25519 mean the same signature.
    pub(crate) fn same_as(self, other: Algorithm) -> bool {
        self.canonical() == other.canonical()
    }

    pub(crate) fn canonical(self) -> Algorithm {
        if self == Ed25519 { EdDSA } else { self }
    }

    /// Shortest secret in bytes: that of the hash (RFC 7518 section 3.2).
    pub(crate) fn min_secret(self) -> usize {
        match self {
            HS384 => 48,
            HS512 => 64,
            _ => 32,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no algorithm of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownAlgorithm;

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the name of a signature algorithm; names are case-sensitive, such as RS256")
    }
}

impl std::error::Error for UnknownAlgorithm {}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        ALL.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or(UnknownAlgorithm)
    }
}

impl Curve {
    pub(crate) fn named(name: &str) -> Option<Curve> {
        match name {
            "P-256" => Some(Curve::P256),
            "P-384" => Some(Curve::P384),
            "P-521" => Some(Curve::P521),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Curve::P256 => "P-256",
            Curve::P384 => "P-384",
            Curve::P521 => "P-521",
        }
    }

    /// Bytes of one coordinate.
    pub(crate) fn size(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7515_4_1_1_a_names_are_exact() {
        assert!(ALL.into_iter().all(|algorithm| algorithm.as_str().parse() == Ok(algorithm)));
        for name in ["none", "None", "nOnE", "rs256", "RS256 ", "RS256\0", "ES521", "RSA256", "ES256K", "", "Ed448"] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name:?}");
        }
    }
}
