//! Floor 2: doors to the authorization server.

pub(crate) mod discovery;
pub(crate) mod health;
pub(crate) mod http_client;
pub(crate) mod introspection;
pub(crate) mod jwks;
pub(crate) mod key_fetch;
mod key_store;
pub(crate) mod last_good;
pub(crate) mod metadata;
#[cfg(feature = "reqwest")]
mod public_address;
pub(crate) mod refresh;
#[cfg(feature = "reqwest")]
pub(crate) mod reqwest_client;
pub(crate) mod snapshot;
mod succession;
pub(crate) mod url;
mod waiting;
