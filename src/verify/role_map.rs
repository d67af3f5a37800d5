//! What roles grant, and which roles they inherit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::error::ConfigProblem;
use crate::token::authorization::Granted;
use crate::token::scope::{SCOPE_REMEDY, is_scope_token};

/// What each role grants, for servers that put roles into their tokens and services that ask for permissions.
///
/// What a role grants is checked wherever a scope is: `scope:orders:write` is met by a token with that scope, or with
/// a role that grants it. A role that inherits another grants what that one does, and passes for it where a role is
/// asked for. Given to [`ResourceServerBuilder::roles`](crate::ResourceServerBuilder::roles), which reports a circle
/// of roles, a role that is inherited and nowhere granted anything, and what cannot be a scope-token.
///
/// It changes nothing about where the roles of a token stand; see
/// [`Issuer::roles_claim`](crate::Issuer::roles_claim). Roles that are not in the map grant nothing.
///
/// # Example
/// ```
/// # use tower_bearer::RoleMap;
/// let roles = RoleMap::new()
///     .role("clerk", ["orders:read"])
///     .role("admin", ["orders:write"])
///     .inherits("admin", ["clerk"]);
/// # use tower_bearer::testing::TestClaims;
/// let claims = TestClaims::new().roles(["admin"]).role_map(roles).build();
/// assert!(claims.has_permission("orders:read") && claims.has_role("clerk"));
/// assert!(!claims.scope().contains("orders:read"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleMap {
    roles: BTreeMap<Box<str>, Role>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Role {
    grants: BTreeSet<Box<str>>,
    inherits: BTreeSet<Box<str>>,
}

impl RoleMap {
    /// No roles.
    pub fn new() -> Self {
        RoleMap::default()
    }

    /// This role grants these scopes or permissions, beside those that it grants already.
    #[must_use]
    pub fn role(mut self, role: impl Into<Box<str>>, grants: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let role = self.roles.entry(role.into()).or_default();
        role.grants.extend(grants.into_iter().map(Into::into));
        self
    }

    /// This role is all that these roles are, too.
    #[must_use]
    pub fn inherits(
        mut self,
        role: impl Into<Box<str>>,
        inherited: impl IntoIterator<Item = impl Into<Box<str>>>,
    ) -> Self {
        let role = self.roles.entry(role.into()).or_default();
        role.inherits.extend(inherited.into_iter().map(Into::into));
        self
    }

    pub(crate) fn problems(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        for (name, role) in &self.roles {
            let setting = format!("roles.{name}");
            if name.is_empty() {
                problems.push(ConfigProblem::new("roles", name, "must be the name of a role"));
            }
            for scope in role.grants.iter().filter(|scope| !is_scope_token(scope)) {
                problems.push(ConfigProblem::new(setting.clone(), scope, SCOPE_REMEDY));
            }
            for other in role.inherits.iter().filter(|other| !self.roles.contains_key(*other)) {
                problems.push(ConfigProblem::new(setting.clone(), other, "is inherited and no role of the map"));
            }
            // Each circle is told once, at the first of its roles.
            if let Some(circle) = self.circle(name).filter(|circle| circle.iter().min() == Some(&&**name)) {
                let shown = format!("{} -> {name}", circle.join(" -> "));
                problems.push(ConfigProblem::new(setting, shown, "is a circle: no role can inherit itself"));
            }
        }
        problems
    }

    /// A shortest way from a role back to itself.
    fn circle<'a>(&'a self, start: &'a str) -> Option<Vec<&'a str>> {
        let mut ways = vec![vec![start]];
        let mut seen = BTreeSet::new();
        while let Some(way) = (!ways.is_empty()).then(|| ways.remove(0)) {
            let role = way.last().and_then(|last| self.roles.get(*last));
            for next in role.into_iter().flat_map(|role| &role.inherits) {
                if **next == *start {
                    return Some(way);
                }
                if seen.insert(next) {
                    ways.push(way.iter().copied().chain([&**next]).collect());
                }
            }
        }
        None
    }

