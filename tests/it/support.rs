//! The fixtures of the conformance matrix: RS, AS, T, and the way to send a request.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::testing::{DpopProof, ManualClock, SigningKey, TestIssuer, TokenBuilder};
use tower_bearer::{AuthError, AuthLayer, Claims, Clock, Issuer, ResourceServer, ResourceServerBuilder};

pub const RS: &str = "https://api.example.com";
pub const AS: &str = "https://as.example.com";
pub const PRM: &str = "https://api.example.com/.well-known/oauth-protected-resource";

pub type Reply = Response<Full<Bytes>>;

/// An issuer without sockets, a clock moved by hand, and a server that trusts the issuer.
pub struct Fixture {
    pub issuer: TestIssuer,
    pub clock: ManualClock,
    pub server: ResourceServer,
}

impl Fixture {
    /// RS and AS with every default.
    pub fn new() -> Self {
        Fixture::with(|issuer| issuer, |builder| builder)
    }

    /// RS and AS with some settings changed.
    pub fn with(
        issuer_settings: impl FnOnce(Issuer) -> Issuer,
        settings: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder,
    ) -> Self {
        let clock = ManualClock::new();
        let issuer = TestIssuer::in_process_at(AS, clock.clone());
        let builder = ResourceServer::builder(RS, issuer_settings(Issuer::new(AS)))
            .clock(clock.clone())
            .http_client(issuer.http_client());
        let server = settings(builder).build().expect("a good configuration");
        Fixture { issuer, clock, server }
    }

    /// `T`: a valid token for RS from AS, to be changed.
    pub fn token(&self) -> TokenBuilder {
        self.issuer.token()
    }

    /// The clock's time of day in seconds.
    pub fn now(&self) -> u64 {
        let wall = self.clock.wall().duration_since(std::time::UNIX_EPOCH);
        wall.map_or(0, |since| since.as_secs())
    }

    /// Sends `B token`.
    pub async fn bearer(&self, token: &str) -> Outcome {
        self.send(get().header("authorization", format!("Bearer {token}")).body(()).unwrap()).await
    }

    /// Sends `D token + proof`.
    pub async fn dpop(&self, token: &str, proof: DpopProof) -> Outcome {
        self.send(with_proof(token, &proof.sign()).body(()).unwrap()).await
    }

    /// A token bound to this key.
    pub fn bound(&self, key: &SigningKey) -> String {
        self.token().bound_to(key).sign()
    }

    /// `P`: a valid proof for `GET /r` with this token, to be changed.
    pub fn proof(&self, key: &SigningKey, token: &str) -> DpopProof {
        DpopProof::new(key, "GET", &format!("{RS}/r")).token(token).issued_at(self.clock.wall())
    }

    /// Sends a request through the layer to a service that answers 200.
    pub async fn send<Q: 'static>(&self, request: Request<Q>) -> Outcome {
        send_through(AuthLayer::new(self.server.clone()), request).await
    }
}

/// `GET /r` with a token of the scheme DPoP and a proof.
pub fn with_proof(token: &str, proof: &str) -> http::request::Builder {
    get().header("authorization", format!("DPoP {token}")).header("dpop", proof)
}

/// `GET /r`.
pub fn get() -> http::request::Builder {
    Request::get("/r")
}

/// What came back, and how often the inner service was called with which claims.
#[derive(Debug)]
pub struct Outcome {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
    pub error: Option<AuthError>,
    /// Calls of the inner service.
    pub calls: u64,
    /// The claims that the inner service saw.
    pub claims: Option<Claims>,
}

