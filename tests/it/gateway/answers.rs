//! What the gateway answers by itself: the JSON about a request, the metadata document, challenges, outages.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use serde_json::json;
use tower_bearer::testing::{Endpoint, TestIssuer};

use super::client::{eventually, send};
use super::harness::{Gateway, top};

#[tokio::test]
async fn without_an_upstream_the_answer_names_every_field_of_the_request() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&top(&issuer));
    let token = issuer.token().subject("alice").client_id("shop").scope("a b").claim("roles", ["admin"]);
    let token = token.audience("https://api.example.com").claim("exp", 4_000_000_000_u64).claim("dept", json!([1]));
    let claims: serde_json::Value = serde_json::from_str(&token.payload_json()).unwrap();
    let reply = gateway.call("PUT", "/a/b?c=d", &token.sign()).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/json"));
    let expected = json!({
        "method": "PUT", "path": "/a/b", "anonymous": false, "issuer": issuer.url(), "subject": "alice",
        "client_id": "shop", "audience": ["https://api.example.com"], "scopes": ["a", "b"], "roles": ["admin"],
        "expires_at": 4_000_000_000_u64, "token_type": "Bearer", "claims": claims,
    });
    assert_eq!(reply.json(), expected);
}

#[tokio::test]
async fn what_is_absent_is_null_or_empty_and_never_left_out() {
    let issuer = TestIssuer::start().await;
    let url = issuer.url();
    let gateway = Gateway::start(&format!(
        "resource = \"https://api.example.com\"\nissuers = [{{ issuer = \"{url}\", required_claims = [] }}]\n"
    ));
    let token = issuer.token().without("sub").without("client_id").without("iat").without("jti").sign();
    let answer = gateway.get("/", &token).await.json();
    assert_eq!(answer["subject"], json!(null));
    assert_eq!(answer["client_id"], json!(null));
    assert_eq!((&answer["scopes"], &answer["roles"]), (&json!([]), &json!([])));
    let anonymous = Gateway::start(&format!("default_access = \"optional\"\n{}", top(&issuer)));
    let expected = json!({
        "method": "GET", "path": "/x", "anonymous": true, "issuer": null, "subject": null, "client_id": null,
        "audience": [], "scopes": [], "roles": [], "expires_at": null, "token_type": null, "claims": {},
    });
    assert_eq!(anonymous.get("/x", "").await.json(), expected);
}

#[tokio::test]
async fn an_http_2_client_gets_the_same_answer_even_with_the_longest_token() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&top(&issuer));
    for pad in [0, 11_000] {
        let token = issuer.token().claim("pad", "y".repeat(pad)).sign();
        assert!(token.len() <= 16 * 1024);
        let h2 = Request::get(format!("http://{}/r", gateway.address)).version(Version::HTTP_2);
        let h2 = h2.header("authorization", format!("Bearer {token}")).body("").unwrap();
        let (h2, h1) = (send(gateway.address, h2).await, gateway.get("/r", &token).await);
        assert_eq!((h2.status.as_u16(), h1.status.as_u16()), (200, 200), "{} bytes", token.len());
        assert_eq!(h2.json(), h1.json());
    }
}

#[tokio::test]
async fn a_head_request_has_the_status_and_no_body() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&top(&issuer));
    for (token, status) in [(issuer.token().sign(), 200), (String::new(), 401)] {
        let reply = gateway.call("HEAD", "/r", &token).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (status, 0));
    }
}

