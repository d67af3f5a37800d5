//! What stands behind the rules: the upstream, or an answer of the gateway's own.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use tower::Service;
use tower_bearer::ForwardLayer;

use crate::answer::describe;
use crate::check;
use crate::reply::Body;
use crate::upstream::Proxy;

#[derive(Clone)]
pub enum Behind {
    /// The request is passed on.
    Upstream(Arc<Proxy>, ForwardLayer),
    /// The answer is what the gateway knows of the request.
    Claims,
    /// A proxy in front asked, and the answer is yes.
    Checked(ForwardLayer),
}

impl Service<Request<Incoming>> for Behind {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let answer = match self.clone() {
            Behind::Upstream(proxy, forward) => {
                return Box::pin(async move { Ok(proxy.pass_on(request, forward).await) });
            }
            Behind::Claims => describe(&request),
            Behind::Checked(forward) => check::passed(request.headers(), &forward),
        };
        Box::pin(std::future::ready(Ok(answer)))
    }
}
