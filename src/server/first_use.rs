//! Whether a proof is used for the first time: asked last, so that a proof which fails otherwise is not used up, and a
//! stranger cannot use up somebody else's.

use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::clock::{Clock, Now};
use crate::server::judgement::Verdict;
use crate::server::resource_server::Inner;
use crate::store::replay::{ReplayAnswer, ReplayEntry, ReplayError};
use crate::token::error::{AuthError, Reason};

/// How long a store elsewhere may take.
const DEADLINE: Duration = Duration::from_secs(1);

/// When a client that sent too many proofs may come again: some of them are then over.
const QUOTA_PAUSE: Duration = Duration::from_secs(30);

/// A verdict that knows, or one that is waited for.
pub(super) enum FirstUse {
    Known(Verdict),
    Asked(Pin<Box<dyn Future<Output = Verdict> + Send>>),
}

impl FirstUse {
    pub(super) fn wait(self) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
        match self {
            FirstUse::Known(verdict) => Box::pin(ready(verdict)),
            FirstUse::Asked(later) => later,
        }
    }
}

impl Inner {
    /// A proof that was used before does not hold.
    pub(super) fn first_use(&self, verdict: Verdict) -> FirstUse {
        let (Ok(Some(passed)), Some(proofs)) = (&verdict.holds, &self.proofs) else { return FirstUse::Known(verdict) };
        let entry = ReplayEntry::new(&proofs.in_our_name(&passed.proven), Now::read(&*self.clock));
        match proofs.used.put_if_absent(entry) {
            ReplayAnswer::Now(answer) => FirstUse::Known(verdict.unless_used(answer)),
            ReplayAnswer::Later(answer) => {
                let clock = self.clock.clone();
                FirstUse::Asked(Box::pin(async move { verdict.unless_used(in_time(answer, clock).await) }))
            }
        }
    }
}

impl Verdict {
    fn unless_used(mut self, answer: Result<(), ReplayError>) -> Self {
        if let Err(error) = answer {
            self.holds = Err(refusal(error));
        }
        self
    }
}

fn refusal(error: ReplayError) -> AuthError {
    match error {
        ReplayError::Seen => Reason::ProofReplayed.into(),
        ReplayError::TooMany => AuthError::retry_after(Reason::ProofQuota, QUOTA_PAUSE),
        ReplayError::Full => Reason::ReplayStoreFull.into(),
        ReplayError::Unavailable => Reason::ReplayStoreUnavailable.into(),
    }
}

/// A store that takes too long gives no answer.
async fn in_time(
    mut answer: Pin<Box<dyn Future<Output = Result<(), ReplayError>> + Send>>,
    clock: Arc<dyn Clock>,
) -> Result<(), ReplayError> {
    let mut deadline = pin!(clock.sleep(DEADLINE));
    std::future::poll_fn(|context| match answer.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(answer),
        Poll::Pending => deadline.as_mut().poll(context).map(|()| Err(ReplayError::Unavailable)),
    })
    .await
}
