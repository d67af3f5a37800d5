//! Roles that grant, scopes that imply others, and what a challenge names then.

use std::time::Duration;

use tower::ServiceBuilder;
use tower_bearer::{AuthLayer, Require, RequireScope, Requirement, ResourceServer, ResourceServerBuilder, RoleMap};

use crate::support::{AS, Fixture, Outcome, RS, get, send_through};

fn with(settings: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder) -> Fixture {
    Fixture::with(|issuer| issuer, settings)
}

fn map() -> RoleMap {
    RoleMap::new().role("clerk", ["orders:read"]).role("admin", ["orders:write"]).inherits("admin", ["clerk"])
}

async fn ask(fixture: &Fixture, requirement: &str, scope: &str, roles: &[&str]) -> Outcome {
    let token = fixture.token().scope(scope).claim("roles", roles).sign();
    let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone()));
    send_through(layers.layer(Require::new(requirement.parse().unwrap())), request).await
}

#[tokio::test]
async fn a_scope_is_held_if_it_was_granted_or_a_role_grants_it() {
    let (mapped, plain) = (with(|builder| builder.roles(map())), Fixture::new());
    for (requirement, scope, roles) in [
        ("scope:orders:read", "", ["clerk"].as_slice()),
        ("scope:orders:read", "", &["x", "admin"]),
        ("scope:orders:read and scope:orders:write", "", &["admin"]),
        ("scope:other and scope:orders:write", "other", &["admin"]),
        ("role:clerk", "", &["admin"]),
    ] {
        ask(&mapped, requirement, scope, roles).await.assert_ok();
        ask(&plain, requirement, scope, roles).await.assert_is();
    }
    for (requirement, roles) in [
        ("scope:orders:write", ["clerk"].as_slice()),
        ("scope:orders:read", &["Clerk"]),
        ("scope:orders:read", &[]),
        ("role:admin", &["clerk"]),
        ("not role:clerk", &["admin"]),
    ] {
        ask(&mapped, requirement, "", roles).await.assert_is();
    }
}

#[tokio::test]
async fn claims_go_on_saying_what_the_token_says() {
    let fixture = with(|builder| builder.roles(map()));
    let token = fixture.token().scope("other orders:read").claim("roles", ["admin"]).sign();
    // Before and after it is in the cache.
    for _ in 0..2 {
        let claims = fixture.bearer(&token).await.claims.unwrap();
        assert_eq!((claims.scope().as_str(), claims.roles().collect::<Vec<_>>()), ("other orders:read", vec!["admin"]));
        assert_eq!(claims.permissions().collect::<Vec<_>>(), ["other", "orders:read", "orders:write"]);
        assert!(claims.has_permission("orders:write") && !claims.scope().contains("orders:write"));
        assert!(claims.has_role("clerk") && !claims.has_role("boss") && !claims.has_permission("admin"));
    }
}

#[test]
fn mistakes_of_a_role_map_are_reported_with_all_others() {
    let roles = map().inherits("clerk", ["admin"]).inherits("clerk", ["boss"]).role("clerk", ["a b"]);
    let builder = ResourceServer::builder(RS, AS).roles(roles).leeway(Duration::from_secs(301));
    let error = builder.build().unwrap_err();
    let told: Vec<(&str, &str)> =
        error.problems().iter().map(|problem| (&*problem.setting, problem.value.as_str())).collect();
    let expected = [("roles.admin", "admin -> clerk -> admin"), ("roles.clerk", "a b"), ("roles.clerk", "boss")];
    assert!(expected.iter().all(|row| told.contains(row)), "{told:?}");
    assert_eq!(told.len(), 4, "{told:?}");
}

#[tokio::test]
async fn mcp_l_one_scope_covers_those_that_it_is_said_to_imply_and_no_others() {
    let below =
        |granted: &str, required: &str| required.strip_prefix(granted).is_some_and(|rest| rest.starts_with(':'));
    let fixture = with(|builder| builder.scope_implies(below).roles(RoleMap::new().role("filer", ["files"])));
    ask(&fixture, "scope:files:read", "files", &[]).await.assert_ok();
    ask(&fixture, "scope:files:read", "", &["filer"]).await.assert_ok();
    ask(&fixture, "scope:files:read", "other files:read", &[]).await.assert_ok();
    for scope in ["file", "files:", "files:write", "FILES", ""] {
        ask(&fixture, "scope:files:read", scope, &[]).await.assert_is();
    }
    // What was not declared is not implied, and a scope never by what is below it.
    ask(&Fixture::new(), "scope:files:read", "files", &[]).await.assert_is();
    ask(&fixture, "scope:files", "files:read", &[]).await.assert_is();
    let token = fixture.token().scope("files").sign();
    let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone()));
    let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    send_through(layers.layer(RequireScope::all(["files:read", "files:write"])), request).await.assert_ok();
}

#[tokio::test]
async fn r78_a_hook_for_scopes_that_panics_grants_nothing_and_spoils_no_other_request() {
    let fixture =
        with(|builder| builder.scope_implies(|granted, _| if granted == "bad" { panic!("hook") } else { true }));
    ask(&fixture, "scope:a", "bad", &[]).await.assert_is();
    ask(&fixture, "scope:a", "good", &[]).await.assert_ok();
    ask(&fixture, "scope:a", "a", &[]).await.assert_ok();
}

#[tokio::test]
async fn mcp_j_mcp_k_challenges_name_what_is_required_and_if_asked_what_is_held_as_well() {
    let named = |outcome: Outcome| outcome.error.unwrap().required_scope().map(String::from);
    let plain = Fixture::new();
    let union = with(ResourceServerBuilder::union_granted_scopes);
    let (required, all) = (Some("a b".to_owned()), Some("a b c".to_owned()));
    assert_eq!(named(ask(&plain, "scope:a and scope:b", "c b", &[]).await), required);
    assert_eq!(named(ask(&union, "scope:a and scope:b", "c b", &[]).await), all);
    assert_eq!(named(ask(&union, "scope:a and scope:b", "", &[]).await), required);
    assert_eq!(named(ask(&union, "role:admin", "c", &[]).await), None);
    let outcome = ask(&plain, "scope:a and scope:b", "", &[]).await;
    let challenge = crate::challenge::parse(outcome.challenges()[0]).unwrap();
    for name in ["error", "scope", "resource_metadata"] {
        assert!(challenge.parameters.contains_key(name), "{challenge:?}");
    }
}

#[test]
fn a_requirement_on_a_scope_is_the_question_for_a_permission() {
    let claims = tower_bearer::testing::TestClaims::new().roles(["admin"]).role_map(map()).build();
    for scope in ["orders:read", "orders:write", "orders"] {
        assert_eq!(Requirement::scope(scope).is_met(&claims), claims.has_permission(scope), "{scope}");
    }
}
