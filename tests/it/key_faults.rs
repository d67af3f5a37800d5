//! Faults of an issuer as they come over a socket, to the default client. The deadline of a fetch is on a clock that
//! the test moves; bytes and connections are real.

use std::sync::Arc;
use std::time::Duration;

use tower_bearer::testing::{Endpoint, Fault, ManualClock, TestIssuer};
use tower_bearer::{Issuer, KeyState, ResourceServer};

use crate::faulty_client::{ask, verdict};
use crate::relay::{Counts, relay_to};
use crate::support::RS;

const SECOND: Duration = Duration::from_secs(1);

struct Wired {
    issuer: TestIssuer,
    clock: ManualClock,
    server: ResourceServer,
    counts: Arc<Counts>,
    /// A good token that outlives the test.
    token: String,
}

/// A server on sockets that has not fetched anything yet.
async fn wired() -> Wired {
    let (issuer, clock) = (TestIssuer::start().await, ManualClock::new());
    let (relay, counts) = relay_to(&issuer).await;
    let settings = Issuer::new(issuer.url()).jwks_uri(format!("{relay}/jwks"));
    let server = ResourceServer::builder(RS, settings).clock(clock.clone()).build().unwrap();
    let token = issuer.token().expires_in(Duration::from_secs(86400)).sign();
    Wired { issuer, clock, server, counts, token }
}

/// The same with keys at hand.
async fn loaded() -> Wired {
    let wired = wired().await;
    assert_eq!(verdict(&wired.server, &wired.token).await, "ok");
    wired
}

/// Gives the sockets time until this holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("not within ten seconds: {what}");
}

impl Wired {
    fn attempts(&self) -> u64 {
        self.issuer.requests(Endpoint::Jwks)
    }

    fn error(&self) -> Option<String> {
        self.server.health()[0].last_error.clone()
    }

    /// Makes the next regular refresh due and waits until the issuer is asked.
    async fn refresh_begins(&self) {
        let before = self.attempts();
        self.clock.advance(265 * SECOND);
        until("a refresh begins", || self.attempts() > before).await;
    }
}

#[tokio::test]
async fn r16_s6_09_a_body_that_drips_is_given_up_at_five_seconds_and_nobody_waits() {
    let wired = loaded().await;
    wired.issuer.fault(Endpoint::Jwks, Some(Fault::Drip(Duration::from_millis(5))));
    wired.refresh_begins().await;
    let sent = Counts::read(&wired.counts.sent);
    until("bytes drip", || Counts::read(&wired.counts.sent) > sent + 10).await;
    wired.clock.advance(5 * SECOND - Duration::from_millis(1));
    let sent = Counts::read(&wired.counts.sent);
    until("bytes drip on", || Counts::read(&wired.counts.sent) > sent + 3).await;
    assert_eq!((verdict(&wired.server, &wired.token).await, wired.error()), ("ok", None));
    wired.clock.advance(Duration::from_millis(1));
    until("the fetch is given up", || wired.error().is_some()).await;
    assert_eq!(wired.error().unwrap(), "keys: the deadline passed");
    until("the connection is closed", || Counts::read(&wired.counts.open) == 0).await;
    assert_eq!((verdict(&wired.server, &wired.token).await, wired.attempts()), ("ok", 2));
}

#[tokio::test]
async fn r17_a_silent_issuer_holds_one_connection_at_a_time_and_none_in_the_end() {
    let wired = loaded().await;
    wired.issuer.fault(Endpoint::Jwks, Some(Fault::Silent));
    wired.refresh_begins().await;
    for round in 2..20 {
        assert_eq!(wired.attempts(), round);
        wired.clock.advance(5 * SECOND);
        until("the fetch is given up", || Counts::read(&wired.counts.open) == 0).await;
        assert_eq!(verdict(&wired.server, &wired.token).await, "ok");
        // Past the longest back-off.
        until("the next attempt begins", || {
            wired.clock.advance(SECOND);
            wired.attempts() > round
        })
        .await;
    }
    assert_eq!(Counts::read(&wired.counts.most_open), 1);
    wired.issuer.fault(Endpoint::Jwks, None);
    until("the keys are fresh", || {
        wired.clock.advance(SECOND);
        wired.error().is_none() && wired.server.health()[0].keys == KeyState::Fresh
    })
    .await;
    drop(wired.server);
    until("all connections are closed", || Counts::read(&wired.counts.open) == 0).await;
    assert!(Counts::read(&wired.counts.opened) >= 18);
}

