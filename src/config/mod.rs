//! The settings of a server from a file or the environment (feature `config`).

pub(crate) mod auth;
mod dpop;
mod duration;
pub(crate) mod folder;
mod introspection;
mod issuer;
pub(crate) mod key_file;
mod mtls;
mod rules;
mod shown_value;
pub(crate) mod table;
