//! How an issuer is reached whose name is not its address, or whose host an authority of one's own vouches for.

use std::sync::Arc;

use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{Issuer, ResourceRequest, ResourceServer};

use crate::support::{AS, RS};

/// The authority that signed the certificate of `localhost`, and one that did not. Made for these tests alone.
const AUTHORITY: &str = include_str!("fixtures/ca.pem");
const OTHER_AUTHORITY: &str = include_str!("fixtures/other-ca.pem");

/// An address with TLS in front of an issuer without; ends with the runtime of the test.
async fn behind_tls(issuer: &TestIssuer) -> String {
    let chain =
        CertificateDer::pem_slice_iter(include_bytes!("fixtures/localhost.pem")).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("fixtures/localhost.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let target = issuer.url().strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (acceptor, target) = (acceptor.clone(), target.clone());
            tokio::spawn(async move {
                // A client that does not believe the certificate ends the handshake.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(&target).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    url
}

async fn verdict(server: &ResourceServer, token: &str) -> &'static str {
    match server.authenticate(ResourceRequest::bearer(token).unwrap()).await {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

fn trusting(issuer: Issuer) -> ResourceServer {
    ResourceServer::builder(RS, issuer).build().unwrap()
}

#[tokio::test]
async fn the_metadata_are_fetched_from_their_address_alone_and_name_the_configured_issuer_all_the_same() {
    let (issuer, other) = (TestIssuer::start().await, TestIssuer::start().await);
    let address = format!("{}/.well-known/openid-configuration", issuer.url());
    let metadata = |name: &str| {
        let body = json!({"issuer": name, "jwks_uri": format!("{}/jwks", issuer.url())}).to_string();
        http::Response::builder().header("content-type", "application/json").body(body.into()).unwrap()
    };
    let token = issuer.token().claim("iss", AS).sign();
    for (name, expected) in [(AS, "ok"), (issuer.url(), "keys_unavailable"), (other.url(), "keys_unavailable")] {
        issuer.answer_with(Endpoint::Metadata, Some(metadata(name)));
        let server = trusting(Issuer::new(AS).metadata_url(&address));
        assert_eq!(verdict(&server, &token).await, expected, "{name}");
    }
    // The well-known addresses are not asked where this one fails: whoever answers there is not who was meant.
    let absent = format!("{}/absent", other.url());
    let server = trusting(Issuer::new(issuer.url()).metadata_url(absent));
    let before = issuer.requests(Endpoint::Metadata);
    assert_eq!(verdict(&server, &issuer.token().sign()).await, "keys_unavailable");
    assert_eq!(issuer.requests(Endpoint::Metadata), before);
}

#[tokio::test]
async fn a_host_is_believed_on_the_word_of_the_authority_that_was_given() {
    let issuer = TestIssuer::start().await;
    let url = behind_tls(&issuer).await;
    let token = issuer.token().sign();
    let reached = || Issuer::new(issuer.url()).metadata_url(format!("{url}/.well-known/openid-configuration"));
    let by_address = format!("{}/.well-known/openid-configuration", url.replace("localhost", "127.0.0.1"));
    for (issuer, expected) in [
        (reached().ca_pem(AUTHORITY), "ok"),
        (reached().ca_pem(format!("{OTHER_AUTHORITY}{AUTHORITY}")), "ok"),
        (reached().ca_pem(OTHER_AUTHORITY), "keys_unavailable"),
        (reached(), "keys_unavailable"),
        // Names are verified as ever.
        (reached().metadata_url(by_address).ca_pem(AUTHORITY), "keys_unavailable"),
    ] {
        assert_eq!(verdict(&trusting(issuer), &token).await, expected);
    }
    // The key set is fetched in the same way.
    for (pem, expected) in [(AUTHORITY, "ok"), (OTHER_AUTHORITY, "keys_unavailable")] {
        let server = trusting(Issuer::new(AS).jwks_uri(format!("{url}/jwks")).ca_pem(pem));
        assert_eq!(verdict(&server, &issuer.token().claim("iss", AS).sign()).await, expected);
    }
}

#[tokio::test]
async fn keys_that_came_on_the_word_of_one_authority_do_not_pass_to_a_server_that_believes_another_one() {
    let issuer = TestIssuer::start().await;
    let url = behind_tls(&issuer).await;
    let token = issuer.token().sign();
    let reached = || Issuer::new(issuer.url()).metadata_url(format!("{url}/.well-known/openid-configuration"));
    let server = trusting(reached().ca_pem(AUTHORITY));
    assert_eq!(verdict(&server, &token).await, "ok");
    for endpoint in [Endpoint::Metadata, Endpoint::Jwks] {
        issuer.fault(endpoint, Some(Fault::Status(500)));
    }
    for (next, expected) in [
        (reached().ca_pem(AUTHORITY), "ok"),
        (reached().ca_pem(OTHER_AUTHORITY), "keys_unavailable"),
        (reached(), "keys_unavailable"),
    ] {
        let next = ResourceServer::builder(RS, next).keys_from(&server).build().unwrap();
        assert_eq!(verdict(&next, &token).await, expected);
    }
}

#[tokio::test]
async fn each_issuer_has_the_authority_that_it_was_given_and_no_other_one() {
    let issuers = [TestIssuer::start().await, TestIssuer::start().await, TestIssuer::start().await];
    let mut ways = Vec::new();
    for (issuer, pem) in issuers.iter().zip([Some(AUTHORITY), Some(OTHER_AUTHORITY), None]) {
        let url = behind_tls(issuer).await;
        let way = Issuer::new(issuer.url()).metadata_url(format!("{url}/.well-known/openid-configuration"));
        ways.push(pem.into_iter().fold(way, Issuer::ca_pem));
    }
    let [first, second, third] = <[Issuer; 3]>::try_from(ways).unwrap();
    let server = ResourceServer::builder(RS, first).issuer(second).issuer(third).build().unwrap();
    for (issuer, expected) in issuers.iter().zip(["ok", "keys_unavailable", "keys_unavailable"]) {
        assert_eq!(verdict(&server, &issuer.token().sign()).await, expected);
    }
}

#[test]
fn a_mistake_in_the_way_to_an_issuer_is_named_with_its_remedy() {
    let client = || TestIssuer::in_process(AS).http_client();
    let build = |issuer: Issuer| ResourceServer::builder(RS, issuer).build();
    let http = "http://as.internal/metadata";
    assert!(build(Issuer::new(AS).metadata_url("http://127.0.0.1:9/metadata").ca_pem(AUTHORITY)).is_ok());
    assert!(ResourceServer::builder(RS, Issuer::new(AS).metadata_url(http)).danger_allow_http().build().is_ok());
    let broken = AUTHORITY.replace("MII", "M?I");
    let key = include_str!("fixtures/localhost.key");
    for (issuer, setting, shown, remedy) in [
        (Issuer::new(AS).metadata_url(http), "metadata_url", http, "https"),
        (Issuer::new(AS).metadata_url("https://u:p@as/x?k=1"), "metadata_url", "https://***@as/x", "password"),
        (Issuer::new(AS).ca_pem(""), "ca_pem", "", "one certificate at least"),
        (Issuer::new(AS).ca_pem(key), "ca_pem", "", "one certificate at least"),
        (Issuer::new(AS).ca_pem(broken), "ca_pem", "", "must be certificates in PEM"),
    ] {
        let error = build(issuer).unwrap_err();
        let [problem] = error.problems() else { panic!("{error}") };
        assert_eq!((&*problem.setting, problem.value.as_str()), (setting, shown));
        assert!(problem.remedy.contains(remedy), "{problem}");
    }
    let issuer = Issuer::new(AS).ca_pem(AUTHORITY);
    let error = ResourceServer::builder(RS, issuer).http_client(client()).build().unwrap_err();
    assert_eq!(&*error.problems()[0].setting, "ca_pem");
    assert!(error.to_string().contains("default client only"), "{error}");
}
