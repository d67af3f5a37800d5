//! npm oidc-provider: opaque tokens, by each client authentication and with plain and signed answers (RFC 7662, 9701).

use serde_json::Value;
use tower_bearer::{Algorithm, Introspection, Issuer};

use crate::http::{post, token};
use crate::oidc_provider::{SHOP, api, ask, start};
use crate::process::Server;
use crate::resource::{Resource, proof};

/// The secret that the set-up gives a client.
fn secret(id: &str) -> String {
    format!("{id}-secret-of-32-bytes-at-least")
}

fn basic(id: &str) -> Introspection {
    Introspection::new(id).client_secret(secret(id))
}

fn asking(issuer: &str, introspection: Introspection) -> Resource {
    Resource::new(&api("opaque"), Issuer::oidc_provider(issuer).introspection(introspection))
}

async fn revoke(issuer: &str, token: &str) {
    let (status, answer) = post(&format!("{issuer}/token/revocation"), SHOP, &[("token", token)], &[]).await;
    assert_eq!(status, 200, "{answer}");
}

/// The server, a resource that asks it, and a token.
async fn at_work() -> Option<(Server, String, Resource, String)> {
    let (server, _, issuer) = start()?;
    let token = ask(&issuer, "opaque").await;
    let resource = asking(&issuer, basic("api-basic"));
    Some((server, issuer, resource, token))
}

#[tokio::test]
async fn each_client_authentication_is_taken_and_a_wrong_one_is_our_outage() {
    let Some((_server, about, issuer)) = start() else { return };
    let key: &Value = &about["assertion_key"];
    let post_secret = Introspection::new("api-post").client_secret_post(secret("api-post"));
    let with_key = || Introspection::new("api-key").private_key(key.to_string());
    for introspection in [basic("api-basic"), basic("odd:id &%+"), post_secret, with_key(), with_key().legacy_typ()] {
        let resource = asking(&issuer, introspection);
        let token = ask(&issuer, "opaque").await;
        let claims = resource.judge(&token).await.unwrap();
        assert_eq!((claims.client_id(), claims.scope().as_str()), (Some("shop"), "orders:read"));
        // Each call has an assertion of its own.
        assert_eq!(resource.verdict(&token).await, "ok");
    }
    let token = ask(&issuer, "opaque").await;
    let wrong = [
        Introspection::new("api-basic").client_secret("wrong-secret-of-32-bytes-at-least"),
        Introspection::new("nobody").client_secret("wrong-secret-of-32-bytes-at-least"),
        Introspection::new("api-post").client_secret_post("wrong-secret-of-32-bytes-at-least"),
    ];
    for introspection in wrong {
        assert_eq!(asking(&issuer, introspection).verdict(&token).await, "introspection_unauthorized");
    }
}

#[tokio::test]
async fn a_signed_answer_is_verified_and_a_plain_one_not_taken_for_it() {
    let Some((_server, _, issuer)) = start() else { return };
    let token = ask(&issuer, "opaque").await;
    let signed = |id: &str, algorithm| basic(id).signed_response().signed_response_algorithm(algorithm);
    let resource = asking(&issuer, signed("api-signed", Algorithm::ES256));
    assert_eq!(resource.judge(&token).await.unwrap().client_id(), Some("shop"));
    revoke(&issuer, &token).await;
    assert_eq!(resource.verdict(&token).await, "token_inactive");
    let token = ask(&issuer, "opaque").await;
    let other_algorithm = asking(&issuer, signed("api-signed", Algorithm::RS256));
    assert_eq!(other_algorithm.verdict(&token).await, "introspection_unavailable");
}

#[tokio::test]
async fn an_opaque_token_passes_until_it_expires() {
    let Some((_server, _, resource, token)) = at_work().await else { return };
    resource.expires(&token).await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_and_one_that_never_was_as_well() {
    let Some((_server, issuer, resource, token)) = at_work().await else { return };
    assert_eq!(resource.verdict(&token).await, "ok");
    revoke(&issuer, &token).await;
    for bad in [&token, "2YotnFZFEjr1zCsicMWpAA"] {
        assert_eq!(resource.verdict(bad).await, "token_inactive");
    }
}

#[tokio::test]
async fn an_opaque_token_for_another_resource_or_of_another_issuer_is_refused() {
    let Some((_server, issuer, resource, token)) = at_work().await else { return };
    let Some((_other_server, _, other)) = start() else { return };
    let elsewhere = [("resource", "https://other.example.com/opaque")];
    let elsewhere = crate::http::token(&format!("{issuer}/token"), SHOP, &elsewhere, &[]).await;
    let foreign = ask(&other, "opaque").await;
    for (token, expected) in [(&token, "ok"), (&elsewhere, "audience_mismatch"), (&foreign, "token_inactive")] {
        assert_eq!(resource.verdict(token).await, expected);
    }
}

#[tokio::test]
async fn one_resource_takes_both_kinds() {
    let Some((_server, _, issuer)) = start() else { return };
    let trusted = Issuer::oidc_provider(&issuer).introspection(basic("api-basic"));
    let resource = Resource::new("unused", trusted.audience(api("opaque")).audience(api("ES256")));
    for format in ["opaque", "ES256"] {
        assert_eq!(resource.verdict(&ask(&issuer, format).await).await, "ok", "{format}");
    }
}

#[tokio::test]
async fn a_bound_opaque_token_is_refused_as_a_bearer_token() {
    let Some((_server, issuer, resource, plain)) = at_work().await else { return };
    let url = format!("{issuer}/token");
    let opaque = api("opaque");
    let bound = token(&url, SHOP, &[("resource", &opaque)], &[("dpop", &proof(&url))]).await;
    assert_eq!([resource.verdict(&plain).await, resource.verdict(&bound).await], ["ok", "sender_constrained"]);
}
