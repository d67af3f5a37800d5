//! Floor 2: memory shared between requests.

mod digest;
pub(crate) mod token_cache;
