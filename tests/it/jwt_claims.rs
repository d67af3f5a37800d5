//! CONFORMANCE B3: RFC 7519.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::{Claims, ResourceServer};

use crate::support::{AS, Fixture, RS};
use crate::verdicts::{now, passes, raw_claim, raw_header, refuses, refuses_unverified, text_passes};

#[tokio::test]
async fn c7519_2_a_s3_01_a_date_is_a_number_and_may_have_a_fraction() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token().claim("exp", 1_900_000_000.5)).await;
    for exp in ["\"1900000000\"", "true", "null", "[]", "{}", "1e400", "-1", "[1900000000]"] {
        refuses(&fixture, raw_claim(fixture.token(), "exp", exp), "claim_invalid").await;
    }
}

#[tokio::test]
async fn c7519_3_a_s2_09_the_claims_are_one_json_object_in_utf_8_and_unknown_ones_are_ignored() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token().claim("foo", json!({"bar": [1, null, {"x": 1.5}]}))).await;
    let good = fixture.token().payload_json();
    text_passes(&fixture, &fixture.token().raw_payload(good.clone()).sign()).await;
    let utf_16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bad_utf_8 = [good.trim_end_matches('}').as_bytes(), b",\"x\":\"\xff\"}"].concat();
    let mut payloads: Vec<Vec<u8>> = ["[]", "\"x\"", "null", "1", "{} {}", "", " "].map(|text| text.into()).into();
    payloads.extend([utf_16, bad_utf_8, format!("{good} {{}}").into(), format!("[{good}]").into()]);
    for payload in payloads {
        refuses(&fixture, fixture.token().raw_payload(payload), "payload_invalid").await;
    }
}

#[tokio::test]
async fn c7519_4_a_a_claim_that_stands_twice_is_refused_at_every_depth() {
    let fixture = Fixture::new();
    for (name, once, twice) in [
        ("x", r#"{"a":1,"b":1}"#, r#"{"a":1,"a":1}"#),
        ("act", r#"{"sub":"a","act":{"sub":"b"}}"#, r#"{"sub":"a","act":{"sub":"b","sub":"c"}}"#),
    ] {
        passes(&fixture, raw_claim(fixture.token(), name, once)).await;
        refuses(&fixture, raw_claim(fixture.token(), name, twice), "payload_invalid").await;
    }
    let cnf = r#"{"jkt":"a","jkt":"b"}"#;
    refuses(&fixture, raw_claim(fixture.token(), "cnf", cnf), "payload_invalid").await;
    let payload = fixture.token().payload_json();
    let first = payload.replacen('{', "{\"aud\":\"https://other.example.com\",", 1);
    refuses(&fixture, fixture.token().raw_payload(first), "payload_invalid").await;
}

#[tokio::test]
async fn c7519_4_1_1_a_c9068_4_b_the_issuer_is_one_string_and_compared_exactly() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token().claim("iss", AS)).await;
    for iss in [
        "https://as.example.com/",
        "HTTPS://as.example.com",
        "https://AS.example.com",
        "https://as.example.com:443",
        "https://as.example.com#",
        "as.example.com",
        "",
    ] {
        refuses(&fixture, fixture.token().claim("iss", iss), "issuer_unknown").await;
    }
    for iss in [json!([AS]), json!(7), Value::Null, json!({"iss": AS})] {
        refuses(&fixture, fixture.token().claim("iss", iss), "claim_invalid").await;
    }
}

#[tokio::test]
async fn c7519_4_1_3_a_c9068_4_c_s4_01_the_audience_is_a_string_or_a_list_of_strings_and_one_must_be_ours() {
    let fixture = Fixture::new();
    for aud in [json!(RS), json!([RS]), json!(["x", RS]), json!([RS, "x"])] {
        passes(&fixture, fixture.token().claim("aud", aud)).await;
    }
    for aud in [json!([]), json!(5), json!({}), json!([RS, 7]), Value::Null, json!(true), json!([[RS]])] {
        refuses(&fixture, fixture.token().claim("aud", aud), "claim_invalid").await;
    }
    for aud in [json!("other"), json!(["x", "y"]), json!(""), json!([""])] {
        refuses(&fixture, fixture.token().claim("aud", aud), "audience_mismatch").await;
    }
    refuses(&fixture, fixture.token().without("aud"), "claim_missing").await;
}

