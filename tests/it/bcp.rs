//! CONFORMANCE B6: RFC 8725 and its successor.

use http::Response;
use serde_json::json;
use tower_bearer::testing::{Endpoint, SigningKey};
use tower_bearer::{Algorithm, Issuer, ResourceServer, Typ};

use crate::support::{AS, Fixture, RS};
use crate::verdicts::{
    RSA, jwk_without, passes, refuses, refuses_unverified, text_is_refused, text_passes, watched, with_keys_and,
    with_second_issuer,
};

#[tokio::test]
async fn c8725_3_1_a_only_the_listed_algorithms_are_used_and_the_list_is_not_empty() {
    let both = [Algorithm::RS256, Algorithm::ES256];
    let build =
        |list: &[Algorithm]| ResourceServer::builder(RS, Issuer::new(AS).algorithms(list.iter().copied())).build();
    build(&both).unwrap();
    let error = build(&[]).unwrap_err();
    assert!(error.to_string().contains("algorithms"), "{error}");
    assert!("none".parse::<Algorithm>().is_err());
    let fixture = Fixture::with(|issuer| issuer.algorithms([Algorithm::RS256]), |builder| builder);
    refuses_unverified(&fixture, &fixture.token().sign(), "algorithm_not_allowed").await;
    fixture.issuer.add_key(RSA.clone());
    passes(&fixture, fixture.token()).await;
}

#[tokio::test]
async fn c8725_3_1_b_a_key_without_alg_serves_the_first_algorithm_that_it_verified() {
    let pss = RSA.clone().with_algorithm(Algorithm::PS256);
    for (first, second) in [(&*RSA, &pss), (&pss, &*RSA)] {
        let fixture = with_keys_and([jwk_without(&RSA, &["alg"])], |issuer| issuer);
        let forged = fixture.token().key(second).with_signature(&[1; 256]);
        text_is_refused(&fixture, &forged, "signature_invalid").await;
        // Nor does another JWT of the issuer fix what its access tokens are signed with.
        refuses(&fixture, fixture.token().key(second).without("sub"), "claim_missing").await;
        passes(&fixture, fixture.token().key(first)).await;
        refuses(&fixture, fixture.token().key(second), "algorithm_pinned").await;
        passes(&fixture, fixture.token().key(first)).await;
    }
}

#[tokio::test]
async fn c8725_3_2_a_s1_01_none_is_refused_in_any_spelling() {
    let fixture = Fixture::new();
    passes(&fixture, fixture.token()).await;
    for name in ["none", "None", "noNE", "NONE", "nOnE", " none", "none ", ""] {
        let token = fixture.token().header("alg", name);
        refuses_unverified(&fixture, &token.clone().sign(), "algorithm_not_allowed").await;
        refuses_unverified(&fixture, &token.with_signature(b""), "not_a_jwt").await;
    }
}

#[tokio::test]
async fn c8725_3_8_a_s4_07_the_keys_of_an_issuer_serve_its_own_tokens_only() {
    let (fixture, other, _) = with_second_issuer("https://b.example.com");
    let [a, b] =
        [&fixture.issuer, &other].map(|issuer| issuer.add_key(SigningKey::generate(Algorithm::ES256).with_kid("1")));
    let (genuine_a, genuine_b) = (fixture.token().sign(), other.token().sign());
    for _ in 0..2 {
        text_passes(&fixture, &genuine_a).await;
        text_passes(&fixture, &genuine_b).await;
        refuses(&fixture, fixture.token().signed_by(&b), "signature_invalid").await;
        refuses(&fixture, other.token().signed_by(&a), "signature_invalid").await;
    }
}

#[tokio::test]
async fn c8725_3_8_b_s4_09_an_unknown_issuer_causes_no_look_up() {
    let (fixture, asked) = watched();
    for iss in ["https://evil.example", "https://as.example.com/", "http://169.254.169.254/"] {
        for name in ["known", "unknown"] {
            let token = fixture.token().claim("iss", iss).header("kid", name).sign();
            refuses_unverified(&fixture, &token, "issuer_unknown").await;
        }
    }
    for n in 0..1000 {
        let token = fixture.token().claim("iss", format!("https://{n}.example")).with_signature(&[1; 64]);
        refuses_unverified(&fixture, &token, "issuer_unknown").await;
    }
    assert_eq!(asked.count(), 0);
    passes(&fixture, fixture.token()).await;
    assert!(asked.count() > 0);
}

