//! SECURITY 2.2: attacks on encoding and parsing.

use serde_json::{Value, json};
use tower_bearer::ResourceRequest;
use tower_bearer::testing::signature_checks;

use crate::support::{AS, Fixture, RS};
use crate::verdicts::{
    passes, raw_claim, raw_header, refuses, refuses_unverified, text_is_refused, text_passes, with_second_issuer,
};

#[tokio::test]
async fn s2_05_the_issuer_is_read_with_the_alphabet_that_was_signed() {
    let (fixture, other, _) = with_second_issuer("https://b.example.com");
    for issuer in [&fixture.issuer, &other] {
        let token = issuer.token().claim("x", "\u{3ff}?\u{ff}>~~~\u{3ff}").sign();
        let payload = token.split('.').nth(1).unwrap();
        assert!(payload.contains('-') && payload.contains('_'), "{payload}");
        text_passes(&fixture, &token).await;
        let odd = token.replacen(payload, "!!!!", 1);
        fixture.bearer(&odd).await.assert_ir();
        text_is_refused(&fixture, &token.replacen(payload, "~~~~", 1), "not_a_jwt").await;
    }
}

#[tokio::test]
async fn s2_06_no_member_of_the_payload_stands_twice_in_any_spelling() {
    let fixture = Fixture::new();
    let payload = fixture.token().payload_json();
    passes(&fixture, fixture.token().raw_payload(payload.replacen('{', "{\"x\":1,", 1))).await;
    for member in [
        format!("\"iss\":\"{AS}\""),
        format!("\"is\\u0073\":\"{AS}\""),
        format!("\"aud\":\"{RS}\""),
        "\"exp\":4102444800".into(),
        "\"\\u0065\\u0078\\u0070\":4102444800".into(),
        "\"sub\":\"admin\"".into(),
        "\"scope\":\"a\",\"scope\":\"b\"".into(),
        "\"x\":1,\"x\":1".into(),
        "\"x\":{\"y\":[{\"z\":1,\"z\":2}]}".into(),
    ] {
        let first = payload.replacen('{', &format!("{{{member},"), 1);
        let last = format!("{},{member}}}", payload.strip_suffix('}').unwrap());
        for payload in [first, last] {
            refuses(&fixture, fixture.token().raw_payload(payload), "payload_invalid").await;
        }
    }
}

/// Who cannot sign learns nothing by his payload and cannot make anybody read it, unless a glance shows a fault.
#[tokio::test]
async fn a_forged_token_that_looks_good_costs_one_signature_check_and_is_not_read() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token()).await;
    let payload = fixture.token().payload_json().replacen('{', "{\"x\":1,\"x\":1,", 1);
    let forged = |payload: String| fixture.token().raw_payload(payload).with_signature(&[1; 64]);
    let before = signature_checks();
    text_is_refused(&fixture, &forged(payload.clone()), "signature_invalid").await;
    assert_eq!(signature_checks(), before + 1);
    let another_spelling = payload.replace("\"exp\":", "\"exp\" :");
    refuses_unverified(&fixture, &forged(another_spelling), "payload_invalid").await;
    let for_another = payload.replace(RS, "https://other.example.com");
    refuses_unverified(&fixture, &forged(for_another), "payload_invalid").await;
}

#[tokio::test]
async fn s2_07_dialects_of_json_are_refused_and_space_between_tokens_is_not() {
    let fixture = Fixture::new();
    for good in [" 1", "1\r\n", "\t[ 1 , 2 ]", "{ \"a\" : null }", "-0", "0.1e1", "1E+2"] {
        passes(&fixture, raw_claim(fixture.token(), "x", good)).await;
    }
    for dialect in [
        "NaN",
        "Infinity",
        "01",
        "+1",
        ".5",
        "1.",
        "0x1",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "'a'",
        "1//x\n",
        "1/*x*/",
        "1}{",
        "True",
        "undefined",
        "",
        "\"\\x41\"",
        "\"a\nb\"",
        "\"a\u{0}b\"",
        "1\u{0}",
        "1\u{a0}",
    ] {
        refuses(&fixture, raw_claim(fixture.token(), "x", dialect), "payload_invalid").await;
        refuses(&fixture, raw_header(fixture.token(), "x", dialect), "header_invalid").await;
    }
    let payload = fixture.token().payload_json();
    passes(&fixture, fixture.token().raw_payload(format!("\r\n {payload} \n"))).await;
    for (before, after) in [("", "\u{0}"), ("", ","), ("", "{}"), ("", "}"), ("//\n", ""), ("\u{0}", ""), ("", "\u{b}")]
    {
        let payload = format!("{before}{payload}{after}");
        refuses(&fixture, fixture.token().raw_payload(payload), "payload_invalid").await;
    }
}

#[tokio::test]
async fn s2_08_text_is_utf_8_without_mark_half_characters_or_overlong_forms() {
    let fixture = Fixture::new();
    for good in ["\"\\ud834\\udd1e\"", "\"\u{1d11e}\"", "\"\\u0000\"", "\"\u{feff}\""] {
        passes(&fixture, raw_claim(fixture.token(), "x", good)).await;
    }
    for half in ["\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\udd1e\\ud834\""] {
        refuses(&fixture, raw_claim(fixture.token(), "x", half), "payload_invalid").await;
    }
    let payload = raw_claim(fixture.token(), "x", "\"?\"").sign();
    text_passes(&fixture, &payload).await;
    let start = fixture.token().payload_json();
    let start = start.strip_suffix('}').unwrap().as_bytes();
    for bytes in
        [&[0xc0, 0xaf][..], &[0xe0, 0x80, 0xaf], &[0xed, 0xa0, 0x80], &[0xf4, 0x90, 0x80, 0x80], &[0xff], &[0x80]]
    {
        let payload = [start, b",\"x\":\"", bytes, b"\"}"].concat();
        refuses(&fixture, fixture.token().raw_payload(payload), "payload_invalid").await;
    }
    let marked = format!("\u{feff}{}", fixture.token().payload_json());
    refuses(&fixture, fixture.token().raw_payload(marked), "payload_invalid").await;
    let utf_16 = |text: String| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    refuses(&fixture, fixture.token().raw_payload(utf_16(fixture.token().payload_json())), "payload_invalid").await;
    refuses(&fixture, fixture.token().raw_header(utf_16(fixture.token().header_json())), "header_invalid").await;
}

