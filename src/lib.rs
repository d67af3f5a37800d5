//! tower-bearer
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
// For the library only: tests, examples and benches may unwrap and index.
#![cfg_attr(
    not(test),
    warn(
        unreachable_pub,
        missing_debug_implementations,
        clippy::await_holding_lock,
        clippy::dbg_macro,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::too_many_lines,
        clippy::unimplemented,
        clippy::unwrap_used,
    )
)]

mod clock;
mod error;
mod middleware;
mod remote;
mod server;
mod store;
mod telemetry;
mod token;
mod verify;

pub mod danger;
#[cfg(feature = "testing")]
pub mod testing;

pub use clock::{Clock, SystemClock};
pub use error::{ConfigError, ConfigProblem};
pub use middleware::auth::{Auth, AuthLayer, ResponseFuture};
pub use middleware::body::{BytesBody, EmptyBody, MapBody, RefusalBody};
#[cfg(feature = "axum")]
pub use middleware::extract::{AuthRejection, RequiredScopes, Scoped};
pub use middleware::metadata::{MetadataService, ProtectedResourceMetadata};
pub use middleware::require::{RequireScope, Required, RequiredFuture};
pub use remote::http_client::{HttpClient, HttpError, HttpFuture};
pub use server::builder::ResourceServerBuilder;
pub use server::issuer::Issuer;
pub use server::resource_server::ResourceServer;
pub use telemetry::{AUDIT_TARGET, KEYS_TARGET};
pub use token::access_token::AccessToken;
pub use token::claims::{Audience, Claims};
pub use token::error::{AuthError, ErrorKind};
pub use token::refusal::Refusal;
pub use token::request::{ResourceRequest, Scheme};
pub use token::scope::Scope;
pub use verify::algorithm::{Algorithm, UnknownAlgorithm};
pub use verify::jwk::{Jwk, JwkError};
pub use verify::jwks::{Jwks, JwksError};
pub use verify::rules::Typ;
