//! The refusal of a handler or an extractor, on its way to an answer.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};

use super::body::BytesBody;
use super::challenge::refuse;
use super::grpc;
use super::judge::judge_claims;
use super::recycled::Recycled;
use crate::policy::requirement::Requirement;
use crate::token::claims::Claims;
use crate::token::error::AuthError;
use crate::token::resource::Resource;

/// The answer of an extractor or a handler that refuses: the same status, challenge and body as the layer's.
///
/// With axum it is a response by itself; elsewhere [`response`](AuthRejection::response) makes one.
pub struct AuthRejection {
    pub(super) error: AuthError,
    pub(super) resource: Option<Arc<Resource>>,
    pub(super) head: bool,
    pub(super) is_grpc: bool,
}

impl AuthRejection {
    /// Why the request was refused.
    pub fn error(&self) -> &AuthError {
        &self.error
    }

    /// The whole answer to a request with this method: status, challenge and body, which is empty for HEAD. The error
    /// stands in its extensions.
    pub fn response<B: From<Bytes>>(self, method: &Method) -> Response<B> {
        let head = self.head || method == Method::HEAD;
        refuse(self.error, self.resource.as_deref(), head, &BytesBody, Recycled::nothing(self.is_grpc))
    }
}

impl fmt::Debug for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthRejection").field(&self.error).finish()
    }
}

impl fmt::Display for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for AuthRejection {}

impl<T> Claims<T> {
    /// Asks for this inside a handler, where what is asked for depends on what was read. Tells of the decision, as a
    /// [`Require`](crate::Require) does, but for the route: there is no request here.
    ///
    /// # Errors
    /// The refusal, which is a response with axum; elsewhere see [`AuthRejection::response`]. A requirement whose answer
    /// depends on a predicate is refused with 500: there is no request here, see [`require_by`](Claims::require_by).
    ///
    /// # Example
    /// ```
    /// # use tower_bearer::{AuthRejection, Claims, Requirement};
    /// struct Order { tenant: String }
    /// async fn cancel(claims: Claims, order: Order) -> Result<&'static str, AuthRejection> {
    ///     let own = Requirement::claim("tenant", order.tenant) & Requirement::scope("orders:write");
    ///     claims.require(&(own | Requirement::role("admin")))?;
    ///     Ok("cancelled")
    /// }
    /// ```
    pub fn require(&self, requirement: &Requirement) -> Result<(), AuthRejection> {
        let result = judge_claims(self, requirement, None);
        let resource = || Some(self.set().resource.clone());
        result.map_err(|error| AuthRejection { error, resource: resource(), head: false, is_grpc: false })
    }

    /// As [`require`](Claims::require), with the request that predicates ask about.
    ///
    /// # Errors
    /// The refusal.
    pub fn require_by(&self, requirement: &Requirement, request: &Parts) -> Result<(), AuthRejection> {
        let result = judge_claims(self, requirement, Some(request));
        let head = request.method == Method::HEAD;
        let is_grpc = grpc::is_call(&request.method, &request.headers);
        let resource = || Some(self.set().resource.clone());
        result.map_err(|error| AuthRejection { error, resource: resource(), head, is_grpc })
    }
}
