//! The service of `RequireRules`: finds the rule of a request and sends it through that door.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Method, Request, Response, Uri};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::auth::Auth;
use super::auth_future::give_once;
use super::body::{BytesBody, RefusalBody};
use super::challenge::refuse;
use super::fields::mark_sensitive;
use super::passage::{Because, Unauthenticated};
use super::recycled::Recycled;
use super::require::Required;
use super::rules::{Door, Guard, RequireRules};
use crate::policy::path::normal_target;
use crate::telemetry::{self, Decision};
use crate::token::claims::Claims;
use crate::token::error::{AuthError, Reason};

/// The target of a request before its path was put into normal form, which a proof of possession speaks of (RFC 9449
/// section 4.2). Absent where that changed nothing.
#[derive(Debug, Clone)]
pub(crate) struct TargetAsSent(pub(crate) Uri);

/// The service that [`RequireRules`] makes.
#[derive(Clone, Debug)]
pub struct Ruled<S, R = BytesBody> {
    pub(super) inner: S,
    pub(super) rules: RequireRules<R>,
}

/// Finds the door of a request, whose path is in normal form from then on. Where refusals have no body the service
/// inside answers the metadata document, and only reading it is public.
fn find<'a, Q>(guard: &'a Guard, request: &mut Request<Q>, answers_documents: bool) -> Result<&'a Door, AuthError> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if (answers_documents || reads) && guard.is_metadata(request.uri()) {
        return Ok(&Door::Authenticated);
    }
    if guard.looks_at_paths() {
        let normal = normal_target(request.uri()).ok_or(Reason::PathAmbiguous)?;
        if normal.path() != request.uri().path() {
            let sent = std::mem::replace(request.uri_mut(), normal);
            request.extensions_mut().get_or_insert_with(|| TargetAsSent(sent));
        }
    }
    Ok(guard.door(request.method(), request.uri().path()))
}

/// What stands in the extensions came from outside and is not believed. A layer inside that asks for more than the
/// rule does sees an anonymous caller.
fn open<Q>(guard: &Guard, request: &mut Request<Q>) {
    request.extensions_mut().remove::<Claims>();
    guard.server.remove_untrusted(request);
    mark_sensitive(request.headers_mut());
    let resource = guard.server.resource().clone();
    request.extensions_mut().insert(Unauthenticated { resource, because: Because::Anonymous });
}

impl<S, Q, B, R> Service<Request<Q>> for Ruled<S, R>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone,
    R: RefusalBody<B> + Clone,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = RuledFuture<
        S::Future,
        <Auth<S, R> as Service<Request<Q>>>::Future,
        <Auth<Required<S, R>, R> as Service<Request<Q>>>::Future,
        B,
    >;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let guard = self.rules.guard();
        // The one that was polled is called (tower's contract); its clone waits for the next request.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let body = &self.rules.body;
        let auth = guard.auth.clone().with_body(body.clone());
        let state = match find(&guard, &mut request, body.carries()) {
            Ok(Door::Open) => {
                open(&guard, &mut request);
                State::Open { future: inner.call(request) }
            }
            Ok(Door::Optional) => State::Token { future: auth.optional().layer(inner).call(request) },
            Ok(Door::Authenticated) => State::Token { future: auth.layer(inner).call(request) },
            Ok(Door::Require(require)) => {
                let require = require.clone().with_body(body.clone());
                State::Rule { future: auth.layer(require.layer(inner)).call(request) }
            }
            Err(error) => {
                let resource = guard.server.resource();
                telemetry::decided(Decision::Refused(&error), None, Some(resource));
                let head = request.method() == Method::HEAD;
                let response = refuse(error, Some(resource), head, body, Recycled::from(&mut request));
                State::Refused { response: Some(response) }
            }
        };
        RuledFuture { state }
    }
}

pin_project! {
    /// The future of [`Ruled`].
    pub struct RuledFuture<O, T, W, B> {
        #[pin]
        state: State<O, T, W, B>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<O, T, W, B> {
        Open { #[pin] future: O },
        Token { #[pin] future: T },
        Rule { #[pin] future: W },
        Refused { response: Option<Response<B>> },
    }
}

impl<O, T, W, B, E> Future for RuledFuture<O, T, W, B>
where
    O: Future<Output = Result<Response<B>, E>>,
    T: Future<Output = Result<Response<B>, E>>,
    W: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProject::Open { future } => future.poll(context),
            StateProject::Token { future } => future.poll(context),
            StateProject::Rule { future } => future.poll(context),
            StateProject::Refused { response } => give_once(response),
        }
    }
}

impl<O, T, W, B> fmt::Debug for RuledFuture<O, T, W, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RuledFuture")
    }
}
