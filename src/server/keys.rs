//! What an operator may ask and order about issuers' keys.

use crate::clock::Now;
#[cfg(feature = "metrics")]
use crate::meters;
use crate::remote::health::IssuerHealth;
use crate::remote::last_good::{KeyWatch, LastGoodKeys};
use crate::remote::refresh::Why;
use crate::remote::snapshot::KeyView;
use crate::server::resource_server::ResourceServer;
use crate::token::error::AuthError;

impl ResourceServer {
    /// Fetches the keys of every issuer now, so that the first request does not wait. Useful before a
    /// service says that it is ready; nothing depends on it.
    ///
    /// # Errors
    /// The first issuer without usable keys. The others were fetched all the same.
    pub async fn warm_up(&self) -> Result<(), AuthError> {
        let remotes = || self.inner.verifier.remotes();
        // All are begun before the first is waited for: a silent issuer does not delay the others.
        remotes().for_each(|remote| remote.begin(Why::Missing));
        let mut outcome = Ok(());
        for remote in remotes() {
            let refreshed = remote.refresh(Why::Missing).await;
            let now = Now::read(&*self.inner.clock);
            let usable = matches!(remote.view(now), KeyView::Fresh(_)) || remote.needs_none();
            outcome = outcome.and(if usable { Ok(()) } else { refreshed.map(|_| ()) });
        }
        outcome
    }

    /// Fetches the keys of every issuer now and waits for the end, 5 s at most: for incident response. A key that its
    /// issuer no longer publishes stops working with this, cached tokens included.
    ///
    /// # Errors
    /// The first issuer whose keys could not be fetched; its last good set stays in force.
    pub async fn refresh_now(&self) -> Result<(), AuthError> {
        let mut outcome = Ok(());
        let begun: Vec<_> = self.inner.verifier.remotes().map(|remote| (remote, remote.force())).collect();
        for (remote, attempt) in begun {
            outcome = outcome.and(remote.ended(attempt).await);
        }
        outcome
    }

    /// Never uses a key of this issuer again, named by its RFC 7638 thumbprint, although the issuer may still publish
    /// it; also while the issuer is down. Its tokens are refused from the next request on, cached ones included. Holds
    /// for this process. True if the key was in use.
    pub fn forget_key(&self, issuer: &str, thumbprint: &str) -> bool {
        self.inner.verifier.remote(issuer).is_some_and(|remote| remote.forget(thumbprint))
    }

    /// The keys at hand of an issuer, to be kept over a restart; none where there are none yet, or where they were
    /// given by hand.
    pub fn last_good_keys(&self, issuer: &str) -> Option<LastGoodKeys> {
        self.inner.verifier.remote(issuer)?.last_good()
    }

    /// Tells of each fetch of keys that ends.
    pub fn key_watch(&self) -> KeyWatch {
        self.inner.key_watch.clone()
    }

    /// The state of each issuer's keys, for probes and dashboards. Where an issuer has none, asking for it also
    /// begins a fetch, so that a service becomes ready without traffic. Never waits.
    pub fn health(&self) -> Vec<IssuerHealth> {
        let now = Now::read(&*self.inner.clock);
        self.inner.verifier.health(now)
    }

    /// Sets the gauges that nobody sets in passing: the cache's size, the age of keys. Call it before each scrape.
    #[cfg(feature = "metrics")]
    pub fn record_gauges(&self) {
        let (entries, bytes) = self.inner.cache.size();
        meters::cache_size(entries, bytes);
        for issuer in self.health() {
            if let Some(age) = issuer.age {
                meters::key_age(&issuer.issuer, age);
            }
        }
    }
}
