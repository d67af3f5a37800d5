//! `RequireDecision`: what a decider elsewhere says about a verified token and its request.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::auth_future::give_once;
use super::body::{BytesBody, EmptyBody, MapBody, RefusalBody};
use super::challenge::refuse;
use super::judge::{admit, tell};
use super::passage::visitor;
use super::recycled::Recycled;
use super::require::Require;
use crate::policy::decider::{Decider, Referral};
use crate::policy::rule::Label;
use crate::telemetry::Watch;
use crate::token::claims::Claims;
use crate::token::error::AuthError;

/// Longest wait for a decision, unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(3);

/// A layer that asks a [`Decider`]: 403 where it denies, 503 where it gives no answer. Stands inside an
/// [`AuthLayer`](crate::AuthLayer); without one it answers 500, and without a token 401.
///
/// What can be said by a [`Requirement`](crate::Requirement) is better said by one, outside this layer: it is judged
/// without waiting, and a challenge can name what lacks.
///
/// # Example
/// ```
/// use axum::{Router, routing::get};
/// use http::request::Parts;
/// use tower_bearer::{AuthLayer, Claims, Decider, DeciderFuture, Require, ResourceServer, Verdict};
///
/// struct OfficeHours;
/// impl Decider for OfficeHours {
///     fn decide<'a>(&'a self, claims: &'a Claims, request: &'a Parts) -> DeciderFuture<'a> {
///         Box::pin(async move { if claims.is_client() { Verdict::deny("people only") } else { Verdict::Allow } })
///     }
/// }
///
/// let server = ResourceServer::builder("https://api.example.com", "https://as.example.com").build()?;
/// let app: Router = Router::new()
///     .route("/orders", get(|| async { "all orders" }).layer(Require::decider("office hours", OfficeHours)))
///     .layer(AuthLayer::new(server));
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct RequireDecision<R = BytesBody> {
    label: Arc<Label>,
    referral: Referral,
    body: R,
}

impl Require {
    /// Asks this decider, which audit events call by this name.
    pub fn decider(name: impl fmt::Display, decider: impl Decider) -> RequireDecision {
        let referral = Referral::new(decider, DEADLINE);
        let label = Label { text: format!("decider:{name}").into(), scopes: Box::default(), route: None };
        RequireDecision { label: Arc::new(label), referral, body: BytesBody }
    }
}

impl<R> RequireDecision<R> {
    /// How long to wait for a decision before it is 503. Default 3 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.referral.deadline = deadline;
        self
    }

    /// Remembers this many decisions for this long, by the keys that the decider gives
    /// ([`cache_key`](Decider::cache_key)). Default: none are. A right that is taken away works until its decision is
    /// that old; "no answer" is never remembered. Each entry takes some 400 bytes at most.
    pub fn remember(mut self, entries: usize, ttl: Duration) -> Self {
        self.referral.remember(entries, ttl);
        self
    }

    /// The template of the route it stands on, for audit events; see [`Require::route`].
    pub fn route(self, template: impl Into<Arc<str>>) -> Self {
        let label = Label { route: Some(template.into()), ..Arc::unwrap_or_clone(self.label) };
        RequireDecision { label: Arc::new(label), ..self }
    }

    /// Empty refusals; see [`AuthLayer::empty_body`](crate::AuthLayer::empty_body).
    pub fn empty_body(self) -> RequireDecision<EmptyBody> {
        RequireDecision { label: self.label, referral: self.referral, body: EmptyBody }
    }

    /// Refusals whose body is made by `f`.
    pub fn map_body<F>(self, f: F) -> RequireDecision<MapBody<F>> {
        RequireDecision { label: self.label, referral: self.referral, body: MapBody(f) }
    }

    fn refuse<Q, B>(&self, error: AuthError, request: &mut Request<Q>) -> Response<B>
    where
        R: RefusalBody<B>,
    {
        let resource = visitor(request.extensions()).ok().map(|visitor| visitor.resource().clone());
        let head = request.method() == Method::HEAD;
        refuse(error, resource.as_deref(), head, &self.body, Recycled::from(request))
    }

    /// Owns what the decider looks at, and gives it back.
    fn ask(&self, claims: Claims, parts: Parts) -> Asking {
        let (label, referral) = (self.label.clone(), self.referral.clone());
        Box::pin(async move {
            let set = claims.set();
            let watch = Watch::start(Some(&set.resource));
            let result = referral.ask(&claims, &parts).await.map_err(|error| error.presented(claims.scheme()));
            tell(&label, &result, watch, Some(&parts.extensions), set);
            (result, parts)
        })
    }
}

type Asking = Pin<Box<dyn Future<Output = (Result<(), AuthError>, Parts)> + Send>>;

impl<S, R: Clone> Layer<S> for RequireDecision<R> {
    type Service = Decided<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Decided { inner, layer: self.clone() }
    }
}

impl<R> fmt::Debug for RequireDecision<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireDecision").field(&self.label.text).finish()
    }
}

/// The service that [`RequireDecision`] makes.
#[derive(Clone, Debug)]
pub struct Decided<S, R = BytesBody> {
    inner: S,
    layer: RequireDecision<R>,
}

impl<S, Q, B, R> Service<Request<Q>> for Decided<S, R>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone,
    R: RefusalBody<B> + Clone,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = DecidedFuture<S::Future, S, Q, B, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let state = match admit(&self.layer.label, request.extensions()).map(|claims| claims.cloned()) {
            Ok(Some(claims)) => {
                // A clone is not ready, so the one that was polled goes into the future (tower's contract).
                let clone = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, clone);
                let (parts, body) = request.into_parts();
                State::Asking { asking: self.layer.ask(claims, parts), slot: Some((inner, body, self.layer.clone())) }
            }
            Ok(None) => State::Inner { future: self.inner.call(request) },
            Err(error) => State::Refused { response: Some(self.layer.refuse(error, &mut request)) },
        };
        DecidedFuture { state }
    }
}

pin_project! {
    /// The future of [`Decided`]. Dropping it cancels the question.
    pub struct DecidedFuture<F, S, Q, B, R = BytesBody> {
        #[pin]
        state: State<F, S, Q, B, R>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<F, S, Q, B, R> {
        Inner { #[pin] future: F },
        Refused { response: Option<Response<B>> },
        Asking { asking: Asking, slot: Option<(S, Q, RequireDecision<R>)> },
    }
}

impl<F, S, Q, B, R, E> Future for DecidedFuture<F, S, Q, B, R>
where
    F: Future<Output = Result<Response<B>, E>>,
    S: Service<Request<Q>, Response = Response<B>, Error = E, Future = F>,
    R: RefusalBody<B>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProject::Inner { future } => return future.poll(context),
                StateProject::Refused { response } => return give_once(response),
                StateProject::Asking { asking, slot } => {
                    let (result, parts) = ready!(asking.as_mut().poll(context));
                    let Some((mut inner, body, layer)) = slot.take() else { return Poll::Pending };
                    let mut request = Request::from_parts(parts, body);
                    match result {
                        Ok(()) => State::Inner { future: inner.call(request) },
                        Err(error) => State::Refused { response: Some(layer.refuse(error, &mut request)) },
                    }
                }
            };
            state.set(next);
        }
    }
}

impl<F, S, Q, B, R> fmt::Debug for DecidedFuture<F, S, Q, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecidedFuture")
    }
}
