//! How long answers are believed, which tokens are asked about, and signed answers (RFC 9701).

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::Response;
use serde_json::{Value, json};
use tower_bearer::testing::{Endpoint, Fault, SigningKey, signature_checks};
use tower_bearer::{Algorithm, Introspect, Introspection, Issuer, KeyState, ResourceServer};

use crate::faulty_client::{FaultyClient, faulty, verdict};
use crate::introspection::{INTROSPECT, active, answers, asking, calls, test_client};
use crate::support::{AS, Fixture, RS};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn c7662_4_b_s8_02_r61_a_good_answer_is_believed_as_long_as_the_operator_says() {
    let (fixture, _client) = asking(test_client().cache_ttl(30 * SECOND));
    let token = fixture.token().opaque();
    fixture.bearer(&token).await.assert_ok();
    fixture.issuer.revoke(&token);
    fixture.clock.advance(29 * SECOND);
    fixture.bearer(&token).await.assert_ok();
    assert_eq!(calls(&fixture), 1);
    fixture.clock.advance(SECOND);
    fixture.bearer(&token).await.assert_it();
    assert_eq!(calls(&fixture), 2);
}

#[tokio::test]
async fn c7662_4_c_s8_01_r61_a_bad_answer_is_believed_for_five_seconds() {
    let (fixture, _client) = asking(test_client().cache_ttl(30 * SECOND));
    let token = fixture.token().opaque();
    fixture.issuer.revoke(&token);
    fixture.bearer(&token).await.assert_it();
    fixture.issuer.restore(&token);
    fixture.clock.advance(4 * SECOND);
    fixture.bearer(&token).await.assert_it();
    assert_eq!(calls(&fixture), 1);
    fixture.clock.advance(SECOND);
    fixture.bearer(&token).await.assert_ok();
}

#[tokio::test]
async fn c7662_4_a_nothing_is_believed_beyond_exp() {
    let (fixture, _client) = asking(test_client().cache_ttl(60 * SECOND));
    let token = fixture.token().expires_in(5 * SECOND).opaque();
    fixture.bearer(&token).await.assert_ok();
    fixture.clock.advance(4 * SECOND);
    fixture.bearer(&token).await.assert_ok();
    assert_eq!(calls(&fixture), 1);
    fixture.clock.advance(2 * SECOND);
    // The leeway is for a fresh answer; the issuer says now that it is over.
    fixture.bearer(&token).await.assert_it();
    assert_eq!(calls(&fixture), 2);
}

#[tokio::test]
async fn c7662_4_c_outages_are_never_kept_and_bad_tokens_evict_no_good_one() {
    let (fixture, _client) = asking(test_client().cache_ttl(60 * SECOND));
    let token = fixture.token().opaque();
    fixture.issuer.fault(Endpoint::Introspection, Some(Fault::Html));
    fixture.bearer(&token).await.assert_dep();
    fixture.issuer.fault(Endpoint::Introspection, None);
    fixture.bearer(&token).await.assert_ok();
    for n in 0..300 {
        fixture.bearer(&format!("stranger-{n}")).await.assert_it();
    }
    let before = calls(&fixture);
    fixture.bearer(&token).await.assert_ok();
    assert_eq!(calls(&fixture), before);
}

#[tokio::test]
async fn a_clock_that_is_set_back_revives_no_answer() {
    let (fixture, _client) = asking(test_client().cache_ttl(30 * SECOND));
    let token = fixture.token().expires_in(20 * SECOND).opaque();
    fixture.bearer(&token).await.assert_ok();
    let start = tower_bearer::Clock::wall(&fixture.clock);
    fixture.clock.advance(21 * SECOND);
    fixture.clock.set_wall(start);
    fixture.bearer(&token).await.assert_ok();
    assert_eq!(calls(&fixture), 2, "asked again: the answer was past its end");
}

