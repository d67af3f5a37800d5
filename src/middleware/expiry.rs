//! Answers that end with their token: the layer of [`AuthLayer::end_streams_at_expiry`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::auth::{Auth, AuthLayer};
use super::body::{BytesBody, RefusalBody};
use super::expiry_body::UntilExpiry;
use crate::server::expiry::Expired;
use crate::token::claims::Claims;

/// A layer that ends an answer when the token of its request does: what
/// [`AuthLayer::end_streams_at_expiry`] puts inside an [`AuthLayer`], for other stacks, such as inside
/// [`RequireRules`](crate::RequireRules). Where no claims stand in the request it passes on.
///
/// # Example
/// ```
/// use tower::{Layer, ServiceBuilder};
/// use tower_bearer::{AccessRules, EndStreamsAtExpiry, RequireRules, ResourceServer, RouteRules};
///
/// let server = ResourceServer::builder("https://api.example.com", "https://as.example.com").build()?;
/// let rules = RequireRules::new(server, AccessRules::new(RouteRules::new()));
/// let layers = ServiceBuilder::new().layer(rules).layer(EndStreamsAtExpiry);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct EndStreamsAtExpiry;

impl<S> Layer<S> for EndStreamsAtExpiry {
    type Service = WithExpiry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithExpiry(inner)
    }
}

/// An [`AuthLayer`] whose answers go on no longer than their token is good; made by
/// [`AuthLayer::end_streams_at_expiry`].
#[derive(Clone, Debug)]
#[must_use]
pub struct EndingAuthLayer<R = BytesBody> {
    auth: AuthLayer<R>,
}

impl<R> AuthLayer<R> {
    /// Ends an answer that is still being sent when its token expires: server-sent events, downloads, gRPC streams. Say
    /// it last; the other settings of the layer stay as they are.
    ///
    /// The end comes at `exp` and the server's leeway, when a new request with the token would be refused as well. Then
    /// the body fails with [`StreamExpired`](crate::StreamExpired), so that a client sees that the rest is missing (a browser's
    /// `EventSource` connects again by itself); a gRPC stream ends with status 16 in its trailers. Bodies become
    /// [`UntilExpiry`]. It costs one small allocation, and a timer for a body that keeps its client waiting.
    ///
    /// Default: a token is looked at once, when the request arrives. Connections that were upgraded (WebSocket) are no
    /// bodies: their handler waits for [`Claims::expired`]. Anonymous answers have no end.
    ///
    /// # Example
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower_bearer::{AuthLayer, ResourceServer};
    ///
    /// let server = ResourceServer::builder("https://api.example.com", "https://as.example.com").build()?;
    /// let app: Router = Router::new()
    ///     .route("/events", get(|| async { "a stream of events" }))
    ///     .layer(AuthLayer::new(server).end_streams_at_expiry());
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn end_streams_at_expiry(self) -> EndingAuthLayer<R> {
        EndingAuthLayer { auth: self }
    }
}

impl<S, R: Clone> Layer<S> for EndingAuthLayer<R> {
    type Service = Auth<WithExpiry<S>, WithExpiry<R>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.auth.clone().wrap_body(WithExpiry).layer(EndStreamsAtExpiry.layer(inner))
    }
}

/// A service, or the source of its refusals' bodies, whose bodies become [`UntilExpiry`].
#[derive(Clone, Debug)]
pub struct WithExpiry<T>(T);

impl<B, R: RefusalBody<B>> RefusalBody<UntilExpiry<B>> for WithExpiry<R> {
    fn carries(&self) -> bool {
        self.0.carries()
    }

    fn body(&self, text: Bytes) -> UntilExpiry<B> {
        UntilExpiry::unlimited(self.0.body(text))
    }
}

impl<S, Q, B> Service<Request<Q>> for WithExpiry<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
{
    type Response = Response<UntilExpiry<B>>;
    type Error = S::Error;
    type Future = WithExpiryFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let expired = request.extensions().get::<Claims>().map(Claims::expired);
        WithExpiryFuture { future: self.0.call(request), expired }
    }
}

pin_project! {
    /// The future of [`WithExpiry`].
    pub struct WithExpiryFuture<F> {
        #[pin]
        future: F,
        expired: Option<Expired>,
    }
}

impl<F, B, E> Future for WithExpiryFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<UntilExpiry<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (parts, body) = ready!(this.future.poll(context))?.into_parts();
        let body = UntilExpiry::new(body, &parts.headers, this.expired.take());
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }
}

impl<F> fmt::Debug for WithExpiryFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WithExpiryFuture")
    }
}
