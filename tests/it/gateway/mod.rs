//! The gateway as its users have it: a process, a file, a socket.

mod access;
mod admin;
mod answers;
mod check;
mod client;
mod dpop;
mod forward;
mod harness;
mod introspection;
mod key_files;
mod lifecycle;
mod metrics;
mod mistakes;
mod mtls;
mod nginx;
mod paths;
mod privacy;
mod proxy;
mod reload;
mod reload_files;
mod requirements;
mod secrets;
mod start;
mod streams;
mod upgrades;
mod upstream;
mod waits;

/// The resource that the tests' tokens are for.
const RESOURCE: &str = "https://api.example.com";
