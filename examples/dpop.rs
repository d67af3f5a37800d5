//! A stolen token is useless: tokens are bound to the client's key, and each request brings a proof (DPoP, RFC 9449).
//!
//! `cargo run --example dpop` starts an issuer and an API that asks for nonces, lets a client in, lets a thief try, and
//! ends.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::testing::{DpopProof, SigningKey, TestIssuer};
use tower_bearer::{Algorithm, AuthError, AuthLayer, Claims, Dpop, ResourceServer};

type Error = Box<dyn std::error::Error + Send + Sync>;

async fn account(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let claims = request.extensions().get::<Claims>();
    let subject = claims.and_then(Claims::subject).unwrap_or("nobody");
    let scheme = claims.map_or("", |claims| claims.scheme().as_str());
    Ok(Response::new(Full::from(format!("the account of {subject}, by {scheme}"))))
}

async fn serve(listener: TcpListener, server: ResourceServer) -> Result<(), Error> {
    let stack = ServiceBuilder::new()
        .map_response(explain::<Full<Bytes>>)
        .layer(AuthLayer::new(server))
        .service(service_fn(account));
    loop {
        let (stream, _) = listener.accept().await?;
        let stack = stack.clone();
        let service = hyper::service::service_fn(move |request| stack.clone().oneshot(request));
        tokio::spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What the operator sees of a refusal.
fn explain<B>(response: Response<B>) -> Response<B> {
    if let Some(error) = response.extensions().get::<AuthError>() {
        println!("    the API notes: {}", error.code());
    }
    response
}

/// A client that holds a key. The server's nonce is kept for the next proof.
struct Client {
    api: SocketAddr,
    key: SigningKey,
    nonce: Option<String>,
}

impl Client {
    /// Signs a proof, sends, and signs anew where the server asks for a nonce.
    async fn get(&mut self, token: &str) -> Result<Response<Incoming>, Error> {
        for _ in 0..2 {
            let url = format!("http://{}/account", self.api);
            let proof = DpopProof::new(&self.key, "GET", &url).token(token);
            let proof = match &self.nonce {
                Some(nonce) => proof.nonce(nonce),
                None => proof,
            };
            let response = send(self.api, token, Some(&proof.sign())).await?;
            let nonce = response.headers().get("dpop-nonce").map(|nonce| nonce.to_str().map(String::from));
            if let Some(nonce) = nonce.transpose()? {
                self.nonce = Some(nonce);
            }
            let asks_for_nonce = response.headers().get(WWW_AUTHENTICATE).is_some_and(|challenge| {
                challenge.to_str().is_ok_and(|challenge| challenge.contains("error=\"use_dpop_nonce\""))
            });
            if !(response.status() == StatusCode::UNAUTHORIZED && asks_for_nonce) {
                return Ok(response);
            }
        }
        Err("the server asks for one nonce after another".into())
    }
}

/// One request on a connection of its own; without a proof the token is sent as a Bearer token.
async fn send(api: SocketAddr, token: &str, proof: Option<&str>) -> Result<Response<Incoming>, Error> {
    let stream = TcpStream::connect(api).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let scheme = if proof.is_some() { "DPoP" } else { "Bearer" };
    let request = Request::get("/account").header("host", api.to_string());
    let mut request = request.header(AUTHORIZATION, format!("{scheme} {token}"));
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    Ok(sender.send_request(request.body(Empty::<Bytes>::new())?).await?)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let issuer = TestIssuer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let api = listener.local_addr()?;
    // In production: the address that clients call, and 32 random bytes that all instances share.
    let secret = SigningKey::generate(Algorithm::ES256).thumbprint().into_bytes();
    let dpop = Dpop::accept().external_base(format!("http://{api}")).nonce_secret(&secret[..32]);
    let server = ResourceServer::builder("https://api.example.com", issuer.url()).dpop(dpop).build()?;
    tokio::spawn(serve(listener, server));

    let mut alice = Client { api, key: SigningKey::generate(Algorithm::ES256), nonce: None };
    // The issuer binds the token to the key that alice proved to hold when she asked for it.
    let token = issuer.token().subject("alice").bound_to(&alice.key).sign();
    for what in ["alice, who has no nonce yet", "alice again"] {
        println!("{what}");
        println!("  {}", alice.get(&token).await?.status());
    }

    println!("a thief with the token alone");
    println!("  {}", send(api, &token, None).await?.status());
    println!("a thief with the token and a key of his own");
    let mut thief = Client { api, key: SigningKey::generate(Algorithm::ES256), nonce: alice.nonce.clone() };
    println!("  {}", thief.get(&token).await?.status());
    println!("a thief with the token and a proof that was used");
    let nonce = alice.nonce.as_deref().unwrap_or_default();
    let url = format!("http://{api}/account");
    let proof = DpopProof::new(&alice.key, "GET", &url).token(&token).nonce(nonce).sign();
    println!("  {} for alice", send(api, &token, Some(&proof)).await?.status());
    println!("  {} for the thief", send(api, &token, Some(&proof)).await?.status());
    Ok(())
}
