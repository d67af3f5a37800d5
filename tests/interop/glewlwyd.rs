//! Glewlwyd, in C: RFC 9068 by another hand, bound tokens, JWTs that can be revoked.

use std::time::Duration;

use tower_bearer::{Introspect, Introspection, Issuer};

use crate::http::{Client, post, token};
use crate::process::Server;
use crate::resource::{Resource, proof};

const SHOP: Client<'_> = Client { id: "shop", secret: "shop-secret" };

const API: &str = "https://api.example.com";

fn start() -> Option<(Server, String)> {
    let (server, about) = Server::python("glewlwyd.py", &["glewlwyd", "openssl"])?;
    Some((server, about["issuer"].as_str().unwrap().to_owned()))
}

async fn ask(issuer: &str, resource: &str) -> String {
    token(&format!("{issuer}/token"), SHOP, &[("scope", "read"), ("resource", resource)], &[]).await
}

#[tokio::test]
async fn its_tokens_pass_until_they_expire_and_for_this_resource_only() {
    let Some((_server, issuer)) = start() else { return };
    let resource = Resource::new(API, Issuer::new(&issuer));
    let token = ask(&issuer, API).await;
    let claims = resource.judge(&token).await.unwrap();
    assert_eq!((claims.issuer(), claims.client_id(), claims.scope().as_str()), (&*issuer, Some("shop"), "read"));
    let other = ask(&issuer, &format!("{API}/other")).await;
    assert_eq!(resource.verdict(&other).await, "audience_mismatch");
    resource.expires(&token).await;
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused_also_with_a_key_of_the_same_name() {
    let Some((_server, issuer)) = start() else { return };
    let Some((_other_server, other)) = start() else { return };
    let token = ask(&issuer, API).await;
    let foreign_keys = Issuer::new(&issuer).jwks_uri(format!("{other}/jwks"));
    for (trusted, expected) in
        [(Issuer::new(&issuer), "ok"), (Issuer::new(&other), "issuer_unknown"), (foreign_keys, "signature_invalid")]
    {
        assert_eq!(Resource::new(API, trusted).verdict(&token).await, expected);
    }
}

#[tokio::test]
async fn a_rotated_key_is_found_and_a_removed_one_no_longer_believed() {
    let Some((mut server, issuer)) = start() else { return };
    let resource = Resource::new(API, Issuer::new(&issuer));
    let first = ask(&issuer, API).await;
    assert_eq!(resource.verdict(&first).await, "ok");
    server.tell("add");
    let second = ask(&issuer, API).await;
    assert_eq!([resource.verdict(&second).await, resource.verdict(&first).await], ["ok", "ok"]);
    server.tell("replace");
    resource.clock.advance(Duration::from_secs(31));
    assert_eq!(resource.verdict(&ask(&issuer, API).await).await, "ok");
    assert_eq!([resource.verdict(&first).await, resource.verdict(&second).await], ["key_unknown"; 2]);
}

#[tokio::test]
async fn a_bound_token_is_refused_as_a_bearer_token() {
    let Some((_server, issuer)) = start() else { return };
    let resource = Resource::new(API, Issuer::new(&issuer));
    let url = format!("{issuer}/token");
    let form = [("scope", "read"), ("resource", API)];
    let bound = token(&url, SHOP, &form, &[("dpop", &proof(&url))]).await;
    assert_eq!(resource.verdict(&bound).await, "sender_constrained");
    assert_eq!(resource.verdict(&token(&url, SHOP, &form, &[]).await).await, "ok");
}

#[tokio::test]
async fn a_jwt_that_was_revoked_is_refused_where_the_issuer_is_asked() {
    let Some((_server, issuer)) = start() else { return };
    // Glewlwyd tells a client of its own tokens.
    let introspection = Introspection::new(SHOP.id).client_secret(SHOP.secret).use_for(Introspect::Jwt);
    let asking = Resource::new(API, Issuer::new(&issuer).introspection(introspection));
    let trusting = Resource::new(API, Issuer::new(&issuer));
    let token = ask(&issuer, API).await;
    assert_eq!([asking.verdict(&token).await, trusting.verdict(&token).await], ["ok", "ok"]);
    let (status, _) = post(&format!("{issuer}/revoke"), SHOP, &[("token", &token)], &[]).await;
    assert_eq!(status, 200);
    assert_eq!([asking.verdict(&token).await, trusting.verdict(&token).await], ["token_inactive", "ok"]);
}
