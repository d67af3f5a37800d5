//! Tokens that are bound to a client certificate (RFC 8705), and certificates that a proxy passes on (RFC 9440).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::ConnectInfo;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::testing::{DpopProof, SigningKey, TokenBuilder};
use tower_bearer::{
    Access, AccessRules, Algorithm, AuthLayer, Mtls, PeerAddress, PeerCertificate, ProtectedResourceMetadata,
    RequireRules, ResourceServer, RouteRules, Scheme,
};

use crate::challenge;
use crate::support::{AS, Fixture, Outcome, RS, Reply, get, send_through};

/// What only has to begin like a certificate: nothing of it is read.
const CERTIFICATE: &[u8] = b"\x30\x82the certificate of the client";
const OTHER: &[u8] = b"\x30\x82another certificate";

fn fixture(mtls: Mtls) -> Fixture {
    Fixture::with(|issuer| issuer, |builder| builder.mtls(mtls))
}

fn bound(fixture: &Fixture) -> String {
    fixture.token().bound_to_certificate(CERTIFICATE).sign()
}

fn bearer(token: &str) -> http::request::Builder {
    get().header("authorization", format!("Bearer {token}"))
}

fn shown(der: &[u8]) -> PeerCertificate {
    PeerCertificate::from_der(der.to_vec())
}

fn field(der: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(der))
}

fn from(address: &str) -> PeerAddress {
    PeerAddress(address.parse().unwrap())
}

#[track_caller]
fn assert_mismatch(outcome: &Outcome) {
    outcome.assert_it();
    assert_eq!(outcome.code(), "certificate_mismatch");
    let [line] = outcome.challenges()[..] else { panic!("{outcome:?}") };
    let challenge = challenge::parse(line).unwrap();
    assert_eq!(challenge.parameters["error_description"], "The client certificate does not match the token");
}

#[tokio::test]
async fn c8705_3_a_c8705_3_b_the_certificate_of_the_connection_must_be_the_tokens_on_every_request() {
    let fixture = fixture(Mtls::new());
    let token = bound(&fixture);
    // Before and after the token was seen.
    for _ in 0..2 {
        let outcome = fixture.send(bearer(&token).extension(shown(CERTIFICATE)).body(()).unwrap()).await;
        outcome.assert_ok();
        assert_eq!(outcome.claims.unwrap().scheme(), Scheme::Bearer);
        assert_mismatch(&fixture.send(bearer(&token).extension(shown(OTHER)).body(()).unwrap()).await);
        assert_mismatch(&fixture.bearer(&token).await);
    }
    // Who is bound to none needs none, and may show one.
    let unbound = fixture.token().sign();
    fixture.bearer(&unbound).await.assert_ok();
    fixture.send(bearer(&unbound).extension(shown(OTHER)).body(()).unwrap()).await.assert_ok();
}

#[tokio::test]
async fn c8705_3_1_a_only_the_digest_of_the_der_in_base64url_binds() {
    let fixture = fixture(Mtls::new());
    let send = async |digest: String| {
        let token = fixture.token().claim("cnf", json!({"x5t#S256": digest})).sign();
        fixture.send(bearer(&token).extension(shown(CERTIFICATE)).body(()).unwrap()).await
    };
    let digest = |bytes: &[u8]| {
        let payload: Value = serde_json::from_str(&fixture.token().bound_to_certificate(bytes).payload_json()).unwrap();
        payload["cnf"]["x5t#S256"].as_str().unwrap().to_owned()
    };
    let good = digest(CERTIFICATE);
    send(good.clone()).await.assert_ok();
    let sum = URL_SAFE_NO_PAD.decode(&good).unwrap();
    let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(CERTIFICATE));
    let sha1 = URL_SAFE_NO_PAD.encode(&sum[..20]);
    for bad in [format!("{good}="), STANDARD.encode(&sum), hex, digest(pem.as_bytes()), sha1, good.to_lowercase()] {
        assert_mismatch(&send(bad).await);
    }
}

#[tokio::test]
async fn c8705_6_2_a_who_issued_the_certificate_and_when_it_ends_is_not_asked() {
    // Nothing behind the first bytes is a certificate at all.
    let fixture = fixture(Mtls::new());
    fixture.send(bearer(&bound(&fixture)).extension(shown(CERTIFICATE)).body(()).unwrap()).await.assert_ok();
}

#[tokio::test]
async fn c8705_off_a_certificate_is_worth_nothing_where_none_is_asked_for() {
    let fixture = Fixture::new();
    let outcome = fixture.send(bearer(&bound(&fixture)).extension(shown(CERTIFICATE)).body(()).unwrap()).await;
    outcome.assert_it();
    assert_eq!(outcome.code(), "certificate_bound");
}