#[tokio::test]
async fn s7_14_each_caller_of_a_shared_answer_has_its_own_request() {
    let (fixture, _client) = asking(test_client().cache_ttl(30 * SECOND));
    let token = fixture.token().opaque();
    for number in 0..3 {
        let request = crate::support::get().header("authorization", format!("Bearer {token}")).extension(number);
        let request = request.body(()).unwrap();
        let seen = crate::support::send_through(tower_bearer::AuthLayer::new(fixture.server.clone()), request).await;
        seen.assert_ok();
    }
    assert_eq!(calls(&fixture), 1);
}

#[tokio::test]
async fn a_jwt_that_is_asked_about_is_verified_first_and_bad_ones_cause_no_call() {
    let (fixture, _client) = asking(test_client().use_for(Introspect::All));
    let jwt = fixture.token().subject("alice").sign();
    let outcome = fixture.bearer(&jwt).await;
    outcome.assert_ok();
    assert_eq!((outcome.claims.unwrap().subject(), calls(&fixture)), (Some("alice"), 1));
    let stranger = SigningKey::generate(Algorithm::ES256);
    for bad in [
        fixture.token().expired().sign(),
        fixture.token().signed_by(&stranger).sign(),
        fixture.token().audience("https://other.example.com").sign(),
    ] {
        fixture.bearer(&bad).await.assert_it();
    }
    assert_eq!(calls(&fixture), 1);
    fixture.bearer(&jwt).await.assert_ok();
    assert_eq!(calls(&fixture), 2, "each time");
    fixture.issuer.revoke(&jwt);
    assert_eq!(fixture.bearer(&jwt).await.code(), "token_inactive");
    // Opaque tokens are taken as well.
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
}

#[tokio::test]
async fn a_jwt_that_is_asked_about_passes_no_outage() {
    let (fixture, _client) = asking(test_client().use_for(Introspect::All));
    let jwt = fixture.token().sign();
    fixture.bearer(&jwt).await.assert_ok();
    fixture.issuer.fault(Endpoint::Introspection, Some(Fault::Status(500)));
    fixture.bearer(&jwt).await.assert_dep();
}

#[tokio::test]
async fn the_answer_about_a_jwt_is_judged_as_well() {
    let (fixture, _client) = asking(test_client().use_for(Introspect::All));
    let jwt = fixture.token().subject("alice").sign();
    for (answer, code) in [
        (json!({"active": true}), "ok"),
        (active(json!({"aud": "https://other.example.com"})), "audience_mismatch"),
        (active(json!({"iss": "https://other.example.com"})), "issuer_unknown"),
        (active(json!({"exp": 1})), "token_expired"),
        (active(json!({"token_type": "refresh_token"})), "token_type_not_accepted"),
        (json!({"active": false}), "token_inactive"),
    ] {
        answers(&fixture, &answer);
        let outcome = fixture.bearer(&jwt).await;
        assert_eq!(outcome.code(), code, "{answer}");
        if let Some(claims) = outcome.claims {
            assert_eq!(claims.subject(), Some("alice"), "the claims are those that were signed");
        }
    }
}

#[tokio::test]
async fn a_recheck_verifies_each_time_and_asks_once_in_its_interval() {
    let (fixture, _client) = asking(test_client().recheck(300 * SECOND));
    let jwt = fixture.token().expires_in(3600 * SECOND).sign();
    fixture.bearer(&jwt).await.assert_ok();
    assert_eq!(calls(&fixture), 1);
    let before = signature_checks();
    for _ in 0..5 {
        fixture.bearer(&jwt).await.assert_ok();
    }
    assert_eq!((signature_checks() - before, calls(&fixture)), (5, 1));
    fixture.issuer.revoke(&jwt);
    fixture.clock.advance(299 * SECOND);
    fixture.bearer(&jwt).await.assert_ok();
    fixture.clock.advance(SECOND);
    assert_eq!(fixture.bearer(&jwt).await.code(), "token_inactive");
    assert_eq!(calls(&fixture), 2);
    // An opaque token is asked about each time.
    let opaque = fixture.token().opaque();
    fixture.bearer(&opaque).await.assert_ok();
    fixture.bearer(&opaque).await.assert_ok();
    assert_eq!(calls(&fixture), 4);
}