#[tokio::test]
async fn the_metadata_document_is_public_and_every_challenge_points_to_it() {
    let issuer = TestIssuer::start().await;
    let file = format!("default_access = \"deny\"\nscopes_supported = [\"a\", \"b\"]\n{}", top(&issuer))
        .replace("example.com\"", "example.com/v1\"");
    let gateway = Gateway::start(&file);
    let path = "/.well-known/oauth-protected-resource/v1";
    let document = gateway.get(path, "").await;
    assert_eq!((document.status.as_u16(), document.header("content-type")), (200, "application/json"));
    let json = document.json();
    assert_eq!(json["resource"], "https://api.example.com/v1");
    assert_eq!(json["authorization_servers"], json!([issuer.url()]));
    assert_eq!(json["bearer_methods_supported"], json!(["header"]));
    assert_eq!(json["scopes_supported"], json!(["a", "b"]));
    let elsewhere = gateway.send(Request::get(path).header("host", "evil.example.com")).await;
    assert_eq!(elsewhere.json(), json);
    assert_eq!(gateway.call("POST", path, "").await.status, 405);
    let address = format!("resource_metadata=\"https://api.example.com{path}\"");
    let good = issuer.token().audience("https://api.example.com/v1").sign();
    for (token, status) in [("", 401), ("bad", 401), (&*good, 403)] {
        let reply = gateway.get("/r", token).await;
        assert_eq!(reply.status, status);
        assert!(reply.challenge().contains(&address) && !reply.challenge().contains("realm"), "{reply:?}");
    }
    assert_eq!(gateway.get("/.well-known/oauth-protected-resource", "").await.status, 401);
}

#[tokio::test]
async fn a_resource_that_is_no_url_has_a_realm_and_no_document() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&top(&issuer).replace("https://api.example.com", "orders-api"));
    let reply = gateway.get("/r", "").await;
    assert_eq!((reply.status.as_u16(), reply.challenge()), (401, "Bearer realm=\"orders-api\""));
    assert_eq!(gateway.get("/.well-known/oauth-protected-resource", "").await.status, 401);
    let token = issuer.token().audience("orders-api").sign();
    assert_eq!(gateway.get("/r", &token).await.json()["audience"], json!(["orders-api"]));
    assert_eq!(gateway.get("/r", &issuer.token().sign()).await.status, 401);
}

#[tokio::test]
async fn a_refusal_has_a_problem_body_without_an_error_code_where_nothing_was_sent() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&top(&issuer));
    let anonymous = gateway.get("/r", "").await;
    assert_eq!(anonymous.header("content-type"), "application/problem+json");
    assert_eq!(anonymous.json(), json!({"title": "Unauthorized", "status": 401}));
    assert_eq!(anonymous.header("cache-control"), "no-store");
    let bad = gateway.get("/r", &issuer.token().expired().sign()).await;
    assert_eq!((bad.status.as_u16(), &bad.json()["error"]), (401, &json!("invalid_token")));
    let twice = Request::get("/r").header("authorization", "Bearer a").header("authorization", "Bearer b");
    let twice = gateway.send(twice).await;
    assert_eq!((twice.status.as_u16(), &twice.json()["error"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn an_issuer_that_is_down_is_503_and_within_a_second_of_its_return_all_is_well() {
    let issuer = TestIssuer::start().await;
    let outage = Response::builder().status(500).body(Bytes::new()).unwrap();
    issuer.answer_with(Endpoint::Metadata, Some(outage.clone()));
    issuer.answer_with(Endpoint::Jwks, Some(outage));
    let gateway = Gateway::start(&top(&issuer));
    let token = issuer.token().sign();
    for token in [&*token, &issuer.token().expired().sign()] {
        let reply = gateway.get("/r", token).await;
        assert!(matches!(reply.status.as_u16(), 503 | 401), "{reply:?}");
        if reply.status == 503 {
            assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1, "{reply:?}");
            assert_eq!(reply.challenge(), "");
        }
    }
    assert_eq!(gateway.get("/r", &token).await.status, 503);
    assert_eq!(gateway.get("/r", "").await.status, 401);
    issuer.answer_with(Endpoint::Metadata, None);
    issuer.answer_with(Endpoint::Jwks, None);
    let back = || async { gateway.get("/r", &token).await.status == 200 };
    assert!(eventually(Duration::from_secs(1), back).await, "{}", gateway.log());
}