#[tokio::test]
async fn c9440_a_the_field_is_believed_from_a_trusted_proxy_only() {
    let fixture = fixture(Mtls::new().trusted_proxies(["127.0.0.1/32", "10.0.0.0/8"]));
    let token = bound(&fixture);
    let with = |peer: Option<&str>, fields: &[&str]| {
        let request = fields.iter().fold(bearer(&token), |request, value| request.header("client-cert", *value));
        match peer {
            Some(peer) => request.extension(from(peer)).body(()).unwrap(),
            None => request.body(()).unwrap(),
        }
    };
    let good = field(CERTIFICATE);
    for peer in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3"] {
        fixture.send(with(Some(peer), &[&good])).await.assert_ok();
    }
    for peer in [None, Some("127.0.0.2"), Some("11.0.0.1"), Some("::1"), Some("203.0.113.9")] {
        assert_mismatch(&fixture.send(with(peer, &[&good])).await);
    }
    let bare = STANDARD.encode(CERTIFICATE);
    let joined = format!("{good}, {good}");
    let good = good.as_str();
    for fields in [&[][..], &[good, good], &[""], &["::"], &[&bare], &[&joined], &["x"]] {
        assert_mismatch(&fixture.send(with(Some("127.0.0.1"), fields)).await);
    }
    assert_mismatch(&fixture.send(with(Some("127.0.0.1"), &[&field(OTHER)])).await);
}

#[tokio::test]
async fn c9440_a_a_proxys_own_certificate_counts_for_no_token() {
    let fixture = fixture(Mtls::new().trusted_proxies(["127.0.0.1"]));
    let request = |peer: &str| bearer(&bound(&fixture)).extension(from(peer)).extension(shown(CERTIFICATE));
    assert_mismatch(&fixture.send(request("127.0.0.1").body(()).unwrap()).await);
    fixture.send(request("192.0.2.1").body(()).unwrap()).await.assert_ok();
    // Nor does what a client says of itself count for more than what it showed.
    let both = request("192.0.2.1").header("client-cert", field(OTHER));
    fixture.send(both.body(()).unwrap()).await.assert_ok();
}

/// The fields that the inner service saw.
async fn seen<L>(layer: L, request: Request<()>) -> HeaderMap
where
    L: Layer<tower::util::BoxCloneService<Request<()>, Reply, Infallible>>,
    L::Service: tower::Service<Request<()>, Response = Reply, Error = Infallible>,
{
    let seen: Arc<Mutex<HeaderMap>> = Arc::default();
    let noted = seen.clone();
    let inner = service_fn(move |request: Request<()>| {
        *noted.lock().unwrap() = request.headers().clone();
        async { Ok::<_, Infallible>(Reply::new(Full::new(Bytes::from_static(b"inner")))) }
    });
    let reply = layer.layer(tower::util::BoxCloneService::new(inner)).oneshot(request).await.unwrap();
    assert_eq!(reply.status(), 200);
    seen.lock().unwrap().clone()
}

#[tokio::test]
async fn c9440_a_what_a_stranger_says_of_its_certificate_never_reaches_the_inner_service() {
    let fixture = fixture(Mtls::new().trusted_proxies(["127.0.0.1"]).client_cert_header("X-Client-Cert"));
    let token = fixture.token().sign();
    let names = ["x-client-cert", "x_client_cert", "client-cert", "client_cert", "client-cert-chain"];
    let request = |peer: &str, authorization: bool| {
        let request = if authorization { bearer(&token) } else { get() };
        let request = names.iter().fold(request, |request, name| request.header(*name, field(CERTIFICATE)));
        request.header("x-other", "1").extension(from(peer)).body(()).unwrap()
    };
    let auth = || AuthLayer::new(fixture.server.clone());
    let public = || {
        RequireRules::new(fixture.server.clone(), AccessRules::new(RouteRules::new()).default_access(Access::Public))
    };
    for stranger in [
        seen(auth(), request("192.0.2.1", true)).await,
        seen(auth().optional(), request("192.0.2.1", false)).await,
        seen(public(), request("192.0.2.1", true)).await,
    ] {
        assert!(stranger.contains_key("x-other") && names.iter().all(|name| !stranger.contains_key(*name)));
    }
    let proxy = seen(auth(), request("127.0.0.1", true)).await;
    assert_eq!(proxy["x-client-cert"], field(CERTIFICATE).as_str());
    let off = Fixture::new();
    let untouched = bearer(&off.token().sign()).header("client-cert", "x").body(()).unwrap();
    assert!(seen(AuthLayer::new(off.server), untouched).await.contains_key("client-cert"));
}

