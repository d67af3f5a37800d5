//! The JSON test suite, each text as the value of a claim in a token that is otherwise good.

use serde_json::{Map, Value};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Claims, Issuer, ResourceRequest, ResourceServer};

use super::{Vectors, judge};

const ISSUER: &str = "https://issuer.example";

#[tokio::test]
async fn c7519_3_a_s2_07_s2_08_every_published_json_text_is_judged_as_expected() {
    let Some(vectors) = Vectors::find() else { return };
    let issuer = TestIssuer::in_process(ISSUER);
    let (one, two) = (server(&issuer), server(&issuer));
    one.warm_up().await.unwrap();
    two.warm_up().await.unwrap();
    vectors.run("json-as-claim-value", |case| {
        let start = br#"{"iss":"https://issuer.example","aud":"api","exp":4102444800,"x":"#;
        let payload = [start, case.bytes, b"}"].concat();
        let token = issuer.token().raw_payload(payload.clone()).sign();
        let (first, second) = (authenticate(&one, &token), authenticate(&two, &token));
        if let Some(claims) = &first {
            assert_eq!(claims.as_json().as_bytes(), payload, "{}", case.file);
            let seen = claims.claim("x").unwrap_or_else(|| panic!("{}: no member x", case.file));
            match claims.typed::<Map<String, Value>>() {
                Ok(typed) => assert_eq!(typed.extra()["x"], seen, "{}: two readers differ", case.file),
                // Numbers that no f64 holds; a type that has room for them is refused, the claim alone is null.
                Err(_) => assert!(seen.to_string().contains("null"), "{}: {seen}", case.file),
            }
        }
        judge(case.verdict(), first.is_some(), second.is_some())
    });
}

fn server(issuer: &TestIssuer) -> ResourceServer {
    let settings = Issuer::new(ISSUER).required_claims([] as [&str; 0]);
    ResourceServer::builder("api", settings).http_client(issuer.http_client()).build().unwrap()
}

/// Keys are at hand, so that nothing is waited for.
fn authenticate(server: &ResourceServer, token: &str) -> Option<Claims> {
    let request = ResourceRequest::bearer(token).ok()?;
    futures_util::FutureExt::now_or_never(server.authenticate(request)).expect("an answer at once").ok()
}
