//! The route without any check, and behind a layer that does nothing.

use std::task::{Context, Poll};

use tower::{Layer, Service};

use super::Trust;
use crate::app::{App, ok, route};

pub fn bare(_: &Trust) -> App {
    App::Router(route().with_state(()))
}

/// The baseline of the peers that are written for axum 0.7.
pub fn bare07(_: &Trust) -> App {
    App::Router07(axum07::Router::new().route("/x", axum07::routing::get(ok)).with_state(()))
}

/// What mounting any layer costs.
pub fn noop(_: &Trust) -> App {
    App::Router(route().layer(NoopLayer).with_state(()))
}

#[derive(Clone)]
struct NoopLayer;

#[derive(Clone)]
struct Noop<S>(S);

impl<S> Layer<S> for NoopLayer {
    type Service = Noop<S>;

    fn layer(&self, inner: S) -> Noop<S> {
        Noop(inner)
    }
}

impl<S: Service<R>, R> Service<R> for Noop<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}
