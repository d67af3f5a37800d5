//! `Requirement`, `Require` and `RouteRules` through public names: text and value, the table of truth, what a
//! refusal names, and which rule is found.

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;
use tower::{ServiceBuilder, ServiceExt};
use tower_bearer::testing::{ManualClock, TestClaims};
use tower_bearer::{AuditSink, AuthLayer, Claims, Issuer, Predicates, Require, Requirement, RouteError, RouteRules};

use crate::challenge;
use crate::support::{Fixture, Outcome, get, send_through};

/// The time of the model.
const NOW: i64 = 1_800_000_000;

/// A requirement as a plain tree, judged by a model that knows nothing of the library.
#[derive(Debug, Clone)]
enum Tree {
    Scope(u8),
    Role(u8),
    Client(u8),
    Subject(u8),
    Claim(u8),
    Acr(Vec<u8>),
    /// In minutes.
    MaxAge(u8),
    Predicate(u8),
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Majority(Vec<Tree>),
    Not(Box<Tree>),
}

/// What a token grants: each list holds numbers that stand for names.
#[derive(Debug, Clone)]
struct Grant {
    scopes: Vec<u8>,
    roles: Vec<u8>,
    claims: Vec<u8>,
    client: u8,
    subject: u8,
    acr: u8,
    /// How many minutes ago; absent, or 10 minutes ahead.
    authenticated: Option<i8>,
    /// What each predicate says; `None` where there is no request.
    predicates: Option<[bool; 2]>,
}

impl Tree {
    fn requirement(&self) -> Requirement {
        let list = |list: &[Tree]| list.iter().map(Tree::requirement).collect::<Vec<_>>();
        match self {
            Tree::Scope(n) => Requirement::scope(format!("s:{n}")),
            Tree::Role(n) => Requirement::role(format!("role {n}")),
            Tree::Client(n) => Requirement::client(format!("c{n}")),
            Tree::Subject(n) => Requirement::subject(format!("u(\"{n}\")")),
            Tree::Claim(n) => Requirement::claim("org.units", format!("{n}")),
            Tree::Acr(levels) => Requirement::acr(levels.iter().map(|n| format!("level:{n}"))),
            Tree::MaxAge(minutes) => Requirement::max_age(Duration::from_secs(60 * u64::from(*minutes))),
            Tree::Predicate(n) => PREDICATES.parse(&format!("predicate:\"p {n}\"")).unwrap(),
            Tree::All(trees) => Requirement::all_of(list(trees)),
            Tree::Any(trees) => Requirement::any_of(list(trees)),
            Tree::Majority(trees) => Requirement::majority_of(list(trees)),
            Tree::Not(tree) => !tree.requirement(),
        }
    }

    /// `None` where nobody can say. What is open counts as met once and as not met once: only where both agree is
    /// there an answer.
    fn is_met(&self, grant: &Grant) -> Option<bool> {
        let (low, high) = self.between(grant);
        (low == high).then_some(low)
    }

    fn between(&self, grant: &Grant) -> (bool, bool) {
        let sure = |met: bool| (met, met);
        let both = |trees: &[Tree], count: fn(usize, usize) -> bool| {
            let found: Vec<_> = trees.iter().map(|tree| tree.between(grant)).collect();
            let met = |side: fn(&&(bool, bool)) -> bool| count(found.iter().filter(side).count(), found.len());
            (met(|found| found.0), met(|found| found.1))
        };
        match self {
            Tree::Scope(n) => sure(grant.scopes.contains(n)),
            Tree::Role(n) => sure(grant.roles.contains(n)),
            Tree::Client(n) => sure(grant.client == *n),
            Tree::Subject(n) => sure(grant.subject == *n),
            Tree::Claim(n) => sure(grant.claims.contains(n)),
            Tree::Acr(levels) => sure(levels.contains(&grant.acr)),
            Tree::MaxAge(minutes) => match grant.authenticated {
                None => sure(false),
                Some(ago) if ago < 0 => (false, true),
                Some(ago) => sure(i16::from(ago) <= i16::from(*minutes)),
            },
            Tree::Predicate(n) => match grant.predicates {
                None => (false, true),
                Some(says) => sure(says[usize::from(*n)]),
            },
            Tree::All(trees) => both(trees, |met, all| met == all),
            Tree::Any(trees) => both(trees, |met, _| met > 0),
            Tree::Majority(trees) => both(trees, |met, all| met * 2 > all),
            Tree::Not(tree) => {
                let (low, high) = tree.between(grant);
                (!high, !low)
            }
        }
    }
}

