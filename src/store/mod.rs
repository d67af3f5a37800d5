//! Floor 2: memory shared between requests.

pub(crate) mod decisions;
mod digest;
pub(crate) mod known_headers;
pub(crate) mod replay;
pub(crate) mod replay_memory;
pub(crate) mod token_cache;
