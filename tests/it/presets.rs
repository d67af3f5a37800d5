//! The presets: a token of each server's real shape passes with its preset, and without it the operator is told which
//! one would help.

use serde_json::{Value, json};
use tower_bearer::testing::{ManualClock, TestIssuer, TokenBuilder};
use tower_bearer::{Claims, Issuer, ResourceServer, Typ};

use crate::support::{Fixture, Outcome, RS};
use crate::verdicts::{passes, refuses};

const REALM: &str = "https://id.example.com/realms/shop";
const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const ENTRA: &str = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
const ENTRA_API: &str = "6e74172b-be56-4843-9ff4-e66a39bb12e3";
const AUTH0: &str = "https://shop.eu.auth0.com/";
const OKTA: &str = "https://shop.okta.com/oauth2/default";
const COGNITO: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123";
const APP_CLIENT: &str = "57cbishk4j24pabc1234567890";
const ZITADEL: &str = "https://shop-a1b2c3.zitadel.cloud";
const PROJECT: &str = "284123456789000001";
const OPENIDDICT: &str = "https://as.example.com/";

/// A server that trusts one issuer, which is reached without a socket.
fn trusting(audience: &str, issuer: Issuer, url: &str) -> Fixture {
    let clock = ManualClock::new();
    let test_issuer = TestIssuer::in_process_at(url, clock.clone());
    let server = ResourceServer::builder(audience, issuer)
        .clock(clock.clone())
        .http_client(test_issuer.http_client())
        .build()
        .expect("a good configuration");
    Fixture { issuer: test_issuer, clock, server }
}

/// A token with these members and the times of one just issued, and nothing else; `typ` as given, or none.
fn shaped(fixture: &Fixture, typ: Option<&str>, members: Value) -> TokenBuilder {
    let token = fixture.token();
    let token = ["sub", "client_id", "aud", "jti", "scope"].iter().fold(token, |token, name| token.without(name));
    let token = match typ {
        Some(typ) => token.typ(typ),
        None => token.without_header("typ"),
    };
    members.as_object().unwrap().iter().fold(token, |token, (name, value)| token.claim(name, value))
}

fn keycloak_members() -> Value {
    json!({
        "aud": ["orders.api", "account"], "sub": "f3a1c2d4-0000-4000-8000-5e6f7a8b9c0d", "typ": "Bearer", "azp": "shop-web",
        "sid": "0f1e2d3c-0000-4000-8000-4b5a69788796", "acr": "1", "allowed-origins": ["https://shop.example.com"],
        "jti": "onrtac:7e57", "scope": "openid profile orders:read",
        "realm_access": {"roles": ["staff", "offline_access"]},
        "resource_access": {"orders.api": {"roles": ["clerk"]}, "account": {"roles": ["manage-account"]}},
        "email_verified": true, "preferred_username": "alice",
    })
}

fn entra_members() -> Value {
    json!({
        "aud": ENTRA_API, "sub": "AAAAAIkzqFVrSaSaFHy782bbtaQ", "ver": "2.0", "azp": "00001111-aaaa-2222-bbbb-3333cccc4444",
        "azpacr": "1", "scp": "orders.read orders.write", "roles": ["Clerk"], "groups": ["Everybody"],
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "tid": TENANT, "uti": "fqiBqXLPj0eQa82S", "rh": "0.AAAA",
    })
}

fn auth0_members() -> Value {
    json!({
        "aud": [RS, "https://shop.eu.auth0.com/userinfo"], "sub": "auth0|64f0c1", "azp": "dQw4w9WgXcQ",
        "scope": "openid orders:read", "permissions": ["orders:read"],
    })
}

fn okta_members() -> Value {
    json!({
        "ver": 1, "jti": "AT.o4F8", "aud": "api://default", "sub": "alice@example.com", "cid": "0oa2hl2inow5Uqc6c357",
        "uid": "00u1fvCq", "scp": ["openid", "orders:read"], "groups": ["clerks"],
    })
}

fn cognito_members() -> Value {
    json!({
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "client_id": APP_CLIENT, "token_use": "access", "version": 2,
        "origin_jti": "cccccccc", "event_id": "dddddddd", "scope": "orders/read", "jti": "bbbbbbbb", "username": "alice",
        "cognito:groups": ["clerks"],
    })
}

