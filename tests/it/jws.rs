//! CONFORMANCE B4: RFC 7515. The known-answer suite stands in `vectors`.

use serde_json::{Value, json};
use tower_bearer::testing::{Endpoint, SigningKey, TokenBuilder};
use tower_bearer::{Algorithm, ErrorKind, ResourceRequest};

use crate::support::Fixture;
use crate::verdicts::{
    passes, raw_header, refuses, refuses_unverified, text_is_refused, text_passes, watched, with_keys,
};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The token with one of its three parts changed.
fn with_part(token: &str, part: usize, change: impl Fn(&str) -> String) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let changed = parts.iter().enumerate().map(|(at, text)| if at == part { change(text) } else { (*text).into() });
    changed.collect::<Vec<String>>().join(".")
}

/// All spellings of a part that lax decoders take for the same bytes.
fn spare_bit_variants(part: &str) -> Vec<String> {
    let spare = match part.len() % 4 {
        2 => 4,
        3 => 2,
        _ => 0,
    };
    let (rest, last) = part.split_at(part.len() - 1);
    let symbol = ALPHABET.iter().position(|byte| *byte == last.as_bytes()[0]).unwrap();
    let others = (1..1 << spare).map(|bits| ALPHABET[symbol | bits] as char);
    others.map(|last| format!("{rest}{last}")).collect()
}

#[tokio::test]
async fn c7515_2_a_s2_03_each_part_is_base64url_without_padding_space_or_other_alphabet() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    text_passes(&fixture, &token).await;
    for part in 0..3 {
        for odd in ["+", "/", "~", ".", "A", "AA", "AAA"] {
            let appended = with_part(&token, part, |text| format!("{text}{odd}"));
            let outcome = fixture.bearer(&appended).await;
            outcome.assert_it();
        }
        for odd in [" ", "\t", "%3D", "\u{200b}", ",", "\"", "=A"] {
            let inserted = with_part(&token, part, |text| format!("{}{odd}{}", &text[..4], &text[4..]));
            fixture.bearer(&inserted).await.assert_ir();
        }
        let with_line_break = with_part(&token, part, |text| format!("{text}\n"));
        let error = ResourceRequest::bearer(&with_line_break).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
    for padding in ["=", "=="] {
        text_is_refused(&fixture, &format!("{token}{padding}"), "not_a_jwt").await;
        fixture.bearer(&with_part(&token, 1, |text| format!("{text}{padding}"))).await.assert_ir();
    }
}

#[tokio::test]
async fn c7515_2_a_s2_04_unused_bits_are_zero_so_that_a_token_has_one_spelling() {
    let fixture = Fixture::new();
    let mut tried = [0; 3];
    for filler in ["", "a", "aa"] {
        let token = fixture.token().header("x", filler).claim("x", filler).sign();
        text_passes(&fixture, &token).await;
        for (part, text) in token.split('.').enumerate() {
            for variant in spare_bit_variants(text) {
                text_is_refused(&fixture, &with_part(&token, part, |_| variant.clone()), "not_a_jwt").await;
                tried[part] += 1;
            }
        }
    }
    // Of three lengths in a row one leaves 4 bits, one 2 and one none; a signature of 64 bytes leaves 4.
    assert_eq!(tried, [15 + 3, 15 + 3, 3 * 15]);
}

#[tokio::test]
async fn c7515_3_1_a_s2_01_a_token_has_exactly_three_parts_and_is_no_json() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    text_passes(&fixture, &token).await;
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    for text in [
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{token}.{payload}"),
        format!("{token}.{payload}.{signature}"),
        format!("{token}."),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}."),
        "..".into(),
        ".".repeat(16 * 1024),
    ] {
        refuses_unverified(&fixture, &text, "not_a_jwt").await;
    }
    refuses_unverified(&fixture, &format!("{header}..{signature}"), "payload_invalid").await;
    for json in [
        json!({"payload": payload, "protected": header, "signature": signature}),
        json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}),
    ] {
        fixture.bearer(&json.to_string()).await.assert_ir();
    }
}