#[tokio::test]
async fn r19_s6_07_what_is_too_large_is_given_up_early_and_the_keys_stay() {
    // An announced length is believed where it is too large. Elsewhere the client stops at 512 KiB, and the buffers of
    // two sockets, which take what nobody reads, come on top of that.
    let buffers = 8 * 1024 * 1024;
    for (fault, at_most) in [
        (Fault::LengthLie(1 << 30), 64 * 1024),
        (Fault::Huge(64 << 20), buffers),
        (Fault::Endless, 512 * 1024 + buffers),
    ] {
        let wired = loaded().await;
        let sent = Counts::read(&wired.counts.sent);
        wired.issuer.fault(Endpoint::Jwks, Some(fault.clone()));
        assert_eq!(wired.server.refresh_now().await.unwrap_err().code(), "keys_unavailable");
        assert_eq!(wired.error().unwrap(), "keys: the answer is larger than allowed", "{fault:?}");
        until("the connection is closed", || Counts::read(&wired.counts.open) == 0).await;
        let sent = Counts::read(&wired.counts.sent) - sent;
        assert!(sent <= at_most, "{fault:?}: {sent}");
        assert_eq!(verdict(&wired.server, &wired.token).await, "ok");
    }
}

#[tokio::test]
async fn r14_no_fault_of_the_answer_costs_a_key_or_a_request() {
    let wired = loaded().await;
    for (fault, why) in [
        (Fault::Status(500), "status 500"),
        (Fault::Status(404), "status 404"),
        (Fault::Status(429), "status 429"),
        (Fault::Status(206), "status 206"),
        (Fault::Html, "keys: "),
        (Fault::Empty, "keys: "),
        (Fault::KeysEmpty, "keys: "),
        (Fault::NotJson, "keys: "),
        (Fault::Gzip, "compressed"),
        (Fault::Redirect("http://127.0.0.1:9/jwks".into()), "status 302"),
        (Fault::NotModified, "status 304"),
        (Fault::Reset, "no answer"),
        (Fault::Truncate(20), "no answer"),
        (Fault::Huge(600 * 1024), "larger"),
    ] {
        wired.issuer.fault(Endpoint::Jwks, Some(fault.clone()));
        assert_eq!(wired.server.refresh_now().await.unwrap_err().code(), "keys_unavailable", "{fault:?}");
        assert!(wired.error().unwrap().contains(why), "{fault:?}: {:?}", wired.error());
        assert_eq!(verdict(&wired.server, &wired.token).await, "ok", "{fault:?}");
    }
    for harmless in [Fault::WrongIssuer, Fault::Huge(512 * 1024), Fault::Drip(Duration::from_micros(1))] {
        wired.issuer.fault(Endpoint::Jwks, Some(harmless));
        wired.server.refresh_now().await.unwrap();
    }
}

#[tokio::test]
async fn r06_metadata_of_another_issuer_lead_to_no_key_set() {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(RS, issuer.url()).build().unwrap();
    issuer.fault(Endpoint::Metadata, Some(Fault::WrongIssuer));
    for _ in 0..10 {
        assert_eq!(verdict(&server, &issuer.token().sign()).await, "keys_unavailable");
    }
    assert!(server.health()[0].last_error.as_ref().unwrap().contains("https://wrong.example"));
    assert_eq!(issuer.requests(Endpoint::Jwks), 0);
}

#[test]
fn r74_s11_06_waiters_end_with_their_runtime_although_the_fetch_hangs() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (wired, waiting) = runtime.block_on(async {
        let wired = wired().await;
        wired.issuer.fault(Endpoint::Jwks, Some(Fault::Silent));
        let waiting: Vec<_> = (0..100).map(|_| ask(&wired.server, &wired.token)).collect();
        until("the fetch hangs", || wired.attempts() == 1).await;
        (wired, waiting)
    });
    let began = std::time::Instant::now();
    runtime.shutdown_timeout(5 * SECOND);
    assert!(began.elapsed() < 4 * SECOND, "{:?}", began.elapsed());
    let after = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for waiting in waiting {
        // On a slow machine its two seconds may have passed before.
        match after.block_on(waiting) {
            Ok(verdict) => assert_eq!(verdict, "keys_unavailable"),
            Err(ended) => assert!(ended.is_cancelled(), "ended, and by no panic"),
        }
    }
    // The hung attempt counts as failed, and the server is of use to another runtime.
    assert_eq!(after.block_on(verdict(&wired.server, &wired.token)), "keys_unavailable");
}
