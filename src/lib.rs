//! tower-bearer
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod clock;
#[cfg(feature = "config")]
mod config;
mod error;
mod middleware;
mod policy;
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
#[cfg(feature = "config")]
pub use config::{auth::AuthConfig, table::ConfigTable};
pub use error::{ConfigError, ConfigProblem};
pub use middleware::auth::{Auth, AuthLayer, ResponseFuture};
pub use middleware::body::{BytesBody, EmptyBody, MapBody, RefusalBody};
pub use middleware::cors::{CORS_EXPOSED_HEADERS, CORS_REQUEST_HEADERS};
#[cfg(feature = "axum")]
pub use middleware::extract::{AuthRejection, RequiredScopes, Scoped};
pub use middleware::metadata::{MetadataService, ProtectedResourceMetadata};
pub use middleware::require::{Require, RequireScope, Required, RequiredFuture};
pub use policy::expression::RequirementError;
pub use policy::path::normalize_path;
pub use policy::requirement::Requirement;
pub use policy::routes::{RouteError, RouteRules};
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
