//! RFC 9728: the protected resource metadata document.

use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt};
use tower_bearer::{
    AuthLayer, Dpop, Issuer, ProtectedResourceMetadata, RequireScope, ResourceServer, ResourceServerBuilder,
};
use tracing_subscriber::filter::LevelFilter;

use crate::capture::Log;
use crate::challenge;
use crate::support::{AS, Fixture, Outcome, PRM, RS, Reply, get, send_through};

const PATH: &str = "/.well-known/oauth-protected-resource";

/// A server for this resource; its issuer is never asked.
fn server(resource: &str) -> ResourceServer {
    let fixture = Fixture::new();
    ResourceServer::builder(resource, AS).http_client(fixture.issuer.http_client()).build().unwrap()
}

fn metadata(resource: &str) -> ProtectedResourceMetadata {
    ProtectedResourceMetadata::of(&server(resource)).unwrap()
}

fn document(metadata: &ProtectedResourceMetadata) -> Value {
    serde_json::from_slice(metadata.json()).unwrap()
}

async fn at(uri: &str) -> Outcome {
    Fixture::new().send(Request::get(uri).body(()).unwrap()).await
}

#[tokio::test]
async fn c9728_3_a_the_well_known_segment_goes_between_host_and_path() {
    for (path, expected) in [("", ""), ("/mcp", "/mcp"), ("/?a=1", "?a=1"), ("/t/", "/t/"), ("/", "")] {
        let resource = format!("{RS}{path}");
        assert_eq!(metadata(&resource).url(), format!("{PRM}{expected}"));
        let layer = AuthLayer::new(server(&resource));
        let request = Request::get(format!("{PATH}{expected}")).body(()).unwrap();
        let outcome = send_through(layer, request).await;
        assert_eq!((outcome.status, outcome.calls), (StatusCode::OK, 0), "{resource}");
        assert_eq!(serde_json::from_str::<Value>(&outcome.body).unwrap()["resource"], resource);
    }
}

