//! The service as a client of tonic meets it, mounted in both ways.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Server};
use tonic::{Code, Status};
use tower::ServiceExt;
use tower_bearer::testing::{Endpoint, Fault, ManualClock, TestIssuer};
use tower_bearer::{Issuer, ResourceServer};
use tower_bearer_grpc::shop::orders_client::OrdersClient;
use tower_bearer_grpc::{
    Feed, Order, OrderRequest, Orders, READ, WRITE, for_browsers, serve_with_one_rule, with_a_rule_for_each_method,
};

const AS: &str = "https://as.example.com";
const RS: &str = "https://api.example.com";

struct World {
    issuer: TestIssuer,
    clock: ManualClock,
    feed: Feed,
    client: OrdersClient<Channel>,
    server: AbortHandle,
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Where the layers stand.
#[derive(Clone, Copy)]
enum Mount {
    TonicServer,
    AxumRouter,
}

const MOUNTS: [Mount; 2] = [Mount::TonicServer, Mount::AxumRouter];

async fn serve(mount: Mount, listener: TcpListener, server: ResourceServer, orders: Orders) {
    match mount {
        Mount::TonicServer => serve_with_one_rule(listener, server, orders).await.unwrap(),
        Mount::AxumRouter => {
            let serving = Server::builder().add_routes(with_a_rule_for_each_method(server, orders).into());
            serving.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        }
    }
}

/// An issuer without sockets, and a server that trusts it.
fn trust() -> (TestIssuer, ManualClock, ResourceServer) {
    let clock = ManualClock::new();
    let issuer = TestIssuer::in_process_at(AS, clock.clone());
    let builder = ResourceServer::builder(RS, Issuer::new(AS)).clock(clock.clone());
    let server = builder.http_client(issuer.http_client()).build().unwrap();
    (issuer, clock, server)
}

impl World {
    async fn start(mount: Mount) -> Self {
        let (issuer, clock, server) = trust();
        let orders = Orders::new();
        let feed = orders.feed();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(serve(mount, listener, server, orders)).abort_handle();
        let client = OrdersClient::connect(address).await.unwrap();
        World { issuer, clock, feed, client, server }
    }

    fn token(&self, scope: &str) -> String {
        self.issuer.token().subject("alice").scope(scope).sign()
    }
}

fn order(token: &str) -> tonic::Request<OrderRequest> {
    let mut request = tonic::Request::new(OrderRequest { id: "7".into() });
    if !token.is_empty() {
        let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

fn challenge(status: &Status) -> &str {
    status.metadata().get("www-authenticate").unwrap().to_str().unwrap()
}

#[tokio::test]
async fn a_good_token_passes_and_the_service_knows_who_calls() {
    for mount in MOUNTS {
        let mut world = World::start(mount).await;
        let answer = world.client.get(order(&world.token(READ))).await.unwrap().into_inner();
        assert_eq!(answer, Order { id: "7".into(), state: "open, read by alice".into() });
    }
}

#[tokio::test]
async fn without_a_token_and_with_a_bad_one_a_call_is_unauthenticated_with_the_challenge_in_the_metadata() {
    for mount in MOUNTS {
        let mut world = World::start(mount).await;
        let bare = world.client.get(order("")).await.unwrap_err();
        assert_eq!(bare.code(), Code::Unauthenticated);
        let document = format!("{RS}/.well-known/oauth-protected-resource");
        assert_eq!(challenge(&bare), format!("Bearer resource_metadata=\"{document}\""));
        let expired = world.client.get(order(&world.issuer.token().expired().sign())).await.unwrap_err();
        assert_eq!(expired.code(), Code::Unauthenticated);
        assert_eq!(expired.message(), "The access token is invalid or expired");
        assert!(challenge(&expired).contains("error=\"invalid_token\""));
        let stream = world.client.watch(order("")).await.unwrap_err();
        assert_eq!(stream.code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn a_token_that_grants_too_little_is_denied_with_the_scopes_to_ask_for() {
    for mount in MOUNTS {
        let mut world = World::start(mount).await;
        let denied = world.client.get(order(&world.token("mail"))).await.unwrap_err();
        assert_eq!((denied.code(), denied.message()), (Code::PermissionDenied, "The token lacks a required scope"));
        assert!(challenge(&denied).contains(&format!("scope=\"{READ}\"")));
    }
}

#[tokio::test]
async fn each_method_has_its_own_scopes_where_it_is_mounted_so() {
    let mut world = World::start(Mount::AxumRouter).await;
    let reader = world.token(READ);
    world.client.get(order(&reader)).await.unwrap();
    let denied = world.client.cancel(order(&reader)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert!(challenge(&denied).contains(&format!("scope=\"{READ} {WRITE}\"")));
    let writer = world.token(&format!("{READ} {WRITE}"));
    let answer = world.client.cancel(order(&writer)).await.unwrap().into_inner();
    assert_eq!(answer.state, "cancelled by alice");
}

#[tokio::test]
async fn while_the_issuer_is_away_a_call_is_unavailable_and_may_come_again() {
    for mount in MOUNTS {
        let mut world = World::start(mount).await;
        world.issuer.fault(Endpoint::Metadata, Some(Fault::Status(500)));
        let away = world.client.get(order(&world.token(READ))).await.unwrap_err();
        assert_eq!(away.code(), Code::Unavailable);
        assert!(away.metadata().get("www-authenticate").is_none());
        let wait = away.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().to_owned();
        assert!(wait.parse::<u64>().unwrap() >= 1000, "{wait}");
    }
}

#[tokio::test]
async fn a_stream_flows_and_ends_with_its_token() {
    for mount in MOUNTS {
        let mut world = World::start(mount).await;
        let token = world.issuer.token().scope(READ).expires_in(Duration::from_secs(60)).sign();
        let mut changes = world.client.watch(order(&token)).await.unwrap().into_inner();
        for state in ["packed", "sent"] {
            world.feed.send(Order { id: "7".into(), state: state.into() }).unwrap();
            assert_eq!(changes.message().await.unwrap().unwrap().state, state);
        }
        world.clock.advance(Duration::from_secs(90));
        let end = changes.message().await.unwrap_err();
        assert_eq!((end.code(), end.message()), (Code::Unauthenticated, "The access token has expired"));
    }
}

#[tokio::test]
async fn grpc_web_is_translated_outside_the_layers_so_that_its_refusals_are_as_well() {
    let (_issuer, _clock, server) = trust();
    let request = Request::post("/shop.Orders/Get").header("content-type", "application/grpc-web+proto");
    let request = request.header("authorization", "Bearer").body(axum::body::Body::empty()).unwrap();
    let response = for_browsers(server, Orders::new()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/grpc-web"));
    assert_eq!(response.headers()["grpc-status"], "16");
    assert_eq!(response.headers()["www-authenticate"].to_str().unwrap().split(' ').next(), Some("Bearer"));
    assert!(response.into_body().collect().await.is_ok());
}
