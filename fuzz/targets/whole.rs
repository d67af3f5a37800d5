//! Whole verification against the naive reader, with a shared secret so that every input can be signed.

use std::pin::Pin;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_bearer::{Claims, Clock, Issuer, ResourceServer, fuzzing};

use super::hmac::hmac_sha256;
use super::naive::{self, AUDIENCE, ISSUER, NOW};
use super::slow_json::{self, Reading, Slow};

const SECRET: &[u8; 32] = b"a secret that only the tests use";
const HEADER: &[u8] = br#"{"typ":"at+jwt","alg":"HS256"}"#;

/// Stands still.
struct Stopped;

impl Clock for Stopped {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

static SERVER: LazyLock<ResourceServer> = LazyLock::new(|| server(0));
static CACHING: LazyLock<ResourceServer> = LazyLock::new(|| server(1024 * 1024));

fn server(cache: u64) -> ResourceServer {
    let issuer = Issuer::new(ISSUER).shared_secret(*SECRET);
    let builder = ResourceServer::builder(AUDIENCE, issuer).clock(Stopped).token_cache(cache);
    builder.build().expect("a good configuration")
}

fn verdict(token: &str) -> Option<Claims> {
    let verdict = fuzzing::verdict(&SERVER, token).expect("a shared secret is never fetched").ok();
    for _ in 0..2 {
        let cached = fuzzing::verdict(&CACHING, token).expect("a shared secret is never fetched");
        assert_eq!(cached.is_ok(), verdict.is_some(), "the cache changes the verdict");
    }
    verdict
}

fn sign(header: &[u8], payload: &[u8]) -> (String, [u8; 32]) {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = hmac_sha256(SECRET, input.as_bytes());
    (input, signature)
}

/// The bytes are the payload of a token that is good apart from it.
pub fn f04_payload_to_claims(data: &[u8]) {
    if data.len() > 8 * 1024 {
        return;
    }
    let (input, signature) = sign(HEADER, data);
    let verdict = verdict(&format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)));
    let slow = match slow_json::read(data) {
        Reading::Json(slow) => slow,
        Reading::NotJson => return assert!(verdict.is_none(), "not JSON, and read as {verdict:?}"),
        Reading::Unknown => return,
    };
    if let Some(expected) = naive::is_good_payload(&slow) {
        assert_eq!(verdict.is_some(), expected, "{slow:?}");
    }
    if let Some(claims) = verdict {
        check_claims(&claims, &slow, data);
    }
}

fn check_claims(claims: &Claims, slow: &Slow, data: &[u8]) {
    let text = |name| slow.get(name).and_then(Slow::text);
    assert!(slow.depth() <= 16 && !slow.has_duplicates());
    assert_eq!(Some(claims.issuer()), text("iss"));
    assert_eq!(claims.subject(), text("sub"));
    assert_eq!(claims.client_id(), text("client_id"));
    assert_eq!(claims.jwt_id(), text("jti"));
    assert_eq!(claims.scope().as_str(), text("scope").unwrap_or_default());
    assert_eq!(claims.as_json().as_bytes(), data);
    let audience: Vec<&str> = claims.audience().iter().collect();
    match slow.get("aud") {
        Some(Slow::List(list)) => assert!(list.iter().map(Slow::text).eq(audience.into_iter().map(Some))),
        one => assert_eq!(one.and_then(Slow::text), audience.first().copied()),
    }
    assert!(matches!(slow.get("exp"), Some(Slow::Number(_))));
    assert!(claims.expires_at().expect("every JWT ends") + Duration::from_secs(30) > Stopped.wall());
}

/// First byte: a defect of the signature; then header and payload, parted by a line feed that JSON texts of
/// one line do not hold.
pub fn f05_whole_verification(data: &[u8]) {
    let Some((&defect, rest)) = data.split_first() else { return };
    if rest.len() > 4 * 1024 {
        return;
    }
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let (header, payload) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (mut input, signature) = sign(header, payload);
    let mut signature = signature.to_vec();
    match defect {
        b'0' => {}
        b'1' => signature[usize::from(header.len() as u8 % 32)] ^= 1 << (payload.len() % 8),
        b'2' => signature.truncate(header.len() % 32),
        b'3' => signature.push(0),
        b'4' => input.push('.'),
        b'5' => input.insert(0, 'A'),
        _ => return,
    }
    let verdict = verdict(&format!("{input}.{}", URL_SAFE_NO_PAD.encode(&signature)));
    let (header, payload) = match (slow_json::read(header), slow_json::read(payload)) {
        (Reading::Json(header), Reading::Json(payload)) => (header, payload),
        (Reading::NotJson, _) | (_, Reading::NotJson) => return assert!(verdict.is_none(), "{verdict:?}"),
        _ => return,
    };
    let Some(payload_is_good) = naive::is_good_payload(&payload) else { return };
    let expected = defect == b'0'
        && naive::is_access_token_header(&header)
        && payload_is_good
        && naive::repeats_agree(&header, &payload);
    assert_eq!(verdict.is_some(), expected, "{header:?} {payload:?}");
}

/// The bytes are what an issuer answers about an opaque token.
pub fn f08_introspection_answer(data: &[u8]) {
    let outcome = fuzzing::introspection_answer(&SERVER, data, NOW);
    let slow = match slow_json::read(data) {
        Reading::Json(slow) => slow,
        Reading::NotJson => return assert!(outcome.is_none(), "not JSON, and judged: {outcome:?}"),
        Reading::Unknown => return,
    };
    let active = slow.get("active").filter(|_| naive::is_sound(&slow));
    let Some(Slow::Bool(active)) = active else {
        return assert!(outcome.is_none(), "not true or false, and judged: {outcome:?}");
    };
    let judged = outcome.expect("true or false is no outage");
    let inactive = judged.as_ref().err().map(tower_bearer::AuthError::code) == Some("token_inactive");
    assert_eq!(inactive, !active, "{judged:?}");
    if let Some(good) = naive::is_good_answer(&slow) {
        assert!(good || judged.is_err(), "{judged:?}");
    }
    let Ok(claims) = judged else { return };
    assert_eq!(claims.subject(), slow.get("sub").and_then(Slow::text));
    assert!(claims.audience().contains(AUDIENCE));
    assert_eq!(claims.expires_at().is_some(), slow.get("exp").is_some());
}
