//! The faults and ETags of the test issuer, without a socket; over sockets they are used in `key_faults`.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use serde_json::Value;
use tower_bearer::testing::{Endpoint, Fault, ManualClock, TestIssuer};
use tower_bearer::{Algorithm, HttpClient, HttpError};

use crate::support::AS;

async fn send(client: &impl HttpClient, url: &str) -> Result<Response<Bytes>, HttpError> {
    client.send(Request::get(url).body(Bytes::new()).unwrap(), 512 * 1024).await
}

#[tokio::test]
async fn a_fault_without_a_socket_is_what_a_client_makes_of_it() {
    let clock = ManualClock::new();
    let issuer = TestIssuer::in_process_at(AS, clock.clone());
    let (client, url) = (issuer.http_client(), format!("{AS}/jwks"));
    let good = send(&client, &url).await.unwrap();
    let outcome = |fault| {
        issuer.fault(Endpoint::Jwks, Some(fault));
        send(&client, &url)
    };
    for closed in [Fault::Reset, Fault::Truncate(3)] {
        assert!(matches!(outcome(closed).await, Err(HttpError::Connection(_))));
    }
    for large in [Fault::Endless, Fault::LengthLie(1 << 30), Fault::Huge(512 * 1024 + 1)] {
        assert_eq!(outcome(large).await.unwrap_err(), HttpError::TooLarge);
    }
    for hanging in [Fault::Silent, Fault::LengthLie(1)] {
        let mut answer = pin!(outcome(hanging));
        assert!(answer.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_secs(86400));
        assert!(answer.now_or_never().is_none());
    }
    let drip = Duration::from_secs(good.body().len() as u64);
    for (fault, time) in
        [(Fault::Delay(Duration::from_secs(3)), Duration::from_secs(3)), (Fault::Drip(Duration::from_secs(1)), drip)]
    {
        let mut answer = pin!(outcome(fault));
        assert!(answer.as_mut().now_or_never().is_none());
        clock.advance(time - Duration::from_millis(1));
        assert!(answer.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_millis(1));
        assert_eq!(answer.now_or_never().unwrap().unwrap().body(), good.body());
    }
    issuer.fault(Endpoint::Jwks, None);
    assert_eq!(send(&client, &url).await.unwrap().body(), good.body());
}

#[tokio::test]
async fn a_fault_spoils_one_endpoint_and_what_was_to_be_answered_there() {
    let issuer = TestIssuer::in_process(AS);
    let client = issuer.http_client();
    let (keys, metadata) = (format!("{AS}/jwks"), format!("{AS}/.well-known/openid-configuration"));
    issuer.fault(Endpoint::Metadata, Some(Fault::WrongIssuer));
    let document: Value = serde_json::from_slice(send(&client, &metadata).await.unwrap().body()).unwrap();
    assert_eq!(document["issuer"], "https://wrong.example");
    assert_eq!(send(&client, &keys).await.unwrap().status(), StatusCode::OK);
    issuer.answer_with(Endpoint::Jwks, Some(Response::new("own".into())));
    issuer.fault(Endpoint::Jwks, Some(Fault::Status(429)));
    let answer = send(&client, &keys).await.unwrap();
    assert_eq!((answer.status(), answer.body().as_ref()), (StatusCode::TOO_MANY_REQUESTS, &b"own"[..]));
    issuer.fault(Endpoint::Jwks, Some(Fault::Redirect("https://x.example/".into())));
    let answer = send(&client, &keys).await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["location"]),
        (StatusCode::FOUND, &"https://x.example/".parse().unwrap())
    );
    issuer.fault(Endpoint::Jwks, Some(Fault::Gzip));
    let answer = send(&client, &keys).await.unwrap();
    assert_eq!(
        (&answer.headers()["content-encoding"], &answer.body()[..3]),
        (&"gzip".parse().unwrap(), &[0x1f, 0x8b, 8][..])
    );
}

#[tokio::test]
async fn an_etag_answers_who_has_the_set_already() {
    let issuer = TestIssuer::in_process(AS);
    let client = issuer.http_client();
    let url = format!("{AS}/jwks");
    assert!(!send(&client, &url).await.unwrap().headers().contains_key("etag"));
    issuer.use_etags(true);
    let etag = send(&client, &url).await.unwrap().headers()["etag"].to_str().unwrap().to_owned();
    let asked = async |condition: &str| {
        let request = Request::get(&url).header("if-none-match", condition).body(Bytes::new()).unwrap();
        client.send(request, 1 << 20).await.unwrap()
    };
    for same in [etag.clone(), format!("\"x\", {etag}"), format!("W/{etag}"), "*".into()] {
        let answer = asked(&same).await;
        assert_eq!((answer.status(), answer.body().len()), (StatusCode::NOT_MODIFIED, 0), "{same}");
        assert_eq!(answer.headers()["etag"], etag);
    }
    assert_eq!(asked("\"x\"").await.status(), StatusCode::OK);
    issuer.rotate_key(Algorithm::ES256);
    assert_eq!(asked(&etag).await.status(), StatusCode::OK);
}