#[tokio::test]
async fn a_recheck_that_is_due_and_cannot_be_made_is_an_outage() {
    let (fixture, _client) = asking(test_client().recheck(300 * SECOND));
    let jwt = fixture.token().expires_in(3600 * SECOND).sign();
    fixture.bearer(&jwt).await.assert_ok();
    fixture.issuer.fault(Endpoint::Introspection, Some(Fault::Status(503)));
    fixture.clock.advance(299 * SECOND);
    fixture.bearer(&jwt).await.assert_ok();
    fixture.clock.advance(SECOND);
    fixture.bearer(&jwt).await.assert_dep();
    fixture.issuer.fault(Endpoint::Introspection, None);
    fixture.bearer(&jwt).await.assert_ok();
}

#[tokio::test]
async fn forget_token_ends_what_is_remembered_of_both_kinds() {
    let (fixture, _client) = asking(test_client().cache_ttl(60 * SECOND));
    let (jwt, opaque) = (fixture.token().sign(), fixture.token().opaque());
    for token in [&jwt, &opaque] {
        fixture.bearer(token).await.assert_ok();
    }
    let before = signature_checks();
    fixture.bearer(&jwt).await.assert_ok();
    assert_eq!((signature_checks() - before, calls(&fixture)), (0, 1));
    fixture.server.forget_token(&jwt);
    fixture.server.forget_token(&opaque);
    for token in [&jwt, &opaque] {
        fixture.bearer(token).await.assert_ok();
    }
    assert_eq!((signature_checks() - before, calls(&fixture)), (1, 2));
}

fn signing(algorithm: Algorithm) -> (Fixture, FaultyClient) {
    let (fixture, client) = asking(test_client().signed_response().signed_response_algorithm(algorithm));
    if algorithm != Algorithm::ES256 {
        fixture.issuer.rotate_key(algorithm);
    }
    (fixture, client)
}

#[tokio::test]
async fn c9701_4_a_a_signed_answer_is_asked_for_and_taken() {
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA] {
        let (fixture, client) = signing(algorithm);
        let outcome = fixture.bearer(&fixture.token().subject("alice").opaque()).await;
        outcome.assert_ok();
        assert_eq!(outcome.claims.unwrap().subject(), Some("alice"));
        let asked = client.requests().into_iter().find(|call| call.uri() == INTROSPECT).unwrap();
        assert_eq!(asked.headers()["accept"], "application/token-introspection+jwt");
        fixture.bearer("nobody-knows-me").await.assert_it();
    }
}

/// A signed answer as it should be, to be changed.
fn envelope(fixture: &Fixture, inside: Value) -> Value {
    json!({"iss": AS, "aud": "test-client", "iat": fixture.now(), "token_introspection": inside})
}

fn answers_signed(fixture: &Fixture, media_type: &str, jwt: String) {
    let response = Response::builder().header("content-type", media_type).body(Bytes::from(jwt)).unwrap();
    fixture.issuer.answer_with(Endpoint::Introspection, Some(response));
}

const SIGNED: &str = "application/token-introspection+jwt";
const TYP: &str = "token-introspection+jwt";

