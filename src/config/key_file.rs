//! The last good keys of an issuer in a file, so that a restart while the issuer is down serves at once.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::remote::last_good::LastGoodKeys;
use crate::token::json;
use crate::verify::crypto;

/// The largest file that is read: the largest key set and as much again.
const MAX_BYTES: usize = 1024 * 1024;

/// How far a file may come from the future: two machines may have written it.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(300);

/// The file of `jwks_store`, which keeps an issuer's last good keys over restarts.
///
/// [`AuthConfig`](crate::AuthConfig) reads it. Whoever runs the service writes it, after each fetch that brought keys:
///
/// ```
/// # use tower_bearer::{KeyFile, ResourceServer};
/// async fn keep(server: ResourceServer, file: KeyFile) {
///     let mut watch = server.key_watch();
///     while watch.changed().await {
///         if let Some(keys) = server.last_good_keys(file.issuer()) {
///             file.save(&keys).expect("the folder can be written to");
///         }
///     }
/// }
/// ```
///
/// It holds `{"issuer", "fetched": unix time, "jwks": {...}}`. Whoever can write it chooses the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    issuer: String,
    path: PathBuf,
}

impl KeyFile {
    pub(super) fn new(issuer: String, path: PathBuf) -> Self {
        KeyFile { issuer, path }
    }

    /// The issuer whose keys it holds.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the file: at every moment there is the old or the new one, whole. Readable for its owner only.
    ///
    /// # Errors
    /// The folder cannot be written to; the old file is still there.
    pub fn save(&self, keys: &LastGoodKeys) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        // One of its own for each writer, and a name that nobody can prepare.
        let temporary = self.path.with_file_name(format!(".{name}.{:032x}", u128::from_be_bytes(crypto::random())));
        let written = write_new(&temporary, &self.document(keys)).and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// The set is copied as it was published.
    fn document(&self, keys: &LastGoodKeys) -> Vec<u8> {
        let jwks = json::without_byte_order_mark(keys.text());
        let head = format!("{{\"issuer\":{},\"fetched\":{},\"jwks\":", Value::from(self.issuer()), keys.fetched);
        [head.as_bytes(), jwks, b"}\n"].concat()
    }

    /// The keys in the file; none where there is no file yet.
    ///
    /// # Errors
    /// The reason why they are not used, for the operator.
    pub(super) fn load(&self, now: SystemTime, stale: Duration) -> Result<Option<LastGoodKeys>, String> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("it cannot be read: {error}")),
        };
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_end(&mut bytes).map_err(|error| format!("it cannot be read: {error}"))?;
        if bytes.len() > MAX_BYTES {
            return Err("it is larger than any key set".into());
        }
        self.judge(&bytes, now, stale).map(Some)
    }

    fn judge(&self, bytes: &[u8], now: SystemTime, stale: Duration) -> Result<LastGoodKeys, String> {
        let document: Members = serde_json::from_slice(bytes).map_err(|error| format!("it is corrupt: {error}"))?;
        let issuer: String = read(&document, "issuer")?;
        if issuer != self.issuer {
            return Err("it holds the keys of another issuer".into());
        }
        let fetched = UNIX_EPOCH.checked_add(Duration::from_secs(read(&document, "fetched")?));
        let fetched = fetched.ok_or("it is corrupt: `fetched` is no time")?;
        match now.duration_since(fetched) {
            Ok(age) if age >= stale => {
                return Err(format!("it is too old: {} s, and `jwks_stale` is {stale:?}", age.as_secs()));
            }
            Err(ahead) if ahead.duration() > CLOCK_DIFFERENCE => return Err("it comes from the future".into()),
            _ => {}
        }
        let jwks: Box<RawValue> = read(&document, "jwks")?;
        LastGoodKeys::parse(jwks.get().to_owned(), fetched).map_err(|error| format!("it is corrupt: {error}"))
    }
}

/// The key set stays as it was published, so that it is judged as it was then.
type Members = HashMap<String, Box<RawValue>>;

fn read<T: DeserializeOwned>(document: &Members, name: &str) -> Result<T, String> {
    let text = document.get(name).ok_or_else(|| format!("it is corrupt: `{name}` is missing"))?;
    serde_json::from_str(text.get()).map_err(|error| format!("it is corrupt: `{name}`: {error}"))
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    // Or the name could reach the disk before the content does.
    file.sync_all()
}
