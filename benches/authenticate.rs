//! How long a request takes: `cargo bench --bench authenticate`.
//!
//! All settings are the defaults, keys are given by hand, no `tracing` subscriber is installed. Requests are made
//! outside of the measurement. Times move with the machine: compare those of one run only, and let
//! `benches/instructions` judge a change.

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use axum::routing::get;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use serde_json::json;
use tower::ServiceExt;
use tower_bearer::testing::{SigningKey, TestIssuer, TokenBuilder, signature_checks};
use tower_bearer::{Algorithm, AuthLayer, Issuer, Jwks, ResourceRequest, ResourceServer, ResourceServerBuilder};

/// Fewer where nothing is optimized: `cargo test --benches` only asks whether it runs.
const MANY: usize = if cfg!(debug_assertions) { 100 } else { 10_000 };

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// An issuer that signs with one algorithm.
struct Fixture {
    issuer: TestIssuer,
    key: SigningKey,
}

impl Fixture {
    fn new(algorithm: Algorithm) -> Self {
        let issuer = TestIssuer::in_process("https://as.example.com");
        let key = issuer.rotate_key(algorithm);
        Fixture { issuer, key }
    }

    fn builder(&self) -> ResourceServerBuilder {
        let keys = Jwks::parse(self.issuer.jwks().to_string().as_bytes()).unwrap();
        ResourceServer::builder("https://api.example.com", Issuer::new(self.issuer.url()).keys(keys))
    }

    fn app(&self) -> Router {
        served(route().layer(AuthLayer::new(self.builder().build().unwrap())))
    }

    /// 15 claims; about 965 bytes with RS256.
    fn token(&self) -> TokenBuilder {
        [
            ("aud", json!(["https://api.example.com", "https://reports.example.com"])),
            ("nbf", json!(1_767_222_000)),
            ("auth_time", json!(1_767_222_000)),
            ("scope", json!("orders:read orders:write items:read items:write profile email")),
            ("roles", json!(["admin", "editor"])),
            ("acr", json!("1")),
            ("sid", json!("c0ffee42")),
            ("tenant", json!("t-17")),
            ("email", json!("a@example.com")),
        ]
        .into_iter()
        .fold(self.issuer.token().key(&self.key), |token, (name, value)| token.claim(name, value))
    }
}

fn route() -> Router {
    Router::new().route("/x", get(|| async { "ok" }))
}

/// As `axum::serve` does; without it every request makes its layers anew.
fn served(router: Router) -> Router {
    router.with_state(())
}

fn anonymous() -> Request<Body> {
    let fields = [
        ("host", "api.example.com"),
        ("user-agent", "bench/1.0"),
        ("accept", "application/json"),
        ("x-request-id", "5a1c7d52-95ac-4b64-a9e0-65ab97ad8d5d"),
    ];
    let request = fields.into_iter().fold(Request::get("/x"), |request, (name, value)| request.header(name, value));
    request.body(Body::empty()).unwrap()
}

fn with_token(token: &str) -> Request<Body> {
    let mut request = anonymous();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// No runtime: nothing here waits.
fn send(app: &Router, request: Request<Body>) -> Response {
    app.clone().oneshot(request).now_or_never().unwrap().unwrap()
}

fn authenticate(server: &ResourceServer, token: &str) {
    let request = ResourceRequest::bearer(black_box(token)).unwrap();
    black_box(server.authenticate(request).now_or_never().unwrap().unwrap());
}

fn measure(group: &mut Group<'_>, name: &str, app: &Router, expected: StatusCode, request: impl Fn() -> Request<Body>) {
    assert_eq!(send(app, request()).status(), expected, "{name}");
    group.bench_function(name, |bencher| {
        bencher.iter_batched(&request, |request| send(app, request), BatchSize::SmallInput);
    });
}

fn hits(criterion: &mut Criterion) {
    let fixture = Fixture::new(Algorithm::RS256);
    let token = fixture.token().sign();
    let mut group = criterion.benchmark_group("route");
    measure(&mut group, "bare", &served(route()), StatusCode::OK, || with_token(&token));
    measure(&mut group, "hit", &fixture.app(), StatusCode::OK, || with_token(&token));
    many_hits(&mut group);
}

/// Signed with ES256, which is faster to prepare; a hit does not look at the signature.
fn many_hits(group: &mut Group<'_>) {
    let fixture = Fixture::new(Algorithm::ES256);
    let (app, padding) = (fixture.app(), "x".repeat(190));
    let tokens: Vec<_> = (0..MANY).map(|_| fixture.token().claim("pad", &padding).sign()).collect();
    let send_all = || tokens.iter().for_each(|token| drop(send(&app, with_token(token))));
    send_all();
    let before = signature_checks();
    send_all();
    assert_eq!(signature_checks(), before, "every token is in the cache");
    let turn = Cell::new(0);
    let next = || with_token(&tokens[turn.replace((turn.get() + 1) % MANY)]);
    measure(group, &format!("hit over {MANY} tokens"), &app, StatusCode::OK, next);
}

fn refusals(criterion: &mut Criterion) {
    let fixture = Fixture::new(Algorithm::RS256);
    let app = fixture.app();
    let forged = fixture.token().signed_by(&SigningKey::generate(Algorithm::RS256)).sign();
    let expired = fixture.token().expired().sign();
    let mut group = criterion.benchmark_group("refusal");
    measure(&mut group, "no token", &app, StatusCode::UNAUTHORIZED, anonymous);
    measure(&mut group, "bad signature", &app, StatusCode::UNAUTHORIZED, || with_token(&forged));
    measure(&mut group, "expired", &app, StatusCode::UNAUTHORIZED, || with_token(&expired));
}

fn verification(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verification");
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let fixture = Fixture::new(algorithm);
        let server = fixture.builder().token_cache(0).build().unwrap();
        let token = fixture.token().sign();
        group.bench_function(algorithm.as_str(), |bencher| bencher.iter(|| authenticate(&server, &token)));
    }
}

fn library(criterion: &mut Criterion) {
    let fixture = Fixture::new(Algorithm::RS256);
    let server = fixture.builder().build().unwrap();
    let token = fixture.token().sign();
    let mut group = criterion.benchmark_group("authenticate");
    group.bench_function("hit", |bencher| bencher.iter(|| authenticate(&server, &token)));
}

fn short() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

criterion_group!(name = benches; config = short(); targets = hits, refusals, verification, library);
criterion_main!(benches);
