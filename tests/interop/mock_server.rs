//! npm oauth2-mock-server: tokens from before RFC 9068, with `typ` `JWT` and without `client_id` and `jti`.

use serde_json::{Value, json};
use tower_bearer::{Issuer, Typ};

use crate::process::Server;
use crate::resource::Resource;

const API: &str = "https://api.example.com";

fn start() -> Option<(Server, String)> {
    let (server, about) = Server::node("oauth2-mock-server.mjs", "oauth2-mock-server")?;
    Some((server, about["issuer"].as_str().unwrap().to_owned()))
}

fn token(server: &mut Server, claims: &Value) -> String {
    server.tell(&claims.to_string())["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn older_tokens_pass_with_the_settings_that_fit_and_only_with_them() {
    let Some((mut server, issuer)) = start() else { return };
    let claims = json!({"sub": "alice", "aud": [API, "shop"], "scope": "orders:read"});
    let token = token(&mut server, &claims);
    let lenient = || Issuer::new(&issuer).typ(Typ::Jwt).required_claims(["sub", "iat"]);
    for (trusted, expected) in [
        (lenient(), "ok"),
        (lenient().typ(Typ::AtJwt), "type_not_accepted"),
        (lenient().required_claims(["sub", "iat", "jti"]), "claim_missing"),
        (lenient().audience("https://other.example.com"), "audience_mismatch"),
    ] {
        assert_eq!(Resource::new(API, trusted).verdict(&token).await, expected);
    }
    Resource::new(API, lenient()).expires(&token).await;
}

#[tokio::test]
async fn tokens_are_known_by_the_shape_that_a_maker_gives_them() {
    let Some((mut server, issuer)) = start() else { return };
    let keycloak = json!({
        "sub": "f3a1", "aud": "orders-api", "azp": "shop", "jti": "1", "typ": "Bearer", "scope": "openid",
        "resource_access": {"orders-api": {"roles": ["clerk"]}},
    });
    let cognito = json!({"sub": "a", "client_id": "shop", "token_use": "access", "jti": "1", "scope": "orders/read"});
    let [keycloak, cognito] = [keycloak, cognito].map(|claims| token(&mut server, &claims));
    let resource = Resource::new("orders-api", Issuer::keycloak(&issuer));
    assert!(resource.judge(&keycloak).await.unwrap().has_role("clerk"));
    for (clients, expected) in [("shop", "ok"), ("other", "audience_mismatch")] {
        let trusted = Issuer::cognito(&issuer).client_ids([clients]);
        assert_eq!(Resource::new(API, trusted).verdict(&cognito).await, expected);
    }
    let error = Resource::new("orders-api", Issuer::new(&issuer)).judge(&keycloak).await.unwrap_err();
    assert!(error.detail().unwrap().contains("Issuer::keycloak"), "{error}");
}

#[tokio::test]
async fn a_second_key_is_found_when_a_token_names_it() {
    let Some((mut server, issuer)) = start() else { return };
    let resource = Resource::new(API, Issuer::new(&issuer).typ(Typ::Jwt).required_claims(["sub"]));
    let claims = json!({"sub": "alice", "aud": API, "scope": "a"});
    let first = token(&mut server, &claims);
    assert_eq!(resource.verdict(&first).await, "ok");
    server.tell("rotate");
    for _ in 0..2 {
        assert_eq!(resource.verdict(&token(&mut server, &claims)).await, "ok");
    }
}
