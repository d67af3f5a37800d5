//! Refusals of gRPC calls: trailers only, with the challenges in the metadata.

use std::convert::Infallible;
use std::future::ready;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Body as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::testing::{DpopProof, Endpoint, Fault};
use tower_bearer::{AuthLayer, Clock, Dpop, RequireScope, ResourceServerBuilder};

use crate::challenge::{Takes, needs_files_write, request as challenged, rows};
use crate::dpop::Holder;
use crate::support::{Fixture, Outcome, send_through};
use crate::wire;

const CALL: &str = "application/grpc+proto";

fn call() -> http::request::Builder {
    Request::post("/shop.Orders/Get").header("content-type", CALL)
}

fn bearer(token: &str) -> http::request::Builder {
    call().header("authorization", format!("Bearer {token}"))
}

/// Through a layer that asks for a scope.
async fn send(fixture: &Fixture, request: http::request::Builder) -> Outcome {
    let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone()));
    send_through(layers.layer(RequireScope::all(["orders:read"])), request.body(()).unwrap()).await
}

/// Trailers only: no body, status 200, the refusal in the headers.
#[track_caller]
fn assert_trailers_only(outcome: &Outcome, status: &str, message: &str) {
    assert_eq!((outcome.status, outcome.calls, outcome.body.as_str()), (StatusCode::OK, 0, ""), "{outcome:?}");
    let header = |name: &str| outcome.headers[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/grpc");
    assert_eq!((header("grpc-status"), header("grpc-message")), (status, message));
    assert!(!outcome.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn grpc_a_grpc_b_grpc_d_a_refused_call_gets_trailers_only_and_never_an_http_status() {
    let fixture = Fixture::new();
    let good = fixture.token().scope("orders:read").sign();
    send(&fixture, bearer(&good)).await.assert_ok();
    let narrow = fixture.token().scope("orders:write").sign();
    for (request, status, message, code) in [
        (call(), "16", "Unauthorized", "missing_token"),
        (call().header("authorization", "Basic YTpi"), "16", "Unauthorized", "missing_token"),
        (call().header("authorization", "Bearer"), "16", "Malformed Authorization header", "malformed_credentials"),
        (
            bearer(&good).header("authorization", "Bearer x"),
            "16",
            "More than one access token was sent",
            "several_tokens",
        ),
        (bearer(&fixture.token().expired().sign()), "16", "The access token is invalid or expired", "token_expired"),
        (bearer(&narrow), "7", "The token lacks a required scope", "insufficient_scope"),
    ] {
        let outcome = send(&fixture, request).await;
        assert_trailers_only(&outcome, status, message);
        assert_eq!(outcome.code(), code);
    }
}

#[tokio::test]
async fn grpc_b_an_outage_is_unavailable_and_says_when_to_come_again() {
    let fixture = Fixture::new();
    let token = fixture.token().scope("orders:read").sign();
    fixture.issuer.fault(Endpoint::Metadata, Some(Fault::Status(500)));
    let outcome = send(&fixture, bearer(&token)).await;
    assert_trailers_only(&outcome, "14", "Service Unavailable");
    assert!(outcome.challenges().is_empty());
    let milliseconds: u64 = outcome.headers["grpc-retry-pushback-ms"].to_str().unwrap().parse().unwrap();
    assert!(milliseconds >= 1000 && milliseconds.is_multiple_of(1000));
}

#[tokio::test]
async fn grpc_e_the_challenges_are_those_of_http() {
    let columns = Takes::COLUMNS.map(|takes| (takes.fixture(), takes));
    for (fixture, row) in
        columns.iter().flat_map(|(fixture, takes)| rows(fixture, *takes).into_iter().map(move |row| (fixture, row)))
    {
        let (auth, scope) = needs_files_write(&fixture.server);
        let layers = || ServiceBuilder::new().layer(auth.clone()).layer(scope.clone());
        let plain = send_through(layers(), challenged(&row).method(Method::POST).body(()).unwrap()).await;
        let request = challenged(&row).method(Method::POST).header("content-type", CALL).body(()).unwrap();
        let called = send_through(layers(), request).await;
        assert_ne!(plain.status, called.status);
        assert_eq!(plain.challenges(), called.challenges());
        assert_eq!(called.headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn grpc_a_over_http_2_the_refusal_is_one_block_of_headers_that_ends_the_stream() {
    let fixture = Fixture::new();
    let stream = wire::serve(&fixture.server).await;
    let executor = TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let narrow = format!("Bearer {}", fixture.token().sign());
    for (authorization, status) in [("Bearer", "16"), (narrow.as_str(), "7")] {
        let request = call().uri("http://api.example.com/shop.Orders/Get").header("authorization", authorization);
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], status);
        assert!(response.body().is_end_stream() && !response.headers().contains_key("content-length"));
    }
}

#[tokio::test]
async fn grpc_f_grpc_e_a_proof_is_made_for_post_and_the_path_of_the_method() {
    let holder = Holder::with(|builder| builder.dpop(Dpop::accept().nonce_secret((0..32).collect::<Vec<u8>>())));
    let proof = |method: &str| {
        let target = format!("https://api.example.com/shop.Orders/{method}");
        let proof = DpopProof::new(&holder.key, "POST", &target).token(&holder.token);
        proof.issued_at(holder.fixture.clock.wall())
    };
    let send = async |proof: DpopProof| {
        let request = call().header("authorization", format!("DPoP {}", holder.token)).header("dpop", proof.sign());
        holder.fixture.send(request.body(()).unwrap()).await
    };
    let first = send(proof("Get")).await;
    assert_trailers_only(&first, "16", "A current DPoP nonce is required");
    assert!(first.challenges()[0].starts_with("DPoP error=\"use_dpop_nonce\""));
    let nonce = first.headers["dpop-nonce"].to_str().unwrap();
    send(proof("Get").nonce(nonce)).await.assert_ok();
    let elsewhere = send(proof("Cancel").nonce(nonce)).await;
    assert_trailers_only(&elsewhere, "16", "The DPoP proof is missing or invalid");
}

#[tokio::test]
async fn grpc_g_a_call_of_grpc_web_and_what_is_no_call_get_http_answers() {
    let fixture = Fixture::new();
    for request in [
        Request::post("/r").header("content-type", "application/grpc-web+proto"),
        Request::post("/r").header("content-type", "application/grpc-web-text"),
        Request::post("/r").header("content-type", "application/json"),
        Request::get("/r").header("content-type", CALL),
        Request::head("/r").header("content-type", CALL),
    ] {
        let outcome = fixture.send(request.body(()).unwrap()).await;
        outcome.assert_anon();
        assert!(!outcome.headers.contains_key("grpc-status"));
    }
}

#[tokio::test]
async fn s10_22_a_service_that_answers_about_other_requests_keeps_its_statuses() {
    let fixture = Fixture::with(|issuer| issuer, ResourceServerBuilder::without_grpc_refusals);
    fixture.send(call().body(()).unwrap()).await.assert_anon();
    fixture.bearer(&fixture.token().sign()).await.assert_ok();
    send(&fixture, bearer(&fixture.token().sign())).await.assert_is();
}

#[tokio::test]
async fn s10_07_s10_22_a_forgotten_layer_is_no_status_of_200_for_a_call_either() {
    let outcome = send_through(RequireScope::all(["a"]), call().body(()).unwrap()).await;
    assert_eq!((outcome.status, outcome.calls), (StatusCode::INTERNAL_SERVER_ERROR, 0));
    assert!(!outcome.headers.contains_key("grpc-status"));
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn grpc_a_the_extractors_answer_calls_as_the_layers_do() {
    use axum::{Router, body::Body, routing::post};
    use tower_bearer::{Claims, RequiredScopes, Scoped};
    struct Read;
    impl RequiredScopes for Read {
        const SCOPES: &'static [&'static str] = &["orders:read"];
    }
    let fixture = Fixture::new();
    let app = Router::new()
        .route("/claims", post(|_: Claims| async {}))
        .route("/scoped", post(|_: Scoped<Read>| async {}))
        .layer(AuthLayer::new(fixture.server.clone()).optional());
    let narrow = fixture.token().sign();
    for (request, path, status) in [(call(), "/claims", "16"), (bearer(&narrow), "/scoped", "7")] {
        let response = app.clone().oneshot(request.uri(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], status);
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}

/// What tonic makes of a refusal, through its own server and client.
#[tokio::test]
async fn grpc_a_grpc_e_a_client_of_tonic_reads_status_message_and_challenge() {
    let fixture = Fixture::new();
    let inner = service_fn(|_: Request<tonic::body::Body>| {
        ready(Ok::<_, Infallible>(Response::new(tonic::body::Body::empty())))
    });
    let mut service = AuthLayer::new(fixture.server.clone()).empty_body().layer(inner);
    let request = call().body(tonic::body::Body::empty()).unwrap();
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    let status = tonic::Status::from_header_map(response.headers()).unwrap();
    assert_eq!((status.code(), status.message()), (tonic::Code::Unauthenticated, "Unauthorized"));
    let challenge = status.metadata().get("www-authenticate").unwrap().to_str().unwrap();
    assert!(challenge.starts_with("Bearer resource_metadata="));
}
