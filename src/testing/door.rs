//! The two ways to reach a test issuer: a loopback socket, or a client without one.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::delivery::{self, Delivery};
use super::fault::Manner;
use super::issuer::State;
use crate::remote::http_client::{HttpClient, HttpError, HttpFuture};

pub(super) async fn listen() -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

/// Serves until aborted; its connections end with it.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let state = state.clone();
        let service = service_fn(move |request| answer(state.clone(), request));
        connections.spawn(async move {
            // A connection that breaks is the client's matter.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// An error here closes the connection without an answer.
async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Delivery>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, 64 * 1024).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let planned = state.plan(&Request::from_parts(parts, body));
    match planned.manner {
        Manner::Delayed(time) => state.clock.sleep(time).await,
        Manner::Never => std::future::pending().await,
        Manner::Closed => return Err(io::ErrorKind::ConnectionReset.into()),
        _ => {}
    }
    Ok(delivery::over_a_socket(planned, state.clock.clone()))
}

/// Reaches one issuer's host and nothing else: RFC 8414 puts the metadata outside the issuer's own path.
pub(super) struct InProcess(pub(super) Arc<State>);

impl HttpClient for InProcess {
    fn send(&self, request: Request<Bytes>, max_body: usize) -> HttpFuture<'_> {
        Box::pin(async move {
            let own = self.0.url.parse::<http::Uri>().ok();
            let origin = |uri: &http::Uri| (uri.scheme().cloned(), uri.authority().cloned());
            if own.as_ref().map(origin) != Some(origin(request.uri())) {
                return Err(HttpError::Connection("no such host in this test".into()));
            }
            delivery::in_process(self.0.plan(&request), &*self.0.clock, max_body).await
        })
    }
}
