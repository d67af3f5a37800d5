//! `Require`: what a route asks of a verified token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::auth_future::give_once;
use super::body::{BytesBody, EmptyBody, MapBody, RefusalBody};
use super::challenge::refuse;
use super::judge::judge_request;
use super::passage::visitor;
use super::recycled::Recycled;
use crate::policy::requirement::Requirement;
use crate::policy::rule::Rule;
use crate::token::scope::{SCOPE_REMEDY, is_scope_token};

/// A layer that asks for what a [`Requirement`] says: 403 `insufficient_scope` where the token does not
/// fulfil it, naming the scopes that would help, 401 `insufficient_user_authentication` where the user has to be
/// authenticated better or anew (RFC 9470), and 401 where there is no token. Stands inside an
/// [`AuthLayer`](crate::AuthLayer); without one it answers 500.
///
/// # Example
/// ```
/// use axum::{Router, routing::get};
/// use tower_bearer::{AuthLayer, Require, Requirement, ResourceServer};
///
/// let server = ResourceServer::builder("https://api.example.com", "https://as.example.com").build()?;
/// let admin = Requirement::scope("orders:write") & Requirement::role("admin");
/// let app: Router = Router::new()
///     .route("/orders", get(|| async { "all orders" }).layer(Require::new(admin)))
///     .layer(AuthLayer::new(server));
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Require<R = BytesBody> {
    rule: Arc<Rule>,
    body: R,
}

impl Require {
    /// Asks for this.
    pub fn new(requirement: Requirement) -> Self {
        Require { rule: Arc::new(Rule::new(requirement)), body: BytesBody }
    }

    /// Asks for one of these levels of authentication (`acr`), the preferred one first: 401
    /// `insufficient_user_authentication` otherwise, so that the client sends the user through the issuer again
    /// (RFC 9470 section 3).
    ///
    /// # Panics
    /// At start-up, on an empty list or a level that no challenge could name; for input of run time there is
    /// [`Requirement::acr`].
    ///
    /// # Example
    /// ```
    /// # use tower_bearer::Require;
    /// let layer = Require::acr(["urn:example:hardware", "urn:example:mfa"]);
    /// ```
    #[track_caller]
    pub fn acr(levels: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let levels: Vec<Box<str>> = levels.into_iter().map(Into::into).collect();
        assert!(!levels.is_empty(), "Require::acr must name one level at least");
        for level in &levels {
            assert!(is_scope_token(level), "Require::acr `{}` {SCOPE_REMEDY}", level.escape_debug());
        }
        Require::new(Requirement::acr(levels))
    }

    /// Asks for an authentication (`auth_time`) no longer ago than this: 401 `insufficient_user_authentication`
    /// otherwise, also where the token does not say when (RFC 9470 section 3).
    ///
    /// # Panics
    /// At start-up, on a fraction of a second; for input of run time there is
    /// [`Requirement::try_max_age`].
    #[track_caller]
    pub fn max_age(limit: Duration) -> Self {
        Require::new(Requirement::max_age(limit))
    }
}

impl<R> Require<R> {
    /// The template of the route it stands on, such as `/orders/{id}`, for the `route` of audit events. See also
    /// [`audit_route`](crate::ResourceServerBuilder::audit_route), which says it for all routes of axum.
    pub fn route(self, template: impl Into<Arc<str>>) -> Self {
        Require { rule: Arc::new(Arc::unwrap_or_clone(self.rule).on_route(template)), ..self }
    }

    pub(super) fn text(&self) -> &str {
        &self.rule.label().text
    }

    /// Empty refusals; see [`AuthLayer::empty_body`](crate::AuthLayer::empty_body).
    pub fn empty_body(self) -> Require<EmptyBody> {
        self.with_body(EmptyBody)
    }

    /// Refusals whose body is made by `f`.
    pub fn map_body<F>(self, f: F) -> Require<MapBody<F>> {
        self.with_body(MapBody(f))
    }

    pub(super) fn with_body<N>(self, body: N) -> Require<N> {
        Require { rule: self.rule, body }
    }
}

impl<S, R: Clone> Layer<S> for Require<R> {
    type Service = Required<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Required { inner, require: self.clone() }
    }
}

impl<R> fmt::Debug for Require<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Require").field(&self.text()).finish()
    }
}

/// The service that [`Require`] and [`RequireScope`](crate::RequireScope) make.
#[derive(Clone, Debug)]
pub struct Required<S, R = BytesBody> {
    inner: S,
    require: Require<R>,
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
        let (mut request, judged) = judge_request(&self.require.rule, request);
        let state = match judged {
            Ok(()) => State::Inner { future: self.inner.call(request) },
            Err(error) => {
                let resource = visitor(request.extensions()).ok().map(|visitor| visitor.resource().clone());
                let head = request.method() == Method::HEAD;
                let maps = Recycled::from(&mut request);
                State::Refused { response: Some(refuse(error, resource.as_deref(), head, &self.require.body, maps)) }
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
            StateProject::Refused { response } => give_once(response),
        }
    }
}

impl<F, B> fmt::Debug for RequiredFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequiredFuture")
    }
}
