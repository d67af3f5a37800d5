//! Floor 3: the story, free of any framework.

mod asking;
mod assembly;
mod authorization;
pub(crate) mod builder;
pub(crate) mod default_client;
mod description;
pub(crate) mod dpop;
pub(crate) mod expiry;
mod first_use;
pub(crate) mod introspection;
pub(crate) mod issuer;
pub(crate) mod judgement;
mod keys;
pub(crate) mod known_server;
mod many;
mod mcp;
mod mistakes;
pub(crate) mod mtls;
mod opaque;
pub(crate) mod presentation;
mod presets;
pub(crate) mod proofs;
mod proxies;
pub(crate) mod resource_server;
mod token_shape;
pub(crate) mod trusted;
pub(crate) mod verifier;