fn zitadel_members() -> Value {
    json!({
        "aud": ["284123456789012345@shop", "284123456789000009", PROJECT], "sub": "284987654321098765",
        "client_id": "284123456789012345@shop", "jti": "V2_284-at_284",
        "urn:zitadel:iam:org:project:roles": {"owner": {"284000000000000009": "other.zitadel.cloud"}},
        "urn:zitadel:iam:org:project:284123456789000009:roles": {"owner": {"284000000000000009": "other.zitadel.cloud"}},
        "urn:zitadel:iam:org:project:284123456789000001:roles": {
            "clerk": {"284000000000000001": "shop.zitadel.cloud"}, "revoked": {}, "odd": true, "list": ["284"],
        },
    })
}

fn openiddict_members() -> Value {
    json!({
        "aud": "orders-api", "sub": "42", "client_id": "shop-web", "oi_prst": "shop-web", "oi_au_id": "7a1c", "oi_tkn_id": "0f3b",
        "jti": "6b2f", "scope": "openid orders", "role": ["clerk", "staff"],
    })
}

async fn claims(fixture: &Fixture, token: TokenBuilder) -> Claims {
    let outcome = fixture.bearer(&token.sign()).await;
    assert_eq!(outcome.code(), "ok", "{:?}", outcome.error);
    outcome.claims.expect("claims")
}

fn roles(claims: &Claims) -> Vec<&str> {
    claims.roles().collect()
}

/// What the operator is told of a refusal.
#[track_caller]
fn told(outcome: &Outcome) -> &str {
    outcome.assert_it();
    outcome.error.as_ref().and_then(|error| error.detail()).unwrap_or_default()
}

/// The token is refused without the preset, and the operator is told which one would help.
async fn names_the_preset(audience: &str, url: &str, typ: Option<&str>, members: Value, setter: &str, name: &str) {
    let plain = trusting(audience, Issuer::new(url), url);
    let outcome = plain.bearer(&shaped(&plain, typ, members).sign()).await;
    let detail = told(&outcome);
    assert!(detail.contains(&format!("`Issuer::{setter}(..)`")), "{detail}");
    assert!(detail.contains(&format!("`preset = \"{name}\"`")), "{detail}");
    assert!(!outcome.body.contains(setter) && !outcome.challenges()[0].contains(setter), "{outcome:?}");
}

#[tokio::test]
async fn keycloak_takes_its_tokens_with_the_roles_of_the_realm_and_of_this_service() {
    let fixture = trusting("orders.api", Issuer::keycloak(REALM), REALM);
    let claims = claims(&fixture, shaped(&fixture, Some("JWT"), keycloak_members())).await;
    assert_eq!((claims.client_id(), claims.scope().as_str()), (Some("shop-web"), "openid profile orders:read"));
    assert_eq!(roles(&claims), ["staff", "offline_access", "clerk"]);
    passes(&fixture, shaped(&fixture, Some("at+jwt"), keycloak_members())).await;
    names_the_preset("orders.api", REALM, Some("JWT"), keycloak_members(), "keycloak", "keycloak").await;
}

#[tokio::test]
async fn keycloak_tells_other_tokens_by_what_they_say_of_themselves() {
    let fixture = trusting("orders.api", Issuer::keycloak(REALM), REALM);
    for (typ, code) in [("Bearer", "ok"), ("ID", "id_token"), ("Refresh", "id_token"), ("Offline", "id_token")] {
        let token = shaped(&fixture, Some("JWT"), keycloak_members()).claim("typ", typ);
        assert_eq!(fixture.bearer(&token.sign()).await.code(), code, "{typ}");
    }
}

#[tokio::test]
async fn keycloak_without_an_audience_mapper_is_explained() {
    let fixture = trusting("orders.api", Issuer::keycloak(REALM), REALM);
    let token = |audience: Option<&str>| {
        let token = shaped(&fixture, Some("JWT"), keycloak_members()).without("aud");
        audience.into_iter().fold(token, TokenBuilder::audience)
    };
    passes(&fixture, token(Some("orders.api"))).await;
    for audience in [None, Some("account")] {
        let outcome = fixture.bearer(&token(audience).sign()).await;
        assert!(told(&outcome).contains("a mapper of the type Audience"), "{outcome:?}");
        assert!(!told(&outcome).contains("looks like"), "{outcome:?}");
    }
    let outcome = fixture.bearer(&token(Some("orders.api")).without("sub").sign()).await;
    assert!(told(&outcome).contains("client scope `basic`"), "{outcome:?}");
}

