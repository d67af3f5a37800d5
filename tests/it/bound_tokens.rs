//! Sender-constrained tokens (RFC 7800, 8705, 9449) at a server that can check no binding, and JWTs of the
//! introspection endpoint (RFC 9701). Nothing bound ever passes as a bearer token.

use serde_json::{Value, json};
use tower::ServiceBuilder;
use tower_bearer::testing::{SigningKey, TokenBuilder};
use tower_bearer::{Algorithm, AuthLayer, Dpop, Typ};

use crate::challenge;
use crate::support::{Fixture, Outcome, get, send_through};

/// The thumbprint and the certificate digest of the examples in RFC 9449 and RFC 8705.
const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
const X5T: &str = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2";

fn bearer_only() -> Fixture {
    Fixture::with(|issuer| issuer, |builder| builder.dpop(Dpop::off()))
}

/// Sends a token bound by this `cnf`, twice: before and after the keys are at hand and the token was seen.
async fn bound_by(cnf: Value) -> Outcome {
    let mut outcomes = Vec::new();
    for fixture in [Fixture::new(), bearer_only()] {
        let token = fixture.token().claim("cnf", cnf.clone()).sign();
        let first = fixture.bearer(&token).await;
        let again = fixture.bearer(&token).await;
        assert_eq!((first.status, first.code(), first.challenges()), (again.status, again.code(), again.challenges()));
        fixture.bearer(&fixture.token().sign()).await.assert_ok();
        outcomes.push(again);
    }
    // Whether DPoP is taken or not, a token that is bound is no Bearer token.
    assert_eq!((outcomes[0].code(), outcomes[0].challenges()[0]), (outcomes[1].code(), outcomes[1].challenges()[0]));
    outcomes.remove(0)
}

#[track_caller]
fn assert_bound(outcome: &Outcome, code: &str, description: &str) {
    outcome.assert_it();
    assert_eq!(outcome.code(), code);
    let challenge = challenge::parse(outcome.challenges()[0]).unwrap();
    assert_eq!(
        (challenge.scheme.as_str(), challenge.parameters["error_description"].as_str()),
        ("Bearer", description)
    );
}

const PROOF: &str = "The access token is sender-constrained";
const CERTIFICATE: &str = "The client certificate does not match the token";
const INVALID: &str = "The access token is invalid or expired";

#[tokio::test]
async fn c8705_off_a_certificate_bound_token_is_refused_where_no_certificate_can_be_had() {
    assert_bound(&bound_by(json!({"x5t#S256": X5T})).await, "certificate_bound", CERTIFICATE);
}

#[tokio::test]
async fn c9440_a_a_certificate_in_a_header_is_ignored() {
    let fixture = Fixture::new();
    let token = fixture.token().claim("cnf", json!({"x5t#S256": X5T})).sign();
    let request = get().header("authorization", format!("Bearer {token}")).header("client-cert", ":MIIB:");
    let outcome = fixture.send(request.body(()).unwrap()).await;
    assert_bound(&outcome, "certificate_bound", CERTIFICATE);
}

#[tokio::test]
async fn c7800_a_an_unknown_member_beside_a_known_one_neither_helps_nor_hides() {
    assert_bound(&bound_by(json!({"jkt": JKT, "kc-jkt-type": "x"})).await, "sender_constrained", PROOF);
    assert_bound(&bound_by(json!({"kc-x": {}, "x5t#S256": X5T})).await, "certificate_bound", CERTIFICATE);
}

#[tokio::test]
async fn c7800_b_several_known_methods_must_all_hold() {
    assert_bound(&bound_by(json!({"jkt": JKT, "x5t#S256": X5T})).await, "sender_constrained", PROOF);
}

#[tokio::test]
async fn c7800_c_a_binding_that_cannot_be_read_is_a_refusal() {
    for cnf in [
        json!({}),
        json!({"kid": "k"}),
        json!({"jwk": {"kty": "oct"}}),
        json!({"jku": "https://as.example.com/k"}),
        json!({"JKT": JKT}),
        json!({"x5t": X5T}),
        json!("jkt"),
        json!([{"jkt": JKT}]),
        json!(null),
        json!(false),
        json!(0),
        json!({"jkt": ""}),
        json!({"jkt": null}),
        json!({"jkt": [JKT]}),
        json!({"jkt": {"a": 1}}),
        json!({"x5t#S256": ""}),
        json!({"x5t#S256": 1}),
        json!({"jkt": JKT, "x5t#S256": null}),
    ] {
        assert_bound(&bound_by(cnf).await, "confirmation_unknown", INVALID);
    }
}

