//! Opaque tokens: the question, who asks it, and what counts as an answer (CONFORMANCE B8).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tower_bearer::testing::{Endpoint, SigningKey};
use tower_bearer::{Algorithm, HttpError, Introspect, Introspection};

use crate::faulty_client::{FaultyClient, Mode, faulty, verdict};
use crate::support::{AS, Fixture, RS};

pub const INTROSPECT: &str = "https://as.example.com/introspect";

/// The client that every test issuer knows.
pub fn test_client() -> Introspection {
    Introspection::new("test-client").client_secret("test-secret")
}

/// RS and AS, where opaque tokens are introspected.
pub fn asking(introspection: Introspection) -> (Fixture, FaultyClient) {
    faulty(|issuer| issuer.introspection(introspection), |builder| builder)
}

/// How often the issuer was asked about a token.
pub fn calls(fixture: &Fixture) -> u64 {
    fixture.issuer.requests(Endpoint::Introspection)
}

/// Lets the issuer answer this to every question.
pub fn answers(fixture: &Fixture, answer: &Value) {
    let response = Response::builder().header("content-type", "application/json");
    let response = response.body(Bytes::from(answer.to_string())).unwrap();
    fixture.issuer.answer_with(Endpoint::Introspection, Some(response));
}

/// An active answer with these members more, or fewer where they are null.
pub fn active(change: Value) -> Value {
    let mut answer = json!({"active": true, "iss": AS, "aud": RS, "sub": "alice", "scope": "a b"});
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(answer.as_object_mut().unwrap().remove(name)),
            value => answer[name] = value.clone(),
        }
    }
    answer
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(body).unwrap();
    text.split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[tokio::test]
