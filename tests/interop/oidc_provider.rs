//! npm oidc-provider: RFC 9068 in four algorithms, rotation, bound tokens.

use std::time::Duration;

use serde_json::Value;
use tower_bearer::{Algorithm, Issuer};

use crate::http::{Client, token};
use crate::process::Server;
use crate::resource::{Resource, proof};

pub const SHOP: Client<'_> = Client { id: "shop", secret: "shop-secret-of-32-bytes-at-least" };

const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

pub fn start() -> Option<(Server, Value, String)> {
    let (server, about) = Server::node("oidc-provider.mjs", "oidc-provider")?;
    let issuer = about["issuer"].as_str().unwrap().to_owned();
    Some((server, about, issuer))
}

/// The name of a resource whose tokens are of this format.
pub fn api(format: &str) -> String {
    format!("https://api.example.com/{format}")
}

pub async fn ask(issuer: &str, format: &str) -> String {
    token(&format!("{issuer}/token"), SHOP, &[("resource", &api(format)), ("scope", "orders:read")], &[]).await
}

#[tokio::test]
async fn tokens_in_four_algorithms_pass_until_they_expire() {
    let Some((_server, _, issuer)) = start() else { return };
    for format in ALGORITHMS {
        for trusted in [Issuer::new(&issuer), Issuer::oidc_provider(&issuer)] {
            let resource = Resource::new(&api(format), trusted);
            let token = ask(&issuer, format).await;
            let claims = resource.judge(&token).await.unwrap();
            assert_eq!((claims.issuer(), claims.client_id()), (issuer.as_str(), Some("shop")));
            assert_eq!(claims.scope().as_str(), "orders:read");
            assert!(claims.is_client() && claims.jwt_id().is_some());
            resource.expires(&token).await;
        }
    }
}

#[tokio::test]
async fn tokens_for_another_resource_or_of_another_issuer_are_refused() {
    let Some((_server, _, issuer)) = start() else { return };
    let Some((_other_server, _, other)) = start() else { return };
    let token = ask(&issuer, "ES256").await;
    for (audience, trusted, expected) in
        [("ES256", &issuer, "ok"), ("RS256", &issuer, "audience_mismatch"), ("ES256", &other, "issuer_unknown")]
    {
        assert_eq!(Resource::new(&api(audience), Issuer::oidc_provider(trusted)).verdict(&token).await, expected);
    }
    let only_rsa = Issuer::oidc_provider(&issuer).algorithms([Algorithm::RS256]);
    assert_eq!(Resource::new(&api("ES256"), only_rsa).verdict(&token).await, "algorithm_not_allowed");
    // The keys of the other one do not verify it, although both call their keys alike.
    let foreign_keys = Issuer::oidc_provider(&issuer).jwks_uri(format!("{other}/jwks"));
    assert_eq!(Resource::new(&api("ES256"), foreign_keys).verdict(&token).await, "signature_invalid");
}

#[tokio::test]
async fn a_rotated_key_is_found_and_a_removed_one_no_longer_believed() {
    let Some((mut server, _, issuer)) = start() else { return };
    let resource = Resource::new(&api("ES256"), Issuer::oidc_provider(&issuer));
    let first = ask(&issuer, "ES256").await;
    assert_eq!(resource.verdict(&first).await, "ok");
    server.tell("add");
    let second = ask(&issuer, "ES256").await;
    assert_eq!([resource.verdict(&second).await, resource.verdict(&first).await], ["ok", "ok"]);
    server.tell("replace");
    let third = ask(&issuer, "ES256").await;
    resource.clock.advance(Duration::from_secs(31));
    assert_eq!(resource.verdict(&third).await, "ok");
    for gone in [&first, &second] {
        assert_eq!(resource.verdict(gone).await, "key_unknown");
    }
}

#[tokio::test]
async fn a_bound_token_is_refused_as_a_bearer_token() {
    let Some((_server, _, issuer)) = start() else { return };
    let resource = Resource::new(&api("ES256"), Issuer::oidc_provider(&issuer));
    let url = format!("{issuer}/token");
    let form = [("resource", api("ES256"))];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    let bound = token(&url, SHOP, &form, &[("dpop", &proof(&url))]).await;
    assert_eq!(resource.verdict(&bound).await, "sender_constrained");
    assert_eq!(resource.verdict(&token(&url, SHOP, &form, &[]).await).await, "ok");
}
