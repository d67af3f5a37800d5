//! A door to an issuer that can be shut, and the ways to ask many things at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower_bearer::testing::{ManualClock, TestIssuer};
use tower_bearer::{HttpClient, HttpError, HttpFuture, Issuer, ResourceRequest, ResourceServer, ResourceServerBuilder};

use crate::support::{AS, Fixture, RS};

#[derive(Clone, Debug)]
pub enum Mode {
    Pass,
    /// Neither an answer nor an error, until the mode changes.
    Hold,
    Panic,
    Fail(HttpError),
}

/// Passes calls on to another client, and misbehaves when told. Clones share mode and log.
#[derive(Clone)]
pub struct FaultyClient {
    inner: Arc<dyn HttpClient>,
    mode: watch::Sender<Mode>,
    log: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl FaultyClient {
    pub fn new(inner: impl HttpClient) -> Self {
        FaultyClient { inner: Arc::new(inner), mode: watch::Sender::new(Mode::Pass), log: Arc::default() }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// The addresses that were called, in order.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().iter().map(|request| request.uri().to_string()).collect()
    }

    /// The calls, in order.
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.log.lock().unwrap().clone()
    }

    /// How many hold this client: this one, and whoever keeps or uses a clone.
    pub fn clones(&self) -> usize {
        Arc::strong_count(&self.inner)
    }

    /// The last call.
    pub fn last(&self) -> Request<Bytes> {
        self.log.lock().unwrap().last().expect("somebody called").clone()
    }

    /// How often the key set was asked for.
    pub fn key_fetches(&self) -> usize {
        self.log().iter().filter(|uri| uri.ends_with("/jwks")).count()
    }
}

impl HttpClient for FaultyClient {
    fn send(&self, request: Request<Bytes>, max_body: usize) -> HttpFuture<'_> {
        self.log.lock().unwrap().push(request.clone());
        Box::pin(async move {
            let mut mode = self.mode.subscribe();
            let mode = mode.wait_for(|mode| !matches!(mode, Mode::Hold)).await.expect("the sender lives").clone();
            match mode {
                Mode::Panic => panic!("this client panics, as the test wants it"),
                Mode::Fail(error) => Err(error),
                Mode::Pass | Mode::Hold => self.inner.send(request, max_body).await,
            }
        })
    }
}

/// `ok` or the reason code.
pub async fn verdict(server: &ResourceServer, token: &str) -> &'static str {
    let request = ResourceRequest::bearer(token).expect("one token68");
    server.authenticate(request).await.map_or_else(|error| error.code(), |_| "ok")
}

/// The same in a task of its own.
pub fn ask(server: &ResourceServer, token: &str) -> JoinHandle<&'static str> {
    let (server, token) = (server.clone(), token.to_owned());
    tokio::spawn(async move { verdict(&server, &token).await })
}

/// Lets every task that can go on do so. For the current-thread runtime of a test, which runs some
/// sixty tasks between two yields.
pub async fn settle() {
    give_turns(200).await;
}

/// Lets other tasks have so many turns.
pub async fn give_turns(turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// RS and AS with every default but those changed, and the door between them.
pub fn faulty(
    issuer_settings: impl FnOnce(Issuer) -> Issuer,
    settings: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder,
) -> (Fixture, FaultyClient) {
    let clock = ManualClock::new();
    let issuer = TestIssuer::in_process_at(AS, clock.clone());
    let client = FaultyClient::new(issuer.http_client());
    let builder = ResourceServer::builder(RS, issuer_settings(Issuer::new(AS)));
    let server = settings(builder.clock(clock.clone()).http_client(client.clone())).build().unwrap();
    (Fixture { issuer, clock, server }, client)
}

/// The same with keys loaded.
pub async fn running() -> (Fixture, FaultyClient) {
    let (fixture, client) = faulty(|issuer| issuer, |builder| builder);
    fixture.bearer(&fixture.token().sign()).await.assert_ok();
    (fixture, client)
}

/// A token that outlives every outage.
pub fn long_lived(fixture: &Fixture) -> String {
    fixture.token().expires_in(Duration::from_secs(3 * 86400)).sign()
}

/// A token whose key nobody has.
pub fn stranger(fixture: &Fixture, kid: &str) -> String {
    fixture.token().header("kid", kid).expires_in(Duration::from_secs(3 * 86400)).sign()
}

/// Moves time in steps, so that every task wakes in between.
pub async fn pass(fixture: &Fixture, steps: u32, step: Duration) {
    for _ in 0..steps {
        fixture.clock.advance(step);
        settle().await;
    }
}
