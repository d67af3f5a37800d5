//! A stolen token is useless: tokens are bound to the client's certificate (RFC 8705), which TLS asks for.
//!
//! `cargo run --example mtls` starts an issuer and an API behind rustls, lets a client in, lets a thief try, and ends. The
//! certificates are of a throw-away authority.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tower::ServiceExt;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AuthLayer, Claims, Mtls, PeerCertificate, ResourceServer};

type Error = Box<dyn std::error::Error + Send + Sync>;

async fn account(claims: Claims) -> String {
    format!("the account of {}", claims.subject().unwrap_or("nobody"))
}

/// Accepts TLS connections and tells each request of a connection who is at its other end.
async fn serve(listener: TcpListener, tls: TlsAcceptor, app: Router) -> Result<(), Error> {
    loop {
        let (stream, _) = listener.accept().await?;
        let (tls, app) = (tls.clone(), app.clone());
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let (_, connection) = stream.get_ref();
            let shown = connection.peer_certificates().and_then(|chain| chain.first());
            let certificate = shown.map(|certificate| PeerCertificate::from_der(certificate.to_vec()));
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let mut request = request.map(Body::new);
                if let Some(certificate) = &certificate {
                    request.extensions_mut().insert(certificate.clone());
                }
                app.clone().oneshot(request)
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// An authority that nobody else trusts.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

/// A certificate and its key.
struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    fn new() -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let mut roots = RootCertStore::empty();
        roots.add(parameters.self_signed(&key)?.der().clone())?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        Ok(Authority { issuer: Issuer::new(parameters, key), roots: Arc::new(roots), provider })
    }

    fn issue(&self, name: &str) -> Result<Identity, Error> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate: certificate.der().clone(), key: PrivateKeyDer::Pkcs8(key.serialize_der().into()) })
    }

    /// Asks for a certificate and lets those in who have none: their tokens decide.
    fn acceptor(&self) -> Result<TlsAcceptor, Error> {
        let clients = WebPkiClientVerifier::builder_with_provider(self.roots.clone(), self.provider.clone());
        let Identity { certificate, key } = self.issue("localhost")?;
        let config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients.allow_unauthenticated().build()?)
            .with_single_cert(vec![certificate], key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn connector(&self, identity: Option<&Identity>) -> Result<TlsConnector, Error> {
        let config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots.clone());
        let config = match identity {
            Some(Identity { certificate, key }) => {
                config.with_client_auth_cert(vec![certificate.clone()], key.clone_key())?
            }
            None => config.with_no_client_auth(),
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// One request on a connection of its own.
async fn send(api: SocketAddr, connector: TlsConnector, token: &str) -> Result<StatusCode, Error> {
    let stream = TcpStream::connect(api).await?;
    let stream = connector.connect(ServerName::try_from("localhost")?, stream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/account").header("host", "localhost");
    let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    Ok(sender.send_request(request.body(Empty::<Bytes>::new())?).await?.status())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let issuer = TestIssuer::start().await;
    let authority = Authority::new()?;
    let server = ResourceServer::builder("https://api.example.com", issuer.url()).mtls(Mtls::new()).build()?;
    let app = Router::new().route("/account", get(account)).layer(AuthLayer::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let api = listener.local_addr()?;
    tokio::spawn(serve(listener, authority.acceptor()?, app));

    let (alice, thief) = (authority.issue("alice")?, authority.issue("thief")?);
    // The issuer binds the token to the certificate that alice showed when she asked for it.
    let token = issuer.token().subject("alice").bound_to_certificate(&alice.certificate).sign();
    for (who, identity) in [
        ("alice", Some(&alice)),
        ("a thief with the token and a certificate of his own", Some(&thief)),
        ("a thief with the token and no certificate", None),
        ("alice again", Some(&alice)),
    ] {
        println!("{who}: {}", send(api, authority.connector(identity)?, &token).await?);
    }
    Ok(())
}
