//! `jwks_store`: the last good keys in files, written after each fetch that brought some.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tower_bearer::{KeyFile, LastGoodKeys, ResourceServer};

use crate::listener::stopped;

/// Follows the keys of one issuer from this call on, until the signal. A file that is being written then is finished.
pub fn keep(
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
