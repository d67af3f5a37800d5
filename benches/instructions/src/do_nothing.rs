//! A layer that does nothing.

use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

/// Makes a service that passes every request on.
#[derive(Clone, Copy)]
pub struct DoNothing;

/// The service that [`DoNothing`] makes.
#[derive(Clone)]
pub struct PassOn<S>(S);

impl<S> Layer<S> for DoNothing {
    type Service = PassOn<S>;

    fn layer(&self, inner: S) -> PassOn<S> {
        PassOn(inner)
    }
}

impl<S: Service<R>, R> Service<R> for PassOn<S> {
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