#[tokio::test]
async fn entra_takes_version_2_tokens_with_assigned_roles_only() {
    let fixture = trusting(ENTRA_API, Issuer::entra(TENANT), ENTRA);
    let claims = claims(&fixture, shaped(&fixture, Some("JWT"), entra_members())).await;
    assert_eq!(
        (claims.client_id(), claims.scope().as_str()),
        (Some("00001111-aaaa-2222-bbbb-3333cccc4444"), "orders.read orders.write")
    );
    assert_eq!(roles(&claims), ["Clerk"]);
    // A service that acts for itself has roles and no scope.
    passes(&fixture, shaped(&fixture, Some("JWT"), entra_members()).without("scp")).await;
    names_the_preset(ENTRA_API, ENTRA, Some("JWT"), entra_members(), "entra", "entra").await;
}

#[tokio::test]
async fn entra_tokens_of_version_1_and_for_graph_are_explained() {
    let fixture = trusting(ENTRA_API, Issuer::entra(TENANT), ENTRA);
    let token = || shaped(&fixture, Some("JWT"), entra_members());
    let tell = async |token: TokenBuilder| told(&fixture.bearer(&token.sign()).await).to_owned();
    let first = format!("https://sts.windows.net/{TENANT}/");
    let old = tell(token().claim("iss", &first).claim("ver", "1.0")).await;
    assert!(old.contains("requestedAccessTokenVersion") && old.contains(&first), "{old}");
    // Of a tenant that is not trusted nothing is said.
    for other in ["https://sts.windows.net/00000000-86f1-41af-91ab-2d7cd011db47/", "https://sts.windows.net//", "x"] {
        assert_eq!(tell(token().claim("iss", other)).await, format!("iss is `{other}`"));
    }
    for graph in ["00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com/"] {
        assert!(tell(token().audience(graph)).await.contains("Microsoft Graph"));
    }
    let other = tell(token().audience("api://orders")).await;
    assert!(other.contains("application id") && !other.contains("Graph"), "{other}");
}

#[tokio::test]
async fn auth0_takes_both_token_profiles_and_permissions_for_roles() {
    let fixture = trusting(RS, Issuer::auth0("shop.eu.auth0.com"), AUTH0);
    let first = claims(&fixture, shaped(&fixture, Some("JWT"), auth0_members())).await;
    assert_eq!((first.client_id(), roles(&first)), (Some("dQw4w9WgXcQ"), vec!["orders:read"]));
    let profile =
        shaped(&fixture, Some("at+jwt"), auth0_members()).without("azp").claim("client_id", "web").claim("jti", "7");
    assert_eq!(claims(&fixture, profile).await.client_id(), Some("web"));
    names_the_preset(RS, AUTH0, Some("JWT"), auth0_members(), "auth0", "auth0").await;
}

#[tokio::test]
async fn a_token_that_is_no_jwt_is_explained_where_one_issuer_alone_is_trusted() {
    for (issuer, url, advice) in [
        (Issuer::auth0("shop.eu.auth0.com"), AUTH0, "names no `audience`"),
        (Issuer::openiddict(OPENIDDICT), OPENIDDICT, "DisableAccessTokenEncryption()"),
        (Issuer::zitadel(ZITADEL), ZITADEL, "token type is JWT"),
        (Issuer::oidc_provider(OPENIDDICT), OPENIDDICT, "accessTokenFormat"),
    ] {
        let fixture = trusting(RS, issuer.clone(), url);
        for token in ["2YotnFZFEjr1zCsicMWpAA", "eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn"] {
            let outcome = fixture.bearer(token).await;
            assert_eq!(outcome.code(), "not_a_jwt");
            assert!(told(&outcome).contains(advice), "{outcome:?}");
        }
        let server = ResourceServer::builder(RS, issuer).issuer("https://b.example.com").build().unwrap();
        let outcome = Fixture { server, ..fixture }.bearer("2YotnFZFEjr1zCsicMWpAA").await;
        assert!(!told(&outcome).contains(advice), "{outcome:?}");
    }
}

