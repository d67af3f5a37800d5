//! `tower-bearer` makes any tower-based service an OAuth 2.0 **resource server**: it finds the access token
//! of a request, verifies it (RFC 6750, RFC 9068, RFC 8725), puts the claims into the request's extensions,
//! and answers everything else itself, with the status and the challenge that the RFCs ask for. The
//! authorization server is somebody else's; this crate issues no tokens and logs nobody in.
//!
//! # Quick start
//!
//! Three lines, one idea each: *which resource am I* (audience), *whom do I trust* (issuer), *where does it
//! apply* (layer). Everything else has a safe default, with its reason in the doc of its setter.
//!
//! ```
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::{get, post}};
//! use tower::ServiceExt;
//! use tower_bearer::{AuthLayer, Claims, RequireScope, ResourceServer, testing::TestIssuer};
//!
//! async fn me(claims: Claims) -> String {
//!     format!("hello {}", claims.subject().unwrap_or("client"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In production: the URL of your authorization server.
//! let issuer = TestIssuer::start().await;
//! let server = ResourceServer::builder("https://api.example.com", issuer.url()).build()?;
//! let app: Router = Router::new()
//!     .route("/me", get(me))
//!     .route("/orders", post(|| async { "ordered" }).layer(RequireScope::all(["orders:write"])))
//!     .layer(AuthLayer::new(server));
//!
//! let token = issuer.token().subject("alice").sign();
//! let good = Request::get("/me").header("authorization", format!("Bearer {token}")).body(Body::empty())?;
//! assert_eq!(app.clone().oneshot(good).await?.status(), StatusCode::OK);
//!
//! let bare = Request::get("/me").body(Body::empty())?;
//! let refusal = app.oneshot(bare).await?;
//! assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(
//!     refusal.headers()["www-authenticate"],
//!     "Bearer resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource\"",
//! );
//! # Ok(())
//! # }
//! ```
//!
//! # The main types
//!
//! | You want to | Type |
//! |---|---|
//! | say which resource this is and whom it trusts | [`ResourceServer::builder`], [`ResourceServerBuilder`] |
//! | describe an issuer: keys, algorithms, `typ`, claims | [`Issuer`], [`Algorithm`], [`Typ`], [`Jwks`] |
//! | let only verified requests through | [`AuthLayer`]; anonymous ones, too: [`AuthLayer::optional`] |
//! | ask for scopes on a route | [`RequireScope::all`], [`RequireScope::any`]; as a type: [`Scoped`] |
//! | ask for scopes, roles and claims | [`Require`] with a [`Requirement`], a value or a text; as a type: [`Permitted`] |
//! | ask for a stronger or newer login | [`Require::acr`], [`Require::max_age`] (RFC 9470) |
//! | ask inside a handler | [`Claims::require`] |
//! | say what roles grant, and which scopes cover others | [`RoleMap`], [`ResourceServerBuilder::scope_implies`] |
//! | let something else decide | [`Decider`] with [`Require::decider`] |
//! | ask for something by method and path, where there are no routes to hang layers on | [`RequireRules`], [`AccessRules`] |
//! | find a rule by method and path | [`RouteRules`], [`normalize_path`] |
//! | tell a service inside who calls, in header fields | [`ForwardLayer`] |
//! | read who calls | [`Claims`], with your own type for further members: `Claims<T>` |
//! | take tokens bound to a client certificate | [`Mtls`], [`PeerCertificate`], [`PeerAddress`] |
//! | publish the metadata document of a nested resource | [`ProtectedResourceMetadata`] |
//! | end long answers with their token | [`AuthLayer::end_streams_at_expiry`], [`Claims::expired`] |
//! | protect a server of the Model Context Protocol | [`ResourceServer::mcp`] |
//! | choose the body of refusals | [`ResourceServerBuilder::refusal_body`], [`AuthLayer::map_body`], [`AuthLayer::empty_body`] |
//! | know why a request was refused | [`AuthError`] in the response's extensions; audit events on [`AUDIT_TARGET`], [`AuditSink`] |
//! | watch it | [`ResourceServer::health`], [`SPAN_FIELDS`], [`metric_names`] |
//! | read the settings from a file | [`AuthConfig`], [`ConfigTable`] |
//! | take tokens that are bound to a key (DPoP) | [`Dpop`], [`ReplayStore`], [`InMemoryReplayStore`] |
//! | verify without a layer | [`ResourceServer::authenticate`], [`ResourceRequest`] |
//! | test a protected service | [`testing`] |
//!
//! # What holds
//!
//! - **A key removed by the issuer stops working within 335 s**, cached tokens included: keys are fetched
//!   anew every 300 s (up to 10 % more or less, so that a fleet spreads out) and a fetch takes 5 s at most.
//!   [`Issuer::jwks_refresh`] shortens it. At once with [`refresh_now`](ResourceServer::refresh_now) or, also while
//!   the issuer is down, with [`forget_key`](ResourceServer::forget_key).
//! - **A cached token is judged again on each hit**: times, binding, and whether its key is still published.
//!   The cache holds 32 MiB, entries live 5 minutes at most, and no token's text is kept.
//! - **An issuer that is down does not stop the service.** The last good keys serve for 24 h; where there never
//!   were any, requests get 503 with `Retry-After`, never 401 and never a pass.
//! - **Strangers cause little work.** A token with an unknown `kid` causes one fetch per 30 s and issuer at most. A
//!   request waits 2 s at most for keys; where a set is overdue (the process or its machine was stopped), as long as a
//!   fetch takes, twice at most. No address that stands in a token is ever fetched.
//! - **Bounds**: tokens 16 KiB, headers 4 KiB, JSON depth 16, 256 audiences, 256 scope-tokens, key documents
//!   512 KiB with 256 keys.
//! - **Misuse fails closed.** A required scope or an extractor without an [`AuthLayer`] above it is 500 and an
//!   audit event that says what to add.
//!
//! # What it does not do
//!
//! - Opaque tokens are refused unless an issuer is asked about them ([`Issuer::introspection`]), and they are asked about
//!   on every request unless [`Introspection::cache_ttl`] says otherwise.
//! - A token that is bound to a certificate (`cnf` with `x5t#S256`, RFC 8705) is refused unless
//!   [`mtls`](ResourceServerBuilder::mtls) says where certificates come from. It speaks no TLS itself.
//! - There is no revocation list yet: a token that is good stays good until it expires or its key is removed.
//! - Tokens are read from the `Authorization` field only, never from a query, a form or a cookie.
//! - It does not decrypt tokens (JWE).
//!
//! # Features
//!
//! | Feature | Default | What it adds |
//! |---|---|---|
//! | `reqwest` | yes | the default [`HttpClient`] (rustls); without it give one to [`ResourceServerBuilder::http_client`] |
//! | `axum` | yes | the extractors: `Claims`, `Option<Claims>`, `Claims<T>`, [`Scoped`] |
//! | `config` | no | [`AuthConfig`], [`ConfigTable`]: the settings from a file, every mistake at once |
//! | `metrics` | no | [`metric_names`]: counters, gauges and histograms through the facade of the crate `metrics` |
//! | `testing` | no | [`testing`]: an authorization server on loopback, tokens of any shape, claims without cryptography |
//!
//! Features add API. None changes what a token needs to pass.
//!
//! # Where to read on
//!
//! - `cargo run --example quickstart` shows the whole on loopback, with commands to paste.
//! - [`_documentation::five_minutes`]: from zero to a protected service. One page per way of use:
//!   [axum](_documentation::axum), [tower](_documentation::tower), [MCP](_documentation::mcp), [the gateway](_documentation::gateway),
//!   [tokens bound to a key](_documentation::dpop), [tests](_documentation::testing). [`_documentation::compare`]: features of other crates.
//! - [`AuthLayer`], then [`Issuer`]: each setter says its default and the reason.
//! - [`testing`]: three ways to test a protected service.
//! - [`_documentation::design`]: why it is built as it is. [`_documentation::security`]: what can go wrong, where
//!   it is met, what an operator should watch.
//! - [`danger`]: what a reviewer should search for.
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

