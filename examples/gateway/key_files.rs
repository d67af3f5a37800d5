//! `jwks_store`: the last good keys in files, written after each fetch that brought some.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower_bearer::{KeyFile, LastGoodKeys, ResourceServer};

use crate::listener::stopped;

/// How long a file of keys that is being written may delay the end.
const WRITE_GRACE: Duration = Duration::from_millis(200);

/// The tasks that keep the files of one configuration.
pub struct Keepers {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Keepers {
    pub fn start(server: &ResourceServer, files: Vec<KeyFile>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let keep = |file| tokio::spawn(keep(server.clone(), file, stopped.clone()));
        Keepers { tasks: files.into_iter().map(keep).collect(), stop }
    }

    /// A file that is being written is finished first: an older set must not come after a newer one.
    pub async fn replace(&mut self, server: &ResourceServer, files: Vec<KeyFile>) {
        let next = Keepers::start(server, files);
        std::mem::replace(self, next).finish().await;
    }

    pub async fn finish(self) {
        self.stop.send_replace(true);
        let _ = tokio::time::timeout(WRITE_GRACE, join_all(self.tasks)).await;
    }
}

/// Follows the keys of one issuer from this call on, until the signal. A file that is being written then is finished.
fn keep(
    server: ResourceServer,
    file: KeyFile,
    mut stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + 'static {
    let file = Arc::new(file);
    let mut watch = server.key_watch();
    // What the file gave at the start need not be written again.
    let mut kept = server.last_good_keys(file.issuer()).map(|keys| version(&keys));
    async move {
        loop {
            tokio::select! {
                _ = watch.changed() => {}
                () = stopped(&mut stop) => return,
            }
            let Some(keys) = server.last_good_keys(file.issuer()) else { continue };
            let newest = version(&keys);
            if kept.as_ref() == Some(&newest) {
                continue;
            }
            match write(file.clone(), keys).await {
                Ok(()) => kept = Some(newest),
                Err(error) => {
                    let path = file.path().display();
                    tracing::warn!(issuer = file.issuer(), %path, %error, "the keys could not be written to `jwks_store`");
                }
            }
        }
    }
}

/// A fetch that found the same set makes it younger, which counts after a restart.
fn version(keys: &LastGoodKeys) -> (SystemTime, Vec<u8>) {
    (keys.fetched(), keys.text().to_vec())
}

async fn write(file: Arc<KeyFile>, keys: LastGoodKeys) -> io::Result<()> {
    tokio::task::spawn_blocking(move || file.save(&keys)).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