#[tokio::test]
async fn c9440_a_the_address_of_the_peer_may_stand_elsewhere() {
    let find =
        |extensions: &http::Extensions| extensions.get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip());
    let fixture = fixture(Mtls::new().trusted_proxies(["127.0.0.1"]).peer_address(find));
    let request = |peer: &str| {
        let peer: SocketAddr = peer.parse().unwrap();
        let request = bearer(&bound(&fixture)).header("client-cert", field(CERTIFICATE));
        request.extension(ConnectInfo(peer)).body(()).unwrap()
    };
    fixture.send(request("127.0.0.1:9")).await.assert_ok();
    assert_mismatch(&fixture.send(request("192.0.2.1:9")).await);
}

#[tokio::test]
async fn a_certificate_as_nginx_passes_it_on_is_taken() {
    let fixture = fixture(Mtls::new().trusted_proxies(["127.0.0.1"]).client_cert_header("X-Client-Cert"));
    let base64 = STANDARD.encode(CERTIFICATE).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let pem = format!("-----BEGIN%20CERTIFICATE-----%0A{base64}%0A-----END%20CERTIFICATE-----%0A");
    let request = bearer(&bound(&fixture)).header("x-client-cert", pem).extension(from("127.0.0.1"));
    fixture.send(request.body(()).unwrap()).await.assert_ok();
}

#[tokio::test]
async fn c7800_b_of_several_bindings_each_must_hold() {
    let fixture = fixture(Mtls::new());
    let key = SigningKey::generate(Algorithm::ES256);
    let cnf = |token: TokenBuilder| {
        let payload: Value =
            serde_json::from_str(&token.clone().bound_to_certificate(CERTIFICATE).payload_json()).unwrap();
        let mut cnf = payload["cnf"].clone();
        cnf["jkt"] = json!(key.thumbprint());
        token.claim("cnf", cnf).sign()
    };
    let token = cnf(fixture.token());
    let send = async |proof: DpopProof, certificate: &[u8]| {
        let request = crate::support::with_proof(&token, &proof.sign()).extension(shown(certificate));
        fixture.send(request.body(()).unwrap()).await
    };
    send(fixture.proof(&key, &token), CERTIFICATE).await.assert_ok();
    let outcome = send(fixture.proof(&key, &token), OTHER).await;
    assert_mismatch(&outcome);
    assert!(outcome.challenges()[0].starts_with("DPoP "), "{outcome:?}");
    let other = SigningKey::generate(Algorithm::ES256);
    let outcome = send(fixture.proof(&other, &token), CERTIFICATE).await;
    outcome.assert_it();
    assert_eq!(outcome.code(), "dpop_key_mismatch");
    // The certificate alone does not do.
    let outcome = fixture.send(bearer(&token).extension(shown(CERTIFICATE)).body(()).unwrap()).await;
    assert_eq!(outcome.code(), "sender_constrained");
}

#[tokio::test]
async fn c8705_3_b_two_layers_of_one_server_judge_a_bound_token_alike() {
    let fixture = fixture(Mtls::new());
    let layers = || {
        let auth = || AuthLayer::new(fixture.server.clone());
        ServiceBuilder::new().layer(auth()).layer(auth())
    };
    let request = |der| bearer(&bound(&fixture)).extension(shown(der)).body(()).unwrap();
    send_through(layers(), request(CERTIFICATE)).await.assert_ok();
    assert_mismatch(&send_through(layers(), request(OTHER)).await);
}

#[test]
fn c8705_md_the_document_says_that_bound_tokens_are_taken_where_they_are() {
    let build = |mtls: Option<Mtls>| {
        let builder = ResourceServer::builder(RS, AS);
        let server = match mtls {
            Some(mtls) => builder.mtls(mtls).build().unwrap(),
            None => builder.build().unwrap(),
        };
        let document: Value = serde_json::from_slice(ProtectedResourceMetadata::of(&server).unwrap().json()).unwrap();
        document.get("tls_client_certificate_bound_access_tokens").cloned()
    };
    assert_eq!(build(Some(Mtls::new())), Some(json!(true)));
    assert_eq!(build(None), None);
}

#[test]
fn mistakes_of_certificate_binding_are_told_at_the_start() {
    let problems = |mtls: Mtls| {
        let error = ResourceServer::builder(RS, AS).mtls(mtls).build().err();
        let problems = error.map(|error| error.problems().iter().map(ToString::to_string).collect::<Vec<_>>());
        problems.unwrap_or_default()
    };
    assert!(problems(Mtls::new().client_cert_header("Client-Cert").trusted_proxies(["::1", "10.0.0.0/8"])).is_empty());
    let all =
        problems(Mtls::new().client_cert_header("Client Cert").trusted_proxies(["proxy.internal", "10.0.0.0/33"]));
    assert_eq!(all.len(), 3, "{all:?}");
    let [line] = &problems(Mtls::new().client_cert_header("Client-Cert"))[..] else { panic!() };
    assert!(line.contains("mtls.client_cert_header") && line.contains("trusted_proxies"), "{line}");
}
