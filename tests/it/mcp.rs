//! The preset for MCP servers: metadata, audience in its two forms, no token passed on, challenges with scopes.

use std::time::Duration;

use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceBuilder;
use tower_bearer::testing::{DpopProof, ManualClock, SigningKey, TestIssuer};
use tower_bearer::{
    Algorithm, AuthLayer, Clock, Dpop, ProtectedResourceMetadata, RequireScope, ResourceServer, ResourceServerBuilder,
};

use crate::challenge;
use crate::support::{AS, Fixture, Outcome, get, send_through};

const MCP: &str = "https://tools.example.com/mcp";
const DOCUMENT: &str = "https://tools.example.com/.well-known/oauth-protected-resource/mcp";

fn preset(resource: &str, settings: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder) -> Fixture {
    let clock = ManualClock::new();
    let issuer = TestIssuer::in_process_at(AS, clock.clone());
    let builder = ResourceServer::mcp(resource, AS).clock(clock.clone()).http_client(issuer.http_client());
    let server = settings(builder).build().expect("a good configuration");
    Fixture { issuer, clock, server }
}

async fn with_audience(fixture: &Fixture, audience: &str) -> Outcome {
    fixture.bearer(&fixture.token().audience(audience).sign()).await
}

#[track_caller]
fn assert_problem(builder: ResourceServerBuilder, setting: &str, value: &str) {
    let error = builder.http_client(TestIssuer::in_process(AS).http_client()).build().unwrap_err();
    let [problem] = error.problems() else { panic!("{error}") };
    assert_eq!((&*problem.setting, problem.value.as_str()), (setting, value));
}

#[test]
fn mcp_a_the_document_names_an_authorization_server_and_without_one_there_is_no_server() {
    let fixture = preset(MCP, |builder| builder);
    let metadata = ProtectedResourceMetadata::of(&fixture.server).unwrap();
    let document: Value = serde_json::from_slice(metadata.json()).unwrap();
    assert_eq!((&document["resource"], &document["authorization_servers"]), (&json!(MCP), &json!([AS])));
    assert_problem(ResourceServer::mcp(MCP, ""), "issuer", "");
    // A document that cannot be trusted is none.
    let insecure = "http://tools.internal/mcp";
    assert_problem(ResourceServer::mcp(insecure, AS).danger_allow_http(), "resource", insecure);
    assert_problem(ResourceServer::mcp(insecure, AS), "resource", insecure);
    assert_problem(ResourceServer::mcp("urn:tools", AS), "resource", "urn:tools");
    preset("http://127.0.0.1:8080/mcp", |builder| builder);
}