#[tokio::test]
async fn c9701_5_a_b_c_e_what_a_signed_answer_must_be() {
    let (fixture, _client) = signing(Algorithm::RS256);
    let good = envelope(&fixture, active(json!({})));
    let sign = |typ: &str, body: &Value| fixture.token().typ(typ).raw_payload(body.to_string()).sign();
    let changed = |name: &str, value: Value| {
        let mut changed = good.clone();
        match value {
            Value::Null => drop(changed.as_object_mut().unwrap().remove(name)),
            value => changed[name] = value,
        }
        changed
    };
    let now = fixture.now();
    for (body, passes) in [
        (good.clone(), true),
        (changed("aud", json!(["x", "test-client"])), true),
        (changed("iat", json!(now - 90)), true),
        (changed("iss", json!("https://other.example.com")), false),
        (changed("iss", Value::Null), false),
        (changed("aud", json!("other-client")), false),
        (changed("aud", Value::Null), false),
        (changed("iat", json!(now - 91)), false),
        (changed("iat", json!(now + 91)), false),
        (changed("iat", Value::Null), false),
        (changed("token_introspection", Value::Null), false),
        (changed("token_introspection", json!("active")), false),
        (changed("token_introspection", json!({"active": "true"})), false),
    ] {
        answers_signed(&fixture, SIGNED, sign(TYP, &body));
        let outcome = fixture.bearer("opaque").await;
        if passes { outcome.assert_ok() } else { outcome.assert_dep() }
    }
    answers_signed(&fixture, SIGNED, sign("application/token-introspection+jwt", &good));
    fixture.bearer("opaque").await.assert_ok();
    for typ in ["JWT", "at+jwt", ""] {
        answers_signed(&fixture, SIGNED, sign(typ, &good));
        fixture.bearer("opaque").await.assert_dep();
    }
    for media_type in ["application/jwt", "application/json", "text/plain"] {
        answers_signed(&fixture, media_type, sign(TYP, &good));
        fixture.bearer("opaque").await.assert_dep();
    }
}

#[tokio::test]
async fn c9701_5_c_only_the_inside_counts_and_plain_json_is_no_answer() {
    let (fixture, _client) = signing(Algorithm::RS256);
    let mut body = envelope(&fixture, json!({"active": false}));
    body["active"] = json!(true);
    let sign = |body: &Value| fixture.token().typ(TYP).raw_payload(body.to_string()).sign();
    answers_signed(&fixture, SIGNED, sign(&body));
    fixture.bearer("opaque").await.assert_it();
    let mut body = envelope(&fixture, active(json!({"scope": "a"})));
    body["scope"] = json!("admin");
    answers_signed(&fixture, SIGNED, sign(&body));
    let claims = fixture.bearer("opaque").await.claims.unwrap();
    assert_eq!(claims.scope().as_str(), "a");
    answers(&fixture, &active(json!({})));
    fixture.bearer("opaque").await.assert_dep();
}

#[tokio::test]
async fn c9701_5_e_other_algorithms_and_other_keys_sign_no_answer() {
    let (fixture, _client) = signing(Algorithm::RS256);
    let good = envelope(&fixture, active(json!({}))).to_string();
    let token = || fixture.token().typ(TYP).raw_payload(good.clone());
    let es256 = fixture.issuer.add_key(SigningKey::generate(Algorithm::ES256));
    let rs256 = fixture.issuer.rotate_key(Algorithm::RS256);
    let hs256 = SigningKey::generate(Algorithm::HS256);
    let stranger = SigningKey::generate(Algorithm::RS256);
    let jwe = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d";
    for (jwt, passes) in [
        (token().key(&rs256).sign(), true),
        (token().key(&es256).sign(), false),
        (token().key(&hs256).sign(), false),
        (token().header("alg", "none").with_signature(b""), false),
        (token().key(&stranger).sign(), false),
        (token().signed_by(&stranger).sign(), false),
        (jwe.to_owned(), false),
    ] {
        answers_signed(&fixture, SIGNED, jwt.clone());
        let outcome = fixture.bearer("opaque").await;
        if passes { outcome.assert_ok() } else { outcome.assert_dep() }
    }
}

#[tokio::test]
async fn a_signed_answer_finds_a_key_that_was_published_since() {
    let (fixture, _client) = signing(Algorithm::RS256);
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
    fixture.clock.advance(60 * SECOND);
    fixture.issuer.rotate_key(Algorithm::RS256);
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
}

