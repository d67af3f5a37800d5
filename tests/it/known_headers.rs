//! A header that stood in an earlier token is read once; the verdict is that of a server that never saw it.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tower_bearer::testing::{SigningKey, TestIssuer};
use tower_bearer::{Algorithm, Issuer, Jwk, Jwks, ResourceServer, Typ};

use crate::properties::judge;
use crate::support::{AS, Fixture, RS};
use crate::verdicts::with_keys;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::ES256));

const OTHER: &str = "https://other.example.com";

fn issuer(name: &str) -> Issuer {
    let set = json!({"keys": [KEY.jwk()]}).to_string();
    Issuer::new(name).keys(Jwks::parse(set.as_bytes()).unwrap())
}

/// Verifies each token anew.
fn server(issuers: [Issuer; 2]) -> ResourceServer {
    let [first, second] = issuers;
    ResourceServer::builder(RS, first).issuer(second).token_cache(0).build().unwrap()
}

fn token(name: &str) -> tower_bearer::testing::TokenBuilder {
    TestIssuer::in_process(name).token().key(&KEY).signed_by(&KEY)
}

fn header_members() -> impl Strategy<Value = (&'static str, Value)> {
    let texts = ["alg", "kid", "typ", "iss", "sub", "aud", "x"];
    let values = [
        json!("ES256"),
        json!("RS256"),
        json!("none"),
        json!("at+jwt"),
        json!("JWT"),
        json!("dpop+jwt"),
        json!(AS),
        json!(RS),
        json!(KEY.kid()),
        json!(7),
        json!(null),
    ];
    prop_oneof![
        (select(texts.to_vec()), select(values.to_vec())),
        Just(("crit", json!(["x"]))),
        Just(("b64", json!(false))),
        Just(("enc", json!("A128GCM"))),
    ]
}

proptest! {
    #[test]
    fn p06_the_verdict_after_any_other_headers_is_that_of_a_server_that_saw_none(
        edits in proptest::collection::vec(proptest::collection::vec(header_members(), 0..3), 1..6), again in any::<bool>(),
    ) {
        let warm = with_keys([KEY.jwk()]);
        for edit in edits {
            let built = edit.into_iter().fold(
                warm.token().key(&KEY).signed_by(&KEY),
                |token, (name, value)| token.header(name, value),
            );
            let text = built.sign();
            let verdict = |fixture: &Fixture| judge(&fixture.server, &text).map(|claims| claims.as_json().to_owned());
            let fresh = verdict(&with_keys([KEY.jwk()]));
            prop_assert_eq!(verdict(&warm), fresh.clone());
            if again {
                prop_assert_eq!(verdict(&warm), fresh);
            }
        }
    }
}

#[test]
fn c7519_5_3_a_a_claim_repeated_in_a_known_header_is_compared_each_time() {
    let server = server([issuer(AS), issuer(OTHER)]);
    let alice = || token(AS).header("sub", "alice");
    assert!(judge(&server, &alice().subject("alice").sign()).is_ok());
    assert!(judge(&server, &alice().subject("alice").sign()).is_ok());
    assert_eq!(judge(&server, &alice().subject("bob").sign()).unwrap_err(), "header_contradicts_payload");
}

#[test]
fn s4_07_a_header_known_from_one_issuer_is_judged_by_the_rules_of_the_other() {
    let strict = || issuer(AS).algorithms([Algorithm::ES256]);
    let lax = || issuer(OTHER).algorithms([Algorithm::ES256]).typ(Typ::Jwt);
    let headers = |name| token(name).header("typ", "JWT").sign();
    let warm = server([strict(), lax()]);
    assert!(judge(&warm, &headers(OTHER)).is_ok());
    assert_eq!(judge(&warm, &headers(AS)).unwrap_err(), "type_not_accepted");

    let warm = server([issuer(AS).algorithms([Algorithm::RS256]), lax()]);
    assert!(judge(&warm, &token(OTHER).sign()).is_ok());
    assert_eq!(judge(&warm, &token(AS).sign()).unwrap_err(), "algorithm_not_allowed");
}

#[tokio::test]
async fn r40_a_known_header_revives_no_forgotten_key() {
    let fixture = Fixture::with(|issuer| issuer, |builder| builder.token_cache(0));
    fixture.bearer(&fixture.token().sign()).await.assert_ok();
    let key = Jwk::parse(fixture.issuer.key().jwk().to_string().as_bytes()).unwrap();
    assert!(fixture.server.forget_key(AS, key.thumbprint().unwrap()));
    fixture.bearer(&fixture.token().sign()).await.assert_it();
}

#[test]
fn a_bad_signature_under_a_known_header_is_refused() {
    let server = server([issuer(AS), issuer(OTHER)]);
    assert!(judge(&server, &token(AS).sign()).is_ok());
    let forged = token(AS).subject("mallory").with_signature(&[1; 64]);
    assert_eq!(judge(&server, &forged).unwrap_err(), "signature_invalid");
}
