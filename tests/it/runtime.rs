//! Futures that are dropped, tasks that must end, hooks that panic, many threads at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};
use tower_bearer::{AuthLayer, HttpClient, HttpFuture, ResourceServer, ResourceServerBuilder};

use crate::faulty_client::{Mode, ask, faulty, long_lived, pass, running, settle, stranger, verdict};
use crate::support::{AS, Fixture, RS, get, send_through};

const SECOND: Duration = Duration::from_secs(1);

type Answer = Pin<Box<dyn Future<Output = u16> + Send>>;

/// A request that was called through the layer, with an inner service that takes three polls.
fn called(server: &ResourceServer, token: &str) -> Answer {
    let inner = service_fn(|_: http::Request<()>| async {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let mut service = AuthLayer::new(server.clone()).layer(inner);
    assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    let future = service.call(get().header("authorization", format!("Bearer {token}")).body(()).unwrap());
    Box::pin(async move { future.await.unwrap().status().as_u16() })
}

/// Polls `times` times, letting everything else run in between, and drops the future.
async fn drop_after(times: usize, mut future: Answer) -> bool {
    for _ in 0..times {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
        settle().await;
    }
    false
}

#[tokio::test]
async fn r76_s11_05_a_future_dropped_at_any_poll_leaves_nothing_behind() {
    for path in ["hit", "miss", "wait for the first set", "wait for a new key", "unknown key"] {
        for times in 0..20 {
            let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
            let cold = path == "wait for the first set";
            if !cold {
                fixture.server.warm_up().await.unwrap();
            }
            if path == "wait for a new key" {
                fixture.issuer.rotate_key(tower_bearer::Algorithm::ES256);
            }
            let token = if path == "unknown key" { stranger(&fixture, "x") } else { fixture.token().sign() };
            if path == "hit" {
                assert_eq!(verdict(&fixture.server, &token).await, "ok");
            }
            let ended = drop_after(times, called(&fixture.server, &token)).await;
            settle().await;
            assert_eq!(verdict(&fixture.server, &fixture.token().sign()).await, "ok", "{path}, {times} polls");
            assert!(client.key_fetches() <= 2, "{path}, {times} polls");
            assert!(ended || times < 19, "{path} ends");
        }
    }
}

#[tokio::test]
async fn r76_s11_05_dropped_waiters_give_their_places_back() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    let token = fixture.token().sign();
    client.set(Mode::Hold);
    for _ in 0..5000 {
        assert!(!drop_after_one(called(&fixture.server, &token)));
    }
    client.set(Mode::Pass);
    assert_eq!(called(&fixture.server, &token).await, 200);
    assert_eq!(client.key_fetches(), 1);
}

fn drop_after_one(mut future: Answer) -> bool {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Tells by its count whether somebody still holds the client, and so a task of the server lives.
struct Held {
    _count: Arc<()>,
    client: crate::faulty_client::FaultyClient,
}

impl HttpClient for Held {
    fn send(&self, request: http::Request<Bytes>, max_body: usize) -> HttpFuture<'_> {
        self.client.send(request, max_body)
    }
}

fn alive() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn r75_s11_06_the_tasks_end_with_the_last_handle() {
    for mode in [Mode::Pass, Mode::Hold] {
        let (held, before) = (Arc::new(()), alive());
        let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
        client.set(mode);
        let server = ResourceServer::builder(RS, AS).clock(fixture.clock.clone());
        let server = server.http_client(Held { _count: held.clone(), client: client.clone() }).build().unwrap();
        let second = server.clone();
        let asked = ask(&server, &fixture.token().sign());
        settle().await;
        asked.abort();
        drop(server);
        settle().await;
        assert!(Arc::strong_count(&held) > 1 && alive() > before);
        drop(second);
        settle().await;
        assert_eq!((Arc::strong_count(&held), alive()), (1, before));
        let calls = client.log().len();
        pass(&fixture, 100, 10 * SECOND).await;
        assert_eq!(client.log().len(), calls);
    }
}

#[tokio::test]
async fn r75_one_background_task_serves_an_issuer_however_often_it_is_asked() {
    let (fixture, client) = running().await;
    let before = alive();
    for n in 0..20 {
        assert_eq!(verdict(&fixture.server, &stranger(&fixture, &format!("k{n}"))).await, "key_unknown");
        pass(&fixture, 1, 31 * SECOND).await;
    }
    assert!(client.key_fetches() > 10);
    assert_eq!(alive(), before);
}

#[test]
fn s11_07_a_server_survives_the_end_of_the_runtime_that_refreshed_its_keys() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let token = long_lived(&fixture);
    assert_eq!(first.block_on(verdict(&fixture.server, &token)), "ok");
    drop(first);
    let second = runtime();
    second.block_on(async {
        // Nobody refreshes now, until a request finds the set too old and begins anew.
        pass(&fixture, 331, SECOND).await;
        assert_eq!(client.key_fetches(), 1);
        assert_eq!(verdict(&fixture.server, &token).await, "ok");
        assert_eq!(client.key_fetches(), 2);
        pass(&fixture, 265, SECOND).await;
        assert_eq!(client.key_fetches(), 3, "the background task is back");
    });
}

#[test]
fn r38_s11_07_without_a_background_task_a_removed_key_stops_in_time_for_cached_tokens_too() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, token, old) = (runtime(), long_lived(&fixture), fixture.issuer.key());
    assert_eq!(first.block_on(verdict(&fixture.server, &token)), "ok");
    drop(first);
    fixture.issuer.rotate_key(tower_bearer::Algorithm::ES256);
    fixture.issuer.remove_key(old.kid());
    runtime().block_on(async {
        // Verified anew shortly before the set is too old, and then a hit.
        pass(&fixture, 310, SECOND).await;
        assert_eq!(verdict(&fixture.server, &token).await, "ok");
        pass(&fixture, 21, SECOND).await;
        assert_eq!(verdict(&fixture.server, &token).await, "key_unknown");
        assert_eq!(client.key_fetches(), 2);
    });
}

