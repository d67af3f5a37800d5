//! The same challenges over loopback sockets, with hyper's own body types.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::testing::SigningKey;
use tower_bearer::{Algorithm, ResourceServer};

use crate::challenge::{Row, Takes, assert_row, needs_files_write, request, rows};
use crate::support::{Fixture, get, with_proof};

type Wire = Response<Incoming>;

/// A hyper server on loopback that speaks both versions; ends with the runtime of the test.
pub async fn serve(server: &ResourceServer) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (auth, scope) = needs_files_write(server);
    let service = ServiceBuilder::new().layer(auth).layer(scope).service(service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"inner"))))
    }));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(move |request| service.clone().oneshot(request));
        let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
    });
    TcpStream::connect(address).await.unwrap()
}

#[track_caller]
fn assert_wire(row: &Row, takes: Takes, version: Version, response: &Wire) {
    assert_eq!(response.version(), version);
    let values = response.headers().get_all("www-authenticate").iter();
    let challenges: Vec<&str> = values.map(|value| value.to_str().unwrap()).collect();
    assert_row(row, takes, response.status(), &challenges);
    assert_eq!(response.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn c9110_11_6_1_a_the_same_challenges_arrive_over_http_1_1() {
    for takes in Takes::COLUMNS {
        let fixture = takes.fixture();
        let stream = serve(&fixture.server).await;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        for row in rows(&fixture, takes) {
            let request = request(&row).header("host", "api.example.com").body(Empty::<Bytes>::new()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_wire(&row, takes, Version::HTTP_11, &response);
            response.into_body().collect().await.unwrap();
            sender.ready().await.unwrap();
        }
        let good = good_request(&fixture, takes).header("host", "api.example.com").body(Empty::new()).unwrap();
        assert_eq!(sender.send_request(good).await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn c9110_11_6_1_a_the_same_challenges_arrive_over_http_2() {
    for takes in Takes::COLUMNS {
        let fixture = takes.fixture();
        let stream = serve(&fixture.server).await;
        let executor = TokioExecutor::new();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        for row in rows(&fixture, takes) {
            let request = request(&row).uri("http://api.example.com/r").body(Empty::<Bytes>::new()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_wire(&row, takes, Version::HTTP_2, &response);
        }
        let good = good_request(&fixture, takes).uri("http://api.example.com/r").body(Empty::new()).unwrap();
        assert_eq!(sender.send_request(good).await.unwrap().status(), StatusCode::OK);
    }
}

/// With DPoP where it is taken.
fn good_request(fixture: &Fixture, takes: Takes) -> http::request::Builder {
    let key = SigningKey::generate(Algorithm::ES256);
    if takes == Takes::Bearer {
        let token = fixture.token().scope("files:write").sign();
        return get().header("authorization", format!("Bearer {token}"));
    }
    let token = fixture.token().scope("files:write").bound_to(&key).sign();
    with_proof(&token, &fixture.proof(&key, &token).sign())
}
