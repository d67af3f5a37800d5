//! Floor 2: memory shared between requests.

pub(crate) mod token_cache;
