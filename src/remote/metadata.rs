//! An issuer's metadata, found once and kept for a while, for whoever needs an address of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;

use super::discovery::{DiscoveryError, ServerMetadata, discover};
use super::http_client::{Door, HttpError, before};

/// How long the metadata are believed, while they serve and while what they name does not work.
const AGE: Duration = Duration::from_secs(3600);
const AGE_FAILING: Duration = Duration::from_secs(300);

/// How long old metadata serve on after discovery has failed, before it is tried again.
const PAUSE: Duration = Duration::from_secs(60);

/// The metadata of one issuer, shared by its keys and its introspection endpoint.
pub(crate) struct MetadataSource {
    issuer: String,
    /// Where the metadata stand, if not at the well-known addresses.
    address: Option<Uri>,
    allow_http: bool,
    /// Held during a fetch, so that there is one at a time.
    turn: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

/// Equal where they look at the same place, whatever they found there.
impl PartialEq for MetadataSource {
    fn eq(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.address == other.address && self.allow_http == other.allow_http
    }
}

#[derive(Default)]
struct Known {
    found: Option<(ServerMetadata, Duration)>,
    failures: u64,
    last: Option<DiscoveryError>,
}

impl MetadataSource {
    pub(crate) fn new(issuer: &str, address: Option<Uri>, allow_http: bool) -> Self {
        MetadataSource {
            issuer: issuer.into(),
            address,
            allow_http,
            turn: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// Kept metadata where they are young enough, else a fetch. An old address is better than none: where discovery
    /// fails, what was found last stays.
    pub(crate) async fn get(&self, door: &Door, failing: bool) -> Result<ServerMetadata, DiscoveryError> {
        let believed = if failing { AGE_FAILING } else { AGE };
        let at_hand = self.known().at_hand(door, believed);
        let failures = match at_hand {
            Ok(found) => return Ok(found),
            Err(failures) => failures,
        };
        let _turn = self.turn.lock().await;
        // Whoever had the turn before may have found what this one looks for, or why it cannot be found: those who
        // waited for the metadata of an issuer that is down share the bad news.
        let at_hand = self.known().at_hand(door, believed);
        match at_hand {
            Ok(found) => return Ok(found),
            Err(now) if now != failures => return self.known().after_failure(),
            Err(_) => {}
        }
        let result = self.look_up(door).await;
        let mut known = self.known();
        match result {
            Ok(metadata) => {
                known.found = Some((metadata.clone(), door.clock.monotonic()));
                Ok(metadata)
            }
            Err(error) => {
                // A document of another issuer is no passing fault: its word ends the old address, too.
                if matches!(error, DiscoveryError::IssuerMismatch(_)) {
                    known.found = None;
                }
                known.failures += 1;
                known.last = Some(error);
                known.serve_on(door.clock.monotonic());
                known.after_failure()
            }
        }
    }

    /// An address at hand leaves whoever asks the time to use it: discovery that hangs is discovery that fails.
    async fn look_up(&self, door: &Door) -> Result<ServerMetadata, DiscoveryError> {
        let discovery = discover(door, &self.issuer, self.address.as_ref(), self.allow_http);
        if self.known().found.is_none() {
            return discovery.await;
        }
        let late = door.clock.sleep(door.deadline / 2);
        before(discovery, late).await.unwrap_or(Err(DiscoveryError::Http(HttpError::Timeout)))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What is young enough, else how often discovery has failed so far.
    fn at_hand(&self, door: &Door, believed: Duration) -> Result<ServerMetadata, u64> {
        let now = door.clock.monotonic();
        let young = self.found.as_ref().filter(|(_, found)| now.saturating_sub(*found) < believed);
        young.map(|(metadata, _)| metadata.clone()).ok_or(self.failures)
    }

    /// Old metadata become as young as serves for a pause.
    fn serve_on(&mut self, now: Duration) {
        if let Some((_, found)) = &mut self.found {
            *found = (*found).max(now.saturating_sub(AGE - PAUSE));
        }
    }

    fn after_failure(&self) -> Result<ServerMetadata, DiscoveryError> {
        match (&self.found, &self.last) {
            (Some((metadata, _)), _) => Ok(metadata.clone()),
            (None, Some(error)) => Err(error.clone()),
            (None, None) => Err(DiscoveryError::NotJson),
        }
    }
}

impl std::fmt::Debug for MetadataSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetadataSource").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