#[tokio::test]
async fn mcp_b_mcp_c_every_challenge_points_to_the_document_which_stands_at_the_path_of_the_endpoint() {
    let fixture = preset(MCP, |builder| builder);
    let refused = fixture.send(Request::post("/mcp").body(()).unwrap()).await;
    refused.assert_anon();
    let challenge = challenge::parse(refused.challenges()[0]).unwrap();
    assert_eq!(challenge.parameters["resource_metadata"], DOCUMENT);
    let at = async |path: &str| fixture.send(Request::get(path).body(()).unwrap()).await.status;
    assert_eq!(at("/.well-known/oauth-protected-resource/mcp").await, StatusCode::OK);
    assert_eq!(at("/.well-known/oauth-protected-resource").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn mcp_c_the_document_at_the_root_is_there_where_it_is_asked_for() {
    let fixture = preset(MCP, ResourceServerBuilder::metadata_at_root);
    for (path, status) in [
        ("/.well-known/oauth-protected-resource/mcp", 200),
        ("/.well-known/oauth-protected-resource", 200),
        ("/.well-known/oauth-protected-resource?x", 401),
        ("/.well-known/oauth-protected-resource/", 401),
        ("/.well-known/oauth-protected-resource/other", 401),
    ] {
        let outcome = fixture.send(Request::get(path).body(()).unwrap()).await;
        assert_eq!(outcome.status.as_u16(), status, "{path}");
        assert!(status != 200 || outcome.body.contains(&format!("\"{MCP}\"")), "{path}");
    }
    let metadata = ProtectedResourceMetadata::of(&fixture.server).unwrap();
    assert_eq!(metadata.url(), DOCUMENT);
    assert_eq!(metadata.paths().count(), 2);
    // A resource without a path has one place only.
    let root = preset("https://tools.example.com", ResourceServerBuilder::metadata_at_root);
    assert_eq!(ProtectedResourceMetadata::of(&root.server).unwrap().paths().count(), 1);
}

#[tokio::test]
async fn mcp_e_a_token_for_another_server_or_for_nobody_is_refused() {
    let fixture = preset(MCP, |builder| builder);
    with_audience(&fixture, MCP).await.assert_ok();
    for other in ["https://tools.example.com", "https://tools.example.com/mcp/admin", "https://other.example.com/mcp"] {
        with_audience(&fixture, other).await.assert_it();
    }
    fixture.bearer(&fixture.token().without("aud").sign()).await.assert_it();
}

#[tokio::test]
async fn c8707_2_c_one_slash_and_the_case_of_the_host_are_forgiven_by_the_preset_and_by_nothing_else() {
    let fixture = preset("https://Tools.Example.com/Mcp", |builder| builder);
    let forms = ["https://Tools.Example.com/Mcp", "https://tools.example.com/Mcp", "https://tools.example.com/Mcp/"];
    for form in forms {
        with_audience(&fixture, form).await.assert_ok();
    }
    for other in ["https://tools.example.com/mcp", "https://tools.example.com/Mcp//", "https://TOOLS.example.com/Mcp"] {
        with_audience(&fixture, other).await.assert_it();
    }
    let plain = Fixture::with(|issuer| issuer, |builder| builder.resource("https://api.example.com"));
    plain.bearer(&plain.token().audience("https://api.example.com/").sign()).await.assert_it();
}

#[tokio::test]
async fn mcp_f_the_token_is_not_passed_on() {
    use std::sync::{Arc, Mutex};
    use tower::{Layer, ServiceExt, service_fn};
    for (preset, passed_on) in [(preset(MCP, |builder| builder), false), (Fixture::new(), true)] {
        let audience = if passed_on { crate::support::RS } else { MCP };
        let seen = Arc::new(Mutex::new(None));
        let note = seen.clone();
        let inner = service_fn(move |request: Request<()>| {
            *note.lock().unwrap() = Some(request.headers().contains_key("authorization"));
            std::future::ready(Ok::<_, std::convert::Infallible>(crate::support::Reply::default()))
        });
        let token = preset.token().audience(audience).sign();
        let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
        let response = AuthLayer::new(preset.server.clone()).layer(inner).oneshot(request).await.unwrap();
        assert_eq!((response.status(), *seen.lock().unwrap()), (StatusCode::OK, Some(passed_on)));
    }
}

#[tokio::test]
async fn mcp_h_a_session_is_no_token() {
    let fixture = preset(MCP, |builder| builder);
    let request = || Request::post("/mcp").header("mcp-session-id", "1868a90c");
    fixture.send(request().body(()).unwrap()).await.assert_anon();
    let token = format!("Bearer {}", fixture.token().audience(MCP).sign());
    fixture.send(request().header("authorization", token).body(()).unwrap()).await.assert_ok();
}

#[tokio::test]
async fn mcp_i_mcp_j_mcp_k_challenges_name_the_scopes_to_begin_with_and_all_that_an_operation_needs() {
    let fixture = preset(MCP, |builder| builder.challenge_scope(["files:read"]));
    let bare = fixture.send(get().body(()).unwrap()).await;
    bare.assert_anon();
    let (scope, document) = ("scope=\"files:read\"", format!("resource_metadata=\"{DOCUMENT}\""));
    let dpop = format!("DPoP {scope}, algs=\"ES256 Ed25519 PS256\", {document}");
    assert_eq!(bare.challenges(), [format!("Bearer {scope}, {document}"), dpop]);
    let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone()));
    let layers = layers.layer(RequireScope::all(["files:read", "files:write"]));
    // What was granted beside them stands in no challenge: to join both is the client's matter.
    let token = fixture.token().audience(MCP).scope("files:read mail").sign();
    let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let narrow = send_through(layers, request).await;
    narrow.assert_is();
    let challenge = challenge::parse(narrow.challenges()[0]).unwrap();
    assert_eq!(challenge.parameters["scope"], "files:read files:write");
    assert_eq!(challenge.parameters["resource_metadata"], DOCUMENT);
}

#[tokio::test]
async fn mcp_n_a_bound_token_needs_a_proof_of_the_last_five_minutes_and_the_audience_all_the_same() {
    let fixture = preset(MCP, |builder| builder.dpop(Dpop::accept()));
    let key = SigningKey::generate(Algorithm::ES256);
    let now = fixture.clock.wall();
    let send = async |audience: &str, age: Duration| {
        let token = fixture.token().audience(audience).bound_to_key(&key.thumbprint()).sign();
        let proof = DpopProof::new(&key, "GET", "https://tools.example.com/r").token(&token).issued_at(now - age);
        let request = get().header("authorization", format!("DPoP {token}")).header("dpop", proof.sign());
        fixture.send(request.body(()).unwrap()).await
    };
    send(MCP, Duration::from_secs(299)).await.assert_ok();
    send(MCP, Duration::from_secs(301)).await.assert_idp();
    send("https://other.example.com/mcp", Duration::ZERO).await.assert_it();
}

#[test]
fn mcp_m_offline_access_is_no_scope_of_a_server() {
    let scopes = ["files:read", "offline_access"];
    assert_problem(ResourceServer::mcp(MCP, AS).challenge_scope(scopes), "challenge_scope", "offline_access");
    assert_problem(ResourceServer::mcp(MCP, AS).scopes_supported(scopes), "scopes_supported", "offline_access");
    preset(MCP, |builder| builder.challenge_scope(["files:read"]).scopes_supported(["files:read"]));
    // Elsewhere it is a scope like another.
    let client = TestIssuer::in_process(AS).http_client();
    ResourceServer::builder(MCP, AS).scopes_supported(scopes).http_client(client).build().unwrap();
}
