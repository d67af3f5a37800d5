//! The catalogue of security tests for HTTP and composition (S10) that no other file holds.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceBuilder;
use tower_bearer::testing::{TestClaims, TokenBuilder};
use tower_bearer::{AuthLayer, RequireScope, ResourceRequest};

use crate::challenge;
use crate::support::{AS, Fixture, get, send_through};
use crate::wire;

fn bearer(token: TokenBuilder) -> Request<()> {
    get().header("authorization", format!("Bearer {}", token.sign())).body(()).unwrap()
}

#[tokio::test]
async fn s10_03_no_character_is_cut_in_two() {
    let fixture = Fixture::new();
    for value in ["Be\u{e4}rer x", "B\u{e9}a", "\u{65e5}\u{672c}\u{8a9e}", "Beare\u{e9}", "Bearer\u{e9}", "\u{fe}"] {
        let outcome = fixture.send(get().header("authorization", value.as_bytes()).body(()).unwrap()).await;
        assert!(outcome.status.is_client_error() && outcome.calls == 0, "{value}");
    }
}

#[tokio::test]
async fn s10_04_a_token_elsewhere_is_nothing_sent() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    let bearer = format!("Bearer {token}");
    for (name, value) in [
        ("cookie", format!("access_token={token}")),
        ("x-access-token", token.clone()),
        ("x-authorization", bearer.clone()),
        ("x-forwarded-authorization", bearer.clone()),
        ("proxy-authorization", bearer.clone()),
        ("sec-websocket-protocol", format!("access_token, {token}")),
        ("dpop", token.clone()),
        ("authentication", bearer.clone()),
    ] {
        fixture.send(get().header(name, value).body(()).unwrap()).await.assert_anon();
    }
    fixture.send(get().header("authorization", bearer).body(()).unwrap()).await.assert_ok();
}

#[tokio::test]
async fn s10_06_claims_that_stood_in_the_extensions_before_are_not_believed() {
    let fixture = Fixture::new();
    let other = Fixture::new();
    let token = other.token().sign();
    let foreign = other.server.authenticate(ResourceRequest::bearer(&token).unwrap()).await.unwrap();
    for claims in [TestClaims::new().build(), foreign] {
        fixture.send(get().extension(claims.clone()).body(()).unwrap()).await.assert_anon();
        let optional = AuthLayer::new(fixture.server.clone()).optional();
        let outcome = send_through(optional, get().extension(claims.clone()).body(()).unwrap()).await;
        assert!(outcome.calls == 1 && outcome.claims.is_none());
        let request = get().extension(claims).header("authorization", format!("Bearer {token}"));
        fixture.send(request.body(()).unwrap()).await.assert_it();
    }
}

#[tokio::test]
async fn s10_06_claims_of_another_token_of_this_server_are_replaced() {
    let fixture = Fixture::new();
    let alice = fixture.token().subject("alice").sign();
    let alice = fixture.server.authenticate(ResourceRequest::bearer(&alice).unwrap()).await.unwrap();
    let mut request = bearer(fixture.token().subject("bob"));
    request.extensions_mut().insert(alice.clone());
    let outcome = fixture.send(request).await;
    assert_eq!(outcome.claims.unwrap().subject(), Some("bob"));
    fixture.send(get().extension(alice).body(()).unwrap()).await.assert_anon();
}

#[tokio::test]
async fn s10_06_claims_that_were_kept_beyond_their_time_are_judged_again() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    let claims = fixture.server.authenticate(ResourceRequest::bearer(&token).unwrap()).await.unwrap();
    let request = || {
        let request = get().extension(claims.clone()).header("authorization", format!("Bearer {token}"));
        request.body(()).unwrap()
    };
    fixture.send(request()).await.assert_ok();
    fixture.clock.advance(std::time::Duration::from_secs(700));
    let late = fixture.send(request()).await;
    late.assert_it();
    assert_eq!(late.code(), "token_expired");
}

#[tokio::test]
async fn s10_12_no_method_goes_round_the_layer() {
    let fixture = Fixture::new();
    let unknown = "X".repeat(32);
    for method in ["HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "GETS", "get", "PROPFIND", "QUERY", &unknown] {
        let request = || get().method(method);
        fixture.send(request().body(()).unwrap()).await.assert_anon();
        let token = format!("Bearer {}", fixture.token().sign());
        fixture.send(request().header("authorization", token).body(()).unwrap()).await.assert_ok();
    }
}