#[test]
fn s2_10_depth_is_bounded_so_that_a_small_stack_suffices() {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new();
            let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
            let payload = |levels| raw_claim(fixture.token(), "x", &nested(levels)).sign();
            let code = async |token: String| {
                let result = fixture.server.authenticate(ResourceRequest::bearer(&token).unwrap()).await;
                result.map_or_else(|error| error.code(), |_| "ok")
            };
            assert_eq!(code(payload(15)).await, "ok");
            assert_eq!(code(payload(16)).await, "payload_invalid");
            assert_eq!(code(payload(5500)).await, "payload_invalid");
            let unclosed = fixture.token().raw_payload("[".repeat(11_000));
            assert_eq!(code(unclosed.sign()).await, "payload_invalid");
        });
    };
    // What tokio's own machinery needs in a debug build comes on top of the 64 KiB.
    std::thread::Builder::new().stack_size(192 * 1024).spawn(run).unwrap().join().unwrap();
}

#[tokio::test]
async fn s2_11_an_absurd_number_is_no_date_and_harmless_elsewhere() {
    let fixture = Fixture::new();
    let digits = "9".repeat(10_000);
    for number in ["1e309", &digits, "-0", "1E+400", "-1e309"] {
        passes(&fixture, raw_claim(fixture.token(), "x", number)).await;
        for name in ["exp", "nbf", "iat"] {
            refuses(&fixture, raw_claim(fixture.token(), name, number), "claim_invalid").await;
        }
    }
    refuses(&fixture, raw_claim(fixture.token(), "exp", "0.1e1"), "token_expired").await;
    passes(&fixture, raw_claim(fixture.token(), "nbf", "0.1e1")).await;
}

#[tokio::test]
async fn s2_12_a_payload_of_a_thousand_members_is_read_and_a_repeat_among_them_found() {
    let fixture = Fixture::new();
    let members: Vec<String> = (0..1000).map(|n| format!("\"m{n}\":0")).collect();
    let payload = fixture.token().payload_json().replacen('{', &format!("{{{},", members.join(",")), 1);
    passes(&fixture, fixture.token().raw_payload(payload.clone())).await;
    let repeated = payload.replacen("\"m999\"", "\"m500\"", 1);
    refuses(&fixture, fixture.token().raw_payload(repeated), "payload_invalid").await;
}

#[tokio::test]
async fn s2_13_lists_have_256_members_at_most() {
    let fixture = Fixture::new();
    let audiences = |n: usize| vec![RS.to_owned(); n];
    let scopes = |n: usize| vec!["a"; n].join(" ");
    passes(&fixture, fixture.token().claim("aud", audiences(256))).await;
    refuses(&fixture, fixture.token().claim("aud", audiences(257)), "claim_invalid").await;
    passes(&fixture, fixture.token().scope(&scopes(256))).await;
    refuses(&fixture, fixture.token().scope(&scopes(257)), "claim_invalid").await;
}

#[tokio::test]
async fn s2_14_each_claim_has_one_type_and_scope_is_split_at_single_spaces() {
    let fixture = Fixture::new();
    for name in ["sub", "client_id", "jti", "scope"] {
        passes(&fixture, fixture.token().claim(name, "7")).await;
        for value in [json!(7), json!(["7"]), json!({"value": "7"}), json!(true), Value::Null] {
            refuses(&fixture, fixture.token().claim(name, value), "claim_invalid").await;
        }
    }
    for scope in ["a\u{0}b", "a\tb", "a\nb", "a\u{7f}b", "a\u{85}b"] {
        refuses(&fixture, fixture.token().scope(scope), "claim_invalid").await;
    }
    let claims = fixture.bearer(&fixture.token().scope("a  b").sign()).await.claims.unwrap();
    assert_eq!(claims.scope().iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test]
async fn s2_15_names_that_look_alike_are_different() {
    let fixture = Fixture::new();
    for iss in [
        "https://\u{430}s.example.com",
        "https://as.example.com\u{200b}",
        "https://as\u{ff0e}example.com",
        "https://\u{e5}s.example.com",
        "https://a\u{30a}s.example.com",
    ] {
        refuses(&fixture, fixture.token().claim("iss", iss), "issuer_unknown").await;
    }
    for aud in ["https://\u{430}pi.example.com", "https://api.example.com\u{200b}", "https://API.example.com"] {
        refuses(&fixture, fixture.token().claim("aud", aud), "audience_mismatch").await;
    }
    passes(&fixture, fixture.token().claim("iss", AS).claim("aud", RS)).await;
}

#[tokio::test]
async fn s2_19_an_opaque_token_is_no_jwt_although_it_holds_two_dots() {
    let fixture = Fixture::new();
    refuses_unverified(&fixture, "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU", "not_a_jwt").await;
    refuses_unverified(&fixture, "opaque", "not_a_jwt").await;
    passes(&fixture, fixture.token()).await;
}