#[tokio::test]
async fn okta_takes_its_tokens_without_typ_and_with_a_scope_that_is_a_list() {
    let fixture = trusting("api://default", Issuer::okta(OKTA), OKTA);
    let claims = claims(&fixture, shaped(&fixture, None, okta_members())).await;
    assert_eq!((claims.client_id(), claims.scope().as_str()), (Some("0oa2hl2inow5Uqc6c357"), "openid orders:read"));
    assert_eq!(roles(&claims), ["clerks"]);
    refuses(&fixture, shaped(&fixture, None, okta_members()).claim("cid", 7), "claim_invalid").await;
    names_the_preset("api://default", OKTA, None, okta_members(), "okta", "okta").await;
}

#[tokio::test]
async fn cognito_takes_tokens_without_aud_of_the_clients_that_were_named() {
    let issuer = Issuer::cognito("eu-central-1/eu-central-1_AbCdEf123");
    let fixture = trusting(RS, issuer.clone().client_ids([APP_CLIENT]), COGNITO);
    let token = |fixture: &Fixture| shaped(fixture, None, cognito_members());
    let claims = claims(&fixture, token(&fixture)).await;
    assert_eq!((claims.client_id(), roles(&claims)), (Some(APP_CLIENT), vec!["clerks"]));
    assert_eq!(claims.audience().iter().count(), 0);
    // With a `resource` there is an `aud`, and it decides alone.
    passes(&fixture, token(&fixture).audience(RS)).await;
    refuses(&fixture, token(&fixture).audience("https://other.example.com"), "audience_mismatch").await;
    refuses(&fixture, token(&fixture).claim("client_id", "another-client"), "audience_mismatch").await;
    refuses(&fixture, token(&fixture).claim("token_use", "id"), "id_token").await;
    let unnamed = trusting(RS, issuer, COGNITO);
    let outcome = unnamed.bearer(&token(&unnamed).sign()).await;
    assert_eq!(outcome.code(), "claim_missing");
    assert!(told(&outcome).contains("`Issuer::client_ids(..)`"), "{outcome:?}");
    names_the_preset(RS, COGNITO, None, cognito_members(), "cognito", "cognito").await;
}

#[tokio::test]
async fn zitadel_grants_the_roles_of_this_project_and_of_no_other() {
    let fixture = trusting(PROJECT, Issuer::zitadel(ZITADEL), ZITADEL);
    let claims = claims(&fixture, shaped(&fixture, Some("JWT"), zitadel_members())).await;
    assert_eq!((claims.client_id(), roles(&claims)), (Some("284123456789012345@shop"), vec!["clerk"]));
    // Without the claim of this project the one of the client's project grants nothing.
    let own = format!("urn:zitadel:iam:org:project:{PROJECT}:roles");
    let foreign = shaped(&fixture, Some("JWT"), zitadel_members()).without(&own);
    assert_eq!(fixture.bearer(&foreign.sign()).await.claims.unwrap().roles().count(), 0);
    names_the_preset(PROJECT, ZITADEL, Some("JWT"), zitadel_members(), "zitadel", "zitadel").await;
}

#[tokio::test]
async fn openiddict_keeps_to_the_profile_and_writes_one_role_as_a_string() {
    let fixture = trusting("orders-api", Issuer::openiddict(OPENIDDICT), OPENIDDICT);
    let token = || shaped(&fixture, Some("at+jwt"), openiddict_members());
    assert_eq!(roles(&claims(&fixture, token()).await), ["clerk", "staff"]);
    assert_eq!(roles(&claims(&fixture, token().claim("role", "clerk")).await), ["clerk"]);
    assert!(roles(&claims(&fixture, token().claim("role", json!({"clerk": {}}))).await).is_empty());
    refuses(&fixture, token().typ("JWT"), "type_not_accepted").await;
    let without_resource = fixture.bearer(&token().without("aud").sign()).await;
    assert!(told(&without_resource).contains("give the scope of this API a resource"));
    // A plain issuer takes it too, but for the roles; where it writes no `aud`, the operator is told whose token it is.
    let mut members = openiddict_members();
    members.as_object_mut().unwrap().remove("aud");
    names_the_preset("orders-api", OPENIDDICT, Some("at+jwt"), members, "openiddict", "openiddict").await;
}

