//! Key pairs, and tokens signed with them: made by aws-lc-rs directly, so that no crate under test makes its own input.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The signature algorithms that are measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
    /// For the groups in which only the cache is looked at: a million of its tokens are signed in a second.
    Hs256,
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
            Algorithm::Hs256 => "HS256",
        }
    }
}

/// The secret of the HS256 tokens.
pub const SECRET: &[u8] = b"a shared secret of the benchmark, 48 bytes long.";

enum Private {
    Rsa(rsa::KeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Secret(Box<hmac::Key>),
}

/// A key pair with the name under which its public part is published.
pub struct Key {
    pub algorithm: Algorithm,
    kid: String,
    private: Private,
}

impl Key {
    pub fn generate(algorithm: Algorithm, kid: &str) -> Key {
        let private = match algorithm {
            Algorithm::Rs256 => Private::Rsa(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("a key")),
            Algorithm::Es256 => {
                Private::Ec(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
            }
            Algorithm::EdDsa => Private::Ed(Ed25519KeyPair::generate().expect("a key")),
            Algorithm::Hs256 => Private::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, SECRET))),
        };
        Key { algorithm, kid: kid.into(), private }
    }

    /// The public part (RFC 7517).
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.private {
            Private::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": encode(&public.n), "e": encode(&public.e)})
            }
            Private::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
            }
            Private::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())}),
            Private::Secret(_) => json!({"kty": "oct", "k": encode(SECRET)}),
        };
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm.name());
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public key as aws-lc-rs holds it: the floor of every verification.
    pub fn parsed(&self) -> ParsedPublicKey {
        let (algorithm, bytes): (&'static dyn VerificationAlgorithm, &[u8]) = match &self.private {
            Private::Rsa(pair) => (&signature::RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()),
            Private::Ec(pair) => (&signature::ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()),
            Private::Ed(pair) => (&signature::ED25519, pair.public_key().as_ref()),
            Private::Secret(_) => unreachable!("a secret has no public part"),
        };
        ParsedPublicKey::new(algorithm, bytes).expect("our own key")
    }

    /// A compact JWS (RFC 7515 section 3.1) with the header of RFC 9068.
    pub fn sign(&self, payload: &str) -> String {
        let header = format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"{}"}}"#, self.algorithm.name(), self.kid);
        let mut token = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let signature = self.signature(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.private {
            Private::Rsa(pair) => {
                let mut bytes = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut bytes).expect("a signature");
                bytes
            }
            Private::Ec(pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Private::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Private::Secret(key) => hmac::sign(key, message).as_ref().to_vec(),
        }
    }
}

/// The set that an issuer of these keys publishes.
pub fn jwks(keys: &[Key]) -> String {
    json!({"keys": keys.iter().map(Key::jwk).collect::<Vec<_>>()}).to_string()
}

/// What a signature covers, and the signature.
pub fn split(token: &str) -> (Vec<u8>, Vec<u8>) {
    let (message, signature) = token.rsplit_once('.').expect("a compact JWS");
    (message.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(signature).expect("base64url"))
}

/// The token with one changed byte in the middle of its signature, where every algorithm does its whole work.
pub fn spoil(token: &str) -> String {
    let (message, mut signature) = split(token);
    let middle = signature.len() / 2 - 1;
    signature[middle] ^= 1;
    format!("{}.{}", String::from_utf8(message).expect("ASCII"), encode(&signature))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The token with another signature for each number: a right one only by a chance of 2^-96.
pub fn vary(token: &str, number: u64) -> String {
    const DIGITS: &[u8; 16] = b"abcdefghijklmnop";
    let (message, signature) = token.rsplit_once('.').expect("a compact JWS");
    let digits: String = (0..16).map(|shift| char::from(DIGITS[(number >> (4 * shift)) as usize % 16])).collect();
    let middle = signature.len() / 2;
    format!("{message}.{}{digits}{}", &signature[..middle], &signature[middle + 16..])
}
