//! A server that follows another one while requests come: what it knows from the start.

use bytes::Bytes;
use http::Response;
use tower_bearer::testing::Endpoint;
use tower_bearer::{AuthLayer, Issuer, KeyState, ResourceServer, ResourceServerBuilder};

use crate::dpop::Holder;
use crate::support::{AS, Fixture, Outcome, RS, get, send_through, with_proof};

fn next(fixture: &Fixture, issuer: Issuer) -> ResourceServerBuilder {
    let builder = ResourceServer::builder(RS, issuer).http_client(fixture.issuer.http_client());
    builder.keys_from(&fixture.server)
}

fn is_down(fixture: &Fixture) {
    for endpoint in [Endpoint::Metadata, Endpoint::Jwks] {
        fixture.issuer.answer_with(endpoint, Some(Response::builder().status(500).body(Bytes::new()).unwrap()));
    }
}

async fn send(server: &ResourceServer, token: &str) -> Outcome {
    let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    send_through(AuthLayer::new(server.clone()), request).await
}

#[tokio::test]
async fn an_issuer_keeps_its_keys_where_they_are_published_at_the_same_place() {
    let fixture = Fixture::new();
    fixture.server.warm_up().await.unwrap();
    is_down(&fixture);
    let token = fixture.token().sign();
    let same = next(&fixture, Issuer::new(AS)).build().unwrap();
    assert_eq!(same.health()[0].keys, KeyState::Fresh);
    send(&same, &token).await.assert_ok();
    let moved = next(&fixture, Issuer::new(AS).jwks_uri(format!("{AS}/other"))).build().unwrap();
    assert_eq!(moved.health()[0].keys, KeyState::Missing);
    send(&moved, &token).await.assert_dep();
    let elsewhere = Issuer::new(AS).metadata_url(format!("{AS}/other"));
    let elsewhere = next(&fixture, elsewhere).build().unwrap();
    assert_eq!(elsewhere.health()[0].keys, KeyState::Missing);
    let without = ResourceServer::builder(RS, AS).http_client(fixture.issuer.http_client());
    let without = without.clock(fixture.clock.clone()).build().unwrap();
    send(&without, &token).await.assert_dep();
}

#[tokio::test]
async fn a_key_that_was_forgotten_stays_forgotten() {
    let fixture = Fixture::new();
    fixture.server.warm_up().await.unwrap();
    let token = fixture.token().sign();
    let thumbprint = tower_bearer::Jwk::parse(fixture.issuer.jwks()["keys"][0].to_string().as_bytes()).unwrap();
    assert!(fixture.server.forget_key(AS, thumbprint.thumbprint().unwrap()));
    let next = next(&fixture, Issuer::new(AS)).build().unwrap();
    send(&next, &token).await.assert_it();
    next.refresh_now().await.unwrap();
    send(&next, &token).await.assert_it();
}

#[tokio::test]
async fn a_key_that_was_forgotten_stays_forgotten_where_the_keys_are_published_elsewhere() {
    let fixture = Fixture::new();
    fixture.server.warm_up().await.unwrap();
    let token = fixture.token().sign();
    let moved = || next(&fixture, Issuer::new(AS).jwks_uri(format!("{AS}/jwks"))).build().unwrap();
    send(&moved(), &token).await.assert_ok();
    let key = tower_bearer::Jwk::parse(fixture.issuer.jwks()["keys"][0].to_string().as_bytes()).unwrap();
    assert!(fixture.server.forget_key(AS, key.thumbprint().unwrap()));
    send(&moved(), &token).await.assert_it();
}

#[tokio::test]
async fn s9_03_a_proof_that_was_used_before_is_not_taken_afterwards() {
    let holder = Holder::new();
    let proof = holder.proof().sign();
    let ask = |server: &ResourceServer| {
        let request = with_proof(&holder.token, &proof).body(()).unwrap();
        send_through(AuthLayer::new(server.clone()), request)
    };
    ask(&holder.fixture.server).await.assert_ok();
    let next = next(&holder.fixture, Issuer::new(AS)).build().unwrap();
    ask(&next).await.assert_idp();
    let another = with_proof(&holder.token, &holder.proof().sign()).body(()).unwrap();
    send_through(AuthLayer::new(next), another).await.assert_ok();
}
