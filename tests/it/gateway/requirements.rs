//! `require` and the scopes that a challenge names.

use tower_bearer::testing::TestIssuer;

use super::harness::{Gateway, top};

async fn gateway(issuer: &TestIssuer, require: &str) -> Gateway {
    let rule = format!("[[rules]]\npath = \"/r\"\nrequire = '{require}'\n");
    Gateway::start(&format!("challenge_scope = \"first second\"\n{}{rule}", top(issuer)))
}

#[tokio::test]
async fn each_kind_of_check_passes_whom_it_names_and_nobody_else() {
    let issuer = TestIssuer::start().await;
    let other =
        || issuer.token().subject("bob").client_id("web").scope("ab").claim("roles", ["adm"]).claim("dept", "x");
    for (require, fits) in [
        ("scope:a", other().scope("b a")),
        ("role:admin", other().claim("roles", ["admin"])),
        ("client:shop", other().client_id("shop")),
        ("sub:alice", other().subject("alice")),
        ("claim:dept=sales", other().claim("dept", "sales")),
        ("claim:org.dept=sales", other().claim("org", serde_json::json!({"dept": ["sales"]}))),
        ("claim:n=7", other().claim("n", 7)),
        ("not sub:bob", other().subject("alice")),
        ("not (scope:ab or scope:c)", other().scope("a")),
        ("scope:a and role:adm", other().scope("a")),
        ("scope:a or role:admin", other().scope("a")),
        ("sub:\"alice (admin)\"", other().subject("alice (admin)")),
    ] {
        let gateway = gateway(&issuer, require).await;
        assert_eq!(gateway.get("/r", &fits.sign()).await.status, 200, "{require}");
        assert_eq!(gateway.get("/r", &other().sign()).await.status, 403, "{require}");
    }
}

#[tokio::test]
async fn the_challenge_names_all_scopes_of_the_alternative_that_lacks_fewest() {
    let issuer = TestIssuer::start().await;
    for (require, has, named) in [
        ("scope:a and scope:b", "", "a b"),
        ("scope:a and scope:b", "a", "a b"),
        ("scope:a or scope:b", "", "a"),
        ("(scope:a and scope:b) or scope:c", "", "c"),
        ("(scope:a and scope:b) or (scope:c and scope:d)", "d", "c d"),
        ("(scope:a and scope:b) or (scope:c and scope:d)", "", "a b"),
        ("scope:a and (scope:b or scope:c)", "c", "a c"),
        ("scope:a and role:admin", "", "a"),
        ("role:admin or scope:a", "", ""),
        ("scope:a and role:admin", "a", ""),
        ("role:admin", "a", ""),
        ("not scope:a", "a", ""),
    ] {
        let gateway = gateway(&issuer, require).await;
        let reply = gateway.get("/r", &issuer.token().scope(has).sign()).await;
        assert_eq!(reply.status, 403, "{require} with {has}");
        assert!(reply.challenge().contains("error=\"insufficient_scope\""), "{}", reply.challenge());
        let scope = reply.challenge().split("scope=\"").nth(1).map_or("", |rest| rest.split('"').next().unwrap());
        assert_eq!(scope, named, "{require} with `{has}`: {}", reply.challenge());
    }
}

#[tokio::test]
async fn a_401_is_answered_before_the_route_is_known_and_names_challenge_scope() {
    let issuer = TestIssuer::start().await;
    let gateway = gateway(&issuer, "scope:a").await;
    for path in ["/r", "/elsewhere"] {
        let reply = gateway.get(path, "").await;
        assert_eq!(reply.status, 401);
        assert!(reply.challenge().contains("scope=\"first second\""), "{}", reply.challenge());
    }
    let bad = gateway.get("/r", &issuer.token().expired().sign()).await;
    assert_eq!(bad.status, 401);
    assert!(!bad.challenge().contains("scope=\""), "{}", bad.challenge());
}

#[tokio::test]
async fn scope_claim_and_roles_claim_say_where_scopes_and_roles_stand() {
    let issuer = TestIssuer::start().await;
    let rules = "[[rules]]\npath = \"/s\"\nrequire = \"scope:a\"\n[[rules]]\npath = \"/r\"\nrequire = \"role:admin\"\n";
    let plain = Gateway::start(&format!("{}{rules}", top(&issuer)));
    let named = top(&issuer).replace(" }]", ", scope_claim = \"x.scp\", roles_claim = \"realm_access.roles\" }]");
    let named = Gateway::start(&format!("{named}{rules}"));
    let usual = issuer.token().scope("a").claim("roles", ["admin"]).sign();
    let list = issuer.token().claim("scope", ["a"]).sign();
    let nested = issuer.token().claim("x", serde_json::json!({"scp": ["a"]}));
    let nested = nested.claim("realm_access", serde_json::json!({"roles": ["admin"]})).sign();
    for (gateway, token, statuses) in [
        (&plain, &usual, [200, 200]),
        (&plain, &nested, [403, 403]),
        (&named, &usual, [403, 403]),
        (&named, &nested, [200, 200]),
    ] {
        let got = [gateway.get("/s", token).await, gateway.get("/r", token).await].map(|reply| reply.status.as_u16());
        assert_eq!(got, statuses);
    }
    assert_ne!(plain.get("/s", &list).await.status, 200, "an array counts only where the claim was named");
}

