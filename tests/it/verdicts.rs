//! Whether a token passes, and why not; issuers and clients that the tests about tokens share.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use tower_bearer::testing::{ManualClock, SigningKey, TestIssuer, TokenBuilder};
use tower_bearer::{Algorithm, Clock, HttpClient, HttpError, HttpFuture, Issuer, Jwks, ResourceServer};

use crate::support::{AS, Fixture, RS};

/// RSA keys take long to make, so all tests share these.
pub static RSA: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::RS256));
pub static OTHER_RSA: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::RS256));

pub async fn passes(fixture: &Fixture, token: TokenBuilder) {
    text_passes(fixture, &token.sign()).await;
}

pub async fn text_passes(fixture: &Fixture, token: &str) {
    let outcome = fixture.bearer(token).await;
    assert_eq!(outcome.code(), "ok", "{token}: {:?}", outcome.error);
    outcome.assert_ok();
}

/// IT, and for this reason: a refusal for another one proves nothing.
pub async fn refuses(fixture: &Fixture, token: TokenBuilder, code: &str) {
    text_is_refused(fixture, &token.sign(), code).await;
}

pub async fn text_is_refused(fixture: &Fixture, token: &str, code: &str) {
    let outcome = fixture.bearer(token).await;
    assert_eq!(outcome.code(), code, "{token}: {:?}", outcome.error);
    outcome.assert_it();
}

/// IT for this reason, and nobody computed a signature.
pub async fn refuses_unverified(fixture: &Fixture, token: &str, code: &str) {
    let before = tower_bearer::testing::signature_checks();
    text_is_refused(fixture, token, code).await;
    assert_eq!(tower_bearer::testing::signature_checks(), before, "{token}");
}

/// The payload with one more member as raw JSON text in place of the claim of that name.
pub fn raw_claim(token: TokenBuilder, name: &str, json: &str) -> TokenBuilder {
    let token = token.without(name);
    let payload = token.payload_json();
    let payload = format!("{},\"{name}\":{json}}}", payload.strip_suffix('}').unwrap());
    token.raw_payload(payload)
}

/// The header with one more member as raw JSON text.
pub fn raw_header(token: TokenBuilder, name: &str, json: &str) -> TokenBuilder {
    let token = token.without_header(name);
    let header = token.header_json();
    let header = format!("{},\"{name}\":{json}}}", header.strip_suffix('}').unwrap());
    token.raw_header(header)
}

pub fn now(fixture: &Fixture) -> u64 {
    fixture.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// A server that knows these keys, in this order, and fetches nothing.
pub fn with_keys(keys: impl IntoIterator<Item = Value>) -> Fixture {
    with_keys_and(keys, |issuer| issuer)
}

pub fn with_keys_and(keys: impl IntoIterator<Item = Value>, settings: impl FnOnce(Issuer) -> Issuer) -> Fixture {
    let set = json!({"keys": keys.into_iter().collect::<Vec<_>>()}).to_string();
    let keys = Jwks::parse(set.as_bytes()).expect("a usable key");
    Fixture::with(|issuer| settings(issuer.keys(keys)), |builder| builder)
}

/// The public key without the members named.
pub fn jwk_without(key: &SigningKey, members: &[&str]) -> Value {
    let mut jwk = key.jwk();
    members.iter().for_each(|member| drop(jwk.as_object_mut().unwrap().remove(*member)));
    jwk
}

/// The public key with a member changed.
pub fn jwk_with(key: &SigningKey, member: &str, value: Value) -> Value {
    let mut jwk = key.jwk();
    jwk[member] = value;
    jwk
}

/// The addresses that were asked for, in order.
#[derive(Clone, Default)]
pub struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    pub fn addresses(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Reaches several issuers by the start of the address, and notes what was asked for.
struct Watched {
    issuers: Vec<(String, Box<dyn HttpClient>)>,
    asked: Asked,
}

impl HttpClient for Watched {
    fn send(&self, request: Request<Bytes>, max_body: usize) -> HttpFuture<'_> {
        let address = request.uri().to_string();
        self.asked.0.lock().unwrap().push(address.clone());
        match self.issuers.iter().find(|(start, _)| address.starts_with(start.as_str())) {
            Some((_, client)) => client.send(request, max_body),
            None => Box::pin(async { Err(HttpError::Connection("a trap".into())) }),
        }
    }
}

/// RS and AS where every request that leaves the server is noted.
pub fn watched() -> (Fixture, Asked) {
    let (fixture, _, asked) = with_second_issuer("https://b.example.com");
    (fixture, asked)
}

/// RS trusts AS and a second issuer.
pub fn with_second_issuer(second: &str) -> (Fixture, TestIssuer, Asked) {
    let clock = ManualClock::new();
    let [issuer, other] = [AS, second].map(|url| TestIssuer::in_process_at(url, clock.clone()));
    let asked = Asked::default();
    let clients = [&issuer, &other]
        .map(|issuer| (issuer.url().to_owned(), Box::new(issuer.http_client()) as Box<dyn HttpClient>));
    let server = ResourceServer::builder(RS, AS)
        .issuer(second)
        .clock(clock.clone())
        .http_client(Watched { issuers: clients.into(), asked: asked.clone() })
        .build()
        .expect("a good configuration");
    (Fixture { issuer, clock, server }, other, asked)
}
