//! The loops whose instructions are counted.

use std::convert::Infallible;
use std::hint::black_box;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use futures_util::FutureExt;
use tower::ServiceExt;
use tower_bearer::{ResourceRequest, ResourceServer};

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

/// A server that knows the token, asked without any layer.
pub struct Direct(ResourceServer);

impl Direct {
    /// Asks some times.
    pub fn new() -> Self {
        let direct = Direct(apps::server());
        direct.authenticate_many(WARM_UP);
        direct
    }

    /// Asks so many times.
    ///
    /// # Panics
    /// The token is refused.
    pub fn authenticate_many(&self, count: u32) {
        for _ in 0..count {
            let request = ResourceRequest::bearer(black_box(requests::valid_token())).expect("one token");
            black_box(self.0.authenticate(request).now_or_never().expect("an answer at once").expect("a good token"));
        }
    }
}

impl Default for Direct {
    fn default() -> Self {
        Direct::new()
    }
}
