//! A door to an issuer that can be shut, and the ways to ask many things at once.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower_bearer::{HttpClient, HttpError, HttpFuture, ResourceRequest, ResourceServer};

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

    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.log.lock().unwrap().clone()
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

/// Lets every task that can go on do so. For the current-thread runtime of a test.
pub async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
