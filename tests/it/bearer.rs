//! RFC 6750 and section 5 of the OAuth 2.1 draft, through the layer.

use http::{HeaderValue, Method, Request, StatusCode};
use proptest::prelude::*;
use tower::ServiceBuilder;
use tower_bearer::{AuthLayer, Dpop, RequireScope};

use crate::challenge;
use crate::support::{Fixture, Outcome, get, send_through};

/// Sends these `Authorization` field lines; bytes, because a client may send any.
async fn authorization<V: AsRef<[u8]>>(fixture: &Fixture, lines: &[V]) -> Outcome {
    let mut request = get().body(()).unwrap();
    for line in lines {
        request.headers_mut().append("authorization", HeaderValue::from_bytes(line.as_ref()).unwrap());
    }
    fixture.send(request).await
}

#[tokio::test]
async fn c6750_2_1_a_a_token_in_the_authorization_field_passes() {
    let fixture = Fixture::new();
    let outcome = fixture.bearer(&fixture.token().subject("alice").sign()).await;
    outcome.assert_ok();
    assert_eq!(outcome.claims.unwrap().subject(), Some("alice"));
    fixture.send(get().body(()).unwrap()).await.assert_anon();
}

#[tokio::test]
async fn c6750_2_1_b_the_scheme_is_compared_without_case() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        authorization(&fixture, &[format!("{scheme} {token}")]).await.assert_ok();
    }
    authorization(&fixture, &[format!("Baerer {token}")]).await.assert_anon();
}

#[tokio::test]
async fn c6750_2_1_c_s10_02_spaces_and_nothing_else_stand_after_the_scheme() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    authorization(&fixture, &[format!("Bearer {token}")]).await.assert_ok();
    authorization(&fixture, &[format!("Bearer   {token}")]).await.assert_ok();
    for separator in ["\t", " \t", "\t ", "\u{a0}", " \u{200b}", ", ", "=", ":"] {
        let outcome = authorization(&fixture, &[format!("Bearer{separator}{token}")]).await;
        outcome.assert_ir();
    }
}

#[tokio::test]
async fn c6750_2_1_d_credentials_are_one_token68() {
    let fixture = Fixture::new();
    for token in ["a,b", "a b", "\"t\"", "a=b", "t\u{f6}k", "=", "a==b", "a%2Eb", "{}", "a;b", "a "] {
        authorization(&fixture, &[format!("Bearer {token}")]).await.assert_ir();
    }
    // Well-formed, and yet no token of ours: the next step refuses it.
    for token in ["abc", "-._~+/", "abc==", "A0"] {
        authorization(&fixture, &[format!("Bearer {token}")]).await.assert_it();
    }
}

#[tokio::test]
async fn c6750_2_1_e_a_scheme_without_a_token_is_a_broken_request() {
    let fixture = Fixture::new();
    for value in ["Bearer", "Bearer ", "bearer", "Bearer   "] {
        authorization(&fixture, &[value]).await.assert_ir();
    }
    authorization(&fixture, &[format!("Bearer {}", fixture.token().sign())]).await.assert_ok();
}

#[tokio::test]
async fn c6750_2_1_f_an_unsupported_scheme_counts_as_nothing_sent() {
    let fixture = Fixture::new();
    for value in ["Basic dTpw", "Negotiate x", "", "Digest username=\"u\", realm=\"r\"", "DPoPx abc"] {
        authorization(&fixture, &[value]).await.assert_anon();
    }
    let bearer_only = Fixture::with(|issuer| issuer, |builder| builder.dpop(Dpop::off()));
    for value in ["DPoP abc", "DPoP", "DPoP a b"] {
        authorization(&bearer_only, &[value]).await.assert_anon();
    }
}

#[tokio::test]
async fn c6750_2_1_g_the_scheme_is_a_whole_token_and_not_a_prefix() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    for value in [format!("Bearerx {token}"), format!("Bearer{token}"), format!("XBearer {token}")] {
        authorization(&fixture, &[value]).await.assert_anon();
    }
}

#[tokio::test]
async fn c6750_2_b_s10_01_authorization_is_not_a_list() {
    let fixture = Fixture::new();
    let good = format!("Bearer {}", fixture.token().sign());
    authorization(&fixture, &[&good]).await.assert_ok();
    let lines = |second: &str| [good.clone(), second.to_owned()];
    for second in [&good, "Bearer x", "DPoP x", "Basic dTpw", ""] {
        authorization(&fixture, &lines(second)).await.assert_ir();
        let [first, second] = lines(second);
        authorization(&fixture, &[second, first]).await.assert_ir();
    }
    for line in ["Bearer x, DPoP y", "Bearer x, Bearer y", "DPoP y, Bearer x", "Basic x, Bearer y"] {
        authorization(&fixture, &[line]).await.assert_ir();
    }
}

