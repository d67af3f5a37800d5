//! `admin_listen`: health and readiness, for probes only.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tower_bearer::testing::{Endpoint, TestIssuer};

use super::client::{Reply, eventually, send};
use super::harness::{DEADLINE, Folder, Gateway, top};

async fn start(file: &str) -> (Gateway, SocketAddr) {
    let mut gateway = Gateway::start(&format!("admin_listen = \"127.0.0.1:0\"\n{file}"));
    let admin = gateway.line().strip_prefix("admin on http://").unwrap().parse().unwrap();
    (gateway, admin)
}

async fn ask(admin: SocketAddr, method: &str, path: &str, host: Option<&str>) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(host) = host {
        request = request.header("host", host);
    }
    send(admin, request.body("").unwrap()).await
}

async fn get(admin: SocketAddr, path: &str) -> Reply {
    ask(admin, "GET", path, None).await
}

async fn ready(admin: SocketAddr) -> bool {
    get(admin, "/ready").await.status == 200
}

#[tokio::test]
async fn health_tells_of_each_issuer_and_ready_says_yes_once_all_have_keys() {
    let (one, two) = (TestIssuer::start().await, TestIssuer::start().await);
    let file = top(&one).replace(" }]", &format!(" }}, {{ issuer = \"{}\" }}]", two.url()));
    let (_gateway, admin) = start(&file).await;
    assert!(eventually(DEADLINE, || ready(admin)).await);
    let health = get(admin, "/health").await;
    assert_eq!((health.status.as_u16(), health.header("content-type")), (200, "application/json"));
    let json = health.json();
    assert_eq!(json["status"], "ok");
    let issuers = json["issuers"].as_array().unwrap();
    let mut names: Vec<&str> = issuers.iter().map(|issuer| issuer["issuer"].as_str().unwrap()).collect();
    names.sort_unstable();
    let mut expected = [one.url(), two.url()];
    expected.sort_unstable();
    assert_eq!(names, expected);
    for issuer in issuers {
        let mut members: Vec<&String> = issuer.as_object().unwrap().keys().collect();
        members.sort_unstable();
        assert_eq!(members, ["age_s", "issuer", "keys", "last_error", "next_attempt_s"]);
        assert_eq!((&issuer["keys"], &issuer["last_error"]), (&json!("fresh"), &Value::Null));
        assert!(issuer["age_s"].is_u64(), "{issuer}");
    }
}

#[tokio::test]
async fn an_issuer_without_keys_makes_it_unready_until_it_returns_without_any_traffic() {
    let (up, down) = (TestIssuer::start().await, TestIssuer::start().await);
    let outage = Response::builder().status(500).body(Bytes::from("secret detail")).unwrap();
    down.answer_with(Endpoint::Metadata, Some(outage));
    let file = top(&up).replace(" }]", &format!(" }}, {{ issuer = \"{}\" }}]", down.url()));
    let (_gateway, admin) = start(&file).await;
    let half = || async { get(admin, "/health").await.json()["status"] == "degraded" };
    assert!(eventually(DEADLINE, half).await);
    assert_eq!(get(admin, "/ready").await.status, 503);
    let health = get(admin, "/health").await;
    assert!(!health.text().contains("secret detail"), "{}", health.text());
    let of_down = health.json()["issuers"].as_array().unwrap().iter().find(|one| one["issuer"] == down.url()).cloned();
    let of_down = of_down.unwrap();
    assert_eq!((&of_down["keys"], &of_down["age_s"]), (&json!("missing"), &Value::Null));
    assert!(of_down["last_error"].is_string(), "{of_down}");
    down.answer_with(Endpoint::Metadata, None);
    assert!(eventually(Duration::from_secs(6), || ready(admin)).await);
    assert_eq!(get(admin, "/health").await.json()["status"], "ok");
}

#[tokio::test]
async fn with_no_keys_at_all_it_is_down_and_health_is_still_200() {
    let issuer = TestIssuer::start().await;
    issuer.answer_with(Endpoint::Metadata, Some(Response::builder().status(500).body(Bytes::new()).unwrap()));
    let (_gateway, admin) = start(&top(&issuer)).await;
    let health = get(admin, "/health").await;
    assert_eq!((health.status.as_u16(), &health.json()["status"]), (200, &json!("down")));
}

#[tokio::test]
async fn the_admin_listener_answers_to_addresses_and_localhost_only() {
    let issuer = TestIssuer::start().await;
    let (_gateway, admin) = start(&top(&issuer)).await;
    for host in ["127.0.0.1", "127.0.0.1:80", "localhost", "LOCALHOST:9", "[::1]", "[::1]:80"] {
        assert_eq!(ask(admin, "GET", "/health", Some(host)).await.status, 200, "{host}");
    }
    for host in ["evil.example.com", "127.0.0.1.evil.example.com", "localhost.evil.example.com:80", "a:b", ""] {
        let reply = ask(admin, "GET", "/health", Some(host)).await;
        assert!(reply.status.is_client_error(), "{host}: {reply:?}");
        assert!(!reply.text().contains(issuer.url()), "{host}");
    }
}

#[tokio::test]
async fn the_two_listeners_do_not_answer_for_each_other() {
    let issuer = TestIssuer::start().await;
    let (gateway, admin) = start(&top(&issuer)).await;
    for path in ["/health", "/ready"] {
        assert_eq!(gateway.get(path, "").await.status, 401, "{path}");
        assert_eq!(ask(admin, "POST", path, None).await.status, 405, "{path}");
        assert_eq!(ask(admin, "HEAD", path, None).await.body.len(), 0, "{path}");
    }
    for path in ["/", "/r", "/revoke", "/.well-known/oauth-protected-resource", "/health/", "/metrics"] {
        let reply = get(admin, path).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (404, "application/problem+json"), "{path}");
    }
}

#[tokio::test]
async fn an_issuer_of_opaque_tokens_that_publishes_no_keys_is_healthy_and_ready() {
    let issuer = TestIssuer::start().await;
    let url = issuer.url();
    let endpoint = format!("{url}/introspect");
    let document = json!({"issuer": url, "introspection_endpoint": endpoint}).to_string();
    let metadata = Response::builder().header("content-type", "application/json").body(document.into()).unwrap();
    issuer.answer_with(Endpoint::Metadata, Some(metadata));
    let asks = "introspection = { client_id = \"test-client\", client_secret_env = \"CLIENT_SECRET\" } }]";
    let file = top(&issuer).replace(" }]", &format!(", {asks}"));
    let file = format!("admin_listen = \"127.0.0.1:0\"\n{file}");
    let mut gateway = Gateway::start_in(Folder::new(), &file, |command| {
        command.env("CLIENT_SECRET", "test-secret");
    });
    let admin: SocketAddr = gateway.line().strip_prefix("admin on http://").unwrap().parse().unwrap();
    assert!(eventually(DEADLINE, || ready(admin)).await);
    let health = get(admin, "/health").await.json();
    let of_issuer = &health["issuers"][0];
    assert_eq!((&health["status"], &of_issuer["keys"]), (&json!("ok"), &json!("fresh")));
    assert_eq!((&of_issuer["age_s"], &of_issuer["last_error"]), (&Value::Null, &Value::Null));
}
