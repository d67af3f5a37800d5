//! The future of `Auth`: passes on, answers, or waits for keys and then does one of both.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::auth::AuthLayer;
use super::body::{BytesBody, RefusalBody};
use super::challenge::NO_STORE;
use super::cors::DPOP_NONCE;
use crate::server::resource_server::Later;

pin_project! {
    /// The future of [`Auth`]. Dropping it cancels the inner call; a fetch of keys that others may wait
    /// for goes on.
    pub struct ResponseFuture<F, S, Q, B, R = BytesBody> {
        #[pin]
        pub(super) state: State<F, S, Q, B, R>,
    }
}

pin_project! {
    #[project = StateProject]
    pub(super) enum State<F, S, Q, B, R> {
        Inner { #[pin] future: F },
        // The answer brings the nonce for the next proof.
        Renewing { #[pin] future: F, nonce: Option<Box<HeaderValue>> },
        Refused { response: Option<Response<B>> },
        // Boxed, so that a request which need not wait does not carry the room for it.
        Verify { verify: Later, slot: Option<Box<(S, Request<Q>, AuthLayer<R>)>> },
    }
}

impl<F, S, Q, B, R, E> Future for ResponseFuture<F, S, Q, B, R>
where
    F: Future<Output = Result<Response<B>, E>>,
    S: Service<Request<Q>, Response = Response<B>, Error = E, Future = F>,
    R: RefusalBody<B>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProject::Inner { future } => return future.poll(context),
                StateProject::Renewing { future, nonce } => {
                    let mut response = ready!(future.poll(context))?;
                    if let Some(nonce) = nonce.take() {
                        renew(response.headers_mut(), *nonce);
                    }
                    return Poll::Ready(Ok(response));
                }
                StateProject::Refused { response } => return give_once(response),
                StateProject::Verify { verify, slot } => {
                    let result = ready!(verify.as_mut().poll(context));
                    let Some(waiting) = slot.take() else { return Poll::Pending };
                    let (mut inner, mut request, layer) = *waiting;
                    match result {
                        Ok(admitted) => match layer.enter(&mut request, admitted) {
                            None => State::Inner { future: inner.call(request) },
                            nonce => State::Renewing { future: inner.call(request), nonce },
                        },
                        Err(error) => State::Refused { response: Some(layer.refuse(error, &mut request)) },
                    }
                }
            };
            state.set(next);
        }
    }
}

/// The answer to a request that was refused. Polled after completion there is nothing left to give.
pub(super) fn give_once<B, E>(response: &mut Option<Response<B>>) -> Poll<Result<Response<B>, E>> {
    response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
}

/// An answer with a nonce must not be stored (RFC 9449 section 8.2).
fn renew(headers: &mut HeaderMap, nonce: HeaderValue) {
    headers.insert(DPOP_NONCE, nonce);
    headers.insert(CACHE_CONTROL, NO_STORE);
}

impl<F, S, Q, B, R> fmt::Debug for ResponseFuture<F, S, Q, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