#[tokio::test]
async fn s10_15_two_layers_with_two_policies_must_both_pass() {
    let fixture = Fixture::new();
    let named = |audience: &str| {
        let builder = tower_bearer::ResourceServer::builder(audience, AS).clock(fixture.clock.clone());
        builder.http_client(fixture.issuer.http_client()).build().unwrap()
    };
    let (one, two) = (named("urn:one"), named("urn:two"));
    let layers = || ServiceBuilder::new().layer(AuthLayer::new(one.clone())).layer(AuthLayer::new(two.clone()));
    let both = fixture.token().claim("aud", ["urn:one", "urn:two"]);
    send_through(layers(), bearer(both)).await.assert_ok();
    for (audience, refused_by) in [("urn:one", "urn:two"), ("urn:two", "urn:one")] {
        let outcome = send_through(layers(), bearer(fixture.token().audience(audience))).await;
        outcome.assert_it();
        assert_eq!(challenge::parse(outcome.challenges()[0]).unwrap().parameters["realm"], refused_by);
    }
}

#[tokio::test]
async fn s10_15_a_strict_layer_inside_an_optional_one_asks_for_a_token() {
    let fixture = Fixture::new();
    let auth = || AuthLayer::new(fixture.server.clone());
    let layers = || ServiceBuilder::new().layer(auth().optional()).layer(auth());
    send_through(layers(), get().body(()).unwrap()).await.assert_anon();
    send_through(layers(), bearer(fixture.token())).await.assert_ok();
    let stripped = ServiceBuilder::new().layer(auth().strip_credentials()).layer(auth());
    send_through(stripped, bearer(fixture.token())).await.assert_anon();
}

#[tokio::test]
async fn s10_18_an_upload_is_refused_before_it_is_asked_for() {
    let fixture = Fixture::new();
    let mut stream = wire::serve(&fixture.server).await;
    let upload =
        "POST /r HTTP/1.1\r\nhost: api.example.com\r\nexpect: 100-continue\r\ncontent-length: 10737418240\r\n\r\n";
    stream.write_all(upload.as_bytes()).await.unwrap();
    let mut answer = [0; 64];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn s10_21_a_websocket_handshake_is_refused_before_it_is_upgraded() {
    let fixture = Fixture::new();
    let handshake = || {
        let request = get().header("connection", "upgrade").header("upgrade", "websocket");
        request.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let token = fixture.token().sign();
    let in_protocol = handshake().header("sec-websocket-protocol", format!("bearer, {token}"));
    fixture.send(handshake().body(()).unwrap()).await.assert_anon();
    fixture.send(in_protocol.body(()).unwrap()).await.assert_anon();
    fixture.send(handshake().header("authorization", format!("Bearer {token}")).body(()).unwrap()).await.assert_ok();
}

#[tokio::test]
async fn s10_23_every_form_of_a_request_target_is_protected_alike() {
    let fixture = Fixture::new();
    let long = format!("/{}", "a".repeat(8 * 1024));
    for (method, target) in [
        (Method::GET, "https://api.example.com/r"),
        (Method::GET, "https://api.example.com"),
        (Method::OPTIONS, "*"),
        (Method::CONNECT, "api.example.com:443"),
        (Method::GET, long.as_str()),
        (Method::GET, "/r?x=%00%ff&"),
    ] {
        let request = || Request::builder().method(&method).uri(target);
        fixture.send(request().body(()).unwrap()).await.assert_anon();
        let token = format!("Bearer {}", fixture.token().sign());
        fixture.send(request().header("authorization", token).body(()).unwrap()).await.assert_ok();
    }
}

#[tokio::test]
async fn s10_25_the_body_hook_chooses_the_body_and_nothing_else() {
    let own = Fixture::with(
        |issuer| issuer,
        |builder| builder.refusal_body(|refusal| (HeaderValue::from_static("text/plain"), Bytes::from(refusal.code))),
    );
    let plain = Fixture::new();
    for (scope, authorization) in [("a", None), ("a", Some("Bearer")), ("a", Some("Bearer abc"))] {
        let mut requests = [get(), get()]
            .map(|get| {
                authorization.iter().fold(get, |get, value| get.header("authorization", *value)).body(()).unwrap()
            })
            .into_iter();
        let mut send = |fixture: &Fixture| {
            let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone()));
            send_through(layers.layer(RequireScope::all([scope])), requests.next().unwrap())
        };
        let (mut own, mut plain) = (send(&own).await, send(&plain).await);
        assert_eq!(own.headers.remove("content-type").unwrap(), "text/plain");
        assert_eq!(plain.headers.remove("content-type").unwrap(), "application/problem+json");
        assert_eq!((own.status, &own.headers), (plain.status, &plain.headers));
        assert_eq!(own.body, own.code());
    }
}

#[tokio::test]
async fn s10_25_a_body_hook_that_panics_costs_its_body_only() {
    let fixture = Fixture::with(|issuer| issuer, |builder| builder.refusal_body(|_| panic!("a mistake in the hook")));
    let outcome = fixture.send(get().body(()).unwrap()).await;
    outcome.assert_anon();
    assert_eq!(outcome.headers["content-type"], "application/problem+json");
    assert_eq!(outcome.status, StatusCode::UNAUTHORIZED);
}
