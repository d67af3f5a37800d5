//! The loops whose instructions are counted.

use std::convert::Infallible;
use std::hint::black_box;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use futures_util::FutureExt;
use tower::ServiceExt;
use tower_bearer::{Algorithm, Jwks, ResourceRequest, ResourceServer, danger};

use crate::apps;
use crate::requests;

/// Requests before counting begins: whatever happens once has then happened.
const WARM_UP: u32 = 100;

/// An application that has served some requests, and the request it gets.
pub struct Case {
    app: Router,
    request: fn() -> Request<Body>,
}

impl Case {
    /// Sends some requests.
    ///
    /// # Panics
    /// The answer is another than expected.
    pub fn new(app: Router, request: fn() -> Request<Body>, expected: StatusCode) -> Self {
        let case = Case { app, request };
        assert_eq!(case.send().status(), expected);
        case.send_many(WARM_UP);
        case
    }

    /// Sends so many requests.
    pub fn send_many(&self, count: u32) {
        for _ in 0..count {
            black_box(self.send());
        }
    }

    /// No runtime: nothing here waits.
    fn send(&self) -> Response<Body> {
        let answer: Result<_, Infallible> =
            self.app.clone().oneshot((self.request)()).now_or_never().expect("an answer at once");
        answer.unwrap_or_else(|never| match never {})
    }
}

/// A server asked without any layer, and the token it is asked about.
pub struct Direct {
    server: ResourceServer,
    token: String,
    is_good: bool,
}

impl Direct {
    /// A server that knows the token. Asks some times.
    pub fn known() -> Self {
        let direct = Direct { server: apps::server(), token: requests::valid_token().to_owned(), is_good: true };
        direct.authenticate_many(WARM_UP);
        direct
    }

    /// A server that remembers no token, asked about a good one each time. Asks once.
    pub fn unknown() -> Self {
        let server = apps::server_without_cache();
        let direct = Direct { server, token: requests::valid_token().to_owned(), is_good: true };
        direct.authenticate_many(1);
        direct
    }

    /// The same, asked about a token with a bad signature.
    pub fn bad_signature() -> Self {
        let direct = Direct { token: requests::forged_token(), is_good: false, ..Direct::unknown() };
        direct.authenticate_many(1);
        direct
    }

    /// Asks so many times.
    ///
    /// # Panics
    /// The verdict is another than expected.
    pub fn authenticate_many(&self, count: u32) {
        for _ in 0..count {
            let request = ResourceRequest::bearer(black_box(&self.token)).expect("one token");
            let verdict = black_box(self.server.authenticate(request).now_or_never().expect("an answer at once"));
            assert_eq!(verdict.is_ok(), self.is_good);
        }
    }
}

/// The check of a signature and nothing else.
pub struct Raw {
    keys: Jwks,
    message: String,
    signature: Vec<u8>,
    is_good: bool,
}

impl Raw {
    /// That of the token which [`Direct::unknown`] asks about. Checks it once.
    pub fn good_signature() -> Self {
        Raw::of(requests::valid_token(), true)
    }

    /// That of the token which [`Direct::bad_signature`] asks about. Checks it once.
    pub fn bad_signature() -> Self {
        Raw::of(&requests::forged_token(), false)
    }

    fn of(token: &str, is_good: bool) -> Self {
        let (message, signature) = token.rsplit_once('.').expect("three parts");
        let signature = requests::decode(signature);
        let raw = Raw { keys: apps::keys(), message: message.to_owned(), signature, is_good };
        raw.check_many(1);
        raw
    }

    /// Checks so many times.
    ///
    /// # Panics
    /// The verdict is another than expected.
    pub fn check_many(&self, count: u32) {
        let [key] = self.keys.keys() else { panic!("one key") };
        for _ in 0..count {
            let message = black_box(self.message.as_bytes());
            let verdict = danger::verify_signature(Algorithm::RS256, key, message, &self.signature);
            assert_eq!(black_box(verdict).is_ok(), self.is_good);
        }
    }
}
