//! Requirements from text: one parser, with positions in its errors.

use std::fmt;
use std::str::FromStr;

use super::predicate::Predicates;
use super::requirement::{Node, Requirement};
use crate::token::scope::is_scope_token;

/// Deepest nesting of parentheses and `not`.
const MAX_DEPTH: usize = 64;

/// Longest text, in bytes.
const MAX_LENGTH: usize = 16 * 1024;

/// Why a text is not a [`Requirement`], and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequirementError {
    position: usize,
    problem: &'static str,
}

impl RequirementError {
    /// Where reading stopped: the number of the character, from 1.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for RequirementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.position, self.problem)
    }
}

impl std::error::Error for RequirementError {}

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        Requirement::read(text, &Predicates::new())
    }
}

impl Requirement {
    pub(super) fn read(text: &str, predicates: &Predicates) -> Result<Self, RequirementError> {
        let mut parser = Parser { text, at: 0, depth: 0, predicates };
        if text.len() > MAX_LENGTH {
            return Err(parser.error("a requirement has 16,384 bytes at most"));
        }
        let requirement = parser.alternatives()?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.error("expected `and`, `or` or the end"));
        }
        Ok(requirement)
    }
}

/// A word before a list in parentheses.
type Group = (&'static str, fn(Vec<Requirement>) -> Requirement);

const GROUPS: [Group; 3] =
    [("any", Requirement::any_of), ("all", Requirement::all_of), ("majority", Requirement::majority_of)];

/// A check whose word may be any text.
type WordCheck = (&'static str, fn(Box<str>) -> Requirement);

const WORD_CHECKS: [WordCheck; 3] =
    [("role:", Requirement::role), ("client:", Requirement::client), ("sub:", Requirement::subject)];

const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    predicates: &'a Predicates,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, problem: &'static str) -> RequirementError {
        self.error_at(self.at, problem)
    }

    fn error_at(&self, at: usize, problem: &'static str) -> RequirementError {
        let before = self.text.get(..at).unwrap_or(self.text);
        RequirementError { position: before.chars().count() + 1, problem }
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// A keyword ends at a space, a parenthesis or the end; `order` does not begin with `or`.
    fn keyword(&mut self, word: &str) -> bool {
        self.skip_space();
        let after = self.rest().strip_prefix(word).and_then(|rest| rest.chars().next().or(Some(' ')));
        let found = after.is_some_and(|next| next.is_whitespace() || matches!(next, '(' | ')'));
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn alternatives(&mut self) -> Result<Requirement, RequirementError> {
        let mut list = vec![self.conjunction()?];
        while self.keyword("or") {
            list.push(self.conjunction()?);
        }
        Ok(Requirement::any_of(list))
    }

    fn conjunction(&mut self) -> Result<Requirement, RequirementError> {
        let mut list = vec![self.term()?];
        while self.keyword("and") {
            list.push(self.term()?);
        }
        Ok(Requirement::all_of(list))
    }

    fn term(&mut self) -> Result<Requirement, RequirementError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error("nested deeper than 64 levels"));
        }
        self.depth += 1;
        let term = if self.keyword("not") { self.term().map(|inner| !inner) } else { self.group_or_check() };
        self.depth -= 1;
        term
    }

    fn group_or_check(&mut self) -> Result<Requirement, RequirementError> {
        for (word, join) in GROUPS {
            let start = self.at;
            if self.keyword(word) && self.open() {
                return self.list().map(join);
            }
            self.at = start;
        }
        if !self.open() {
            return self.check();
        }
        if self.close() {
            return Ok(Requirement::all_of([]));
        }
        let inner = self.alternatives()?;
        if self.close() { Ok(inner) } else { Err(self.error("expected `)`")) }
    }

    fn open(&mut self) -> bool {
        self.skip_space();
        self.eat("(")
    }

    fn close(&mut self) -> bool {
        self.skip_space();
        self.eat(")")
    }

    fn list(&mut self) -> Result<Vec<Requirement>, RequirementError> {
        let mut list = Vec::new();
        if self.close() {
            return Ok(list);
        }
        loop {
            list.push(self.alternatives()?);
            if self.close() {
                return Ok(list);
            }
            if !self.eat(",") {
                return Err(self.error("expected `,` or `)`"));
            }
        }
    }

    fn check(&mut self) -> Result<Requirement, RequirementError> {
        for (prefix, new) in WORD_CHECKS {
            if self.eat(prefix) {
                return self.word().map(new);
            }
        }
        let start = self.at;
        if self.eat("scope:") {
            return self.token(start, "a scope is printable ASCII without space, quote and backslash", Node::Scope);
        }
        if self.eat("acr:") {
            let remedy = "an `acr` value is printable ASCII without space, quote and backslash";
            return self.token(start, remedy, |level| Node::Acr(vec![level]));
        }
        if self.eat("max_age:") {
            return self.seconds().map(|seconds| Requirement(Node::MaxAge(seconds)));
        }
        if self.eat("predicate:") {
            let name = self.word()?;
            let known = self.predicates.get(&name);
            return known.ok_or_else(|| self.error_at(start, "no predicate of this name is registered"));
        }
        if self.eat("claim:") {
            let path = self.word()?;
            if !self.eat("=") {
                return Err(self.error("expected `=` and the claim's value"));
            }
            return Ok(Requirement(Node::Claim { path, value: self.word()? }));
        }
        Err(self.error(
            "expected a check (`scope:`, `role:`, `client:`, `sub:`, `claim:`, `acr:`, `max_age:`, `predicate:`), `not`, \
             `any(`, `all(`, `majority(` or `(`",
        ))
    }

    /// A word that can stand in a challenge.
    fn token(
        &mut self,
        start: usize,
        problem: &'static str,
        node: impl FnOnce(Box<str>) -> Node,
    ) -> Result<Requirement, RequirementError> {
        let word = self.word()?;
        if is_scope_token(&word) { Ok(Requirement(node(word))) } else { Err(self.error_at(start, problem)) }
    }

    fn seconds(&mut self) -> Result<u64, RequirementError> {
        const PROBLEM: &str = "expected whole seconds, minutes, hours or days, such as `300s`";
        let start = self.at;
        let word = self.word()?;
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = word.split_at_checked(digits).unwrap_or_default();
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let seconds =
            number.parse().ok().zip(factor).and_then(|(number, factor): (u64, u64)| number.checked_mul(factor));
        seconds.ok_or_else(|| self.error_at(start, PROBLEM))
    }

    /// A word ends at a space, a parenthesis, a comma or `=`; in quotes it may hold them.
    fn word(&mut self) -> Result<Box<str>, RequirementError> {
        if self.eat("\"") {
            return self.quoted();
        }
        let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '=' | ',');
        let rest = self.rest();
        let word = rest.split(ends).next().unwrap_or_default();
        if word.is_empty() {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(word.into())
    }

    fn quoted(&mut self) -> Result<Box<str>, RequirementError> {
        let mut word = String::new();
        let mut escaped = false;
        for (index, character) in self.rest().char_indices() {
            match character {
                '"' if !escaped => {
                    self.at += index + 1;
                    return Ok(word.into());
                }
                '\\' if !escaped => escaped = true,
                _ => {
                    escaped = false;
                    word.push(character);
                }
            }
        }
        Err(self.error("the quoted value has no end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Requirement {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn not_binds_tighter_than_and_and_tighter_than_or() {
        let scope = |name: &str| Requirement::scope(name);
        assert_eq!(read("scope:a or scope:b and not scope:c"), scope("a") | (scope("b") & !scope("c")));
        assert_eq!(read("(scope:a or scope:b) and scope:c"), (scope("a") | scope("b")) & scope("c"));
        assert_eq!(read("not(scope:a)and(scope:b)"), !scope("a") & scope("b"));
        assert_eq!(read("scope:order"), scope("order"));
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        for text in [
            "scope:orders:write and (role:admin or role:clerk)",
            "not (scope:a or scope:b)",
            "not not sub:alice or claim:realm_access.roles=admin",
            "claim:dept=\"north west\" and client:\"a(b)\\\"\"",
            "scope:a and scope:b or scope:c and scope:d",
            "acr:mfa or acr:hw",
            "(acr:mfa or acr:hw) and max_age:300s",
            "not (acr:mfa or acr:hw) or scope:a",
            "majority(scope:a, role:b or role:c, not acr:d or acr:e)",
        ] {
            let requirement = read(text);
            assert_eq!(requirement.to_string(), text);
            assert_eq!(read(&requirement.to_string()), requirement);
        }
        for built in [Requirement::all_of([]), !Requirement::all_of([])] {
            assert_eq!(read(&built.to_string()), built);
        }
    }

    #[test]
    fn the_strategies_are_groups_and_times_have_a_unit() {
        let [a, b, c] = ["a", "b", "c"].map(Requirement::scope);
        assert_eq!(read("any(scope:a,scope:b)"), a.clone() | b.clone());
        assert_eq!(read("all ( scope:a , scope:b )"), a.clone() & b.clone());
        assert_eq!(read("majority(scope:a, scope:b, scope:c)"), Requirement::majority_of([a.clone(), b, c]));
        assert_eq!((read("all()"), read("any()"), read("majority()")), (read("()"), read("not ()"), read("not ()")));
        assert_eq!((read("any(scope:a)"), read("majority(scope:a)")), (a.clone(), a));
        let read_back = ["max_age:5m", "max_age:1h", "max_age:2d", "max_age:0s"].map(|text| read(text).to_string());
        assert_eq!(read_back, ["max_age:300s", "max_age:3600s", "max_age:172800s", "max_age:0s"]);
        assert_eq!(read("acr:a or scope:s or acr:b"), Requirement::acr(["a", "b"]) | Requirement::scope("s"));
    }

    #[test]
    fn texts_are_bounded_in_depth_and_length() {
        let deep = |levels: usize| format!("{}scope:a{}", "(".repeat(levels), ")".repeat(levels));
        assert!(deep(63).parse::<Requirement>().is_ok());
        assert_eq!(deep(64).parse::<Requirement>().unwrap_err().position(), 65);
        let long = |bytes: usize| format!("sub:{}", "x".repeat(bytes - 4));
        assert!(long(MAX_LENGTH).parse::<Requirement>().is_ok());
        assert_eq!(long(MAX_LENGTH + 1).parse::<Requirement>().unwrap_err().position(), 1);
    }

    #[test]
    fn errors_say_where() {
        for (text, position) in [
            ("", 1),
            ("scope:a scope:b", 9),
            ("scope:a and", 12),
            ("(scope:a", 9),
            ("scope:", 7),
            ("scop:a", 1),
            ("claim:dept", 11),
            ("scope:a or )", 12),
            ("scope:\"a b\"", 1),
            ("acr:\"a b\"", 1),
            ("scope:a and predicate:x", 13),
            ("max_age:5", 9),
            ("max_age:300ms", 9),
            ("max_age:1.5s", 9),
            ("max_age:99999999999999999999s", 9),
            ("max_age:300000000000000000d", 9),
            ("any(scope:a scope:b)", 13),
            ("any(scope:a,)", 13),
            ("majority(scope:a", 17),
            ("any scope:a", 1),
            ("each(scope:a)", 1),
            ("sub:\"a", 6),
        ] {
            assert_eq!(text.parse::<Requirement>().unwrap_err().position(), position, "{text}");
        }
        assert!("(".repeat(100_000).parse::<Requirement>().is_err());
        assert!("not ".repeat(100_000).parse::<Requirement>().is_err());
    }
}
