//! What each tool asks for, answered over HTTP: a 403 names all the scopes that the call needs, and the client can
//! ask its authorization server for them.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tower::{Layer, ServiceExt};
use tower_bearer::RequireScope;

use crate::{READ, WRITE};

/// The SDK's own limit.
const LONGEST_MESSAGE: usize = 4 * 1024 * 1024;

/// The part of a JSON-RPC message that decides. A member that stands twice is a mistake here, so that nobody reads
/// another value than was judged.
#[derive(Deserialize)]
struct Message {
    method: Option<String>,
    #[serde(default)]
    params: Parameters,
}

#[derive(Deserialize, Default)]
struct Parameters {
    name: Option<String>,
}

/// The doors before the tools, made once.
#[derive(Clone)]
pub struct Scopes {
    read: RequireScope,
    write: RequireScope,
}

impl Scopes {
    pub fn new() -> Self {
        // A client that asks for the lacking scope only would lose the other, so each door names all of its scopes.
        Scopes { read: RequireScope::all([READ]), write: RequireScope::all([READ, WRITE]) }
    }

    /// A tool that is not known here asks for the most.
    fn of(&self, message: &Message) -> &RequireScope {
        match (message.method.as_deref(), message.params.name.as_deref()) {
            (Some("tools/call"), Some("read_notes")) => &self.read,
            (Some("tools/call"), _) => &self.write,
            _ => &self.read,
        }
    }
}

/// Reads the message, asks for its scopes, and passes it on.
pub async fn check(State(scopes): State<Scopes>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return pass(&scopes.read, request, next).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, LONGEST_MESSAGE).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    // A list would be read as the members of a message in their order.
    let is_object = bytes.trim_ascii_start().starts_with(b"{");
    let message: Option<Message> = serde_json::from_slice(&bytes).ok().filter(|_| is_object);
    let Some(message) = message else { return StatusCode::BAD_REQUEST.into_response() };
    pass(scopes.of(&message), Request::from_parts(parts, Body::from(bytes)), next).await
}

async fn pass(door: &RequireScope, request: Request, next: Next) -> Response {
    match door.layer(next).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
