//! Sockets: accepting HTTP/1.1 and cleartext HTTP/2, and the orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tower_bearer::PeerAddress;

use crate::reply::Body;

/// How long requests under way may take after the signal; the process is gone within two seconds.
const GRACE: Duration = Duration::from_millis(1500);

/// How long a client may take for the head of its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Over HTTP/2; the longest token that is read must fit.
const MAX_HEADERS: u32 = 64 * 1024;

const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Becomes true on SIGTERM or Ctrl-C.
pub fn stop_signal() -> io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        sender.send_replace(true);
    });
    Ok(receiver)
}

/// Asks to read the file anew. Without this the signal would end the process.
pub fn hangup_signal() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which ends as well.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// Ends where a connection has brought no request in time: the deadline for heads begins after its first bytes only.
async fn silence(has_asked: &AtomicBool) {
    tokio::time::sleep(HEADER_TIMEOUT).await;
    if has_asked.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

pub async fn bind(address: &str) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

/// Serves until the signal, then lets requests under way finish.
pub async fn serve<F, A>(listener: TcpListener, mut stop: watch::Receiver<bool>, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).max_header_list_size(MAX_HEADERS);
    // A client that vanished gives its connection back.
    http2.keep_alive_interval(Some(PING_INTERVAL)).keep_alive_timeout(HEADER_TIMEOUT);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(connection) => connection,
                Err(error) => {
                    // Out of descriptors, for instance: wait for some to be given back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stopped(&mut stop) => break,
        };
        let _ = stream.set_nodelay(true);
        let answer = answer.clone();
        let asked = Arc::new(AtomicBool::new(false));
        let has_asked = asked.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            // A proxy is known by its address.
            request.extensions_mut().insert(PeerAddress(peer.ip()));
            let answer = answer(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                // A connection that breaks is the client's matter.
                _ = connection => {}
                () = silence(&has_asked) => {}
            }
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}
