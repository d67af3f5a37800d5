//! Claims as header fields for the service inside, and what a client sent in their place.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, Request};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::testing::TestClaims;
use tower_bearer::{Claims, ForwardLayer};
use tracing_subscriber::filter::LevelFilter;

use crate::capture::Log;

const FIELDS: [(&str, &str); 3] = [("x-auth-user", "sub"), ("x-auth-scope", "scope"), ("x-auth-groups", "groups")];

/// The fields that the inner service sees.
fn seen(layer: &ForwardLayer, fields: &[(&str, &str)], claims: Option<Claims>) -> HeaderMap {
    let noted: Arc<Mutex<HeaderMap>> = Arc::default();
    let note = noted.clone();
    let inner = service_fn(move |request: Request<()>| {
        *note.lock().unwrap() = request.headers().clone();
        async { Ok::<_, Infallible>(()) }
    });
    let mut request = Request::get("/r").body(()).unwrap();
    for (name, value) in fields {
        request.headers_mut().append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    claims.into_iter().for_each(|claims| drop(request.extensions_mut().insert(claims)));
    layer.layer(inner).oneshot(request).now_or_never().unwrap().unwrap();
    Arc::into_inner(noted).map(|noted| noted.into_inner().unwrap()).unwrap_or_default()
}

fn alice() -> TestClaims {
    TestClaims::new().subject("alice").scope("a b")
}

fn layer() -> ForwardLayer {
    ForwardLayer::new(FIELDS).unwrap()
}

/// The value that this claim gives; none where it is left out.
fn value(claim: serde_json::Value) -> Option<String> {
    let layer = ForwardLayer::new([("x-a", "c")]).unwrap();
    let headers = seen(&layer, &[], Some(TestClaims::new().claim("c", claim).build()));
    headers.get("x-a").map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn claims_become_fields_and_an_absent_claim_none() {
    let headers = seen(&layer(), &[("accept", "a")], Some(alice().build()));
    let expected = [("accept", "a"), ("x-auth-scope", "a b"), ("x-auth-user", "alice")];
    let mut found: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    found.sort_unstable();
    assert_eq!(found, expected);
    assert!(headers["x-auth-user"].is_sensitive());
}

#[test]
fn s10_05_no_copy_of_a_client_reaches_the_inner_service_in_any_spelling_with_or_without_claims() {
    let copies = [
        ("X-Auth-User", "mallory"),
        ("X-AUTH-USER", "mallory"),
        ("x_auth_user", "mallory"),
        ("X_Auth-User", "mallory"),
        ("x.auth.user", "mallory"),
        ("x-auth-groups", "admin"),
        ("x_auth_groups", "admin"),
        ("x-auth-scope", "all"),
    ];
    let with = seen(&layer(), &[&copies[..], &copies[..], &[("x-other", "1")]].concat(), Some(alice().build()));
    assert_eq!(with.get_all("x-auth-user").iter().collect::<Vec<_>>(), ["alice"]);
    assert_eq!(with.len(), 3, "{with:?}");
    let without = seen(&layer(), &[&copies[..], &[("x-other", "1")]].concat(), None);
    assert_eq!(without.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-other"]);
}

#[test]
fn s10_05_a_field_of_another_name_is_not_touched() {
    let others = [("x-auth-users", "1"), ("x-auth-use", "1"), ("xx-auth-user", "1"), ("xauthuser", "1")];
    assert_eq!(seen(&layer(), &others, None).len(), others.len());
}

#[test]
fn s10_05_trailers_are_cleaned_and_no_longer_announced() {
    let headers = seen(&layer(), &[("trailer", "X-Sum, X_Auth_User"), ("trailer", "x-auth-scope,x-more")], None);
    assert_eq!(headers.get_all("trailer").iter().collect::<Vec<_>>(), ["X-Sum, x-more"]);
    assert!(!seen(&layer(), &[("trailer", "x-auth-user")], None).contains_key("trailer"));
    let mut trailers = HeaderMap::from_iter([
        (HeaderName::from_static("x_auth_user"), "mallory".parse().unwrap()),
        (HeaderName::from_static("grpc-status"), "0".parse().unwrap()),
    ]);
    layer().remove_from(&mut trailers);
    assert_eq!(trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["grpc-status"]);
}

#[test]
fn credentials_and_further_fields_are_removed_where_that_is_asked_for() {
    let sent = [
        ("authorization", "Bearer t"),
        ("authorization", "Bearer u"),
        ("dpop", "p"),
        ("client-cert", ":c:"),
        ("Client_Cert", ":c:"),
        ("client-cert-chain", ":c:"),
        ("cookie", "c"),
    ];
    assert_eq!(seen(&layer(), &sent, None).len(), sent.len());
    let stripped = seen(&layer().strip_credentials(), &sent, None);
    assert_eq!(stripped.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["cookie"]);
    let certificate = HeaderName::from_static("client-cert");
    let without = seen(&layer().remove([certificate]), &sent, None);
    assert_eq!(without.len(), sent.len() - 2);
}

#[test]
fn values_are_text_numbers_booleans_and_lists_of_them() {
    for (claim, expected) in [
        (json!("north west"), "north west"),
        (json!(7), "7"),
        (json!(true), "true"),
        (json!(["a", 7, false]), "a,7,false"),
        (json!(["a b", "c"]), "a b,c"),
        (json!("a,b"), "a,b"),
        (json!("x".repeat(4096)), &*"x".repeat(4096)),
    ] {
        assert_eq!(value(claim.clone()).as_deref(), Some(expected), "{claim}");
    }
}

#[test]
fn what_cannot_stand_in_a_field_is_left_out() {
    for claim in [
        json!("a\r\nx-auth-admin: 1"),
        json!("a\u{0}"),
        json!("Jos\u{e9}"),
        json!(" a"),
        json!("a "),
        json!("\t"),
        json!(""),
        json!(null),
        json!([]),
        json!({"a": 1}),
        json!(["a", {"b": 1}]),
        json!([["a"]]),
        json!(["staff,admin"]),
        json!(["a", "b\n"]),
        json!("x".repeat(4097)),
    ] {
        assert_eq!(value(claim.clone()), None, "{claim}");
    }
}

#[test]
fn scope_roles_and_client_id_are_those_that_requirements_see_and_a_path_leads_into_the_payload() {
    let fields = [("x-r", "roles"), ("x-c", "client_id"), ("x-n", "realm.name"), ("x-i", "iss")];
    let claims = TestClaims::new().claim("azp", "shop").claim("roles", ["clerk", "staff"]);
    let claims = claims.claim("realm", json!({"name": "one"})).build();
    let (issuer, client) = (claims.issuer().to_owned(), claims.client_id().unwrap_or_default().to_owned());
    let headers = seen(&ForwardLayer::new(fields).unwrap(), &[], Some(claims));
    let found = ["x-r", "x-c", "x-n", "x-i"].map(|name| headers[name].to_str().unwrap());
    assert_eq!(found, ["clerk,staff", &*client, "one", &*issuer]);
}

#[test]
fn the_scope_of_several_claims_is_forwarded_where_the_first_is_absent() {
    let headers = seen(&layer(), &[], Some(TestClaims::new().scope(" a  b").build()));
    assert_eq!(headers["x-auth-scope"], "a b");
    assert!(!seen(&layer(), &[], Some(TestClaims::new().scope(" ").build())).contains_key("x-auth-scope"));
}

#[test]
fn a_claim_that_is_left_out_is_complained_of_once_and_never_shown() {
    let (log, _guard) = Log::listen(LevelFilter::WARN);
    let layer = ForwardLayer::new([("x-a", "c"), ("x-b", "d")]).unwrap();
    let claims = || Some(TestClaims::new().claim("c", "secret\n").claim("d", "fine").build());
    (0..3).for_each(|_| drop(seen(&layer, &[], claims())));
    let told = log.audited();
    let told: Vec<_> = told.iter().map(|event| ["code", "header", "claim"].map(|name| event.field(name))).collect();
    assert_eq!(told, [["claim_not_forwarded", "x-a", "c"]]);
    assert!(!log.text().contains("secret"));
}

#[test]
fn a_bad_list_of_fields_is_refused_with_every_mistake() {
    let fields = [("x a", "sub"), ("Authorization", "sub"), ("x-a", "sub"), ("X_A", "sub"), ("x-b", ""), ("te", "a")];
    let error = ForwardLayer::new(fields).unwrap_err();
    let settings: Vec<&str> = error.problems().iter().map(|problem| &*problem.setting).collect();
    assert_eq!(settings, ["headers.x a", "headers.Authorization", "headers.X_A", "headers.x-b", "headers.te"]);
    let many: Vec<(String, &str)> = (0..65).map(|number| (format!("x-{number}"), "sub")).collect();
    assert!(ForwardLayer::new(many[..64].iter().cloned()).is_ok());
    assert!(ForwardLayer::new(many).is_err());
}

#[test]
fn a_request_with_as_many_fields_as_there_can_be_is_no_panic() {
    let names: Vec<String> = (0..24_000).map(|number| format!("x-{number}")).collect();
    let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let headers = seen(&layer(), &fields, Some(alice().build()));
    assert!(headers.len() >= fields.len());
}
