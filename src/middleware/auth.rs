//! `AuthLayer`: no request passes without a verified token.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::auth_future::{ResponseFuture, State};
use super::body::{BytesBody, EmptyBody, MapBody, RefusalBody};
use super::challenge::refuse;
use super::cors::is_preflight;
use super::fields::{Field, Fields, head, look};
use super::metadata::ProtectedResourceMetadata;
use super::passage::{Because, ProofPassed, Unauthenticated};
use super::recycled::Recycled;
use crate::server::judgement::Admitted;
use crate::server::presentation::GoodProof;
use crate::server::resource_server::{Later, Progress, ResourceServer};
use crate::telemetry::{self, Decision};
use crate::token::claims::Claims;
use crate::token::error::{AuthError, Reason};
use crate::token::request::{DPOP, ResourceRequest};

/// A layer that lets only requests with a verified access token through and puts their [`Claims`] into
/// the request's extensions. Everything else it answers itself: 400, 401 or 503 with the challenge that
/// RFC 6750 section 3 asks for.
///
/// Works around any `Service<Request<_>, Response = Response<_>>`. The request's body is never touched,
/// the inner service's body and error types stay as they are, and the *ready* inner service is called.
/// A CORS preflight passes without claims (the CORS layer belongs outside this one, so that refusals
/// carry its headers), and the protected resource metadata document is answered here.
///
/// It does not check scopes ([`RequireScope`](crate::RequireScope)), and it looks at a token once, when the
/// request arrives: a long answer goes on when the token ends, unless
/// [`end_streams_at_expiry`](AuthLayer::end_streams_at_expiry) is said.
///
/// # Example
/// ```
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_bearer::{AuthLayer, Claims, ResourceServer};
/// use http::{Request, Response, StatusCode};
/// use {bytes::Bytes, http_body_util::Full};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let issuer = tower_bearer::testing::TestIssuer::start().await;
/// let server = ResourceServer::builder("https://api.example.com", issuer.url()).build().unwrap();
/// let service = ServiceBuilder::new().layer(AuthLayer::new(server)).service(service_fn(
///     |request: Request<()>| async move {
///         let claims: &Claims = request.extensions().get().unwrap();
///         Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(claims.subject().unwrap().to_owned()))))
///     },
/// ));
/// let token = issuer.token().subject("alice").sign();
/// let good = Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap();
/// assert_eq!(service.clone().oneshot(good).await.unwrap().status(), StatusCode::OK);
/// let bare = Request::get("/").body(()).unwrap();
/// assert_eq!(service.oneshot(bare).await.unwrap().status(), StatusCode::UNAUTHORIZED);
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct AuthLayer<R = BytesBody> {
    shared: Arc<Shared>,
    optional: bool,
    strip: bool,
    body: R,
}

struct Shared {
    server: ResourceServer,
    metadata: Option<ProtectedResourceMetadata>,
}

impl AuthLayer {
    /// Protects with this server. Refusals carry a body where bodies can be made from bytes.
    pub fn new(server: ResourceServer) -> Self {
        let metadata = ProtectedResourceMetadata::of(&server);
        let strip = server.resource().strip_credentials;
        AuthLayer { shared: Arc::new(Shared { server, metadata }), optional: false, strip, body: BytesBody }
    }
}

impl<R> AuthLayer<R> {
    /// Lets requests without a token through as anonymous: `Option<Claims>` is then `None`. A token that is
    /// there and bad is refused all the same, and a required scope still asks for a token.
    pub fn optional(self) -> Self {
        AuthLayer { optional: true, ..self }
    }

    /// Removes the fields `Authorization` and `DPoP` before the inner service is called, so that a token cannot be
    /// passed on by mistake. Default: they are left as they came, marked as sensitive; with [`ResourceServer::mcp`] they
    /// are removed.
    pub fn strip_credentials(self) -> Self {
        AuthLayer { strip: true, ..self }
    }

    /// Empty refusals, for inner bodies that cannot be made from bytes but have a default (tonic).
    pub fn empty_body(self) -> AuthLayer<EmptyBody> {
        self.with_body(EmptyBody)
    }

    /// Refusals whose body is made by `f`.
    pub fn map_body<F>(self, f: F) -> AuthLayer<MapBody<F>> {
        self.with_body(MapBody(f))
    }

    pub(super) fn wrap_body<N>(self, wrap: impl FnOnce(R) -> N) -> AuthLayer<N> {
        AuthLayer { shared: self.shared, optional: self.optional, strip: self.strip, body: wrap(self.body) }
    }

    pub(super) fn with_body<N>(self, body: N) -> AuthLayer<N> {
        self.wrap_body(|_| body)
    }

    pub(super) fn refuse<Q, B>(&self, error: AuthError, request: &mut Request<Q>) -> Response<B>
    where
        R: RefusalBody<B>,
    {
        let head = request.method() == Method::HEAD;
        refuse(error, Some(self.shared.server.resource()), head, &self.body, Recycled::from(request))
    }

