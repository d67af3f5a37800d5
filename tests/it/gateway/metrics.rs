//! `metrics_path`: what operators see, bounded whatever callers send.

use std::collections::BTreeSet;

use tower_bearer::metric_names;
use tower_bearer::testing::TestIssuer;

use super::client::Reply;
use super::harness::{Gateway, top};

async fn gateway(issuer: &TestIssuer) -> Gateway {
    let rules = "[[rules]]\npath = \"/r\"\nrequire = \"scope:a\"\n";
    Gateway::start(&format!("metrics_path = \"/metrics\"\n{}{rules}", top(issuer)))
}

/// The names and labels of all series.
fn series(reply: &Reply) -> BTreeSet<String> {
    let lines = reply.text().lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

fn value(reply: &Reply, series: &str) -> f64 {
    let line = reply.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {}", reply.text())).parse().unwrap()
}

#[tokio::test]
async fn the_metrics_are_public_prometheus_text_with_the_documented_names() {
    let issuer = TestIssuer::start().await;
    let gateway = gateway(&issuer).await;
    let token = issuer.token().scope("a").sign();
    for (token, status) in [(&*token, 200), (&token, 200), ("", 401), ("bad", 401), (&issuer.token().sign(), 403)] {
        assert_eq!(gateway.get("/r", token).await.status, status);
    }
    let reply = gateway.get("/metrics", "").await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-type")),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    // What this gateway has no occasion for.
    let absent = [metric_names::AUDIT_DROPPED, metric_names::INTROSPECTIONS];
    for name in metric_names::ALL.iter().filter(|name| !absent.contains(name)) {
        assert!(reply.text().contains(&format!("# TYPE {name} ")), "{name} in {}", reply.text());
    }
    let requests = |outcome: &str| value(&reply, &format!("{}{{outcome=\"{outcome}\"}}", metric_names::REQUESTS));
    assert_eq!((requests("authenticated"), requests("missing_token"), requests("insufficient_scope")), (3.0, 1.0, 1.0));
    assert_eq!((value(&reply, metric_names::CACHE_HITS), value(&reply, metric_names::CACHE_ENTRIES)), (1.0, 2.0));
    let refreshed = format!("{}{{issuer=\"{}\",outcome=\"ok\"}}", metric_names::KEY_REFRESHES, issuer.url());
    assert!(value(&reply, &refreshed) >= 1.0);
    assert_eq!(gateway.call("HEAD", "/metrics", "").await.status, 200);
    assert_eq!(gateway.call("POST", "/metrics", "").await.status, 405);
    for other in ["/metrics/", "/Metrics", "/%6detrics", "/metrics/x"] {
        assert_eq!(gateway.get(other, "").await.status, 401, "{other}");
    }
}

#[tokio::test]
async fn nothing_that_a_caller_sends_becomes_a_series() {
    let issuer = TestIssuer::start().await;
    let gateway = gateway(&issuer).await;
    let hostile = |number: usize| {
        let name = format!("stranger-{number}");
        let token = issuer.token().subject(&name).client_id(&name).scope(&name);
        match number % 5 {
            0 => token,
            1 => token.claim("iss", format!("https://{name}.example.com")),
            2 => token.header("kid", &name),
            3 => token.header("alg", &name),
            _ => token.typ(&name),
        }
    };
    let mut all = BTreeSet::new();
    for number in 0..60 {
        let path = format!("/{}", ["r", &format!("stranger-{number}")][number % 2]);
        let method = if number % 3 == 0 { format!("STRANGER{number}") } else { "GET".into() };
        gateway.call(&method, &path, &hostile(number).sign()).await;
        if number == 29 {
            all = series(&gateway.get("/metrics", "").await);
        }
    }
    let reply = gateway.get("/metrics", "").await;
    assert!(!reply.text().to_lowercase().contains("stranger"), "{}", reply.text());
    assert_eq!(series(&reply), all);
}

#[tokio::test]
async fn without_metrics_path_there_are_no_metrics() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&top(&issuer));
    assert_eq!(gateway.get("/metrics", "").await.status, 401);
}