#[tokio::test]
async fn c9449_7_2_a_c9449_7_2_b_s9_01_a_key_bound_token_as_bearer_is_refused_with_a_proof_and_without() {
    for fixture in [Fixture::new(), bearer_only()] {
        let key = SigningKey::generate(Algorithm::ES256);
        let token = fixture.bound(&key);
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let request = || get().header("authorization", format!("{scheme} {token}"));
            let sent = fixture.send(request().body(()).unwrap()).await;
            assert_bound(&sent, "sender_constrained", PROOF);
            let proof = fixture.proof(&key, &token).sign();
            for proof in [proof.as_str(), "x", ""] {
                let sent = fixture.send(request().header("dpop", proof).body(()).unwrap()).await;
                assert_bound(&sent, "sender_constrained", PROOF);
            }
        }
    }
}

#[tokio::test]
async fn c9449_7_2_b_a_bound_token_is_refused_in_optional_mode_as_well() {
    let fixture = Fixture::new();
    for token in [fixture.token().bound_to_key(JKT), fixture.token().claim("cnf", json!({"x5t#S256": X5T}))] {
        let request = get().header("authorization", format!("Bearer {}", token.sign())).body(()).unwrap();
        send_through(AuthLayer::new(fixture.server.clone()).optional(), request).await.assert_it();
    }
}

#[tokio::test]
async fn c9449_7_2_c_where_dpop_is_off_a_proof_beside_an_unbound_bearer_token_is_ignored() {
    let fixture = bearer_only();
    for proof in ["x", "", "a.b.c"] {
        let request = get().header("authorization", format!("Bearer {}", fixture.token().sign())).header("dpop", proof);
        fixture.send(request.body(()).unwrap()).await.assert_ok();
    }
}

#[tokio::test]
async fn c9449_7_1_d_credentials_for_a_proxy_are_ignored_and_407_is_never_sent() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    for scheme in ["Bearer", "DPoP"] {
        let proxy = || get().header("proxy-authorization", format!("{scheme} {token}"));
        let outcome = fixture.send(proxy().body(()).unwrap()).await;
        outcome.assert_anon();
        assert!(!outcome.headers.contains_key("proxy-authenticate"));
        let both = proxy().header("authorization", format!("Bearer {token}")).body(()).unwrap();
        fixture.send(both).await.assert_ok();
    }
}

#[tokio::test]
async fn c9449_7_2_d_where_dpop_is_off_its_scheme_is_unknown_and_gets_no_error() {
    let fixture = bearer_only();
    let token = fixture.token().bound_to_key(JKT).sign();
    let request = get().header("authorization", format!("DPoP {token}")).header("dpop", "a.b.c");
    fixture.send(request.body(()).unwrap()).await.assert_anon();
}

#[tokio::test]
async fn c9701_8_1_a_a_signed_introspection_answer_is_no_access_token() {
    let answer = |token: TokenBuilder| {
        token.typ("token-introspection+jwt").claim("token_introspection", json!({"active": true}))
    };
    for typ in [Typ::AtJwt, Typ::Jwt, Typ::Any] {
        let fixture = Fixture::with(|issuer| issuer.typ(typ), |builder| builder);
        let outcome = fixture.bearer(&answer(fixture.token().scope("a")).sign()).await;
        outcome.assert_it();
        assert_eq!(outcome.code(), "type_not_accepted");
        fixture.bearer(&fixture.token().scope("a").sign()).await.assert_ok();
    }
}

#[tokio::test]
async fn c9449_7_2_b_two_layers_of_one_server_refuse_a_bound_token_alike() {
    let fixture = Fixture::new();
    let auth = || AuthLayer::new(fixture.server.clone());
    let layers = || ServiceBuilder::new().layer(auth()).layer(auth());
    let with =
        |token: TokenBuilder| get().header("authorization", format!("Bearer {}", token.sign())).body(()).unwrap();
    send_through(layers(), with(fixture.token().bound_to_key(JKT))).await.assert_it();
    send_through(layers(), with(fixture.token())).await.assert_ok();
}