#[test]
fn s11_07_a_fetch_that_ended_with_its_runtime_is_a_failed_one() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    client.set(Mode::Hold);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, token) = (runtime(), fixture.token().sign());
    first.block_on(async {
        ask(&fixture.server, &token);
        settle().await;
    });
    drop(first);
    client.set(Mode::Pass);
    fixture.clock.advance(SECOND);
    assert_eq!(runtime().block_on(verdict(&fixture.server, &token)), "ok");
}

#[test]
fn s11_10_no_process_wide_crypto_provider_is_needed_or_chosen() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let issuer = tower_bearer::testing::TestIssuer::start().await;
        let server = ResourceServer::builder(RS, issuer.url()).build().unwrap();
        assert_eq!(verdict(&server, &issuer.token().sign()).await, "ok");
    });
}

async fn refused_with(settings: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder) -> [Shown; 3] {
    let fixture = Fixture::with(|issuer| issuer, settings);
    let layer = || AuthLayer::new(fixture.server.clone());
    let anonymous = send_through(layer(), get().body(()).unwrap()).await;
    let invalid = fixture.bearer(&fixture.token().expired().sign()).await;
    fixture.issuer.answer_with(
        tower_bearer::testing::Endpoint::Jwks,
        Some(Response::builder().status(500).body(Bytes::new()).unwrap()),
    );
    let outage = fixture.bearer(&fixture.token().sign()).await;
    [anonymous, invalid, outage].map(|outcome| {
        assert_eq!(outcome.calls, 0);
        let fields = ["www-authenticate", "cache-control"].map(|name| outcome.headers.get(name).cloned());
        (outcome.status.as_u16(), fields, outcome.body)
    })
}

type Shown = (u16, [Option<HeaderValue>; 2], String);

#[tokio::test]
async fn r78_s11_04_a_body_hook_that_panics_changes_neither_status_nor_challenge() {
    let plain = refused_with(|builder| builder).await;
    assert_eq!(plain.each_ref().map(|shown| shown.0), [401, 401, 503]);
    assert_eq!(refused_with(|builder| builder.refusal_body(|_| panic!("as the test wants it"))).await, plain);
    let own = |builder: ResourceServerBuilder| {
        builder.refusal_body(|_| (HeaderValue::from_static("text/plain"), Bytes::from_static(b"no")))
    };
    for (own, plain) in refused_with(own).await.into_iter().zip(plain) {
        assert_eq!((own.0, own.1, own.2.as_str()), (plain.0, plain.1, "no"));
    }
}

#[tokio::test]
async fn s11_03_r78_requests_after_a_panic_are_unaffected() {
    let hook = |builder: ResourceServerBuilder| builder.refusal_body(|_| panic!("as the test wants it"));
    let (fixture, client) = faulty(|issuer| issuer, hook);
    client.set(Mode::Panic);
    fixture.bearer(&fixture.token().sign()).await.assert_dep();
    client.set(Mode::Pass);
    fixture.clock.advance(SECOND);
    for _ in 0..10 {
        fixture.bearer(&fixture.token().sign()).await.assert_ok();
        fixture.bearer(&fixture.token().expired().sign()).await.assert_it();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r77_a_thousand_tasks_on_four_threads_get_the_verdicts_of_their_tokens() {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    let good: Vec<_> = (0..4).map(|_| fixture.token().sign()).collect();
    let mut asked = Vec::new();
    for n in 0..1000 {
        let (token, expected) = match n % 4 {
            0 => (good[n / 4 % 4].clone(), "ok"),
            1 => (fixture.token().expired().sign(), "token_expired"),
            2 => (fixture.token().with_signature(&[1; 64]), "signature_invalid"),
            _ => (stranger(&fixture, &format!("k{n}")), "key_unknown"),
        };
        asked.push((ask(&fixture.server, &token), expected));
    }
    for (asked, expected) in asked {
        assert_eq!(asked.await.unwrap(), expected);
    }
    assert!(client.key_fetches() <= 2, "{}", client.key_fetches());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r38_r77_on_four_threads_no_token_of_a_removed_key_passes_after_the_first_refusal() {
    let (fixture, _client) = faulty(|issuer| issuer, |builder| builder);
    let (token, old) = (long_lived(&fixture), fixture.issuer.key());
    assert_eq!(verdict(&fixture.server, &token).await, "ok");
    fixture.issuer.rotate_key(tower_bearer::Algorithm::ES256);
    fixture.issuer.remove_key(old.kid());
    let new = fixture.token().sign();
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let (server, token) = (fixture.server.clone(), token.clone());
            tokio::spawn(async move {
                let mut verdicts = Vec::new();
                while verdicts.iter().filter(|verdict| **verdict != "ok").count() < 100 {
                    verdicts.push(verdict(&server, &token).await);
                    tokio::task::yield_now().await;
                }
                verdicts
            })
        })
        .collect();
    assert_eq!(verdict(&fixture.server, &new).await, "ok");
    for asking in asking {
        let verdicts = asking.await.unwrap();
        let first = verdicts.iter().position(|verdict| *verdict != "ok").unwrap();
        assert!(verdicts[first..].iter().all(|verdict| *verdict == "key_unknown"));
    }
}
