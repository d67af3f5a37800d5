//! The one door to the network: fetches of JSON documents, bounded in size and time.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, IF_NONE_MATCH, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use tokio::sync::watch;

use crate::clock::Clock;

/// What an [`HttpClient`] gives back.
pub type HttpFuture<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

/// Calls an authorization server. The default, with the feature `reqwest`, is a client of that crate.
///
/// An implementation must not follow redirects, must stop reading once `max_body` bytes are exceeded
/// ([`HttpError::TooLarge`]), must verify certificates, and must take no proxy from the environment
/// unless the operator asked for it. The deadline is kept by the caller, which drops the future.
///
/// # Example
/// ```
/// # use tower_bearer::{HttpClient, HttpError, HttpFuture};
/// # use bytes::Bytes;
/// struct Canned;
/// impl HttpClient for Canned {
///     fn send(&self, _: http::Request<Bytes>, _max_body: usize) -> HttpFuture<'_> {
///         Box::pin(async { Ok(http::Response::new(Bytes::from_static(b"{\"keys\":[]}"))) })
///     }
/// }
/// ```
pub trait HttpClient: Send + Sync + 'static {
    /// Sends one request and reads the whole answer, `max_body` bytes at most.
    fn send(&self, request: Request<Bytes>, max_body: usize) -> HttpFuture<'_>;
}

/// Why a call to the authorization server failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// No connection, or it broke. The text is for the operator.
    Connection(String),
    /// The answer is larger than allowed.
    TooLarge,
    /// The deadline passed.
    Timeout,
    /// The status is not 200.
    Status(StatusCode),
    /// The server asks for a pause (429): so long no regular fetch is made.
    TooManyRequests(Duration),
    /// The answer is compressed or otherwise not what was asked for.
    Unexpected(&'static str),
}

impl HttpError {
    /// A stable code for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            HttpError::Connection(_) => "connection",
            HttpError::TooLarge => "too_large",
            HttpError::Timeout => "timeout",
            HttpError::Status(_) => "status",
            HttpError::TooManyRequests(_) => "too_many_requests",
            HttpError::Unexpected(_) => "unexpected",
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::Connection(text) => write!(f, "no answer: {text}"),
            HttpError::TooLarge => f.write_str("the answer is larger than allowed"),
            HttpError::Timeout => f.write_str("the deadline passed"),
            HttpError::Status(status) => write!(f, "status {status} instead of 200"),
            HttpError::TooManyRequests(pause) => write!(f, "status 429: the server asks for a pause of {pause:?}"),
            HttpError::Unexpected(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for HttpError {}

/// On what condition a document is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Condition<'a> {
    None,
    /// Only if it is no longer the one with this ETag.
    Changed(&'a HeaderValue),
    /// Not from a cache on the way: somebody misses a key in the one at hand.
    Newest,
}

/// A client with its bounds.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) client: Arc<dyn HttpClient>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) deadline: Duration,
    pub(crate) max_body: usize,
    /// Counts the fetches of keys that ended, for whoever follows them.
    pub(crate) news: watch::Sender<u64>,
}

impl Door {
    /// The result of an exchange of one or several calls, or [`HttpError::Timeout`] after the deadline.
    pub(crate) async fn within<T, E: From<HttpError>>(
        &self,
        exchange: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let late = self.clock.sleep(self.deadline);
        before(exchange, late).await.unwrap_or_else(|| Err(HttpError::Timeout.into()))
    }

    /// Fetches one JSON document: status 200 exactly, not compressed.
    pub(crate) async fn get(&self, uri: &Uri) -> Result<Response<Bytes>, HttpError> {
        self.get_on(uri, Condition::None).await
    }

    /// The same on a condition; 304 is an answer to our own ETag only.
    pub(crate) async fn get_on(&self, uri: &Uri, condition: Condition<'_>) -> Result<Response<Bytes>, HttpError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/jwk-set+json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut known = false;
        match condition {
            Condition::None => {}
            Condition::Changed(etag) => {
                known = true;
                headers.insert(IF_NONE_MATCH, etag.clone());
            }
            Condition::Newest => drop(headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"))),
        }
        let response = self.client.send(request, self.max_body).await?;
        if known && response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        match response.status() {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS => return Err(HttpError::TooManyRequests(pause(&response))),
            status => return Err(HttpError::Status(status)),
        }
        if response.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(HttpError::Unexpected("the answer is compressed although nobody asked for it"));
        }
        if response.body().len() > self.max_body {
            return Err(HttpError::TooLarge);
        }
        Ok(response)
    }
}

/// `Retry-After` in seconds, an hour at most; a minute where it does not say.
fn pause(response: &Response<Bytes>) -> Duration {
    let value = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = value.and_then(|text| text.parse().ok()).unwrap_or(60);
    Duration::from_secs(seconds).min(Duration::from_secs(3600))
}

/// The first future's result, or `None` once the second is done.
pub(crate) async fn before<F: Future, S: Future<Output = ()>>(future: F, limit: S) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut limit = pin!(limit);
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        limit.as_mut().poll(context).map(|()| None)
    })
    .await
}
