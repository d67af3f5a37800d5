//! Floor 0: what travels. Data only: no signature, no async, no clock.

pub(crate) mod access_token;
pub(crate) mod audience;
pub(crate) mod authorization;
pub(crate) mod claims;
pub(crate) mod error;
pub(crate) mod forwarded;
pub(crate) mod json;
pub(crate) mod json_find;
mod json_members;
pub(crate) mod json_reader;
pub(crate) mod key_life;
pub(crate) mod network;
pub(crate) mod peer;
mod permissions;
mod reason;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod resource;
pub(crate) mod scope;
pub(crate) mod untrusted;
pub(crate) mod uri_path;
mod views;
