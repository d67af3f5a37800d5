//! Properties of single tokens: their text, their claims, their time.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};
use tower_bearer::testing::{SigningKey, TestIssuer};
use tower_bearer::{Algorithm, Claims, Issuer, Jwks, ResourceRequest, ResourceServer};

use crate::support::{AS, Fixture, RS};
use crate::verdicts::{RSA, now, with_keys};

const SECRET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// One key of each kind, with a deterministic signature or without.
static KEYS: LazyLock<[SigningKey; 4]> = LazyLock::new(|| {
    let made = |algorithm| SigningKey::generate(algorithm);
    let secret = SigningKey::secret(Algorithm::HS256, SECRET);
    [made(Algorithm::ES256), made(Algorithm::EdDSA), RSA.clone(), secret]
});

/// A server that trusts this key of [`KEYS`] and fetches nothing.
fn trusting(key: &SigningKey) -> Fixture {
    match key.algorithm() {
        Algorithm::HS256 => Fixture::with(|issuer| issuer.shared_secret(*SECRET), |builder| builder),
        _ => with_keys([key.jwk()]),
    }
}

/// The claims or the reason code, where nothing has to be fetched.
pub fn judge(server: &ResourceServer, token: &str) -> Result<Claims, &'static str> {
    let request = ResourceRequest::bearer(token).map_err(|error| error.code())?;
    let verdict = server.authenticate(request).now_or_never().expect("nothing is fetched");
    verdict.map_err(|error| error.code())
}

/// Another character in this place.
fn replaced(text: &str, place: Index, by: char) -> Option<String> {
    let place = place.index(text.len());
    let old = text[place..].chars().next()?;
    (old != by).then(|| format!("{}{by}{}", &text[..place], &text[place + old.len_utf8()..]))
}

#[derive(Debug, Clone)]
enum Edit {
    Replace(Index, char),
    Insert(Index, char),
    Delete(Index),
}

impl Edit {
    fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        match self {
            Edit::Replace(place, by) => text = replaced(&text, *place, *by).unwrap_or(text),
            Edit::Insert(place, new) => text.insert(place.index(text.len() + 1), *new),
            Edit::Delete(place) => drop(text.remove(place.index(text.len()))),
        }
        text
    }
}

fn visible() -> impl Strategy<Value = char> {
    (b' '..=b'~').prop_map(char::from)
}

