//! An MCP server behind `tower-bearer`: notes that are read with one scope and written with another.
//!
//! The official SDK (`rmcp`) speaks the protocol, the layer decides who may speak to it. A 401 and a 403 are HTTP
//! answers, so what a tool asks for is looked up before the SDK sees the call ([`tools`]).

mod notes;
mod tools;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tower_bearer::{AuthLayer, ConfigError, ProtectedResourceMetadata, ResourceServer};

/// Where the MCP endpoint stands below the origin.
pub const PATH: &str = "/mcp";

/// The scope of every call, and the one that writing asks for on top.
pub const READ: &str = "notes:read";
pub const WRITE: &str = "notes:write";

/// The whole application. `origin` is how clients reach it, such as `https://tools.example.com`.
pub fn app(origin: &str, issuer: &str) -> Result<Router, ConfigError> {
    let server = ResourceServer::mcp(format!("{origin}{PATH}"), issuer)
        .challenge_scope([READ])
        .scopes_supported([READ, WRITE])
        .resource_name("Notes")
        .build()?;
    let host = origin.split("//").last().unwrap_or_default().to_owned();
    // The SDK answers only to this name, against DNS rebinding.
    let settings = StreamableHttpServerConfig::default().with_allowed_hosts([host]);
    let notes = notes::Notes::default();
    let service =
        StreamableHttpService::new(move || Ok(notes.clone()), LocalSessionManager::default().into(), settings);
    let mut app = Router::new()
        .route_service(PATH, service)
        .layer(from_fn_with_state(tools::Scopes::new(), tools::check))
        .layer(AuthLayer::new(server.clone()).end_streams_at_expiry());
    // Added after the layer: the document is public, and it stands at the root although the endpoint does not.
    if let Some(metadata) = ProtectedResourceMetadata::of(&server) {
        for path in metadata.paths() {
            app = app.route_service(path, metadata.clone().service::<Body>());
        }
    }
    Ok(app)
}
