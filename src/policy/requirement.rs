//! What a token must grant, as a value.

use std::ops::{BitAnd, BitOr, Not};
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use super::facts::Facts;
use super::predicate::Predicate;
use crate::error::{ConfigError, ConfigProblem};
use crate::token::claims::Claims;

/// What the claims of a token must fulfil: scopes, roles, client, subject, any claim, how and when the user was
/// authenticated, or a function of your own, joined with `&`, `|` and `!`, or written as text.
///
/// Everything is compared byte for byte. It speaks of verified claims only; whether the token itself is good
/// is settled before ([`AuthLayer`](crate::AuthLayer)). Judging one allocates nothing.
///
/// ```abnf
/// requirement = and-list *( "or" and-list )
/// and-list    = term *( "and" term )
/// term        = [ "not" ] ( check / "(" requirement ")" / group )
/// group       = ( "any" / "all" / "majority" ) "(" [ requirement *( "," requirement ) ] ")"
/// check       = ( "scope:" / "role:" / "client:" / "sub:" / "acr:" / "predicate:" ) word
///             / "claim:" path "=" word / "max_age:" 1*DIGIT ( "s" / "m" / "h" / "d" )
/// word        = 1*( any character but space, parenthesis, comma, equals sign and quote ) / quoted
/// ```
///
/// A text has 16,384 bytes at most and is nested 64 levels deep at most.
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
    /// One of these levels, the preferred one first; one at least.
    Acr(Vec<Box<str>>),
    /// In seconds.
    MaxAge(u64),
    Predicate(Predicate),
    /// Every one; none of them is an `All` itself.
    All(Vec<Requirement>),
    /// One of them; two at least, none of them is an `Any` itself, and one an `Acr` at most.
    Any(Vec<Requirement>),
    /// More than half of them; two at least.
    Majority(Vec<Requirement>),
    Not(Box<Requirement>),
}

impl Requirement {
    /// This scope-token was granted, or a role of the token grants it; see
    /// [`has_permission`](crate::Claims::has_permission).
    pub fn scope(scope: impl Into<Box<str>>) -> Self {
        Requirement(Node::Scope(scope.into()))
    }

    /// This role is held; see [`Claims::has_role`].
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

    /// The claim at this name or dotted path is this string, number or boolean, or a list that holds it. A number is
    /// compared as it is written in the token.
    pub fn claim(path: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        Requirement(Node::Claim { path: path.into(), value: value.into() })
    }

    /// The user was authenticated at one of these levels (`acr`), the preferred one first (RFC 9470 section 3). An
    /// empty list is never met. Who fails is sent through the issuer again: 401, not 403.
    pub fn acr(values: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        Requirement::any_of(values.into_iter().map(|value| Requirement(Node::Acr(vec![value.into()]))))
    }

    /// The user was authenticated (`auth_time`) no longer ago than this, in whole seconds; the server's leeway comes
    /// on top (RFC 9470 section 3). A token that does not say when fails, with 401.
    ///
    /// # Panics
    /// At start-up, on a fraction of a second; for input of run time there is [`try_max_age`](Self::try_max_age).
    #[track_caller]
    #[expect(clippy::panic, reason = "a mistake in the program text is found at start-up, as a bad route is")]
    pub fn max_age(limit: Duration) -> Self {
        match Requirement::try_max_age(limit) {
            Ok(requirement) => requirement,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`max_age`](Self::max_age), for a limit that is known at run time only.
    ///
    /// # Errors
    /// The limit has a fraction of a second, which no challenge could say.
    pub fn try_max_age(limit: Duration) -> Result<Self, ConfigError> {
        let fraction = limit.subsec_nanos() > 0;
        let problem = || ConfigProblem::new("max_age", format_args!("{limit:?}"), "must be whole seconds");
        ConfigError::unless_empty(fraction.then(problem).into_iter().collect())?;
        Ok(Requirement(Node::MaxAge(limit.as_secs())))
    }

    /// What a function of yours says about the claims and the request. It has no say where there is no request
    /// ([`is_met`](Self::is_met)); in a [`Require`](crate::Require) there always is one.
    ///
    /// Two of the same name are equal, and the name is what is printed; see [`Predicates`](crate::Predicates) for reading
    /// it back. A function that panics is answered with 500. For decisions that wait on something there is
    /// [`Decider`](crate::Decider).
    ///
    /// # Example
    /// ```
    /// # use tower_bearer::Requirement;
    /// let own_tenant = Requirement::predicate("own tenant", |claims, request| {
    ///     let tenant = request.headers.get("x-tenant").and_then(|tenant| tenant.to_str().ok());
    ///     tenant.is_some() && claims.claim("tenant").as_ref().and_then(|claim| claim.as_str()) == tenant
    /// });
    /// assert_eq!((own_tenant & Requirement::scope("a")).to_string(), "predicate:\"own tenant\" and scope:a");
    /// ```
    pub fn predicate<F>(name: impl Into<Box<str>>, test: F) -> Self
    where
        F: Fn(&Claims, &Parts) -> bool + Send + Sync + 'static,
    {
        Requirement(Node::Predicate(Predicate { name: name.into(), test: Arc::new(test) }))
    }

    /// Every one of these (the unanimous strategy). An empty list is always met.
    pub fn all_of(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        let parts = |requirement: Requirement| match requirement.0 {
            Node::All(inner) => inner,
            other => vec![Requirement(other)],
        };
        Requirement::single_or(requirements.into_iter().flat_map(parts).collect(), Node::All)
    }

    /// One of these at least (the affirmative strategy). An empty list is never met.
    pub fn any_of(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        let mut flat: Vec<Requirement> = Vec::new();
        for requirement in requirements {
            match requirement.0 {
                Node::Any(inner) => inner.into_iter().for_each(|inner| push_alternative(&mut flat, inner)),
                other => push_alternative(&mut flat, Requirement(other)),
            }
        }
        if flat.is_empty() {
            // What is never met has one form, and with it one text.
            return !Requirement::all_of([]);
        }
        Requirement::single_or(flat, Node::Any)
    }

    /// More than half of these (the consensus strategy); a tie is not enough. An empty list is never met.
    pub fn majority_of(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        let list: Vec<Requirement> = requirements.into_iter().collect();
        if list.is_empty() { Requirement::any_of([]) } else { Requirement::single_or(list, Node::Majority) }
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

    /// True if the claims fulfil it. `max_age` goes by the clock of the server that verified them. Where the answer
    /// depends on a [`predicate`](Self::predicate) it is false, because there is no request to ask about.
    pub fn is_met(&self, claims: &Claims) -> bool {
        self.truth(&Facts::of(claims.set())) == Some(true)
    }

    /// As [`is_met`](Self::is_met), with the request that predicates ask about. One that panics meets nothing.
    pub fn is_met_by(&self, claims: &Claims, request: &Parts) -> bool {
        self.truth(&Facts::of(claims.set()).with_request(claims, request)) == Some(true)
    }
}

/// Levels of authentication that stand beside each other are one list, so that a challenge can name them all.
fn push_alternative(list: &mut Vec<Requirement>, next: Requirement) {
    let known = list.iter_mut().find_map(|one| if let Node::Acr(values) = &mut one.0 { Some(values) } else { None });
    match (known, next.0) {
        (Some(known), Node::Acr(values)) => {
            for value in values {
                if !known.contains(&value) {
                    known.push(value);
                }
            }
        }
        (_, other) => list.push(Requirement(other)),
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
