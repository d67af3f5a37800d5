//! `cargo run --manifest-path examples/grpc/Cargo.toml`: the service and a toy authorization server on loopback.

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tower_bearer::ResourceServer;
use tower_bearer::testing::TestIssuer;
use tower_bearer_grpc::{Orders, READ, WRITE, with_a_rule_for_each_method};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder("https://api.example.com", issuer.url()).build()?;
    println!("shop.Orders on {}, without TLS", listener.local_addr()?);
    println!("send as metadata:\nauthorization: Bearer {}", issuer.token().scope(&format!("{READ} {WRITE}")).sign());
    Server::builder()
        .add_routes(with_a_rule_for_each_method(server, Orders::new()).into())
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}