static PREDICATES: LazyLock<Predicates> = LazyLock::new(|| {
    let says = |n: usize| move |_: &Claims, request: &Parts| request.extensions.get::<[bool; 2]>().unwrap()[n];
    Predicates::new().with("p 0", says(0)).with("p 1", says(1))
});

impl Grant {
    /// By the claims alone, or with the request that predicates look at.
    fn fulfils(&self, requirement: &Requirement) -> bool {
        let Some(says) = self.predicates else { return requirement.is_met(&self.claims()) };
        let (parts, ()) = get().extension(says).body(()).unwrap().into_parts();
        requirement.is_met_by(&self.claims(), &parts)
    }

    fn claims(&self) -> Claims {
        let scope: Vec<String> = self.scopes.iter().map(|n| format!("s:{n}")).collect();
        let roles: Vec<String> = self.roles.iter().map(|n| format!("role {n}")).collect();
        let clock = ManualClock::new();
        clock.set_wall(UNIX_EPOCH + Duration::from_secs(NOW as u64));
        TestClaims::new()
            .subject(&format!("u(\"{}\")", self.subject))
            .client_id(&format!("c{}", self.client))
            .scope(&scope.join(" "))
            .roles(roles.iter().map(String::as_str))
            .claim("org", serde_json::json!({"units": self.claims}))
            .claim("acr", format!("level:{}", self.acr))
            .claim("auth_time", self.authenticated.map(|ago| NOW - 60 * i64::from(ago)))
            .clock(clock)
            .build()
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (0..4u8).prop_map(Tree::Scope),
        (0..3u8).prop_map(Tree::Role),
        (0..2u8).prop_map(Tree::Client),
        (0..2u8).prop_map(Tree::Subject),
        (0..3u8).prop_map(Tree::Claim),
        vec(0..3u8, 0..3).prop_map(Tree::Acr),
        (0..4u8).prop_map(Tree::MaxAge),
        (0..2u8).prop_map(Tree::Predicate),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Tree::All),
            vec(inner.clone(), 0..4).prop_map(Tree::Any),
            vec(inner.clone(), 0..4).prop_map(Tree::Majority),
            inner.prop_map(|tree| Tree::Not(Box::new(tree))),
        ]
    })
}

