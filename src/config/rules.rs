//! `[[rules]]` and `default_access`: who may pass where.

use http::Method;

use super::table::ConfigTable;
use crate::policy::access::{Access, AccessRules};
use crate::policy::routes::RouteRules;

/// A word of the file and what it means.
type Word = (&'static str, fn() -> Access);

const WORDS: [Word; 4] = [
    ("authenticated", || Access::Authenticated),
    ("optional", || Access::Optional),
    ("public", || Access::Public),
    ("deny", || Access::Deny),
];

impl AccessRules {
    /// Takes `[[rules]]` and `default_access` out of a table and leaves other keys in it. Mistakes are noted in the
    /// table.
    ///
    /// ```toml
    /// default_access = "deny"  # or "authenticated", "optional", "public"; without rules the default is "authenticated"
    ///
    /// [[rules]]
    /// path = "/orders/{id}"    # see `RouteRules`
    /// methods = ["PUT"]        # default: all
    /// require = "scope:orders:write or role:admin"
    ///
    /// [[rules]]
    /// path = "/health"
    /// access = "public"        # instead of `require`
    /// ```
    ///
    /// # Example
    /// ```
    /// # use tower_bearer::{Access, AccessRules, ConfigTable};
    /// # use http::Method;
    /// # use serde_json::json;
    /// let file = json!({"rules": [{"path": "/health", "access": "public"}, {"path": "/a", "require": "scope:a"}]});
    /// let mut table = ConfigTable::new(file, ".");
    /// let rules = AccessRules::read(&mut table);
    /// table.finish()?;
    /// assert_eq!(rules.find(&Method::GET, "/health"), &Access::Public);
    /// assert_eq!(rules.find(&Method::GET, "/b"), &Access::Deny);
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn read(table: &mut ConfigTable) -> Self {
        let default = table.choice("default_access", &WORDS).map(|access| access());
        let mut routes = RouteRules::new();
        let rules = table.tables("rules");
        let otherwise = if rules.is_empty() { Access::Authenticated } else { Access::Deny };
        for mut rule in rules {
            read_rule(&mut rule, &mut routes);
            rule.finish().unwrap_or_else(|error| table.absorb(error));
        }
        AccessRules { routes, default: default.unwrap_or(otherwise) }
    }
}

fn read_rule(rule: &mut ConfigTable, routes: &mut RouteRules<Access>) {
    let path = rule.required_text("path", "must be a path such as `/orders/{id}` or `/files/{*rest}`");
    let methods = read_methods(rule);
    let both = rule.has("access") && rule.has("require");
    let neither = !rule.has("access") && !rule.has("require");
    if both || neither {
        rule.problem("require", "", "a rule has either `require` or `access`");
    }
    let access = rule.choice("access", &WORDS).map(|access| access());
    let require = rule.text("require").and_then(|text| match text.parse() {
        Ok(requirement) => Some(Access::Require(requirement)),
        Err(error) => {
            rule.problem("require", text, error);
            None
        }
    });
    if let (Some(path), Some(methods), Some(access)) = (path, methods, access.or(require))
        && let Err(error) = routes.insert(&path, &methods, access)
    {
        rule.problem("path", path, error);
    }
}

/// Empty for all methods; `None` where one is wrong.
fn read_methods(rule: &mut ConfigTable) -> Option<Vec<Method>> {
    if !rule.has("methods") {
        return Some(Vec::new());
    }
    let names = rule.texts("methods")?;
    let upper = |name: &String| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let methods: Vec<Method> = names.iter().filter(|name| upper(name)).filter_map(|name| name.parse().ok()).collect();
    if methods.len() < names.len() {
        rule.problem("methods", names.join(", "), "must be HTTP methods in capital letters, such as GET");
        return None;
    }
    Some(methods)
}
