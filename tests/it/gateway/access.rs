//! `default_access`, `access` and which rule is for a request.

use http::Request;
use tower_bearer::testing::TestIssuer;

use super::harness::{Gateway, top};

/// Statuses for no token, a good one, a bad one and another scheme.
async fn statuses(gateway: &Gateway, issuer: &TestIssuer, path: &str) -> [u16; 4] {
    let none = gateway.get(path, "").await;
    let good = gateway.get(path, &issuer.token().sign()).await;
    let bad = gateway.get(path, &issuer.token().expired().sign()).await;
    let basic = gateway.send(Request::get(path).header("authorization", "Basic YTpi")).await;
    [none, good, bad, basic].map(|reply| reply.status.as_u16())
}

const TABLE: [(&str, [u16; 4]); 4] = [
    ("authenticated", [401, 200, 401, 401]),
    ("optional", [200, 200, 401, 200]),
    ("public", [200, 200, 200, 200]),
    ("deny", [401, 403, 401, 401]),
];

#[tokio::test]
async fn default_access_says_who_passes_where_no_rule_fits() {
    let issuer = TestIssuer::start().await;
    for (access, expected) in TABLE {
        let gateway = Gateway::start(&format!("default_access = \"{access}\"\n{}", top(&issuer)));
        assert_eq!(statuses(&gateway, &issuer, "/r").await, expected, "{access}");
        let anonymous = gateway.get("/r", "").await;
        if anonymous.status == 200 {
            assert_eq!(anonymous.json()["anonymous"], true, "{access}");
        }
    }
}

#[tokio::test]
async fn access_of_a_rule_says_the_same_for_its_path() {
    let issuer = TestIssuer::start().await;
    let rules: String =
        TABLE.iter().map(|(access, _)| format!("[[rules]]\npath = \"/{access}\"\naccess = \"{access}\"\n")).collect();
    let gateway = Gateway::start(&format!("{}{rules}", top(&issuer)));
    for (access, expected) in TABLE {
        assert_eq!(statuses(&gateway, &issuer, &format!("/{access}")).await, expected, "{access}");
    }
    assert_eq!(gateway.get("/authenticated", &issuer.token().sign()).await.json()["anonymous"], false);
    // A bad token, even a good one, is no identity where nothing is asked.
    assert_eq!(gateway.get("/public", &issuer.token().sign()).await.json()["anonymous"], true);
}

#[tokio::test]
async fn default_access_is_authenticated_without_rules_and_deny_with_them() {
    let issuer = TestIssuer::start().await;
    let rule = "[[rules]]\npath = \"/a\"\naccess = \"public\"\n";
    let without = Gateway::start(&top(&issuer));
    assert_eq!(statuses(&without, &issuer, "/r").await, [401, 200, 401, 401]);
    let with = Gateway::start(&format!("{}{rule}", top(&issuer)));
    assert_eq!(statuses(&with, &issuer, "/r").await, [401, 403, 401, 401]);
    let open = Gateway::start(&format!("default_access = \"public\"\n{}{rule}", top(&issuer)));
    assert_eq!(statuses(&open, &issuer, "/r").await, [200, 200, 200, 200]);
}

/// One scope for each rule, so that the challenge tells which rule was taken.
const RULES: &str = r#"
    [[rules]]
    path = "/orders/{*rest}"
    require = "scope:all-orders"
    [[rules]]
    path = "/orders/{id}"
    require = "scope:one-order"
    [[rules]]
    path = "/orders/{id}"
    methods = ["GET"]
    require = "scope:read-order"
    [[rules]]
    path = "/orders/new"
    methods = ["POST"]
    require = "scope:new-order"
    [[rules]]
    path = "/orders/{id}/lines"
    require = "scope:lines"
    [[rules]]
    path = "/orders/search"
    methods = ["HEAD"]
    require = "scope:head"
    [[rules]]
    path = "/"
    require = "scope:root"
"#;

#[tokio::test]
async fn the_most_specific_rule_is_taken_and_a_dead_end_is_left_again() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&format!("{}{RULES}", top(&issuer)));
    let token = issuer.token().sign();
    for (method, path, scope) in [
        ("GET", "/orders/7", "read-order"),
        ("HEAD", "/orders/7", "read-order"),
        ("PUT", "/orders/7", "one-order"),
        ("PUT", "/orders/7/", "one-order"),
        ("POST", "/orders/new", "new-order"),
        ("PUT", "/orders/new", "one-order"),
        ("HEAD", "/orders/search", "head"),
        ("GET", "/orders/search", "read-order"),
        ("GET", "/orders/new/lines", "lines"),
        ("GET", "/orders/7/lines/", "lines"),
        ("GET", "/orders/7/lines/1", "all-orders"),
        ("GET", "/orders/7/other", "all-orders"),
        ("GET", "/", "root"),
        ("GET", "/?x=/orders/7", "root"),
    ] {
        let reply = gateway.call(method, path, &token).await;
        assert_eq!(reply.status, 403, "{method} {path}");
        assert!(reply.challenge().contains(&format!("scope=\"{scope}\"")), "{method} {path}: {}", reply.challenge());
        let allowed = gateway.call(method, path, &issuer.token().scope(scope).sign()).await;
        assert_eq!(allowed.status, 200, "{method} {path}");
    }
    for path in ["/orders", "/Orders/7", "/other"] {
        let reply = gateway.get(path, &token).await;
        assert_eq!(reply.status, 403, "{path}");
        assert!(!reply.challenge().contains("scope=\""), "{path}: {}", reply.challenge());
    }
}

#[tokio::test]
async fn everything_under_a_path_except_one_can_be_written() {
    let issuer = TestIssuer::start().await;
    let rules = "[[rules]]\npath = \"/docs/{*rest}\"\naccess = \"public\"\n\
                 [[rules]]\npath = \"/docs/internal/{*rest}\"\nrequire = \"role:staff\"\n";
    let gateway = Gateway::start(&format!("{}{rules}", top(&issuer)));
    assert_eq!(gateway.get("/docs/a/b", "").await.status, 200);
    assert_eq!(gateway.get("/docs/internal/b", "").await.status, 401);
    assert_eq!(gateway.get("/docs/internal/b", &issuer.token().claim("roles", ["staff"]).sign()).await.status, 200);
}
