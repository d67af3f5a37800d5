//! The callers' tokens: good ones that are renewed before they end, and those that must be refused.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tower_bearer::testing::{SigningKey, TestIssuer, TokenBuilder};

use crate::API;

/// Short, so that a run of minutes sees each token end.
const LIFE: Duration = Duration::from_secs(90);
/// A refresh of keys, and what a fetch may take.
const WITHDRAWAL_TAKES: Duration = Duration::from_secs(8);

pub struct Wallet {
    issuer: TokenBuilder,
    state: Mutex<State>,
}

struct State {
    key: SigningKey,
    /// Each with the time of its renewal.
    tokens: Vec<(String, Instant)>,
    expired: String,
    withdrawn: Option<Withdrawn>,
}

/// A key on its way out: `since` when it has left the set.
struct Withdrawn {
    kid: String,
    token: String,
    since: Option<Instant>,
}

impl Wallet {
    pub fn new(issuer: &TestIssuer, size: usize) -> Self {
        let builder = issuer.token().audience(API);
        let key = issuer.key();
        let expired = builder.clone().expired().sign();
        // The first renewals are spread, or all would end at once for ever.
        let renewal = |n: usize| Instant::now() + LIFE.mul_f64(n as f64 / size as f64);
        let tokens = (0..size).map(|n| (sign(&builder, &key, n), renewal(n))).collect();
        let state = State { key, tokens, expired, withdrawn: None };
        Wallet { issuer: builder, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no caller panics")
    }

    /// A good token, renewed first if it ends soon, as a client does.
    pub fn good(&self, n: usize) -> String {
        let mut state = self.state();
        let place = n % state.tokens.len();
        let key = state.key.clone();
        let (token, renewal) = &mut state.tokens[place];
        if *renewal <= Instant::now() {
            *token = sign(&self.issuer, &key, n);
            *renewal = Instant::now() + LIFE.mul_f64(0.8);
        }
        token.clone()
    }

    /// A token that must be refused, if there is one: an expired one, or one of a key withdrawn long enough ago.
    pub fn bad(&self, n: usize) -> String {
        let state = self.state();
        let withdrawn = state.withdrawn.as_ref();
        let ended = withdrawn.filter(|key| key.since.is_some_and(|since| since.elapsed() > WITHDRAWAL_TAKES));
        ended.filter(|_| n.is_multiple_of(2)).map_or_else(|| state.expired.clone(), |key| key.token.clone())
    }

    /// A good token under a key that nobody knows.
    pub fn of_unknown_key(&self, n: u64) -> String {
        self.issuer.clone().header("kid", format!("stranger-{n}")).sign()
    }

    /// A good payload under another's signature.
    pub fn forged(&self, n: u64) -> String {
        self.issuer.clone().claim("jti", n).with_signature(&[1; 64])
    }

    /// All tokens are signed anew with this key.
    pub fn sign_with(&self, key: &SigningKey) {
        let mut state = self.state();
        state.key = key.clone();
        let size = state.tokens.len();
        for n in 0..size {
            state.tokens[n].0 = sign(&self.issuer, key, n);
        }
    }

    pub fn remember_withdrawn(&self, key: &SigningKey) {
        let token = sign(&self.issuer.clone().expires_in(2 * LIFE), key, 0);
        self.state().withdrawn = Some(Withdrawn { kid: key.kid().to_owned(), token, since: None });
    }

    pub fn withdraw(&self, issuer: &TestIssuer) {
        if let Some(withdrawn) = &mut self.state().withdrawn {
            issuer.remove_key(&withdrawn.kid);
            withdrawn.since = Some(Instant::now());
        }
    }

    pub fn begin_again(&self) {
        self.state().withdrawn = None;
    }
}

fn sign(builder: &TokenBuilder, key: &SigningKey, n: usize) -> String {
    builder.clone().key(key).subject(&format!("user-{n}")).expires_in(LIFE).sign()
}
