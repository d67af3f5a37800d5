//! Tools for testing a protected service: a real authorization server on loopback, claims without any
//! cryptography, a clock that is moved by hand. Feature `testing`, for `[dev-dependencies]`.
//!
//! Three ways to test, from the cheapest to the most real:
//!
//! - **A handler alone**: make [`Claims`](crate::Claims) with [`TestClaims`] and put them into the request. No
//!   layer, no token, no cryptography.
//! - **The whole service in process**: an [`TestIssuer::in_process`] with its [`TestIssuer::http_client`]. Real
//!   tokens and real verification, no socket.
//! - **The whole service over the wire**: [`TestIssuer::start`] listens on a free loopback port; discovery, keys,
//!   rotation and the token endpoint are those of a real server.
//!
//! Either kind of issuer can be put in trouble with [`TestIssuer::fault`]: slow, silent, closed, cut short, endless,
//! redirected and more, see [`Fault`].
//!
//! # Example
//! ```
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use tower::ServiceExt;
//! use tower_bearer::{AuthLayer, Claims, RequireScope, ResourceServer, testing::{TestClaims, TestIssuer}};
//!
//! fn routes() -> Router {
//!     let hello = |claims: Claims| async move { format!("hello {}", claims.subject().unwrap_or("client")) };
//!     Router::new().route("/hello", get(hello).layer(RequireScope::all(["hello"])))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // The handler alone, without cryptography.
//! let claims = TestClaims::new().subject("alice").scope("hello").build();
//! let request = Request::get("/hello").extension(claims).body(Body::empty()).unwrap();
//! assert_eq!(routes().oneshot(request).await.unwrap().status(), StatusCode::OK);
//!
//! // The whole service against a real issuer.
//! let issuer = TestIssuer::start().await;
//! let server = ResourceServer::builder("https://api.example.com", issuer.url()).build().unwrap();
//! let app = routes().layer(AuthLayer::new(server));
//! let token = issuer.token().subject("alice").scope("other").sign();
//! let request = Request::get("/hello").header("authorization", format!("Bearer {token}"));
//! let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
//! assert_eq!(response.status(), StatusCode::FORBIDDEN);
//! # }
//! ```

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::string_slice, reason = "a test tool may panic")]

mod claims;
mod clients;
mod clock;
mod delivery;
mod door;
mod dpop_proof;
mod draft;
mod endpoints;
mod fault;
mod introspection;
mod issuer;
mod signing_key;
mod token;

pub use claims::TestClaims;
pub use clock::ManualClock;
pub use dpop_proof::DpopProof;
pub use endpoints::Endpoint;
pub use fault::Fault;
pub use issuer::TestIssuer;
pub use signing_key::SigningKey;
pub use token::TokenBuilder;

/// How many signatures were computed on this thread so far, so that a test can tell a refusal before the
/// signature from one after it. Counts every server in the process.
pub fn signature_checks() -> u64 {
    crate::verify::crypto::checks_on_this_thread()
}
