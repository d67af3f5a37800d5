//! Floor 3: the story, free of any framework.

mod assembly;
pub(crate) mod builder;
mod default_client;
pub(crate) mod issuer;
mod judgement;
mod keys;
mod many;
mod mistakes;
pub(crate) mod resource_server;
pub(crate) mod verifier;