#[tokio::test]
async fn c7662_2_1_b_d_mistakes_are_told_at_once_and_no_secret_among_them() {
    let ed448 = "-----BEGIN PRIVATE KEY-----\nMEcCAQAwBQYDK2VxBDsEOW\n-----END PRIVATE KEY-----";
    let public = SigningKey::generate(Algorithm::ES256).jwk().to_string();
    let es512 = SigningKey::generate(Algorithm::ES512).private_key_pem();
    let es256 = SigningKey::generate(Algorithm::ES256).private_key_pem();
    let plain = || Introspection::new("api").client_secret("s");
    for (introspection, setting) in [
        (Introspection::new("api"), "introspection.client_secret"),
        (Introspection::new("").client_secret("s"), "introspection.client_id"),
        (plain().client_secret(""), "introspection.client_secret"),
        (plain().endpoint("http://as.example.com/introspect"), "introspection.endpoint"),
        (plain().endpoint("introspect"), "introspection.endpoint"),
        (plain().cache_ttl(301 * SECOND), "introspection.cache_ttl"),
        (plain().recheck(Duration::ZERO), "introspection.recheck"),
        (plain().recheck(86401 * SECOND), "introspection.recheck"),
        (plain().max_in_flight(0), "introspection.max_in_flight"),
        (plain().max_in_flight(1025), "introspection.max_in_flight"),
        (plain().signed_response().signed_response_algorithm(Algorithm::HS256), "introspection.signed_response"),
        (Introspection::new("api").private_key("secret words"), "introspection.private_key"),
        (Introspection::new("api").private_key(ed448), "introspection.private_key"),
        (Introspection::new("api").private_key(public), "introspection.private_key"),
        (Introspection::new("api").private_key(es512), "introspection.private_key"),
        (
            Introspection::new("api").private_key(&es256).private_key_algorithm(Algorithm::RS256),
            "introspection.private_key",
        ),
        (Introspection::new("api").private_key(&es256).legacy_audience("x"), "introspection.legacy_audience"),
    ] {
        let server = ResourceServer::builder(RS, Issuer::new(AS).introspection(introspection.clone())).build();
        let error = server.unwrap_err();
        let settings: Vec<&str> = error.problems().iter().map(|problem| &*problem.setting).collect();
        assert_eq!(settings, [setting], "{introspection:?}");
        assert!(!error.to_string().contains("secret words"), "{error}");
    }
    for good in ["https://as.example.com/i?x=y", "http://127.0.0.1:9/i", "http://localhost/i"] {
        let issuer = Issuer::new(AS).introspection(plain().endpoint(good));
        assert!(ResourceServer::builder(RS, issuer).build().is_ok(), "{good}");
    }
}

#[tokio::test]
async fn one_issuer_at_most_takes_opaque_tokens() {
    let asks = |name: &str, kind| Issuer::new(name).introspection(test_client().use_for(kind));
    for (kinds, good) in [
        ([Introspect::Opaque, Introspect::Opaque], false),
        ([Introspect::All, Introspect::Opaque], false),
        ([Introspect::Jwt, Introspect::Opaque], true),
        ([Introspect::Jwt, Introspect::Jwt], true),
    ] {
        let builder = ResourceServer::builder(RS, asks(AS, kinds[0]));
        let built = builder.issuer(asks("https://two.example.com", kinds[1])).build();
        assert_eq!(built.is_ok(), good, "{kinds:?}");
        if let Err(error) = built {
            assert_eq!(error.problems()[0].setting, "introspection.use_for");
        }
    }
    // Where JWTs are all that is asked about, opaque tokens are refused.
    let (fixture, _client) = asking(test_client().use_for(Introspect::Jwt));
    assert_eq!(fixture.bearer(&fixture.token().opaque()).await.code(), "not_a_jwt");
    assert_eq!(calls(&fixture), 0);
}

fn metadata_without_keys(fixture: &Fixture) {
    let document = json!({"issuer": AS, "introspection_endpoint": INTROSPECT});
    let response = Response::builder().header("content-type", "application/json");
    let response = response.body(Bytes::from(document.to_string())).unwrap();
    fixture.issuer.answer_with(Endpoint::Metadata, Some(response));
}

