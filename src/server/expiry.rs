//! When a token ends, as something to wait for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::clock::from_unix_seconds;
use crate::telemetry;
use crate::token::claims::{ClaimSet, Claims, NO_END};

/// After so long a wait the time of day is asked again: a machine that slept, or whose clock was set, is met by then.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// Completes when the token of some [`Claims`] is no longer good: at `exp` and the server's leeway, by the server's
/// clock. Made by [`Claims::expired`].
#[must_use = "futures do nothing unless polled"]
pub struct Expired {
    claims: Arc<ClaimSet>,
    nap: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<T> Claims<T> {
    /// Waits until this token is no longer good: `exp` and the server's leeway, the very moment from which a new request
    /// with it is refused.
    ///
    /// The layer looks at a token once, when the request arrives. A handler that holds a WebSocket or another long
    /// conversation waits for this beside it and ends it; for streamed answers there is
    /// [`AuthLayer::end_streams_at_expiry`](crate::AuthLayer::end_streams_at_expiry). It tells of time only: not of a key that
    /// was removed, nor of a token that was revoked. A clock that is set, or a machine that slept, is noticed within a
    /// minute. A token whose issuer names no end ([`expires_at`](Claims::expires_at)) is waited for without one. Needs a
    /// tokio runtime with the default clock.
    ///
    /// # Example
    /// ```
    /// # use tower_bearer::{Claims, testing::TestClaims};
    /// # async fn next_message() -> Option<String> { None }
    /// async fn converse(claims: Claims) -> &'static str {
    ///     let mut expired = claims.expired();
    ///     loop {
    ///         tokio::select! {
    ///             biased;
    ///             () = &mut expired => return "close with 1008, policy violation",
    ///             message = next_message() => if message.is_none() { return "the other side is done" },
    ///         }
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # assert_eq!(converse(TestClaims::new().build()).await, "the other side is done");
    /// assert_eq!(converse(TestClaims::new().claim("exp", 1).build()).await, "close with 1008, policy violation");
    /// # }
    /// ```
    pub fn expired(&self) -> Expired {
        Expired { claims: self.shared().clone(), nap: None }
    }
}

impl Expired {
    /// How long the token is good yet.
    fn rest(&self) -> Duration {
        if self.claims.expires_at == NO_END {
            return Duration::MAX;
        }
        let resource = &self.claims.resource;
        let end = from_unix_seconds(self.claims.expires_at.saturating_add(resource.leeway));
        end.duration_since(resource.clock.wall()).unwrap_or_default()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.rest().is_zero()
    }

    /// Tells that something was ended for it.
    pub(crate) fn ended_a_stream(&self) {
        telemetry::stream_ended(&self.claims);
    }
}

impl Future for Expired {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            let rest = this.rest();
            if rest.is_zero() {
                return Poll::Ready(());
            }
            let clock = &this.claims.resource.clock;
            let nap = this.nap.get_or_insert_with(|| clock.sleep(rest.min(LONGEST_NAP)));
            ready!(nap.as_mut().poll(context));
            this.nap = None;
        }
    }
}

impl fmt::Debug for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expired").field("expires_at", &self.claims.expires_at).finish_non_exhaustive()
    }
}
