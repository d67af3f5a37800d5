//! What a server's tokens may do: roles that grant, scopes that cover others, and what is told of it.

use std::sync::Arc;

use http::Extensions;

use super::builder::ResourceServerBuilder;
use crate::verify::role_map::RoleMap;

impl ResourceServerBuilder {
    /// What each role grants, resolved once for each token. Default: roles grant nothing by themselves.
    ///
    /// # Example
    /// ```
    /// # use tower_bearer::{ResourceServer, RoleMap};
    /// # let builder = ResourceServer::builder("https://api.example.com", "https://as.example.com");
    /// let builder = builder.roles(RoleMap::new().role("clerk", ["orders:read", "orders:write"]));
    /// ```
    pub fn roles(mut self, roles: RoleMap) -> Self {
        self.roles = roles;
        self
    }

    /// Scopes that cover others: `implies(granted, required)` says whether a token with the first may do what asks for
    /// the second. Default: none does; scopes are compared byte for byte.
    ///
    /// Asked only where the required scope itself was not granted; it must be quick, and grants nothing if it panics.
    /// [`Claims::scope`](crate::Claims::scope) goes on saying what was granted.
    ///
    /// # Example
    /// `files` covers `files:read` and `files:write`:
    /// ```
    /// # use tower_bearer::ResourceServer;
    /// # let builder = ResourceServer::builder("https://api.example.com", "https://as.example.com");
    /// let builder = builder.scope_implies(|granted, required| {
    ///     required.strip_prefix(granted).is_some_and(|rest| rest.starts_with(':'))
    /// });
    /// ```
    pub fn scope_implies<F>(mut self, implies: F) -> Self
    where
        F: Fn(&str, &str) -> bool + Send + Sync + 'static,
    {
        self.authorization.scope_implies = Some(Arc::new(implies));
        self
    }

    /// A challenge for lacking scope names the scopes that the token has as well, for clients that ask for what the
    /// challenge says and nothing else (MCP, version of 2025-11-25). Default: only those that the operation requires
    /// (RFC 6750 section 3).
    pub fn union_granted_scopes(mut self) -> Self {
        self.authorization.union_granted_scopes = true;
        self
    }

    /// Where the route of a request stands in its extensions, for the `route` of authorization events: a template
    /// such as `/orders/{id}`, never a path as it was sent. Asked only where somebody listens. Default: nowhere, and
    /// events of a [`Require`](crate::Require) have the route that was given to it.
    ///
    /// # Example
    /// ```
    /// # use tower_bearer::ResourceServer;
    /// use axum::extract::MatchedPath;
    /// # let builder = ResourceServer::builder("https://api.example.com", "https://as.example.com");
    /// let builder = builder.audit_route(|extensions| extensions.get::<MatchedPath>().map(MatchedPath::as_str));
    /// ```
    pub fn audit_route<F>(mut self, route: F) -> Self
    where
        F: Fn(&Extensions) -> Option<&str> + Send + Sync + 'static,
    {
        self.authorization.audit_route = Some(Arc::new(route));
        self
    }
}
