//! Key pairs of the test issuer. Signs through jsonwebtoken, ES512 (which it does not know) directly.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{self as lc, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm as JwtAlgorithm, EncodingKey};
use serde_json::{Value, json};

use crate::verify::algorithm::{Algorithm, Curve, KeyKind};
use crate::verify::jwk::Jwk;
use crate::verify::{base64url, crypto};

/// A key pair for tests, with the name and the algorithm under which its public part is published.
///
/// A tool of tests: the private key is made anew in each process. `Debug` does not show it.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    private: Private,
    /// PKCS #8; none for a shared secret.
    pkcs8: Option<Vec<u8>>,
    public: Value,
}

#[derive(Clone)]
enum Private {
    Jwt(JwtAlgorithm, EncodingKey),
    Es512,
}

impl SigningKey {
    /// A new key pair (RSA with 2048 bits), or a new random secret for HS algorithms.
    pub fn generate(algorithm: Algorithm) -> Self {
        match algorithm.key_kind() {
            KeyKind::Rsa => SigningKey::rsa(algorithm),
            KeyKind::Ec(curve) => SigningKey::ec(algorithm, curve),
            KeyKind::Ed25519 => SigningKey::ed25519(algorithm),
            KeyKind::Secret => SigningKey::secret(algorithm, &crypto::random::<64>()),
        }
    }

    /// A shared secret.
    pub fn secret(algorithm: Algorithm, secret: &[u8]) -> Self {
        let private = Private::Jwt(jwt_algorithm(algorithm), EncodingKey::from_secret(secret));
        SigningKey::named(algorithm, private, None, json!({"kty": "oct", "k": base64url::encode(secret)}))
    }

    fn rsa(algorithm: Algorithm) -> Self {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("key generation");
        let public = lc::RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'static> = pair.as_der().expect("encoding");
        // PKCS #8 wraps the RSAPrivateKey of RFC 8017, which jsonwebtoken wants, in 26 bytes for these sizes.
        let pkcs1 = pkcs8.as_ref().get(26..).unwrap_or_default();
        let private = Private::Jwt(jwt_algorithm(algorithm), EncodingKey::from_rsa_der(pkcs1));
        let (n, e) = (base64url::encode(&public.n), base64url::encode(&public.e));
        let der = Some(pkcs8.as_ref().to_vec());
        SigningKey::named(algorithm, private, der, json!({"kty": "RSA", "n": n, "e": e}))
    }

    fn ec(algorithm: Algorithm, curve: Curve) -> Self {
        let signing = match curve {
            Curve::P256 => &lc::ECDSA_P256_SHA256_FIXED_SIGNING,
            Curve::P384 => &lc::ECDSA_P384_SHA384_FIXED_SIGNING,
            Curve::P521 => &lc::ECDSA_P521_SHA512_FIXED_SIGNING,
        };
        let pair = EcdsaKeyPair::generate(signing).expect("key generation");
        let pkcs8 = pair.to_pkcs8v1().expect("encoding");
        let private = match curve {
            Curve::P521 => Private::Es512,
            _ => Private::Jwt(jwt_algorithm(algorithm), EncodingKey::from_ec_der(pkcs8.as_ref())),
        };
        let (x, y) = pair.public_key().as_ref().get(1..).unwrap_or_default().split_at(curve.size());
        let (x, y) = (base64url::encode(x), base64url::encode(y));
        let der = Some(pkcs8.as_ref().to_vec());
        SigningKey::named(algorithm, private, der, json!({"kty": "EC", "crv": curve.name(), "x": x, "y": y}))
    }

    fn ed25519(algorithm: Algorithm) -> Self {
        let pair = Ed25519KeyPair::generate().expect("key generation");
        let pkcs8 = pair.to_pkcs8v1().expect("encoding");
        let private = Private::Jwt(JwtAlgorithm::EdDSA, EncodingKey::from_ed_der(pkcs8.as_ref()));
        let x = base64url::encode(pair.public_key().as_ref());
        let der = Some(pkcs8.as_ref().to_vec());
        SigningKey::named(algorithm, private, der, json!({"kty": "OKP", "crv": "Ed25519", "x": x}))
    }