#[tokio::test]
async fn an_issuer_that_publishes_no_keys_is_not_missing_them() {
    let (fixture, client) = asking(test_client());
    metadata_without_keys(&fixture);
    fixture.bearer(&fixture.token().opaque()).await.assert_ok();
    fixture.server.warm_up().await.unwrap();
    let health = fixture.server.health().remove(0);
    assert_eq!((health.keys, health.age, health.last_error), (KeyState::Fresh, None, None));
    assert!(fixture.server.last_good_keys(AS).is_none());
    // Nobody can have signed a JWT of such an issuer.
    assert_eq!(verdict(&fixture.server, &fixture.token().sign()).await, "key_unknown");
    assert_eq!(client.key_fetches(), 0);
    // Once it publishes keys, they count.
    fixture.issuer.answer_with(Endpoint::Metadata, None);
    fixture.clock.advance(3601 * SECOND);
    fixture.server.refresh_now().await.unwrap();
    assert_eq!(verdict(&fixture.server, &fixture.token().sign()).await, "ok");
    assert!(fixture.server.health()[0].age.is_some() && fixture.server.last_good_keys(AS).is_some());
}

#[tokio::test]
async fn an_issuer_without_metadata_whose_endpoint_is_named_is_not_missing_its_keys() {
    for (introspection, status, expected) in [
        (test_client().endpoint(INTROSPECT), 404, KeyState::Fresh),
        (test_client().endpoint(INTROSPECT), 500, KeyState::Missing),
        (test_client(), 404, KeyState::Missing),
        (test_client().endpoint(INTROSPECT).use_for(Introspect::Jwt), 404, KeyState::Missing),
    ] {
        let (fixture, _client) = asking(introspection.clone());
        fixture.issuer.fault(Endpoint::Metadata, Some(Fault::Status(status)));
        let warm = fixture.server.warm_up().await;
        assert_eq!(warm.is_ok(), expected == KeyState::Fresh, "{introspection:?} {status}");
        let health = fixture.server.health().remove(0);
        assert_eq!((health.keys, health.age), (expected, None), "{introspection:?} {status}");
        // Its keys may only be away.
        fixture.bearer(&fixture.token().sign()).await.assert_dep();
        fixture.issuer.fault(Endpoint::Metadata, None);
        fixture.clock.advance(60 * SECOND);
        fixture.bearer(&fixture.token().sign()).await.assert_ok();
        assert!(fixture.server.health()[0].age.is_some());
    }
}

#[tokio::test]
async fn keys_are_missing_where_something_needs_them() {
    for introspection in [
        None,
        Some(test_client().use_for(Introspect::Jwt)),
        Some(test_client().signed_response().signed_response_algorithm(Algorithm::ES256)),
    ] {
        let settings = |issuer: Issuer| match introspection.clone() {
            Some(introspection) => issuer.introspection(introspection),
            None => issuer,
        };
        let (fixture, _client) = faulty(settings, |builder| builder);
        metadata_without_keys(&fixture);
        assert!(fixture.server.warm_up().await.is_err(), "{introspection:?}");
        assert_eq!(fixture.server.health()[0].keys, KeyState::Missing, "{introspection:?}");
        assert_eq!(verdict(&fixture.server, &fixture.token().sign()).await, "keys_unavailable");
    }
}

#[tokio::test]
async fn keys_that_were_there_do_not_vanish_with_their_address() {
    let (fixture, _client) = asking(test_client());
    let jwt = fixture.token().expires_in(7200 * SECOND).sign();
    fixture.bearer(&jwt).await.assert_ok();
    metadata_without_keys(&fixture);
    fixture.clock.advance(3601 * SECOND);
    fixture.server.refresh_now().await.unwrap_err();
    fixture.bearer(&jwt).await.assert_ok();
    let health = fixture.server.health().remove(0);
    assert!(health.last_error.unwrap().contains("jwks_uri") && health.age.is_some());
}

#[tokio::test]
async fn a_token_without_an_end_is_waited_for_without_one() {
    let (fixture, _client) = asking(test_client());
    answers(&fixture, &active(json!({})));
    let endless = fixture.bearer("opaque").await.claims.unwrap();
    answers(&fixture, &active(json!({"exp": fixture.now() + 3600})));
    let ending = fixture.bearer("opaque").await.claims.unwrap();
    fixture.clock.advance(86400 * SECOND);
    assert!(endless.expired().now_or_never().is_none());
    assert!(ending.expired().now_or_never().is_some());
}