fn grants() -> impl Strategy<Value = Grant> {
    let lists = (vec(0..4u8, 0..3), vec(0..3u8, 0..3), vec(0..3u8, 0..3));
    let authenticated = proptest::option::of(prop_oneof![Just(-10i8), 0..5i8]);
    let predicates = proptest::option::of(any::<[bool; 2]>());
    (lists, 0..2u8, 0..2u8, 0..4u8, authenticated, predicates).prop_map(
        |((scopes, roles, claims), client, subject, acr, authenticated, predicates)| Grant {
            scopes,
            roles,
            claims,
            client,
            subject,
            acr,
            authenticated,
            predicates,
        },
    )
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_as_the_same_requirement(tree in trees()) {
        let requirement = tree.requirement();
        let text = requirement.to_string();
        let read = PREDICATES.parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        prop_assert_eq!(&read, &requirement, "{}", text);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn any_name_survives_being_printed_and_read(role in ".*", path in ".*", value in ".*") {
        for requirement in [
            Requirement::role(&*role),
            Requirement::client(&*role) & !Requirement::subject(&*value),
            Requirement::claim(&*path, &*value) | Requirement::role(&*value),
        ] {
            prop_assert_eq!(requirement.to_string().parse::<Requirement>(), Ok(requirement));
        }
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_place_inside_it(text in "(scope:|role:|claim:|acr:|max_age:|predicate:|any\\(|all\\(|majority\\(|=|and|or|not|\\(|\\)|,|\"|\\\\| |a|5m|ä){0,14}") {
        match text.parse::<Requirement>() {
            Ok(requirement) => prop_assert_eq!(requirement.to_string().parse::<Requirement>(), Ok(requirement)),
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.position())),
        }
    }

    #[test]
    fn a_requirement_is_met_as_the_model_says(tree in trees(), grant in grants()) {
        prop_assert_eq!(grant.fulfils(&tree.requirement()), tree.is_met(&grant) == Some(true), "{}", tree.requirement());
        prop_assert_eq!(grant.fulfils(&!tree.requirement()), tree.is_met(&grant) == Some(false), "{}", tree.requirement());
    }

    #[test]
    fn the_operators_are_those_of_logic(a in trees(), b in trees(), grant in grants()) {
        let [a, b] = [a, b].map(|tree| tree.requirement());
        let [left, right] = [&a, &b].map(|requirement| grant.fulfils(requirement));
        prop_assert_eq!(grant.fulfils(&(a.clone() & b.clone())), left && right);
        prop_assert_eq!(grant.fulfils(&(a.clone() | b.clone())), left || right);
        prop_assert_eq!(grant.fulfils(&!(a.clone() & b.clone())), grant.fulfils(&(!a | !b)));
    }
}

#[test]
fn each_check_reads_its_own_claim_byte_for_byte() {
    let claims = TestClaims::new()
        .subject("alice")
        .client_id("shop")
        .scope("a:read b")
        .roles(["admin"])
        .claim("dept", "sales")
        .claim("level", 3)
        .claim("staff", true)
        .claim("none", ())
        .claim("org", serde_json::json!({"units": ["x", 7], "nested": [["y"]]}))
        .claim("https://example.com/groups", ["g"])
        .build();
    for (text, met) in [
        ("scope:a:read", true),
        ("scope:a", false),
        ("scope:A:read", false),
        ("role:admin", true),
        ("role:Admin", false),
        ("role:sales", false),
        ("client:shop", true),
        ("client:alice", false),
        ("sub:alice", true),
        ("sub:shop", false),
        ("claim:dept=sales", true),
        ("claim:dept=sale", false),
        ("claim:level=3", true),
        ("claim:level=3.0", false),
        ("claim:staff=true", true),
        ("claim:staff=false", false),
        ("claim:none=null", false),
        ("claim:absent=\"\"", false),
        ("claim:org.units=x", true),
        ("claim:org.units=7", true),
        ("claim:org.nested=y", false),
        ("claim:org=units", false),
        ("claim:https://example.com/groups=g", true),
        ("()", true),
        ("not ()", false),
    ] {
        assert_eq!(text.parse::<Requirement>().unwrap().is_met(&claims), met, "{text}");
    }
}

/// Sends a token with this scope and these roles through `AuthLayer` and `Require`, around a bare service.
async fn ask(requirement: &str, scope: &str, roles: &[&str]) -> Outcome {
    let fixture = Fixture::new();
    let token = fixture.token().subject("alice").scope(scope).claim("roles", roles).sign();
    let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let require = Require::new(requirement.parse().unwrap());
    send_through(ServiceBuilder::new().layer(AuthLayer::new(fixture.server)).layer(require), request).await
}

