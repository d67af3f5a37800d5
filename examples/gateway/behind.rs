//! What stands behind the rules: the upstream, or an answer of the gateway's own.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower::{Layer, Service, ServiceExt};
use tower_bearer::{EndStreamsAtExpiry, ForwardLayer};

use crate::answer::describe;
use crate::check;
use crate::reply::Body;
use crate::upgrade::EndsWithToken;
use crate::upstream::Proxy;

#[derive(Clone)]
pub struct Behind {
    what: What,
    end_streams: bool,
}

#[derive(Clone)]
pub enum What {
    /// The request is passed on.
    Upstream(Arc<Proxy>, ForwardLayer),
    /// The answer is what the gateway knows of the request.
    Claims,
    /// A proxy in front asked, and the answer is yes.
    Checked(ForwardLayer),
}

impl Behind {
    /// With `end_streams`, answers go on no longer than the token of their request.
    pub fn new(what: What, end_streams: bool) -> Self {
        Behind { what, end_streams }
    }
}

impl Service<Request<Incoming>> for Behind {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        if self.end_streams {
            request.extensions_mut().insert(EndsWithToken);
            let ending = EndStreamsAtExpiry.layer(Behind::new(self.what.clone(), false)).oneshot(request);
            return Box::pin(
                async move { Ok(ending.await?.map(|body| body.map_err(io::Error::other).boxed_unsync())) },
            );
        }
        let answer = match self.what.clone() {
            What::Upstream(proxy, forward) => {
                return Box::pin(async move { Ok(proxy.pass_on(request, forward).await) });
            }
            What::Claims => describe(&request),
            What::Checked(forward) => check::passed(request.headers(), &forward),
        };
        Box::pin(std::future::ready(Ok(answer)))
    }
}
