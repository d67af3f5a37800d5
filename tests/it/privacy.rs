//! What is not written down: no token or secret stands in logs, `Debug`, errors or answers.

use std::collections::HashMap;
use std::fmt::Write;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;
use tower::ServiceBuilder;
use tower_bearer::testing::{Endpoint, SigningKey, TokenBuilder};
use tower_bearer::{AccessToken, Algorithm, AuthLayer, Issuer, RequireScope, ResourceRequest, ResourceServer};
use tracing_subscriber::filter::LevelFilter;

use crate::capture::Log;
use crate::support::{AS, Fixture, Outcome, RS, get, send_through};

pub async fn send(fixture: &Fixture, scope: &'static str, authorization: &str) -> Outcome {
    let request = get().header("authorization", authorization).body(()).unwrap();
    let layers = ServiceBuilder::new().layer(AuthLayer::new(fixture.server.clone()));
    send_through(layers.layer(RequireScope::all([scope])), request).await
}

pub async fn bearer(fixture: &Fixture, scope: &'static str, token: TokenBuilder) -> Outcome {
    send(fixture, scope, &format!("Bearer {}", token.sign())).await
}

/// No 8 bytes in a row of any secret stand in the text.
#[track_caller]
pub fn assert_hidden(secrets: &[String], text: &str) {
    let secret_windows = secrets.iter().flat_map(|secret| secret.as_bytes().windows(8).map(move |part| (part, secret)));
    let parts: HashMap<&[u8], &String> = secret_windows.collect();
    for (at, window) in text.as_bytes().windows(8).enumerate() {
        if let Some(secret) = parts.get(window) {
            let around = &text.as_bytes()[at.saturating_sub(80)..(at + 80).min(text.len())];
            panic!("8 bytes of `{secret}` in: {:?}", String::from_utf8_lossy(around));
        }
    }
}

/// Whatever an application could print of an answer.
pub fn printable(outcome: &Outcome) -> String {
    let mut text = format!("{:?}\n{:?}\n{}\n", outcome.headers, outcome.claims, outcome.body);
    if let Some(error) = &outcome.error {
        write!(text, "{error} {error:?} {:?} {}", error.detail(), error.remedy()).unwrap();
    }
    text
}

