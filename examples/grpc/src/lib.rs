//! A gRPC service behind `tower-bearer`, mounted in two ways: with one rule for the whole service, and with a rule for
//! each method.
//!
//! What is refused is refused as gRPC wants it: no message, the status in the headers (16, 7, 14), the challenge in
//! the metadata as `www-authenticate`. A stream ends when its token does.

mod orders;

use axum::Router;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Error, Server};
use tonic_web::GrpcWebLayer;
use tower::{Layer, ServiceBuilder};
use tower_bearer::{AuthLayer, RequireScope, ResourceServer};

pub use orders::{Feed, Orders};

/// The messages; without `protoc` they are written by hand.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OrderRequest {
    #[prost(string, tag = "1")]
    pub id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Order {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub state: String,
}

/// Server and client of `shop.Orders`, made by `build.rs`.
pub mod shop {
    #![allow(missing_docs, clippy::all)]
    include!(concat!(env!("OUT_DIR"), "/shop.Orders.rs"));
}

use shop::orders_server::OrdersServer;

pub const READ: &str = "orders:read";
pub const WRITE: &str = "orders:write";

/// The whole service asks for one scope: the layers stand on tonic's own server.
pub async fn serve_with_one_rule(listener: TcpListener, server: ResourceServer, orders: Orders) -> Result<(), Error> {
    let layers = ServiceBuilder::new()
        .layer(AuthLayer::new(server).empty_body().end_streams_at_expiry())
        .layer(RequireScope::all([READ]).empty_body());
    let serving = Server::builder().layer(layers).add_service(OrdersServer::new(orders));
    serving.serve_with_incoming(TcpListenerStream::new(listener)).await
}

/// For browsers as well. gRPC-Web is translated outside of the layers, so that they see gRPC and their refusals are
/// translated back.
pub fn for_browsers(server: ResourceServer, orders: Orders) -> Router {
    with_a_rule_for_each_method(server, orders).layer(GrpcWebLayer::new())
}

/// Each method asks for its own scopes: a method of gRPC is a path.
pub fn with_a_rule_for_each_method(server: ResourceServer, orders: Orders) -> Router {
    let service = OrdersServer::new(orders);
    let read = RequireScope::all([READ]).empty_body().layer(service.clone());
    let write = RequireScope::all([READ, WRITE]).empty_body().layer(service);
    Router::new()
        .route_service("/shop.Orders/Get", read.clone())
        .route_service("/shop.Orders/Watch", read)
        .route_service("/shop.Orders/Cancel", write)
        .layer(AuthLayer::new(server).end_streams_at_expiry())
}
