//! The feature `testing` itself: what others build their tests on.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use tower_bearer::testing::{Endpoint, SigningKey, TestClaims, TestIssuer};
use tower_bearer::{Algorithm, Claims, HttpClient, Issuer, RequireScope, ResourceRequest, ResourceServer};

use crate::faulty_client::verdict;
use crate::support::{AS, Fixture, RS};

async fn call(issuer: &TestIssuer, request: http::request::Builder, body: &str) -> (StatusCode, Value) {
    let request = request.body(Bytes::from(body.to_owned())).unwrap();
    let response: Response<Bytes> = issuer.http_client().send(request, 1 << 20).await.unwrap();
    (response.status(), serde_json::from_slice(response.body()).unwrap_or_default())
}

#[tokio::test]
async fn the_issuer_answers_discovery_in_both_forms() {
    for url in [AS, "https://as.example.com/t1"] {
        let issuer = TestIssuer::in_process(url);
        let own = url.strip_prefix(AS).unwrap();
        for address in [
            format!("{AS}/.well-known/oauth-authorization-server{own}"),
            format!("{url}/.well-known/openid-configuration"),
        ] {
            let (status, metadata) = call(&issuer, Request::get(&address), "").await;
            assert_eq!((status, &metadata["issuer"]), (StatusCode::OK, &Value::from(url)), "{address}");
            let (status, keys) = call(&issuer, Request::get(metadata["jwks_uri"].as_str().unwrap()), "").await;
            assert_eq!((status, &keys["keys"][0]["kid"]), (StatusCode::OK, &Value::from(issuer.key().kid())));
        }
        assert_eq!(call(&issuer, Request::get(format!("{url}/other")), "").await.0, StatusCode::NOT_FOUND);
        assert_eq!(call(&issuer, Request::post(format!("{url}/jwks")), "").await.0, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_is_found_by_a_server() {
    let issuer = TestIssuer::in_process("https://as.example.com/t1");
    let server = ResourceServer::builder(RS, issuer.url()).http_client(issuer.http_client()).build().unwrap();
    assert_eq!(verdict(&server, &issuer.token().sign()).await, "ok");
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn token_request(issuer: &TestIssuer) -> http::request::Builder {
    Request::post(format!("{}/token", issuer.url())).header("content-type", "application/x-www-form-urlencoded")
}

#[tokio::test]
async fn the_token_endpoint_gives_tokens_to_clients_that_prove_themselves() {
    let fixture = Fixture::new();
    let issuer = &fixture.issuer;
    issuer.register_client("app one", "s:e%c+r&t");
    let grant =
        "grant_type=client_credentials&scope=orders%3Aread+orders%3Awrite&resource=https%3A%2F%2Fapi.example.com";
    let posted = format!("{grant}&client_id=app+one&client_secret=s%3Ae%25c%2Br%26t");
    let by_basic = token_request(issuer).header("authorization", basic("app+one", "s%3Ae%25c%2Br%26t"));
    for (request, body) in [(by_basic, grant), (token_request(issuer), posted.as_str())] {
        let (status, answer) = call(issuer, request, body).await;
        assert_eq!((status, &answer["token_type"]), (StatusCode::OK, &Value::from("Bearer")));
        let token = answer["access_token"].as_str().unwrap();
        let claims = fixture.server.authenticate(ResourceRequest::bearer(token).unwrap()).await.unwrap();
        assert_eq!((claims.client_id(), claims.is_client()), (Some("app one"), true));
        assert!(claims.scope().contains("orders:read") && claims.scope().contains("orders:write"));
    }
    assert_eq!(issuer.requests(Endpoint::Token), 2);
}

#[tokio::test]
async fn the_token_endpoint_refuses_as_rfc_6749_says() {
    let issuer = TestIssuer::in_process(AS);
    let good = "grant_type=client_credentials";
    for (header, body, status, error) in [
        (Some(basic("test-client", "test-secret")), good, 200, Value::Null),
        (Some(basic("test-client", "wrong")), good, 401, "invalid_client".into()),
        (Some(basic("nobody", "test-secret")), good, 401, "invalid_client".into()),
        (Some("Basic !".into()), good, 401, "invalid_client".into()),
        (None, good, 401, "invalid_client".into()),
        (None, "grant_type=client_credentials&client_id=test-client", 401, "invalid_client".into()),
        (None, "grant_type=client_credentials&client_id=test-client&client_secret=test-secret", 200, Value::Null),
        (Some(basic("test-client", "test-secret")), "grant_type=password", 400, "unsupported_grant_type".into()),
        (Some(basic("test-client", "test-secret")), "", 400, "unsupported_grant_type".into()),
    ] {
        let request =
            header.iter().fold(token_request(&issuer), |request, value| request.header("authorization", value));
        let (found, answer) = call(&issuer, request, body).await;
        assert_eq!((found.as_u16(), &answer["error"]), (status, &error), "{header:?} {body}");
    }
}

#[tokio::test]
async fn a_rotated_key_signs_and_a_removed_one_is_published_no_longer() {
    let issuer = TestIssuer::in_process(AS);
    let old = issuer.key();
    let new = issuer.rotate_key(Algorithm::EdDSA);
    assert_eq!(issuer.key().kid(), new.kid());
    let names = || issuer.jwks()["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect::<Vec<_>>();
    assert_eq!(names(), [old.kid(), new.kid()]);
    issuer.remove_key(old.kid());
    assert_eq!(names(), [new.kid()]);
    assert!(!format!("{issuer:?} {new:?}").contains("\"d\""));
}

#[tokio::test]
async fn c8725_3_1_a_each_algorithm_verifies_where_it_is_allowed_and_nowhere_else() {
    use Algorithm::*;
    for algorithm in [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519] {
        let other = if algorithm == ES256 { RS256 } else { ES256 };
        for (allowed, expected) in [(algorithm, "ok"), (other, "algorithm_not_allowed")] {
            let fixture = Fixture::with(|issuer| issuer.algorithms([allowed]), |builder| builder);
            fixture.issuer.rotate_key(algorithm);
            let token = fixture.token().sign();
            assert_eq!(verdict(&fixture.server, &token).await, expected, "{algorithm}");
            if expected == "ok" {
                assert_eq!(
                    verdict(&fixture.server, &format!("{}AAAA", &token[..token.len() - 4])).await,
                    "signature_invalid"
                );
            }
        }
    }
    for algorithm in [HS256, HS384, HS512] {
        let secret = b"an-unguessable-secret-of-64-bytes-0123456789-abcdefghijklmnopqrs";
        let key = SigningKey::secret(algorithm, secret);
        let other = if algorithm == HS256 { HS512 } else { HS256 };
        for (allowed, expected) in [(algorithm, "ok"), (other, "algorithm_not_allowed")] {
            let fixture = Fixture::with(|issuer| issuer.shared_secret(secret).algorithms([allowed]), |builder| builder);
            assert_eq!(verdict(&fixture.server, &fixture.token().key(&key).sign()).await, expected, "{algorithm}");
            fixture.bearer(&fixture.token().sign()).await.assert_it();
        }
    }
}

#[tokio::test]
async fn the_default_algorithms_are_those_of_the_documentation() {
    use Algorithm::*;
    for (algorithm, expected) in [
        (RS256, "ok"),
        (PS256, "ok"),
        (ES256, "ok"),
        (EdDSA, "ok"),
        (Ed25519, "ok"),
        (RS384, "algorithm_not_allowed"),
        (PS512, "algorithm_not_allowed"),
        (ES384, "algorithm_not_allowed"),
        (ES512, "algorithm_not_allowed"),
        (HS256, "algorithm_not_allowed"),
    ] {
        let fixture = Fixture::new();
        let key = fixture.issuer.rotate_key(algorithm);
        assert_eq!(verdict(&fixture.server, &fixture.token().key(&key).sign()).await, expected, "{algorithm}");
    }
}

fn routes() -> Router {
    let hello = |claims: Claims| async move { format!("hello {}", claims.subject().unwrap_or("client")) };
    Router::new().route("/hello", get(hello).layer(RequireScope::all(["hello"])))
}

#[tokio::test]
async fn claims_without_a_token_drive_handlers_and_required_scopes() {
    for (claims, status, body) in [
        (Some(TestClaims::new().subject("alice").scope("hello")), 200, Some("hello alice")),
        (Some(TestClaims::new().subject("alice").scope("other hello")), 200, Some("hello alice")),
        (Some(TestClaims::new().subject("alice").scope("other")), 403, None),
        (Some(TestClaims::new().subject("alice")), 403, None),
        (None, 500, None),
    ] {
        let mut request = Request::get("/hello").body(Body::empty()).unwrap();
        if let Some(claims) = claims {
            request.extensions_mut().insert(claims.build());
        }
        let response = routes().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        let text = response.into_body().collect().await.unwrap().to_bytes();
        if let Some(body) = body {
            assert_eq!(text, body);
        }
    }
}

#[test]
fn claims_without_a_token_hold_what_was_put_in() {
    let claims = TestClaims::new().client_id("app").issuer("https://i.example").roles(["admin"]).claim("dept", "x");
    let claims = claims.build();
    assert_eq!((claims.client_id(), claims.issuer()), (Some("app"), "https://i.example"));
    assert!(claims.has_role("admin") && !claims.has_role("clerk"));
    assert_eq!(claims.claim("dept").unwrap(), "x");
}

#[tokio::test]
async fn an_issuer_stops_when_it_is_dropped() {
    let issuer = TestIssuer::start().await;
    let (url, token) = (issuer.url().to_owned(), issuer.token().sign());
    let server = ResourceServer::builder(RS, Issuer::new(&*url)).build().unwrap();
    assert_eq!(verdict(&server, &token).await, "ok");
    drop(issuer);
    crate::faulty_client::settle().await;
    let cold = ResourceServer::builder(RS, Issuer::new(&*url)).build().unwrap();
    assert_eq!(verdict(&cold, &token).await, "keys_unavailable");
}