    /// What can be said at once about a request. Leaves in its extensions what the inside needs.
    fn judge<Q, B>(&self, request: &mut Request<Q>) -> Step<B>
    where
        R: RefusalBody<B>,
    {
        // What stands there came from outside this layer and is not believed.
        let earlier = request.extensions_mut().remove::<Claims>();
        request.extensions_mut().remove::<Unauthenticated>();
        let server = &self.shared.server;
        server.remove_untrusted(request);
        let Fields { authorization, has_proof } = look(request.headers_mut());
        let glance = match &authorization {
            Field::One(value) if !has_proof => server.glance(value),
            _ => None,
        };
        let is_absent = matches!(authorization, Field::Absent);
        if let Some(metadata) = self.shared.metadata.as_ref().filter(|metadata| metadata.is_at(request.uri())) {
            if self.body.carries() {
                return Step::Answer(metadata.answer(request.method(), &self.body));
            }
            if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
                return self.pass_without(request, Because::Public);
            }
        }
        if is_absent && is_preflight(request.method(), request.headers()) {
            return self.pass_without(request, Because::Preflight);
        }
        if let Some(glance) = &glance {
            if let Some(claims) = earlier.filter(|claims| server.has_verified(claims, glance)) {
                return self.conclude(request, Ok(claims));
            }
            if let Some(result) = server.recall(glance, || head(request)) {
                return self.conclude(request, result);
            }
        }
        let read = match is_absent {
            true if self.optional => return self.pass_without(request, Because::Anonymous),
            true => Err(Reason::MissingToken.into()),
            false => server.take(ResourceRequest::of(head(request))),
        };
        let credentials = match read {
            Ok(credentials) => credentials,
            Err(error) => {
                telemetry::decided(Decision::Refused(&error), None, Some(server.resource()));
                return Step::Answer(self.refuse(error, request));
            }
        };
        if self.optional && !credentials.has_token() {
            return self.pass_without(request, Because::Anonymous);
        }
        if let Some(ProofPassed { claims, mark }) = request.extensions().get()
            && server.has_proven(claims, *mark, &credentials)
        {
            let claims = claims.clone();
            return self.conclude(request, Ok(claims));
        }
        match server.begin(credentials, glance) {
            Progress::Done(Ok(admitted)) => self.enter(request, admitted).map_or(Step::Pass, Step::PassRenewing),
            Progress::Done(Err(error)) => Step::Answer(self.refuse(error, request)),
            Progress::Waiting(later) => Step::Wait(later),
        }
    }

    fn conclude<Q, B>(&self, request: &mut Request<Q>, result: Result<Claims, AuthError>) -> Step<B>
    where
        R: RefusalBody<B>,
    {
        match result {
            Ok(claims) => {
                self.admit(request, claims);
                Step::Pass
            }
            Err(error) => Step::Answer(self.refuse(error, request)),
        }
    }

    /// Lets a request in; gives back the nonce that its answer should bring.
    pub(super) fn enter<Q>(&self, request: &mut Request<Q>, admitted: Admitted) -> Option<Box<HeaderValue>> {
        let Admitted { claims, proof } = admitted;
        let next_nonce = proof.and_then(|GoodProof { mark, next_nonce }| {
            request.extensions_mut().insert(ProofPassed { claims: claims.clone(), mark });
            HeaderValue::from_str(&next_nonce?).ok().map(Box::new)
        });
        self.admit(request, claims);
        next_nonce
    }

    fn pass_without<Q, B>(&self, request: &mut Request<Q>, because: Because) -> Step<B> {
        self.strip_from(request);
        let resource = self.shared.server.resource().clone();
        request.extensions_mut().insert(Unauthenticated { resource, because });
        Step::Pass
    }

    #[inline]
    pub(super) fn admit<Q>(&self, request: &mut Request<Q>, claims: Claims) {
        self.strip_from(request);
        request.extensions_mut().insert(claims);
    }

    #[inline]
    fn strip_from<Q>(&self, request: &mut Request<Q>) {
        if self.strip {
            request.headers_mut().remove(AUTHORIZATION);
            request.headers_mut().remove(&DPOP);
        }
    }
}

enum Step<B> {
    Pass,
    /// The answer brings this nonce.
    PassRenewing(Box<HeaderValue>),
    Answer(Response<B>),
    Wait(Later),
}

impl<S, R: Clone> Layer<S> for AuthLayer<R> {
    type Service = Auth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth { inner, layer: self.clone() }
    }
}

impl<R> fmt::Debug for AuthLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer")
            .field("server", &self.shared.server)
            .field("optional", &self.optional)
            .finish_non_exhaustive()
    }
}

/// The service that [`AuthLayer`] makes.
#[derive(Clone, Debug)]
pub struct Auth<S, R = BytesBody> {
    inner: S,
    layer: AuthLayer<R>,
}

impl<S, Q, B, R> Service<Request<Q>> for Auth<S, R>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone,
    R: RefusalBody<B> + Clone,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, S, Q, B, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let state = match self.layer.judge(&mut request) {
            Step::Pass => State::Inner { future: self.inner.call(request) },
            Step::PassRenewing(nonce) => State::Renewing { future: self.inner.call(request), nonce: Some(nonce) },
            Step::Answer(response) => State::Refused { response: Some(response) },
            Step::Wait(verify) => {
                // A clone is not ready, so the one that was polled goes into the future (tower's contract).
                let clone = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, clone);
                State::Verify { verify, slot: Some(Box::new((inner, request, self.layer.clone()))) }
            }
        };
        ResponseFuture { state }
    }
}
