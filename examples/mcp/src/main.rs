//! `cargo run --manifest-path examples/mcp/Cargo.toml`: the MCP server and a toy authorization server on loopback.

use tokio::net::TcpListener;
use tower_bearer::testing::TestIssuer;
use tower_bearer_mcp::{PATH, READ, WRITE, app};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let issuer = TestIssuer::start().await;
    let endpoint = format!("{origin}{PATH}");
    let token = issuer.token().audience(&endpoint).scope(&format!("{READ} {WRITE}")).sign();
    println!("MCP endpoint: {endpoint}");
    println!("authorization server: {} (client test-client, secret test-secret)", issuer.url());
    println!("or use this token for ten minutes:\n{token}");
    axum::serve(listener, app(&origin, issuer.url())?)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}
