//! The places where an axum router takes the layers.

use axum::Router;
use axum::routing::{get, post};
use http::Method;
use tower_bearer::{AuthLayer, RequireScope};

use crate::extract::{ask, get_of, route, whoami};
use crate::support::Fixture;

#[tokio::test]
async fn s10_10_a_layer_guards_unknown_paths_and_a_route_layer_does_not() {
    let fixture = Fixture::new();
    let auth = || AuthLayer::new(fixture.server.clone());
    let token = fixture.token().sign();
    let layer = route(get(whoami)).layer(auth());
    let route_layer = route(get(whoami)).route_layer(auth());
    ask(&layer, Method::GET, "/unknown", None).await.assert(401, Some("missing_token"));
    ask(&layer, Method::GET, "/unknown", Some(&token)).await.assert(404, None);
    ask(&route_layer, Method::GET, "/unknown", None).await.assert(404, None);
    for app in [&layer, &route_layer] {
        get_of(app, None).await.assert(401, Some("missing_token"));
        get_of(app, Some(&token)).await.assert(200, None);
    }
}

#[tokio::test]
async fn s10_09_a_route_added_below_the_layer_call_is_not_guarded_and_its_extractor_says_so() {
    let fixture = Fixture::new();
    let app = Router::new().layer(AuthLayer::new(fixture.server.clone())).route("/r", get(whoami));
    get_of(&app, Some(&fixture.token().sign())).await.assert(500, Some("layer_missing"));
}

#[tokio::test]
async fn the_layers_stand_on_method_routers_as_well() {
    let fixture = Fixture::new();
    let auth = || AuthLayer::new(fixture.server.clone());
    let app = route(get(async || "public").merge(post(whoami).layer((auth(), RequireScope::all(["a"])))));
    get_of(&app, None).await.assert(200, None);
    ask(&app, Method::POST, "/r", None).await.assert(401, Some("missing_token"));
    ask(&app, Method::POST, "/r", Some(&fixture.token().sign())).await.assert(403, Some("insufficient_scope"));
    ask(&app, Method::POST, "/r", Some(&fixture.token().scope("a").sign())).await.assert(200, None);
}

#[tokio::test]
async fn a_scope_on_a_method_asks_only_there() {
    let fixture = Fixture::new();
    let app = Router::new()
        .route("/r", get(whoami).layer(RequireScope::any(["r", "w"])))
        .route("/r", post(whoami).layer(RequireScope::all(["w"])))
        .layer(AuthLayer::new(fixture.server.clone()));
    let reader = fixture.token().scope("r").sign();
    get_of(&app, Some(&reader)).await.assert(200, None);
    ask(&app, Method::POST, "/r", Some(&reader)).await.assert(403, Some("insufficient_scope"));
    ask(&app, Method::HEAD, "/r", Some(&reader)).await.assert(200, None);
}

#[tokio::test]
async fn the_layer_works_outside_and_inside_a_nested_router() {
    let fixture = Fixture::new();
    let auth = || AuthLayer::new(fixture.server.clone());
    let outside = Router::new().nest("/v1", route(get(whoami))).layer(auth());
    let inside = Router::new().nest("/v1", route(get(whoami)).layer(auth()));
    let both = Router::new().nest("/v1", route(get(whoami)).layer(auth())).layer(auth());
    let token = fixture.token().sign();
    for app in [outside, inside, both] {
        ask(&app, Method::GET, "/v1/r", None).await.assert(401, Some("missing_token"));
        ask(&app, Method::GET, "/v1/r", Some(&token)).await.assert(200, None);
    }
}

#[tokio::test]
async fn a_scope_outside_the_router_of_the_layer_is_500() {
    let fixture = Fixture::new();
    let inner = route(get(whoami)).layer(AuthLayer::new(fixture.server.clone()));
    let app = Router::new().nest("/v1", inner).layer(RequireScope::all(["a"]));
    let token = fixture.token().scope("a").sign();
    ask(&app, Method::GET, "/v1/r", Some(&token)).await.assert(500, Some("layer_missing"));
}
