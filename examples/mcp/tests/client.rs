//! The server as clients meet it: plain HTTP, and the SDK's own client from a 401 to a tool call.

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, ClientCredentialsConfig, OAuthState};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tower_bearer::testing::{Endpoint, TestIssuer};
use tower_bearer_mcp::{PATH, READ, WRITE, app};

struct World {
    issuer: TestIssuer,
    endpoint: String,
    http: Client,
    server: AbortHandle,
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl World {
    async fn start() -> Self {
        let issuer = TestIssuer::start().await;
        let http = Client::builder().no_proxy().build().unwrap();
        announce_authorization_endpoint(&issuer, &http).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let app = app(&origin, issuer.url()).unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }).abort_handle();
        World { issuer, endpoint: format!("{origin}{PATH}"), http, server }
    }

    /// A token for the endpoint with these scopes.
    fn token(&self, scope: &str) -> String {
        self.issuer.token().audience(&self.endpoint).scope(scope).sign()
    }

    fn post(&self, message: impl Into<String>) -> RequestBuilder {
        let request = self.http.post(&self.endpoint).header("content-type", "application/json");
        request.header("accept", "application/json, text/event-stream").body(message.into())
    }

    async fn send(&self, token: &str, message: impl Into<String>) -> Response {
        self.post(message).bearer_auth(token).send().await.unwrap()
    }

    /// The SDK's client: finds the authorization server, gets a token for these scopes, opens a session.
    async fn client(&self, scopes: &[&str]) -> RunningService<RoleClient, ()> {
        let mut state = OAuthState::new(&self.endpoint, None).await.unwrap();
        let credentials = ClientCredentialsConfig::ClientSecret {
            client_id: "test-client".into(),
            client_secret: "test-secret".into(),
            scopes: scopes.iter().map(|scope| scope.to_string()).collect(),
            resource: Some(self.endpoint.clone()),
        };
        state.authenticate_client_credentials(credentials).await.unwrap();
        let client = AuthClient::new(self.http.clone(), state.into_authorization_manager().unwrap());
        let settings = StreamableHttpClientTransportConfig::with_uri(self.endpoint.clone());
        ().serve(StreamableHttpClientTransport::with_client(client, settings)).await.unwrap()
    }
}

/// The SDK insists on this member, which an issuer of client credentials need not have.
async fn announce_authorization_endpoint(issuer: &TestIssuer, http: &Client) {
    let address = format!("{}/.well-known/oauth-authorization-server", issuer.url());
    let mut document: Value = http.get(address).send().await.unwrap().json().await.unwrap();
    document["authorization_endpoint"] = json!(format!("{}/authorize", issuer.url()));
    let answer = axum::http::Response::builder().header("content-type", "application/json");
    issuer.answer_with(Endpoint::Metadata, Some(answer.body(document.to_string().into()).unwrap()));
}

fn call(tool: &str) -> String {
    let parameters = json!({"name": tool, "arguments": {"text": "milk"}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters}).to_string()
}

fn initialize() -> String {
    let client = json!({"name": "test", "version": "0"});
    let parameters = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": parameters}).to_string()
}

fn challenge(response: &Response) -> &str {
    response.headers()["www-authenticate"].to_str().unwrap()
}

#[tokio::test]
async fn from_a_401_a_client_finds_the_document_and_the_authorization_server() {
    let world = World::start().await;
    let refused = world.post(initialize()).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let origin = world.endpoint.strip_suffix(PATH).unwrap();
    let document = format!("{origin}/.well-known/oauth-protected-resource{PATH}");
    assert_eq!(challenge(&refused), format!("Bearer scope=\"{READ}\", resource_metadata=\"{document}\""));
    let found: Value = world.http.get(document).send().await.unwrap().json().await.unwrap();
    assert_eq!(found["resource"], world.endpoint);
    assert_eq!(found["authorization_servers"], json!([world.issuer.url()]));
    assert_eq!(found["scopes_supported"], json!([READ, WRITE]));
}

#[tokio::test]
async fn the_client_of_the_sdk_gets_from_nothing_to_a_tool_call() {
    let world = World::start().await;
    let client = world.client(&[READ, WRITE]).await;
    let mut names: Vec<_> = client.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
    names.sort();
    assert_eq!(names, ["add_note", "read_notes"]);
    let note = json!({"text": "milk"}).as_object().cloned().unwrap();
    client.call_tool(CallToolRequestParams::new("add_note").with_arguments(note)).await.unwrap();
    let read = client.call_tool(CallToolRequestParams::new("read_notes")).await.unwrap();
    assert_eq!(serde_json::to_value(read).unwrap()["content"][0]["text"], "test-client: milk");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_tool_that_needs_more_is_refused_with_all_its_scopes() {
    let world = World::start().await;
    let client = world.client(&[READ]).await;
    client.call_tool(CallToolRequestParams::new("read_notes")).await.unwrap();
    let note = json!({"text": "milk"}).as_object().cloned().unwrap();
    let error = client.call_tool(CallToolRequestParams::new("add_note").with_arguments(note)).await.unwrap_err();
    let challenge = error.auth_challenge().unwrap();
    assert!(challenge.starts_with("Bearer error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains(&format!("scope=\"{READ} {WRITE}\"")), "{challenge}");
    let read = client.call_tool(CallToolRequestParams::new("read_notes")).await.unwrap();
    assert_eq!(serde_json::to_value(read).unwrap()["content"][0]["text"], "");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_token_for_another_server_is_refused() {
    let world = World::start().await;
    let elsewhere = world.issuer.token().audience("https://other.example.com/mcp").scope(READ).sign();
    let refused = world.send(&elsewhere, initialize()).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(challenge(&refused).contains("error=\"invalid_token\""));
    assert_eq!(world.send(&world.token(READ), initialize()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_session_is_no_token() {
    let world = World::start().await;
    let opened = world.send(&world.token(READ), initialize()).await;
    let session = opened.headers()["mcp-session-id"].clone();
    let bare = world.post(call("read_notes")).header("mcp-session-id", session).send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn no_way_of_writing_a_call_gets_it_past_its_scope() {
    let world = World::start().await;
    let narrow = world.token(READ);
    assert_eq!(world.send(&narrow, call("add_note")).await.status(), StatusCode::FORBIDDEN);
    let twice = call("read_notes").replace("\"method\"", "\"method\":\"ping\",\"method\"");
    let names = call("add_note").replace("\"name\"", "\"name\":\"read_notes\",\"name\"");
    for message in [format!("[{}]", call("add_note")), twice, names, "\"tools/call\"".into(), String::new()] {
        assert_eq!(world.send(&narrow, message.clone()).await.status(), StatusCode::BAD_REQUEST, "{message}");
    }
}
