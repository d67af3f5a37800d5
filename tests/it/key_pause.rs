//! An issuer that asks for a pause gets it.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tower_bearer::testing::Endpoint;

use crate::faulty_client::settle;
use crate::support::Fixture;

/// Key fetches in the two minutes after the first refusal with this status.
async fn fetches_after(status: u16) -> u64 {
    let fixture = Fixture::new();
    let token = fixture.token().expires_in(Duration::from_secs(3600)).sign();
    fixture.bearer(&token).await.assert_ok();
    let busy = Response::builder().status(status).header("retry-after", "120").body(Bytes::new()).unwrap();
    fixture.issuer.answer_with(Endpoint::Jwks, Some(busy));
    while fixture.issuer.requests(Endpoint::Jwks) == 1 {
        fixture.clock.advance(Duration::from_secs(1));
        settle().await;
    }
    for _ in 0..118 {
        fixture.clock.advance(Duration::from_secs(1));
        settle().await;
        fixture.bearer(&token).await.assert_ok();
    }
    fixture.issuer.requests(Endpoint::Jwks) - 2
}

#[tokio::test]
async fn r14_an_issuer_that_answers_429_is_left_alone_as_long_as_it_asks() {
    assert_eq!(fetches_after(429).await, 0);
    assert!(fetches_after(500).await > 2, "any other failure is tried again after a back-off");
}