#[tokio::test]
async fn c8725_3_9_a_s4_02_s4_04_a_server_needs_an_audience_unless_told_otherwise() {
    for audience in ["", "/r", "https://api.example.com#x"] {
        let error = ResourceServer::builder(audience, AS).build().unwrap_err();
        assert!(error.to_string().contains("audience"), "{error}");
    }
    ResourceServer::builder("", AS).danger_accept_any_audience().build().unwrap();
    let any = Fixture::with(|issuer| issuer, |builder| builder.danger_accept_any_audience());
    passes(&any, any.token().audience("https://other.example.com")).await;
    refuses(&any, any.token().without("aud"), "claim_missing").await;
    let fixture = Fixture::new();
    refuses(&fixture, fixture.token().audience("https://other.example.com"), "audience_mismatch").await;
}

#[tokio::test]
async fn c8725_3_10_a_a_redirect_of_the_key_set_is_not_followed() {
    let (fixture, asked) = watched();
    let elsewhere = Response::builder().status(302).header("location", "https://evil.example/jwks");
    fixture.issuer.answer_with(Endpoint::Jwks, Some(elsewhere.body("".into()).unwrap()));
    fixture.bearer(&fixture.token().sign()).await.assert_dep();
    assert!(asked.count() > 0);
    assert!(asked.addresses().iter().all(|address| address.starts_with("https://as.example.com/")));
    fixture.issuer.answer_with(Endpoint::Jwks, None);
    fixture.clock.advance(std::time::Duration::from_secs(1));
    passes(&fixture, fixture.token()).await;
    for uri in ["http://as.example.com/jwks", "file:///etc/passwd", "ftp://as.example.com/jwks", "/jwks"] {
        ResourceServer::builder(RS, Issuer::new(AS).jwks_uri(uri)).build().unwrap_err();
    }
}

#[tokio::test]
async fn c8725_3_11_a_s1_26_types_of_other_jwts_are_never_access_tokens() {
    for typ in [Typ::AtJwt, Typ::Jwt, Typ::Any] {
        let fixture = Fixture::with(|issuer| issuer.typ(typ), |builder| builder);
        passes(&fixture, fixture.token()).await;
        for other in [
            "dpop+jwt",
            "secevent+jwt",
            "logout+jwt",
            "token-introspection+jwt",
            "statuslist+jwt",
            "client-authentication+jwt",
            "oauth-authz-req+jwt",
        ] {
            for spelling in [other.to_owned(), format!("application/{other}"), other.to_uppercase()] {
                refuses_unverified(&fixture, &fixture.token().typ(&spelling).sign(), "type_not_accepted").await;
            }
        }
    }
    let any = Fixture::with(|issuer| issuer.typ(Typ::Any), |builder| builder);
    passes(&any, any.token().typ("acme-token+jwt")).await;
    let jwt = Fixture::with(|issuer| issuer.typ(Typ::Jwt), |builder| builder);
    passes(&jwt, jwt.token().typ("JWT")).await;
    refuses(&jwt, jwt.token().typ("acme-token+jwt"), "type_not_accepted").await;
}

#[tokio::test]
async fn c8725_3_12_a_s1_26_an_id_token_is_refused_by_type_or_by_its_claims() {
    let strict = Fixture::new();
    refuses(&strict, strict.token().typ("JWT"), "type_not_accepted").await;
    for typ in [Typ::Jwt, Typ::Any] {
        let settings = |issuer: Issuer| issuer.typ(typ).required_claims(["sub"]);
        let fixture = Fixture::with(settings, |builder| builder);
        let bare = || fixture.token().without_header("typ").without("client_id");
        for (name, value) in [("scope", "a"), ("scp", "a"), ("client_id", "c"), ("azp", "c")] {
            passes(&fixture, bare().claim(name, value)).await;
            for only_in_id_tokens in ["nonce", "at_hash", "c_hash"] {
                let token = bare().claim(name, value).claim(only_in_id_tokens, "x");
                refuses(&fixture, token, "id_token").await;
            }
        }
        refuses(&fixture, bare(), "id_token").await;
        refuses(&fixture, bare().typ("JWT"), "id_token").await;
        passes(&fixture, bare().typ("at+jwt").claim("nonce", "x")).await;
    }
}

#[tokio::test]
async fn bis_3_14_a_s2_16_s2_17_characters_that_no_jwt_has_never_reach_a_parser() {
    let fixture = Fixture::new();
    let token = fixture.token().sign();
    text_passes(&fixture, &token).await;
    for byte in ['~', '+', '/'] {
        for place in [3, token.find('.').unwrap() + 3, token.len() - 3] {
            let mut odd = token.clone();
            odd.replace_range(place..=place, &byte.to_string());
            refuses_unverified(&fixture, &odd, "not_a_jwt").await;
        }
    }
    for text in [token.replace('.', "%2E"), token.replace('.', "&#46;"), json!({"payload": token}).to_string()] {
        fixture.bearer(&text).await.assert_ir();
    }
}
