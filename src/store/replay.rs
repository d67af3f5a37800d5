//! Proofs that were seen: each passes once (RFC 9449 section 11.1).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::clock::Now;
use crate::verify::base64url;
use crate::verify::proof::Proven;

/// Remembers DPoP proofs until they can no longer pass, so that each passes once.
///
/// The default is [`InMemoryReplayStore`](crate::InMemoryReplayStore), for a service that is one process. Several
/// processes behind one name need a store that they share: without one a proof passes once at *each* of them.
///
/// There is one operation, and it must be atomic: of any number of calls with the same key, also at the same time and
/// from different machines, exactly one may answer `Ok`. A look followed by a write is not atomic; `SET key 1 NX PX ttl`
/// of Redis is, and so is an `INSERT` with a unique key. A store must never forget an entry before its
/// [`ttl`](ReplayEntry::ttl) is over to make room for another: it answers [`ReplayError::Full`] then. Where it cannot be
/// asked, it answers [`ReplayError::Unavailable`], and the request is refused with 503.
///
/// Called last of all checks of a proof, so what a stranger sends never comes here.
///
/// # Example
/// ```
/// use std::time::{Duration, Instant};
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex};
/// use tower_bearer::{ReplayAnswer, ReplayEntry, ReplayError, ReplayStore};
///
/// /// A database of one's own, as far as it is needed here.
/// #[derive(Clone, Default)]
/// struct Database(Arc<Mutex<HashMap<String, Instant>>>);
///
/// impl Database {
///     async fn insert_unless_there(&self, key: String, ttl: Duration) -> Result<bool, std::io::Error> {
///         let mut rows = self.0.lock().map_err(|_| std::io::Error::other("poisoned"))?;
///         let now = Instant::now();
///         rows.retain(|_, until| *until > now);
///         Ok(rows.insert(key, now + ttl).is_none())
///     }
/// }
///
/// impl ReplayStore for Database {
///     fn put_if_absent(&self, entry: ReplayEntry) -> ReplayAnswer {
///         let database = self.clone();
///         ReplayAnswer::Later(Box::pin(async move {
///             match database.insert_unless_there(entry.key(), entry.ttl()).await {
///                 Ok(true) => Ok(()),
///                 Ok(false) => Err(ReplayError::Seen),
///                 Err(_) => Err(ReplayError::Unavailable),
///             }
///         }))
///     }
/// }
/// ```
pub trait ReplayStore: Send + Sync + 'static {
    /// Remembers the entry for its [`ttl`](ReplayEntry::ttl). `Ok` if it was not there, [`ReplayError::Seen`] if it was.
    ///
    /// Must not block: what waits for a network comes back as [`ReplayAnswer::Later`], and the caller sets its deadline.
    fn put_if_absent(&self, entry: ReplayEntry) -> ReplayAnswer;
}

/// What a [`ReplayStore`] says, at once or later.
pub enum ReplayAnswer {
    /// A store in this process answers without a wait.
    Now(Result<(), ReplayError>),
    /// A store elsewhere. Dropped before its end, it may have remembered the entry or not.
    Later(Pin<Box<dyn Future<Output = Result<(), ReplayError>> + Send>>),
}

/// Why a proof is not let through by a [`ReplayStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// It was seen before: 401 `invalid_dpop_proof`.
    Seen,
    /// This client has as many proofs in their time as one client may: 429.
    TooMany,
    /// There is no room, and nothing is forgotten early: 503.
    Full,
    /// The store gives no answer: 503.
    Unavailable,
}

/// One proof to remember: digests only, no text that a client chose.
#[derive(Debug, Clone)]
pub struct ReplayEntry {
    pub(super) proof: [u8; 32],
    pub(super) client: [u8; 32],
    pub(super) now: Now,
    pub(super) expires_at: u64,
}

impl ReplayEntry {
    pub(crate) fn new(proven: &Proven, now: Now) -> Self {
        let Proven { replay_key: proof, client, expires_at, .. } = *proven;
        ReplayEntry { proof, client, now, expires_at }
    }

    /// What must be there once: SHA-256 over the client's key and the proof's `jti`, in base64url (43 characters).
    pub fn key(&self) -> String {
        base64url::encode(&self.proof)
    }

    /// The client: SHA-256 over the thumbprint of its key, in base64url. For a bound per client.
    pub fn client(&self) -> String {
        base64url::encode(&self.client)
    }

    /// How long it must be remembered: until the proof can no longer pass, at this process or at one whose clock is
    /// somewhat behind.
    pub fn ttl(&self) -> Duration {
        Duration::from_secs(self.expires_at.saturating_sub(self.now.wall))
    }
}

impl fmt::Debug for ReplayAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayAnswer::Now(result) => f.debug_tuple("Now").field(result).finish(),
            ReplayAnswer::Later(_) => f.write_str("Later"),
        }
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReplayError::Seen => "the proof was seen before",
            ReplayError::TooMany => "this client has too many proofs in their time",
            ReplayError::Full => "the store is full",
            ReplayError::Unavailable => "the store gives no answer",
        })
    }
}

impl std::error::Error for ReplayError {}

impl fmt::Debug for dyn ReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayStore")
    }
}
