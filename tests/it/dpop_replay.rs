//! RFC 9449 section 11.1: a proof passes once, whatever happens at the same time and whatever fails.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::StatusCode;
use tower::{ServiceBuilder, ServiceExt};
use tower_bearer::testing::{SigningKey, signature_checks};
use tower_bearer::{
    Algorithm, AuthLayer, Clock, Dpop, InMemoryReplayStore, ReplayAnswer, ReplayEntry, ReplayError, ReplayStore,
};

use crate::dpop::Holder;
use crate::faulty_client::settle;
use crate::support::{Fixture, RS, get, send_through, with_proof};

#[tokio::test]
async fn c9449_11_1_a_s9_03_s9_04_a_proof_passes_once_however_its_target_is_spelled() {
    let holder = Holder::new();
    let proof = holder.proof();
    holder.passes(proof.clone()).await;
    let again = holder.send(proof.clone()).await;
    again.assert_idp();
    assert_eq!(again.code(), "dpop_proof_replayed");
    holder.send(proof.claim("htu", "HTTPS://API.EXAMPLE.COM:443/./r?x")).await.assert_idp();
    holder.passes(holder.proof()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c9449_11_1_e_s9_03_of_64_equal_requests_at_once_exactly_one_passes() {
    let holder = Holder::new();
    holder.passes(holder.proof()).await;
    for round in 0..200 {
        let proof = holder.proof().sign();
        let send = || {
            let request = with_proof(&holder.token, &proof).body(()).unwrap();
            tokio::spawn(send_through(AuthLayer::new(holder.fixture.server.clone()), request))
        };
        let sent: Vec<_> = (0..64).map(|_| send()).collect();
        let mut passed = 0;
        for outcome in sent {
            let outcome = outcome.await.unwrap();
            match outcome.status {
                StatusCode::OK => passed += 1,
                _ => outcome.assert_idp(),
            }
        }
        assert_eq!(passed, 1, "round {round}");
    }
}

/// A store that several servers share.
#[derive(Clone)]
struct Shared(Arc<InMemoryReplayStore>);

impl Shared {
    fn new() -> Self {
        Shared(Arc::new(InMemoryReplayStore::new()))
    }
}

impl ReplayStore for Shared {
    fn put_if_absent(&self, entry: ReplayEntry) -> ReplayAnswer {
        self.0.put_if_absent(entry)
    }
}

fn storing(store: impl ReplayStore) -> Holder {
    Holder::with(|builder| builder.dpop(Dpop::accept().replay_store(store)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r70_s9_07_of_two_instances_with_one_store_one_lets_a_proof_pass() {
    let store = Shared::new();
    let holder = storing(store.clone());
    let twin = {
        let builder = tower_bearer::ResourceServer::builder(RS, crate::support::AS);
        let builder = builder.clock(holder.fixture.clock.clone()).http_client(holder.fixture.issuer.http_client());
        builder.dpop(Dpop::accept().replay_store(store)).build().unwrap()
    };
    for round in 0..100 {
        let proof = holder.proof().sign();
        let send = |server: &tower_bearer::ResourceServer| {
            let request = with_proof(&holder.token, &proof).body(()).unwrap();
            tokio::spawn(send_through(AuthLayer::new(server.clone()), request))
        };
        let sent: Vec<_> = (0..32).flat_map(|_| [send(&holder.fixture.server), send(&twin)]).collect();
        let mut passed = 0;
        for outcome in sent {
            passed += usize::from(outcome.await.unwrap().status == StatusCode::OK);
        }
        assert_eq!(passed, 1, "round {round}");
    }
}

#[tokio::test]
async fn c9449_11_1_b_s9_05_a_proof_is_remembered_until_it_can_no_longer_pass() {
    let holder = Holder::new();
    let ahead = holder.proof().issued_at(holder.fixture.clock.wall() + Duration::from_secs(30));
    holder.passes(ahead.clone()).await;
    for seconds in [325, 5] {
        holder.fixture.clock.advance(Duration::from_secs(seconds));
        let outcome = holder.send(ahead.clone()).await;
        assert_eq!(outcome.code(), "dpop_proof_replayed", "{outcome:?}");
    }
    holder.fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(holder.send(ahead).await.code(), "dpop_proof_invalid");
}

#[tokio::test]
async fn c9449_11_1_c_s9_06_r71_a_full_store_refuses_what_is_new_and_forgets_nothing() {
    let holder = storing(InMemoryReplayStore::with_bounds(3, 2));
    let (first, second) = (holder.proof(), holder.proof());
    holder.passes(first.clone()).await;
    holder.passes(second.clone()).await;
    // One client has had its share, and the others do not notice.
    let quota = holder.send(holder.proof()).await;
    assert_eq!((quota.status, quota.code()), (StatusCode::TOO_MANY_REQUESTS, "dpop_proof_quota"));
    assert!(quota.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1 && quota.calls == 0);
    let send = async |key: &SigningKey| {
        let token = holder.fixture.bound(key);
        holder.fixture.dpop(&token, holder.fixture.proof(key, &token)).await
    };
    send(&SigningKey::generate(Algorithm::ES256)).await.assert_ok();
    let full = send(&SigningKey::generate(Algorithm::ES256)).await;
    full.assert_dep();
    assert_eq!(full.code(), "replay_store_full");
    for old in [first, second] {
        assert_eq!(holder.send(old).await.code(), "dpop_proof_replayed");
    }
    holder.fixture.bearer(&holder.fixture.token().sign()).await.assert_ok();
    holder.fixture.clock.advance(Duration::from_secs(361));
    holder.passes(holder.proof()).await;
}

#[tokio::test]
async fn c9449_11_1_d_s9_08_what_a_stranger_sends_uses_up_nobody_elses_proof() {
    let holder = Holder::new();
    let stranger = SigningKey::generate(Algorithm::ES256);
    let jti = "the-identifier-of-the-victim";
    // The victim's key in the header, the stranger's signature; then the stranger's own token and key.
    holder.send(holder.proof().jti(jti).signed_by(&stranger)).await.assert_idp();
    let own = holder.fixture.bound(&stranger);
    holder.fixture.dpop(&own, holder.fixture.proof(&stranger, &own).jti(jti)).await.assert_ok();
    // A proof of the victim that fails otherwise.
    holder.send(holder.proof().jti(jti).claim("htm", "POST")).await.assert_idp();
    holder.passes(holder.proof().jti(jti)).await;
    assert_eq!(holder.send(holder.proof().jti(jti)).await.code(), "dpop_proof_replayed");
}

/// A store that is not there: says so at once or later, or never answers.
#[derive(Clone, Copy)]
enum Gone {
    AtOnce,
    Later,
    Silent,
}

impl ReplayStore for Gone {
    fn put_if_absent(&self, _: ReplayEntry) -> ReplayAnswer {
        match self {
            Gone::AtOnce => ReplayAnswer::Now(Err(ReplayError::Unavailable)),
            Gone::Later => ReplayAnswer::Later(Box::pin(async {
                tokio::task::yield_now().await;
                Err(ReplayError::Unavailable)
            })),
            Gone::Silent => ReplayAnswer::Later(Box::pin(std::future::pending())),
        }
    }
}

#[tokio::test]
async fn r69_c9449_11_1_c_without_its_store_no_proof_passes_and_bearer_tokens_do() {
    for gone in [Gone::AtOnce, Gone::Later] {
        let holder = storing(gone);
        for _ in 0..2 {
            let outcome = holder.send(holder.proof()).await;
            outcome.assert_dep();
            assert_eq!(outcome.code(), "replay_store_unavailable");
        }
        holder.send(holder.proof().claim("htm", "POST")).await.assert_idp();
        holder.fixture.bearer(&holder.fixture.token().sign()).await.assert_ok();
    }
}

#[tokio::test]
async fn r69_a_store_that_never_answers_is_given_up_after_a_second() {
    let holder = Arc::new(storing(Gone::Silent));
    let sender = holder.clone();
    let sent = tokio::spawn(async move { sender.send(sender.proof()).await });
    settle().await;
    assert!(!sent.is_finished());
    holder.fixture.clock.advance(Duration::from_secs(1));
    let outcome = sent.await.unwrap();
    outcome.assert_dep();
    assert_eq!(outcome.code(), "replay_store_unavailable");
}

#[tokio::test]
async fn a_proof_of_a_cached_token_costs_one_signature() {
    let holder = Holder::new();
    let before = signature_checks();
    holder.passes(holder.proof()).await;
    assert_eq!(signature_checks(), before + 2, "the token's and the proof's");
    holder.passes(holder.proof()).await;
    assert_eq!(signature_checks(), before + 3, "the proof's");
}

#[tokio::test]
async fn layers_of_one_server_judge_a_proof_once_and_other_servers_anew() {
    for cache in [0, 1 << 20] {
        let store = Shared::new();
        let dpop = || Dpop::accept().replay_store(store.clone());
        let holder = Holder::with(|builder| builder.dpop(dpop()).token_cache(cache).audience("urn:other"));
        let auth = || AuthLayer::new(holder.fixture.server.clone());
        let request = |proof: &str| with_proof(&holder.token, proof).body(()).unwrap();
        let proof = holder.proof().sign();
        send_through(ServiceBuilder::new().layer(auth()).layer(auth()), request(&proof)).await.assert_ok();
        assert_eq!(store.0.len(), 1);
        send_through(ServiceBuilder::new().layer(auth()).layer(auth()), request(&proof)).await.assert_idp();
        // The other resource has its own names in the shared store.
        let builder = tower_bearer::ResourceServer::builder("https://other.example.com", crate::support::AS);
        let builder = builder.audience(RS).clock(holder.fixture.clock.clone());
        let builder = builder.http_client(holder.fixture.issuer.http_client());
        let other = builder.dpop(dpop().external_base(RS)).build().unwrap();
        let nested = || ServiceBuilder::new().layer(auth()).layer(AuthLayer::new(other.clone()));
        let proof = holder.proof().sign();
        send_through(nested(), request(&proof)).await.assert_ok();
        assert_eq!(store.0.len(), 3);
        send_through(AuthLayer::new(other.clone()), request(&proof)).await.assert_idp();
        // Another credential between two layers is another request.
        let swapped = holder.proof().claim("htm", "POST").sign();
        let swap = tower::util::MapRequestLayer::new(move |mut request: http::Request<()>| {
            request.headers_mut().insert("dpop", swapped.parse().unwrap());
            request
        });
        let layers = ServiceBuilder::new().layer(auth()).layer(swap).layer(auth());
        send_through(layers, request(&holder.proof().sign())).await.assert_idp();
    }
}

/// Answers after so many polls.
struct Slow {
    polls: usize,
    asked: Arc<AtomicUsize>,
}

impl ReplayStore for Slow {
    fn put_if_absent(&self, _: ReplayEntry) -> ReplayAnswer {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut left = self.polls;
        ReplayAnswer::Later(Box::pin(std::future::poll_fn(move |_| {
            left = left.saturating_sub(1);
            if left == 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
        })))
    }
}

#[tokio::test]
async fn r76_a_dpop_request_dropped_at_any_poll_leaves_nothing_behind() {
    const POLLS: usize = 5;
    let asked = Arc::new(AtomicUsize::new(0));
    let holder = storing(Slow { polls: POLLS, asked: asked.clone() });
    holder.fixture.bearer(&holder.fixture.token().sign()).await.assert_ok();
    for polls in 0..=POLLS {
        let inner = tower::service_fn(|_: http::Request<()>| async {
            Ok::<_, std::convert::Infallible>(crate::support::Reply::default())
        });
        let service = ServiceBuilder::new().layer(AuthLayer::new(holder.fixture.server.clone())).service(inner);
        let request = with_proof(&holder.token, &holder.proof().sign()).body(()).unwrap();
        let mut future = Box::pin(service.oneshot(request));
        let mut context = Context::from_waker(Waker::noop());
        let mut ready = false;
        for _ in 0..polls {
            ready = Pin::new(&mut future).poll(&mut context).is_ready();
        }
        assert_eq!(ready, polls == POLLS, "{polls}");
        drop(future);
        holder.fixture.bearer(&holder.fixture.token().sign()).await.assert_ok();
    }
    assert_eq!(asked.load(Ordering::SeqCst), POLLS);
    let fresh = Fixture::new();
    fresh.send(get().body(()).unwrap()).await.assert_anon();
}
