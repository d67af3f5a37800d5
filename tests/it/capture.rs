//! Listens to what is logged on the thread of a test.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use tower_bearer::AUDIT_TARGET;
use tracing::field::{Field, Visit};
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

/// One event with its fields as they were recorded.
#[derive(Debug, Clone)]
pub struct Record {
    pub target: String,
    pub level: Level,
    pub fields: BTreeMap<&'static str, String>,
}

impl Record {
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}

/// Everything that was logged on this thread: as records, and as the text of the usual subscriber.
#[derive(Clone, Default)]
pub struct Log {
    pub records: Arc<Mutex<Vec<Record>>>,
    text: Arc<Mutex<Vec<u8>>>,
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut record = Record { target: metadata.target().into(), level: *metadata.level(), fields: BTreeMap::new() };
        event.record(&mut record);
        self.records.lock().unwrap().push(record);
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives this thread a subscriber, safe from what other threads do.
///
/// While there is one subscriber only, `tracing` asks the thread that comes first to an event whether anybody
/// listens to it. In a test without a subscriber the answer is no, for all threads. So there is always a second one.
pub fn listen_on_this_thread(subscriber: impl Subscriber + Send + Sync + 'static) -> DefaultGuard {
    static SECOND: OnceLock<Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| Dispatch::new(NoSubscriber::new()));
    tracing::subscriber::set_default(subscriber)
}

impl Log {
    /// Listens on this thread until the guard is dropped.
    pub fn listen(level: LevelFilter) -> (Self, DefaultGuard) {
        let log = Log::default();
        let writer = log.clone();
        let text = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let subscriber = Registry::default().with(level).with(log.clone()).with(text);
        (log, listen_on_this_thread(subscriber))
    }

    /// The audit events since the last call.
    pub fn audited(&self) -> Vec<Record> {
        let records = std::mem::take(&mut *self.records.lock().unwrap());
        records.into_iter().filter(|record| record.target == AUDIT_TARGET).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }
}
