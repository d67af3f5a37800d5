//! Requirements as text, which reads back as the same.

use std::fmt;

use super::requirement::{Node, Requirement};

impl Requirement {
    /// True if its text has parts that `and` or `or` joins.
    fn is_list(&self) -> bool {
        match &self.0 {
            Node::All(list) => !list.is_empty(),
            _ => self.is_alternatives(),
        }
    }

    fn is_alternatives(&self) -> bool {
        match &self.0 {
            Node::Any(_) => true,
            Node::Acr(levels) => levels.len() > 1,
            _ => false,
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Node::Scope(scope) => write!(f, "scope:{}", Word(scope)),
            Node::Role(role) => write!(f, "role:{}", Word(role)),
            Node::Client(client) => write!(f, "client:{}", Word(client)),
            Node::Subject(subject) => write!(f, "sub:{}", Word(subject)),
            Node::Claim { path, value } => write!(f, "claim:{}={}", Word(path), Word(value)),
            Node::Acr(levels) => write_list(f, levels, " or ", |f, level| write!(f, "acr:{}", Word(level))),
            Node::MaxAge(seconds) => write!(f, "max_age:{seconds}s"),
            Node::Predicate(predicate) => write!(f, "predicate:{}", Word(&predicate.name)),
            Node::All(list) if list.is_empty() => f.write_str("()"),
            Node::All(list) => write_list(f, list, " and ", |f, inner| {
                if inner.is_alternatives() { write!(f, "({inner})") } else { write!(f, "{inner}") }
            }),
            Node::Any(list) => write_list(f, list, " or ", |f, inner| write!(f, "{inner}")),
            Node::Majority(list) => {
                f.write_str("majority(")?;
                write_list(f, list, ", ", |f, inner| write!(f, "{inner}"))?;
                f.write_str(")")
            }
            Node::Not(inner) if inner.is_list() => write!(f, "not ({inner})"),
            Node::Not(inner) => write!(f, "not {inner}"),
        }
    }
}

fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    list: &[T],
    separator: &str,
    write_one: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, one) in list.iter().enumerate() {
        f.write_str(if index > 0 { separator } else { "" })?;
        write_one(f, one)?;
    }
    Ok(())
}

/// A word, quoted where it would not read back otherwise.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '=' | ',' | '\\');
        if !self.0.is_empty() && self.0.chars().all(plain) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{character}")?;
        }
        f.write_str("\"")
    }
}