#[tokio::test]
async fn c7515_4_a_a_header_member_that_stands_twice_is_refused() {
    let fixture = Fixture::new();
    passes(&fixture, raw_header(fixture.token(), "x", "1")).await;
    let header = fixture.token().header_json();
    for member in
        ["\"alg\":\"none\"", "\"alg\":\"ES256\"", "\"kid\":\"1\"", "\"typ\":\"JWT\"", "\"al\\u0067\":\"ES256\""]
    {
        let last = format!("{},{member}}}", header.strip_suffix('}').unwrap());
        let first = format!("{{{member},{}", &header[1..]);
        for header in [first, last] {
            refuses_unverified(&fixture, &fixture.token().raw_header(header).sign(), "header_invalid").await;
        }
    }
    refuses(&fixture, raw_header(fixture.token(), "x", "1,\"x\":1"), "header_invalid").await;
    refuses(&fixture, raw_header(fixture.token(), "x", r#"{"y":1,"y":1}"#), "header_invalid").await;
}

#[tokio::test]
async fn c7515_4_b_s2_10_the_header_is_an_object_of_bounded_depth_and_size() {
    let fixture = Fixture::new();
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    passes(&fixture, raw_header(fixture.token(), "x", &nested(15))).await;
    refuses(&fixture, raw_header(fixture.token(), "x", &nested(16)), "header_invalid").await;
    refuses(&fixture, raw_header(fixture.token(), "x", &nested(1900)), "header_invalid").await;
    let header = fixture.token().header_json();
    passes(&fixture, fixture.token().raw_header(header.clone())).await;
    for bad in
        [format!("\u{feff}{header}"), format!("[{header}]"), "\"x\"".into(), "null".into(), format!("{header} 1")]
    {
        refuses_unverified(&fixture, &fixture.token().raw_header(bad).sign(), "header_invalid").await;
    }
    let empty = raw_header(fixture.token(), "x", "\"\"").header_json().len() + ",\"x\":\"\"".len();
    let of_size = |size: usize| raw_header(fixture.token(), "x", &format!("\"{}\"", "a".repeat(size - empty)));
    passes(&fixture, of_size(4096)).await;
    refuses(&fixture, of_size(4096 + 1), "token_too_large").await;
}

#[tokio::test]
async fn c7515_4_b_s2_02_a_token_has_16_kib_at_most() {
    let fixture = Fixture::new();
    let sized = |claim: usize| fixture.token().claim("x", "a".repeat(claim)).claim("jti", "1");
    let length = |token: TokenBuilder| token.with_signature(&[0; 64]).len();
    let limit = (12_000..12_400).take_while(|size| length(sized(*size)) <= 16 * 1024).last().unwrap();
    passes(&fixture, sized(limit)).await;
    refuses_unverified(&fixture, &sized(limit + 1).sign(), "token_too_large").await;
}

#[tokio::test]
async fn c7515_4_1_1_a_s1_02_s1_03_alg_is_present_a_string_and_byte_for_byte_in_the_list() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token().header("alg", "ES256")).await;
    let odd = "es256|Es256|ES256 | ES256|ES256\u{0}|HS256|ES521|RSA256|ES256K|Ed448||None|NONE|nOnE";
    for name in odd.split('|') {
        let token = fixture.token().header("alg", name).sign();
        refuses_unverified(&fixture, &token, "algorithm_not_allowed").await;
    }
    refuses(&fixture, fixture.token().without_header("alg"), "header_invalid").await;
    for alg in [Value::Null, json!(7), json!(["ES256"]), json!({}), json!(true)] {
        refuses_unverified(&fixture, &fixture.token().header("alg", alg).sign(), "header_invalid").await;
    }
}

#[tokio::test]
async fn c7515_4_1_2_a_s1_16_s1_17_a_token_brings_neither_a_key_nor_the_address_of_one() {
    let (fixture, asked) = watched();
    passes(&fixture, fixture.token()).await;
    let before = asked.count();
    let attacker = SigningKey::generate(Algorithm::ES256).with_kid("mine");
    let trap = "https://evil.example.com/keys";
    let jwk = attacker.jwk();
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!(trap)),
        ("x5u", json!(trap)),
        ("x5c", json!(["MIIBJTCByqADAgEC"])),
        ("x5t", json!("AAAA")),
    ] {
        let known_name = fixture.token().header(name, value.clone()).signed_by(&attacker);
        refuses(&fixture, known_name, "signature_invalid").await;
        let own_name = fixture.token().header(name, value.clone()).key(&attacker);
        let outcome = fixture.bearer(&own_name.sign()).await;
        outcome.assert_it();
        passes(&fixture, fixture.token().header(name, value)).await;
    }
    // The unknown name may cause one look at the configured set, whatever else the header says.
    assert_eq!(asked.addresses()[before..], ["https://as.example.com/jwks"]);
}

