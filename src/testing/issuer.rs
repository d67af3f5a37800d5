//! The authorization server itself.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::door;
use super::endpoints::Endpoint;
use super::fault::Fault;
use super::introspection::Issued;
use super::signing_key::SigningKey;
use super::token::TokenBuilder;
use crate::clock::{Clock, SystemClock};
use crate::remote::http_client::HttpClient;
use crate::verify::algorithm::Algorithm;

/// An authorization server for tests and demonstrations: discovery in both forms (RFC 8414, OpenID
/// Connect), key set with rotation, a token endpoint for client credentials (RFC 6749 section 4.4), introspection
/// (RFC 7662, RFC 9701) and revocation (RFC 7009). Clients authenticate with a secret or an assertion.
///
/// It is a real server in that a resource server cannot tell the difference, and a toy in that it
/// keeps no users and gives any registered client what it asks for. Never put it on a network.
///
/// # Example
/// ```
/// # use tower_bearer::{ResourceRequest, ResourceServer, testing::TestIssuer};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let issuer = TestIssuer::start().await;
/// let server = ResourceServer::builder("https://api.example.com", issuer.url()).build().unwrap();
/// let token = issuer.token().subject("alice").sign();
/// let claims = server.authenticate(ResourceRequest::bearer(&token).unwrap()).await.unwrap();
/// assert_eq!(claims.subject(), Some("alice"));
/// # }
/// ```
pub struct TestIssuer {
    pub(super) state: Arc<State>,
    server: Option<AbortHandle>,
}

/// What the endpoints answer from.
pub(super) struct State {
    pub(super) url: String,
    pub(super) changing: Mutex<Changing>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) issued: Issued,
}

pub(super) struct Changing {
    /// Published keys; the last one signs.
    pub(super) keys: Vec<SigningKey>,
    /// Further members of the key set, such as keys nobody can use.
    pub(super) odd_keys: Vec<Value>,
    pub(super) clients: HashMap<String, String>,
    pub(super) client_keys: HashMap<String, SigningKey>,
    /// Their `jti`: each may be used once.
    pub(super) used_assertions: HashSet<String>,
    pub(super) revoked: HashSet<String>,
    pub(super) overrides: HashMap<Endpoint, Response<Bytes>>,
    pub(super) faults: HashMap<Endpoint, Fault>,
    pub(super) etags: bool,
    pub(super) requests: HashMap<Endpoint, u64>,
}

