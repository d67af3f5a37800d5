//! The default [`HttpClient`], on reqwest with rustls.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use reqwest::redirect::Policy;

use super::http_client::{HttpClient, HttpError, HttpFuture};

/// How long a connection may take: one lost SYN (1 s) is survived.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// No redirects, no proxy from the environment, no cookies, no compression; certificates are verified
/// against the system's roots and there is no switch for that.
pub(crate) struct ReqwestClient {
    client: reqwest::Client,
}

impl ReqwestClient {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let build = |builder: reqwest::ClientBuilder| {
            builder.redirect(Policy::none()).no_proxy().connect_timeout(CONNECT_TIMEOUT).build()
        };
        // A machine without root certificates can still call http on loopback; https then fails per call.
        let client =
            build(reqwest::Client::builder()).or_else(|_| build(reqwest::Client::builder().tls_certs_only([])))?;
        Ok(ReqwestClient { client })
    }

    async fn fetch(&self, request: Request<Bytes>, max_body: usize) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut response = self
            .client
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers)
            .body(body)
            .send()
            .await
            .map_err(connection)?;
        // An announced length can only shorten the read: the bytes themselves are counted below.
        let too_long = |length| length > max_body as u64;
        if response.status() == StatusCode::OK && response.content_length().is_some_and(too_long) {
            return Err(HttpError::TooLarge);
        }
        let mut read = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(connection)? {
            if read.len() + chunk.len() > max_body {
                return Err(HttpError::TooLarge);
            }
            read.extend_from_slice(&chunk);
        }
        let mut answer = Response::new(read.freeze());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

impl HttpClient for ReqwestClient {
    fn send(&self, request: Request<Bytes>, max_body: usize) -> HttpFuture<'_> {
        Box::pin(self.fetch(request, max_body))
    }
}

/// The chain of causes, without the URL: a query in it may be private.
fn connection(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    HttpError::Connection(text)
}
