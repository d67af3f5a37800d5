//! Requirements from text: one parser, with positions in its errors.

use std::fmt;
use std::str::FromStr;

use super::requirement::{Node, Requirement};
use crate::token::scope::is_scope_token;

/// Deepest nesting of parentheses and `not`.
const MAX_DEPTH: usize = 64;

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
        let mut parser = Parser { text, at: 0, depth: 0 };
        let requirement = parser.alternatives()?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.error("expected `and`, `or` or the end"));
        }
        Ok(requirement)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, problem: &'static str) -> RequirementError {
        let before = self.text.get(..self.at).unwrap_or(self.text);
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
        self.skip_space();
        if !self.eat("(") {
            return self.check();
        }
        self.skip_space();
        if self.eat(")") {
            return Ok(Requirement::all_of([]));
        }
        let inner = self.alternatives()?;
        self.skip_space();
        if self.eat(")") { Ok(inner) } else { Err(self.error("expected `)`")) }
    }

    fn check(&mut self) -> Result<Requirement, RequirementError> {
        let start = self.at;
        if self.eat("scope:") {
            let scope = self.word()?;
            if !is_scope_token(&scope) {
                self.at = start;
                return Err(self.error("a scope is printable ASCII without space, quote and backslash"));
            }
            return Ok(Requirement::scope(scope));
        }
        if self.eat("role:") {
            return self.word().map(Requirement::role);
        }
        if self.eat("client:") {
            return self.word().map(Requirement::client);
        }
        if self.eat("sub:") {
            return self.word().map(Requirement::subject);
        }
        if self.eat("claim:") {
            let path = self.word()?;
            if !self.eat("=") {
                return Err(self.error("expected `=` and the claim's value"));
            }
            return Ok(Requirement(Node::Claim { path, value: self.word()? }));
        }
        Err(self.error("expected `scope:`, `role:`, `client:`, `sub:`, `claim:`, `not` or `(`"))
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
            ("acr:x", 1),
            ("sub:\"a", 6),
        ] {
            assert_eq!(text.parse::<Requirement>().unwrap_err().position(), position, "{text}");
        }
        assert!("(".repeat(100_000).parse::<Requirement>().is_err());
        assert!("not ".repeat(100_000).parse::<Requirement>().is_err());
    }
}
