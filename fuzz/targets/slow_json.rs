//! A second reader of JSON, over serde_json's streaming visitor: keeps every member, also those that stand twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

#[derive(Debug, Clone, PartialEq)]
pub enum Slow {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Slow>),
    Map(Vec<(String, Slow)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Whole(u64),
    /// With a fraction, an exponent or beyond `u64`.
    Float(f64),
    Negative,
}

/// What serde_json makes of a text.
pub enum Reading {
    Json(Slow),
    NotJson,
    /// A number beyond what serde_json holds: it cannot say whether the rest is JSON.
    Unknown,
}

pub fn read(text: &[u8]) -> Reading {
    let mut reader = serde_json::Deserializer::from_slice(text);
    match Slow::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value)) {
        Ok(value) => Reading::Json(value),
        Err(error) if error.to_string().starts_with("number out of range") => Reading::Unknown,
        Err(_) => Reading::NotJson,
    }
}

impl Slow {
    /// The first member of that name.
    pub fn get(&self, name: &str) -> Option<&Slow> {
        match self {
            Slow::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Slow::Text(text) => Some(text),
            _ => None,
        }
    }

    fn children(&self) -> Vec<&Slow> {
        match self {
            Slow::List(items) => items.iter().collect(),
            Slow::Map(members) => members.iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        }
    }

    pub fn has_duplicates(&self) -> bool {
        self.repeats_here() || self.children().into_iter().any(Slow::has_duplicates)
    }

    /// A member of this very object stands twice; every pair is compared.
    pub fn repeats_here(&self) -> bool {
        let Slow::Map(members) = self else { return false };
        let same = |i: usize| members.iter().take(i).any(|(earlier, _)| *earlier == members[i].0);
        (0..members.len()).any(same)
    }

    /// Objects and arrays within each other; 0 for a plain value.
    pub fn depth(&self) -> usize {
        match self {
            Slow::List(_) | Slow::Map(_) => 1 + self.children().into_iter().map(Slow::depth).max().unwrap_or_default(),
            _ => 0,
        }
    }
}

impl<'de> Deserialize<'de> for Slow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Slow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Slow, E> {
        Ok(Slow::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Slow, E> {
        Ok(Slow::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Slow, E> {
        Ok(Slow::Number(Number::Whole(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Slow, E> {
        Ok(Slow::Number(u64::try_from(value).map_or(Number::Negative, Number::Whole)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Slow, E> {
        Ok(Slow::Number(if value.is_sign_negative() { Number::Negative } else { Number::Float(value) }))
    }

    fn visit_str<E>(self, value: &str) -> Result<Slow, E> {
        Ok(Slow::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Slow, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Slow::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Slow, A::Error> {
        let mut map = Vec::new();
        while let Some(member) = members.next_entry()? {
            map.push(member);
        }
        Ok(Slow::Map(map))
    }
}
