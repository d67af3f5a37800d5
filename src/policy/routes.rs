//! Which rule is for a method and a path: a trie over segments.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::Method;

use super::path::normalize_path;

/// Values by method and path template, the most specific one found first.
///
/// A template's segments are literal, `{name}` (any one segment) or, at the end, `{*rest}` (one or more). At
/// each segment a literal beats `{name}`, and that beats `{*rest}`; where the more specific way leads to no rule
/// for the method, the next one is tried. A template covers its path with and without a slash at the end, and
/// `GET` covers `HEAD`. A rule for some methods beats one for all at the same path. Matching is case-sensitive.
///
/// # Example
/// ```
/// # use tower_bearer::RouteRules;
/// # use http::Method;
/// let mut rules = RouteRules::new();
/// rules.insert("/orders/{*rest}", &[], "all orders")?;
/// rules.insert("/orders/{id}", &[Method::GET], "one order")?;
/// assert_eq!(rules.find(&Method::GET, "/orders/7"), Some(&"one order"));
/// assert_eq!(rules.find(&Method::PUT, "/orders/7"), Some(&"all orders"));
/// assert_eq!(rules.find(&Method::GET, "/"), None);
/// # Ok::<(), tower_bearer::RouteError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RouteRules<V> {
    /// Each value with the template it was given for.
    root: Branch<(Arc<str>, V)>,
    count: usize,
    names_methods: bool,
}

#[derive(Debug, Clone)]
struct Branch<V> {
    literals: BTreeMap<Box<str>, Branch<V>>,
    parameter: Option<Box<Branch<V>>>,
    rest: ByMethod<V>,
    here: ByMethod<V>,
}

/// The rules that end at one place.
#[derive(Debug, Clone)]
struct ByMethod<V> {
    named: Vec<(Method, V)>,
    all: Option<V>,
}

/// Why a rule cannot stand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// The template does not begin with a slash, or has an empty segment or a misplaced brace.
    Malformed,
    /// The template is not in normal form, in which alone it could match; this is its normal form, if it has one.
    NotNormal(Option<String>),
    /// There is a rule for the same path and method already.
    Taken,
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::Malformed => {
                f.write_str("a path begins with `/`; its segments are literal, `{name}` or, at the end, `{*rest}`")
            }
            RouteError::NotNormal(Some(normal)) => write!(f, "paths are matched in normal form: write `{normal}`"),
            RouteError::NotNormal(None) => f.write_str("no request with such a path gets past the rules"),
            RouteError::Taken => f.write_str("there is a rule for the same path and method already"),
        }
    }
}

impl std::error::Error for RouteError {}

enum Segment<'a> {
    Literal(&'a str),
    Parameter,
    Rest,
}

impl<V: Clone> RouteRules<V> {
    /// No rules.
    pub fn new() -> Self {
        RouteRules { root: Branch::new(), count: 0, names_methods: false }
    }

    /// Adds a rule for these methods, or for all where the list is empty.
    ///
    /// # Errors
    /// The template is malformed or taken; see [`RouteError`]. The rules are then as before.
    pub fn insert(&mut self, template: &str, methods: &[Method], value: V) -> Result<(), RouteError> {
        let mut branch = &mut self.root;
        let mut end = false;
        for segment in segments(template)? {
            branch = match segment {
                Segment::Literal(text) => branch.literals.entry(text.into()).or_insert_with(Branch::new),
                Segment::Parameter => branch.parameter.get_or_insert_with(|| Box::new(Branch::new())),
                Segment::Rest => {
                    end = true;
                    break;
                }
            };
        }
        let place = if end { &mut branch.rest } else { &mut branch.here };
        place.insert(methods, (template.into(), value))?;
        self.count += 1;
        self.names_methods |= !methods.is_empty();
        Ok(())
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if there is no rule at all.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// True if a rule is for some methods only.
    pub fn names_methods(&self) -> bool {
        self.names_methods
    }

    /// The same rules with other values.
    pub fn map<N>(&self, mut change: impl FnMut(&V) -> N) -> RouteRules<N> {
        self.map_with_template(|_, value| change(value))
    }

    pub(crate) fn map_with_template<N>(&self, mut change: impl FnMut(&Arc<str>, &V) -> N) -> RouteRules<N> {
        let root = self.root.map(&mut |(template, value)| (template.clone(), change(template, value)));
        RouteRules { root, count: self.count, names_methods: self.names_methods }
    }

    /// The value of the most specific rule for a path in normal form.
    pub fn find(&self, method: &Method, path: &str) -> Option<&V> {
        let inside = path.strip_prefix('/')?;
        let inside = inside.strip_suffix('/').unwrap_or(inside);
        self.root.find(method, (!inside.is_empty()).then_some(inside)).map(|(_, value)| value)
    }
}

impl<V: Clone> Default for RouteRules<V> {
    fn default() -> Self {
        RouteRules::new()
    }
}

impl<V: Clone> Branch<V> {
    fn new() -> Self {
        let none = || ByMethod { named: Vec::new(), all: None };
        Branch { literals: BTreeMap::new(), parameter: None, rest: none(), here: none() }
    }