    fn named(algorithm: Algorithm, private: Private, pkcs8: Option<Vec<u8>>, mut public: Value) -> Self {
        let kid = base64url::encode(&crypto::sha256(public.to_string().as_bytes()))[..11].to_owned();
        public["kid"] = json!(kid);
        public["alg"] = json!(algorithm.as_str());
        public["use"] = json!("sig");
        SigningKey { kid, algorithm, private, pkcs8, public }
    }

    /// The same key published under another name.
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = kid.into();
        self.public["kid"] = json!(kid);
        self
    }

    /// The same key, used with another algorithm of its kind and published without `alg`.
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        if let Private::Jwt(used, _) = &mut self.private {
            *used = jwt_algorithm(algorithm);
        }
        if let Some(public) = self.public.as_object_mut() {
            public.remove("alg");
        }
        self
    }

    /// The name under which the key is published.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public part as a JWK. For a shared secret this is the secret.
    pub fn jwk(&self) -> Value {
        self.public.clone()
    }

    /// The members that make the key, without its name and purpose.
    pub(super) fn public_members(&self) -> Value {
        let mut members = self.jwk();
        if let Some(members) = members.as_object_mut() {
            members.retain(|name, _| !["kid", "alg", "use"].contains(&name.as_str()));
        }
        members
    }

    /// The RFC 7638 thumbprint (SHA-256, base64url), as it stands in `cnf.jkt` of a token bound to this key.
    ///
    /// # Panics
    /// For a shared secret, which has none.
    pub fn thumbprint(&self) -> String {
        let key = Jwk::parse(self.public_members().to_string().as_bytes()).expect("a public key");
        key.thumbprint().expect("a public key").to_owned()
    }

    /// The private part in PEM (PKCS #8), for a client that authenticates with it; empty for a shared secret.
    pub fn private_key_pem(&self) -> String {
        let Some(der) = &self.pkcs8 else { return String::new() };
        let text = base64url::encode_standard(der);
        let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.private {
            Private::Jwt(algorithm, key) => {
                let signer = (DEFAULT_PROVIDER.signer_factory)(algorithm, key).expect("a key of this kind");
                signer.try_sign(message).expect("signing")
            }
            Private::Es512 => {
                let pkcs8 = self.pkcs8.as_deref().unwrap_or_default();
                let pair = EcdsaKeyPair::from_pkcs8(&lc::ECDSA_P521_SHA512_FIXED_SIGNING, pkcs8).expect("our own key");
                pair.sign(&SystemRandom::new(), message).expect("signing").as_ref().to_vec()
            }
        }
    }
}

/// ES512 does not come here.
fn jwt_algorithm(algorithm: Algorithm) -> JwtAlgorithm {
    match algorithm {
        Algorithm::HS256 => JwtAlgorithm::HS256,
        Algorithm::HS384 => JwtAlgorithm::HS384,
        Algorithm::HS512 => JwtAlgorithm::HS512,
        Algorithm::RS256 => JwtAlgorithm::RS256,
        Algorithm::RS384 => JwtAlgorithm::RS384,
        Algorithm::RS512 => JwtAlgorithm::RS512,
        Algorithm::PS256 => JwtAlgorithm::PS256,
        Algorithm::PS384 => JwtAlgorithm::PS384,
        Algorithm::PS512 => JwtAlgorithm::PS512,
        Algorithm::ES256 => JwtAlgorithm::ES256,
        Algorithm::ES384 | Algorithm::ES512 => JwtAlgorithm::ES384,
        Algorithm::EdDSA | Algorithm::Ed25519 => JwtAlgorithm::EdDSA,
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
