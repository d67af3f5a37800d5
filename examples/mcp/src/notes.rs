//! The tools: nothing here knows tokens, but who calls stands in the request.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::request::Parts;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};
use tower_bearer::Claims;

/// How many notes are kept.
const MOST: usize = 100;

#[derive(Clone, Default)]
pub struct Notes {
    kept: Arc<Mutex<Vec<String>>>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
pub struct Note {
    #[schemars(description = "what to remember")]
    text: String,
}

#[tool_router]
impl Notes {
    #[tool(description = "Reads all notes")]
    fn read_notes(&self) -> String {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    #[tool(description = "Adds a note in the name of whoever calls")]
    fn add_note(&self, Extension(parts): Extension<Parts>, Parameters(note): Parameters<Note>) -> String {
        let author = parts.extensions.get::<Claims>().and_then(Claims::subject).unwrap_or("somebody");
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MOST {
            kept.remove(0);
        }
        kept.push(format!("{author}: {}", note.text));
        format!("{} notes", kept.len())
    }
}

#[tool_handler]
impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}
