//! `[forward]`: what the upstream learns of the caller, and from whom.

use bytes::Bytes;
use http::{HeaderMap, Request, Version};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::json;
use tower_bearer::testing::TestIssuer;

use super::client::{Reply, http1, http2, in_time};
use super::harness::{Gateway, top};
use super::mistakes::mistakes;
use super::upstream::{Upstream, full};

const RULES: &str = "[[rules]]\npath = \"/{*rest}\"\naccess = \"authenticated\"\n\
                     [[rules]]\npath = \"/public/{*rest}\"\naccess = \"public\"\n\
                     [[rules]]\npath = \"/maybe/{*rest}\"\naccess = \"optional\"\n";
const FORWARD: &str = "[forward]\nheaders = { \"x-auth-subject\" = \"sub\", \"x-auth-scope\" = \"scope\", \"x-auth-groups\" = \"groups\" }\n";

async fn before(issuer: &TestIssuer, upstream: &Upstream, forward: &str) -> Gateway {
    Gateway::start(&format!("upstream = \"{}\"\n{}{RULES}{forward}", upstream.url(), top(issuer)))
}

/// The lines that the upstream got for this field, in any spelling.
fn lines<'a>(reply: &'a Reply, name: &str) -> Vec<&'a str> {
    let same = |line: &&str| line.split(':').next().is_some_and(|field| field.replace('_', "-") == name);
    reply.text().lines().filter(same).collect()
}

#[tokio::test]
async fn the_upstream_gets_the_claims_that_are_named() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let gateway = before(&issuer, &upstream, FORWARD).await;
    let token = issuer.token().subject("alice").scope("a b").claim("groups", json!(["x", "y z"])).sign();
    let reply = gateway.get("/r", &token).await;
    assert_eq!(lines(&reply, "x-auth-subject"), ["x-auth-subject: alice"]);
    assert_eq!(lines(&reply, "x-auth-scope"), ["x-auth-scope: a b"]);
    assert_eq!(lines(&reply, "x-auth-groups"), ["x-auth-groups: x,y z"]);
    assert_eq!(lines(&reply, "authorization"), [format!("authorization: Bearer {token}")]);
    let unfit = issuer.token().subject("alice\r\nx-admin: 1").claim("groups", json!(["a,b"])).sign();
    let reply = gateway.get("/r", &unfit).await;
    assert_eq!(reply.status, 200);
    for name in ["x-auth-subject", "x-auth-groups", "x-admin"] {
        assert!(lines(&reply, name).is_empty(), "{name}: {}", reply.text());
    }
    assert_eq!(gateway.log().matches("claim_not_forwarded").count(), 2, "{}", gateway.log());
}

#[tokio::test]
async fn s10_05_what_a_client_sends_in_their_place_reaches_the_upstream_on_no_path() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let gateway = before(&issuer, &upstream, FORWARD).await;
    let token = issuer.token().subject("alice").sign();
    for (path, token, expected) in [
        ("/r", &*token, vec!["x-auth-subject: alice"]),
        ("/maybe/r", &token, vec!["x-auth-subject: alice"]),
        ("/maybe/r", "", vec![]),
        ("/public/r", "", vec![]),
        ("/public/r", &token, vec![]),
    ] {
        let mut request = Request::get(path)
            .header("X-Auth-Subject", "mallory")
            .header("x-auth-subject", "mallory")
            .header("x_auth_subject", "mallory")
            .header("X_AUTH-SUBJECT", "mallory")
            .header("x-auth-groups", "admin")
            .header("client-cert", ":AAAA:")
            .header("x-auth-other", "kept");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let reply = gateway.send(request).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(lines(&reply, "x-auth-subject"), expected, "{path}");
        assert!(!reply.text().contains("mallory") && !reply.text().contains("admin"), "{path}: {}", reply.text());
        assert!(lines(&reply, "client-cert").is_empty() && lines(&reply, "x-auth-other").len() == 1, "{path}");
    }
}

#[tokio::test]
async fn s10_05_trailers_of_a_client_carry_no_identity_to_the_upstream() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::with(|request| async move {
        let announced = format!("{:?}", request.headers().get("trailer"));
        let trailers = request.into_body().collect().await.unwrap().trailers().cloned();
        http::Response::new(full(format!("{announced} {trailers:?}")))
    })
    .await;
    let gateway = before(&issuer, &upstream, FORWARD).await;
    for (version, content_type) in [(Version::HTTP_11, "text/plain"), (Version::HTTP_2, "application/grpc")] {
        let trailers = HeaderMap::from_iter([
            ("x_auth_subject".parse().unwrap(), "mallory".parse().unwrap()),
            ("x-auth-groups".parse().unwrap(), "admin".parse().unwrap()),
            ("x-sum".parse().unwrap(), "7".parse().unwrap()),
        ]);
        let frames = [Frame::data(Bytes::from_static(b"a")), Frame::trailers(trailers)];
        let frames = frames.map(Ok::<_, std::convert::Infallible>);
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let head = Request::post(format!("http://{}/public/r", gateway.address)).version(version);
        let head = head.header("content-type", content_type).header("te", "trailers");
        let response = match version {
            Version::HTTP_2 => in_time(http2(gateway.address).await.send_request(head.body(body).unwrap())).await,
            _ => {
                let head = head.header("host", "a").header("trailer", "x_auth_subject, x-auth-groups, x-sum");
                in_time(http1(gateway.address).await.send_request(head.body(body).unwrap())).await
            }
        };
        let reply = Reply::read(response.unwrap()).await;
        assert!(reply.text().contains("\"x-sum\": \"7\""), "{version:?} {}", reply.text());
        assert!(!reply.text().contains("auth"), "{version:?} {}", reply.text());
    }
}

#[tokio::test]
async fn credentials_are_stripped_where_the_file_says_so_on_public_paths_too() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let gateway = before(&issuer, &upstream, "[dpop]\nmode = \"off\"\n[forward]\nstrip_credentials = true\n").await;
    let token = issuer.token().sign();
    for path in ["/r", "/public/r"] {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        let reply = gateway.send(request.header("dpop", "proof").header("client-cert", ":A:")).await;
        assert_eq!(reply.status, 200, "{path}");
        for name in ["authorization", "dpop", "client-cert"] {
            assert!(lines(&reply, name).is_empty(), "{path} {name}: {}", reply.text());
        }
    }
}

#[test]
fn mistakes_of_the_section_are_named_with_their_key_path() {
    let head = "resource = \"https://api.example.com\"\nissuers = [{ issuer = \"https://as.example.com\" }]\n";
    for (section, line) in [
        ("headers = { \"x a\" = \"sub\" }", "forward.headers.x a `sub`: must be the name of a header field"),
        ("headers = { host = \"sub\" }", "forward.headers.host `sub`: this field has a meaning of its own"),
        ("headers = { x-a = \"sub\", x_A = \"iss\" }", "forward.headers.x_A `iss`: stands twice"),
        ("headers = { x-a = \"\" }", "forward.headers.x-a ``: must name a claim"),
        ("headers = { x-a = 1 }", "forward.headers `{...}`: must be a table of strings"),
        ("headers = \"sub\"", "forward.headers `sub`: must be a table of strings"),
        ("strip_credentials = 1", "forward.strip_credentials `1`: must be true or false"),
        ("colour = 1", "forward.colour `...`: is not a setting here"),
    ] {
        let lines = mistakes(&format!("{head}[forward]\n{section}\n"));
        assert!(lines.len() == 1 && lines[0].starts_with(line), "{section}: {lines:?}");
    }
}
