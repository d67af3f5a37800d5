//! Tokens that were verified before. A second verifier: every hit is judged again.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::digest::KeyedDigest;
use crate::clock::Now;
use crate::token::claims::{Claims, Kept};
use crate::token::request::Scheme;

/// Tokens longer than this are verified each time.
const MAX_TOKEN: usize = 4 * 1024;

/// What one entry costs beside the texts it holds: the structs, their heap headers, the map's slot.
const ENTRY_OVERHEAD: usize = 512;

/// Verified tokens by the keyed digest of their whole text.
///
/// The digest is SipHash-2-4-128 under a random key of this process: nobody outside can find two
/// texts of one digest, and no token is kept. Only verified tokens go in, so a flood of bad ones evicts
/// nothing.
pub(crate) struct TokenCache {
    entries: Option<Cache<u128, Entry, Weigh, DigestHash>>,
    digest: KeyedDigest,
    max_age: Duration,
}

/// A verified token and when it was verified. Small, so that the cache's own slot for it is a line of memory.
#[derive(Clone)]
pub(crate) struct Entry {
    claims: Kept,
    /// Seconds since 1970.
    wall: u64,
    /// Nanoseconds on the monotonic clock.
    monotonic: u64,
}

impl Entry {
    pub(crate) fn new(claims: &Claims, now: Now) -> Self {
        let monotonic = u64::try_from(now.monotonic.as_nanos()).unwrap_or(u64::MAX);
        Entry { claims: claims.kept(), wall: now.wall, monotonic }
    }

    fn since(&self) -> Now {
        Now { wall: self.wall, monotonic: Duration::from_nanos(self.monotonic) }
    }
}

/// What the cache gives back.
pub(crate) struct Remembered {
    pub(crate) claims: Claims,
    /// The time of day by which the token is judged: the clock's, but never earlier than the time that has passed
    /// since it was verified. A clock that is set back revives no expired token.
    pub(crate) wall: u64,
}

impl TokenCache {
    /// A cache of `max_bytes`; none for 0. `secret` keys the digest.
    pub(crate) fn new(max_bytes: u64, max_age: Duration, secret: [u8; 16]) -> Self {
        let items = usize::try_from(max_bytes / 1024).unwrap_or(usize::MAX).max(16);
        let entries = (max_bytes > 0).then(|| Cache::with(items, max_bytes, Weigh, DigestHash, Default::default()));
        TokenCache { entries, digest: KeyedDigest::new(secret), max_age }
    }

    pub(crate) fn digest(&self, token: &[u8]) -> u128 {
        self.digest.of(token)
    }

    /// False where nothing is remembered.
    pub(crate) fn is_on(&self) -> bool {
        self.entries.is_some()
    }

    /// The token of this digest, unless by one of both clocks it was verified too long ago.
    pub(crate) fn get(&self, digest: u128, now: Now) -> Option<Remembered> {
        let entry = self.entries.as_ref()?.get(&digest)?;
        let since = entry.since();
        let passed = now.monotonic.saturating_sub(since.monotonic);
        let passed_by_wall = Duration::from_secs(now.wall.saturating_sub(since.wall));
        let wall = now.not_before(since);
        let is_young = passed < self.max_age && passed_by_wall < self.max_age;
        is_young.then(|| Remembered { claims: entry.claims.presented(Scheme::Bearer), wall })
    }

    pub(crate) fn forget(&self, digest: u128) {
        if let Some(entries) = &self.entries {
            entries.remove(&digest);
        }
    }

    /// Entries and bytes held now.
    #[cfg(feature = "metrics")]
    pub(crate) fn size(&self) -> (usize, u64) {
        self.entries.as_ref().map_or((0, 0), |entries| (entries.len(), entries.weight()))
    }

    pub(crate) fn put(&self, token: &str, entry: Entry) {
        let entries = self.entries.as_ref().filter(|_| token.len() <= MAX_TOKEN);
        if let (Some(entries), Some(digest)) = (entries, entry.claims.set().digest) {
            entries.insert(digest, entry);
        }
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.entries.as_ref().map(Cache::len)).finish()
    }
}

#[derive(Clone)]
struct Weigh;

impl Weighter<u128, Entry> for Weigh {
    fn weight(&self, _: &u128, entry: &Entry) -> u64 {
        let set = entry.claims.set();
        // The members are parts of the payload, so twice its length bounds all texts of an entry.
        (ENTRY_OVERHEAD + 2 * set.payload.len() + set.granted.size()) as u64
    }
}

/// The keys are digests already: eight bytes of them are as good as any hash.
#[derive(Debug, Clone, Default)]
struct DigestHash;

struct FirstBytes(u64);

impl BuildHasher for DigestHash {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes(0)
    }
}

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, digest: u128) {
        self.0 = digest as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Texts of one alphabet and of near lengths, so that they differ in little.
        #[test]
        fn p05_two_different_texts_never_share_a_key(
            one in "[ab.]{0,40}", two in "[ab.]{0,40}", secret in any::<[u8; 16]>(),
        ) {
            let cache = TokenCache::new(1024, Duration::from_secs(1), secret);
            prop_assert_eq!(one == two, cache.digest(one.as_bytes()) == cache.digest(two.as_bytes()));
        }
    }

    #[test]
    fn the_digest_is_keyed_and_covers_the_whole_token() {
        let one = TokenCache::new(1024, Duration::from_secs(1), [1; 16]);
        let two = TokenCache::new(1024, Duration::from_secs(1), [2; 16]);
        let token = "x".repeat(2000);
        assert_eq!(one.digest(token.as_bytes()), one.digest(token.as_bytes()));
        assert_ne!(one.digest(token.as_bytes()), two.digest(token.as_bytes()));
        for place in [0, 999, 1999] {
            let mut other = token.clone();
            other.replace_range(place..=place, "y");
            assert_ne!(one.digest(token.as_bytes()), one.digest(other.as_bytes()), "{place}");
        }
        assert_ne!(one.digest(b"ab"), one.digest(b"a"));
    }
}