mod audit;
mod clock;
#[cfg(feature = "config")]
mod config;
mod error;
mod meters;
mod middleware;
mod policy;
mod remote;
mod server;
mod store;
mod telemetry;
mod token;
mod told;
mod verify;

#[cfg(any(doc, doctest))]
#[path = "docs/mod.rs"]
pub mod _documentation;
pub mod danger;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "testing")]
pub mod testing;

// The targets are compiled twice: here, where every test run replays their corpus, and in the package `fuzz`.
#[cfg(test)]
extern crate self as tower_bearer;
#[cfg(test)]
#[path = "../fuzz/replay.rs"]
mod fuzz_replay;
#[cfg(test)]
#[path = "../fuzz/targets/mod.rs"]
mod fuzz_targets;

pub use audit::{AuditEvent, AuditEvents, AuditSink};
pub use clock::{Clock, SystemClock};
#[cfg(feature = "config")]
pub use config::{auth::AuthConfig, folder::ConfigFiles, key_file::KeyFile, table::ConfigTable};
pub use error::{ConfigError, ConfigProblem};
#[cfg(feature = "metrics")]
pub use meters::metric_names;
pub use middleware::auth::{Auth, AuthLayer};
pub use middleware::auth_future::ResponseFuture;
pub use middleware::body::{BytesBody, EmptyBody, MapBody, RefusalBody};
pub use middleware::cors::{CORS_EXPOSED_HEADERS, CORS_REQUEST_HEADERS};
pub use middleware::decide::{Decided, DecidedFuture, RequireDecision};
pub use middleware::expiry::{EndStreamsAtExpiry, EndingAuthLayer, WithExpiry, WithExpiryFuture};
pub use middleware::expiry_body::{StreamExpired, UntilExpiry};
#[cfg(feature = "axum")]
pub use middleware::extract::{Permitted, Policy, RequiredScopes, Scoped};
pub use middleware::forward::{Forward, ForwardLayer};
pub use middleware::metadata::{MetadataService, ProtectedResourceMetadata};
pub use middleware::rejection::AuthRejection;
pub use middleware::require::{Require, Required, RequiredFuture};
pub use middleware::require_scope::RequireScope;
pub use middleware::rules::{RequireRules, RulesHandle};
pub use middleware::rules_service::{Ruled, RuledFuture};
pub use policy::access::{Access, AccessRules};
pub use policy::decider::{Decider, DeciderFuture, Verdict};
pub use policy::expression::RequirementError;
pub use policy::path::normalize_path;
pub use policy::predicate::Predicates;
pub use policy::requirement::Requirement;
pub use policy::routes::{RouteError, RouteRules};
pub use remote::health::{IssuerHealth, KeyState};
pub use remote::http_client::{HttpClient, HttpError, HttpFuture};
pub use remote::last_good::{KeyWatch, LastGoodKeys};
pub use server::builder::ResourceServerBuilder;
pub use server::dpop::Dpop;
pub use server::expiry::Expired;
pub use server::introspection::{Introspect, Introspection};
pub use server::issuer::Issuer;
pub use server::mtls::Mtls;
pub use server::resource_server::ResourceServer;
pub use store::replay::{ReplayAnswer, ReplayEntry, ReplayError, ReplayStore};
pub use store::replay_memory::InMemoryReplayStore;
pub use telemetry::{AUDIT_TARGET, INTROSPECTION_TARGET, KEYS_TARGET, SPAN_FIELDS, WIRING_TARGET};
pub use token::access_token::AccessToken;
pub use token::audience::Audience;
pub use token::claims::Claims;
pub use token::error::{AuthError, ErrorKind};
pub use token::peer::{PeerAddress, PeerCertificate};
pub use token::refusal::Refusal;
pub use token::request::{ResourceRequest, Scheme};
pub use token::scope::Scope;
pub use verify::algorithm::{Algorithm, UnknownAlgorithm};
pub use verify::jwk::{Jwk, JwkError};
pub use verify::jwks::{Jwks, JwksError};
pub use verify::role_map::RoleMap;
pub use verify::rules::Typ;
