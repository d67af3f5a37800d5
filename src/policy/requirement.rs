//! What a token must grant, as a value.

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};

use crate::token::claims::Claims;
use crate::token::scope::is_scope_token;

/// What the claims of a token must fulfil: scopes, roles, client, subject or any claim, joined with
/// `&`, `|` and `!`, or written as text.
///
/// Everything is compared byte for byte. It speaks of verified claims only; whether the token itself is good
/// is settled before ([`AuthLayer`](crate::AuthLayer)).
///
/// ```abnf
/// requirement = and-list *( "or" and-list )
/// and-list    = term *( "and" term )
/// term        = [ "not" ] ( check / "(" requirement ")" )
/// check       = ( "scope:" / "role:" / "client:" / "sub:" ) word / "claim:" path "=" word
/// word        = 1*( any character but space, parenthesis, comma, equals sign and quote ) / quoted
/// ```
///
/// # Example
/// ```
/// # use tower_bearer::{Requirement, testing::TestClaims};
/// let built = Requirement::scope("orders:write") & (Requirement::role("admin") | Requirement::claim("dept", "sales"));
/// let read: Requirement = "scope:orders:write and (role:admin or claim:dept=sales)".parse()?;
/// assert_eq!(built, read);
/// assert!(read.is_met(&TestClaims::new().scope("orders:write").claim("dept", "sales").build()));
/// assert!(!read.is_met(&TestClaims::new().scope("orders:write").build()));
/// # Ok::<(), tower_bearer::RequirementError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Requirement(pub(super) Node);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Scope(Box<str>),
    Role(Box<str>),
    Client(Box<str>),
    Subject(Box<str>),
    Claim {
        path: Box<str>,
        value: Box<str>,
    },
    /// Every one; none of them is an `All` itself.
    All(Vec<Requirement>),
    /// One of them; two at least, and none of them is an `Any` itself.
    Any(Vec<Requirement>),
    Not(Box<Requirement>),
}

impl Requirement {
    /// This scope-token was granted.
    pub fn scope(scope: impl Into<Box<str>>) -> Self {
        Requirement(Node::Scope(scope.into()))
    }

    /// This role is held; see [`Claims::roles`].
    pub fn role(role: impl Into<Box<str>>) -> Self {
        Requirement(Node::Role(role.into()))
    }

    /// The token was issued to this client.
    pub fn client(client: impl Into<Box<str>>) -> Self {
        Requirement(Node::Client(client.into()))
    }

    /// The token speaks for this subject.
    pub fn subject(subject: impl Into<Box<str>>) -> Self {
        Requirement(Node::Subject(subject.into()))
    }

    /// The claim at this name or dotted path is this string, number or boolean, or a list that holds it.
    pub fn claim(path: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        Requirement(Node::Claim { path: path.into(), value: value.into() })
    }

    /// Every one of these. An empty list is always met.
    pub fn all_of(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        let parts = |requirement: Requirement| match requirement.0 {
            Node::All(inner) => inner,
            other => vec![Requirement(other)],
        };
        Requirement::single_or(requirements.into_iter().flat_map(parts).collect(), Node::All)
    }

    /// One of these at least. An empty list is never met.
    pub fn any_of(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        let parts = |requirement: Requirement| match requirement.0 {
            Node::Any(inner) => inner,
            other => vec![Requirement(other)],
        };
        let flat: Vec<Requirement> = requirements.into_iter().flat_map(parts).collect();
        if flat.is_empty() {
            // What is never met has one form, and with it one text.
            return !Requirement::all_of([]);
        }
        Requirement::single_or(flat, Node::Any)
    }

    fn single_or(mut list: Vec<Requirement>, node: fn(Vec<Requirement>) -> Node) -> Self {
        match list.pop() {
            Some(single) if list.is_empty() => single,
            Some(last) => {
                list.push(last);
                Requirement(node(list))
            }
            None => Requirement(node(list)),
        }
    }

    /// True if its text has parts that `and` or `or` joins.
    fn is_list(&self) -> bool {
        matches!(&self.0, Node::All(list) | Node::Any(list) if !list.is_empty())
    }

    /// True if the claims fulfil it.
    pub fn is_met(&self, claims: &Claims) -> bool {
        match &self.0 {
            Node::Scope(scope) => claims.scope().contains(scope),
            Node::Role(role) => claims.has_role(role),
            Node::Client(client) => claims.client_id() == Some(client),
            Node::Subject(subject) => claims.subject() == Some(subject),
            Node::Claim { path, value } => claims.claim(path).is_some_and(|claim| holds(&claim, value)),
            Node::All(list) => list.iter().all(|requirement| requirement.is_met(claims)),
            Node::Any(list) => list.iter().any(|requirement| requirement.is_met(claims)),
            Node::Not(inner) => !inner.is_met(claims),
        }
    }