#[tokio::test]
async fn c6750_2_2_a_a_token_in_a_form_is_nothing_sent() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    let form = |request: http::request::Builder| {
        let request = request.method(Method::POST).header("content-type", "application/x-www-form-urlencoded");
        request.body(format!("access_token={token}")).unwrap()
    };
    fixture.send(form(get())).await.assert_anon();
    fixture.send(form(get().header("authorization", format!("Bearer {token}")))).await.assert_ok();
}

#[tokio::test]
async fn c6750_2_3_a_a_token_in_the_query_is_ignored() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    let query = |token: &str| Request::get(format!("/r?access_token={token}"));
    fixture.send(query(&token).body(()).unwrap()).await.assert_anon();
    for other in [token.as_str(), "rubbish"] {
        let request = query(other).header("authorization", format!("Bearer {token}")).body(()).unwrap();
        fixture.send(request).await.assert_ok();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    /// The scheme is often the right one, so that all three refusals are met.
    #[test]
    fn c6750_3_a_every_refusal_carries_a_challenge_that_parses(
        scheme in "(Bearer|bearer|Basic|DPoP|[!-~]{0,8})",
        separator in "( |  |\t|,|)",
        credentials in proptest::collection::vec(any::<u8>().prop_filter("a header byte", |byte| matches!(byte, 9 | 32..=126 | 128..)), 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let line = [scheme.as_bytes(), separator.as_bytes(), &credentials].concat();
        let outcome = runtime.block_on(async { authorization(&Fixture::new(), &[line]).await });
        prop_assert!(matches!(outcome.status.as_u16(), 400 | 401), "{outcome:?}");
        prop_assert_eq!(outcome.calls, 0);
        let challenges: Vec<_> =
            outcome.challenges().into_iter().map(|line| challenge::parse(line).unwrap()).collect();
        let told = challenges.iter().any(|challenge| challenge.parameters.contains_key("error"));
        prop_assert_eq!(told, outcome.code() != "missing_token");
    }
}

#[tokio::test]
async fn c6750_3_e_s10_19_nothing_of_a_hostile_token_reaches_the_challenge() {
    let fixture = Fixture::new();
    let hostile = "bad \"aud\" \u{2013} \u{e9}\r\nX: y";
    let expected = fixture.bearer(&fixture.token().expired().sign()).await;
    for token in
        [fixture.token().audience(hostile), fixture.token().typ(hostile), fixture.token().claim("iss", hostile)]
    {
        let outcome = fixture.bearer(&token.sign()).await;
        outcome.assert_it();
        assert_eq!(outcome.challenges(), expected.challenges());
        assert!(challenge::parse(outcome.challenges()[0]).is_ok());
        assert!(!outcome.headers.contains_key("x"));
    }
}

#[tokio::test]
async fn c6750_3_g_a_token_that_was_presented_and_refused_gets_an_error() {
    let fixture = Fixture::new();
    fixture.bearer(&fixture.token().expired().sign()).await.assert_it();
    fixture.bearer(&fixture.token().sign()).await.assert_ok();
}

#[tokio::test]
async fn c6750_3_h_the_description_is_one_fixed_text_for_every_bad_token() {
    let fixture = Fixture::new();
    let stranger = tower_bearer::testing::SigningKey::generate(tower_bearer::Algorithm::ES256);
    let tokens = [
        fixture.token().expired(),
        fixture.token().audience("https://other.example.com"),
        fixture.token().typ("JWT"),
        fixture.token().signed_by(&stranger),
        fixture.token().without("sub"),
        fixture.token().raw_payload("{"),
    ];
    for token in tokens {
        let outcome = fixture.bearer(&token.sign()).await;
        let challenge = challenge::parse(outcome.challenges()[0]).unwrap();
        assert_eq!(challenge.parameters["error_description"], "The access token is invalid or expired");
    }
}

#[tokio::test]
async fn c6750_3_1_a_nothing_sent_is_answered_without_error_information() {
    let fixture = Fixture::new();
    let outcome = fixture.send(get().body(()).unwrap()).await;
    outcome.assert_anon();
    let challenge = challenge::parse(outcome.challenges()[0]).unwrap();
    assert!(challenge.parameters.keys().all(|name| !name.starts_with("error")), "{challenge:?}");
    assert!(!outcome.body.contains("error"), "{outcome:?}");
}

#[tokio::test]
async fn c6750_3_1_b_expired_malformed_and_otherwise_bad_tokens_are_invalid_tokens() {
    let fixture = Fixture::new();
    let cases = [
        (fixture.token().expired().sign(), "token_expired"),
        ("abc".into(), "not_a_jwt"),
        (fixture.token().audience("https://other.example.com").sign(), "audience_mismatch"),
        (fixture.token().claim("iss", "https://evil.example.com").sign(), "issuer_unknown"),
        (fixture.token().with_signature(&[0; 64]), "signature_invalid"),
        (fixture.token().raw_payload("[]").sign(), "payload_invalid"),
        (fixture.token().typ("JWT").sign(), "type_not_accepted"),
    ];
    for (token, code) in cases {
        let outcome = fixture.bearer(&token).await;
        outcome.assert_it();
        assert_eq!(outcome.code(), code);
    }
}

async fn requiring(auth: AuthLayer, scope: &str, token: Option<String>) -> Outcome {
    let request = token.iter().fold(get(), |get, token| get.header("authorization", format!("Bearer {token}")));
    let layers = ServiceBuilder::new().layer(auth).layer(RequireScope::all([scope]));
    send_through(layers, request.body(()).unwrap()).await
}

#[tokio::test]
async fn c6750_3_1_c_too_little_privilege_is_403_and_names_the_scope() {
    let fixture = Fixture::new();
    let token = || Some(fixture.token().scope("a").sign());
    let refused = requiring(AuthLayer::new(fixture.server.clone()), "b", token()).await;
    refused.assert_is();
    assert_eq!(challenge::parse(refused.challenges()[0]).unwrap().parameters["scope"], "b");
    requiring(AuthLayer::new(fixture.server.clone()), "a", token()).await.assert_ok();
}

#[tokio::test]
async fn c6750_3_1_d_no_token_at_a_scope_check_is_401_and_not_403() {
    let fixture = Fixture::new();
    let optional = || AuthLayer::new(fixture.server.clone()).optional();
    requiring(optional(), "a", None).await.assert_anon();
    requiring(optional(), "a", Some(fixture.token().scope("a").sign())).await.assert_ok();
}

#[tokio::test]
async fn c6750_3_1_e_in_optional_mode_a_bad_token_never_becomes_anonymous() {
    let fixture = Fixture::new();
    let send = |authorization: &str| {
        let request = get().header("authorization", authorization).body(()).unwrap();
        send_through(AuthLayer::new(fixture.server.clone()).optional(), request)
    };
    let anonymous = send_through(AuthLayer::new(fixture.server.clone()).optional(), get().body(()).unwrap()).await;
    assert_eq!((anonymous.status, anonymous.calls), (StatusCode::OK, 1));
    assert!(anonymous.claims.is_none());
    send(&format!("Bearer {}", fixture.token().sign())).await.assert_ok();
    send(&format!("Bearer {}", fixture.token().expired().sign())).await.assert_it();
    send("Bearer abc").await.assert_it();
    send("Bearer").await.assert_ir();
    send("Bearer a b").await.assert_ir();
}

#[tokio::test]
async fn c6750_3_1_f_the_body_is_a_problem_document_with_the_error_beside_it() {
    let fixture = Fixture::new();
    let refused = fixture.bearer(&fixture.token().expired().sign()).await;
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    let expected = serde_json::json!({
        "title": "Unauthorized",
        "status": 401,
        "error": "invalid_token",
        "error_description": "The access token is invalid or expired",
    });
    assert_eq!(problem, expected);
    let nothing = fixture.send(get().body(()).unwrap()).await;
    let problem: serde_json::Value = serde_json::from_str(&nothing.body).unwrap();
    assert_eq!(problem, serde_json::json!({"title": "Unauthorized", "status": 401}));
}

#[tokio::test]
async fn c6750_5_3_a_cookies_are_no_source_and_the_field_is_marked_as_sensitive() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    let cookie = get().header("cookie", format!("access_token={token}")).body(()).unwrap();
    fixture.send(cookie).await.assert_anon();
    let outcome = fixture.bearer(&token).await;
    outcome.assert_ok();
    assert!(!format!("{:?}", outcome.claims).contains(&token));
}