    fn map<N>(&self, change: &mut impl FnMut(&V) -> N) -> Branch<N> {
        Branch {
            literals: self.literals.iter().map(|(text, branch)| (text.clone(), branch.map(change))).collect(),
            parameter: self.parameter.as_ref().map(|branch| Box::new(branch.map(change))),
            rest: self.rest.map(change),
            here: self.here.map(change),
        }
    }

    /// `remaining` is what of the path is still to be matched. Each branch is visited once at most, so the
    /// cost is bounded by the rules, not by the path.
    fn find(&self, method: &Method, remaining: Option<&str>) -> Option<&V> {
        #[cfg(test)]
        VISITS.set(VISITS.get() + 1);
        let Some(remaining) = remaining else { return self.here.find(method) };
        let (segment, tail) = match remaining.split_once('/') {
            Some((segment, tail)) => (segment, Some(tail)),
            None => (remaining, None),
        };
        let literal = self.literals.get(segment).and_then(|branch| branch.find(method, tail));
        let parameter = || self.parameter.as_ref().and_then(|branch| branch.find(method, tail));
        literal.or_else(parameter).or_else(|| self.rest.find(method))
    }
}

#[cfg(test)]
thread_local! {
    /// Work is counted in steps, which are the same on every machine.
    static VISITS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl<V: Clone> ByMethod<V> {
    fn insert(&mut self, methods: &[Method], value: V) -> Result<(), RouteError> {
        if methods.is_empty() {
            let free = self.all.is_none();
            self.all.get_or_insert(value);
            return if free { Ok(()) } else { Err(RouteError::Taken) };
        }
        let mut named = self.named.clone();
        for method in methods {
            if named.iter().any(|(taken, _)| taken == method) {
                return Err(RouteError::Taken);
            }
            named.push((method.clone(), value.clone()));
        }
        self.named = named;
        Ok(())
    }

    fn map<N>(&self, change: &mut impl FnMut(&V) -> N) -> ByMethod<N> {
        ByMethod {
            named: self.named.iter().map(|(method, value)| (method.clone(), change(value))).collect(),
            all: self.all.as_ref().map(change),
        }
    }

    fn find(&self, method: &Method) -> Option<&V> {
        let named = |wanted: &Method| self.named.iter().find(|(own, _)| own == wanted).map(|(_, value)| value);
        let as_get = || if method == Method::HEAD { named(&Method::GET) } else { None };
        named(method).or_else(as_get).or(self.all.as_ref())
    }
}

fn segments(template: &str) -> Result<Vec<Segment<'_>>, RouteError> {
    let inside = template.strip_prefix('/').ok_or(RouteError::Malformed)?;
    if inside.is_empty() {
        return Ok(Vec::new());
    }
    let inside = inside.strip_suffix('/').unwrap_or(inside);
    let mut found = Vec::new();
    for text in inside.split('/') {
        if matches!(found.last(), Some(Segment::Rest)) {
            return Err(RouteError::Malformed);
        }
        found.push(segment(text)?);
    }
    Ok(found)
}

fn segment(text: &str) -> Result<Segment<'_>, RouteError> {
    let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match name {
        Some(name) if is_name(name) => Ok(Segment::Parameter),
        Some(name) if name.strip_prefix('*').is_some_and(is_name) => Ok(Segment::Rest),
        None if !text.is_empty() && !text.contains(['{', '}']) => {
            let normal = normalize_path(&format!("/{text}"));
            match normal.as_deref().and_then(|normal| normal.strip_prefix('/')) {
                Some(normal) if normal == text => Ok(Segment::Literal(text)),
                normal => Err(RouteError::NotNormal(normal.map(Into::into))),
            }
        }
        _ => Err(RouteError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(list: &[(&'static str, &[Method])]) -> RouteRules<&'static str> {
        let mut rules = RouteRules::new();
        for (template, methods) in list {
            rules.insert(template, methods, *template).unwrap_or_else(|error| panic!("{template}: {error}"));
        }
        rules
    }

    #[test]
    fn literal_beats_parameter_beats_rest_and_a_dead_end_is_left_again() {
        let rules = rules(&[
            ("/orders/{*rest}", &[]),
            ("/orders/{id}", &[]),
            ("/orders/new", &[Method::POST]),
            ("/orders/{id}/lines", &[]),
            ("/{*rest}", &[Method::GET]),
        ]);
        for (method, path, expected) in [
            (Method::POST, "/orders/new", Some("/orders/new")),
            (Method::GET, "/orders/new", Some("/orders/{id}")),
            (Method::GET, "/orders/new/lines", Some("/orders/{id}/lines")),
            (Method::GET, "/orders/new/other", Some("/orders/{*rest}")),
            (Method::GET, "/orders/7/", Some("/orders/{id}")),
            (Method::HEAD, "/orders", Some("/{*rest}")),
            (Method::POST, "/orders", None),
            (Method::GET, "/", None),
            (Method::GET, "/Orders/7", Some("/{*rest}")),
        ] {
            assert_eq!(rules.find(&method, path).copied(), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_rule_with_methods_beats_one_without_and_get_covers_head() {
        let mut rules = RouteRules::new();
        rules.insert("/a/", &[], 1).unwrap();
        rules.insert("/a", &[Method::GET], 2).unwrap();
        assert_eq!(rules.find(&Method::GET, "/a/"), Some(&2));
        assert_eq!(rules.find(&Method::HEAD, "/a"), Some(&2));
        assert_eq!(rules.find(&Method::PUT, "/a"), Some(&1));
        rules.insert("/a", &[Method::HEAD], 3).unwrap();
        assert_eq!(rules.find(&Method::HEAD, "/a"), Some(&3));
    }

    /// Branches that a search visits.
    fn visits(rules: &RouteRules<usize>, path: &str) -> usize {
        VISITS.set(0);
        rules.find(&Method::GET, path);
        VISITS.get()
    }

    #[test]
    fn ten_thousand_rules_cost_a_request_no_more_steps_than_ten() {
        let numbered = |count: usize| {
            let mut rules = RouteRules::new();
            for number in 0..count {
                // As many places of their own as rules, and as many literals beside one another.
                rules.insert(&format!("/service-{number}/orders/{{id}}"), &[], number).unwrap();
            }
            rules.insert("/{service}/health", &[], count).unwrap();
            rules.insert("/{*rest}", &[], count).unwrap();
            rules
        };
        let (few, many) = (numbered(10), numbered(10_000));
        assert_eq!((few.len(), many.len()), (12, 10_002));
        for path in
            ["/service-7/orders/1", "/service-7/health", "/service-7/orders/1/lines", "/none", "/none/health", "/"]
        {
            assert_eq!(visits(&few, path), visits(&many, path), "{path}");
            assert!(visits(&many, path) <= 2 * path.split('/').count(), "{path}");
        }
        assert_eq!(many.find(&Method::GET, "/service-9999/orders/1"), Some(&9_999));
    }

    #[test]
    fn malformed_and_doubled_templates_are_refused() {
        let mut rules = rules(&[("/a/{x}", &[]), ("/b", &[Method::GET]), ("/", &[])]);
        for (template, error) in [
            ("a", RouteError::Malformed),
            ("", RouteError::Malformed),
            ("//", RouteError::Malformed),
            ("/a//b", RouteError::Malformed),
            ("/{*rest}/b", RouteError::Malformed),
            ("/a{b}", RouteError::Malformed),
            ("/{}", RouteError::Malformed),
            ("/{*}", RouteError::Malformed),
            ("/%61", RouteError::NotNormal(Some("a".into()))),
            ("/a;b", RouteError::NotNormal(None)),
            ("/a/{y}", RouteError::Taken),
            ("/", RouteError::Taken),
        ] {
            assert_eq!(rules.insert(template, &[], "x"), Err(error), "{template}");
        }
        assert_eq!(rules.insert("/b", &[Method::PUT, Method::GET], "x"), Err(RouteError::Taken));
    }
}
