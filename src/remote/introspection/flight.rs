//! One call about one token, on behalf of all who want to know.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Desk, Outcome};
use crate::remote::http_client::before;
use crate::telemetry;
use crate::token::access_token::AccessToken;
use crate::token::error::{AuthError, Reason};
use crate::verify::answer::Asked;

/// However it ends, by an answer, the deadline, a panic or the end of its runtime: nobody joins it any more.
pub(super) struct Flight {
    pub(super) desk: Arc<Desk>,
    pub(super) digest: u128,
    pub(super) number: u64,
    pub(super) outcome: watch::Sender<Option<Outcome>>,
}

impl Flight {
    /// The deadline covers the wait for a place among the calls as well. An answer that comes later fills nothing.
    pub(super) async fn fly(self, token: AccessToken, asked: Asked) {
        let door = &self.desk.setup.caller.door;
        let until = self.desk.now().monotonic.saturating_add(door.deadline);
        let late = door.clock.sleep(door.deadline);
        let answered = before(self.desk.exchange(token.expose(), self.digest, asked, until), late).await;
        let outcome = answered.flatten().unwrap_or_else(|| {
            let issuer = &self.desk.setup.rules.issuer;
            telemetry::introspection_failed(issuer, "timeout", "the deadline passed");
            Err(AuthError::from(Reason::IntrospectionUnavailable))
        });
        self.land(outcome, asked);
    }

    /// A call that is no longer listed was overtaken by an order to forget: its answer is as old as that. It is taken off
    /// the list before its answer is told, so that whoever comes later asks anew.
    fn land(self, outcome: Outcome, asked: Asked) {
        {
            let mut flights = self.desk.flights();
            if flights.remove(self.digest, self.number) {
                self.desk.memory.keep(self.digest, asked, &outcome, self.desk.now());
            }
        }
        self.outcome.send_replace(Some(outcome));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.desk.flights().remove(self.digest, self.number);
    }
}