#[tokio::test]
async fn c7519_4_1_4_a_s3_06_a_token_lives_until_exp_and_the_leeway_have_passed() {
    let fixture = Fixture::new();
    let at = now(&fixture);
    passes(&fixture, fixture.token().claim("exp", at - 29)).await;
    refuses(&fixture, fixture.token().claim("exp", at - 30), "token_expired").await;
    let token = fixture.token().claim("exp", at + 10).sign();
    fixture.clock.advance(Duration::from_secs(39));
    text_passes(&fixture, &token).await;
    fixture.clock.advance(Duration::from_secs(1));
    refuses_unverified(&fixture, &token, "token_expired").await;
}

#[tokio::test]
async fn c7519_4_1_5_a_s3_06_a_token_begins_at_nbf_less_the_leeway() {
    let fixture = Fixture::new();
    let at = now(&fixture);
    passes(&fixture, fixture.token().claim("nbf", at + 30)).await;
    refuses(&fixture, fixture.token().claim("nbf", at + 31), "token_not_yet_valid").await;
}

#[tokio::test]
async fn c7519_4_1_6_a_s3_08_iat_is_a_number_and_a_minute_ahead_at_most() {
    let fixture = Fixture::new();
    let at = now(&fixture);
    passes(&fixture, fixture.token().claim("iat", at + 60)).await;
    refuses(&fixture, fixture.token().claim("iat", at + 61), "issued_in_future").await;
    refuses(&fixture, fixture.token().claim("iat", at.to_string()), "claim_invalid").await;
}

#[tokio::test]
async fn c7519_4_1_lw_s3_09_the_leeway_is_30_seconds_and_300_at_most() {
    let lenient = Fixture::with(|issuer| issuer, |builder| builder.leeway(Duration::from_secs(300)));
    let at = now(&lenient);
    passes(&lenient, lenient.token().claim("exp", at - 299)).await;
    refuses(&lenient, lenient.token().claim("exp", at - 300), "token_expired").await;
    let error = ResourceServer::builder(RS, AS).leeway(Duration::from_secs(301)).build().unwrap_err();
    assert!(error.to_string().contains("leeway"), "{error}");
}

#[tokio::test]
async fn c7519_5_3_a_s2_20_a_claim_repeated_in_the_header_agrees_with_the_payload() {
    let fixture = Fixture::new();
    let token = || fixture.token().subject("alice");
    passes(&fixture, token().header("iss", AS).header("sub", "alice").header("aud", RS)).await;
    for (name, value) in [("iss", "https://b.example.com"), ("sub", "bob"), ("aud", "other")] {
        refuses(&fixture, token().header(name, value), "header_contradicts_payload").await;
    }
    refuses(&fixture, raw_header(token().without("sub"), "sub", "\"alice\""), "claim_missing").await;
}

#[tokio::test]
async fn c7519_6_a_s1_01_an_unsecured_token_is_refused_whatever_its_signature() {
    let fixture = Fixture::new();
    let genuine = fixture.token().sign();
    text_passes(&fixture, &genuine).await;
    let unsecured = fixture.token().header("alg", "none");
    for (signature, code) in [(&b""[..], "not_a_jwt"), (&[7; 64], "algorithm_not_allowed")] {
        refuses_unverified(&fixture, &unsecured.clone().with_signature(signature), code).await;
    }
    let signature = genuine.rsplit('.').next().unwrap();
    let token = format!("{}.{signature}", unsecured.signing_input());
    refuses_unverified(&fixture, &token, "algorithm_not_allowed").await;
}

#[tokio::test]
async fn s4_12_s4_13_c9068_5_a_subjects_of_two_issuers_differ_and_a_client_is_told_from_a_user() {
    let (fixture, other, _) = crate::verdicts::with_second_issuer("https://b.example.com");
    let claims = async |token: String| -> Claims { fixture.bearer(&token).await.claims.expect("claims") };
    let one = claims(fixture.token().subject("7").sign()).await;
    let two = claims(other.token().subject("7").sign()).await;
    assert_eq!(one.subject(), two.subject());
    assert_ne!(one.subject_key(), two.subject_key());
    assert!(!one.is_client());
    assert!(claims(fixture.token().subject("c").client_id("c").sign()).await.is_client());
}
