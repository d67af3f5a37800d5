//! CONFORMANCE B7: RFC 9068.

use http::StatusCode;
use serde_json::{Value, json};
use tower_bearer::testing::{SigningKey, TokenBuilder};
use tower_bearer::{Algorithm, AuthLayer, Claims, RequireScope};

use crate::support::{Fixture, Outcome, get, send_through};
use crate::verdicts::{RSA, passes, refuses, refuses_unverified, text_is_refused, text_passes};

#[tokio::test]
async fn c9068_2_1_a_c7515_4_1_9_a_typ_is_at_jwt_with_or_without_application_in_any_case() {
    let fixture = Fixture::new();
    for typ in ["at+jwt", "at+JWT", "AT+JWT", "application/at+jwt", "application/AT+jwt", "APPLICATION/at+jwt"] {
        passes(&fixture, fixture.token().typ(typ)).await;
    }
    for typ in ["JWT", "jwt", "at+jwt; v=1", "at+jwt ", "text/at+jwt", "application/application/at+jwt", "at", ""] {
        refuses_unverified(&fixture, &fixture.token().typ(typ).sign(), "type_not_accepted").await;
    }
    refuses(&fixture, fixture.token().without_header("typ"), "type_not_accepted").await;
    for typ in [json!(7), Value::Null, json!(["at+jwt"])] {
        refuses(&fixture, fixture.token().header("typ", typ), "header_invalid").await;
    }
}

#[tokio::test]
async fn c9068_2_1_b_rs256_is_accepted_by_default_and_rs384_by_choice() {
    let fixture = Fixture::new();
    let key = fixture.issuer.add_key(RSA.clone());
    passes(&fixture, fixture.token().key(&key)).await;
    let sha_384 = RSA.clone().with_algorithm(Algorithm::RS384);
    let chosen = Fixture::with(|issuer| issuer.algorithms([Algorithm::RS384]), |builder| builder);
    for fixture in [&fixture, &chosen] {
        fixture.issuer.add_key(sha_384.clone().with_kid("384"));
    }
    passes(&chosen, chosen.token()).await;
    refuses(&fixture, fixture.token(), "algorithm_not_allowed").await;
}

#[tokio::test]
async fn c9068_2_2_a_s3_02_the_claims_of_the_profile_are_required_and_have_their_types() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token()).await;
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        refuses(&fixture, fixture.token().without(name), "claim_missing").await;
        for value in [json!({}), json!([7]), json!(false), Value::Null] {
            refuses(&fixture, fixture.token().claim(name, value), "claim_invalid").await;
        }
    }
    for name in ["sub", "client_id", "jti"] {
        refuses(&fixture, fixture.token().claim(name, 7), "claim_invalid").await;
    }
}

#[tokio::test]
async fn c9068_2_2_a_the_list_of_required_claims_can_be_relaxed_but_not_below_iss_aud_and_exp() {
    let relaxed = Fixture::with(|issuer| issuer.required_claims([] as [&str; 0]), |builder| builder);
    for name in ["sub", "client_id", "iat", "jti"] {
        passes(&relaxed, relaxed.token().without(name)).await;
    }
    for name in ["iss", "aud", "exp"] {
        refuses(&relaxed, relaxed.token().without(name), "claim_missing").await;
    }
}

#[tokio::test]
async fn c9068_2_2_1_a_without_a_rule_for_it_the_authentication_is_not_looked_at() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token().claim("auth_time", "x").claim("acr", 1).claim("amr", json!({}))).await;
}

/// Sends a token to a route that requires this scope.
async fn at_scope(fixture: &Fixture, scope: &'static str, token: TokenBuilder) -> Outcome {
    let request = get().header("authorization", format!("Bearer {}", token.sign())).body(()).unwrap();
    send_through((AuthLayer::new(fixture.server.clone()), RequireScope::all([scope])), request).await
}