/// The scopes that the challenge of a 403 names, if it names any.
#[track_caller]
fn scopes_named(outcome: &Outcome) -> Option<String> {
    outcome.assert_is();
    assert_eq!(outcome.code(), "insufficient_scope");
    let challenge = challenge::parse(outcome.challenges()[0]).unwrap();
    let named = challenge.parameters.get("scope").cloned();
    assert_eq!(outcome.error.as_ref().unwrap().required_scope(), named.as_deref());
    named
}

#[tokio::test]
async fn c6750_3_1_e_the_challenge_names_the_scopes_of_the_way_that_lacks_fewest() {
    for (requirement, scope, named) in [
        ("scope:a", "", "a"),
        ("scope:a and scope:b", "", "a b"),
        // All that the operation needs: a client that asks for the lacking one only would lose the others.
        ("scope:a and scope:b", "a", "a b"),
        ("scope:a or scope:b", "", "a"),
        ("scope:a and scope:b or scope:c", "", "c"),
        ("scope:a and scope:b or scope:c and scope:d", "d", "c d"),
        ("scope:a and (scope:b or scope:c)", "", "a b"),
        ("scope:a and scope:a", "", "a"),
        ("scope:a and not role:banned", "", "a"),
        ("scope:a and role:admin", "", "a"),
        ("scope:a or role:admin and sub:bob", "", "a"),
    ] {
        let outcome = ask(requirement, scope, &[]).await;
        assert_eq!(scopes_named(&outcome).as_deref(), Some(named), "{requirement} with `{scope}`");
    }
}

#[tokio::test]
async fn where_more_scope_would_not_help_none_is_named() {
    for (requirement, scope, failed) in [
        ("role:admin", "", "role:admin"),
        ("scope:a and role:admin", "a", "role:admin"),
        (
            "scope:a and (role:admin and sub:alice or role:boss) and sub:bob",
            "a",
            "(role:admin and sub:alice or role:boss) and sub:bob",
        ),
        ("role:admin or scope:a", "", "role:admin or scope:a"),
        ("sub:bob", "", "sub:bob"),
        ("client:other", "", "client:other"),
        ("claim:dept=sales", "", "claim:dept=sales"),
        ("not scope:a", "a", "not scope:a"),
        ("not (scope:a or scope:b)", "b", "not (scope:a or scope:b)"),
        ("not ()", "a", "not ()"),
        ("majority(role:admin, role:clerk, role:boss)", "", "majority(role:admin, role:clerk, role:boss)"),
    ] {
        let outcome = ask(requirement, scope, &["clerk"]).await;
        assert_eq!(scopes_named(&outcome), None, "{requirement} with `{scope}`");
        // The operator learns which branch failed.
        assert_eq!(outcome.error.as_ref().unwrap().detail(), Some(failed));
    }
}

#[tokio::test]
async fn c6750_3_d_a_malformed_scope_is_never_granted_and_never_named() {
    for scope in ["a b", "a\"b", "a\\b", "\u{e4}", "a\r\nb", ""] {
        let require = Require::new(Requirement::scope(scope));
        let request = get().extension(TestClaims::new().scope("a b").build()).body(()).unwrap();
        assert_eq!(scopes_named(&send_through(require, request).await), None, "{scope:?}");
    }
}

#[tokio::test]
async fn the_audit_event_of_a_pass_names_the_scopes_that_were_required() {
    let (sink, mut events) = AuditSink::channel(8);
    let fixture = Fixture::with(|issuer| issuer, |builder| builder.audit_sink(sink));
    let token = fixture.token().scope("a").sign();
    let require = Require::new("scope:a and (scope:b or not scope:old)".parse().unwrap());
    let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server)).layer(require);
    send_through(layers, request).await.assert_ok();
    let [first, second] = [events.recv().await.unwrap(), events.recv().await.unwrap()];
    assert_eq!((first.code, second.code), ("authenticated", "authorized"));
    assert_eq!(second.required_scope.as_deref(), Some("a b"));
    assert_eq!(second.requirement.as_deref(), Some("scope:a and (scope:b or not scope:old)"));
    assert_eq!((second.verdict, second.detail, second.route), ("passed", None, None));
    assert!(second.took.is_some() && first.took.is_none() && first.requirement.is_none());
}