impl Outcome {
    /// The stable reason code of a refusal.
    pub fn code(&self) -> &'static str {
        self.error.as_ref().map_or("ok", AuthError::code)
    }

    /// The challenges, one for each field line.
    pub fn challenges(&self) -> Vec<&str> {
        self.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// OK: the inner service was called once and saw claims.
    #[track_caller]
    pub fn assert_ok(&self) {
        assert_eq!((self.status, self.calls), (StatusCode::OK, 1), "{self:?}");
        assert!(self.claims.is_some(), "{self:?}");
    }

    /// ANON: 401 without an error code.
    #[track_caller]
    pub fn assert_anon(&self) {
        self.assert_refused(StatusCode::UNAUTHORIZED, None);
    }

    /// IR: 400 invalid_request.
    #[track_caller]
    pub fn assert_ir(&self) {
        self.assert_refused(StatusCode::BAD_REQUEST, Some("invalid_request"));
    }

    /// IT: 401 invalid_token.
    #[track_caller]
    pub fn assert_it(&self) {
        self.assert_refused(StatusCode::UNAUTHORIZED, Some("invalid_token"));
    }

    /// IS: 403 insufficient_scope.
    #[track_caller]
    pub fn assert_is(&self) {
        self.assert_refused(StatusCode::FORBIDDEN, Some("insufficient_scope"));
    }

    /// IDP: 401 invalid_dpop_proof.
    #[track_caller]
    pub fn assert_idp(&self) {
        self.assert_refused(StatusCode::UNAUTHORIZED, Some("invalid_dpop_proof"));
        assert!(!self.headers.contains_key("dpop-nonce"), "{self:?}");
    }

    /// UDN: 401 use_dpop_nonce with exactly one nonce, which comes back.
    #[track_caller]
    pub fn assert_udn(&self) -> String {
        self.assert_refused(StatusCode::UNAUTHORIZED, Some("use_dpop_nonce"));
        let nonces: Vec<_> = self.headers.get_all("dpop-nonce").iter().collect();
        assert_eq!(nonces.len(), 1, "{self:?}");
        nonces[0].to_str().unwrap().to_owned()
    }

    /// DEP: 503 with `Retry-After`, without a challenge.
    #[track_caller]
    pub fn assert_dep(&self) {
        assert_eq!((self.status, self.calls), (StatusCode::SERVICE_UNAVAILABLE, 0), "{self:?}");
        assert!(self.headers.contains_key("retry-after") && self.challenges().is_empty(), "{self:?}");
    }

    #[track_caller]
    fn assert_refused(&self, status: StatusCode, error: Option<&str>) {
        assert_eq!((self.status, self.calls), (status, 0), "{self:?}");
        assert!(!self.challenges().is_empty(), "{self:?}");
        let clean = |challenge: &&str| !challenge.contains("error");
        let told = |challenge: &&str| error.is_some_and(|error| challenge.contains(&format!("error=\"{error}\"")));
        // Only DPoP may be offered beside the scheme that the error belongs to (RFC 9449 section 7.2).
        let offered = |challenge: &&str| clean(challenge) && (error.is_none() || challenge.starts_with("DPoP "));
        assert!(self.challenges().iter().all(|challenge| told(challenge) || offered(challenge)), "{self:?}");
        assert_eq!(self.challenges().iter().any(told), error.is_some(), "{self:?}");
        assert_eq!(self.headers.get("cache-control").unwrap(), "no-store");
    }
}

/// How many requests are inside a service: now, and at most at once.
#[derive(Clone, Default)]
pub struct Inside {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Inside {
    /// The service. Each request stays inside for one turn of the scheduler.
    pub fn service(&self) -> Inner<()> {
        let inside = self.clone();
        Inner::new(service_fn(move |_| {
            let inside = inside.clone();
            async move {
                inside.most.fetch_max(inside.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                inside.now.fetch_sub(1, Ordering::SeqCst);
                Ok(Reply::default())
            }
        }))
    }

    #[track_caller]
    pub fn assert_one_at_a_time(&self) {
        assert_eq!((self.now.load(Ordering::SeqCst), self.most.load(Ordering::SeqCst)), (0, 1));
    }
}

/// An inner service that answers 200 and notes what it saw.
pub type Inner<Q> = tower::util::BoxCloneService<Request<Q>, Reply, Infallible>;

/// Sends a request through any layer.
pub async fn send_through<L, Q>(layer: L, request: Request<Q>) -> Outcome
where
    L: Layer<Inner<Q>>,
    L::Service: tower::Service<Request<Q>, Response = Reply, Error = Infallible>,
    Q: 'static,
{
    let calls = Arc::new(AtomicU64::new(0));
    let seen: Arc<std::sync::Mutex<Option<Claims>>> = Arc::default();
    let (counted, noted) = (calls.clone(), seen.clone());
    let inner = service_fn(move |request: Request<Q>| {
        counted.fetch_add(1, Ordering::SeqCst);
        *noted.lock().unwrap() = request.extensions().get::<Claims>().cloned();
        Box::pin(async { Ok(Reply::new(Full::new(Bytes::from_static(b"inner")))) })
            as Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>
    });
    let inner = Inner::new(inner);
    let (parts, body) = layer.layer(inner).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let claims = seen.lock().unwrap().take();
    Outcome {
        status: parts.status,
        error: parts.extensions.get::<AuthError>().cloned(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        calls: calls.load(Ordering::SeqCst),
        claims,
    }
}
