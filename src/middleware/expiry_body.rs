//! A body that ends with its token.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::grpc;
use crate::server::expiry::Expired;

type BoxError = Box<dyn Error + Send + Sync>;

pin_project! {
    /// The body of an answer that goes on no longer than its token is good; see
    /// [`AuthLayer::end_streams_at_expiry`](crate::AuthLayer::end_streams_at_expiry).
    ///
    /// Its error is boxed: [`StreamExpired`] where it was cut, else that of the inner body.
    #[derive(Debug)]
    pub struct UntilExpiry<B> {
        #[pin]
        body: B,
        expired: Option<Expired>,
        end: End,
    }
}

/// How the body says that it is over before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Error,
    /// gRPC has a way to say it: the status stands in the trailers.
    Trailers,
    /// It was said.
    Said,
}

impl<B> UntilExpiry<B> {
    /// A body that is passed on as it is.
    pub(super) fn unlimited(body: B) -> Self {
        UntilExpiry { body, expired: None, end: End::Error }
    }

    pub(super) fn new(body: B, headers: &HeaderMap, expired: Option<Expired>) -> Self {
        let end = if grpc::is_grpc(headers) { End::Trailers } else { End::Error };
        UntilExpiry { body, expired, end }
    }
}

impl<B: From<Bytes>> From<Bytes> for UntilExpiry<B> {
    fn from(bytes: Bytes) -> Self {
        UntilExpiry::unlimited(B::from(bytes))
    }
}

impl<B: Default> Default for UntilExpiry<B> {
    fn default() -> Self {
        UntilExpiry::unlimited(B::default())
    }
}

impl<B: Body> Body for UntilExpiry<B>
where
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        if *this.end == End::Said {
            return Poll::Ready(None);
        }
        let frame = this.body.poll_frame(context);
        let Some(expired) = this.expired else { return frame.map_err(Into::into) };
        // A timer only where there is something to wait for: most answers are whole when they are first asked for.
        let is_over = match &frame {
            Poll::Ready(Some(Ok(frame))) => frame.is_data() && expired.is_over(),
            Poll::Ready(_) => false,
            Poll::Pending => Pin::new(&mut *expired).poll(context).is_ready(),
        };
        if !is_over {
            return frame.map_err(Into::into);
        }
        expired.ended_a_stream();
        match std::mem::replace(this.end, End::Said) {
            End::Trailers => Poll::Ready(Some(Ok(Frame::trailers(grpc::expired())))),
            _ => Poll::Ready(Some(Err(Box::new(StreamExpired)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.end == End::Said || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The error of a body that was cut because its token has expired. The server closes the connection (HTTP/1.1) or
/// resets the stream (HTTP/2), so that a client does not take the part for the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamExpired;

impl fmt::Display for StreamExpired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the access token has expired while the answer was being sent")
    }
}

impl Error for StreamExpired {}
