//! The reverse proxy: what reaches the upstream and what comes back.

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tower_bearer::testing::TestIssuer;

use super::client::send;
use super::harness::{Gateway, top};
use super::upstream::{Upstream, full};

/// A gateway that asks for a token everywhere but below `/public`.
async fn before(issuer: &TestIssuer, upstream: &str) -> Gateway {
    let rules = "[[rules]]\npath = \"/{*rest}\"\naccess = \"authenticated\"\n\
                 [[rules]]\npath = \"/public/{*rest}\"\naccess = \"public\"\n";
    Gateway::start(&format!("upstream = \"{upstream}\"\nmode = \"proxy\"\n{}{rules}", top(issuer)))
}

#[tokio::test]
async fn a_request_is_passed_on_with_its_method_headers_and_body_and_a_refused_one_is_not() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::with(|request| async move {
        let mut answer = format!("{} {} {:?} ", request.method(), request.uri(), request.headers()["x-a"]);
        answer += std::str::from_utf8(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
        Response::builder().status(418).header("x-b", "c").body(full(answer)).unwrap()
    })
    .await;
    let gateway = before(&issuer, &upstream.url()).await;
    let request = || Request::put("/a?b=c").header("x-a", "d");
    let token = format!("Bearer {}", issuer.token().sign());
    let reply = send(gateway.address, request().header("authorization", token).body("hello").unwrap()).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-b")), (418, "c"));
    assert_eq!(reply.text(), "PUT /a?b=c \"d\" hello");
    let reply = send(gateway.address, request().body("hello").unwrap()).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-b")), (401, ""));
}

#[tokio::test]
async fn hop_by_hop_fields_stay_on_their_connection_in_both_directions() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::with(|request| async move {
        let names: Vec<&str> = request.headers().keys().map(|name| name.as_str()).collect();
        Response::builder()
            .header("connection", "x-mine")
            .header("x-mine", "1")
            .header("keep-alive", "timeout=5")
            .header("x-kept", "1")
            .body(full(format!(" {} ", names.join(" "))))
            .unwrap()
    })
    .await;
    let gateway = before(&issuer, &upstream.url()).await;
    let request = Request::get("/public/a")
        .header("connection", "keep-alive, X-Hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header("te", "gzip")
        .header("upgrade", "websocket")
        .header("x-kept", "1");
    let reply = gateway.send(request).await;
    for name in ["x-hop", "keep-alive", "proxy-connection", "te", "upgrade"] {
        assert!(!reply.text().contains(&format!(" {name} ")), "{name} in {}", reply.text());
    }
    assert!(reply.text().contains(" x-kept "), "{}", reply.text());
    assert_eq!((reply.header("x-kept"), reply.header("x-mine"), reply.header("keep-alive")), ("1", "", ""));
}

#[tokio::test]
async fn the_upstream_sees_the_name_by_which_the_client_called() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let gateway = before(&issuer, &upstream.url()).await;
    let reply = gateway.send(Request::get("/public/a").header("host", "shop.example.com")).await;
    assert!(reply.text().contains("\nhost: shop.example.com\n"), "{}", reply.text());
    let h2 = Request::get("http://shop.example.com/public/a").version(Version::HTTP_2).body("").unwrap();
    let reply = send(gateway.address, h2).await;
    assert!(reply.text().contains("\nhost: shop.example.com\n"), "{}", reply.text());
    let absolute = Request::get("http://shop.example.com/public/a").header("host", "other.example.com");
    let reply = gateway.send(absolute).await;
    assert!(reply.text().contains("\nhost: shop.example.com\n"), "{}", reply.text());
}

#[tokio::test]
async fn public_passes_whatever_the_authorization_field_holds() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::start().await;
    let gateway = before(&issuer, &upstream.url()).await;
    for value in ["Bearer", "Bearer x y", "Basic YTpi", "Bearer expired.or.forged", "DPoP x", "", "Negotiate =="] {
        let request = || Request::get("/public/a").header("authorization", value);
        let reply = gateway.send(request()).await;
        assert_eq!(reply.status, 200, "{value}");
        assert!(reply.text().contains(&format!("\nauthorization: {value}\n")), "{value}: {}", reply.text());
        assert!(gateway.send(request().uri("/a")).await.status.is_client_error(), "{value}");
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_is_502_and_a_refusal_stays_a_refusal() {
    let issuer = TestIssuer::start().await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let gateway = before(&issuer, &format!("http://{closed}")).await;
    let reply = gateway.get("/a", &issuer.token().sign()).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (502, "application/problem+json"));
    assert_eq!(reply.challenge(), "");
    assert_eq!(gateway.get("/a", "").await.status, 401);
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_502_before_its_head_and_a_broken_body_after() {
    let issuer = TestIssuer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut head = [0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            if head[..read].starts_with(b"GET /public/late") {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
            }
        }
    });
    let gateway = before(&issuer, &url).await;
    assert_eq!(gateway.get("/public/early", "").await.status, 502);
    let mut client = super::client::http1(gateway.address).await;
    let request = Request::get("/public/late").header("host", "a").body(String::new()).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.is_err(), "a cut body must not look whole");
}

#[tokio::test]
async fn ten_mebibytes_arrive_as_they_were_sent_both_ways() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::with(|request| async move {
        let body = request.into_body().map_err(|error| panic!("{error}"));
        Response::new(body.boxed_unsync())
    })
    .await;
    let gateway = before(&issuer, &upstream.url()).await;
    let sent: Bytes = (0..10 * 1024 * 1024_u32).map(|at| ((at * 31) >> 3) as u8).collect();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let request = Request::post(format!("http://{}/public/a", gateway.address)).version(version);
        let reply = send(gateway.address, request.body(sent.clone()).unwrap()).await;
        assert_eq!(reply.status, 200);
        assert!(reply.body == sent, "{version:?}: {} bytes", reply.body.len());
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_passed_on_with_every_method_and_framed_in_one_way() {
    let issuer = TestIssuer::start().await;
    let upstream = Upstream::with(|request| async move {
        let framing = ["content-length", "transfer-encoding"].map(|name| request.headers().contains_key(name));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(full(format!("{framing:?} {}", String::from_utf8_lossy(&body))))
    })
    .await;
    let gateway = before(&issuer, &upstream.url()).await;
    for method in ["GET", "POST", "DELETE"] {
        for (framing, body, seen) in [
            ("Transfer-Encoding: chunked", "3\r\none\r\n0\r\n\r\n", "[false, true] one"),
            ("Content-Length: 3", "one", "[true, false] one"),
            ("Content-Length: 9\r\nTransfer-Encoding: chunked", "3\r\none\r\n0\r\n\r\n", "[false, true] one"),
        ] {
            let head = format!("{method} /public/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{framing}\r\n\r\n");
            let answer = super::client::raw(gateway.address, &(head + body)).await;
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(seen), "{method} {framing}: {answer}");
        }
    }
}
