//! A strict reader for the JSON of tokens and key sets (RFC 8259).
//!
//! Everything signed is read here once and by nobody else. Members that stand twice, nesting
//! beyond 16 levels and text that is not UTF-8 are refused, and numbers stay text, so that no
//! feature of another crate can change what a token means.

use std::borrow::Cow;

pub(crate) use super::json_reader::{parse_lenient, parse_object, parse_object_text, without_byte_order_mark};

/// One JSON value, borrowing from the text where no escape forced a copy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Object<'a>),
}

/// The members of an object, in the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object<'a> {
    pub(super) members: Vec<(Cow<'a, str>, Json<'a>)>,
    /// A member stands twice.
    pub(super) repeats: bool,
}

impl<'a> Object<'a> {
    // Inlined, so that a name that is known at compile time is compared without a call.
    #[inline(always)]
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        let is_it = |key: &str| key.len() == name.len() && key.as_bytes().first() == name.as_bytes().first();
        self.members.iter().find(|(key, _)| is_it(key) && key == name).map(|(_, value)| value)
    }

    /// The text of a member. The error says which member is of another type.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or_else(|| format!("{name} is not a string")),
        }
    }

    /// True where a member of this very object stands twice.
    pub(crate) fn repeats(&self) -> bool {
        self.repeats
    }

    /// The value at a dotted path; a member whose own name holds the dots is preferred. Where a name on the way holds
    /// dots, as the names of clients and hosts do, the shortest one that leads on counts.
    pub(crate) fn at(&self, path: &str) -> Option<&Json<'a>> {
        if let Some(value) = self.get(path) {
            return Some(value);
        }
        path.match_indices('.').find_map(|(dot, _)| {
            let (head, rest) = path.split_at_checked(dot)?;
            self.get(head)?.as_object()?.at(rest.strip_prefix('.')?)
        })
    }

    /// The members in the order of the text.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> + Clone {
        self.members.iter().map(|(name, value)| (name.as_ref(), value))
    }
}

impl<'a> Json<'a> {
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_array(&self) -> Option<&[Json<'a>]> {
        match self {
            Json::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }

    /// True where an object at any depth holds a member twice.
    pub(crate) fn repeats_a_member(&self) -> bool {
        match self {
            Json::Array(items) => items.iter().any(Json::repeats_a_member),
            Json::Object(object) => object.repeats || object.members.iter().any(|(_, value)| value.repeats_a_member()),
            _ => false,
        }
    }

    /// The same value for callers outside; a number beyond what `f64` holds becomes null.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            Json::String(text) => Value::String(text.to_string()),
            Json::Array(items) => items.iter().map(Json::to_value).collect(),
            Json::Object(object) => {
                let members = object.members.iter();
                Value::Object(members.map(|(key, value)| (key.to_string(), value.to_value())).collect())
            }
        }
    }
}

/// Why a text is not JSON that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    NotUtf8,
    Syntax,
    TooDeep,
    RepeatedMember,
    NotAnObject,
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            JsonError::NotUtf8 => "not UTF-8",
            JsonError::Syntax => "not one JSON value",
            JsonError::TooDeep => "nested deeper than 16 levels",
            JsonError::RepeatedMember => "a member stands twice",
            JsonError::NotAnObject => "not a JSON object",
        })
    }
}
