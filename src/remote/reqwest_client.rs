//! The default [`HttpClient`], on reqwest with rustls.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};

use super::http_client::{HttpClient, HttpError, HttpFuture};
use super::public_address::is_public;

/// How long a connection may take: one lost SYN (1 s) is survived.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Root certificates that are believed instead of the system's.
pub(crate) struct Roots(Vec<Certificate>);

impl Roots {
    /// The certificates of a PEM text. The error is a remedy.
    pub(crate) fn parse(pem: &[u8]) -> Result<Self, String> {
        match Certificate::from_pem_bundle(pem) {
            Ok(roots) if !roots.is_empty() => Ok(Roots(roots)),
            Ok(_) => Err("must hold one certificate at least, in PEM (`-----BEGIN CERTIFICATE-----`)".into()),
            Err(error) => Err(format!("must be certificates in PEM: {}", chain(error))),
        }
    }
}

/// No redirects, no proxy from the environment, no cookies, no compression; certificates are verified
/// against the system's roots, or those given, and there is no switch for that.
pub(crate) struct ReqwestClient {
    client: reqwest::Client,
    public_only: bool,
}

impl ReqwestClient {
    /// With `public_only` it connects to addresses of the public internet alone.
    pub(crate) fn new(public_only: bool, roots: Option<&Roots>) -> Result<Self, reqwest::Error> {
        let build = |builder: reqwest::ClientBuilder| {
            let builder = builder.redirect(Policy::none()).no_proxy().connect_timeout(CONNECT_TIMEOUT);
            if public_only { builder.dns_resolver(PublicResolver).build() } else { builder.build() }
        };
        let with = |roots: &[Certificate]| build(reqwest::Client::builder().tls_certs_only(roots.iter().cloned()));
        let client = match roots {
            Some(Roots(roots)) => with(roots)?,
            // A machine without root certificates can still call http on loopback; https then fails per call.
            None => build(reqwest::Client::builder()).or_else(|_| with(&[]))?,
        };
        Ok(ReqwestClient { client, public_only })
    }

    async fn fetch(&self, request: Request<Bytes>, max_body: usize) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|error| HttpError::Connection(error.to_string()))?;
        if self.public_only {
            refuse_literal(&url)?;
        }
        let mut response = self
            .client
            .request(parts.method, url)
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

/// An address that stands in the URL itself is never resolved. It is looked for after parsing, which makes
/// `127.0.0.1` of `0x7f.1` and `2130706433` too.
fn refuse_literal(url: &Url) -> Result<(), HttpError> {
    let host = url.host_str().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) if !is_public(address) => Err(HttpError::Connection(not_public(host))),
        _ => Ok(()),
    }
}

/// Resolves names as the system does and hands on only what is public. The connection is made to just these
/// addresses, so an answer that changes between a check and its use (DNS rebinding) gains nothing.
struct PublicResolver;

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(not_public(name.as_str()).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn not_public(host: &str) -> String {
    format!("`{host}` has no public address, and `block_private_addresses` is on")
}

/// The chain of causes, without the URL: a query in it may be private.
fn connection(error: reqwest::Error) -> HttpError {
    HttpError::Connection(chain(error))
}

fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(url: &str) -> Result<(), HttpError> {
        refuse_literal(&Url::parse(url).unwrap())
    }

    #[test]
    fn an_address_in_the_url_is_judged_in_every_spelling() {
        for url in
            ["https://as.example.com", "https://1.1.1.1:8443/x", "https://[2606:4700:4700::1111]/", "https://0x1010101"]
        {
            assert_eq!(literal(url), Ok(()), "{url}");
        }
        for url in [
            "http://127.0.0.1:9",
            "http://127.1",
            "http://127.0.0.1.",
            "http://0x7f000001",
            "http://0x7f.1",
            "http://0177.0.0.1",
            "http://2130706433",
            "http://%31%32%37.0.0.1",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]",
            "http://[::ffff:127.0.0.1]",
            "http://[::ffff:7f00:1]",
            "http://[0:0:0:0:0:0:0:1]",
            "http://[64:ff9b::a9fe:a9fe]",
            "http://[fd00:ec2::254]",
        ] {
            let error = literal(url).unwrap_err();
            assert!(error.to_string().contains("block_private_addresses"), "{url}: {error}");
        }
    }

    #[tokio::test]
    async fn a_name_leads_to_public_addresses_only() {
        let resolve = |name: &str| PublicResolver.resolve(name.parse().unwrap());
        // Numbers are resolved without a server of names.
        let public: Vec<_> = resolve("1.1.1.1").await.unwrap().map(|address| address.ip().to_string()).collect();
        assert_eq!(public, ["1.1.1.1"]);
        for name in ["localhost", "127.0.0.1", "10.0.0.1"] {
            let error = resolve(name).await.err().unwrap_or_else(|| panic!("{name} is resolved"));
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
