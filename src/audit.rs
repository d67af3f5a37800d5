//! Audit events for sinks of one's own, beside those on `tracing`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use crate::meters;

/// One decision about a request, as written to [`AUDIT_TARGET`](crate::AUDIT_TARGET). Holds no token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEvent {
    /// When it was decided, by the clock of the machine.
    pub time: SystemTime,
    /// `authenticated`, `authorized` or the reason code of a refusal.
    pub code: &'static str,
    /// `passed`, `refused`, or `ended` for an answer that was cut.
    pub verdict: &'static str,
    /// The issuer of a verified token.
    pub issuer: Option<String>,
    /// The subject of a verified token.
    pub subject: Option<String>,
    /// The client of a verified token.
    pub client_id: Option<String>,
    /// The template of the route, such as `/orders/{id}`, where it is known; see
    /// [`audit_route`](crate::ResourceServerBuilder::audit_route). Never the path as it was sent.
    pub route: Option<String>,
    /// The requirement that was judged; only of an authorization.
    pub requirement: Option<String>,
    /// The scopes that were required, or those a refused client has to ask for, separated by spaces.
    pub required_scope: Option<String>,
    /// How long an authorization took.
    pub took: Option<Duration>,
    /// What was found wrong, of a requirement the part that is not met; escaped and bounded.
    pub detail: Option<String>,
    /// What would fix a refusal.
    pub remedy: Option<&'static str>,
}

/// The sending end of an audit channel: give it to
/// [`audit_sink`](crate::ResourceServerBuilder::audit_sink). Never blocks a request: when the channel is full the event
/// is dropped and counted.
#[derive(Clone)]
pub struct AuditSink {
    sender: mpsc::Sender<AuditEvent>,
    dropped: Arc<AtomicU64>,
}

/// The receiving end of an audit channel, for a task that stores or sends the events.
#[derive(Debug)]
pub struct AuditEvents {
    receiver: mpsc::Receiver<AuditEvent>,
}

impl AuditSink {
    /// A channel that holds `capacity` events (4,096 is a good number; 1 at least).
    ///
    /// # Example
    /// ```
    /// # use tower_bearer::{AuditSink, ResourceServer};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (sink, mut events) = AuditSink::channel(4096);
    /// let server = ResourceServer::builder("https://api.example.com", "https://as.example.com").audit_sink(sink);
    /// tokio::spawn(async move {
    ///     while let Some(event) = events.recv().await {
    ///         println!("{} {:?}", event.code, event.subject);
    ///     }
    /// });
    /// # }
    /// ```
    pub fn channel(capacity: usize) -> (AuditSink, AuditEvents) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (AuditSink { sender, dropped: Arc::default() }, AuditEvents { receiver })
    }

    /// How many events were dropped because nobody took them in time.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn send(&self, event: AuditEvent) {
        if self.sender.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            meters::audit_dropped();
        }
    }
}

impl AuditEvents {
    /// The next event; `None` once every sink is gone.
    pub async fn recv(&mut self) -> Option<AuditEvent> {
        self.receiver.recv().await
    }
}

impl fmt::Debug for AuditSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditSink").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}