fn edits() -> impl Strategy<Value = Edit> {
    let character =
        || prop_oneof![Just('='), Just('.'), select(b"AQgw01-_+/".as_slice()).prop_map(char::from), visible()];
    prop_oneof![
        (any::<Index>(), character()).prop_map(|(place, by)| Edit::Replace(place, by)),
        (any::<Index>(), character()).prop_map(|(place, new)| Edit::Insert(place, new)),
        any::<Index>().prop_map(Edit::Delete),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Many edits hit nothing but the signature of ES256, which is why its key is among them.
    #[test]
    fn p01_an_accepted_text_is_the_only_encoding_of_its_parts(
        key in 0..4usize, edits in proptest::collection::vec(edits(), 0..2),
    ) {
        let fixture = trusting(&KEYS[key]);
        let good = fixture.token().key(&KEYS[key]).sign();
        let text = edits.iter().fold(good.clone(), |text, edit| edit.apply(&text));
        let accepted = judge(&fixture.server, &text).is_ok();
        prop_assert!(accepted || text != good);
        if accepted {
            let parts: Vec<Vec<u8>> = text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
            let again: Vec<String> = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
            prop_assert_eq!(again.join("."), text);
        }
    }

    #[test]
    fn p02_a_single_change_outside_of_an_ecdsa_signature_is_refused(place in any::<Index>(), by in visible()) {
        let fixture = trusting(&KEYS[0]);
        let token = fixture.token().key(&KEYS[0]).sign();
        prop_assert!(judge(&fixture.server, &token).is_ok());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        if let Some(changed) = replaced(&format!("{signed}."), place, by) {
            let changed = changed + signature;
            prop_assert!(judge(&fixture.server, &changed).is_err());
        }
    }

    #[test]
    fn p03_a_single_change_anywhere_in_a_token_of_one_signature_is_refused(
        key in 1..4usize, place in any::<Index>(), by in visible(),
    ) {
        let fixture = trusting(&KEYS[key]);
        let token = fixture.token().key(&KEYS[key]).sign();
        prop_assert!(judge(&fixture.server, &token).is_ok());
        if let Some(changed) = replaced(&token, place, by) {
            prop_assert!(judge(&fixture.server, &changed).is_err());
        }
    }

    #[test]
    fn p08_the_issuer_that_chose_the_key_is_the_issuer_of_the_claims(
        named in 0..3usize, signer in 0..2usize, same_kid in any::<bool>(),
    ) {
        let names = [AS, "https://b.example.com", "https://c.example.com"];
        let keys = [0, 1].map(|key: usize| {
            if same_kid { KEYS[key].clone().with_kid("1") } else { KEYS[key].clone() }
        });
        let trusted = |at: usize| {
            let set = serde_json::json!({"keys": [keys[at].jwk()]}).to_string();
            Issuer::new(names[at]).keys(Jwks::parse(set.as_bytes()).unwrap())
        };
        let server = ResourceServer::builder(RS, trusted(0)).issuer(trusted(1)).build().unwrap();
        let token = TestIssuer::in_process(names[named]).token().key(&keys[signer]).sign();
        match judge(&server, &token) {
            Ok(claims) => prop_assert_eq!((claims.issuer(), named), (names[signer], signer)),
            Err(_) => prop_assert_ne!(named, signer),
        }
    }

    #[test]
    fn p10_a_token_that_passes_twice_passes_in_between(
        exp in 0..2000u64, nbf in proptest::option::of(0..2000u64), iat in 0..2000u64,
        leeway in 0..300u64, times in proptest::array::uniform3(0..2400u64),
    ) {
        let settings = |issuer: Issuer| issuer.keys(Jwks::parse(
            serde_json::json!({"keys": [KEYS[1].jwk()]}).to_string().as_bytes()).unwrap());
        let fixture = Fixture::with(settings, |builder| {
            builder.token_cache(0).leeway(Duration::from_secs(leeway))
        });
        let zero = now(&fixture);
        let token = fixture.token().key(&KEYS[1]).claim("exp", zero + exp).claim("iat", zero + iat);
        let token = nbf.iter().fold(token, |token, nbf| token.claim("nbf", zero + nbf)).sign();
        let mut times = times;
        times.sort_unstable();
        let passes = times.map(|time| {
            fixture.clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(zero + time));
            judge(&fixture.server, &token).is_ok()
        });
        prop_assert!(passes != [true, false, true], "{times:?}");
    }
}

/// The members as JSON text in this order, with this white space around each part.
fn spelled(members: &[(String, Value)], space: &str) -> String {
    let members = members.iter().map(|(name, value)| format!("{space}\"{name}\"{space}:{space}{value}{space}"));
    format!("{space}{{{}}}{space}", members.collect::<Vec<_>>().join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn p09_order_and_white_space_do_not_matter_and_a_member_that_stands_twice_always_refuses(
        seed in proptest::collection::vec(any::<u32>(), 12), space in "[ \t\r\n]{0,3}", twice in any::<Index>(),
        at in any::<Index>(), inner in any::<bool>(),
    ) {
        let fixture = trusting(&KEYS[1]);
        let builder = fixture.token().key(&KEYS[1]).scope("a b").claim("deep", serde_json::json!({"x": {"y": 1}}));
        let plain = judge(&fixture.server, &builder.clone().sign()).unwrap();
        for in_header in [false, true] {
            let text = if in_header { builder.header_json() } else { builder.payload_json() };
            let map: Map<String, Value> = serde_json::from_str(&text).unwrap();
            let mut members: Vec<(u32, (String, Value))> = seed.iter().copied().zip(map).collect();
            members.sort_by_key(|(order, _)| *order);
            let mut members: Vec<(String, Value)> = members.into_iter().map(|(_, member)| member).collect();
            let raw = |text: String| match in_header {
                true => builder.clone().raw_header(text).sign(),
                false => builder.clone().raw_payload(text).sign(),
            };
            let claims = judge(&fixture.server, &raw(spelled(&members, &space))).unwrap();
            prop_assert_eq!((claims.subject(), claims.scope()), (plain.subject(), plain.scope()));
            prop_assert_eq!((claims.issuer(), claims.expires_at()), (plain.issuer(), plain.expires_at()));
            let doubled = if inner {
                spelled(&members, &space).replacen('{', "{\"z\":[{\"q\":{\"w\":1,\"w\":1}}],", 1)
            } else {
                let again = members[twice.index(members.len())].clone();
                members.insert(at.index(members.len() + 1), again);
                spelled(&members, &space)
            };
            prop_assert!(judge(&fixture.server, &raw(doubled)).is_err());
        }
    }
}