    /// Everything that each role grants, inherited or not. Of use only without problems, and it ends with any.
    pub(crate) fn resolve(&self) -> RoleGrants {
        let mut names: BTreeMap<&str, Arc<str>> = BTreeMap::new();
        let grants = self.roles.values().flat_map(|role| &role.grants);
        for name in self.roles.keys().chain(grants) {
            names.entry(name).or_insert_with(|| name.as_ref().into());
        }
        let shared = |name: &str| names.get(name).cloned().unwrap_or_else(|| name.into());
        let roles = self.roles.keys().map(|name| {
            let inherited = self.inherited(name);
            let all = inherited.iter().copied().chain([&**name]).filter_map(|role| self.roles.get(role));
            let permissions: BTreeSet<&str> = all.flat_map(|role| &role.grants).map(AsRef::as_ref).collect();
            let granted = Granted {
                roles: inherited.into_iter().map(shared).collect(),
                permissions: permissions.into_iter().map(shared).collect(),
            };
            (name.clone(), granted)
        });
        RoleGrants { roles: roles.collect() }
    }

    fn inherited<'a>(&'a self, name: &'a str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut open = vec![name];
        while let Some(role) = open.pop().and_then(|name| self.roles.get(name)) {
            open.extend(role.inherits.iter().map(AsRef::as_ref).filter(|next| found.insert(*next)));
        }
        found
    }
}

/// What each role grants, ready to be looked up.
#[derive(Debug, Default)]
pub(crate) struct RoleGrants {
    roles: HashMap<Box<str>, Granted>,
}

impl RoleGrants {
    /// What these roles grant together, beside themselves.
    pub(crate) fn of<'a>(&self, held: impl Iterator<Item = &'a str>) -> Granted {
        if self.roles.is_empty() {
            return Granted::default();
        }
        let granted: Vec<&Granted> = held.filter_map(|role| self.roles.get(role)).collect();
        let collect = |list: fn(&Granted) -> &[Arc<str>]| {
            let mut all: Vec<Arc<str>> = granted.iter().flat_map(|granted| list(granted)).cloned().collect();
            all.sort_unstable();
            all.dedup();
            all.into_boxed_slice()
        };
        Granted { roles: collect(|granted| &granted.roles), permissions: collect(|granted| &granted.permissions) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(map: &RoleMap, held: &[&str]) -> (Vec<String>, Vec<String>) {
        let granted = map.resolve().of(held.iter().copied());
        let texts = |list: &[Arc<str>]| list.iter().map(|text| text.to_string()).collect();
        (texts(&granted.roles), texts(&granted.permissions))
    }

    #[test]
    fn a_role_grants_its_own_and_what_it_inherits_through_any_number_of_roles() {
        let map = RoleMap::new()
            .role("reader", ["read"])
            .role("clerk", ["write", "read"])
            .inherits("clerk", ["reader"])
            .role("admin", ["delete"])
            .inherits("admin", ["clerk"])
            .role("guest", [""; 0]);
        assert!(map.problems().is_empty());
        assert_eq!(granted(&map, &["reader"]), (vec![], vec!["read".into()]));
        let all = ["delete", "read", "write"].map(String::from).to_vec();
        assert_eq!(granted(&map, &["admin"]), (vec!["clerk".into(), "reader".into()], all.clone()));
        assert_eq!(granted(&map, &["admin", "reader", "unknown"]).1, all);
        assert_eq!(granted(&map, &["guest", "Admin"]), (vec![], vec![]));
    }

    #[test]
    fn circles_are_named_once_and_every_other_mistake_as_well() {
        let map = RoleMap::new()
            .inherits("b", ["c"])
            .inherits("c", ["a"])
            .inherits("a", ["b"])
            .inherits("self", ["self"])
            .role("d", ["x y", "ok"])
            .inherits("d", ["a", "nobody"])
            .role("", ["x"]);
        let told: Vec<(String, String)> =
            map.problems().iter().map(|problem| (problem.setting.to_string(), problem.value.clone())).collect();
        let expected = [
            ("roles", ""),
            ("roles.a", "a -> b -> c -> a"),
            ("roles.d", "x y"),
            ("roles.d", "nobody"),
            ("roles.self", "self -> self"),
        ];
        assert_eq!(told, expected.map(|(setting, value)| (setting.to_owned(), value.to_owned())));
        // A circle ends all the same.
        assert_eq!(granted(&map, &["d"]).1, ["ok", "x y"]);
    }
}
