//! `RequireScope`: the scopes that a route asks for.

use std::fmt;

use tower_layer::Layer;

use super::body::{BytesBody, EmptyBody, MapBody};
use super::require::{Require, Required};
use crate::error::{ConfigError, ConfigProblem};
use crate::policy::requirement::Requirement;
use crate::token::scope::{SCOPE_REMEDY, is_scope_token};

/// The short form of [`Require`] for scopes alone, declared per route.
///
/// Scopes are compared byte for byte. Two layers on one route must both pass.
///
/// # Example
/// ```
/// use axum::{Router, routing::{get, post}};
/// use tower_bearer::{AuthLayer, RequireScope, ResourceServer};
///
/// let server = ResourceServer::builder("https://api.example.com", "https://as.example.com").build()?;
/// let app: Router = Router::new()
///     .route("/orders", get(|| async { "list" }).layer(RequireScope::any(["orders:read", "orders:write"])))
///     .route("/orders/new", post(|| async { "new" }).layer(RequireScope::all(["orders:write"])))
///     .layer(AuthLayer::new(server));
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct RequireScope<R = BytesBody>(Require<R>);

impl RequireScope {
    /// Asks for every one of these scopes.
    ///
    /// # Panics
    /// At start-up, on an empty list or a malformed scope; for input of run time there is
    /// [`try_all`](RequireScope::try_all).
    #[track_caller]
    pub fn all(scopes: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        or_panic(RequireScope::try_all(scopes))
    }

    /// Asks for one of these scopes.
    ///
    /// # Panics
    /// As [`all`](RequireScope::all).
    #[track_caller]
    pub fn any(scopes: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        or_panic(RequireScope::try_any(scopes))
    }

    /// As [`all`](RequireScope::all), for scopes that are known at run time only.
    ///
    /// # Errors
    /// The list is empty or a scope is malformed.
    pub fn try_all(scopes: impl IntoIterator<Item = impl Into<Box<str>>>) -> Result<Self, ConfigError> {
        RequireScope::new(scopes, Requirement::all_of)
    }

    /// As [`any`](RequireScope::any), for scopes that are known at run time only.
    ///
    /// # Errors
    /// The list is empty or a scope is malformed.
    pub fn try_any(scopes: impl IntoIterator<Item = impl Into<Box<str>>>) -> Result<Self, ConfigError> {
        RequireScope::new(scopes, Requirement::any_of)
    }

    fn new(
        scopes: impl IntoIterator<Item = impl Into<Box<str>>>,
        join: fn(Vec<Requirement>) -> Requirement,
    ) -> Result<Self, ConfigError> {
        let scopes: Vec<Box<str>> = scopes.into_iter().map(Into::into).collect();
        let malformed = scopes.iter().filter(|scope| !is_scope_token(scope));
        let mut problems: Vec<_> =
            malformed.map(|scope| ConfigProblem::new("RequireScope", scope, SCOPE_REMEDY)).collect();
        if scopes.is_empty() {
            problems.push(ConfigProblem::new("RequireScope", "[]", "must name one scope at least"));
        }
        ConfigError::unless_empty(problems)?;
        Ok(RequireScope(Require::new(join(scopes.into_iter().map(Requirement::scope).collect()))))
    }
}

impl<R> RequireScope<R> {
    /// Empty refusals; see [`AuthLayer::empty_body`](crate::AuthLayer::empty_body).
    pub fn empty_body(self) -> RequireScope<EmptyBody> {
        RequireScope(self.0.empty_body())
    }

    /// Refusals whose body is made by `f`.
    pub fn map_body<F>(self, f: F) -> RequireScope<MapBody<F>> {
        RequireScope(self.0.map_body(f))
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a malformed scope in the program text is found at start-up, as a bad route is")]
fn or_panic(result: Result<RequireScope, ConfigError>) -> RequireScope {
    match result {
        Ok(layer) => layer,
        Err(error) => panic!("{error}"),
    }
}

impl<S, R: Clone> Layer<S> for RequireScope<R> {
    type Service = Required<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        self.0.layer(inner)
    }
}

impl<R> fmt::Debug for RequireScope<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireScope").field(&self.0.text()).finish()
    }
}
