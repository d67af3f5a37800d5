//! The grammar of RFC 8259, read strictly into [`Json`].

use std::borrow::Cow;

use super::json::{Json, JsonError, Object};
use super::json_members::Members;

/// Deepest nesting that is read; far below what would trouble a small stack.
pub(super) const MAX_DEPTH: usize = 16;

/// Reads exactly one value; repeated members are only marked, for texts whose parts are judged singly.
pub(crate) fn parse_lenient(bytes: &[u8]) -> Result<Json<'_>, JsonError> {
    parse_text(std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?)
}

fn parse_text(text: &str) -> Result<Json<'_>, JsonError> {
    Reader::new(text).document()
}

/// Reads one object and refuses repeated members at every depth.
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Object<'_>, JsonError> {
    parse_object_text(bytes).map(|(_, object)| object)
}

/// The same, with its text.
pub(crate) fn parse_object_text(bytes: &[u8]) -> Result<(&str, Object<'_>), JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
    match parse(text)? {
        Json::Object(object) => Ok((text, object)),
        _ => Err(JsonError::NotAnObject),
    }
}

/// Reads exactly one value and refuses repeated members at every depth.
fn parse(text: &str) -> Result<Json<'_>, JsonError> {
    let mut reader = Reader::new(text);
    let value = reader.document()?;
    if reader.repeats { Err(JsonError::RepeatedMember) } else { Ok(value) }
}

/// Some servers begin their documents with a byte order mark; it changes no member.
pub(crate) fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// An object read so far holds a member twice.
    repeats: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Reader { text, at: 0, repeats: false }
    }

    fn document(&mut self) -> Result<Json<'a>, JsonError> {
        let value = self.value(0)?;
        self.skip_space();
        if self.at == self.text.len() { Ok(value) } else { Err(JsonError::Syntax) }
    }

    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline(always)]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn skip_space(&mut self) {
        // Most issuers write none.
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.skip_all_space();
        }
    }

    #[cold]
    fn skip_all_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline(always)]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline(always)]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.eat(byte) { Ok(()) } else { Err(JsonError::Syntax) }
    }

    #[inline(always)]
    pub(super) fn slice(&self, from: usize) -> Result<&'a str, JsonError> {
        self.text.get(from..self.at).ok_or(JsonError::Syntax)
    }

    #[inline(always)]
    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.skip_space();
        if self.peek() == Some(b'"') { self.string().map(Json::String) } else { self.no_string(depth) }
    }

    fn no_string(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        match self.peek() {
            Some(b'{') => self.object(inside(depth)?),
            Some(b'[') => self.array(inside(depth)?),
            Some(b't') => self.literal("true", Json::Bool(true)),
            Some(b'f') => self.literal("false", Json::Bool(false)),
            Some(b'n') => self.literal("null", Json::Null),
            _ => self.number(),
        }
    }

    pub(super) fn literal(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, JsonError> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(JsonError::Syntax);
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.expect(b'{')?;
        let mut members = Members::new(depth);
        self.skip_space();
        if !self.eat(b'}') {
            loop {
                self.skip_space();
                let name = self.string()?;
                self.skip_space();
                self.expect(b':')?;
                members.push(name, self.value(depth)?);
                self.skip_space();
                if self.eat(b'}') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        let object = members.finish();
        self.repeats |= object.repeats;
        Ok(Json::Object(object))
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.expect(b'[')?;
        let mut items = Vec::new();
        self.skip_space();
        if !self.eat(b']') {
            loop {
                items.push(self.value(depth)?);
                self.skip_space();
                if self.eat(b']') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        Ok(Json::Array(items))
    }

    #[inline(always)]
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.expect(b'"')?;
        let start = self.at;
        self.at += plain_run(self.rest());
        if self.peek() == Some(b'"') {
            let text = self.slice(start)?;
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        self.string_with_escapes(start).map(Cow::Owned)
    }

    #[cold]
    fn string_with_escapes(&mut self, start: usize) -> Result<String, JsonError> {
        let mut copy = String::new();
        let mut run = start;
        loop {
            copy.push_str(self.slice(run)?);
            if self.eat(b'"') {
                return Ok(copy);
            }
            self.expect(b'\\')?;
            copy.push(self.escape()?);
            run = self.at;
            self.at += plain_run(self.rest());
        }
    }

    pub(super) fn escape(&mut self) -> Result<char, JsonError> {
        let byte = self.peek().ok_or(JsonError::Syntax)?;
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(JsonError::Syntax),
        })
    }

    /// A lone half of a surrogate pair names no character and is refused.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex4()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first).ok_or(JsonError::Syntax);
        }
        self.expect(b'\\')?;
        self.expect(b'u')?;
        let second = self.hex4()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(JsonError::Syntax);
        }
        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        char::from_u32(code).ok_or(JsonError::Syntax)
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or(JsonError::Syntax)?;
            self.at += 1;
        }
        Ok(code)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count > 0 { Ok(()) } else { Err(JsonError::Syntax) }
    }

    pub(super) fn number(&mut self) -> Result<Json<'a>, JsonError> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        self.slice(start).map(Json::Number)
    }
}

/// How many bytes come before the first quote, backslash or control character, eight at a time: texts are most of
/// what is read.
#[inline(always)]
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks();
    let mut length = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // The high bit of each byte below the limit; above the first such byte it may be wrong, and is not used.
        let control = word.wrapping_sub(ONES * 0x20);
        let quote = (word ^ (ONES * 0x22)).wrapping_sub(ONES);
        let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
        let ends = (control | quote | backslash) & !word & HIGHS;
        if ends != 0 {
            return length + ends.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    length + rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\')).unwrap_or(rest.len())
}