#[tokio::test]
async fn a_preset_and_client_ids_take_what_an_issuer_really_sends() {
    let issuer = TestIssuer::start().await;
    let rules = "[[rules]]\npath = \"/r\"\nrequire = \"role:clerks and client:web\"\n";
    let cognito = top(&issuer).replace(" }]", ", preset = \"cognito\", client_ids = [\"web\"] }]");
    let [plain, cognito] = [top(&issuer), cognito].map(|file| Gateway::start(&format!("{file}{rules}")));
    let token = || {
        let token = issuer.token().without_header("typ").without("aud").claim("token_use", "access");
        token.claim("cognito:groups", ["clerks"]).client_id("web")
    };
    for (gateway, token, status) in [
        (&cognito, token(), 200),
        (&cognito, token().client_id("other"), 401),
        (&cognito, token().audience("https://other.example.com"), 401),
        (&cognito, token().claim("cognito:groups", ["guests"]), 403),
        (&plain, token(), 401),
    ] {
        assert_eq!(gateway.get("/r", &token.sign()).await.status, status);
    }
}

#[tokio::test]
async fn c9470_3_rules_ask_for_a_level_and_an_age_of_the_authentication() {
    let issuer = TestIssuer::start().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let gateway = gateway(&issuer, "(acr:hw or acr:mfa) and max_age:5m and scope:a").await;
    let token = |acr: &str, ago: u64, scope: &str| {
        issuer.token().claim("acr", acr).claim("auth_time", now - ago).scope(scope).sign()
    };
    assert_eq!(gateway.get("/r", &token("mfa", 0, "a")).await.status, 200);
    for (acr, ago, scope, lacks_scope) in [("pwd", 0, "a", false), ("mfa", 400, "a", false), ("pwd", 400, "", true)] {
        let reply = gateway.get("/r", &token(acr, ago, scope)).await;
        assert_eq!(reply.status, 401);
        let challenge = reply.challenge();
        assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
        assert!(challenge.contains("acr_values=\"hw mfa\", max_age=\"300\""), "{challenge}");
        assert_eq!(challenge.contains("scope=\"a\""), lacks_scope, "{challenge}");
    }
    assert_eq!(gateway.get("/r", &token("mfa", 0, "")).await.status, 403);
}

#[tokio::test]
async fn several_scope_claims_grant_together() {
    let issuer = TestIssuer::start().await;
    let named = top(&issuer).replace(" }]", ", scope_claim = [\"scope\", \"permissions\"] }]");
    let gateway = Gateway::start(&format!("{named}[[rules]]\npath = \"/r\"\nrequire = 'scope:a and scope:b'\n"));
    let token =
        |scope: &str, permissions: &[&str]| issuer.token().scope(scope).claim("permissions", permissions).sign();
    assert_eq!(gateway.get("/r", &token("a", &["c", "b"])).await.status, 200);
    assert_eq!(gateway.get("/r", &token("a", &["c"])).await.status, 403);
    assert_eq!(gateway.get("/r", &token("", &["a", "b"])).await.status, 200);
}

#[tokio::test]
async fn the_majority_decides_and_a_tie_does_not_pass() {
    let issuer = TestIssuer::start().await;
    let gateway = gateway(&issuer, "majority(scope:a, role:admin, client:shop, sub:alice)").await;
    let token = || issuer.token().subject("bob").client_id("shop").scope("a");
    assert_eq!(gateway.get("/r", &token().subject("alice").sign()).await.status, 200);
    assert_eq!(gateway.get("/r", &token().sign()).await.status, 403);
}

#[tokio::test]
async fn roles_of_the_file_grant_scopes_and_inherit_roles() {
    let issuer = TestIssuer::start().await;
    let rule = "[[rules]]\npath = \"/r\"\nrequire = 'scope:orders:read'\n[[rules]]\npath = \"/w\"\nrequire = 'scope:orders:write and role:clerk'\n";
    let roles = "[roles]\nadmin = [\"orders:write\", \"role:clerk\"]\nclerk = [\"orders:read\"]\n";
    let gateway = Gateway::start(&format!("{}{rule}{roles}", top(&issuer)));
    for (role, read, write) in [("admin", 200, 200), ("clerk", 200, 403), ("guest", 403, 403)] {
        let token = issuer.token().claim("roles", [role]).sign();
        assert_eq!(gateway.get("/r", &token).await.status, read, "{role}");
        assert_eq!(gateway.get("/w", &token).await.status, write, "{role}");
    }
}
