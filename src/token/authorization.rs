//! How a resource server judges what its tokens may do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::Extensions;

/// What the requirements on verified claims are judged with, beside the claims.
#[derive(Clone, Default)]
pub(crate) struct AuthorizationSettings {
    pub(crate) audit_route: Option<RouteHook>,
    pub(crate) scope_implies: Option<ScopeImplies>,
    pub(crate) union_granted_scopes: bool,
}

/// Where the route of a request stands in its extensions.
pub(crate) type RouteHook = Arc<dyn Fn(&Extensions) -> Option<&str> + Send + Sync>;

/// Whether the first scope, which was granted, covers the second.
pub(crate) type ScopeImplies = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// What the roles of a token bring beside themselves, sorted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Granted {
    /// Those that are inherited.
    pub(crate) roles: Box<[Arc<str>]>,
    pub(crate) permissions: Box<[Arc<str>]>,
}

impl Granted {
    pub(crate) fn has_role(&self, role: &str) -> bool {
        holds(&self.roles, role)
    }

    pub(crate) fn has_permission(&self, permission: &str) -> bool {
        holds(&self.permissions, permission)
    }

    /// The bytes of the lists; what they point to is shared by all tokens.
    pub(crate) fn size(&self) -> usize {
        (self.roles.len() + self.permissions.len()) * size_of::<Arc<str>>()
    }
}

fn holds(sorted: &[Arc<str>], wanted: &str) -> bool {
    sorted.binary_search_by(|held| (**held).cmp(wanted)).is_ok()
}

impl AuthorizationSettings {
    /// The route, where a hook knows it. One that panics knows none.
    pub(crate) fn route<'a>(&self, extensions: &'a Extensions) -> Option<&'a str> {
        let hook = self.audit_route.as_ref()?;
        catch_unwind(AssertUnwindSafe(|| hook(extensions))).ok()?
    }

    /// True if one of the granted scopes covers this one. A hook that panics grants nothing.
    pub(crate) fn is_implied<'a>(&self, scope: &str, mut granted: impl Iterator<Item = &'a str>) -> bool {
        let Some(implies) = self.scope_implies.as_ref().filter(|_| !scope.is_empty()) else { return false };
        let asked = catch_unwind(AssertUnwindSafe(|| granted.any(|held| implies(held, scope))));
        asked.unwrap_or(false)
    }
}
