//! How an answer is brought to the client, well or badly.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response};
use hyper::body::{Body, Frame, SizeHint};

use super::fault::{Manner, Planned};
use crate::clock::Clock;
use crate::remote::http_client::HttpError;

/// A body that comes as planned.
pub(super) struct Delivery {
    rest: Bytes,
    clock: Arc<dyn Clock>,
    manner: Manner,
    /// Until the next byte of a drip.
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// What came before a cut is on its way.
    flushed: bool,
}

/// The answer with its head, as hyper sends it.
pub(super) fn over_a_socket(planned: Planned, clock: Arc<dyn Clock>) -> Response<Delivery> {
    let Planned { mut response, manner } = planned;
    let length = response.body().len() as u64;
    if let Manner::Announcing(more) = manner {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length.saturating_add(more)));
    }
    if let Manner::CutAt(at) = manner {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        response.body_mut().truncate(at);
    }
    response.map(|rest| Delivery { rest, clock, manner, pause: None, flushed: false })
}

/// What a client makes of the answer.
pub(super) async fn in_process(
    planned: Planned,
    clock: &dyn Clock,
    max_body: usize,
) -> Result<Response<Bytes>, HttpError> {
    let Planned { response, manner } = planned;
    let length = response.body().len();
    match manner {
        Manner::Plain => {}
        Manner::Delayed(time) => clock.sleep(time).await,
        Manner::Dripped(interval) => clock.sleep(drip_time(interval, length)).await,
        Manner::Never => std::future::pending().await,
        Manner::Closed => return Err(HttpError::Connection("connection closed".into())),
        Manner::CutAt(at) if at < length => return Err(HttpError::Connection("connection closed early".into())),
        Manner::CutAt(_) => {}
        Manner::Announcing(more) if (length as u64).saturating_add(more) > max_body as u64 => {
            return Err(HttpError::TooLarge);
        }
        Manner::Announcing(_) => std::future::pending().await,
        Manner::Endless => return Err(HttpError::TooLarge),
    }
    if length > max_body { Err(HttpError::TooLarge) } else { Ok(response) }
}

fn drip_time(interval: Duration, bytes: usize) -> Duration {
    interval.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX))
}

impl Delivery {
    fn drip(&mut self, interval: Duration, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let pause = self.pause.get_or_insert_with(|| self.clock.sleep(interval));
        ready!(pause.as_mut().poll(context));
        self.pause = None;
        Poll::Ready(Some(self.rest.split_to(1)))
    }

    fn whole(&mut self) -> Option<Bytes> {
        Some(std::mem::take(&mut self.rest)).filter(|rest| !rest.is_empty())
    }
}

impl Body for Delivery {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Manner::Dripped(interval) = self.manner {
            return self.drip(interval, context).map(|byte| byte.map(|byte| Ok(Frame::data(byte))));
        }
        if let Some(rest) = self.whole() {
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        match self.manner {
            Manner::Announcing(_) => Poll::Pending,
            Manner::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 16 * 1024]))))),
            Manner::CutAt(_) if self.flushed => Poll::Ready(Some(Err(io::ErrorKind::BrokenPipe.into()))),
            // hyper sends what it has when a body pauses, and drops it when a body fails.
            Manner::CutAt(_) => {
                self.flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(None),
        }
    }

    /// Known where it is announced truthfully, so that a good answer has a `Content-Length`.
    fn size_hint(&self) -> SizeHint {
        match self.manner {
            Manner::Announcing(_) | Manner::CutAt(_) | Manner::Endless => SizeHint::default(),
            _ => SizeHint::with_exact(self.rest.len() as u64),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && matches!(self.manner, Manner::Plain | Manner::Delayed(_))
    }
}
