//! DPoP proofs (RFC 9449 section 4.3): what shows that whoever sends a token holds the key it is bound to.

use std::fmt;

use super::algorithm::Algorithm;
use super::base64url;
use super::crypto::{VerifyingKey, sha256};
use super::jwk;
use super::jws::{Compact, Header, parse_header};
use super::nonce::Nonces;
use super::proof_fault::{ProofCheck, ProofFault};
use super::target::Target;
use crate::token::error::{AuthError, Reason};
use crate::token::json::{self, Json, Object};
use crate::token::untrusted::Untrusted;

/// Longest proof that is looked at.
pub(crate) const MAX_PROOF: usize = 4 * 1024;

/// Longest `jti`.
const MAX_JTI: usize = 256;

/// Which proofs are accepted.
#[derive(Debug, Clone)]
pub(crate) struct ProofRules {
    /// Asymmetric ones only; the names of Ed25519 count for one another.
    pub(crate) algorithms: Vec<Algorithm>,
    /// How many seconds `iat` may lie back, and ahead.
    pub(crate) past: u64,
    pub(crate) future: u64,
    /// Where set, each proof must hold a nonce, which then says how old it is.
    pub(crate) nonces: Option<Nonces>,
}

impl Default for ProofRules {
    fn default() -> Self {
        let algorithms = vec![Algorithm::ES256, Algorithm::Ed25519, Algorithm::PS256];
        ProofRules { algorithms, past: 300, future: 30, nonces: None }
    }
}

/// The request that a proof must have been made for.
#[derive(Clone, Copy)]
pub(crate) struct Presented<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a Target,
    pub(crate) token: &'a str,
    /// The `cnf.jkt` of the token.
    pub(crate) thumbprint: &'a str,
    /// Seconds since 1970.
    pub(crate) now: u64,
}

/// What a good proof leaves to do: it must be the first of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proven {
    /// Of the key and the `jti`. The target is not in it, so no other spelling of one passes for a new proof.
    pub(crate) replay_key: [u8; 32],
    /// Of the key alone.
    pub(crate) client: [u8; 32],
    /// Seconds since 1970: when the proof can no longer pass, also by the clock of another instance that lags by as
    /// much as a client's may be ahead.
    pub(crate) expires_at: u64,
    /// The nonce will soon be refused, so the answer should bring the next.
    pub(crate) renew_nonce: bool,
}

impl ProofRules {
    /// Judges a proof, cheap checks first. The key that a stranger sent verifies a signature only once it is known for
    /// the one that the genuine token is bound to. Whether the proof was seen before is not judged here.
    pub(crate) fn check(&self, proof: &str, presented: &Presented<'_>) -> Result<Proven, ProofFault> {
        if proof.len() > MAX_PROOF {
            return Err(ProofCheck::Form.failed("the proof is longer than 4 KiB"));
        }
        let malformed = |error: AuthError| ProofCheck::Form.failed(error.detail().unwrap_or(error.code()).to_owned());
        let compact = Compact::split(proof).map_err(malformed)?;
        let header = compact.decode_header().map_err(malformed)?;
        let payload = compact.decode_payload().map_err(malformed)?;
        let signature = compact.decode_signature().map_err(malformed)?;
        let header = parse_header(&header).map_err(malformed)?;
        let (algorithm, key) = self.read_header(&header)?;

        let payload = json::parse_object(&payload).map_err(|error| ProofCheck::Claims.failed(error.to_string()))?;
        let jti = read_jti(&payload)?;
        check_method(&payload, presented.method)?;
        check_target(&payload, presented.target)?;
        check_token(&payload, presented.token)?;
        let age = self.read_age(&payload, presented.now)?;

        let thumbprint = key.thumbprint().filter(|thumbprint| thumbprint == presented.thumbprint);
        let thumbprint = thumbprint.ok_or_else(|| ProofCheck::Binding.failed("the key is not that of `cnf.jkt`"))?;
        if !key.verify(algorithm, compact.signing_input.as_bytes(), &signature) {
            return Err(ProofCheck::Signature.failed("the signature does not hold"));
        }
        Ok(Proven {
            replay_key: digest(&[thumbprint.as_bytes(), jti.as_bytes()]),
            client: digest(&[thumbprint.as_bytes()]),
            expires_at: age.expires_at.saturating_add(self.future),
            renew_nonce: age.nonce_is_old,
        })
    }

