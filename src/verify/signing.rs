//! A private key of our own, for client assertions: from PEM or JWK to signatures.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{self as lc, EcdsaKeyPair, Ed25519KeyPair};

use super::algorithm::{Algorithm, Curve, KeyKind};
use super::base64url::decode_lax;
use crate::token::json::{self, Json, Object};

/// Signs with one algorithm. Shows nothing of itself.
pub(crate) struct PrivateKey {
    pair: Pair,
    algorithm: Algorithm,
    kid: Option<String>,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why a text is no key to sign with. Says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadPrivateKey {
    Format,
    Encrypted,
    PublicOnly,
    Kind,
    Algorithm,
}

impl fmt::Display for BadPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPrivateKey::Format => "must be one private key in PEM (PKCS #8, PKCS #1, SEC 1) or as a JWK",
            BadPrivateKey::Encrypted => "is encrypted; give it without a passphrase, in a file that others cannot read",
            BadPrivateKey::PublicOnly => "is a public key; to sign takes the private one",
            BadPrivateKey::Kind => "must be RSA of 2048 to 8192 bits, EC on P-256, or Ed25519",
            BadPrivateKey::Algorithm => "must sign with RS256, PS256, ES256 or EdDSA, whichever its kind of key can",
        })
    }
}

impl PrivateKey {
    /// Reads PEM or a JWK. The algorithm is the one given, else that of the JWK, else RS256, ES256 or EdDSA by the kind
    /// of key.
    pub(crate) fn parse(text: &[u8], algorithm: Option<Algorithm>, kid: Option<&str>) -> Result<Self, BadPrivateKey> {
        let text = std::str::from_utf8(text).map_err(|_| BadPrivateKey::Format)?.trim();
        let jwk = json::parse_object(text.as_bytes()).ok();
        let pair = jwk.as_ref().map_or_else(|| Pair::from_pem(text), Pair::from_jwk)?;
        let member = |name| jwk.as_ref().and_then(|jwk| jwk.get(name)).and_then(Json::as_str);
        let named = member("alg").map(str::parse).transpose().map_err(|_| BadPrivateKey::Algorithm)?;
        let algorithm = algorithm.or(named).unwrap_or(pair.usual());
        if !pair.signs(algorithm) {
            return Err(BadPrivateKey::Algorithm);
        }
        let kid = kid.or(member("kid")).map(String::from);
        Ok(PrivateKey { pair, algorithm, kid })
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// None only where the library fails, for want of memory for instance.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding: &'static dyn lc::RsaEncoding = match self.algorithm {
                    Algorithm::PS256 => &lc::RSA_PSS_SHA256,
                    _ => &lc::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Pair::P256(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl Pair {
    fn from_pem(text: &str) -> Result<Self, BadPrivateKey> {
        let (label, der) = pem(text).ok_or(BadPrivateKey::Format)?;
        match label {
            "PRIVATE KEY" => Pair::rsa(RsaKeyPair::from_pkcs8(&der).ok())
                .or_else(|_| Pair::p256(EcdsaKeyPair::from_pkcs8(ES256, &der).ok()))
                .or_else(|_| Pair::ed25519(Ed25519KeyPair::from_pkcs8(&der).ok())),
            "RSA PRIVATE KEY" => Pair::rsa(RsaKeyPair::from_der(&der).ok()),
            "EC PRIVATE KEY" => Pair::p256(EcdsaKeyPair::from_private_key_der(ES256, &der).ok()),
            "ENCRYPTED PRIVATE KEY" => Err(BadPrivateKey::Encrypted),
            _ if label.ends_with("PUBLIC KEY") || label == "CERTIFICATE" => Err(BadPrivateKey::PublicOnly),
            _ => Err(BadPrivateKey::Format),
        }
    }

    fn from_jwk(jwk: &Object<'_>) -> Result<Self, BadPrivateKey> {
        let text = |name| jwk.get(name).and_then(Json::as_str);
        let bytes = |name| text(name).and_then(decode_lax).ok_or(BadPrivateKey::Format);
        let kind = (text("kty"), text("crv"));
        if matches!(kind.0, Some("RSA" | "EC" | "OKP")) && jwk.get("d").is_none() {
            return Err(BadPrivateKey::PublicOnly);
        }
        match kind {
            (Some("RSA"), _) => {
                let public_key = PublicKeyComponents { n: bytes("n")?, e: bytes("e")? };
                let [d, p, q] = [bytes("d")?, bytes("p")?, bytes("q")?];
                let [dp, dq, qi] = [bytes("dp")?, bytes("dq")?, bytes("qi")?];
                let parts = KeyPairComponents { public_key, d, p, q, dP: dp, dQ: dq, qInv: qi };
                Pair::rsa(RsaKeyPair::from_components(&parts).ok())
            }
            (Some("EC"), Some("P-256")) => {
                let point = [vec![4], bytes("x")?, bytes("y")?].concat();
                Pair::p256(EcdsaKeyPair::from_private_key_and_public_key(ES256, &bytes("d")?, &point).ok())
            }
            (Some("OKP"), Some("Ed25519")) => {
                Pair::ed25519(Ed25519KeyPair::from_seed_and_public_key(&bytes("d")?, &bytes("x")?).ok())
            }
            _ => Err(BadPrivateKey::Kind),
        }
    }

    fn rsa(pair: Option<RsaKeyPair>) -> Result<Self, BadPrivateKey> {
        let fits = |pair: &RsaKeyPair| (256..=1024).contains(&pair.public_modulus_len());
        pair.filter(fits).map(|pair| Pair::Rsa(Box::new(pair))).ok_or(BadPrivateKey::Kind)
    }

    fn p256(pair: Option<EcdsaKeyPair>) -> Result<Self, BadPrivateKey> {
        pair.map(Pair::P256).ok_or(BadPrivateKey::Kind)
    }

    fn ed25519(pair: Option<Ed25519KeyPair>) -> Result<Self, BadPrivateKey> {
        pair.map(Pair::Ed25519).ok_or(BadPrivateKey::Kind)
    }

    fn usual(&self) -> Algorithm {
        match self {
            Pair::Rsa(_) => Algorithm::RS256,
            Pair::P256(_) => Algorithm::ES256,
            Pair::Ed25519(_) => Algorithm::EdDSA,
        }
    }

    fn signs(&self, algorithm: Algorithm) -> bool {
        match self {
            Pair::Rsa(_) => matches!(algorithm, Algorithm::RS256 | Algorithm::PS256),
            Pair::P256(_) => algorithm.key_kind() == KeyKind::Ec(Curve::P256),
            Pair::Ed25519(_) => algorithm.key_kind() == KeyKind::Ed25519,
        }
    }
}

const ES256: &lc::EcdsaSigningAlgorithm = &lc::ECDSA_P256_SHA256_FIXED_SIGNING;

/// The first block that is no mere list of parameters: its label and its content (RFC 7468).
fn pem(text: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, after) = rest.split_once("-----END ")?;
    if label == "EC PARAMETERS" {
        return pem(after);
    }
    // The older form of an encrypted key has headers of its own.
    if body.contains("ENCRYPTED") {
        return Some(("ENCRYPTED PRIVATE KEY", Vec::new()));
    }
    let body: String = body.split_whitespace().collect();
    Some((label, decode_lax(&body)?))
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm).field("kid", &self.kid).finish_non_exhaustive()
    }
}
