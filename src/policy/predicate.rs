//! Functions of the application as requirements, known by name.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::request::Parts;

use super::expression::RequirementError;
use super::requirement::{Node, Requirement};
use crate::token::claims::Claims;

pub(super) type Test = Arc<dyn Fn(&Claims, &Parts) -> bool + Send + Sync>;

#[derive(Clone)]
pub(super) struct Predicate {
    pub(super) name: Box<str>,
    pub(super) test: Test,
}

impl Predicate {
    /// `None` where the function panics.
    pub(super) fn ask(&self, claims: &Claims, request: &Parts) -> Option<bool> {
        catch_unwind(AssertUnwindSafe(|| (self.test)(claims, request))).ok()
    }
}

impl PartialEq for Predicate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Predicate {}

impl Hash for Predicate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Predicate").field(&self.name).finish()
    }
}

/// Predicates by name, for requirements that are read from text: `predicate:office_hours`.
///
/// A text can only name what the program registered; any other name is a mistake with its place.
///
/// # Example
/// ```
/// # use tower_bearer::{Predicates, Requirement};
/// let predicates = Predicates::new().with("internal", |_, request| request.headers.contains_key("x-internal"));
/// let requirement = predicates.parse("scope:a and predicate:internal")?;
/// assert_eq!(requirement.to_string(), "scope:a and predicate:internal");
/// assert!("predicate:internal".parse::<Requirement>().is_err());
/// # Ok::<(), tower_bearer::RequirementError>(())
/// ```
#[derive(Clone, Default)]
pub struct Predicates {
    tests: BTreeMap<Box<str>, Test>,
}

impl Predicates {
    /// None.
    pub fn new() -> Self {
        Predicates::default()
    }

    /// One more; the last of a name counts.
    #[must_use]
    pub fn with<F>(mut self, name: impl Into<Box<str>>, test: F) -> Self
    where
        F: Fn(&Claims, &Parts) -> bool + Send + Sync + 'static,
    {
        self.tests.insert(name.into(), Arc::new(test));
        self
    }

    /// Reads a requirement that may name these predicates.
    ///
    /// # Errors
    /// The text is no requirement, or names a predicate that is not registered.
    pub fn parse(&self, text: &str) -> Result<Requirement, RequirementError> {
        Requirement::read(text, self)
    }

    pub(super) fn get(&self, name: &str) -> Option<Requirement> {
        let (name, test) = self.tests.get_key_value(name)?;
        Some(Requirement(Node::Predicate(Predicate { name: name.clone(), test: test.clone() })))
    }
}

impl fmt::Debug for Predicates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.tests.keys()).finish()
    }
}