    /// What the proof is signed with. The key is a public one and fits.
    fn read_header(&self, object: &Object<'_>) -> Result<(Algorithm, VerifyingKey), ProofFault> {
        let header = Header::read(object).map_err(|error| {
            let check = match error.reason() {
                Reason::AlgorithmNotAllowed => ProofCheck::Algorithm,
                _ => ProofCheck::Form,
            };
            check.failed(error.detail().unwrap_or(error.code()).to_owned())
        })?;
        match header.typ {
            Some("dpop+jwt") => {}
            None => return Err(ProofCheck::Type.failed("the proof has no typ")),
            Some(typ) => return Err(ProofCheck::Type.failed(format!("typ is `{}`", Untrusted(typ)))),
        }
        if !self.algorithms.iter().any(|allowed| allowed.same_as(header.algorithm)) {
            return Err(ProofCheck::Algorithm.failed(format!("{} is not allowed for proofs", header.algorithm)));
        }
        let unfit = |why: &dyn fmt::Display| ProofCheck::Key.failed(format!("jwk: {why}"));
        let object = object.get("jwk").and_then(Json::as_object).ok_or_else(|| unfit(&"not there as an object"))?;
        let key = jwk::presented(object).map_err(|error| unfit(&error))?;
        if !key.serves(header.algorithm) || !names(object, header.algorithm) {
            return Err(unfit(&format_args!("not a key for {}", header.algorithm)));
        }
        Ok((header.algorithm, key))
    }

    /// How long the proof can pass, by its nonce where nonces are asked for, else by its `iat`.
    fn read_age(&self, payload: &Object<'_>, now: u64) -> Result<Age, ProofFault> {
        let Some(Json::Number(digits)) = payload.get("iat") else {
            return Err(ProofCheck::Claims.failed("iat is not there as a number"));
        };
        let issued_at: u64 = digits.parse().map_err(|_| ProofCheck::Claims.failed("iat is not in whole seconds"))?;
        if let Some(nonces) = &self.nonces {
            let nonce = payload.get("nonce").and_then(Json::as_str);
            let nonce = nonce.ok_or_else(|| ProofCheck::Nonce.failed("there is no nonce"))?;
            let known = nonces.find(nonce, now);
            let known = known.ok_or_else(|| ProofCheck::Nonce.failed("the nonce is too old, or not one of ours"))?;
            return Ok(Age { expires_at: known.expires_at, nonce_is_old: known.is_old });
        }
        if issued_at > now.saturating_add(self.future) {
            return Err(ProofCheck::Age.failed(format!("iat lies {} s ahead", issued_at - now)));
        }
        let end = issued_at.saturating_add(self.past);
        if now > end {
            return Err(ProofCheck::Age.failed(format!("iat lies {} s back", now - issued_at)));
        }
        Ok(Age { expires_at: end.saturating_add(1), nonce_is_old: false })
    }
}

struct Age {
    /// The first second at which the proof does not pass.
    expires_at: u64,
    nonce_is_old: bool,
}

/// An `alg` in the key itself must be the proof's (RFC 7517 section 4.4).
fn names(key: &Object<'_>, algorithm: Algorithm) -> bool {
    let named = |name: &Json<'_>| name.as_str().and_then(|name| name.parse().ok());
    key.get("alg").is_none_or(|name| named(name).is_some_and(|named: Algorithm| named.same_as(algorithm)))
}

fn read_jti<'a>(payload: &'a Object<'_>) -> Result<&'a str, ProofFault> {
    let jti = text(payload, "jti")?;
    match jti.len() {
        1..=MAX_JTI => Ok(jti),
        _ => Err(ProofCheck::Claims.failed("jti is empty or longer than 256 bytes")),
    }
}

/// Methods are case-sensitive (RFC 9110 section 9.1).
fn check_method(payload: &Object<'_>, method: &str) -> Result<(), ProofFault> {
    let htm = text(payload, "htm")?;
    if htm == method {
        return Ok(());
    }
    Err(ProofCheck::Method.failed(format!("htm is `{}`, the method `{}`", Untrusted(htm), Untrusted(method))))
}

fn check_target(payload: &Object<'_>, target: &Target) -> Result<(), ProofFault> {
    let htu = text(payload, "htu")?;
    match Target::parse(htu) {
        Ok(named) if named == *target => Ok(()),
        Ok(named) => {
            let (named, target) = (Untrusted(named.as_str()), Untrusted(target.as_str()));
            Err(ProofCheck::Target.failed(format!("htu is `{named}`, the request went to `{target}`")))
        }
        Err(bad) => Err(ProofCheck::Target.failed(format!("htu `{}`: {bad}", Untrusted(htu)))),
    }
}

