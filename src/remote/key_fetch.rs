//! One fetch of an issuer's key set, through discovery or from a given address.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderValue, Response, StatusCode, Uri};

use super::discovery::DiscoveryError;
use super::http_client::{Condition, Door, HttpError};
use super::metadata::MetadataSource;
use crate::verify::jwks::{Jwks, JwksError};

/// Where an issuer's keys are published.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum KeyOrigin {
    Discovery(Arc<MetadataSource>),
    Uri(Uri),
}

/// Fetches the key set of one issuer.
pub(crate) struct KeyFetcher {
    pub(crate) issuer: String,
    pub(crate) origin: KeyOrigin,
    /// The roots that vouch for its host, where they are not the client's own.
    pub(crate) roots: Option<Arc<[u8]>>,
    /// The issuer may publish none: its opaque tokens need none.
    pub(crate) may_be_absent: bool,
    /// Nor need it have metadata: the operator named what would be looked up there.
    pub(crate) needs_no_metadata: bool,
    pub(crate) door: Door,
}

/// What a fetch brought.
pub(super) struct Fetched {
    /// None: the issuer still publishes the set at hand.
    pub(super) new: Option<(Jwks, Source)>,
    /// How long the answer says that it is fresh.
    pub(super) max_age: Option<Duration>,
}

/// A key set as it was published: its text, and where and under which ETag.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(super) text: Bytes,
    pub(super) etag: Option<(Uri, HeaderValue)>,
}

impl Source {
    /// Of an issuer that publishes no keys.
    fn none() -> Self {
        Source { text: Bytes::new(), etag: None }
    }

    pub(super) fn is_none(&self) -> bool {
        self.text.is_empty()
    }
}

/// How a fetch is made.
pub(super) struct Manner<'a> {
    /// The last attempt failed: the address is looked up again sooner.
    pub(super) failing: bool,
    /// Somebody misses a key: no answer from a cache will do.
    pub(super) newest: bool,
    pub(super) at_hand: Option<&'a Source>,
}

impl KeyFetcher {
    /// Keys that one of them fetched, the other one would have fetched as well: from the same place, with the same
    /// proof of who answers there.
    pub(super) fn goes_the_way_of(&self, other: &KeyFetcher) -> bool {
        self.origin == other.origin && self.roots == other.roots
    }

    pub(super) async fn fetch(&self, manner: Manner<'_>) -> Result<Fetched, FetchError> {
        let uri = match &self.origin {
            KeyOrigin::Uri(uri) => uri.clone(),
            KeyOrigin::Discovery(metadata) => {
                let found = metadata.get(&self.door, manner.failing).await?.jwks_uri;
                // Keys that were there do not vanish with their address.
                if found.is_none() && self.may_be_absent && manner.at_hand.is_none_or(Source::is_none) {
                    return Ok(Fetched { new: Some((Jwks::default(), Source::none())), max_age: None });
                }
                found.ok_or_else(|| DiscoveryError::JwksUri("is missing".into()))?
            }
        };
        let etag = manner.at_hand.and_then(|source| source.etag.as_ref()).filter(|(of, _)| *of == uri);
        let condition = match etag {
            _ if manner.newest => Condition::Newest,
            Some((_, etag)) => Condition::Changed(etag),
            None => Condition::None,
        };
        let response = self.door.get_on(&uri, condition).await?;
        let max_age = max_age(&response);
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(Fetched { new: None, max_age });
        }
        let keys = Jwks::parse(response.body()).map_err(FetchError::Jwks)?;
        let etag = response.headers().get(ETAG).map(|etag| (uri, etag.clone()));
        let source = Source { text: response.into_body(), etag };
        Ok(Fetched { new: Some((keys, source)), max_age })
    }
}

/// Why no set could be had.
#[derive(Debug)]
pub(super) enum FetchError {
    Http(HttpError),
    Discovery(DiscoveryError),
    Jwks(JwksError),
}

impl FetchError {
    /// How long the server asks not to be asked again.
    pub(super) fn pause(&self) -> Duration {
        match self {
            FetchError::Http(HttpError::TooManyRequests(pause))
            | FetchError::Discovery(DiscoveryError::Http(HttpError::TooManyRequests(pause))) => *pause,
            _ => Duration::ZERO,
        }
    }

    /// The server works, and has no metadata.
    pub(super) fn says_there_are_no_metadata(&self) -> bool {
        let FetchError::Discovery(DiscoveryError::Http(HttpError::Status(status))) = self else { return false };
        matches!(*status, StatusCode::NOT_FOUND | StatusCode::GONE)
    }

    pub(super) fn code(&self) -> &'static str {
        match self {
            FetchError::Http(error) => error.code(),
            FetchError::Discovery(error) => error.code(),
            FetchError::Jwks(JwksError::Malformed) => "jwks_malformed",
            FetchError::Jwks(JwksError::TooManyKeys) => "jwks_too_many_keys",
            FetchError::Jwks(JwksError::NoUsableKey) => "jwks_no_usable_key",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Http(error) => write!(f, "keys: {error}"),
            FetchError::Discovery(error) => error.fmt(f),
            FetchError::Jwks(error) => write!(f, "keys: {error}"),
        }
    }
}

impl From<HttpError> for FetchError {
    fn from(error: HttpError) -> Self {
        FetchError::Http(error)
    }
}

impl From<DiscoveryError> for FetchError {
    fn from(error: DiscoveryError) -> Self {
        FetchError::Discovery(error)
    }
}

/// `max-age` of the answer; an unreadable one and several fields count as absent.
fn max_age(response: &Response<Bytes>) -> Option<Duration> {
    let mut values = response.headers().get_all(CACHE_CONTROL).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let directive = |part: &str| part.trim().to_ascii_lowercase().strip_prefix("max-age=").map(str::to_owned);
    let seconds = value.split(',').find_map(directive)?;
    seconds.parse().ok().map(Duration::from_secs)
}