#[tokio::test]
async fn what_the_token_fulfils_passes() {
    for (requirement, scope, roles) in [
        ("scope:orders:write and (role:admin or role:clerk)", "orders:write", ["clerk"].as_slice()),
        ("scope:orders:write and (role:admin or role:clerk)", "x orders:write", &["x", "admin"]),
        ("not scope:a", "b", &[]),
        ("sub:alice", "", &[]),
        ("()", "", &[]),
    ] {
        ask(requirement, scope, roles).await.assert_ok();
    }
}

#[tokio::test]
async fn require_fails_closed_without_a_token_and_without_a_layer() {
    let fixture = Fixture::new();
    let require = || Require::new(!Requirement::role("banned"));
    let bare = || get().body(()).unwrap();
    let optional = AuthLayer::new(fixture.server.clone()).optional();
    send_through(ServiceBuilder::new().layer(optional).layer(require()), bare()).await.assert_anon();
    let outcome = send_through(require(), bare()).await;
    assert_eq!(
        (outcome.status, outcome.calls, outcome.code()),
        (StatusCode::INTERNAL_SERVER_ERROR, 0, "layer_missing")
    );
    // Claims of a test stand in for the layer.
    let with = |role| get().extension(TestClaims::new().roles([role]).build()).body(()).unwrap();
    send_through(require(), with("clerk")).await.assert_ok();
    send_through(require(), with("banned")).await.assert_is();
}

#[tokio::test]
async fn require_stands_on_routes_of_axum() {
    let fixture = Fixture::new();
    let admin = Requirement::scope("orders:write") & Requirement::role("admin");
    let app = Router::new()
        .route("/orders", axum::routing::get(|| async { "all" }).post(|| async { "new" }).layer(Require::new(admin)))
        .route("/free", axum::routing::get(|| async { "free" }))
        .layer(AuthLayer::new(fixture.server.clone()));
    let token = |scope: &str, role: &str| fixture.token().scope(scope).claim("roles", [role]).sign();
    for (method, path, token, status) in [
        ("GET", "/orders", token("orders:write", "admin"), 200),
        ("POST", "/orders", token("orders:write", "admin"), 200),
        ("GET", "/orders", token("orders:write", "clerk"), 403),
        ("GET", "/orders", token("orders:read", "admin"), 403),
        ("GET", "/free", token("", "clerk"), 200),
        ("GET", "/orders", "x".into(), 401),
    ] {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
    }
}

#[tokio::test]
async fn c9068_2_2_3_1_roles_are_lists_of_strings_or_of_scim_objects() {
    use serde_json::{Value, json};
    let holds_admin = |roles_claim: Option<&'static str>, name: &'static str, value: Value| async move {
        let settings = |issuer: Issuer| roles_claim.into_iter().fold(issuer, Issuer::roles_claim);
        let fixture = Fixture::with(settings, |builder| builder);
        let token = fixture.token().claim(name, value).sign();
        let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
        let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server));
        send_through(layers.layer(Require::new(Requirement::role("admin"))), request).await.status == StatusCode::OK
    };
    for name in ["roles", "groups", "entitlements"] {
        assert!(holds_admin(None, name, json!(["clerk", "admin"])).await, "{name}");
        assert!(holds_admin(None, name, json!([{"value": "admin", "display": "A"}])).await, "{name}");
    }
    for odd in [json!("admin"), json!({"admin": true}), json!([["admin"]]), json!([{"display": "admin"}]), json!(1)] {
        assert!(!holds_admin(None, "roles", odd.clone()).await, "{odd}");
    }
    let realm = || json!({"roles": ["admin"]});
    assert!(holds_admin(Some("realm_access.roles"), "realm_access", realm()).await);
    assert!(!holds_admin(None, "realm_access", realm()).await);
    // The setting replaces the default.
    assert!(!holds_admin(Some("realm_access.roles"), "roles", json!(["admin"])).await);
    assert!(holds_admin(Some("cognito:groups"), "cognito:groups", json!(["admin"])).await);
    assert!(holds_admin(Some("https://example.com/roles"), "https://example.com/roles", json!(["admin"])).await);
}

