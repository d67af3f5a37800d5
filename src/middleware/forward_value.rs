//! A claim as the value of a header field.

use http::HeaderValue;
use serde_json::Value;

use crate::token::claims::Claims;
use crate::token::json::{self, Object};

/// Many servers take 8 KiB for a whole header section.
const MAX_VALUE: usize = 4096;

/// The claims of one request, read once for all fields.
pub(super) struct Values<'a> {
    claims: &'a Claims,
    payload: Option<Object<'a>>,
}

impl<'a> Values<'a> {
    pub(super) fn of(claims: &'a Claims) -> Self {
        Values { claims, payload: json::parse_object(claims.as_json().as_bytes()).ok() }
    }

    /// None for an absent claim.
    ///
    /// # Errors
    /// Why it cannot stand in a field.
    pub(super) fn get(&self, claim: &str) -> Result<Option<HeaderValue>, &'static str> {
        let text = match claim {
            // Of several claims that are read together, an absent one leaves a space.
            "scope" => Some(self.claims.scope().iter().collect::<Vec<_>>().join(" ")),
            "roles" => Some(joined(self.claims.roles().map(String::from))?),
            "client_id" => self.claims.client_id().map(String::from),
            path => match self.payload.as_ref().and_then(|payload| payload.at(path)) {
                Some(value) => text_of(value.to_value())?,
                None => None,
            },
        };
        text.filter(|text| !text.is_empty()).map(|text| as_value(&text)).transpose()
    }
}

fn text_of(value: Value) -> Result<Option<String>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::Array(list) => {
            let members: Option<Vec<String>> = list.into_iter().map(scalar).collect();
            joined(members.ok_or("a member of the list is neither text, number nor boolean")?.into_iter()).map(Some)
        }
        other => scalar(other).map(Some).ok_or("it is an object"),
    }
}

fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A member with a comma in it would be read as two.
fn joined(members: impl Iterator<Item = String>) -> Result<String, &'static str> {
    let members: Vec<String> = members.collect();
    let whole = |member: &String| !member.contains(',');
    if members.iter().all(whole) { Ok(members.join(",")) } else { Err("a member of the list holds a comma") }
}

fn as_value(text: &str) -> Result<HeaderValue, &'static str> {
    if text.len() > MAX_VALUE {
        return Err("it is longer than 4096 bytes");
    }
    // Spaces at the ends are no part of a field's value (RFC 9110 section 5.5), so the reader would see another one.
    let stands = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text;
    let value = stands.then(|| HeaderValue::from_str(text).ok()).flatten();
    let mut value = value.ok_or("it is not printable ASCII, or begins or ends with a space")?;
    value.set_sensitive(true);
    Ok(value)
}
