//! Without axum: hyper serves a tower stack around a plain `service_fn`.
//!
//! `cargo run --example tower` sends four requests over loopback, prints what came back, and ends.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AuthLayer, Claims, RequireScope, ResourceServer};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The inner service. The layer has put the claims into the extensions; the body is untouched.
async fn report(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let subject = request.extensions().get::<Claims>().and_then(Claims::subject).unwrap_or("nobody");
    Ok(Response::new(Full::from(format!("report for {subject}"))))
}

/// Serves every connection with a clone of the same stack.
async fn serve(listener: TcpListener, server: ResourceServer) -> Result<(), Error> {
    let stack = ServiceBuilder::new()
        .layer(AuthLayer::new(server))
        .layer(RequireScope::all(["reports:read"]))
        .service(service_fn(report));
    loop {
        let (stream, _) = listener.accept().await?;
        let stack = stack.clone();
        let service = hyper::service::service_fn(move |request| stack.clone().oneshot(request));
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                eprintln!("connection: {error}");
            }
        });
    }
}

/// One request on a connection of its own.
async fn send(address: SocketAddr, token: Option<&str>) -> Result<Response<Incoming>, Error> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::get("/report").header("host", address.to_string());
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    Ok(sender.send_request(request.body(Empty::<Bytes>::new())?).await?)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder("https://api.example.com", issuer.url()).build()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, server));

    let good = issuer.token().subject("alice").scope("reports:read").sign();
    let without_scope = issuer.token().subject("bob").sign();
    let expired = issuer.token().subject("alice").scope("reports:read").expired().sign();
    let requests = [
        ("alice with reports:read", Some(good.as_str())),
        ("bob without scope", Some(without_scope.as_str())),
        ("alice, expired", Some(expired.as_str())),
        ("no token", None),
    ];
    for (who, token) in requests {
        let response = send(address, token).await?;
        let status = response.status();
        println!("{who:<25} {status}");
        for challenge in response.headers().get_all(WWW_AUTHENTICATE) {
            println!("  WWW-Authenticate: {}", challenge.to_str()?);
        }
        println!("  {}", String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()));
    }
    Ok(())
}
