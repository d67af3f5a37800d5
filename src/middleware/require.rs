//! `RequireScope`: which scopes a route asks for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, Method, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{BytesBody, EmptyBody, MapBody, RefusalBody};
use super::challenge::refuse;
use super::passage::{Because, Visitor, visitor};
use crate::error::{ConfigError, ConfigProblem};
use crate::telemetry::{self, Decision};
use crate::token::claims::Claims;
use crate::token::error::{AuthError, Reason};
use crate::token::scope::is_scope_token;

/// A layer that asks for scopes: 403 `insufficient_scope` naming them where the token lacks one, 401
/// where there is no token. Stands inside an [`AuthLayer`](crate::AuthLayer); without one it answers 500.
///
/// Scopes are compared byte for byte. Two `RequireScope`s on one route must both pass.
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
pub struct RequireScope<R = BytesBody> {
    rule: Arc<ScopeRule>,
    body: R,
}

/// The scopes a route asks for.
#[derive(Debug)]
pub(crate) struct ScopeRule {
    scopes: Vec<Box<str>>,
    any: bool,
    /// What the challenge names: all of `all`, the first of `any`, since one of them is enough.
    challenge: Arc<str>,
}

impl ScopeRule {
    fn new(scopes: Vec<Box<str>>, any: bool) -> Result<Self, ConfigError> {
        let remedy = "must be one scope-token: printable ASCII without space, quote and backslash";
        let mut problems: Vec<_> = scopes
            .iter()
            .filter(|scope| !is_scope_token(scope))
            .map(|scope| ConfigProblem::new("RequireScope", scope, remedy))
            .collect();
        if scopes.is_empty() {
            problems.push(ConfigProblem::new("RequireScope", "[]", "must name one scope at least"));
        }
        ConfigError::unless_empty(problems)?;
        let named = if any { scopes.iter().take(1) } else { scopes.iter().take(usize::MAX) };
        let challenge = named.map(AsRef::as_ref).collect::<Vec<&str>>().join(" ").into();
        Ok(ScopeRule { scopes, any, challenge })
    }

    fn is_met(&self, claims: &Claims) -> bool {
        let mut scopes = self.scopes.iter().map(AsRef::as_ref);
        let held = |scope: &str| claims.scope().contains(scope);
        if self.any { scopes.any(held) } else { scopes.all(held) }
    }

    /// Judges what the layer left in the extensions, and writes the audit event.
    fn judge(&self, extensions: &Extensions) -> Result<(), AuthError> {
        let (result, claims) = match visitor(extensions) {
            Ok(Visitor::Known(claims)) if self.is_met(claims) => (Ok(()), Some(claims)),
            Ok(Visitor::Known(claims)) => (Err(AuthError::insufficient_scope(&self.challenge)), Some(claims)),
            Ok(Visitor::Unknown(visitor)) if visitor.because == Because::Anonymous => {
                (Err(Reason::MissingToken.into()), None)
            }
            Ok(Visitor::Unknown(_)) => return Ok(()),
            Err(error) => (Err(error), None),
        };
        let claims = claims.map(Claims::set);
        match &result {
            Ok(()) if telemetry::audits_passes() => {
                let required_scope = &*self.challenge;
                telemetry::audit(Decision::Authorized { required_scope }, claims);
            }
            Ok(()) => {}
            Err(error) => telemetry::audit(Decision::Refused(error), claims),
        }
        result
    }
}

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
        RequireScope::new(scopes, false)
    }

    /// As [`any`](RequireScope::any), for scopes that are known at run time only.
    ///
    /// # Errors
    /// The list is empty or a scope is malformed.
    pub fn try_any(scopes: impl IntoIterator<Item = impl Into<Box<str>>>) -> Result<Self, ConfigError> {
        RequireScope::new(scopes, true)
    }

    fn new(scopes: impl IntoIterator<Item = impl Into<Box<str>>>, any: bool) -> Result<Self, ConfigError> {
        let rule = ScopeRule::new(scopes.into_iter().map(Into::into).collect(), any)?;
        Ok(RequireScope { rule: Arc::new(rule), body: BytesBody })
    }
}

impl<R> RequireScope<R> {
    /// Empty refusals; see [`AuthLayer::empty_body`](crate::AuthLayer::empty_body).
    pub fn empty_body(self) -> RequireScope<EmptyBody> {
        RequireScope { rule: self.rule, body: EmptyBody }
    }

    /// Refusals whose body is made by `f`.
    pub fn map_body<F>(self, f: F) -> RequireScope<MapBody<F>> {
        RequireScope { rule: self.rule, body: MapBody(f) }
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
        Required { inner, require: self.clone() }
    }
}

impl<R> fmt::Debug for RequireScope<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireScope").field(&self.rule).finish()
    }
}

/// The service that [`RequireScope`] makes.
#[derive(Clone, Debug)]
pub struct Required<S, R = BytesBody> {
    inner: S,
    require: RequireScope<R>,
}

impl<S, Q, B, R> Service<Request<Q>> for Required<S, R>
where
    S: Service<Request<Q>, Response = Response<B>>,
    R: RefusalBody<B>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = RequiredFuture<S::Future, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let state = match self.require.rule.judge(request.extensions()) {
            Ok(()) => State::Inner { future: self.inner.call(request) },
            Err(error) => {
                let resource = visitor(request.extensions()).ok().map(|visitor| visitor.resource().clone());
                let head = request.method() == Method::HEAD;
                let response = refuse(error, resource.as_deref(), head, &self.require.body);
                State::Refused { response: Some(response) }
            }
        };
        RequiredFuture { state }
    }
}

pin_project! {
    /// The future of [`Required`].
    pub struct RequiredFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<F, B> {
        Inner { #[pin] future: F },
        Refused { response: Option<Response<B>> },
    }
}

impl<F, B, E> Future for RequiredFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProject::Inner { future } => future.poll(context),
            // Polled after completion there is nothing left to give.
            StateProject::Refused { response } => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
        }
    }
}

impl<F, B> fmt::Debug for RequiredFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequiredFuture")
    }
}
