//! Looks up one member of a JSON text without building its values.

use super::json::{Json, JsonError};
use super::json_reader::{Reader, inside, plain_run};

/// True if the value at this name or dotted path of an object is this string, number or boolean, or a list that holds
/// it. Paths are read as by [`Object::at`](super::json::Object::at); a number is compared as it is written. For texts
/// that were read strictly before: nothing is copied, and nothing is said about what is wrong with a text.
pub(crate) fn holds(object: &str, path: &str, wanted: &str) -> bool {
    let mut reader = Reader::new(object);
    let found = reader.find(path).and_then(|found| if found { reader.value_is(wanted) } else { Ok(false) });
    found.unwrap_or(false)
}

impl Reader<'_> {
    /// Goes to the value at a path; false where there is none.
    fn find(&mut self, path: &str) -> Result<bool, JsonError> {
        let start = self.at;
        if self.member(path)? {
            return Ok(true);
        }
        for (dot, _) in path.match_indices('.') {
            self.at = start;
            let (head, rest) = path.split_at_checked(dot).unwrap_or((path, ""));
            if self.member(head)? && self.find(rest.get(1..).unwrap_or_default())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Goes to the value of a member of the object that begins here.
    fn member(&mut self, name: &str) -> Result<bool, JsonError> {
        self.skip_space();
        if !self.eat(b'{') {
            return Ok(false);
        }
        self.skip_space();
        while !self.eat(b'}') {
            self.skip_space();
            let is_it = self.string_is(name)?;
            self.skip_space();
            self.expect(b':')?;
            if is_it {
                return Ok(true);
            }
            self.skip_value(0)?;
            self.skip_space();
            self.eat(b',');
        }
        Ok(false)
    }

    fn value_is(&mut self, wanted: &str) -> Result<bool, JsonError> {
        self.skip_space();
        if !self.eat(b'[') {
            return self.scalar_is(wanted);
        }
        self.skip_space();
        while !self.eat(b']') {
            if self.scalar_is(wanted)? {
                return Ok(true);
            }
            self.skip_space();
            self.eat(b',');
        }
        Ok(false)
    }

    /// Null, objects and lists are nothing that a text could name.
    fn scalar_is(&mut self, wanted: &str) -> Result<bool, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.string_is(wanted),
            Some(b't') => self.literal("true", Json::Null).map(|_| wanted == "true"),
            Some(b'f') => self.literal("false", Json::Null).map(|_| wanted == "false"),
            Some(b'n' | b'{' | b'[') => self.skip_value(0).map(|()| false),
            _ => self.number().map(|number| number == Json::Number(wanted)),
        }
    }

    fn string_is(&mut self, wanted: &str) -> Result<bool, JsonError> {
        self.expect(b'"')?;
        let mut wanted = Some(wanted);
        loop {
            let start = self.at;
            self.at += plain_run(self.rest());
            let run = self.slice(start)?;
            wanted = wanted.and_then(|wanted| wanted.strip_prefix(run));
            if self.eat(b'"') {
                return Ok(wanted == Some(""));
            }
            self.expect(b'\\')?;
            let character = self.escape()?;
            wanted = wanted.and_then(|wanted| wanted.strip_prefix(character));
        }
    }

    fn skip_value(&mut self, depth: usize) -> Result<(), JsonError> {
        self.skip_space();
        let (end, has_names) = match self.peek() {
            Some(b'{') => (b'}', true),
            Some(b'[') => (b']', false),
            Some(b'n') => return self.literal("null", Json::Null).map(drop),
            _ => return self.scalar_is("").map(drop),
        };
        self.at += 1;
        self.skip_space();
        while !self.eat(end) {
            self.skip_space();
            if has_names {
                self.string_is("")?;
                self.skip_space();
                self.expect(b':')?;
            }
            self.skip_value(inside(depth)?)?;
            self.skip_space();
            self.eat(b',');
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::json::parse_object;
    use proptest::prelude::*;

    /// By the values that the strict reader builds.
    fn by_values(object: &str, path: &str, wanted: &str) -> bool {
        fn is(value: &Json<'_>, wanted: &str) -> bool {
            match value {
                Json::String(text) => text == wanted,
                Json::Number(text) => *text == wanted,
                Json::Bool(flag) => wanted == flag.to_string(),
                _ => false,
            }
        }
        let object = parse_object(object.as_bytes()).unwrap();
        object.at(path).is_some_and(|value| match value.as_array() {
            Some(items) => items.iter().any(|item| is(item, wanted)),
            None => is(value, wanted),
        })
    }

    fn values() -> impl Strategy<Value = serde_json::Value> {
        let name = || "(a|b|a\\.b|\"|\u{e4}|\u{1d11e}\n)";
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            (0..3i32).prop_map(serde_json::Value::from),
            Just(serde_json::json!(-0.5)),
            name().prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                proptest::collection::btree_map(name(), inner, 0..4)
                    .prop_map(|members| members.into_iter().collect::<serde_json::Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn finds_what_the_reader_of_values_finds(
            members in proptest::collection::btree_map("(a|b|a\\.b)", values(), 0..4), pretty in any::<bool>(),
            path in "(a|b)(\\.(a|b|\"|\u{e4})){0,3}", wanted in "(a|b|0|1|-0\\.5|true|false|null|\"|\u{e4}|\u{1d11e}\n)",
        ) {
            let value: serde_json::Value = members.into_iter().collect();
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            prop_assert_eq!(holds(&text, &path, &wanted), by_values(&text, &path, &wanted), "{}", text);
        }

        #[test]
        fn any_text_is_looked_at_without_a_panic(text in "[{}\\[\\]\",:a\\\\u0-9 tn]{0,40}") {
            holds(&text, "a.a", "a");
        }
    }

    #[test]
    fn names_on_the_way_may_hold_dots() {
        let text = r#"{"a":{"api":{"roles":[1]},"api.example.com":{"roles":["admin"]}},"b.c":{"d":true},"b":1}"#;
        assert!(holds(text, "a.api.example.com.roles", "admin") && holds(text, "b.c.d", "true"));
        assert!(!holds(text, "a.api.roles", "admin") && !holds(text, "a.example.com.roles", "admin"));
    }

    #[test]
    fn escapes_are_read_and_numbers_are_compared_as_written() {
        let text =
            r#"{"d\u0065pt":"s\u0061l\u00e9s","n":1e2,"clef":["\ud834\udd1e",{"x":"y"},["z"]],"a.b":1,"a":{"b":2}}"#;
        assert!(holds(text, "dept", "sal\u{e9}s") && holds(text, "clef", "\u{1d11e}") && holds(text, "n", "1e2"));
        assert!(holds(text, "a.b", "1") && !holds(text, "a.b", "2"));
        assert!(!holds(text, "dept", "sal") && !holds(text, "dept", "sal\u{e9}s!") && !holds(text, "n", "100"));
        assert!(!holds(text, "clef", "y") && !holds(text, "clef", "z") && !holds(text, "clef.x", "y"));
        assert!(!holds(&"{\"a\":".repeat(1000), "b", "x"));
    }
}