const METHODS: [Method; 4] = [Method::GET, Method::HEAD, Method::POST, Method::PUT];

/// A rule: its segments (0 to 2 are literals, 3 is `{x}`), whether `{*rest}` follows, its methods.
type Rule = (Vec<u8>, bool, Vec<usize>);

fn template((segments, rest, _): &Rule) -> String {
    let segment = |n: &u8| if *n == 3 { "/{x}".to_owned() } else { format!("/l{n}") };
    let mut text: String = segments.iter().map(segment).collect();
    text.push_str(if *rest { "/{*rest}" } else { "" });
    if text.is_empty() { "/".into() } else { text }
}

/// How specific a rule is for a path, smaller is more; `None` where it does not cover it.
fn rank((segments, rest, methods): &Rule, method: &Method, path: &[u8]) -> Option<(Vec<u8>, u8)> {
    let covers = if *rest { path.len() > segments.len() } else { path.len() == segments.len() };
    let fits = segments.iter().zip(path).all(|(rule, segment)| *rule == 3 || rule == segment);
    let named = |wanted: &Method| methods.iter().any(|index| METHODS[*index] == wanted);
    let by_method = match () {
        () if named(method) => 0,
        () if method == Method::HEAD && named(&Method::GET) => 1,
        () if methods.is_empty() => 2,
        () => return None,
    };
    let mut kinds: Vec<u8> = segments.iter().map(|rule| u8::from(*rule == 3)).collect();
    kinds.extend(rest.then_some(2));
    (covers && fits).then_some((kinds, by_method))
}

proptest! {
    #[test]
    fn the_rule_that_is_found_is_the_most_specific_one(
        rules in vec((vec(0..4u8, 0..4), any::<bool>(), vec(0..METHODS.len(), 0..3)), 0..12),
        paths in vec((vec(0..3u8, 0..5), any::<bool>(), 0..METHODS.len()), 1..20),
    ) {
        let mut found = RouteRules::new();
        let mut kept: Vec<(usize, &Rule)> = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let methods: Vec<Method> = rule.2.iter().map(|index| METHODS[*index].clone()).collect();
            let same_place = |other: &&(usize, &Rule)| template(other.1) == template(rule);
            let clashes = |other: &Rule| {
                other.2.is_empty() && rule.2.is_empty() || other.2.iter().any(|method| rule.2.contains(method))
            };
            let twice = rule.2.len() == 2 && rule.2[0] == rule.2[1];
            let taken = twice || kept.iter().filter(same_place).any(|(_, other)| clashes(other));
            let result = found.insert(&template(rule), &methods, index);
            prop_assert_eq!(result, if taken { Err(RouteError::Taken) } else { Ok(()) }, "{}", template(rule));
            if !taken {
                kept.push((index, rule));
            }
        }
        for (segments, slash, method) in paths {
            let method = &METHODS[method];
            let mut path: String = segments.iter().map(|n| format!("/l{n}")).collect();
            path.push_str(if slash || path.is_empty() { "/" } else { "" });
            let covering = kept.iter().filter_map(|(index, rule)| Some((rank(rule, method, &segments)?, *index)));
            let expected = covering.min().map(|(_, index)| index);
            prop_assert_eq!(found.find(method, &path).copied(), expected, "{} {} in {:?}", method, path, kept);
            let mapped = found.map(|index| format!("rule {index}"));
            prop_assert_eq!(mapped.find(method, &path).cloned(), expected.map(|index| format!("rule {index}")));
        }
    }
}
