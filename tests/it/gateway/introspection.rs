//! `[issuers.introspection]`: the gateway asks about opaque tokens.

use tower_bearer::Algorithm;
use tower_bearer::testing::{Endpoint, Fault, SigningKey, TestIssuer};

use super::RESOURCE;
use super::harness::{Folder, Gateway};
use super::mistakes::{mistakes, mistakes_in};

const SECRET: &str = "hunter2-hunter2-hunter2";

fn file(issuer: &str, keys: &str) -> String {
    format!(
        "resource = \"{RESOURCE}\"\n[[issuers]]\nissuer = \"{issuer}\"\n\
         [issuers.introspection]\nclient_id = \"orders\"\n{keys}\n"
    )
}

#[tokio::test]
async fn opaque_tokens_and_jwts_pass_and_what_was_revoked_does_not() {
    let issuer = TestIssuer::start().await;
    issuer.register_client("orders", SECRET);
    let folder = Folder::new();
    folder.write("secret", format!("{SECRET}\n"));
    let keys = "client_secret_file = \"secret\"";
    let gateway = Gateway::start_in(folder, &file(issuer.url(), keys), |command| {
        command.env("RUST_LOG", "trace");
    });
    let (opaque, jwt) = (issuer.token().audience(RESOURCE).opaque(), issuer.token().audience(RESOURCE).sign());
    for token in [&opaque, &jwt] {
        assert_eq!(gateway.get("/a", token).await.status, 200);
    }
    assert_eq!(issuer.requests(Endpoint::Introspection), 1, "a JWT is verified without a question");
    let foreign = issuer.token().audience("https://other.example.com").opaque();
    assert_eq!(gateway.get("/a", &foreign).await.status, 401);
    issuer.fault(Endpoint::Introspection, Some(Fault::Html));
    let outage = gateway.get("/a", &opaque).await;
    assert_eq!((outage.status.as_u16(), outage.header("retry-after").is_empty()), (503, false));
    issuer.fault(Endpoint::Introspection, None);
    assert_eq!(gateway.get("/a", &opaque).await.status, 200);
    issuer.revoke(&opaque);
    assert_eq!(gateway.get("/a", &opaque).await.status, 401);
    let log = gateway.log();
    assert!(log.contains("token_inactive"), "{log}");
    assert!(!log.contains(&SECRET[..8]) && !log.contains(&opaque), "{log}");
}

#[tokio::test]
async fn each_way_to_authenticate_can_be_chosen() {
    let issuer = TestIssuer::start().await;
    let key = SigningKey::generate(Algorithm::ES256);
    issuer.register_client("orders", SECRET);
    let token = issuer.token().audience(RESOURCE).opaque();
    for (keys, status) in [
        ("auth_method = \"client_secret_basic\"\nclient_secret_env = \"TEST_CLIENT_SECRET\"", 200),
        ("auth_method = \"client_secret_post\"\nclient_secret_env = \"TEST_CLIENT_SECRET\"", 200),
        ("client_secret = \"another-secret\"", 503),
        ("private_key_file = \"key.pem\"", 200),
        ("auth_method = \"private_key_jwt\"\nprivate_key_file = \"key.pem\"\nlegacy_typ = true", 200),
    ] {
        if keys.contains("private_key") {
            issuer.register_client_key("orders", &key);
        }
        let folder = Folder::new();
        folder.write("key.pem", key.private_key_pem());
        let gateway = Gateway::start_in(folder, &file(issuer.url(), keys), |command| {
            command.env("TEST_CLIENT_SECRET", SECRET);
        });
        assert_eq!(gateway.get("/a", &token).await.status, status, "{keys}");
    }
}

#[tokio::test]
async fn the_keys_of_the_table_mean_what_they_say() {
    let issuer = TestIssuer::start().await;
    issuer.register_client("orders", SECRET);
    for (more, jwt_calls, opaque_calls) in [
        ("use_for = \"opaque\"", 0, 2),
        ("use_for = \"all\"", 2, 2),
        ("recheck = \"5m\"", 1, 2),
        ("cache_ttl = \"1m\"", 0, 1),
        ("use_for = \"all\"\ncache_ttl = \"1m\"\nmax_in_flight = 8", 1, 1),
    ] {
        let keys = format!("client_secret = \"{SECRET}\"\n{more}");
        let gateway = Gateway::start(&file(issuer.url(), &keys));
        let token = || issuer.token().audience(RESOURCE);
        for (token, calls) in [(token().sign(), jwt_calls), (token().opaque(), opaque_calls)] {
            let before = issuer.requests(Endpoint::Introspection);
            for _ in 0..2 {
                assert_eq!(gateway.get("/a", &token).await.status, 200, "{more}");
            }
            assert_eq!(issuer.requests(Endpoint::Introspection) - before, calls, "{more}");
        }
    }
}

#[test]
fn mistakes_of_the_table_are_told_with_their_place_and_show_no_secret() {
    let secret = format!("client_secret = \"{SECRET}\"");
    for (keys, place) in [
        (String::new(), "client_secret"),
        (format!("{secret}\nprivate_key = \"{SECRET}\""), "auth_method"),
        (format!("{secret}\nauth_method = \"private_key_jwt\""), "auth_method"),
        (format!("{secret}\nauth_method = \"tls\""), "auth_method"),
        ("auth_method = \"private_key_jwt\"".into(), "private_key"),
        (format!("private_key = \"{SECRET}\""), "private_key"),
        (format!("{secret}\ncache_ttl = \"6m\""), "cache_ttl"),
        (format!("{secret}\nrecheck = \"0s\""), "recheck"),
        (format!("{secret}\nuse_for = \"some\""), "use_for"),
        (format!("{secret}\nendpoint = \"http://as.example.com/i\""), "endpoint"),
        (format!("{secret}\nsigned_response = \"HS256\""), "signed_response"),
        (format!("{secret}\nmax_in_flight = 0"), "max_in_flight"),
        (format!("{secret}\ncolour = \"red\""), "colour"),
    ] {
        let lines = mistakes(&file("https://as.example.com", &keys));
        assert!(lines[0].starts_with(&format!("issuers[0].introspection.{place} `")), "{keys}\n{lines:#?}");
        assert!(lines.iter().all(|line| !line.contains(&SECRET[..8])), "{keys}\n{lines:#?}");
    }
    let missing = mistakes_in(&Folder::new(), &file("https://as.example.com", "client_secret_file = \"none\""), &[]);
    assert!(missing[0].starts_with("issuers[0].introspection.client_secret_file `"), "{missing:#?}");
}
