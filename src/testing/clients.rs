//! Who calls an endpoint: the ways a client authenticates, checked as a real server checks them.

use base64::Engine;
use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::issuer::State;
use crate::clock::unix_seconds;
use crate::verify::jwks::Jwks;
use crate::verify::jws::{Compact, Header, parse_header};

pub(super) const AUTH_METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "private_key_jwt"];

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The members of a form, in order.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Form(pairs.map(|(key, value)| (form_decode(key), form_decode(value))).collect())
    }

    /// The member of this name, if it stands once.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        found.next().filter(|_| found.next().is_none())
    }
}

impl State {
    /// The client that sent this request, authenticated in exactly one way.
    pub(super) fn client_of(&self, request: &Request<Bytes>, form: &Form) -> Option<String> {
        let has_field = request.headers().contains_key(AUTHORIZATION);
        let ways = [has_field, form.get("client_secret").is_some(), form.get("client_assertion").is_some()];
        match ways {
            [true, false, false] => self.with_secret(basic(request)?),
            [false, true, false] => {
                self.with_secret((form.get("client_id")?.into(), form.get("client_secret")?.into()))
            }
            [false, false, true] => self.with_assertion(form),
            _ => None,
        }
    }

    fn with_secret(&self, (id, secret): (String, String)) -> Option<String> {
        let known = self.changing().clients.get(&id).is_some_and(|expected| *expected == secret);
        known.then_some(id)
    }

    /// RFC 7523 section 3: of this client, for this server, young, signed with its key, and never used before.
    fn with_assertion(&self, form: &Form) -> Option<String> {
        if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
            return None;
        }
        let assertion = form.get("client_assertion")?;
        let claimed: Value = serde_json::from_slice(&Compact::split(assertion).ok()?.decode_payload().ok()?).ok()?;
        let id = claimed["iss"].as_str()?.to_owned();
        let key = self.changing().client_keys.get(&id)?.jwk();
        let payload = verified(assertion, &json!({"keys": [key]}), &["client-authentication+jwt", "JWT"])?;
        let now = unix_seconds(self.clock.wall());
        let base = self.url.trim_end_matches('/');
        let audiences = [self.url.clone(), format!("{base}/token"), format!("{base}/introspect")];
        let exp = payload["exp"].as_u64()?;
        let good = payload["sub"] == id.as_str()
            && form.get("client_id").is_none_or(|posted| posted == id)
            && audiences.iter().any(|audience| payload["aud"] == audience.as_str())
            && (now..=now + 60).contains(&exp)
            && self.changing().used_assertions.insert(payload["jti"].as_str()?.to_owned());
        good.then_some(id)
    }
}

/// The payload of a JWT that one of these keys signed, under one of these types.
pub(super) fn verified(jwt: &str, keys: &Value, types: &[&str]) -> Option<Value> {
    let compact = Compact::split(jwt).ok()?;
    let decoded = compact.decode_header().ok()?;
    let object = parse_header(&decoded).ok()?;
    let header = Header::read(&object).ok()?;
    types.contains(&header.typ?).then_some(())?;
    let keys = Jwks::parse(keys.to_string().as_bytes()).ok()?;
    compact.verify(&header, &compact.decode_signature().ok()?, &keys).ok()?;
    serde_json::from_slice(&compact.decode_payload().ok()?).ok()
}

/// RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
fn basic(request: &Request<Bytes>) -> Option<(String, String)> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(value).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((form_decode(id), form_decode(secret)))
}

/// `application/x-www-form-urlencoded`; what is not well-formed stays as it is.
fn form_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        let escaped = match (byte, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => bytes.push(high << 4 | low),
            None if *byte == b'+' => bytes.push(b' '),
            None => bytes.push(*byte),
        }
        rest = if escaped.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
