//! `Require`: what a route asks of a verified token.

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
use super::recycled::Recycled;
use crate::meters::Stopwatch;
use crate::policy::requirement::Requirement;
use crate::telemetry::{self, Decision};
use crate::token::claims::Claims;
use crate::token::error::{AuthError, Reason};

/// A layer that asks for what a [`Requirement`] says: 403 `insufficient_scope` where the token does not
/// fulfil it, naming the scopes that would help, and 401 where there is no token. Stands inside an
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

/// A requirement with its text, made once.
#[derive(Debug)]
struct Rule {
    requirement: Requirement,
    text: Arc<str>,
    scopes: Box<str>,
}

impl Rule {
    /// Judges what the layer left in the extensions, and tells of the decision.
    fn judge(&self, extensions: &Extensions) -> Result<(), AuthError> {
        let watch = Stopwatch::start();
        let visitor = visitor(extensions);
        let resource = visitor.as_ref().ok().map(|visitor| &**visitor.resource());
        let (result, claims) = match visitor {
            Ok(Visitor::Known(claims)) => {
                (self.check(claims).map_err(|error| error.presented(claims.scheme())), Some(claims.set()))
            }
            Ok(Visitor::Unknown(visitor)) if visitor.because == Because::Anonymous => {
                (Err(Reason::MissingToken.into()), None)
            }
            Ok(Visitor::Unknown(_)) => return Ok(()),
            Err(error) => (Err(error), None),
        };
        watch.authorized();
        let decision = match &result {
            Ok(()) => Decision::Authorized { scopes: &self.scopes, required: &self.text },
            Err(error) => Decision::Refused(error),
        };
        telemetry::decided(decision, claims, resource);
        result
    }

    fn check(&self, claims: &Claims) -> Result<(), AuthError> {
        if self.requirement.is_met(claims) {
            return Ok(());
        }
        let scopes = self.requirement.scopes_to_ask_for(claims);
        Err(AuthError::insufficient_scope(scopes.map(Into::into), &self.text))
    }
}

impl Require {
    /// Asks for this.
    pub fn new(requirement: Requirement) -> Self {
        let (text, scopes) = (requirement.to_string().into(), requirement.scopes().join(" ").into());
        Require { rule: Arc::new(Rule { requirement, text, scopes }), body: BytesBody }
    }
}

impl<R> Require<R> {
    pub(super) fn text(&self) -> &Arc<str> {
        &self.rule.text
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
        f.debug_tuple("Require").field(&self.rule.text).finish()
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

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let state = match self.require.rule.judge(request.extensions()) {
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