/// Tokens of every fate: passed, cached, refused for each kind of reason.
pub fn tokens(fixture: &Fixture) -> Vec<String> {
    let stranger = SigningKey::generate(Algorithm::ES256);
    let good = fixture.token().scope("a").sign();
    let builders = [
        fixture.token(),
        fixture.token().expired(),
        fixture.token().audience("https://other.example.com"),
        fixture.token().typ("JWT"),
        fixture.token().signed_by(&stranger),
        fixture.token().key(&stranger),
        fixture.token().without("jti"),
        fixture.token().claim("iss", "https://evil.example.com"),
        fixture.token().bound_to_key("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
        fixture.token().claim("cnf", json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"})),
        fixture.token().header("crit", ["x"]),
        fixture.token().header("alg", "HS256"),
        fixture.token().raw_payload("{\"iss\":"),
        fixture.token().raw_header("not json at all"),
        fixture.token().claim("pad", "y".repeat(17_000)),
    ];
    let mut tokens: Vec<String> = builders.into_iter().map(TokenBuilder::sign).collect();
    tokens.extend([good.clone(), good, "opaque-token-of-another-kind_0123456789".into()]);
    tokens
}

#[tokio::test]
async fn s12_01_no_part_of_a_token_is_logged_printed_or_answered() {
    let (log, _guard) = Log::listen(LevelFilter::TRACE);
    let fixture = Fixture::new();
    let tokens = tokens(&fixture);
    let mut printed = format!("{:?} {:?}", fixture.server, AuthLayer::new(fixture.server.clone()));
    for token in &tokens {
        for line in [
            format!("Bearer {token}"),
            format!("Bearer {token} x"),
            format!("Bearer x, DPoP {token}"),
            format!("DPoP {token}"),
        ] {
            printed += &printable(&send(&fixture, "a", &line).await);
        }
        let request = Request::get(format!("/r?access_token={token}")).header("cookie", format!("t={token}"));
        printed += &printable(&fixture.send(request.body(()).unwrap()).await);
        let request = get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
        write!(printed, "{:?} {:?}", ResourceRequest::read(request.headers()), AccessToken::new(token.as_str()))
            .unwrap();
    }
    assert!(log.text().contains("authorized") && log.text().contains("token_expired"), "{}", log.text());
    assert_hidden(&tokens, &log.text());
    assert_hidden(&tokens, &printed);
}

#[tokio::test]
async fn s12_01_a_token_is_not_logged_while_the_issuer_is_down() {
    let (log, _guard) = Log::listen(LevelFilter::TRACE);
    let fixture =
        Fixture::with(|issuer| issuer.jwks_uri(format!("{AS}/jwks?key=k3y-of-the-operator")), |builder| builder);
    let outage = Response::builder().status(500).body(Bytes::from("body-of-the-outage")).unwrap();
    fixture.issuer.answer_with(Endpoint::Jwks, Some(outage));
    let token = fixture.token().sign();
    let outcome = fixture.bearer(&token).await;
    outcome.assert_dep();
    let secrets = [token, "k3y-of-the-operator".into(), "body-of-the-outage".into()];
    assert!(log.text().contains("keys_unavailable"), "{}", log.text());
    assert_hidden(&secrets, &log.text());
    assert_hidden(&secrets, &printable(&outcome));
}

#[tokio::test]
async fn s12_01_a_shared_secret_is_nowhere_shown() {
    let (log, _guard) = Log::listen(LevelFilter::TRACE);
    let secret = "0f8a-the-secret-of-both-sides-7c41d9";
    let issuer = Issuer::new(AS).shared_secret(secret);
    let key = SigningKey::secret(Algorithm::HS256, secret.as_bytes());
    let mut printed = format!("{issuer:?} {key:?}");
    let builder = ResourceServer::builder(RS, issuer);
    write!(printed, "{builder:?}").unwrap();
    let server = builder.build().unwrap();
    let fixture = Fixture::new();
    for token in [fixture.token().key(&key), fixture.token().key(&key).expired(), fixture.token()] {
        let request = get().header("authorization", format!("Bearer {}", token.sign())).body(()).unwrap();
        printed += &printable(&send_through(AuthLayer::new(server.clone()), request).await);
    }
    assert!(log.text().contains("authenticated"));
    let secrets = [secret.to_owned(), key.jwk()["k"].as_str().unwrap().to_owned()];
    assert_hidden(&secrets, &printed);
    assert_hidden(&secrets, &log.text());
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn s12_01_a_claim_that_does_not_fit_a_type_is_not_quoted() {
    use axum::extract::FromRequestParts;
    #[derive(Debug, serde::Deserialize)]
    struct Dept {
        #[expect(dead_code, reason = "only the misfit counts")]
        dept: u8,
    }
    let (log, _guard) = Log::listen(LevelFilter::TRACE);
    let secret = "pers0nal-data-of-alice";
    let claims = tower_bearer::testing::TestClaims::new().claim("dept", secret).build();
    let (mut parts, ()) = get().extension(claims).body(()).unwrap().into_parts();
    let rejection = tower_bearer::Claims::<Dept>::from_request_parts(&mut parts, &()).await.unwrap_err();
    assert_eq!(rejection.error().code(), "claims_mismatch");
    assert!(log.audited()[0].field("detail").contains("of another type"));
    assert_hidden(&[secret.into()], &format!("{rejection:?} {}", log.text()));
}

const HOSTILE: &str = "a\r\nlevel=INFO code=\"authorized\" \u{1b}[31m\u{202e}\u{2028}\u{0}";

#[tokio::test]
async fn s12_03_text_of_strangers_is_one_line_escaped_and_short() {
    let (log, _guard) = Log::listen(LevelFilter::TRACE);
    let fixture = Fixture::new();
    for text in [HOSTILE.to_owned(), HOSTILE.repeat(20), "\u{202e}".repeat(900), "x".repeat(4096)] {
        let unverified = [
            fixture.token().claim("iss", &text),
            fixture.token().audience(&text),
            fixture.token().typ(&text),
            fixture.token().header("kid", &text),
            fixture.token().header("alg", &text),
        ];
        for token in unverified {
            assert!(!bearer(&fixture, "a", token).await.status.is_success());
        }
        let verified = fixture.token().subject(&text).client_id(&text).scope("a");
        assert!(bearer(&fixture, "a", verified).await.status.is_success());
    }
    let records = log.records.lock().unwrap().clone();
    let lines = log.text().lines().count();
    assert_eq!(lines, records.len());
    for (record, name) in records.iter().flat_map(|record| record.fields.keys().map(move |name| (record, name))) {
        let value = record.field(name);
        assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{name}: {value:?}");
        assert!(value.len() <= 128 + 64 || *name == "remedy", "{name}: {} bytes", value.len());
    }
}

#[tokio::test]
async fn s12_06_the_answer_does_not_tell_which_check_failed() {
    let fixture = Fixture::new();
    let stranger = SigningKey::generate(Algorithm::ES256);
    let expected = bearer(&fixture, "a", fixture.token().key(&stranger)).await;
    expected.assert_it();
    for (token, code) in [
        (fixture.token().signed_by(&stranger), "signature_invalid"),
        (fixture.token().audience("https://other.example.com"), "audience_mismatch"),
        (fixture.token().expired(), "token_expired"),
        (fixture.token().claim("iss", "https://evil.example.com"), "issuer_unknown"),
        (fixture.token().typ("JWT"), "type_not_accepted"),
        (fixture.token().without("jti"), "claim_missing"),
    ] {
        let outcome = bearer(&fixture, "a", token).await;
        assert_eq!(outcome.code(), code);
        assert_eq!((&outcome.headers, &outcome.body), (&expected.headers, &expected.body), "{code}");
    }
}

#[test]
#[should_panic(expected = "8 bytes of")]
fn eight_bytes_of_a_secret_do_not_escape_these_tests() {
    assert_hidden(&["0123456789abcdef".into()], "level=INFO 456789ab");
}