    /// Every scope that can help to fulfil it, in the order of its text.
    pub(crate) fn scopes(&self) -> Vec<&str> {
        match &self.0 {
            Node::Scope(scope) => vec![scope],
            Node::All(list) | Node::Any(list) => list.iter().flat_map(Requirement::scopes).collect(),
            _ => Vec::new(),
        }
    }

    /// The scopes that a challenge names: all those of the way that lacks fewest, or none where asking
    /// for more scope would not help (a role is lacking, not a scope).
    pub(crate) fn scopes_to_ask_for(&self, claims: &Claims) -> Option<String> {
        let way = self.way(claims);
        (way.lacking_scopes > 0).then(|| way.scopes.join(" "))
    }

    fn way(&self, claims: &Claims) -> Way<'_> {
        match &self.0 {
            // A malformed one is never granted, and must not stand in a challenge (RFC 6750 section 3).
            Node::Scope(scope) if is_scope_token(scope) => {
                let lacking = usize::from(!self.is_met(claims));
                Way { scopes: vec![scope], lacking_scopes: lacking, lacking }
            }
            Node::All(list) => {
                let ways = list.iter().map(|requirement| requirement.way(claims));
                ways.reduce(Way::and).unwrap_or_default()
            }
            Node::Any(list) => {
                let ways = list.iter().map(|requirement| requirement.way(claims));
                ways.min_by_key(|way| way.lacking).unwrap_or(Way { lacking: 1, ..Way::default() })
            }
            _ => Way { lacking: usize::from(!self.is_met(claims)), ..Way::default() },
        }
    }
}

/// One way to fulfil a requirement, and how much of it a token lacks.
#[derive(Default)]
struct Way<'a> {
    scopes: Vec<&'a str>,
    lacking_scopes: usize,
    lacking: usize,
}

impl<'a> Way<'a> {
    fn and(mut self, other: Way<'a>) -> Self {
        for scope in other.scopes {
            if !self.scopes.contains(&scope) {
                self.scopes.push(scope);
            }
        }
        self.lacking_scopes += other.lacking_scopes;
        self.lacking += other.lacking;
        self
    }
}

fn holds(claim: &serde_json::Value, wanted: &str) -> bool {
    use serde_json::Value;
    match claim {
        Value::String(text) => text == wanted,
        Value::Bool(flag) => wanted == if *flag { "true" } else { "false" },
        Value::Number(number) => number.to_string() == wanted,
        Value::Array(list) => list.iter().any(|item| !item.is_array() && holds(item, wanted)),
        Value::Null | Value::Object(_) => false,
    }
}

impl BitAnd for Requirement {
    type Output = Requirement;

    fn bitand(self, other: Requirement) -> Requirement {
        Requirement::all_of([self, other])
    }
}

impl BitOr for Requirement {
    type Output = Requirement;

    fn bitor(self, other: Requirement) -> Requirement {
        Requirement::any_of([self, other])
    }
}

impl Not for Requirement {
    type Output = Requirement;

    fn not(self) -> Requirement {
        Requirement(Node::Not(Box::new(self)))
    }
}

/// Prints the text that reads back as the same requirement.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Node::Scope(scope) => write!(f, "scope:{}", Word(scope)),
            Node::Role(role) => write!(f, "role:{}", Word(role)),
            Node::Client(client) => write!(f, "client:{}", Word(client)),
            Node::Subject(subject) => write!(f, "sub:{}", Word(subject)),
            Node::Claim { path, value } => write!(f, "claim:{}={}", Word(path), Word(value)),
            Node::All(list) => write_list(f, list, "and", |inner| matches!(inner.0, Node::Any(_))),
            Node::Any(list) => write_list(f, list, "or", |_| false),
            Node::Not(inner) if inner.is_list() => write!(f, "not ({inner})"),
            Node::Not(inner) => write!(f, "not {inner}"),
        }
    }
}

fn write_list(
    f: &mut fmt::Formatter<'_>,
    list: &[Requirement],
    word: &str,
    in_parentheses: impl Fn(&Requirement) -> bool,
) -> fmt::Result {
    for (index, inner) in list.iter().enumerate() {
        if index > 0 {
            write!(f, " {word} ")?;
        }
        if in_parentheses(inner) { write!(f, "({inner})")? } else { write!(f, "{inner}")? }
    }
    if list.is_empty() { f.write_str("()") } else { Ok(()) }
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
