//! What the claims of a token allow, beside what they say.

use std::time::SystemTime;

use super::claims::{ClaimSet, Claims};
use crate::clock::from_unix_seconds;

impl<T> Claims<T> {
    /// True if this very role is among [`roles`](Claims::roles), or inherited by one of them
    /// ([`RoleMap`](crate::RoleMap)).
    pub fn has_role(&self, role: &str) -> bool {
        self.set().has_role(role)
    }

    /// What the token may do: the scope that was granted, then what its roles grant by the server's
    /// [`RoleMap`](crate::RoleMap).
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        let set = self.set();
        let by_roles = set.granted.permissions.iter().map(AsRef::as_ref);
        set.scope.iter().chain(by_roles.filter(|permission: &&str| !set.scope.contains(permission)))
    }

    /// True if this is among the [`permissions`](Claims::permissions), or one of them implies it
    /// ([`scope_implies`](crate::ResourceServerBuilder::scope_implies)). This is what a required scope asks.
    pub fn has_permission(&self, scope: &str) -> bool {
        self.set().has_permission(scope)
    }

    /// The level of the user's authentication (`acr`, RFC 9068 section 2.2.1).
    pub fn acr(&self) -> Option<&str> {
        self.set().acr.as_deref()
    }

    /// When the user was last authenticated (`auth_time`); absent where it is no number.
    pub fn auth_time(&self) -> Option<SystemTime> {
        self.set().auth_time.map(from_unix_seconds)
    }
}

impl ClaimSet {
    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| **held == *role) || self.granted.has_role(role)
    }

    pub(crate) fn has_permission(&self, scope: &str) -> bool {
        self.scope.contains(scope) || self.granted.has_permission(scope) || self.is_implied(scope)
    }

    fn is_implied(&self, scope: &str) -> bool {
        let by_roles = self.granted.permissions.iter().map(AsRef::as_ref);
        self.resource.authorization.is_implied(scope, self.scope.iter().chain(by_roles))
    }
}
