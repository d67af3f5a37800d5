//! SECURITY 2.4: attacks by issuer, audience and tenant.

use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tower_bearer::testing::{Endpoint, ManualClock, SigningKey, TestIssuer};
use tower_bearer::{Algorithm, AuthLayer, Issuer, Jwks, ResourceServer};

use crate::support::{AS, Fixture, RS, get, send_through};
use crate::verdicts::{passes, refuses, text_passes};

#[tokio::test]
async fn s4_02_an_empty_audience_is_nobody() {
    let named = Fixture::with(|issuer| issuer.audience("api"), |builder| builder);
    passes(&named, named.token().claim("aud", ["", "api"])).await;
    refuses(&named, named.token().claim("aud", [""]), "audience_mismatch").await;
    refuses(&named, named.token().claim("aud", [] as [&str; 0]), "claim_invalid").await;
    ResourceServer::builder(RS, Issuer::new(AS).audience("")).build().unwrap_err();
}

#[tokio::test]
async fn s4_03_a_part_of_an_audience_is_another_audience() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token().audience("https://api.example.com")).await;
    for aud in [
        "https://api",
        "api.example.com",
        "api",
        "https://api.example.com/",
        "HTTPS://api.example.com",
        "https://api.example.com.evil",
        "https://api.example.com:443",
        "https://api.example.com https://api.example.com",
        " https://api.example.com",
        "*",
        "https://*.example.com",
    ] {
        refuses(&fixture, fixture.token().audience(aud), "audience_mismatch").await;
        refuses(&fixture, fixture.token().claim("aud", ["x", aud]), "audience_mismatch").await;
    }
}

#[tokio::test]
async fn s4_05_a_list_that_holds_a_trusted_issuer_is_no_issuer() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token().claim("iss", AS)).await;
    for iss in [json!(["https://evil.example", AS]), json!([AS, "https://evil.example"]), json!({AS: AS})] {
        refuses(&fixture, fixture.token().claim("iss", iss), "claim_invalid").await;
    }
}

/// Where an issuer's keys come from.
type Source = fn(Issuer, Jwks, Vec<u8>) -> Issuer;

#[tokio::test]
async fn s4_06_the_issuer_is_compared_wherever_its_keys_come_from() {
    let secret: Vec<u8> = (0..32).collect();
    let hmac = SigningKey::secret(Algorithm::HS256, &secret);
    let key = SigningKey::generate(Algorithm::ES256).with_kid("1");
    let keys = Jwks::parse(json!({"keys": [key.jwk()]}).to_string().as_bytes()).unwrap();
    let sources: [(Source, &SigningKey); 4] = [
        (|issuer, _, _| issuer, &key),
        (|issuer, _, _| issuer.jwks_uri("https://as.example.com/jwks"), &key),
        (|issuer, keys, _| issuer.keys(keys), &key),
        (|issuer, _, secret| issuer.shared_secret(secret), &hmac),
    ];
    for (source, key) in sources {
        let fixture = Fixture::with(|issuer| source(issuer, keys.clone(), secret.clone()), |builder| builder);
        fixture.issuer.add_key(key.clone());
        passes(&fixture, fixture.token().key(key)).await;
        for iss in ["https://b.example.com", "https://as.example.com/", ""] {
            refuses(&fixture, fixture.token().key(key).claim("iss", iss), "issuer_unknown").await;
        }
        refuses(&fixture, fixture.token().key(key).without("iss"), "claim_missing").await;
    }
}

#[tokio::test]
async fn s4_08_metadata_of_another_issuer_is_not_used() {
    let metadata = |issuer: Value| {
        let document = json!({"issuer": issuer, "jwks_uri": "https://as.example.com/jwks"});
        Response::builder().header("content-type", "application/json").body(document.to_string().into()).unwrap()
    };
    let wrong = ["https://b.example.com", "https://as.example.com/", "HTTPS://as.example.com", ""];
    for issuer in wrong.map(Value::from).into_iter().chain([Value::Null, json!([AS])]) {
        let fixture = Fixture::new();
        fixture.issuer.answer_with(Endpoint::Metadata, Some(metadata(issuer)));
        fixture.bearer(&fixture.token().sign()).await.assert_dep();
        assert_eq!(fixture.issuer.requests(Endpoint::Jwks), 0);
    }
    let fixture = Fixture::new();
    fixture.issuer.answer_with(Endpoint::Metadata, Some(metadata(json!(AS))));
    passes(&fixture, fixture.token()).await;
}

#[tokio::test]
async fn s4_14_a_token_that_passed_at_one_resource_is_judged_anew_at_another() {
    let clock = ManualClock::new();
    let issuer = TestIssuer::in_process_at(AS, clock.clone());
    let server = |audience: &str| {
        let builder = ResourceServer::builder(audience, AS).clock(clock.clone());
        builder.http_client(issuer.http_client()).build().unwrap()
    };
    let (a, b) = (server("https://a.example.com"), server("https://b.example.com"));
    let layers = |first: &ResourceServer, second: &ResourceServer| {
        (AuthLayer::new(first.clone()), AuthLayer::new(second.clone()))
    };
    let request = |token: &str| get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let for_a = issuer.token().audience("https://a.example.com").sign();
    let for_both = issuer.token().claim("aud", ["https://a.example.com", "https://b.example.com"]).sign();
    for _ in 0..2 {
        send_through(layers(&a, &a), request(&for_a)).await.assert_ok();
        send_through(layers(&a, &b), request(&for_both)).await.assert_ok();
        let outcome = send_through(layers(&a, &b), request(&for_a)).await;
        assert_eq!(outcome.code(), "audience_mismatch");
        outcome.assert_it();
        send_through(layers(&b, &a), request(&for_a)).await.assert_it();
    }
}

#[tokio::test]
async fn s4_15_optional_lets_absence_through_and_no_bad_token() {
    let fixture = Fixture::new();
    let optional = || AuthLayer::new(fixture.server.clone()).optional();
    let with_token = |token: &str| get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let anonymous = send_through(optional(), Request::get("/r").body(()).unwrap()).await;
    assert_eq!((anonymous.status, anonymous.calls), (StatusCode::OK, 1));
    assert!(anonymous.claims.is_none());
    send_through(optional(), with_token(&fixture.token().sign())).await.assert_ok();
    for bad in [
        fixture.token().claim("iss", "https://evil.example"),
        fixture.token().expired(),
        fixture.token().header("kid", "unknown"),
        fixture.token().header("alg", "none"),
    ] {
        send_through(optional(), with_token(&bad.sign())).await.assert_it();
    }
    let token = fixture.token().sign();
    text_passes(&fixture, &token).await;
}