#[tokio::test]
async fn c7515_4_1_4_a_s1_18_s1_19_kid_is_a_string_that_is_only_compared() {
    let (fixture, asked) = watched();
    passes(&fixture, fixture.token()).await;
    let before = asked.count();
    for kid in [json!(7), Value::Null, json!([]), json!({}), json!("a".repeat(257)), json!("a".repeat(2900))] {
        refuses_unverified(&fixture, &fixture.token().header("kid", kid).sign(), "header_invalid").await;
    }
    assert_eq!(asked.count(), before, "what is no name is not looked for");
    let upper = fixture.issuer.key().kid().to_uppercase();
    for kid in [
        "../../../../dev/null",
        "' UNION SELECT 'k",
        "*)(uid=*",
        "http://169.254.169.254/",
        "\u{0}",
        "\r\nset-cookie: a=b",
        "&x=",
        "",
        &upper,
        &"a".repeat(256),
    ] {
        let token = fixture.token().header("kid", kid).sign();
        refuses_unverified(&fixture, &token, "key_unknown").await;
    }
    assert_eq!(asked.addresses()[before..], ["https://as.example.com/jwks"]);
}

#[tokio::test]
async fn c7515_4_1_4_a_a_name_of_256_bytes_can_be_published_and_found() {
    let key = SigningKey::generate(Algorithm::ES256).with_kid(&"k".repeat(256));
    let fixture = with_keys([key.jwk()]);
    passes(&fixture, fixture.token().key(&key)).await;
    refuses(&fixture, fixture.token().key(&key.clone().with_kid(&"k".repeat(255))), "key_unknown").await;
    assert_eq!(fixture.issuer.requests(Endpoint::Jwks), 0);
}

#[tokio::test]
async fn c7515_4_1_11_a_b_s1_22_any_crit_is_refused_well_formed_or_not() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token().header("x", 1)).await;
    let many: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    for crit in [
        json!(["x"]),
        json!(["y"]),
        json!([]),
        json!("x"),
        json!(["x", "x"]),
        json!(["exp"]),
        json!(["alg"]),
        json!(["b64"]),
        json!(many),
        json!({}),
        Value::Null,
    ] {
        let token = fixture.token().header("x", 1).header("crit", crit).sign();
        refuses_unverified(&fixture, &token, "critical_header").await;
    }
}

#[tokio::test]
async fn c7515_4_1_11_b_s1_23_an_unencoded_or_detached_payload_is_refused() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token().header("b64", true)).await;
    for b64 in [json!(false), json!("false"), json!("true"), json!(0), Value::Null] {
        refuses_unverified(&fixture, &fixture.token().header("b64", b64.clone()).sign(), "critical_header").await;
        let listed = fixture.token().header("b64", b64).header("crit", ["b64"]);
        refuses_unverified(&fixture, &listed.sign(), "critical_header").await;
    }
    let token = fixture.token().sign();
    let detached = with_part(&token, 1, |_| String::new());
    refuses_unverified(&fixture, &detached, "payload_invalid").await;
}

#[tokio::test]
async fn c7515_5_2_a_the_signature_covers_the_bytes_as_received() {
    let fixture = Fixture::new();
    let kid = fixture.issuer.key().kid().to_owned();
    let odd = format!(
        " {{\r\n \"\\u0061lg\" : \"ES\\u0032\\u0035\\u0036\",\"kid\":\"{kid}\",\n\t\"typ\":\"at\\u002bjwt\" }}\n"
    );
    passes(&fixture, fixture.token().raw_header(odd.clone())).await;
    let payload = fixture.token().payload_json().replace(',', " ,\r\n ");
    passes(&fixture, fixture.token().raw_payload(payload)).await;
    let signed_otherwise = fixture.token().sign();
    let (_, signature) = signed_otherwise.rsplit_once('.').unwrap();
    let input = fixture.token().raw_header(odd).signing_input();
    text_is_refused(&fixture, &format!("{input}.{signature}"), "signature_invalid").await;
}

#[tokio::test]
async fn c7515_9_a_s1_24_an_encrypted_token_is_no_signed_one() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token()).await;
    let five = format!("{}.AAAA.AAAA", fixture.token().header("enc", "A128GCM").sign());
    refuses_unverified(&fixture, &five, "not_a_jwt").await;
    for alg in ["RSA-OAEP", "dir", "ES256", "PBES2-HS256+A128KW"] {
        let token = fixture.token().header("alg", alg).header("enc", "A128GCM").header("zip", "DEF");
        refuses_unverified(&fixture, &token.sign(), "not_a_jwt").await;
    }
}