pub(super) fn inside(depth: usize) -> Result<usize, JsonError> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(JsonError::TooDeep) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// Few names and short texts with what needs escapes, so that names meet and texts end at every place.
    fn values() -> impl Strategy<Value = Value> {
        let text = || "[ab\"\\\\/\u{1}\u{e9}\u{1f600}]{0,12}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 20, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((text(), inner), 0..24)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_serde_json_reads(value in values(), pretty in any::<bool>()) {
            let print = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
            let text = print(&value).unwrap();
            prop_assert_eq!(parse(&text).unwrap().to_value(), serde_json::from_str::<Value>(&text).unwrap());
        }

        /// One byte changed, put in or taken out: what is read then, serde_json reads as well, and as the same.
        #[test]
        fn what_is_spoiled_is_not_read_or_read_alike(
            value in values(), place in any::<prop::sample::Index>(), byte in "[ \"\\\\,:\\[\\]{}0-9a-z.-]", width in 0..2usize,
        ) {
            let mut text = value.to_string();
            let place = place.index(text.len());
            prop_assume!(text.is_char_boundary(place) && text.is_char_boundary(place + width));
            text.replace_range(place..place + width, &byte);
            let (ours, theirs) = (parse(&text), serde_json::from_str::<Value>(&text));
            match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours.to_value(), theirs.clone()),
                // The one rule that serde_json does not know.
                (Err(error), Ok(_)) => prop_assert_eq!(*error, JsonError::RepeatedMember),
                (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("out of range"), "{} {}", error, text),
                (Err(_), Err(_)) => {}
            }
        }

        #[test]
        fn p09_a_member_that_stands_twice_is_refused_among_any_others(
            names in prop::collection::hash_set("[a-z]{0,4}", 1..40), first in any::<prop::sample::Index>(),
            second in any::<prop::sample::Index>(), escaped in any::<bool>(), outer in any::<bool>(),
        ) {
            let names: Vec<String> = names.into_iter().collect();
            let object = |names: &[String]| {
                let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
                format!("{{{}}}", members.join(","))
            };
            let within = |text: String| if outer { format!("[{{\"x\":{text}}}]") } else { text };
            prop_assert!(parse(&within(object(&names))).is_ok());
            let mut again = names.clone();
            let twin = names[first.index(names.len())].clone();
            let spelt = if escaped { twin.bytes().map(|byte| format!("\\u{byte:04x}")).collect() } else { twin };
            again.insert(second.index(names.len() + 1), spelt);
            prop_assert_eq!(parse(&within(object(&again))).map(|_| ()), Err(JsonError::RepeatedMember));
        }
    }

    fn refused(text: &str) -> JsonError {
        parse(text).expect_err(text)
    }

    #[test]
    fn a_run_of_plain_text_ends_at_each_special_byte_at_every_place() {
        for length in 0..40 {
            for (end, special) in (0..=255u8).map(|byte| (byte, byte < 0x20 || byte == b'"' || byte == b'\\')) {
                let mut text = vec![b'a'; length];
                text.extend([end, 0xff, b'"', 0]);
                assert_eq!(plain_run(&text), if special { length } else { length + 2 }, "{length} {end}");
            }
            assert_eq!(plain_run(&vec![b'~'; length]), length);
        }
    }

    #[test]
    fn reads_every_kind_of_value() {
        let text = r#" {"a":[1,-0.5e+2,true,false,null],"b":{"c":"x\"\\\/\b\f\n\r\tA\ud834\udd1e"}} "#;
        let value = parse(text).unwrap();
        let expected = serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value.to_value(), expected);
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_at_every_depth_and_in_every_spelling() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"iss":1,"is\u0073":2}"#, r#"[{"x":{"y":1,"y":2}}]"#] {
            assert_eq!(refused(text), JsonError::RepeatedMember, "{text}");
        }
        assert!(parse(r#"{"a":{"b":1},"c":{"b":1}}"#).is_ok());
        let many: Vec<String> = (0..40).map(|n| format!("\"m{n}\":0")).collect();
        assert!(parse(&format!("{{{}}}", many.join(","))).is_ok());
        assert_eq!(refused(&format!("{{{},\"m7\":0}}", many.join(","))), JsonError::RepeatedMember);
    }

    #[test]
    fn sixteen_levels_are_read_and_seventeen_are_not() {
        let nest = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&nest(16)).is_ok());
        assert_eq!(refused(&nest(17)), JsonError::TooDeep);
        assert_eq!(refused(&"[".repeat(100_000)), JsonError::TooDeep);
    }

    #[test]
    fn dialects_of_json_are_refused() {
        for text in [
            "",
            " ",
            "NaN",
            "01",
            "+1",
            ".5",
            "1.",
            "1e",
            "-",
            "[1,]",
            "{\"a\":1,}",
            "{'a':1}",
            "{} {}",
            "// x\n1",
            "\"\u{1}\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\x\"",
            "\"a",
            "{\"a\"}",
            "{a:1}",
            "tru",
            "nul",
            "[1 2]",
            "\u{feff}1",
            "1\u{0}",
        ] {
            assert_eq!(refused(text), JsonError::Syntax, "{text:?}");
        }
        assert_eq!(parse_lenient(b"\"\xff\""), Err(JsonError::NotUtf8));
    }

    #[test]
    fn a_path_leads_through_objects_and_prefers_a_name_that_holds_the_dots() {
        let value = parse(r#"{"a":{"b":{"c":1}},"https://x.y/z":2}"#).unwrap();
        let object = value.as_object().unwrap();
        assert_eq!(object.at("a.b.c"), Some(&Json::Number("1")));
        assert_eq!(object.at("https://x.y/z"), Some(&Json::Number("2")));
        assert_eq!(object.at("a.c"), None);
    }
}
