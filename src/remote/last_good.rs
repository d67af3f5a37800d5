//! The last good key set, kept over restarts; and the news of each fetch.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::watch;

use crate::clock::{from_unix_seconds, unix_seconds};
use crate::verify::jwks::{Jwks, JwksError};

/// A key set as its issuer published it, and when it was fetched: kept over a restart, it lets a service start while
/// the issuer is down.
///
/// Comes from [`last_good_keys`](crate::ResourceServer::last_good_keys) and goes into
/// [`Issuer::last_good_keys`](crate::Issuer::last_good_keys). The time counts: a set older than
/// [`jwks_stale`](crate::Issuer::jwks_stale) is not used, and one older than the refresh interval only after an attempt
/// to fetch a newer one. Keep it where nobody else can write: whoever can, chooses the keys.
///
/// # Example
/// ```
/// # use tower_bearer::{Issuer, LastGoodKeys};
/// # use std::time::SystemTime;
/// # let text = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// let keys = LastGoodKeys::parse(&text[..], SystemTime::now())?;
/// let issuer = Issuer::new("https://as.example.com").last_good_keys(keys);
/// # Ok::<(), tower_bearer::JwksError>(())
/// ```
#[derive(Clone)]
pub struct LastGoodKeys {
    pub(crate) keys: Jwks,
    pub(crate) text: Bytes,
    /// Seconds since 1970.
    pub(crate) fetched: u64,
}

impl LastGoodKeys {
    /// Reads a set that was fetched at `fetched`.
    ///
    /// # Errors
    /// The text is no usable key set.
    pub fn parse(text: impl Into<Bytes>, fetched: SystemTime) -> Result<Self, JwksError> {
        let text = text.into();
        let keys = Jwks::parse(&text)?;
        Ok(LastGoodKeys { keys, text, fetched: unix_seconds(fetched) })
    }

    /// The text of the set, as the issuer published it.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// When it was fetched.
    pub fn fetched(&self) -> SystemTime {
        from_unix_seconds(self.fetched)
    }
}

impl fmt::Debug for LastGoodKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastGoodKeys").field("keys", &self.keys).field("fetched", &self.fetched).finish()
    }
}

/// Tells of each fetch of keys that ended, good or bad: so that a readiness flag or a file can follow.
///
/// # Example
/// ```
/// # use tower_bearer::{KeyState, ResourceServer};
/// async fn follow(server: ResourceServer) {
///     let mut watch = server.key_watch();
///     while watch.changed().await {
///         let ready = server.health().iter().all(|issuer| issuer.keys != KeyState::Missing);
///         println!("ready: {ready}");
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct KeyWatch {
    pub(crate) attempts: watch::Receiver<u64>,
}

impl KeyWatch {
    /// Waits for the end of the next fetch, or of one since the last call; false once the server is gone.
    pub async fn changed(&mut self) -> bool {
        self.attempts.changed().await.is_ok()
    }
}