fn check_token(payload: &Object<'_>, token: &str) -> Result<(), ProofFault> {
    if text(payload, "ath")? == base64url::encode(&sha256(token.as_bytes())) {
        return Ok(());
    }
    Err(ProofCheck::Token.failed("ath is not the SHA-256 of this token in base64url"))
}

fn text<'a>(payload: &'a Object<'_>, name: &'static str) -> Result<&'a str, ProofFault> {
    let value = payload.get(name).and_then(Json::as_str);
    value.ok_or_else(|| ProofCheck::Claims.failed(format!("{name} is not there as a string")))
}

/// Each part with its length before it, so that no two lists of parts are alike.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let framed: Vec<u8> = parts.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes(), *part].concat()).collect();
    sha256(&framed)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::from_unix_seconds;
    use crate::testing::{DpopProof, SigningKey};
    use crate::verify::crypto::checks_on_this_thread;
    use crate::verify::proof_fault::FaultClass;

    const NOW: u64 = 1_800_000_000;
    const URL: &str = "https://api.example.com/orders/1";
    const TOKEN: &str = "header.payload.signature";

    static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::ES256));
    static OTHER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::ES256));

    fn proof_by(key: &SigningKey) -> DpopProof {
        DpopProof::new(key, "GET", URL).token(TOKEN).issued_at(from_unix_seconds(NOW))
    }

    /// What every refused proof here differs from in one thing.
    fn good() -> DpopProof {
        proof_by(&KEY)
    }

    fn judge_by(rules: &ProofRules, proof: &str, thumbprint: &str) -> Result<Proven, ProofFault> {
        let target = Target::parse(URL).unwrap();
        rules.check(proof, &Presented { method: "GET", target: &target, token: TOKEN, thumbprint, now: NOW })
    }

    fn judge(proof: &str) -> Result<Proven, ProofCheck> {
        judge_by(&ProofRules::default(), proof, &KEY.thumbprint()).map_err(|fault| fault.check())
    }

    #[track_caller]
    fn accepted(proof: DpopProof) -> Proven {
        judge(&proof.sign()).unwrap()
    }

    /// Refused by this check, without a signature computed unless that is the check.
    #[track_caller]
    fn refused(proof: DpopProof, check: ProofCheck) {
        let before = checks_on_this_thread();
        assert_eq!(judge(&proof.clone().sign()), Err(check), "{} {}", proof.header_json(), proof.payload_json());
        assert_eq!(checks_on_this_thread() - before, u64::from(check == ProofCheck::Signature));
    }

    #[test]
    fn c9449_7_1_a_a_good_proof_of_each_kind_of_key_is_accepted() {
        let all = [Algorithm::ES256, Algorithm::Ed25519, Algorithm::EdDSA, Algorithm::PS256];
        for key in all.map(SigningKey::generate) {
            let before = checks_on_this_thread();
            let proven = judge_by(&ProofRules::default(), &proof_by(&key).sign(), &key.thumbprint());
            assert!(proven.is_ok(), "{key:?} {proven:?}");
            assert_eq!(checks_on_this_thread() - before, 1);
        }
        let rules = ProofRules { algorithms: vec![Algorithm::ES384, Algorithm::ES512], ..ProofRules::default() };
        for key in rules.algorithms.clone().into_iter().map(SigningKey::generate) {
            assert!(judge_by(&rules, &proof_by(&key).sign(), &key.thumbprint()).is_ok(), "{key:?}");
        }
    }

    #[test]
    fn c9449_7_1_a_the_proof_of_the_rfc_is_accepted() {
        const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
        let presented = Presented {
            method: "GET",
            target: &Target::parse("https://resource.example.org/protectedresource").unwrap(),
            token: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
            thumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
            now: 1_562_262_618,
        };
        assert!(ProofRules::default().check(PROOF, &presented).is_ok());
    }

    #[test]
    fn c9449_4_3_2_what_is_not_one_compact_jwt_is_refused() {
        let proof = good().sign();
        let [header, payload, signature] = proof.split('.').collect::<Vec<_>>()[..] else { panic!("{proof}") };
        for text in [
            String::new(),
            "x".into(),
            "..".into(),
            format!("{header}.{payload}"),
            format!("{header}.{payload}."),
            format!(".{payload}.{signature}"),
            format!("{proof}.{signature}"),
            format!("{proof}.{payload}.{signature}"),
            format!("{proof}="),
            format!("{header}=.{payload}.{signature}"),
            format!("{header}.{payload}=.{signature}"),
            format!(" {proof}"),
            format!("{proof},{proof}"),
            "{\"payload\":\"\"}".into(),
            "\u{e9}.\u{e9}.\u{e9}".into(),
        ] {
            assert_eq!(judge(&text), Err(ProofCheck::Form), "{text}");
        }
        let empty = good().raw_payload("");
        refused(empty, ProofCheck::Claims);
        for header in ["", "[]", "{", "null", "{}{}", r#"{"typ":"dpop+jwt","typ":"dpop+jwt","alg":"ES256"}"#] {
            refused(good().raw_header(header), ProofCheck::Form);
        }
        for payload in ["[]", "{", "null", "{} {}", "\"x\"", "\u{feff}{}"] {
            refused(good().raw_payload(payload), ProofCheck::Claims);
        }
        let twice = good().payload_json().replacen("{", "{\"htm\":\"GET\",", 1);
        refused(good().raw_payload(twice), ProofCheck::Claims);
        refused(good().header("crit", ["x"]).header("x", 1), ProofCheck::Form);
        refused(good().header("b64", false), ProofCheck::Form);
        refused(good().header("enc", "A256GCM"), ProofCheck::Form);
    }

    #[test]
    fn c9449_4_3_2_a_proof_has_4_kib_at_most() {
        let padded = |length: usize| good().claim("x", "x".repeat(length)).sign();
        let spare = (MAX_PROOF - padded(0).len()) * 3 / 4;
        assert!(padded(spare - 2).len() <= MAX_PROOF && judge(&padded(spare - 2)).is_ok());
        assert!(padded(spare + 4).len() > MAX_PROOF);
        assert_eq!(judge(&padded(spare + 4)), Err(ProofCheck::Form));
    }

    #[test]
    fn c9449_4_3_3_each_claim_must_be_there_in_its_type() {
        for name in ["jti", "htm", "htu", "iat", "ath"] {
            accepted(good());
            refused(good().without(name), ProofCheck::Claims);
            for value in [json!(null), json!([]), json!({}), json!(true), json!(["GET"])] {
                refused(good().claim(name, value), ProofCheck::Claims);
            }
        }
        for name in ["jti", "htm", "htu", "ath"] {
            refused(good().claim(name, 1), ProofCheck::Claims);
        }
        refused(good().claim("htm", ""), ProofCheck::Method);
        refused(good().claim("htu", ""), ProofCheck::Target);
        refused(good().claim("ath", ""), ProofCheck::Token);
        accepted(good().claim("exp", 1).claim("nonce", "not asked for").header("kid", "k"));
    }

    #[test]
    fn s9_22_c9449_11_1_c_a_jti_has_1_to_256_bytes() {
        accepted(good().jti("x"));
        accepted(good().jti(&"x".repeat(256)));
        refused(good().jti(""), ProofCheck::Claims);
        refused(good().jti(&"x".repeat(257)), ProofCheck::Claims);
        refused(good().jti(&"\u{e9}".repeat(129)), ProofCheck::Claims);
    }

    #[test]
    fn s9_25_c9449_4_3_4_the_type_is_that_of_proofs() {
        for typ in ["JWT", "at+jwt", "dpop", "dpop+jwt ", ""] {
            refused(good().typ(typ), ProofCheck::Type);
        }
        refused(good().without_header("typ"), ProofCheck::Type);
        refused(good().header("typ", json!(["dpop+jwt"])), ProofCheck::Form);
    }

    #[test]
    fn s9_13_c9449_4_3_5_the_algorithm_is_one_of_the_list() {
        for alg in ["none", "None", "HS256", "RS256", "ES384", "PS384", "es256", "ES256K", ""] {
            refused(good().header("alg", alg), ProofCheck::Algorithm);
        }
        refused(good().without_header("alg"), ProofCheck::Form);
        let secret = SigningKey::secret(Algorithm::HS256, &[7; 32]);
        refused(proof_by(&secret), ProofCheck::Algorithm);
        // Also where an operator lists one: a secret in a proof is none.
        let rules = ProofRules { algorithms: vec![Algorithm::HS256, Algorithm::ES256], ..ProofRules::default() };
        let fault = judge_by(&rules, &proof_by(&secret).sign(), &KEY.thumbprint()).unwrap_err();
        assert_eq!(fault.check(), ProofCheck::Key);
        let rules = ProofRules { algorithms: vec![Algorithm::PS256], ..ProofRules::default() };
        assert_eq!(judge_by(&rules, &good().sign(), &KEY.thumbprint()).unwrap_err().check(), ProofCheck::Algorithm);
    }

    #[test]
    fn c9449_4_3_6_the_signature_is_made_by_the_key_in_the_header() {
        refused(good().signed_by(&OTHER), ProofCheck::Signature);
        let signature = KEY.sign(good().signing_input().as_bytes());
        assert_eq!(judge(&good().with_signature(&signature)), Err(ProofCheck::Signature), "over another jti");
        let fixed = good().jti("1");
        let signature = KEY.sign(fixed.signing_input().as_bytes());
        assert!(judge(&fixed.clone().with_signature(&signature)).is_ok());
        for place in [0, 31, 32, 63] {
            let mut spoiled = signature.clone();
            spoiled[place] ^= 1;
            assert_eq!(judge(&fixed.clone().with_signature(&spoiled)), Err(ProofCheck::Signature), "{place}");
        }
        for bad in [&[][..], &signature[..63], &[0; 64]] {
            assert!(judge(&fixed.clone().with_signature(bad)).is_err());
        }
    }

    fn with_jwk(change: impl FnOnce(&mut Value)) -> DpopProof {
        let header: Value = serde_json::from_str(&good().header_json()).unwrap();
        let mut jwk = header["jwk"].clone();
        change(&mut jwk);
        good().header("jwk", jwk)
    }

    #[test]
    fn s9_10_c9449_4_3_7_a_key_with_a_private_member_is_refused() {
        accepted(with_jwk(|_| ()));
        accepted(with_jwk(|jwk| jwk["kid"] = json!("k")));
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            for value in [json!("AQAB"), json!(null), json!([]), json!(0), json!("")] {
                refused(with_jwk(|jwk| jwk[name] = value), ProofCheck::Key);
            }
        }
    }

    #[test]
    fn c9449_4_3_7_7b_the_key_is_an_object_and_fits_the_algorithm() {
        refused(good().without_header("jwk"), ProofCheck::Key);
        for value in [json!(null), json!("x"), json!([]), json!({}), json!([{}]), json!(1)] {
            refused(good().header("jwk", value), ProofCheck::Key);
        }
        refused(good().header("alg", "PS256"), ProofCheck::Key);
        refused(good().header("alg", "Ed25519"), ProofCheck::Key);
        let p384 = SigningKey::generate(Algorithm::ES384);
        refused(proof_by(&p384).header("alg", "ES256"), ProofCheck::Key);
        for (name, value) in [
            ("kty", json!("OKP")),
            ("kty", json!("RSA")),
            ("kty", json!("oct")),
            ("kty", json!("ec")),
            ("kty", json!(null)),
            ("crv", json!("P-384")),
            ("crv", json!("P-192")),
            ("crv", json!("secp256k1")),
            ("crv", json!("Ed25519")),
            ("crv", json!(null)),
            ("x", json!("AA")),
            ("x", json!(1)),
            ("y", json!("")),
            ("y", json!(null)),
            ("alg", json!("PS256")),
            ("alg", json!(1)),
        ] {
            refused(with_jwk(|jwk| jwk[name] = value), ProofCheck::Key);
        }
        accepted(with_jwk(|jwk| jwk["alg"] = json!("ES256")));
    }

    #[test]
    fn c9449_4_3_7b_a_point_beside_the_curve_is_refused() {
        for name in ["x", "y"] {
            refused(
                with_jwk(|jwk| {
                    let mut bytes = base64url::decode(jwk[name].as_str().unwrap()).unwrap();
                    bytes[31] ^= 1;
                    jwk[name] = json!(base64url::encode(&bytes));
                }),
                ProofCheck::Key,
            );
        }
        let zero = base64url::encode(&[0; 32]);
        refused(with_jwk(|jwk| (jwk["x"], jwk["y"]) = (json!(zero), json!(zero))), ProofCheck::Key);
    }

    #[test]
    fn s9_26_c7638_a_each_key_has_one_spelling_and_none_panics() {
        for name in ["x", "y"] {
            for (before, after) in [("", "="), ("", "\n"), (" ", "")] {
                let spoiled = |jwk: &Value| format!("{before}{}{after}", jwk[name].as_str().unwrap());
                refused(with_jwk(|jwk| jwk[name] = json!(spoiled(jwk))), ProofCheck::Key);
            }
            refused(with_jwk(|jwk| jwk[name] = json!(format!("AA{}", jwk[name].as_str().unwrap()))), ProofCheck::Key);
        }
        let header: Value = serde_json::from_str(&good().header_json()).unwrap();
        let x = header["jwk"]["x"].as_str().unwrap();
        let escaped = format!("\\u{:04x}{}", x.as_bytes()[0], &x[1..]);
        refused(good().raw_header(good().header_json().replace(x, &escaped)), ProofCheck::Key);
        let ps256 = SigningKey::generate(Algorithm::PS256);
        let header: Value = serde_json::from_str(&proof_by(&ps256).header_json()).unwrap();
        for name in ["n", "e"] {
            let mut jwk = header["jwk"].clone();
            let bytes = base64url::decode(jwk[name].as_str().unwrap()).unwrap();
            jwk[name] = json!(base64url::encode(&[&[0], &bytes[..]].concat()));
            refused(proof_by(&ps256).header("jwk", jwk), ProofCheck::Key);
        }
        for jwk in [
            json!({"kty": "EC", "crv": "Ed25519", "x": x}),
            json!({"kty": "OKP", "crv": "P-256", "x": x, "y": x}),
            json!({"kty": "OKP", "crv": "X25519", "x": x}),
            json!({"kty": "OKP", "crv": "Ed448", "x": x}),
            json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": x}),
        ] {
            refused(good().header("jwk", jwk.clone()), ProofCheck::Key);
            refused(good().header("alg", "EdDSA").header("jwk", jwk), ProofCheck::Key);
        }
    }

    /// An RSA key of `bits` whose numbers only look like one.
    fn rsa_jwk(bits: usize, e: &[u8]) -> Value {
        let mut n = vec![0x5a; bits.div_ceil(8)];
        let last = n.len() - 1;
        n[0] = 1 << ((bits - 1) % 8);
        n[last] |= 1;
        json!({"kty": "RSA", "n": base64url::encode(&n), "e": base64url::encode(e)})
    }

    #[test]
    fn s9_11_a_monstrous_key_is_refused_without_work() {
        let huge_exponent = [&[1][..], &[0; 8]].concat();
        for jwk in [
            rsa_jwk(4097, &[1, 0, 1]),
            rsa_jwk(8192, &[1, 0, 1]),
            rsa_jwk(16_384, &[1, 0, 1]),
            rsa_jwk(2048, &huge_exponent),
            rsa_jwk(2048, &[1; 600]),
        ] {
            let proof = good().header("alg", "PS256").header("jwk", jwk.clone());
            refused(proof.clone(), ProofCheck::Key);
            let text = proof.sign();
            let quickest = (0..50).map(|_| {
                let begun = Instant::now();
                assert!(judge(&text).is_err());
                begun.elapsed()
            });
            // Without optimization all is some ten times slower.
            let bound = Duration::from_micros(if cfg!(debug_assertions) { 2000 } else { 200 });
            assert!(quickest.clone().min().unwrap() < bound, "{jwk} {:?}", quickest.min());
        }
    }

    #[test]
    fn s9_12_c9449_4_3_7b_a_weak_key_is_refused() {
        for jwk in [rsa_jwk(1024, &[1, 0, 1]), rsa_jwk(2047, &[1, 0, 1]), rsa_jwk(2048, &[1]), rsa_jwk(2048, &[2])] {
            refused(good().header("alg", "PS256").header("jwk", jwk), ProofCheck::Key);
        }
        for y in ["AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o"] {
            let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": y});
            refused(good().header("alg", "EdDSA").header("jwk", jwk), ProofCheck::Key);
        }
    }

    #[test]
    fn s9_17_c9449_4_3_8_the_method_is_the_same_letter_by_letter() {
        for method in ["get", "Get", "POST", "HEAD", "GET ", "GETT", "GE", "*"] {
            refused(good().claim("htm", method), ProofCheck::Method);
        }
        let target = Target::parse(URL).unwrap();
        let thumbprint = KEY.thumbprint();
        let proof = DpopProof::new(&KEY, "HEAD", URL).token(TOKEN).issued_at(from_unix_seconds(NOW)).sign();
        let head = Presented { method: "HEAD", target: &target, token: TOKEN, thumbprint: &thumbprint, now: NOW };
        assert!(ProofRules::default().check(&proof, &head).is_ok());
    }

    #[test]
    fn s9_15_c9449_4_3_9a_c9449_4_3_9b_the_target_is_the_same_in_normal_form() {
        for htu in [
            "https://api.example.com/orders/1?x=1",
            "https://api.example.com/orders/1#x",
            "HTTPS://API.example.com:443/orders/./2/../%31",
        ] {
            accepted(good().claim("htu", htu));
        }
        for htu in [
            "http://api.example.com/orders/1",
            "https://api.example.org/orders/1",
            "https://api.example.com:8443/orders/1",
            "https://api.example.com/orders/1/",
            "https://api.example.com/orders%2F1",
            "https://api.example.com/Orders/1",
            "https://api.example.com/orders/2",
            "https://api.example.com/",
            "https://api.example.com",
            "https://u@api.example.com/orders/1",
            "https://api.example.com\\orders\\1",
            "/orders/1",
            "api.example.com/orders/1",
        ] {
            refused(good().claim("htu", htu), ProofCheck::Target);
        }
    }

    #[test]
    fn s9_14_c9449_4_3_12a_the_digest_is_that_of_this_token() {
        refused(good().token("another.token.x"), ProofCheck::Token);
        let ath = base64url::encode(&sha256(TOKEN.as_bytes()));
        accepted(good().claim("ath", &ath));
        for other in [format!("{ath}="), ath.to_lowercase(), TOKEN.into(), ath[..42].into(), format!("{ath} ")] {
            refused(good().claim("ath", other), ProofCheck::Token);
        }
    }

    #[test]
    fn s9_18_c9449_4_3_11_the_window_is_exact_to_the_second() {
        let by = |rules: &ProofRules, iat: u64| {
            judge_by(rules, &good().claim("iat", iat).sign(), &KEY.thumbprint()).map_err(|fault| fault.check())
        };
        let strict = ProofRules { past: 60, future: 10, ..ProofRules::default() };
        for (rules, past, future) in [(ProofRules::default(), 300, 30), (strict, 60, 10)] {
            assert_eq!(by(&rules, NOW - past - 1), Err(ProofCheck::Age));
            assert_eq!(by(&rules, NOW + future + 1), Err(ProofCheck::Age));
            assert_eq!(by(&rules, NOW - past).unwrap().expires_at, NOW + 1 + future);
            assert_eq!(by(&rules, NOW + future).unwrap().expires_at, NOW + past + 1 + 2 * future);
        }
        for iat in [0, 1, u64::MAX] {
            assert_eq!(by(&ProofRules::default(), iat), Err(ProofCheck::Age));
        }
        let texts = ["1800000000.0", "18e8", "-1800000000", "18446744073709551616", "\"1800000000\""];
        for iat in texts {
            let payload = good().payload_json().replace("1800000000", iat);
            refused(good().raw_payload(payload), ProofCheck::Claims);
        }
    }

    #[test]
    fn s9_09_c9449_4_3_12b_another_key_than_the_bound_one_fails_as_the_tokens_fault_and_before_the_signature() {
        refused(proof_by(&OTHER), ProofCheck::Binding);
        let fault = judge_by(&ProofRules::default(), &good().sign(), &OTHER.thumbprint()).unwrap_err();
        assert_eq!(fault.class(), FaultClass::KeyMismatch);
        for thumbprint in ["", "x", &format!("{}=", KEY.thumbprint()), &KEY.thumbprint().to_lowercase()] {
            let fault = judge_by(&ProofRules::default(), &good().sign(), thumbprint).unwrap_err();
            assert_eq!(fault.check(), ProofCheck::Binding, "{thumbprint}");
        }
    }

    fn with_nonces() -> ProofRules {
        ProofRules { nonces: Some(Nonces::new([7; 32])), ..ProofRules::default() }
    }

    #[test]
    fn s9_19_c9449_4_3_10_c9449_11_3_a_where_nonces_are_asked_for_no_proof_passes_without_a_current_one() {
        let rules = with_nonces();
        let nonces = Nonces::new([7; 32]);
        let judge = |proof: DpopProof| judge_by(&rules, &proof.sign(), &KEY.thumbprint());
        let current = judge(good().nonce(&nonces.current(NOW))).unwrap();
        assert!(!current.renew_nonce);
        let previous = judge(good().nonce(&nonces.current(NOW - 300))).unwrap();
        assert!(previous.renew_nonce);
        assert!(previous.expires_at >= NOW + 300 && current.expires_at >= NOW + 600);
        for proof in [
            good(),
            good().nonce(""),
            good().nonce("x"),
            good().claim("nonce", 1),
            good().claim("nonce", json!(null)),
            good().nonce(&nonces.current(NOW - 600)),
            good().nonce(&nonces.current(NOW + 300)),
            good().nonce(&Nonces::new([8; 32]).current(NOW)),
        ] {
            assert_eq!(judge(proof).unwrap_err().class(), FaultClass::NonceNeeded);
        }
    }

    #[test]
    fn s9_20_c9449_4_3_11_a_nonce_tells_the_age_so_a_client_whose_clock_is_wrong_passes() {
        let nonce = Nonces::new([7; 32]).current(NOW);
        for iat in [0, NOW - 3600, NOW + 3600, u64::MAX] {
            let proof = good().nonce(&nonce).claim("iat", iat).sign();
            assert!(judge_by(&with_nonces(), &proof, &KEY.thumbprint()).is_ok(), "{iat}");
        }
        let proof = good().nonce(&nonce).without("iat").sign();
        assert_eq!(judge_by(&with_nonces(), &proof, &KEY.thumbprint()).unwrap_err().check(), ProofCheck::Claims);
    }

    #[test]
    fn s9_04_c9449_11_1_a_a_proof_is_known_by_its_key_and_jti_however_its_target_is_spelled() {
        let known = |proof: DpopProof| accepted(proof).replay_key;
        let one = known(good().jti("1"));
        assert_eq!(one, known(good().jti("1").claim("htu", "HTTPS://api.example.com:443/orders/1")));
        assert_ne!(one, known(good().jti("2")));
        let other = judge_by(&ProofRules::default(), &proof_by(&OTHER).jti("1").sign(), &OTHER.thumbprint()).unwrap();
        assert_ne!(one, other.replay_key);
        assert_eq!(accepted(good()).client, accepted(good()).client);
        assert_ne!(accepted(good()).client, other.client);
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    }

    #[test]
    fn s9_23_cheap_checks_come_first() {
        // Everything is wrong; each repair leads to the next check.
        let mut proof = DpopProof::new(&KEY, "PUT", "https://evil.example/").issued_at(from_unix_seconds(NOW - 999));
        proof = proof.jti("").typ("JWT").header("alg", "none").token("x").signed_by(&OTHER);
        let fault = |proof: &DpopProof, thumbprint: &str| {
            judge_by(&ProofRules::default(), &proof.clone().sign(), thumbprint).unwrap_err().check()
        };
        let theirs = OTHER.thumbprint();
        let repairs: [fn(DpopProof) -> DpopProof; 7] = [
            |proof| proof.header("alg", "ES256").typ("JWT"),
            |proof| proof.typ("dpop+jwt"),
            |proof| proof.jti("1"),
            |proof| proof.claim("htm", "GET"),
            |proof| proof.claim("htu", URL),
            |proof| proof.token(TOKEN),
            |proof| proof.claim("iat", NOW),
        ];
        let mut found = vec![fault(&proof, &theirs)];
        for repair in repairs {
            proof = repair(proof);
            found.push(fault(&proof, &theirs));
        }
        found.push(fault(&proof, &KEY.thumbprint()));
        use ProofCheck::*;
        assert_eq!(found, [Algorithm, Type, Claims, Method, Target, Token, Age, Binding, Signature]);
    }

    #[test]
    fn what_a_stranger_sent_stands_escaped_and_short_in_the_detail() {
        for proof in [
            good().typ("\u{1b}[31m\r\nx"),
            good().claim("htm", "\u{1b}[31m\r\nx"),
            good().claim("htu", "https://\u{1b}[31m\r\nx"),
            good().claim("htm", "x".repeat(1000)),
            good().claim("htu", format!("https://x/{}", "y".repeat(1000))),
            good().header("alg", "\u{1b}[31m"),
            good().header("jwk", json!({"kty": "\u{1b}"})),
        ] {
            let text = judge_by(&ProofRules::default(), &proof.sign(), &KEY.thumbprint()).unwrap_err().to_string();
            assert!(text.starts_with("proof_") && text.len() < 400, "{text}");
            assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn p02_a_proof_with_one_letter_changed_is_refused(place in 0..400usize, letter in "[A-Za-z0-9_-]") {
            let proof = good().sign();
            // Not in the signature: ECDSA has more than one for a message.
            let end = proof.rfind('.').unwrap();
            let place = place % end;
            let mut changed = proof.clone();
            changed.replace_range(place..=place, &letter);
            prop_assert_eq!(judge(&changed).is_ok(), changed == proof);
        }
    }
}
