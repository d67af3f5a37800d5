//! Notices that a file has changed: by its content, so that renamed and linked files count (a mounted secret of
//! Kubernetes is a link that is put elsewhere).

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks. A change counts once two looks find the same, so that no half of a file is taken for the whole.
const INTERVAL: Duration = Duration::from_millis(500);

/// What was read, and from which files.
pub struct Reading<T> {
    pub files: Vec<PathBuf>,
    pub outcome: T,
}

/// A digest for each file, under a key of this process: no secret is kept.
type Digests = HashMap<PathBuf, u64>;

/// The files of a configuration and what they held when it was read.
#[derive(Default)]
pub struct Watched {
    known: Digests,
    glimpsed: Option<Digests>,
    hasher: RandomState,
}

impl Watched {
    /// Reads, and knows afterwards from what.
    pub fn read<T>(&mut self, read: impl FnOnce() -> Reading<T>) -> T {
        // Before it is read: what changes meanwhile is a change.
        let before = self.look();
        let Reading { files, outcome } = read();
        let found = |file: PathBuf| (before.get(&file).copied().unwrap_or_else(|| self.digest(&file)), file);
        self.known = files.into_iter().map(found).map(|(digest, file)| (file, digest)).collect();
        self.glimpsed = None;
        outcome
    }

    /// Waits until the files hold something else, twice the same.
    pub async fn changed(&mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let found = self.look();
            if found != self.known && self.glimpsed.as_ref() == Some(&found) {
                return;
            }
            self.glimpsed = Some(found);
        }
    }

    fn look(&self) -> Digests {
        self.known.keys().map(|file| (file.clone(), self.digest(file))).collect()
    }

    fn digest(&self, file: &Path) -> u64 {
        self.hasher.hash_one(std::fs::read(file).ok())
    }
}
