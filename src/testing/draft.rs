//! A signed JSON document under construction: any header, any payload, any signature.

use serde::Serialize;
use serde_json::{Map, Value};

use super::signing_key::SigningKey;
use crate::verify::base64url;

#[derive(Debug, Clone)]
pub(super) struct Draft {
    key: SigningKey,
    header: Map<String, Value>,
    payload: Map<String, Value>,
    raw_header: Option<Vec<u8>>,
    raw_payload: Option<Vec<u8>>,
}

impl Draft {
    pub(super) fn new(key: SigningKey, header: Value, payload: Value) -> Self {
        let (header, payload) = (into_map(header), into_map(payload));
        Draft { key, header, payload, raw_header: None, raw_payload: None }
    }

    pub(super) fn put_claim(&mut self, name: &str, value: impl Serialize) {
        self.payload.insert(name.into(), serde_json::to_value(value).unwrap_or_default());
    }

    pub(super) fn remove_claim(&mut self, name: &str) {
        self.payload.remove(name);
    }

    pub(super) fn put_header(&mut self, name: &str, value: impl Serialize) {
        self.header.insert(name.into(), serde_json::to_value(value).unwrap_or_default());
    }

    pub(super) fn remove_header(&mut self, name: &str) {
        self.header.remove(name);
    }

    pub(super) fn set_key(&mut self, key: &SigningKey) {
        self.key = key.clone();
    }

    pub(super) fn set_raw_header(&mut self, bytes: Vec<u8>) {
        self.raw_header = Some(bytes);
    }

    pub(super) fn set_raw_payload(&mut self, bytes: Vec<u8>) {
        self.raw_payload = Some(bytes);
    }

    pub(super) fn header_json(&self) -> String {
        Value::Object(self.header.clone()).to_string()
    }

    pub(super) fn payload_json(&self) -> String {
        Value::Object(self.payload.clone()).to_string()
    }

    pub(super) fn into_payload(self) -> Map<String, Value> {
        self.payload
    }

    pub(super) fn signing_input(&self) -> String {
        let header = self.raw_header.clone().unwrap_or_else(|| self.header_json().into_bytes());
        let payload = self.raw_payload.clone().unwrap_or_else(|| self.payload_json().into_bytes());
        format!("{}.{}", base64url::encode(&header), base64url::encode(&payload))
    }

    pub(super) fn sign(&self) -> String {
        self.with_signature(&self.key.sign(self.signing_input().as_bytes()))
    }

    pub(super) fn with_signature(&self, signature: &[u8]) -> String {
        format!("{}.{}", self.signing_input(), base64url::encode(signature))
    }
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The methods that every builder of a signed document has, over its member `draft`.
macro_rules! any_shape {
    ($builder:ident) => {
        impl $builder {
            /// Any claim; replaces what stood there. What does not serialize becomes null.
            pub fn claim(mut self, name: &str, value: impl serde::Serialize) -> Self {
                self.draft.put_claim(name, value);
                self
            }

            /// Without this claim.
            pub fn without(mut self, name: &str) -> Self {
                self.draft.remove_claim(name);
                self
            }

            /// Any header member; replaces what stood there.
            pub fn header(mut self, name: &str, value: impl serde::Serialize) -> Self {
                self.draft.put_header(name, value);
                self
            }

            /// Without this header member.
            pub fn without_header(mut self, name: &str) -> Self {
                self.draft.remove_header(name);
                self
            }

            /// The header's `typ`.
            pub fn typ(self, typ: &str) -> Self {
                self.header("typ", typ)
            }

            /// Signs with this key, whatever the header says: a forgery.
            pub fn signed_by(mut self, key: &SigningKey) -> Self {
                self.draft.set_key(key);
                self
            }

            /// These very bytes for the header, well-formed or not.
            pub fn raw_header(mut self, bytes: impl Into<Vec<u8>>) -> Self {
                self.draft.set_raw_header(bytes.into());
                self
            }

            /// These very bytes for the payload, well-formed or not.
            pub fn raw_payload(mut self, bytes: impl Into<Vec<u8>>) -> Self {
                self.draft.set_raw_payload(bytes.into());
                self
            }

            /// The payload as JSON text, to be changed and given to [`raw_payload`](Self::raw_payload).
            pub fn payload_json(&self) -> String {
                self.draft.payload_json()
            }

            /// The header as JSON text, to be changed and given to [`raw_header`](Self::raw_header).
            pub fn header_json(&self) -> String {
                self.draft.header_json()
            }

            /// Header and payload, encoded: what the signature covers.
            pub fn signing_input(&self) -> String {
                self.draft.signing_input()
            }

            /// Signed: the text to send.
            pub fn sign(self) -> String {
                self.draft.sign()
            }

            /// The text to send, with these bytes for a signature.
            pub fn with_signature(self, signature: &[u8]) -> String {
                self.draft.with_signature(signature)
            }
        }
    };
}

pub(super) use any_shape;
