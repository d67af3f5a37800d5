//! What can go wrong with an issuer's answers.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

/// A fault of an endpoint of [`TestIssuer`](super::TestIssuer), set with [`fault`](super::TestIssuer::fault): to see
/// what your own service does while its issuer is in trouble.
///
/// Over a socket each happens as named. Without one, [`http_client`](super::TestIssuer::http_client) gives what a
/// client would make of it: an error where the connection breaks, no end where nothing comes, and time that passes on
/// the issuer's clock.
///
/// # Example
/// ```
/// # use tower_bearer::{ResourceRequest, ResourceServer, testing::{Endpoint, Fault, TestIssuer}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let issuer = TestIssuer::start().await;
/// let server = ResourceServer::builder("https://api.example.com", issuer.url()).build().unwrap();
/// issuer.fault(Endpoint::Jwks, Some(Fault::Reset));
/// let token = issuer.token().sign();
/// let refused = server.authenticate(ResourceRequest::bearer(&token).unwrap()).await.unwrap_err();
/// assert_eq!(refused.code(), "keys_unavailable");
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// This status, with the body of the good answer.
    Status(u16),
    /// The good answer, after this time.
    Delay(Duration),
    /// The head at once, and then one byte of the body per interval.
    Drip(Duration),
    /// The connection is accepted, and then nothing comes.
    Silent,
    /// The connection is closed without an answer.
    Reset,
    /// The connection is closed after this many bytes of the body.
    Truncate(usize),
    /// The head announces this many bytes more than come; the connection stays open.
    LengthLie(u64),
    /// The good body, and then spaces without end.
    Endless,
    /// Status 200 and a page of HTML, as a captive portal answers.
    Html,
    /// Status 200 without a body.
    Empty,
    /// Status 200 and a key set without keys.
    KeysEmpty,
    /// Status 200 and something that is not JSON.
    NotJson,
    /// The good body, padded with spaces to this many bytes.
    Huge(usize),
    /// Status 302 to this address.
    Redirect(String),
    /// Status 304, asked for or not.
    NotModified,
    /// Metadata that name another issuer. Changes nothing at other endpoints.
    WrongIssuer,
    /// The good body in the content coding gzip, which nobody asked for.
    Gzip,
}

/// How an answer is brought to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Plain,
    Delayed(Duration),
    Dripped(Duration),
    Never,
    Closed,
    CutAt(usize),
    /// More is announced than comes.
    Announcing(u64),
    Endless,
}

/// An answer, and how it is brought.
pub(super) struct Planned {
    pub(super) response: Response<Bytes>,
    pub(super) manner: Manner,
}

impl Fault {
    /// Spoils a good answer.
    pub(super) fn spoil(&self, mut good: Response<Bytes>) -> Planned {
        let manner = self.manner();
        match self {
            Fault::Status(status) => {
                *good.status_mut() = StatusCode::from_u16(*status).expect("a status between 100 and 999");
            }
            Fault::Html => replace(&mut good, "text/html", "<!doctype html><title>Sign in to the network</title>"),
            Fault::Empty => replace(&mut good, "application/json", ""),
            Fault::KeysEmpty => replace(&mut good, "application/json", r#"{"keys":[]}"#),
            Fault::NotJson => replace(&mut good, "application/json", "this is not JSON"),
            Fault::Huge(size) => {
                let mut body = good.body().to_vec();
                body.resize(body.len().max(*size), b' ');
                *good.body_mut() = body.into();
            }
            Fault::Redirect(to) => {
                let location = HeaderValue::from_str(to).expect("an address that fits a header");
                *good.status_mut() = StatusCode::FOUND;
                *good.body_mut() = Bytes::new();
                good.headers_mut().insert(LOCATION, location);
            }
            Fault::NotModified => not_modified(&mut good),
            Fault::WrongIssuer => misname(&mut good),
            Fault::Gzip => {
                *good.body_mut() = gzip(good.body()).into();
                good.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            // These spoil how the answer comes.
            Fault::Delay(_) | Fault::Drip(_) | Fault::Silent | Fault::Reset => {}
            Fault::Truncate(_) | Fault::LengthLie(_) | Fault::Endless => {}
        }
        Planned { response: good, manner }
    }

    fn manner(&self) -> Manner {
        match self {
            Fault::Delay(time) => Manner::Delayed(*time),
            Fault::Drip(interval) => Manner::Dripped(*interval),
            Fault::Silent => Manner::Never,
            Fault::Reset => Manner::Closed,
            Fault::Truncate(bytes) => Manner::CutAt(*bytes),
            Fault::LengthLie(more) => Manner::Announcing(*more),
            Fault::Endless => Manner::Endless,
            _ => Manner::Plain,
        }
    }
}

fn replace(answer: &mut Response<Bytes>, media_type: &'static str, body: &'static str) {
    *answer.status_mut() = StatusCode::OK;
    *answer.body_mut() = Bytes::from_static(body.as_bytes());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
}

/// Turns an answer into one of status 304, which keeps what a cache goes by.
pub(super) fn not_modified(answer: &mut Response<Bytes>) {
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    *answer.body_mut() = Bytes::new();
    let [etag, caching] = [ETAG, CACHE_CONTROL].map(|name| answer.headers_mut().remove(name));
    let kept = [etag.map(|value| (ETAG, value)), caching.map(|value| (CACHE_CONTROL, value))];
    *answer.headers_mut() = kept.into_iter().flatten().collect();
}

fn misname(answer: &mut Response<Bytes>) {
    let Ok(mut document) = serde_json::from_slice::<Value>(answer.body()) else { return };
    if let Some(issuer) = document.get_mut("issuer") {
        *issuer = "https://wrong.example".into();
        *answer.body_mut() = document.to_string().into();
    }
}

/// RFC 1952, with stored blocks (RFC 1951 section 3.2.4): larger than the original, and as good for a test.
fn gzip(body: &[u8]) -> Vec<u8> {
    let mut coded = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    for block in body.chunks(0xffff) {
        let length = u16::try_from(block.len()).expect("a chunk of that size");
        coded.push(0);
        coded.extend_from_slice(&length.to_le_bytes());
        coded.extend_from_slice(&(!length).to_le_bytes());
        coded.extend_from_slice(block);
    }
    coded.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    coded.extend_from_slice(&crc32(body).to_le_bytes());
    let length = u32::try_from(body.len() & 0xffff_ffff).expect("the low 32 bits");
    coded.extend_from_slice(&length.to_le_bytes());
    coded
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_value_of_crc_32() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }
}
