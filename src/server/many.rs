//! Many tokens at once, as message consumers and batch endpoints receive them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::poll_fn;
use std::task::Poll;

use super::resource_server::{Later, Progress, ResourceServer};
use crate::clock::give_way;
use crate::telemetry::{self, Decision};
use crate::token::claims::Claims;
use crate::token::error::{AuthError, Reason};
use crate::token::request::ResourceRequest;

/// How many tokens wait for something at a time.
const WAITING_AT_ONCE: usize = 64;

/// After so many tokens other tasks of the runtime have their turn: a signature takes tens of microseconds.
const TURN: usize = 16;

type Verdict = Result<Claims, AuthError>;

impl ResourceServer {
    /// Verifies many tokens at once, for services that receive them in messages or batches: the results stand in the
    /// order of the tokens, and a token that stands twice is judged once, with one audit event.
    ///
    /// Each is judged as [`authenticate`](ResourceServer::authenticate) would; a bad one does not trouble the others.
    /// At most 64 wait for the network at a time, and other tasks have their turn after every 16 signatures. It does
    /// not look at scopes and puts nothing into a request.
    ///
    /// # Example
    /// ```
    /// # use tower_bearer::{ResourceServer, testing::TestIssuer};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_bearer::ConfigError> {
    /// let issuer = TestIssuer::start().await;
    /// let server = ResourceServer::builder("https://api.example.com", issuer.url()).build()?;
    /// let (good, bad) = (issuer.token().sign(), issuer.token().expired().sign());
    /// let verdicts = server.authenticate_many([&good, &bad, &good]).await;
    /// assert_eq!(verdicts.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn authenticate_many<T: AsRef<str>>(&self, tokens: impl IntoIterator<Item = T>) -> Vec<Verdict> {
        let tokens: Vec<T> = tokens.into_iter().collect();
        let (distinct, places) = distinct(&tokens);
        let mut verdicts: Vec<Option<Verdict>> = Vec::with_capacity(distinct.len());
        let mut waiting = Vec::new();
        for (place, token) in distinct.into_iter().enumerate() {
            if place % TURN == TURN - 1 {
                give_way().await;
            }
            let progress = ResourceRequest::bearer(token).map(|request| self.begin(request, None));
            verdicts.push(match progress {
                Ok(Progress::Done(verdict)) => Some(verdict.map(|admitted| admitted.claims)),
                Ok(Progress::Waiting(later)) => {
                    waiting.push((place, later));
                    None
                }
                Err(error) => {
                    telemetry::decided(Decision::Refused(&error), None, Some(self.resource()));
                    Some(Err(error))
                }
            });
            if waiting.len() == WAITING_AT_ONCE {
                settle(&mut waiting, &mut verdicts).await;
            }
        }
        settle(&mut waiting, &mut verdicts).await;
        let verdict = |place| verdicts.get(place).cloned().flatten();
        places.into_iter().map(|place| verdict(place).unwrap_or_else(|| Err(Reason::KeysUnavailable.into()))).collect()
    }
}

/// Each text once, and for every token the place of its text.
fn distinct<T: AsRef<str>>(tokens: &[T]) -> (Vec<&str>, Vec<usize>) {
    let (mut distinct, mut known) = (Vec::new(), HashMap::new());
    let places = tokens.iter().map(AsRef::as_ref).map(|token| match known.entry(token) {
        Entry::Occupied(place) => *place.get(),
        Entry::Vacant(new) => {
            distinct.push(token);
            *new.insert(distinct.len() - 1)
        }
    });
    let places = places.collect();
    (distinct, places)
}

/// Waits for all of them, side by side.
async fn settle(waiting: &mut Vec<(usize, Later)>, verdicts: &mut [Option<Verdict>]) {
    poll_fn(|context| {
        waiting.retain_mut(|(place, later)| match later.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(verdict) => {
                if let Some(slot) = verdicts.get_mut(*place) {
                    *slot = Some(verdict.map(|admitted| admitted.claims));
                }
                false
            }
        });
        if waiting.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
