//! `[[rules]]` and `default_access`: who may pass where.

use http::Method;
use tower_bearer::{ConfigTable, Requirement, RouteRules};

/// What a path asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Access {
    /// A valid token.
    Authenticated,
    /// A valid token or none at all.
    Optional,
    /// Nothing: whatever the `Authorization` header holds is passed on.
    Public,
    /// Nobody: 401 without a token, 403 with a good one.
    Deny,
    /// A valid token that fulfils this.
    Require(Requirement),
}

/// A word of the file and what it means.
type Word = (&'static str, fn() -> Access);

const WORDS: [Word; 4] = [
    ("authenticated", || Access::Authenticated),
    ("optional", || Access::Optional),
    ("public", || Access::Public),
    ("deny", || Access::Deny),
];

/// The rules of a file, and what holds where none fits.
pub struct Rules {
    pub routes: RouteRules<Access>,
    pub default: Access,
    /// Without rules the path is of no interest, and passed on as it came.
    pub any: bool,
}

impl Rules {
    pub fn read(table: &mut ConfigTable) -> Self {
        let default = table.choice("default_access", &WORDS).map(|access| access());
        let mut routes = RouteRules::new();
        let rules = table.tables("rules");
        let any = !rules.is_empty();
        for mut rule in rules {
            read_rule(&mut rule, &mut routes);
            rule.finish().unwrap_or_else(|error| table.absorb(error));
        }
        let otherwise = if any { Access::Deny } else { Access::Authenticated };
        Rules { routes, default: default.unwrap_or(otherwise), any }
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