#[tokio::test]
async fn oidc_provider_differs_in_what_the_operator_is_told_only() {
    for (issuer, is_told) in [(Issuer::oidc_provider(OPENIDDICT), true), (Issuer::new(OPENIDDICT), false)] {
        let fixture = trusting(RS, issuer, OPENIDDICT);
        let members = json!({"aud": RS, "sub": "alice", "client_id": "web", "jti": "x9Qk", "scope": "orders:read"});
        let token = || shaped(&fixture, Some("at+jwt"), members.clone());
        passes(&fixture, token()).await;
        let outcome = fixture.bearer(&token().audience("https://other.example.com").sign()).await;
        assert_eq!(told(&outcome).contains("`resourceIndicators`"), is_told, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_setter_after_the_preset_has_the_last_word() {
    let strict =
        Issuer::keycloak(REALM).typ(Typ::AtJwt).required_claims(["acr"]).roles_claim("resource_access.account.roles");
    let fixture = trusting("account", strict, REALM);
    refuses(&fixture, shaped(&fixture, Some("JWT"), keycloak_members()), "type_not_accepted").await;
    refuses(&fixture, shaped(&fixture, Some("at+jwt"), keycloak_members()).without("acr"), "claim_missing").await;
    let claims = claims(&fixture, shaped(&fixture, Some("at+jwt"), keycloak_members()).without("sub")).await;
    assert_eq!(roles(&claims), ["manage-account"]);
    let entra = Issuer::entra(TENANT).roles_claims(["roles", "groups"]).scope_claim("tid").client_claim("oid");
    let fixture = trusting(ENTRA_API, entra, ENTRA);
    let claims = self::claims(&fixture, shaped(&fixture, Some("JWT"), entra_members())).await;
    assert_eq!(roles(&claims), ["Clerk", "Everybody"]);
    assert_eq!((claims.scope().as_str(), claims.client_id()), (TENANT, Some("690222be-ff1a-4d56-abd1-7e4f7d38e474")));
}

#[tokio::test]
async fn a_client_never_stands_in_for_an_audience_that_is_there() {
    let fixture = Fixture::with(|issuer| issuer.client_ids(["web", "batch"]), |builder| builder);
    let token = || fixture.token().client_id("web").without("aud");
    passes(&fixture, token()).await;
    passes(&fixture, token().client_id("batch")).await;
    passes(&fixture, token().audience(RS).client_id("other")).await;
    for client in ["other", "WEB", "web ", ""] {
        refuses(&fixture, token().client_id(client), "audience_mismatch").await;
    }
    refuses(&fixture, token().without("client_id"), "audience_mismatch").await;
    refuses(&fixture, token().audience("https://other.example.com"), "audience_mismatch").await;
    for unreadable in [json!(null), json!([]), json!(7), json!({}), json!([7])] {
        refuses(&fixture, token().claim("aud", unreadable), "claim_invalid").await;
    }
    let without = Fixture::new();
    refuses(&without, without.token().without("aud"), "claim_missing").await;
    // Where any audience will do, a token without one still needs a client that is named.
    let any = Fixture::with(|issuer| issuer.client_ids(["web"]), |builder| builder.danger_accept_any_audience());
    passes(&any, any.token().client_id("web").without("aud")).await;
    refuses(&any, any.token().client_id("other").without("aud"), "audience_mismatch").await;
}

#[tokio::test]
async fn nothing_is_said_of_a_good_form_and_nothing_raw_of_a_strangers_token() {
    let fixture = Fixture::new();
    let hostile =
        fixture.token().typ("JWT\r\n").claim("realm_access", "\u{202e}evil").claim("urn:zitadel:\u{1b}[31m", 1);
    let outcome = fixture.bearer(&hostile.sign()).await;
    let detail = told(&outcome);
    assert!(detail.contains("Issuer::keycloak") && !detail.contains("evil") && detail.len() < 400, "{detail}");
    assert!(detail.chars().all(|character| matches!(character, ' '..='~')), "{detail}");
    let expired = fixture.bearer(&fixture.token().claim("realm_access", json!({})).expired().sign()).await;
    assert!(!told(&expired).contains("Keycloak"), "{expired:?}");
    let untrusted = fixture.token().claim("iss", "https://x.example.com").typ("JWT").claim("realm_access", json!({}));
    let outcome = fixture.bearer(&untrusted.sign()).await;
    assert_eq!(told(&outcome), "iss is `https://x.example.com`");
}

#[test]
fn a_preset_makes_the_issuer_that_the_server_writes() {
    for (issuer, url) in [
        (Issuer::keycloak("https://id.example.com/auth/realms/shop/"), "https://id.example.com/auth/realms/shop"),
        (Issuer::entra(TENANT), ENTRA),
        (Issuer::entra(ENTRA), ENTRA),
        (Issuer::auth0("shop.eu.auth0.com"), AUTH0),
        (Issuer::auth0("https://shop.eu.auth0.com"), AUTH0),
        (Issuer::auth0(AUTH0), AUTH0),
        (Issuer::okta("https://shop.okta.com/oauth2/default/"), OKTA),
        (Issuer::cognito("eu-central-1/eu-central-1_AbCdEf123"), COGNITO),
        (Issuer::cognito(COGNITO), COGNITO),
        (
            Issuer::cognito("cn-north-1/cn-north-1_AbCdEf123"),
            "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_AbCdEf123",
        ),
        (Issuer::zitadel("https://shop-a1b2c3.zitadel.cloud/"), ZITADEL),
        (Issuer::openiddict(OPENIDDICT), OPENIDDICT),
        (Issuer::oidc_provider("https://as.example.com"), "https://as.example.com"),
        // A stand-in of a test has a name of its own.
        (Issuer::keycloak("http://127.0.0.1:1"), "http://127.0.0.1:1"),
        (Issuer::entra("http://127.0.0.1:1"), "http://127.0.0.1:1"),
        (Issuer::auth0("http://127.0.0.1:1"), "http://127.0.0.1:1"),
        (Issuer::okta("http://127.0.0.1:1/"), "http://127.0.0.1:1/"),
        (Issuer::cognito("http://127.0.0.1:1"), "http://127.0.0.1:1"),
    ] {
        let server = ResourceServer::builder(RS, issuer).build().unwrap();
        assert_eq!(server.health()[0].issuer, url);
    }
}

#[test]
fn a_name_that_cannot_be_right_is_one_mistake_with_its_remedy() {
    for (issuer, shown, remedy) in [
        (Issuer::keycloak("https://id.example.com"), "https://id.example.com", "the URL of a realm"),
        (Issuer::keycloak("https://u:p@id.example.com/realms/a/b"), "https://***@id.example.com/realms/a/b", "a realm"),
        (Issuer::entra("common"), "https://login.microsoftonline.com/common/v2.0", "one tenant by its id"),
        (Issuer::entra("contoso.com"), "https://login.microsoftonline.com/contoso.com/v2.0", "one tenant by its id"),
        (
            Issuer::entra("https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/"),
            "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/",
            "one tenant by its id",
        ),
        (Issuer::auth0("shop eu"), "https://shop eu/", "characters of RFC 3986"),
        (Issuer::okta("https://shop.okta.com"), "https://shop.okta.com", "a custom authorization server"),
        (
            Issuer::okta("https://shop.okta.com/oauth2/"),
            "https://shop.okta.com/oauth2",
            "a custom authorization server",
        ),
        (Issuer::cognito("eu-central-1_AbCdEf123"), "eu-central-1_AbCdEf123", "region and user pool"),
        (
            Issuer::cognito("eu-west-1/eu-central-1_AbCdEf123"),
            "eu-west-1/eu-central-1_AbCdEf123",
            "region and user pool",
        ),
        (Issuer::zitadel("shop.zitadel.cloud"), "shop.zitadel.cloud", "absolute URL"),
    ] {
        let error = ResourceServer::builder(RS, issuer).build().unwrap_err();
        let [problem] = error.problems() else { panic!("{error}") };
        assert_eq!((&*problem.setting, problem.value.as_str()), ("issuer", shown));
        assert!(problem.remedy.contains(remedy), "{problem}");
    }
    let none: [&str; 0] = [];
    for (clients, shown) in [(none.as_slice(), "[]"), (&["a", ""], "")] {
        let issuer = Issuer::new("https://as.example.com").client_ids(clients.iter().copied());
        let error = ResourceServer::builder(RS, issuer).build().unwrap_err();
        assert_eq!((&*error.problems()[0].setting, error.problems()[0].value.as_str()), ("client_ids", shown));
    }
}
