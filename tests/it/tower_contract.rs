//! What tower asks of a middleware: readiness, errors, cancellation, bodies, bounds.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::buffer::BufferLayer;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::testing::Endpoint;
use tower_bearer::{AuthLayer, Claims, RequireScope, ResourceServer, Scoped};

use crate::support::{Fixture, Inside, Reply, get};

fn auth(fixture: &Fixture) -> AuthLayer {
    AuthLayer::new(fixture.server.clone())
}

fn with_token<Q>(token: &str, body: Q) -> Request<Q> {
    get().header("authorization", format!("Bearer {token}")).body(body).unwrap()
}

/// A server that must wait for keys on its first request, and one that has them.
async fn cold_and_warm() -> [Fixture; 2] {
    let warm = Fixture::new();
    warm.server.warm_up().await.unwrap();
    [Fixture::new(), warm]
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

#[tokio::test]
async fn works_with_the_body_types_of_tonic() {
    let fixture = Fixture::new();
    let inner = service_fn(|_: Request<tonic::body::Body>| {
        ready(Ok::<_, Infallible>(Response::new(tonic::body::Body::empty())))
    });
    let layers = ServiceBuilder::new().layer(auth(&fixture).empty_body());
    let service = layers.layer(RequireScope::all(["a"]).empty_body()).service(inner);
    for (scope, status) in [("a", StatusCode::OK), ("b", StatusCode::FORBIDDEN)] {
        let request = with_token(&fixture.token().scope(scope).sign(), tonic::body::Body::empty());
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status);
        assert!(!response.headers().contains_key("content-type"));
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
    let bare = service.oneshot(get().body(tonic::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
    assert!(bare.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn works_with_any_body_through_map_body() {
    #[derive(Debug, PartialEq)]
    struct Letters(Vec<char>);
    let letters = |text: Bytes| Letters(text.iter().map(|&byte| char::from(byte)).collect());
    let fixture = Fixture::new();
    let inner = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(Letters(vec!['i'])))));
    let layers = ServiceBuilder::new().layer(auth(&fixture).map_body(letters));
    let service = layers.layer(RequireScope::all(["a"]).map_body(letters)).service(inner);
    let refused = service.clone().oneshot(with_token(&fixture.token().sign(), ())).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!(refused.body().0[0], '{');
    let passed = service.oneshot(with_token(&fixture.token().scope("a").sign(), ())).await.unwrap();
    assert_eq!(passed.into_body(), Letters(vec!['i']));
}

#[tokio::test]
async fn s10_16_the_service_that_was_ready_is_the_one_that_is_called() {
    for fixture in cold_and_warm().await {
        let (mock, mut handle) = tower_test::mock::pair::<Request<()>, Reply>();
        let mut service = ServiceBuilder::new().layer(auth(&fixture)).layer(RequireScope::all(["a"])).service(mock);
        let answering = tokio::spawn(async move {
            for _ in 0..3 {
                let (_, answer) = handle.next_request().await.unwrap();
                answer.send_response(Reply::default());
            }
        });
        for _ in 0..3 {
            let token = fixture.token().scope("a").sign();
            // The mock panics when a clone that was never polled ready is called.
            let response = service.ready().await.unwrap().call(with_token(&token, ())).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        }
        answering.await.unwrap();
    }
}

#[tokio::test]
async fn s10_16_a_concurrency_limit_inside_holds_also_while_requests_wait_for_keys() {
    for fixture in cold_and_warm().await {
        let inside = Inside::default();
        let service =
            ServiceBuilder::new().layer(auth(&fixture)).layer(ConcurrencyLimitLayer::new(1)).service(inside.service());
        let requests = (0..8).map(|_| service.clone().oneshot(with_token(&fixture.token().sign(), ())));
        for response in futures_util::future::join_all(requests).await {
            assert_eq!(response.unwrap().status(), StatusCode::OK);
        }
        inside.assert_one_at_a_time();
    }
}

#[tokio::test]
async fn s10_16_a_buffer_inside_works_on_both_ways() {
    for fixture in cold_and_warm().await {
        let inner = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Reply::default())));
        let service = ServiceBuilder::new().layer(auth(&fixture)).layer(BufferLayer::new(1)).service(inner);
        let requests = (0..8).map(|_| service.clone().oneshot(with_token(&fixture.token().sign(), ())));
        for response in futures_util::future::join_all(requests).await {
            assert_eq!(response.unwrap().status(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn s10_17_an_inner_service_that_is_not_ready_is_not_hidden() {
    let fixture = Fixture::new();
    let (mock, mut handle) = tower_test::mock::pair::<Request<()>, Reply>();
    let mut service = ServiceBuilder::new().layer(auth(&fixture)).layer(RequireScope::all(["a"])).service(mock);
    let mut context = Context::from_waker(Waker::noop());
    handle.allow(0);
    assert!(service.poll_ready(&mut context).is_pending());
    handle.allow(1);
    assert!(matches!(service.poll_ready(&mut context), Poll::Ready(Ok(()))));
    handle.send_error("broken");
    assert!(matches!(service.poll_ready(&mut context), Poll::Ready(Err(_))));
}

#[derive(Debug, PartialEq)]
struct OwnError(u8);

#[tokio::test]
async fn s10_17_the_error_of_the_inner_service_passes_through_with_its_type() {
    for fixture in cold_and_warm().await {
        let inner = service_fn(|_: Request<()>| ready(Err::<Reply, _>(OwnError(7))));
        let service = ServiceBuilder::new().layer(auth(&fixture)).layer(RequireScope::all(["a"])).service(inner);
        let good = with_token(&fixture.token().scope("a").sign(), ());
        assert_eq!(service.clone().oneshot(good).await.unwrap_err(), OwnError(7));
        assert_eq!(service.oneshot(get().body(()).unwrap()).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
}

/// Polls a request this often and drops it; true if it was answered before.
async fn dropped_after(polls: usize, fixture: &Fixture, held: &Arc<()>) -> bool {
    let kept = held.clone();
    let inner = service_fn(move |_: Request<Arc<()>>| {
        let kept = kept.clone();
        async move {
            tokio::task::yield_now().await;
            drop(kept);
            Ok::<_, Infallible>(Reply::default())
        }
    });
    let mut service = ServiceBuilder::new().layer(auth(fixture)).layer(ConcurrencyLimitLayer::new(1)).service(inner);
    let mut done = false;
    {
        let token = fixture.token().sign();
        let mut future = pin!(service.ready().await.unwrap().call(with_token(&token, held.clone())));
        for _ in 0..polls {
            done = poll_once(future.as_mut()).await.is_ready();
            if done {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // A permit that was lost would let this wait for ever.
    let later = with_token(&fixture.token().sign(), held.clone());
    assert_eq!(service.ready().await.unwrap().call(later).await.unwrap().status(), StatusCode::OK);
    drop(service);
    assert_eq!(Arc::strong_count(held), 1, "after {polls} polls");
    done
}

#[tokio::test]
async fn a_response_future_may_be_dropped_at_any_moment() {
    for warm in [false, true] {
        let mut polls = 0;
        loop {
            let fixture = Fixture::new();
            if warm {
                fixture.server.warm_up().await.unwrap();
            }
            if dropped_after(polls, &fixture, &Arc::new(())).await {
                break;
            }
            polls += 1;
        }
        assert!(polls >= if warm { 2 } else { 3 }, "{polls} polls");
    }
}

#[tokio::test]
async fn s10_24_requests_that_are_cancelled_at_once_cause_one_fetch() {
    let fixture = Fixture::new();
    let inner = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Reply::default())));
    let mut service = auth(&fixture).layer(inner);
    for _ in 0..1000 {
        let future = pin!(service.ready().await.unwrap().call(with_token(&fixture.token().sign(), ())));
        let _ = poll_once(future).await;
    }
    let last = with_token(&fixture.token().sign(), ());
    assert_eq!(service.oneshot(last).await.unwrap().status(), StatusCode::OK);
    assert_eq!((fixture.issuer.requests(Endpoint::Metadata), fixture.issuer.requests(Endpoint::Jwks)), (1, 1));
}

/// A body that nobody may look at.
struct Untouchable;

impl hyper::body::Body for Untouchable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        panic!("the body was read");
    }
}

#[tokio::test]
async fn s10_18_the_body_of_a_request_is_not_touched_whatever_the_verdict() {
    for fixture in cold_and_warm().await {
        let inner = service_fn(|request: Request<Untouchable>| {
            let Untouchable = request.into_body();
            ready(Ok::<_, Infallible>(Reply::default()))
        });
        let service = ServiceBuilder::new().layer(auth(&fixture)).layer(RequireScope::all(["a"])).service(inner);
        let good = with_token(&fixture.token().scope("a").sign(), Untouchable);
        assert_eq!(service.clone().oneshot(good).await.unwrap().status(), StatusCode::OK);
        for bad in [with_token("rubbish", Untouchable), with_token(&fixture.token().sign(), Untouchable)] {
            assert!(service.clone().oneshot(bad).await.unwrap().status().is_client_error());
        }
    }
}

#[tokio::test]
async fn no_bound_of_send_or_static_is_put_on_bodies_services_and_futures() {
    struct Local<'a>(&'a Cell<u32>);
    let fixture = Fixture::new();
    let calls = Cell::new(0);
    let shared = Rc::new(());
    let inner = service_fn(|request: Request<Local<'_>>| {
        let shared = shared.clone();
        let calls = request.into_body().0;
        calls.set(calls.get() + 1);
        async move {
            let _not_send = shared;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let service = ServiceBuilder::new().layer(auth(&fixture)).layer(RequireScope::all(["a"])).service(inner);
    for _ in 0..2 {
        let request = with_token(&fixture.token().scope("a").sign(), Local(&calls));
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(calls.get(), 2);
}

#[test]
fn what_is_shared_between_threads_can_be() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<ResourceServer>();
    shared::<AuthLayer>();
    shared::<RequireScope>();
    shared::<Claims>();
    shared::<Claims<String>>();
    fn sent<T: Send + Sync>() {}
    struct Marker(#[expect(dead_code, reason = "makes the type neither Send nor Sync")] Rc<()>);
    sent::<Scoped<Marker>>();
}
