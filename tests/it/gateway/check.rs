//! `mode = "check"`: which request is asked about, and what a proxy in front is told.

use http::Request;
use serde_json::json;
use tower_bearer::testing::TestIssuer;

use super::client::Reply;
use super::harness::{Gateway, top};

const RULES: &str = "[[rules]]\npath = \"/open/{*rest}\"\naccess = \"public\"\n\
                     [[rules]]\npath = \"/maybe\"\naccess = \"optional\"\n\
                     [[rules]]\npath = \"/orders/{id}\"\nrequire = \"scope:read\"\n\
                     [[rules]]\npath = \"/orders/{id}\"\nmethods = [\"DELETE\"]\nrequire = \"scope:write\"\n\
                     [forward]\nheaders = { \"x-auth-subject\" = \"sub\", \"x-auth-groups\" = \"groups\" }\n";

fn start(issuer: &TestIssuer, rest: &str) -> Gateway {
    Gateway::start(&format!("mode = \"check\"\n{}{rest}", top(issuer)))
}

const NGINX: [&str; 2] = ["x-original-method", "x-original-uri"];
const TRAEFIK: [&str; 2] = ["x-forwarded-method", "x-forwarded-uri"];

/// Asks as a proxy with these fields does.
async fn ask(gateway: &Gateway, target: &str, fields: &[(&str, &str)], token: &str) -> Reply {
    let mut request = Request::get(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    gateway.send(request).await
}

#[tokio::test]
async fn nginx_traefik_and_envoy_ask_in_their_own_ways_and_the_original_request_is_judged() {
    let issuer = TestIssuer::start().await;
    let gateway = start(&issuer, RULES);
    let (reader, other) = (issuer.token().scope("read").sign(), issuer.token().sign());
    for (method, target, token, status) in [
        ("GET", "/orders/7", "", 401),
        ("GET", "/orders/7", &*other, 403),
        ("GET", "/orders/7?x=/open/a", &reader, 200),
        ("DELETE", "/orders/7", &reader, 403),
        ("POST", "/open/a", "", 200),
        ("GET", "/open/../orders/7", "", 401),
        ("GET", "/elsewhere", &reader, 403),
    ] {
        for [name_of_method, name_of_target] in [NGINX, TRAEFIK] {
            let fields = [(name_of_method, method), (name_of_target, target)];
            let reply = ask(&gateway, "/auth", &fields, token).await;
            assert_eq!(reply.status, status, "{method} {target} {name_of_method}");
            assert_eq!(reply.challenge().is_empty(), status == 200, "{method} {target} {name_of_method}");
        }
        let reply = gateway.call(method, &format!("/envoy{target}"), token).await;
        assert_eq!(reply.status, status, "{method} {target} envoy");
    }
}

#[tokio::test]
async fn the_answer_carries_who_calls_and_overwrites_what_a_client_sent() {
    let issuer = TestIssuer::start().await;
    let gateway = start(&issuer, RULES);
    let token = issuer.token().subject("alice").claim("groups", json!(["a", "b"])).sign();
    let fields =
        |target| [(NGINX[0], "GET"), (NGINX[1], target), ("X_Auth_Subject", "mallory"), ("x-auth-groups", "admin")];
    let reply = ask(&gateway, "/auth", &fields("/maybe"), &token).await;
    assert_eq!((reply.header("x-auth-subject"), reply.header("x-auth-groups")), ("alice", "a,b"));
    assert_eq!((reply.header("cache-control"), reply.body.len()), ("no-store", 0));
    for target in ["/maybe", "/open/a"] {
        let reply = ask(&gateway, "/auth", &fields(target), "").await;
        assert_eq!(reply.status, 200);
        // Empty rather than absent, so that a proxy that copies it overwrites the client's.
        for name in ["x-auth-subject", "x-auth-groups"] {
            assert_eq!(reply.headers.get_all(name).iter().collect::<Vec<_>>(), [""], "{target} {name}");
        }
    }
    let refused = ask(&gateway, "/auth", &fields("/orders/7"), "").await;
    assert!(!refused.headers.contains_key("x-auth-subject"));
}

#[tokio::test]
async fn what_a_client_adds_to_the_fields_of_the_proxy_never_chooses_the_rule() {
    let issuer = TestIssuer::start().await;
    let gateway = start(&issuer, RULES);
    let set = [(NGINX[0], "DELETE"), (NGINX[1], "/orders/7")];
    for added in [
        vec![(TRAEFIK[0], "GET"), (TRAEFIK[1], "/open/a")],
        vec![(TRAEFIK[0], "GET"), (TRAEFIK[1], "/orders/7")],
        vec![(TRAEFIK[0], "DELETE"), (TRAEFIK[1], "/open/a")],
        vec![(TRAEFIK[1], "/open/a")],
        vec![(TRAEFIK[1], "/orders/7")],
        vec![(TRAEFIK[0], "GET")],
        vec![(NGINX[1], "/open/a")],
        vec![(NGINX[0], "GET")],
        vec![(NGINX[0], "DELETE"), (NGINX[1], "/orders/7")],
    ] {
        let reply = ask(&gateway, "/auth", &[&set[..], &added].concat(), "").await;
        assert_eq!(reply.status, 403, "{added:?}");
    }
    // Envoy passes fields on only where it is told to; they must not beat its request line either.
    for names in [NGINX, TRAEFIK] {
        let added = [(names[0], "GET"), (names[1], "/open/a")];
        assert_eq!(ask(&gateway, "/envoy/orders/7", &added, "").await.status, 403, "{names:?}");
        let alike = [(names[0], "GET"), (names[1], "/orders/7")];
        assert_eq!(ask(&gateway, "/envoy/orders/7", &alike, "").await.status, 401, "{names:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_say_what_it_asks_about_lets_nobody_pass() {
    let issuer = TestIssuer::start().await;
    let gateway = start(&issuer, RULES);
    let token = issuer.token().scope("read write").sign();
    for (target, fields) in [
        ("/orders/7", vec![]),
        ("/open/a", vec![]),
        ("/envoy", vec![]),
        ("/envoyed/open/a", vec![]),
        // A rule names methods, so one is needed.
        ("/auth", vec![(NGINX[1], "/open/a")]),
    ] {
        let reply = ask(&gateway, target, &fields, &token).await;
        assert_eq!(reply.status, 400, "{target} {fields:?}");
        assert!(reply.json()["detail"].as_str().unwrap().contains("X-Original-Method"), "{}", reply.text());
    }
    assert_eq!(gateway.log().matches("the proxy in front does not say").count(), 1, "{}", gateway.log());
    let without_methods = start(&issuer, "[[rules]]\npath = \"/a\"\naccess = \"public\"\n");
    assert_eq!(ask(&without_methods, "/auth", &[(NGINX[1], "/a")], "").await.status, 200);
    assert_eq!(ask(&without_methods, "/auth", &[(NGINX[1], "/b")], "").await.status, 401);
}

#[tokio::test]
async fn without_rules_the_path_is_of_no_interest() {
    let issuer = TestIssuer::start().await;
    let gateway = start(&issuer, "");
    assert_eq!(gateway.get("/r", &issuer.token().sign()).await.status, 200);
    assert_eq!(gateway.get("/r", "").await.status, 401);
    assert_eq!(gateway.get("/r", &issuer.token().expired().sign()).await.status, 401);
}

#[tokio::test]
async fn s10_14_no_spelling_of_the_original_path_walks_past_its_rule() {
    let issuer = TestIssuer::start().await;
    let gateway = start(&issuer, RULES);
    for (target, status) in [
        ("/open/../orders/7", 401),
        ("/open/%2e%2e/orders/7", 401),
        ("/%6Frders/7", 401),
        ("http://other.example/orders/7", 401),
        ("/open//orders/7", 403),
        ("//open/a", 403),
        ("/open/..%2forders/7", 403),
        ("/open/a%5c..", 403),
        ("/open/a;b", 403),
        ("/open/a%00", 403),
        ("/open/a%zz", 403),
        // What follows would be read here as a fragment, and as a path by a careless upstream.
        ("/open/a#/../../orders/7", 403),
        ("open/a", 403),
        ("*", 403),
        ("other.example:80", 403),
        ("", 403),
    ] {
        let reply = ask(&gateway, "/auth", &[(NGINX[0], "GET"), (NGINX[1], target)], "").await;
        assert_eq!(reply.status, status, "{target}");
    }
    let bad_method = ask(&gateway, "/auth", &[(NGINX[0], "GE T"), (NGINX[1], "/open/a")], "").await;
    assert_eq!(bad_method.status, 403);
}

#[tokio::test]
async fn s10_14_what_the_service_behind_may_read_in_another_way_than_the_rules_never_passes() {
    let issuer = TestIssuer::start().await;
    let gateway = start(&issuer, RULES);
    let reader = issuer.token().scope("read").sign();
    for (target, status) in [
        ("/open/a", 200),
        ("/orders/../open/a", 403),
        ("/orders/7/%2e%2e/../open/a", 403),
        ("/./open/a", 403),
        ("/op%65n/a", 403),
        ("/open/%7Ea", 403),
        ("/orders/7", 200),
        ("/open/../orders/7", 403),
        // Old pages write escapes in small letters, which no service takes for another path.
        ("/open/%c3%a4", 200),
        ("/open/%C3%A4?next=/../x", 200),
        // The document of the gateway, where an answer of 200 would be a pass.
        ("/.well-known/%6Fauth-protected-resource", 403),
    ] {
        let reply = ask(&gateway, "/auth", &[(NGINX[0], "GET"), (NGINX[1], target)], &reader).await;
        assert_eq!(reply.status, status, "{target}");
        assert_eq!(gateway.call("GET", &format!("/envoy{target}"), &reader).await.status, status, "{target} envoy");
    }
    let without_rules = start(&issuer, "");
    let fields = [(NGINX[0], "GET"), (NGINX[1], "/a/../b")];
    assert_eq!(ask(&without_rules, "/auth", &fields, &reader).await.status, 200);
}

#[tokio::test]
async fn s10_05_a_client_behind_a_proxy_that_names_no_method_is_no_preflight() {
    let issuer = TestIssuer::start().await;
    let preflight = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
    let by_client = [NGINX, TRAEFIK].map(|names| vec![(names[0], "OPTIONS"), (names[1], "/a")]);
    for rules in ["", "[[rules]]\npath = \"/a\"\nrequire = \"scope:read\"\n"] {
        let gateway = start(&issuer, rules);
        for fields in &by_client {
            let reply = ask(&gateway, "/auth", &[&fields[..], &preflight].concat(), "").await;
            assert_eq!(reply.status, 401, "{rules} {fields:?}");
        }
    }
    let open = "[[rules]]\npath = \"/a\"\nmethods = [\"OPTIONS\"]\naccess = \"public\"\n";
    let reply = ask(&start(&issuer, open), "/auth", &[&by_client[0][..], &preflight].concat(), "").await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn malformed_credentials_are_401_with_their_challenge_and_an_outage_stays_503() {
    let issuer = TestIssuer::start().await;
    let gateway = start(&issuer, "");
    let two = Request::get("/r").header("authorization", "Bearer a").header("authorization", "Bearer b");
    let reply = gateway.send(two).await;
    assert_eq!(reply.status, 400, "asked about itself, it answers as ever");
    let fields = [(NGINX[0], "GET"), (NGINX[1], "/r"), ("authorization", "Bearer a"), ("authorization", "Bearer b")];
    let reply = ask(&gateway, "/auth", &fields, "").await;
    assert_eq!(reply.status, 401);
    assert!(reply.challenge().contains("error=\"invalid_request\""), "{}", reply.challenge());
    let url = issuer.url().to_owned();
    drop(issuer);
    let file =
        format!("mode = \"check\"\nresource = \"https://api.example.com\"\nissuers = [{{ issuer = \"{url}\" }}]\n");
    let down = Gateway::start(&file);
    let elsewhere = TestIssuer::start().await;
    let token = elsewhere.token().claim("iss", &*url).sign();
    let reply = ask(&down, "/auth", &[(NGINX[0], "GET"), (NGINX[1], "/r")], &token).await;
    assert_eq!((reply.status.as_u16(), reply.headers.contains_key("retry-after")), (503, true));
}

#[tokio::test]
async fn the_documents_of_the_gateway_are_served_and_never_let_an_original_request_pass() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&format!("mode = \"check\"\nmetrics_path = \"/metrics\"\n{}{RULES}", top(&issuer)));
    let metadata = "/.well-known/oauth-protected-resource";
    assert_eq!(gateway.get(metadata, "").await.status, 200);
    assert_eq!(gateway.get("/metrics", "").await.status, 200);
    for (target, status) in [(metadata, 403), ("/metrics", 401)] {
        let reply = ask(&gateway, "/auth", &[(NGINX[0], "GET"), (NGINX[1], target)], "").await;
        assert_eq!(reply.status, status, "{target}");
        assert_eq!(ask(&gateway, &format!("/envoy{target}"), &[], "").await.status, status, "{target}");
    }
}

#[tokio::test]
async fn s10_22_a_refused_call_of_grpc_is_no_200_that_the_proxy_would_take_for_a_pass() {
    let issuer = TestIssuer::start().await;
    let gateway = start(&issuer, RULES);
    let (reader, other) = (issuer.token().scope("read").sign(), issuer.token().sign());
    for (token, status) in [("", 401), ("bad", 401), (&*other, 403), (&*reader, 200)] {
        let fields =
            [("x-original-method", "POST"), ("x-original-uri", "/orders/7"), ("content-type", "application/grpc")];
        let reply = ask(&gateway, "/auth", &fields, token).await;
        assert_eq!(reply.status, status, "{token}");
        assert!(reply.headers.get("grpc-status").is_none());
    }
}
