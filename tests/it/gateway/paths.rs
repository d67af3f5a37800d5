//! One path, one reading: for the rules and for the upstream.

use tower_bearer::testing::TestIssuer;

use super::client::raw;
use super::harness::{Gateway, top};
use super::upstream::Upstream;

const RULES: &str = "[[rules]]\npath = \"/{*rest}\"\naccess = \"public\"\n[[rules]]\npath = \"/\"\naccess = \"public\"\n\
                     [[rules]]\npath = \"/admin/{*rest}\"\naccess = \"deny\"\n";

/// The status line's code and the body, of a request whose target stands on the wire as it is.
async fn target(gateway: &Gateway, target: &str) -> (String, String) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", gateway.address);
    let answer = raw(gateway.address, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.split(' ').nth(1).unwrap_or_default().into(), body.into())
}

#[tokio::test]
async fn a_path_that_can_be_read_in_two_ways_is_400_where_rules_are_in_force() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&format!("{}{RULES}", top(&issuer)));
    for path in [
        "//",
        "//admin/x",
        "/a//b",
        "/a%2Fb",
        "/a%2fb",
        "/admin%2Fx",
        "/a\\b",
        "/a%5Cb",
        "/a%5cb",
        "/a;b",
        "/a;x=1/b",
        "/a%00b",
        "/a%",
        "/a%2",
        "/a%zz",
        "/a/..//admin/x",
        "*",
    ] {
        assert_eq!(target(&gateway, path).await.0, "400", "{path}");
    }
    for path in ["/a/b", "/a%20b", "/a%3Bb", "/a?b;c", "/a?x=//", "/a?x=%2F%zz"] {
        assert_eq!(target(&gateway, path).await.0, "200", "{path}");
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_walks_past_its_rule() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&format!("{}{RULES}", top(&issuer)));
    for path in [
        "/admin/x",
        "/%61dmin/x",
        "/%61%64%6d%69%6E/x",
        "/a/../admin/x",
        "/./admin/x",
        "/a/%2e%2e/admin/x",
        "/a/.%2E/admin/x",
        "/../admin/x",
        "/admin/./x",
        "/admin/x/",
        "/admin/x?y",
        "http://other.example/admin/x",
    ] {
        assert_eq!(target(&gateway, path).await.0, "401", "{path}");
    }
    assert_eq!(target(&gateway, "/admin/../x").await.0, "200");
}

#[tokio::test]
async fn the_upstream_gets_the_normalized_path_and_the_query_as_it_was() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&format!("upstream = \"{}\"\n{}{RULES}", upstream.url(), top(&issuer)));
    for (sent, received) in [
        ("/a/%62/../c%c3%a4?x=%61/../b", "/a/c%C3%A4?x=%61/../b"),
        ("/%7Eme/./", "/~me/"),
        ("/", "/"),
        ("/?", "/?"),
        ("http://other.example/a/../b", "/b"),
    ] {
        let (status, body) = target(&gateway, sent).await;
        assert_eq!((status.as_str(), body.lines().next()), ("200", Some(&*format!("GET {received}"))), "{sent}");
    }
}

#[tokio::test]
async fn without_rules_the_path_is_passed_on_as_it_came() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let head = format!("upstream = \"{}\"\ndefault_access = \"public\"\n", upstream.url());
    let gateway = Gateway::start(&format!("{head}{}", top(&issuer)));
    for path in ["/a//b", "/a%2fb/../c", "/%61;x"] {
        let (status, body) = target(&gateway, path).await;
        assert_eq!((status.as_str(), body.lines().next()), ("200", Some(&*format!("GET {path}"))));
    }
}

#[tokio::test]
async fn no_tunnel_is_opened() {
    let issuer = TestIssuer::start().await;
    let gateway = Gateway::start(&format!("default_access = \"public\"\n{}", top(&issuer)));
    let answer = raw(gateway.address, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}
