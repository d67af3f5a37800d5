//! Rules by method and path as a layer: who passes, what the service inside sees, and rules that change meanwhile.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::{
    Access, AccessRules, AuthLayer, Claims, Issuer, RequireRules, RequireScope, ResourceServer, RouteRules,
};

use crate::support::{AS, Fixture, Inside, Outcome, RS, Reply, send_through};

fn rules(list: &[(&str, &[Method], Access)]) -> AccessRules {
    let mut routes = RouteRules::new();
    for (path, methods, access) in list {
        routes.insert(path, methods, access.clone()).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    AccessRules::new(routes)
}

fn require(text: &str) -> Access {
    Access::Require(text.parse().unwrap())
}

fn each_access() -> AccessRules {
    rules(&[
        ("/public", &[], Access::Public),
        ("/optional", &[], Access::Optional),
        ("/authenticated", &[], Access::Authenticated),
        ("/deny", &[], Access::Deny),
        ("/scope", &[], require("scope:a")),
        ("/scope", &[Method::POST], require("scope:b and role:admin")),
    ])
}

fn request(method: &str, path: &str, credentials: &str) -> Request<()> {
    let request = Request::builder().method(method).uri(path);
    let request = if credentials.is_empty() { request } else { request.header("authorization", credentials) };
    request.body(()).unwrap()
}

async fn send(fixture: &Fixture, rules: &AccessRules, request: Request<()>) -> Outcome {
    send_through(RequireRules::new(fixture.server.clone(), rules.clone()), request).await
}

#[tokio::test]
async fn each_access_lets_pass_whom_it_names_and_nobody_else() {
    let fixture = Fixture::new();
    let good = format!("Bearer {}", fixture.token().sign());
    let scoped = format!("Bearer {}", fixture.token().scope("a").sign());
    let bad = format!("Bearer {}", fixture.token().expired().sign());
    for (path, expected) in [
        ("/public", [200, 200, 200, 200, 200]),
        ("/optional", [200, 200, 200, 401, 200]),
        ("/authenticated", [401, 200, 200, 401, 401]),
        ("/deny", [401, 403, 403, 401, 401]),
        ("/scope", [401, 403, 200, 401, 401]),
        ("/elsewhere", [401, 403, 403, 401, 401]),
    ] {
        for (credentials, status) in ["", &*good, &*scoped, &*bad, "Basic YTpi"].into_iter().zip(expected) {
            let outcome = send(&fixture, &each_access(), request("GET", path, credentials)).await;
            assert_eq!(outcome.status, status, "{path} {credentials}");
            assert_eq!(outcome.calls, u64::from(status == 200), "{path} {credentials}");
            let known = status == 200 && path != "/public" && credentials.starts_with("Bearer");
            assert_eq!(outcome.claims.is_some(), known, "{path} {credentials}");
        }
    }
    let outcome = send(&fixture, &each_access(), request("POST", "/scope", &scoped)).await;
    assert!(outcome.challenges()[0].contains("scope=\"b\""), "{outcome:?}");
}

#[tokio::test]
async fn what_no_rule_covers_is_denied_unless_the_rules_say_otherwise() {
    let fixture = Fixture::new();
    let token = format!("Bearer {}", fixture.token().sign());
    let open = rules(&[("/a", &[], Access::Deny)]).default_access(Access::Public);
    assert_eq!(send(&fixture, &open, request("GET", "/b", "")).await.status, 200);
    assert_eq!(send(&fixture, &open, request("GET", "/a", &token)).await.status, 403);
    let asking = rules(&[]).default_access("scope:a".parse::<tower_bearer::Requirement>().unwrap());
    assert_eq!(send(&fixture, &asking, request("GET", "/b", &token)).await.status, 403);
    assert_eq!(send(&fixture, &rules(&[]), request("GET", "/b", &token)).await.status, 403);
}

#[tokio::test]
async fn s10_06_without_bodies_the_metadata_document_is_public_to_be_read_and_no_more() {
    let fixture = Fixture::new();
    let token = format!("Bearer {}", fixture.token().sign());
    let layer = RequireRules::new(fixture.server.clone(), rules(&[])).empty_body();
    let path = "/.well-known/oauth-protected-resource";
    for (method, credentials, status) in
        [("GET", "", 200), ("HEAD", "", 200), ("POST", "", 401), ("POST", &*token, 403), ("DELETE", &token, 403)]
    {
        let outcome = send_through(layer.clone(), request(method, path, credentials)).await;
        assert_eq!((outcome.status.as_u16(), outcome.calls), (status, u64::from(status == 200)), "{method}");
    }
}

#[tokio::test]
async fn s10_06_public_leaves_the_authorization_field_and_no_claims_of_an_outer_layer() {
    let fixture = Fixture::new();
    let seen: Arc<Mutex<Option<(String, bool, bool)>>> = Arc::default();
    let note = seen.clone();
    let inner = service_fn(move |request: Request<()>| {
        let field = &request.headers()["authorization"];
        let text = String::from_utf8_lossy(field.as_bytes()).into_owned();
        *note.lock().unwrap() = Some((text, field.is_sensitive(), request.extensions().get::<Claims>().is_some()));
        async { Ok::<_, Infallible>(Reply::default()) }
    });
    let layers = ServiceBuilder::new()
        .layer(AuthLayer::new(fixture.server.clone()))
        .layer(RequireRules::new(fixture.server.clone(), each_access()));
    let token = format!("Bearer {}", fixture.token().sign());
    layers.service(inner).oneshot(request("GET", "/public", &token)).await.unwrap();
    assert_eq!(seen.lock().unwrap().take(), Some((token, true, false)));
    // A stricter layer inside still asks.
    let fixture = Fixture::new();
    let rules = RequireRules::new(fixture.server.clone(), each_access());
    let both = ServiceBuilder::new().layer(rules).layer(RequireScope::all(["a"]));
    let outcome = send_through(both, request("GET", "/public", "")).await;
    assert_eq!((outcome.status.as_u16(), outcome.calls), (401, 0));
}

/// What the inner service of a file server or a proxy would be asked for; the status where it is not asked.
fn reached(rules: &AccessRules, path: &str) -> Result<String, u16> {
    let fixture = Fixture::new();
    let seen: Arc<Mutex<Option<String>>> = Arc::default();
    let note = seen.clone();
    let inner = service_fn(move |request: Request<()>| {
        *note.lock().unwrap() = Some(request.uri().to_string());
        async { Ok::<_, Infallible>(Reply::default()) }
    });
    let layer = RequireRules::new(fixture.server, rules.clone());
    let response = layer.layer(inner).oneshot(request("GET", path, "")).now_or_never().unwrap().unwrap();
    seen.lock().unwrap().take().ok_or(response.status().as_u16())
}

/// Everything is public but what stands below `/admin`.
fn all_but_admin() -> AccessRules {
    rules(&[("/{*rest}", &[], Access::Public), ("/", &[], Access::Public), ("/admin/{*rest}", &[], Access::Deny)])
}

#[test]
fn s10_14_no_spelling_of_a_path_walks_past_its_rule() {
    let rules = all_but_admin();
    for path in [
        "/admin/x",
        "/%61dmin/x",
        "/%61%64%6D%69%6e/x",
        "/admin/%78",
        "/a/../admin/x",
        "/./admin/x",
        "/../admin/x",
        "/../../admin/x",
        "/a/%2e%2e/admin/x",
        "/a/.%2E/admin/x",
        "/a/b/../../admin/x",
        "/admin/./x",
        "/admin/x/",
        "/admin/x/.",
        "/admin/y/../x",
        "/admin/x?y",
        "http://other.example/admin/x",
    ] {
        assert_eq!(reached(&rules, path), Err(401), "{path}");
    }
}

#[test]
fn s10_14_a_path_that_can_be_read_in_two_ways_is_400_and_told_by_its_reason() {
    let rules = all_but_admin();
    for path in [
        "//",
        "//admin/x",
        "/a//b",
        "/admin//x",
        "/a%2Fb",
        "/a%2fb",
        "/admin%2Fx",
        "/a/..%2fadmin/x",
        "/a%5Cb",
        "/a%5cb",
        "/..%5cadmin/x",
        "/a;b",
        "/admin;x=1/x",
        "/a/..;/admin/x",
        "/a%00b",
        "/admin/x%00.png",
        "/a%",
        "/a%2",
        "/a%zz",
        "/a%u002f",
        "/a/..//admin/x",
        "*",
    ] {
        assert_eq!(reached(&rules, path), Err(400), "{path}");
    }
    let fixture = Fixture::new();
    let outcome = send(&fixture, &rules, request("GET", "/a//b", "")).now_or_never().unwrap();
    assert_eq!((outcome.code(), outcome.challenges().len()), ("path_ambiguous", 0));
    assert_eq!(outcome.headers["content-type"], "application/problem+json");
    assert_eq!(outcome.body, "{\"status\":400,\"title\":\"Bad Request\"}");
}

#[test]
fn the_service_inside_sees_the_normal_path_and_the_query_as_it_was() {
    let rules = all_but_admin();
    for (sent, expected) in [
        ("/a/b", "/a/b"),
        ("/a/%62/../c%c3%a4?x=%61/../b;%2f//", "/a/c%C3%A4?x=%61/../b;%2f//"),
        ("/%7Eme/./", "/~me/"),
        ("/admin/../x", "/x"),
        ("/Admin/x", "/Admin/x"),
        // Once and no more: an upstream that decodes twice is on its own.
        ("/a%20b%3Bc%25%32%66", "/a%20b%3Bc%252f"),
        ("http://other.example/a/../b", "http://other.example/b"),
    ] {
        assert_eq!(reached(&rules, sent).as_deref(), Ok(expected), "{sent}");
    }
    // Where nothing is matched, nothing is changed.
    let none = AccessRules::new(RouteRules::new()).default_access(Access::Public);
    for path in ["/a//b", "/a%2fb/../c", "/%61;x"] {
        assert_eq!(reached(&none, path).as_deref(), Ok(path));
    }
}

#[tokio::test]
async fn s10_23_every_form_of_target_and_method_is_judged_and_none_panics() {
    let fixture = Fixture::new();
    let long = format!("/{}", "a/".repeat(4096));
    for (method, target) in [
        ("GET", "*"),
        ("OPTIONS", "*"),
        ("CONNECT", "api.example.com:443"),
        ("GET", "http://api.example.com"),
        ("GET", "/"),
        ("PROPFIND", "/deny"),
        ("X-METHOD-OF-32-CHARACTERS-LENGTH", "/deny"),
        ("get", "/scope"),
        ("GET", &long),
    ] {
        let outcome = send(&fixture, &each_access(), request(method, target, "")).await;
        assert!(outcome.status.is_client_error() && outcome.calls == 0, "{method} {target}: {outcome:?}");
    }
}

#[tokio::test]
async fn the_metadata_document_is_public_whatever_the_rules_say() {
    let fixture = Fixture::new();
    let path = "/.well-known/oauth-protected-resource";
    let outcome = send(&fixture, &rules(&[]), request("GET", path, "")).await;
    assert_eq!((outcome.status.as_u16(), outcome.calls), (200, 0));
    assert!(outcome.body.contains("authorization_servers"), "{}", outcome.body);
    for path in ["/.well-known/oauth-protected-resource/", "//.well-known/oauth-protected-resource"] {
        assert_ne!(send(&fixture, &rules(&[]), request("GET", path, "")).await.status, 200, "{path}");
    }
    let encoded = send(&fixture, &rules(&[]), request("GET", "/%2Ewell-known/oauth-protected-resource", "")).await;
    assert_eq!((encoded.status.as_u16(), encoded.calls), (401, 0));
}

#[tokio::test]
async fn s10_16_the_service_that_was_ready_is_called_behind_every_door() {
    for fixture in [Fixture::new(), Fixture::new()] {
        let (mock, mut handle) = tower_test::mock::pair::<Request<()>, Reply>();
        let mut service = RequireRules::new(fixture.server.clone(), each_access()).layer(mock);
        let answering = tokio::spawn(async move {
            for _ in 0..8 {
                let (_, answer) = handle.next_request().await.unwrap();
                answer.send_response(Reply::default());
            }
        });
        for path in ["/public", "/optional", "/authenticated", "/scope"].repeat(2) {
            let token = format!("Bearer {}", fixture.token().scope("a").sign());
            use tower::Service;
            // The mock panics when a clone that was never polled ready is called.
            let response = service.ready().await.unwrap().call(request("GET", path, &token)).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        }
        answering.await.unwrap();
    }
}

/// Two configurations that have nothing in common: under one of them a request either passes with its own role, or is
/// refused. Where both were mixed, the role of the one would meet the rule of the other.
fn configuration(fixture: &Fixture, name: &str) -> (ResourceServer, AccessRules) {
    let issuer = Issuer::new(AS).roles_claim(format!("roles_{name}"));
    let builder = ResourceServer::builder(RS, issuer).clock(fixture.clock.clone());
    let server = builder.http_client(fixture.issuer.http_client()).build().unwrap();
    (server, rules(&[("/r", &[], require(&format!("role:{name}")))]))
}

/// The roles that the inner service saw.
async fn roles(
    service: impl tower::Service<Request<()>, Response = Response<Full<Bytes>>, Error = Infallible>,
    token: &str,
) -> Result<String, u16> {
    let response = service.oneshot(request("GET", "/r", token)).await.unwrap();
    let status = response.status().as_u16();
    let roles = response.extensions().get::<Roles>().map(|roles| roles.0.clone());
    roles.ok_or(status)
}

#[derive(Clone)]
struct Roles(String);

async fn shows_roles(request: Request<()>) -> Result<Reply, Infallible> {
    tokio::task::yield_now().await;
    let claims: &Claims = request.extensions().get().unwrap();
    let mut reply = Reply::default();
    reply.extensions_mut().insert(Roles(claims.roles().collect::<Vec<_>>().join(",")));
    Ok(reply)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r54_a_thousand_replacements_under_load_lose_no_request_and_mix_no_two_configurations() {
    let fixture = Fixture::new();
    let configurations = ["a", "b"].map(|name| configuration(&fixture, name));
    for (server, _) in &configurations {
        server.warm_up().await.unwrap();
    }
    let (server, rules) = configurations[0].clone();
    let layer = RequireRules::new(server, rules);
    let handle = layer.handle();
    let service = layer.layer(service_fn(shows_roles));
    let token = fixture.token().claim("roles_a", ["a"]).claim("roles_b", ["b"]).sign();
    let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]));
    let workers = (0..4).map(|_| {
        let (service, token) = (service.clone(), format!("Bearer {token}"));
        let (stop, seen) = (stop.clone(), seen.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                match roles(service.clone(), &token).await.as_deref() {
                    Ok("a") => seen[0].fetch_add(1, Ordering::Relaxed),
                    Ok("b") => seen[1].fetch_add(1, Ordering::Relaxed),
                    other => panic!("{other:?}"),
                };
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    for number in 1..=1000 {
        let (server, rules) = configurations[number % 2].clone();
        handle.replace_with(server, rules);
        tokio::task::yield_now().await;
    }
    // On a busy machine the workers may have been slow to begin.
    let both = || seen.iter().all(|seen| seen.load(Ordering::Relaxed) > 0);
    for number in (0..).take_while(|_| !both()) {
        let (server, rules) = configurations[number % 2].clone();
        handle.replace_with(server, rules);
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for worker in join_all(workers).await {
        worker.unwrap();
    }
}

#[tokio::test]
async fn r54_a_request_that_waits_for_keys_is_judged_by_the_rules_it_came_under() {
    let fixture = Fixture::new();
    let (server, asked) = configuration(&fixture, "a");
    let layer = RequireRules::new(server, asked);
    let handle = layer.handle();
    let service = layer.layer(service_fn(shows_roles));
    let token = format!("Bearer {}", fixture.token().claim("roles_a", ["a"]).sign());
    let mut waiting = Box::pin(roles(service.clone(), &token));
    assert!((&mut waiting).now_or_never().is_none());
    handle.replace(rules(&[]));
    assert_eq!(service.clone().oneshot(request("GET", "/r", "")).await.unwrap().status(), 401);
    assert_eq!(waiting.await.as_deref(), Ok("a"));
    assert_eq!(roles(service, &token).await, Err(403));
}

#[tokio::test]
async fn a_concurrency_limit_inside_holds() {
    let fixture = Fixture::new();
    let inside = Inside::default();
    let rules = RequireRules::new(fixture.server.clone(), each_access());
    let service = ServiceBuilder::new().layer(rules).layer(ConcurrencyLimitLayer::new(1)).service(inside.service());
    let token = format!("Bearer {}", fixture.token().scope("a").sign());
    let paths = ["/public", "/optional", "/authenticated", "/scope"];
    let requests = paths.iter().map(|path| service.clone().oneshot(request("GET", path, &token)));
    for response in join_all(requests).await {
        assert_eq!(response.unwrap().status(), StatusCode::OK);
    }
    inside.assert_one_at_a_time();
}
