//! django-oauth-toolkit: opaque tokens only, no metadata, and answers that name neither issuer nor audience nor subject.

use tower_bearer::{Introspection, Issuer};

use crate::http::{Client, post, token};
use crate::process::Server;
use crate::resource::Resource;

const SHOP: Client<'_> = Client { id: "shop", secret: "shop-secret" };

const API: &str = "https://api.example.com";

/// Debian's Python, which finds Debian's packages.
fn start() -> Option<(Server, String)> {
    let (server, about) = Server::debian_python("django_toolkit.py", "oauth2_provider")?;
    Some((server, about["issuer"].as_str().unwrap().to_owned()))
}

fn introspection(issuer: &str, secret: &str) -> Introspection {
    Introspection::new("api").client_secret(secret).endpoint(format!("{issuer}/introspect/"))
}

fn asking(issuer: &str, introspection: Introspection) -> Resource {
    Resource::new(API, Issuer::new(issuer).introspection(introspection))
}

#[tokio::test]
async fn its_sparse_answers_are_taken_where_that_was_said_and_only_there() {
    let Some((_server, issuer)) = start() else { return };
    let token = token(&format!("{issuer}/token/"), SHOP, &[("scope", "read")], &[]).await;
    let strict = asking(&issuer, introspection(&issuer, "api-secret"));
    assert_eq!(strict.verdict(&token).await, "audience_missing");
    let resource = asking(&issuer, introspection(&issuer, "api-secret").allow_missing_audience());
    let claims = resource.judge(&token).await.unwrap();
    assert_eq!((claims.subject(), claims.client_id(), claims.scope().as_str()), (None, Some("shop"), "read"));
    resource.expires(&token).await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_wrong_credentials_of_ours_are_our_outage() {
    let Some((_server, issuer)) = start() else { return };
    let token = token(&format!("{issuer}/token/"), SHOP, &[("scope", "read")], &[]).await;
    let resource = asking(&issuer, introspection(&issuer, "api-secret").allow_missing_audience());
    let wrong = asking(&issuer, introspection(&issuer, "wrong-secret").allow_missing_audience());
    assert_eq!([resource.verdict(&token).await, wrong.verdict(&token).await], ["ok", "introspection_unauthorized"]);
    let (status, _) = post(&format!("{issuer}/revoke_token/"), SHOP, &[("token", &token)], &[]).await;
    assert_eq!(status, 200);
    assert_eq!([resource.verdict(&token).await, resource.verdict("never-issued").await], ["token_inactive"; 2]);
}
