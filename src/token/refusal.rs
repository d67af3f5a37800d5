//! What a refusal says, as data for one's own body.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

/// What a refusal says, handed to the hook of
/// [`refusal_body`](crate::ResourceServerBuilder::refusal_body).
///
/// Status and challenge are settled when the hook is called; it can only choose the body.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refusal<'a> {
    /// The status of the answer.
    pub status: StatusCode,
    /// The error code of RFC 6750 section 3.1; absent where no token was sent and where the trouble is ours.
    pub error: Option<&'static str>,
    /// The fixed text for the client.
    pub description: Option<&'static str>,
    /// The scopes the operation requires, separated by spaces.
    pub scope: Option<&'a str>,
    /// The stable reason code for the operator. Do not send it to clients: it tells them which check failed.
    pub code: &'static str,
}

pub(crate) type RefusalHook = Arc<dyn Fn(&Refusal<'_>) -> (HeaderValue, Bytes) + Send + Sync>;