async fn an_opaque_token_passes_and_its_claims_are_those_of_the_answer() {
    let (fixture, client) = asking(test_client());
    let token = fixture.token().subject("alice").scope("orders:read").claim("dept", "sales").opaque();
    let outcome = fixture.bearer(&token).await;
    outcome.assert_ok();
    let claims = outcome.claims.unwrap();
    assert_eq!((claims.issuer(), claims.subject()), (AS, Some("alice")));
    assert!(claims.scope().contains("orders:read") && claims.audience().contains(RS));
    assert_eq!(claims.claim("dept"), Some(json!("sales")));
    assert!(claims.expires_at().is_some() && claims.jwt_id().is_some());
    assert_eq!(client.log().len(), 2, "metadata and one question: no keys are fetched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_for_those_who_asked_before_it_came_and_whoever_comes_later_asks_anew() {
    let (fixture, _) = asking(test_client());
    let token = fixture.token().opaque();
    for round in 1..=3000 {
        assert_eq!(verdict(&fixture.server, &token).await, "ok");
        assert_eq!(calls(&fixture), round);
    }
}

#[tokio::test]
async fn c7662_2_1_a_s8_08_the_question_is_a_form_that_is_posted() {
    let (fixture, client) = asking(test_client());
    let token = fixture.token().opaque_as("a+b/c~d.e-f_g==");
    fixture.bearer(&token).await.assert_ok();
    let call = client.last();
    assert_eq!((call.method().as_str(), call.uri().to_string().as_str()), ("POST", INTROSPECT));
    assert_eq!(call.headers()["accept"], "application/json");
    assert_eq!(call.headers()["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(call.body(), "token=a%2Bb%2Fc%7Ed.e-f_g%3D%3D&token_type_hint=access_token");
    assert!(client.log().iter().all(|address| !address.contains("a+b") && !address.contains("a%2Bb")));
}

#[tokio::test]
async fn c7662_2_1_c_basic_joins_what_was_form_encoded_first() {
    let (fixture, client) = asking(Introspection::new("a:b").client_secret("p%/ +\u{e9}"));
    fixture.issuer.register_client("a:b", "p%/ +\u{e9}");
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
    let expected = format!("Basic {}", STANDARD.encode("a%3Ab:p%25%2F+%2B%C3%A9"));
    assert_eq!(client.last().headers()["authorization"], expected.as_str());
}

#[tokio::test]
async fn c7662_2_1_c_a_secret_in_the_form_is_sent_nowhere_else() {
    let (fixture, client) = asking(Introspection::new("test-client").client_secret_post("test-secret"));
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
    let call = client.last();
    assert!(!call.headers().contains_key("authorization"));
    let form = form(call.body());
    assert!(form.contains(&("client_id".into(), "test-client".into())));
    assert!(form.contains(&("client_secret".into(), "test-secret".into())));
}

fn part(jwt: &str, at: usize) -> Value {
    let part = jwt.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The one assertion of the last call.
fn assertion(client: &FaultyClient) -> String {
    let call = client.last();
    let form = form(call.body());
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    assert!(form.contains(&("client_assertion_type".into(), kind.into())), "{form:?}");
    assert!(!call.headers().contains_key("authorization"));
    let mut found = form.into_iter().filter(|(name, _)| name == "client_assertion");
    let (_, assertion) = found.next().unwrap();
    assert!(found.next().is_none());
    assertion
}

#[tokio::test]
async fn c7523_2_2_a_c7523_3_a_b_c_an_assertion_is_made_anew_for_each_call() {
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA] {
        let key = SigningKey::generate(algorithm);
        let asks = Introspection::new("orders").private_key(key.private_key_pem()).private_key_algorithm(algorithm);
        let (fixture, client) = asking(asks.private_key_id("k1"));
        fixture.issuer.register_client_key("orders", &key.with_kid("k1"));
        let mut seen = Vec::new();
        for _ in 0..3 {
            fixture.bearer(&fixture.token().opaque()).await.assert_ok();
            let assertion = assertion(&client);
            let (header, payload) = (part(&assertion, 0), part(&assertion, 1));
            assert_eq!(header["typ"], "client-authentication+jwt");
            assert_eq!((header["alg"].as_str(), header["kid"].as_str()), (Some(algorithm.as_str()), Some("k1")));
            assert_eq!((payload["iss"].as_str(), payload["sub"].as_str()), (Some("orders"), Some("orders")));
            assert_eq!(payload["aud"], AS, "the issuer, as one string");
            let (iat, exp) = (payload["iat"].as_u64().unwrap(), payload["exp"].as_u64().unwrap());
            assert!(exp > iat && exp - iat <= 60);
            seen.push(payload["jti"].as_str().unwrap().to_owned());
        }
        seen.dedup();
        assert_eq!(seen.len(), 3, "{algorithm}");
    }
}

#[tokio::test]
async fn c7523_3_a_a_retry_has_an_assertion_of_its_own() {
    let key = SigningKey::generate(Algorithm::ES256);
    let (fixture, client) = asking(Introspection::new("orders").private_key(key.private_key_pem()));
    fixture.issuer.register_client_key("orders", &key);
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
    client.set(Mode::Fail(HttpError::Connection("reset".into())));
    fixture.bearer(&fixture.token().opaque()).await.assert_dep();
    let assertions: Vec<String> = client
        .requests()
        .iter()
        .filter(|call| call.uri() == INTROSPECT)
        .map(|call| form(call.body()).into_iter().find(|(name, _)| name == "client_assertion").unwrap().1)
        .collect();
    assert_eq!(assertions.len(), 3, "one call, and another one that was tried once more");
    assert_ne!(part(&assertions[1], 1)["jti"], part(&assertions[2], 1)["jti"]);
}

#[tokio::test]
async fn c7523_3_b_c_older_servers_have_their_switches() {
    let key = SigningKey::generate(Algorithm::ES256);
    let asks = Introspection::new("orders").private_key(key.private_key_pem());
    let (fixture, client) = asking(asks.legacy_audience(INTROSPECT).legacy_typ());
    fixture.issuer.register_client_key("orders", &key);
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
    let assertion = assertion(&client);
    assert_eq!(part(&assertion, 0)["typ"], "JWT");
    assert_eq!(part(&assertion, 1)["aud"], INTROSPECT);
}

#[tokio::test]
async fn c7662_2_2_a_s8_04_active_is_true_or_false_and_anything_else_is_an_outage() {
    let (fixture, _client) = asking(test_client());
    let token = fixture.token().opaque();
    answers(&fixture, &active(json!({})));
    fixture.bearer(&token).await.assert_ok();
    for odd in [json!("true"), json!(1), json!({}), json!([true]), json!("false"), json!(0)] {
        answers(&fixture, &active(json!({"active": odd})));
        fixture.bearer(&token).await.assert_dep();
    }
    for body in ["{}", r#"{"active":null}"#, r#"{"active":true,"active":true}"#] {
        let response = Response::builder().header("content-type", "application/json");
        fixture
            .issuer
            .answer_with(Endpoint::Introspection, Some(response.body(Bytes::from_static(body.as_bytes())).unwrap()));
        fixture.bearer(&token).await.assert_dep();
    }
}

#[tokio::test]
async fn c7662_2_2_b_an_inactive_token_is_refused_whatever_stands_beside() {
    let (fixture, _client) = asking(test_client());
    answers(&fixture, &active(json!({"active": false, "scope": "admin"})));
    let outcome = fixture.bearer("opaque").await;
    outcome.assert_it();
    assert_eq!(outcome.code(), "token_inactive");
}

#[tokio::test]
async fn c7662_2_2_c_d_the_members_of_an_active_answer_are_judged_as_claims_are() {
    let (fixture, _client) = asking(test_client());
    let now = fixture.now();
    for (change, code) in [
        (json!({}), "ok"),
        (json!({"exp": now + 1}), "ok"),
        (json!({"exp": now - 29}), "ok"),
        (json!({"exp": now - 30}), "token_expired"),
        (json!({"exp": (now + 5) as f64 + 0.5}), "ok"),
        (json!({"exp": "soon"}), "claim_invalid"),
        (json!({"nbf": now + 30}), "ok"),
        (json!({"nbf": now + 31}), "token_not_yet_valid"),
        (json!({"iat": now + 61}), "issued_in_future"),
        (json!({"iss": null}), "ok"),
        (json!({"iss": "https://as.example.com/"}), "issuer_unknown"),
        (json!({"iss": [AS]}), "claim_invalid"),
        (json!({"aud": ["x", RS]}), "ok"),
        (json!({"aud": "https://other.example.com"}), "audience_mismatch"),
        (json!({"aud": []}), "claim_invalid"),
        (json!({"aud": null}), "audience_missing"),
        (json!({"scope": ["a"]}), "claim_invalid"),
        (json!({"sub": null, "scope": null}), "ok"),
        (json!({"sub": 7}), "claim_invalid"),
        (json!({"cnf": "x"}), "confirmation_unknown"),
        (json!({"username": "al", "ext": {"deep": [1]}}), "ok"),
    ] {
        answers(&fixture, &active(change.clone()));
        assert_eq!(fixture.bearer("opaque").await.code(), code, "{change}");
    }
}

#[tokio::test]
async fn s8_12_a_missing_audience_passes_where_the_operator_says_so_and_a_wrong_one_never() {
    let (fixture, _client) = asking(test_client().allow_missing_audience());
    answers(&fixture, &active(json!({"aud": null})));
    fixture.bearer("opaque").await.assert_ok();
    answers(&fixture, &active(json!({"aud": "https://other.example.com"})));
    fixture.bearer("opaque").await.assert_it();
}

#[tokio::test]
async fn an_answer_without_exp_has_claims_without_an_end() {
    let (fixture, _client) = asking(test_client());
    answers(&fixture, &active(json!({})));
    let claims = fixture.bearer("opaque").await.claims.unwrap();
    assert_eq!(claims.expires_at(), None);
    let exp = fixture.now() + 60;
    answers(&fixture, &active(json!({"exp": exp})));
    let claims = fixture.bearer("opaque").await.claims.unwrap();
    assert_eq!(claims.expires_at().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), exp);
}

#[tokio::test]
async fn c7662_2_2_f_s8_11_the_type_of_the_token_must_be_one_of_access_tokens() {
    let (fixture, _client) = asking(test_client());
    for (change, code) in [
        (json!({"token_type": "Bearer"}), "ok"),
        (json!({"token_type": "bearer"}), "ok"),
        (json!({"token_type": "N_A"}), "ok"),
        (json!({"token_type": "DPoP"}), "token_type_not_accepted"),
        (json!({"token_type": "refresh_token"}), "token_type_not_accepted"),
        (json!({"token_type": "mac"}), "token_type_not_accepted"),
        (json!({"token_type": 7}), "claim_invalid"),
        (json!({"typ": "Bearer"}), "ok"),
        (json!({"typ": "Refresh"}), "token_type_not_accepted"),
        (json!({"typ": "Offline"}), "token_type_not_accepted"),
        (json!({"typ": "ID"}), "token_type_not_accepted"),
    ] {
        answers(&fixture, &active(change.clone()));
        assert_eq!(fixture.bearer("opaque").await.code(), code, "{change}");
    }
    // Bound to a key, and sent as a plain Bearer token.
    answers(&fixture, &active(json!({"token_type": "DPoP", "cnf": {"jkt": "abc"}})));
    assert_eq!(fixture.bearer("opaque").await.code(), "sender_constrained");
}

#[tokio::test]
async fn a_binding_that_only_the_issuer_tells_of_binds_a_jwt_as_well() {
    let (fixture, _client) = asking(test_client().use_for(Introspect::All));
    let token = fixture.token().sign();
    for (change, code) in [
        (json!({}), "ok"),
        (json!({"cnf": {"jkt": "abc"}}), "sender_constrained"),
        (json!({"cnf": {"x5t#S256": "abc"}}), "certificate_bound"),
    ] {
        answers(&fixture, &active(change.clone()));
        assert_eq!(fixture.bearer(&token).await.code(), code, "{change}");
    }
}

#[tokio::test]
async fn c7662_2_2_g_s8_15_an_answer_out_of_spec_is_an_outage() {
    let (fixture, _client) = asking(test_client());
    let good = active(json!({})).to_string();
    let answer = |status: u16, headers: &[(&'static str, &'static str)], body: &str| {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(Bytes::from(body.to_owned())).unwrap()
    };
    let json = [("content-type", "application/json")];
    let charset = [("content-type", "application/json; charset=utf-8")];
    for headers in [&json[..], &charset[..]] {
        fixture.issuer.answer_with(Endpoint::Introspection, Some(answer(200, headers, &good)));
        fixture.bearer("opaque").await.assert_ok();
    }
    let signed = [("content-type", "application/token-introspection+jwt")];
    let gzip = [("content-type", "application/json"), ("content-encoding", "gzip")];
    for bad in [
        answer(204, &json, ""),
        answer(200, &json, ""),
        answer(201, &json, &good),
        answer(200, &[("content-type", "text/html")], &good),
        answer(200, &[("content-type", "text/html")], "<!doctype html>"),
        answer(200, &[], &good),
        answer(200, &signed, &good),
        answer(200, &gzip, &good),
        answer(200, &json, &format!("\u{feff}{good}")),
        answer(200, &json, &format!("{good}{good}")),
        answer(200, &json, &format!("[{good}]")),
        answer(200, &json, &good.replace("\"sub\"", "\"iss\":\"x\",\"sub\"")),
        answer(200, &json, &format!("{good}{}", " ".repeat(256 * 1024))),
        answer(302, &[("location", "https://as.example.com/other")], ""),
        answer(500, &json, &good),
        answer(503, &json, &good),
        answer(404, &json, &good),
        answer(400, &json, r#"{"error":"invalid_request"}"#),
    ] {
        let shown = format!("{bad:?}");
        fixture.issuer.answer_with(Endpoint::Introspection, Some(bad));
        let outcome = fixture.bearer("opaque").await;
        outcome.assert_dep();
        assert_eq!(outcome.code(), "introspection_unavailable", "{shown}");
    }
}

#[tokio::test]
async fn c7662_2_1_e_s8_07_a_redirect_is_not_followed() {
    for status in [301, 302, 307, 308] {
        let (fixture, client) = asking(test_client());
        let away = Response::builder().status(status).header("location", "https://evil.example/introspect");
        fixture.issuer.answer_with(Endpoint::Introspection, Some(away.body(Bytes::new()).unwrap()));
        fixture.bearer("opaque").await.assert_dep();
        assert!(client.log().iter().all(|address| address.starts_with(AS)), "{status}");
    }
}

#[tokio::test]
async fn an_unknown_type_of_token_is_refused_and_no_outage() {
    let (fixture, _client) = asking(test_client());
    let refusal = Response::builder().status(400).header("content-type", "application/json");
    let body = Bytes::from_static(br#"{"error":"unsupported_token_type"}"#);
    fixture.issuer.answer_with(Endpoint::Introspection, Some(refusal.body(body).unwrap()));
    fixture.bearer("opaque").await.assert_it();
}

#[tokio::test]
async fn s8_13_s8_09_one_layer_takes_both_kinds_and_a_jwt_is_never_shown() {
    let (fixture, _client) = asking(test_client());
    fixture.bearer(&fixture.token().sign()).await.assert_ok();
    let stranger = SigningKey::generate(Algorithm::ES256);
    let token = || fixture.token();
    for (jwt, code) in [
        (token().sign(), "ok"),
        (token().expired().sign(), "token_expired"),
        (token().signed_by(&stranger).sign(), "signature_invalid"),
        (token().header("alg", "none").sign(), "algorithm_not_allowed"),
        (token().header("alg", 7).sign(), "header_invalid"),
        (token().header("alg", "RS999").sign(), "algorithm_not_allowed"),
        (token().header("crit", ["x"]).sign(), "critical_header"),
        (token().claim("iss", "https://evil.example").sign(), "issuer_unknown"),
        (token().without("iss").sign(), "claim_missing"),
        (format!("{}.x", token().sign()), "not_a_jwt"),
        (token().sign().split('.').next().unwrap().to_owned(), "not_a_jwt"),
        ("x".repeat(4097), "token_too_large"),
        ("x".repeat(16 * 1024 + 1), "token_too_large"),
    ] {
        assert_eq!(fixture.bearer(&jwt).await.code(), code, "{jwt}");
        assert_eq!(calls(&fixture), 0, "{jwt}");
    }
    let jwe = format!("{}.a.b.c.d", URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A256GCM"}"#));
    for (text, asked) in [("opaque", 1), ("with.two.dots", 2), ("v4.local.x", 3), (jwe.as_str(), 4)] {
        let token = token().opaque_as(text);
        assert_eq!(fixture.bearer(&token).await.code(), "ok", "{text}");
        assert_eq!(calls(&fixture), asked, "{text}");
    }
    assert_eq!(fixture.bearer("nobody.knows.me").await.code(), "token_inactive");
}

#[tokio::test]
async fn without_introspection_an_opaque_token_is_refused_and_the_operator_is_told_what_takes_it() {
    let fixture = Fixture::new();
    let outcome = fixture.bearer(&fixture.token().opaque()).await;
    outcome.assert_it();
    assert_eq!(outcome.code(), "not_a_jwt");
    assert!(outcome.error.unwrap().remedy().contains("Issuer::introspection"));
}

#[tokio::test]
async fn an_endpoint_that_was_named_is_asked_without_discovery() {
    let (fixture, client) = asking(test_client().endpoint(INTROSPECT));
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
    assert_eq!(client.log(), [INTROSPECT]);
}

fn metadata(fixture: &Fixture, introspection: Value) {
    let document = json!({
        "issuer": AS, "jwks_uri": format!("{AS}/jwks"), "introspection_endpoint": introspection,
    });
    let response = Response::builder().header("content-type", "application/json");
    let response = response.body(Bytes::from(document.to_string())).unwrap();
    fixture.issuer.answer_with(Endpoint::Metadata, Some(response));
}

#[tokio::test]
async fn s8_16_metadata_alone_send_credentials_to_no_other_host() {
    for endpoint in [
        json!("https://evil.example/introspect"),
        json!("http://as.example.com/introspect"),
        json!("https://as.example.com.evil.example/introspect"),
        json!(7),
        json!(null),
    ] {
        let (fixture, client) = asking(test_client());
        metadata(&fixture, endpoint.clone());
        fixture.bearer("opaque").await.assert_dep();
        assert!(client.log().iter().all(|address| address.contains("/.well-known/")), "{endpoint}");
        // The keys do not depend on it.
        fixture.bearer(&fixture.token().sign()).await.assert_ok();
    }
    let (fixture, _client) = asking(test_client());
    metadata(&fixture, json!(INTROSPECT));
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
}

#[tokio::test]
async fn many_opaque_tokens_are_judged_at_once_and_equal_ones_once() {
    let (fixture, _client) = asking(test_client());
    let tokens: Vec<String> = (0..200).map(|n| fixture.token().subject(&n.to_string()).opaque()).collect();
    let twice: Vec<&String> = tokens.iter().chain(&tokens).collect();
    let verdicts = fixture.server.authenticate_many(&twice).await;
    for (place, verdict) in verdicts.into_iter().enumerate() {
        assert_eq!(verdict.unwrap().subject(), Some((place % 200).to_string().as_str()));
    }
    assert_eq!(calls(&fixture), 200);
}

#[tokio::test]
async fn nested_layers_ask_once() {
    let (fixture, _client) = asking(test_client());
    let layer = tower_bearer::AuthLayer::new(fixture.server.clone());
    let stack = tower::layer::util::Stack::new(layer.clone(), layer);
    let token = fixture.token().opaque();
    let request = crate::support::get().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    crate::support::send_through(stack, request).await.assert_ok();
    assert_eq!(calls(&fixture), 1);
}

#[tokio::test]
async fn an_introspected_token_is_not_believed_twice_unless_asked_for() {
    let (fixture, _client) = asking(test_client());
    let token = fixture.token().opaque();
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    fixture.issuer.revoke(&token);
    assert_eq!(verdict(&fixture.server, &token).await, "token_inactive");
    assert_eq!(calls(&fixture), 2);
}

#[test]
fn s8_07_no_debug_shows_a_secret() {
    let key = SigningKey::generate(Algorithm::ES256);
    let pem = key.private_key_pem();
    for introspection in [
        Introspection::new("c").client_secret("hunter2-hunter2"),
        Introspection::new("c").client_secret_post("hunter2-hunter2"),
        Introspection::new("c").private_key(&pem),
    ] {
        let (fixture, _client) = asking(introspection.clone());
        let shown = format!("{introspection:?} {:?}", fixture.server);
        let bytes = format!("{:?}", &pem.as_bytes()[40..60]);
        assert!(!shown.contains("hunter2") && !shown.contains(&pem[40..60]) && !shown.contains(&bytes), "{shown}");
    }
}