#[tokio::test]
async fn c9068_2_2_3_a_s2_15_scope_is_one_string_split_at_spaces_and_compared_byte_for_byte() {
    let fixture = Fixture::new();
    at_scope(&fixture, "b", fixture.token().scope("a b")).await.assert_ok();
    for scope in ["a B", "", "ab", "a\u{a0}b", "a,b", "a \u{ff42}"] {
        at_scope(&fixture, "b", fixture.token().scope(scope)).await.assert_is();
    }
    at_scope(&fixture, "b", fixture.token().without("scope")).await.assert_is();
    at_scope(&fixture, "admin", fixture.token().scope("\u{ff41}dmin adm\u{131}n ADMIN")).await.assert_is();
}

#[tokio::test]
async fn c9068_2_2_3_b_a_scope_that_is_a_list_needs_a_setting() {
    let strict = Fixture::new();
    refuses(&strict, strict.token().claim("scope", ["a", "b"]), "claim_invalid").await;
    let lenient = Fixture::with(|issuer| issuer.scope_claim("scp"), |builder| builder);
    for scp in [json!("a b"), json!(["a", "b"])] {
        at_scope(&lenient, "b", lenient.token().claim("scp", scp)).await.assert_ok();
    }
    for scp in [json!(["a", 7]), json!(["a b"]), json!({"b": true}), json!(7)] {
        refuses(&lenient, lenient.token().claim("scp", scp), "claim_invalid").await;
    }
}

#[tokio::test]
async fn c9068_2_2_3_1_a_roles_are_strings_or_scim_objects_and_other_shapes_grant_nothing() {
    let fixture = Fixture::new();
    let claims = async |name: &str, value: Value| -> Claims {
        fixture.bearer(&fixture.token().claim(name, value).sign()).await.claims.expect("claims")
    };
    for name in ["roles", "groups", "entitlements"] {
        for value in [json!(["admin"]), json!([{"value": "admin", "display": "x"}]), json!([7, "admin"])] {
            assert!(claims(name, value).await.has_role("admin"), "{name}");
        }
        for value in [json!("admin"), json!({"value": "admin"}), json!([["admin"]]), json!([{"admin": true}]), json!(7)]
        {
            assert!(!claims(name, value).await.has_role("admin"), "{name}");
        }
    }
}

#[tokio::test]
async fn c9068_4_d_a_signature_of_another_key_altered_or_absent_is_refused() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    text_passes(&fixture, &token).await;
    let (input, signature) = token.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    text_is_refused(&fixture, &format!("{input}.{flipped}{}", &signature[1..]), "signature_invalid").await;
    text_is_refused(&fixture, &format!("{input}."), "not_a_jwt").await;
    text_is_refused(&fixture, input, "not_a_jwt").await;
    let attacker = SigningKey::generate(Algorithm::ES256);
    refuses(&fixture, fixture.token().signed_by(&attacker), "signature_invalid").await;
    let other = fixture.token().subject("mallory").signing_input();
    text_is_refused(&fixture, &format!("{other}.{signature}"), "signature_invalid").await;
}

#[tokio::test]
async fn c9068_4_f_every_failure_of_the_profile_answers_401_invalid_token() {
    let fixture = Fixture::new();
    let token = || fixture.token();
    let failures = [
        token().typ("JWT"),
        token().claim("iss", "https://b.example.com"),
        token().audience("other"),
        token().header("alg", "none"),
        token().header("alg", "ES384"),
        token().header("crit", ["exp"]),
        token().signed_by(&SigningKey::generate(Algorithm::ES256)),
        token().expired(),
        token().without("sub"),
        token().raw_payload("{"),
        token().raw_header("{"),
        token().claim("cnf", json!({})),
    ];
    for failure in failures {
        let outcome = fixture.bearer(&failure.sign()).await;
        assert_eq!(outcome.status, StatusCode::UNAUTHORIZED, "{outcome:?}");
        outcome.assert_it();
    }
    passes(&fixture, token()).await;
}

#[tokio::test]
async fn c9068_jti_the_same_token_may_be_sent_again_and_again() {
    let fixture = Fixture::new();
    let token = fixture.token().claim("jti", "1").sign();
    text_passes(&fixture, &token).await;
    text_passes(&fixture, &token).await;
    passes(&fixture, fixture.token().claim("jti", "1")).await;
    refuses(&fixture, fixture.token().without("jti"), "claim_missing").await;
}
