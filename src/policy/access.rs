//! What each path asks of a caller.

use std::fmt;

use super::requirement::Requirement;
use super::routes::RouteRules;

/// Who may pass.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Access {
    /// Everybody: whatever the `Authorization` field holds is left as it came, and there are no claims.
    Public,
    /// A valid token or none at all; a bad one is refused.
    Optional,
    /// A valid token.
    Authenticated,
    /// Nobody: 401 without a token, 403 with a good one.
    Deny,
    /// A valid token that fulfils this.
    Require(Requirement),
}

impl From<Requirement> for Access {
    fn from(requirement: Requirement) -> Self {
        Access::Require(requirement)
    }
}

/// The rules of a service by method and path, and what holds where none fits: denied, unless said otherwise.
///
/// [`RequireRules`](crate::RequireRules) puts them in force. From a file they are read with `AccessRules::read`
/// (feature `config`).
///
/// # Example
/// ```
/// # use tower_bearer::{Access, AccessRules, RouteRules};
/// # use http::Method;
/// let mut routes = RouteRules::new();
/// routes.insert("/health", &[], Access::Public)?;
/// routes.insert("/orders/{*rest}", &[Method::GET], Access::Authenticated)?;
/// let rules = AccessRules::new(routes);
/// assert_eq!(rules.find(&Method::GET, "/orders/7"), &Access::Authenticated);
/// assert_eq!(rules.find(&Method::PUT, "/orders/7"), &Access::Deny);
/// # Ok::<(), tower_bearer::RouteError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct AccessRules {
    pub(crate) routes: RouteRules<Access>,
    pub(crate) default: Access,
}

impl AccessRules {
    /// These rules, and nothing else.
    pub fn new(routes: RouteRules<Access>) -> Self {
        AccessRules { routes, default: Access::Deny }
    }

    /// What holds where no rule fits. Default [`Access::Deny`]: a path that was forgotten is found at once, and by its
    /// owner.
    pub fn default_access(self, default: impl Into<Access>) -> Self {
        AccessRules { default: default.into(), ..self }
    }

    /// The rules without what holds elsewhere.
    pub fn routes(&self) -> &RouteRules<Access> {
        &self.routes
    }

    /// Who may call this path, which must be in [normal form](crate::normalize_path).
    pub fn find(&self, method: &http::Method, path: &str) -> &Access {
        self.routes.find(method, path).unwrap_or(&self.default)
    }
}

/// Says how many there are: a file may hold thousands.
impl fmt::Debug for AccessRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessRules").field("rules", &self.routes.len()).field("default", &self.default).finish()
    }
}