impl State {
    pub(super) fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TestIssuer {
    /// A server on a free loopback port, signing with ES256. It stops when dropped.
    ///
    /// # Panics
    /// No loopback port can be opened.
    pub async fn start() -> Self {
        let (listener, url) = door::listen().await.expect("a free loopback port");
        let state = State::new(url, Arc::new(SystemClock::new()));
        let server = tokio::spawn(door::serve(listener, state.clone())).abort_handle();
        TestIssuer { state, server: Some(server) }
    }

    /// A server without a socket under any name; give its [`http_client`](TestIssuer::http_client) to the builder.
    pub fn in_process(url: &str) -> Self {
        TestIssuer { state: State::new(url.into(), Arc::new(SystemClock::new())), server: None }
    }

    /// As [`in_process`](TestIssuer::in_process), with tokens dated by this clock.
    pub fn in_process_at(url: &str, clock: impl Clock) -> Self {
        TestIssuer { state: State::new(url.into(), Arc::new(clock)), server: None }
    }

    /// The issuer identifier.
    pub fn url(&self) -> &str {
        &self.state.url
    }

    /// A client that reaches this issuer without a socket, and nothing else.
    pub fn http_client(&self) -> impl HttpClient + use<> {
        door::InProcess(self.state.clone())
    }

    /// A token to be shaped, and signed with the current key or made opaque.
    pub fn token(&self) -> TokenBuilder {
        TokenBuilder::new(self.url(), self.key(), self.state.clock.wall()).listed_in(&self.state.issued)
    }

    /// The introspection endpoint says from now on that this token, opaque or not, is not active.
    pub fn revoke(&self, token: &str) {
        self.state.changing().revoked.insert(token.into());
    }

    /// The opposite of [`revoke`](TestIssuer::revoke), which no real server does: to see how long a refusal is believed.
    pub fn restore(&self, token: &str) {
        self.state.changing().revoked.remove(token);
    }

    /// The current signing key.
    pub fn key(&self) -> SigningKey {
        let keys = &self.state.changing().keys;
        keys.last().cloned().unwrap_or_else(|| SigningKey::generate(Algorithm::ES256))
    }

    /// Publishes a new key beside the others and signs with it from now on. Returns it.
    pub fn rotate_key(&self, algorithm: Algorithm) -> SigningKey {
        self.add_key(SigningKey::generate(algorithm))
    }

    /// Publishes this key beside the others and signs with it from now on. Returns it.
    pub fn add_key(&self, key: SigningKey) -> SigningKey {
        self.state.changing().keys.push(key.clone());
        key
    }

    /// No longer publishes the keys of this name.
    pub fn remove_key(&self, kid: &str) {
        self.state.changing().keys.retain(|key| key.kid() != kid);
    }

    /// Publishes this member of the key set as well, well-formed or not.
    pub fn publish(&self, jwk: Value) {
        self.state.changing().odd_keys.push(jwk);
    }

    /// Registers a client for the endpoints that ask who calls. `test-client` with `test-secret` is there already.
    pub fn register_client(&self, id: &str, secret: &str) {
        self.state.changing().clients.insert(id.into(), secret.into());
    }

    /// Registers a client that authenticates with assertions (`private_key_jwt`, RFC 7523) signed with this key; its
    /// private part is [`SigningKey::private_key_pem`].
    pub fn register_client_key(&self, id: &str, key: &SigningKey) {
        self.state.changing().client_keys.insert(id.into(), key.clone());
    }

    /// Lets an endpoint give this answer until told otherwise (`None`): an outage, a redirect, nonsense.
    pub fn answer_with(&self, endpoint: Endpoint, answer: Option<Response<Bytes>>) {
        let overrides = &mut self.state.changing().overrides;
        match answer {
            Some(answer) => overrides.insert(endpoint, answer),
            None => overrides.remove(&endpoint),
        };
    }

    /// Puts an endpoint in trouble until told otherwise (`None`). Spoils also what
    /// [`answer_with`](TestIssuer::answer_with) gives.
    ///
    /// # Panics
    /// The fault holds a status or an address that HTTP cannot carry.
    pub fn fault(&self, endpoint: Endpoint, fault: Option<Fault>) {
        if let Some(fault) = &fault {
            // Not later, in a task of the server.
            fault.spoil(Response::new(Bytes::new()));
        }
        let faults = &mut self.state.changing().faults;
        match fault {
            Some(fault) => faults.insert(endpoint, fault),
            None => faults.remove(&endpoint),
        };
    }

    /// Whether the key set has an `ETag`, which then answers `If-None-Match` with 304. Default: no.
    pub fn use_etags(&self, yes: bool) {
        self.state.changing().etags = yes;
    }

    /// How often an endpoint was called.
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.state.changing().requests.get(&endpoint).copied().unwrap_or_default()
    }

    /// The published key set.
    pub fn jwks(&self) -> Value {
        self.state.jwks()
    }
}

impl State {
    fn new(url: String, clock: Arc<dyn Clock>) -> Arc<Self> {
        let changing = Changing {
            keys: vec![SigningKey::generate(Algorithm::ES256)],
            odd_keys: Vec::new(),
            clients: HashMap::from([("test-client".into(), "test-secret".into())]),
            client_keys: HashMap::new(),
            used_assertions: HashSet::new(),
            revoked: HashSet::new(),
            overrides: HashMap::new(),
            faults: HashMap::new(),
            etags: false,
            requests: HashMap::new(),
        };
        Arc::new(State { url, changing: Mutex::new(changing), clock, issued: Issued::default() })
    }

    pub(super) fn jwks(&self) -> Value {
        let changing = self.changing();
        let keys = changing.odd_keys.iter().cloned().chain(changing.keys.iter().map(SigningKey::jwk));
        json!({"keys": keys.collect::<Vec<_>>()})
    }
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        self.server.iter().for_each(AbortHandle::abort);
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer").field("url", &self.url()).finish_non_exhaustive()
    }
}