#[tokio::test]
async fn c9728_3_a_another_resource_of_the_same_host_is_not_answered_for() {
    let layer = || AuthLayer::new(server(&format!("{RS}/mcp")));
    send_through(layer(), Request::get(PATH).body(()).unwrap()).await.assert_anon();
    send_through(layer(), Request::get(format!("{PATH}/other")).body(()).unwrap()).await.assert_anon();
    let own = send_through(layer(), Request::get(format!("{PATH}/mcp")).body(()).unwrap()).await;
    assert_eq!(own.status, StatusCode::OK);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn c9728_3_b_mounted_at_the_root_the_document_stands_above_a_nested_router() {
    use axum::{Router, body::Body, routing::get};
    let server = server(&format!("{RS}/mcp"));
    let metadata = ProtectedResourceMetadata::of(&server).unwrap();
    let path = metadata.path().to_owned();
    let inner = Router::new().route("/", get(|| async { "inner" })).layer(AuthLayer::new(server));
    let app = Router::new().nest("/mcp", inner).route_service(&path, metadata.service::<Body>());
    let status = async |uri: &str| {
        let request = Request::get(uri).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(status(&path).await, StatusCode::OK);
    assert_eq!(status("/mcp").await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(PATH).await, StatusCode::NOT_FOUND);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn c9728_3_b_c9728_3_3_b_two_resources_of_one_host_each_have_their_own_document() {
    use axum::{Router, body::Body, routing::get};
    let mut app = Router::new();
    for name in ["orders", "files"] {
        let server = server(&format!("{RS}/{name}"));
        let metadata = ProtectedResourceMetadata::of(&server).unwrap();
        for path in metadata.paths() {
            app = app.route_service(path, metadata.clone().service::<Body>());
        }
        let inner = Router::new().route("/", get(|| async { "inner" })).layer(AuthLayer::new(server));
        app = app.nest(&format!("/{name}"), inner);
    }
    let answer = async |uri: &str| app.clone().oneshot(Request::get(uri).body(Body::empty()).unwrap()).await.unwrap();
    for name in ["orders", "files"] {
        let refused = answer(&format!("/{name}")).await;
        let challenge = challenge::parse(refused.headers()["www-authenticate"].to_str().unwrap()).unwrap();
        assert_eq!(challenge.parameters["resource_metadata"], format!("{PRM}/{name}"));
        let found = answer(&format!("{PATH}/{name}")).await;
        let body = axum::body::to_bytes(found.into_body(), 4096).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["resource"], format!("{RS}/{name}"));
    }
    assert_eq!(answer(&format!("{PATH}/other")).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn c9728_3_1_a_the_document_is_public_for_get_and_head_only() {
    let fixture = Fixture::new();
    for (method, status) in [
        (Method::GET, 200),
        (Method::HEAD, 200),
        (Method::POST, 405),
        (Method::PUT, 405),
        (Method::DELETE, 405),
        (Method::TRACE, 405),
    ] {
        let request = Request::builder().method(&method).uri(PATH).body(()).unwrap();
        let outcome = fixture.send(request).await;
        assert_eq!((outcome.status.as_u16(), outcome.calls), (status, 0), "{method}");
        assert_eq!(outcome.body.is_empty(), method != Method::GET, "{method}");
        assert_eq!(outcome.headers.contains_key("allow"), status == 405, "{method}");
    }
    fixture.send(get().body(()).unwrap()).await.assert_anon();
}

#[tokio::test]
async fn c9728_3_1_a_a_token_bad_or_good_does_not_change_the_answer() {
    let fixture = Fixture::new();
    for value in [format!("Bearer {}", fixture.token().sign()), "Bearer rubbish".into(), "Bearer".into()] {
        let outcome = fixture.send(Request::get(PATH).header("authorization", value).body(()).unwrap()).await;
        assert_eq!((outcome.status, outcome.calls), (StatusCode::OK, 0));
    }
}

#[tokio::test]
async fn c9728_3_2_a_the_document_is_a_json_object_of_that_type() {
    let outcome = at(PATH).await;
    assert_eq!(outcome.headers["content-type"], "application/json");
    assert!(serde_json::from_str::<Value>(&outcome.body).unwrap().is_object());
}

#[test]
fn c9728_3_2_b_c9728_2_a_c9728_2_b_the_document_says_how_tokens_are_taken_and_holds_no_empty_member() {
    let settled = json!({
        "resource": RS,
        "authorization_servers": [AS],
        "bearer_methods_supported": ["header"],
    });
    let with = |dpop: Dpop| {
        let builder = ResourceServer::builder(RS, AS).http_client(Fixture::new().issuer.http_client()).dpop(dpop);
        document(&ProtectedResourceMetadata::of(&builder.build().unwrap()).unwrap())
    };
    assert_eq!(with(Dpop::off()), settled);
    let mut accepted = settled.clone();
    accepted["dpop_signing_alg_values_supported"] = json!(["ES256", "Ed25519", "PS256"]);
    assert_eq!(document(&metadata(RS)), accepted);
    accepted["dpop_bound_access_tokens_required"] = json!(true);
    assert_eq!(with(Dpop::require()), accepted);
}

#[test]
fn c9728_2_c_c9728_3_2_b_the_document_says_what_is_configured_and_nothing_of_routes() {
    let fixture = Fixture::new();
    let with = |settings: fn(ResourceServerBuilder) -> ResourceServerBuilder| {
        let builder = ResourceServer::builder(RS, AS).http_client(fixture.issuer.http_client());
        document(&ProtectedResourceMetadata::of(&settings(builder).build().unwrap()).unwrap())
    };
    let full = with(|builder| {
        let builder = builder.scopes_supported(["orders:read", "orders:write"]).resource_name("Orders");
        builder.resource_documentation("https://example.com/docs?v=1")
    });
    assert_eq!(full["scopes_supported"], json!(["orders:read", "orders:write"]));
    assert_eq!(full["resource_name"], "Orders");
    assert_eq!(full["resource_documentation"], "https://example.com/docs?v=1");
    assert_eq!(full.as_object().unwrap().len(), 7);
    let empty = with(|builder| builder.scopes_supported([""; 0]).challenge_scope(["orders:read"]));
    assert_eq!(empty.as_object().unwrap().len(), 4, "{empty}");
}

#[test]
fn c9728_1_2_a_an_identifier_with_a_query_works_and_is_warned_of() {
    let (log, _guard) = Log::listen(LevelFilter::WARN);
    server(&format!("{RS}/mcp"));
    assert_eq!(log.text(), "");
    let with_query = metadata(&format!("{RS}/mcp?tenant=1"));
    assert_eq!(with_query.url(), format!("{PRM}/mcp?tenant=1"));
    assert!(log.text().contains("RFC 9728 section 1.2"), "{}", log.text());
}

#[test]
fn c9728_2_a_every_trusted_issuer_is_named() {
    let fixture = Fixture::new();
    let builder = ResourceServer::builder(RS, AS).issuer(Issuer::new("https://two.example.com/t/"));
    let server = builder.http_client(fixture.issuer.http_client()).build().unwrap();
    let document = document(&ProtectedResourceMetadata::of(&server).unwrap());
    assert_eq!(document["authorization_servers"], json!([AS, "https://two.example.com/t/"]));
}

#[test]
fn c9728_3_3_a_the_resource_is_the_identifier_to_the_letter() {
    for resource in
        [RS, "https://api.example.com/", "https://API.example.com:443/a/../b%7e", "https://api.example.com/?a=1"]
    {
        assert_eq!(document(&metadata(resource))["resource"], resource);
    }
    let fixture = Fixture::with(|issuer| issuer, |builder| builder.resource("https://files.example.com/v1"));
    let named = ProtectedResourceMetadata::of(&fixture.server).unwrap();
    assert_eq!(document(&named)["resource"], "https://files.example.com/v1");
}

#[test]
fn c9728_1_2_a_an_identifier_that_is_no_https_url_has_no_document() {
    for audience in ["urn:files", "6a2f-client", "http://api.example.com"] {
        assert!(ProtectedResourceMetadata::of(&server(audience)).is_none(), "{audience}");
    }
    assert!(ProtectedResourceMetadata::of(&server("http://127.0.0.1:8080")).is_some());
}

#[tokio::test]
async fn c9728_3_3_b_each_resource_points_to_its_own_document() {
    for path in ["", "/mcp", "/files"] {
        let server = server(&format!("{RS}{path}"));
        let refused = send_through(AuthLayer::new(server.clone()), get().body(()).unwrap()).await;
        let challenge = challenge::parse(refused.challenges()[0]).unwrap();
        let address: http::Uri = challenge.parameters["resource_metadata"].parse().unwrap();
        let request = Request::get(address.path()).body(()).unwrap();
        let found = send_through(AuthLayer::new(server), request).await;
        assert_eq!(serde_json::from_str::<Value>(&found.body).unwrap()["resource"], format!("{RS}{path}"));
    }
}

#[tokio::test]
async fn c9728_5_1_a_every_refusal_points_to_the_document() {
    let fixture = Fixture::new();
    let expired = format!("Bearer {}", fixture.token().expired().sign());
    let narrow = format!("Bearer {}", fixture.token().sign());
    for (value, status) in [("", 401), ("Bearer", 400), (expired.as_str(), 401), (narrow.as_str(), 403)] {
        let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone()));
        let request = get().header("authorization", value).body(()).unwrap();
        let outcome = send_through(layers.layer(RequireScope::all(["a"])), request).await;
        assert_eq!(outcome.status.as_u16(), status);
        for line in outcome.challenges() {
            assert_eq!(challenge::parse(line).unwrap().parameters["resource_metadata"], PRM);
        }
    }
}

#[tokio::test]
async fn c9728_host_the_document_is_not_built_from_the_request() {
    let fixture = Fixture::new();
    let honest = at(PATH).await;
    let spoofed = Request::get(format!("https://evil.example.com{PATH}"));
    let spoofed = spoofed.header("host", "evil.example.com").header("x-forwarded-host", "evil.example.com");
    let outcome = fixture.send(spoofed.header("forwarded", "host=evil.example.com").body(()).unwrap()).await;
    assert_eq!((outcome.status, outcome.body), (StatusCode::OK, honest.body));
    let refused = fixture.send(get().header("host", "evil.example.com").body(()).unwrap()).await;
    assert!(!format!("{:?}", refused.headers).contains("evil"));
}

#[tokio::test]
async fn c9728_7_10_a_the_document_may_be_cached_for_an_hour() {
    assert_eq!(at(PATH).await.headers["cache-control"], "max-age=3600");
}

#[tokio::test]
async fn s10_14_no_other_spelling_of_the_path_is_public() {
    for uri in [
        "//.well-known/oauth-protected-resource",
        "/.well-known//oauth-protected-resource",
        "/.well-known/oauth-protected-resource/",
        "/%2ewell-known/oauth-protected-resource",
        "/.well-known%2Foauth-protected-resource",
        "/.well-known/oauth-protected-resource;x",
        "/.well-known;x/oauth-protected-resource",
        "/.well-known/oauth-protected-resource?x",
        "/.well-known/oauth-protected-resource?",
        "/.WELL-KNOWN/oauth-protected-resource",
        "/./.well-known/oauth-protected-resource",
        "/a/../.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/../../r",
        "/.well-known/oauth-protected-resourceX",
        "/.well-known/",
    ] {
        at(uri).await.assert_anon();
    }
    assert_eq!(at(PATH).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_service_answers_as_the_layer_does() {
    use http_body_util::BodyExt;
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST] {
        let request = || Request::builder().method(&method).uri(PATH).body(()).unwrap();
        let layer = Fixture::new().send(request()).await;
        let service = metadata(RS).service::<http_body_util::Full<bytes::Bytes>>();
        let reply: Reply = service.oneshot(request()).await.unwrap();
        assert_eq!((reply.status(), reply.headers()), (layer.status, &layer.headers), "{method}");
        assert_eq!(reply.into_body().collect().await.unwrap().to_bytes(), layer.body, "{method}");
    }
}

#[tokio::test]
async fn a_layer_whose_refusals_are_empty_leaves_the_document_to_the_inner_service() {
    let layer = || AuthLayer::new(server(RS)).empty_body();
    let outcome = send_through(layer(), Request::get(PATH).body(()).unwrap()).await;
    assert_eq!((outcome.status, outcome.calls), (StatusCode::OK, 1));
    assert!(outcome.claims.is_none());
    send_through(layer(), Request::get(format!("{PATH}/")).body(()).unwrap()).await.assert_anon();
}
