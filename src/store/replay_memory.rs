//! The replay store of one process: bounded, exact, and nothing is forgotten early.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::replay::{ReplayAnswer, ReplayEntry, ReplayError, ReplayStore};
use crate::clock::Now;

/// How many parts share the entries, each behind a lock of its own.
const SHARDS: usize = 16;

/// How many entries one call clears away at most in one part, so that no call pays for all.
const CLEARED_AT_ONCE: usize = 16;

/// Proofs in the memory of this process, by their digests.
///
/// **For a service that is one process.** A proof passes once per store: several instances behind one name each need to
/// see what the others saw, through a [`ReplayStore`] that they share.
///
/// Holds 100,000 entries at most, 10,000 of one client: with the default window of some 6 minutes 300 requests a second,
/// 30 of one client. A client beyond its share gets 429, and nobody else notices. When all room is taken, new proofs get
/// 503: nothing is forgotten early, because what is forgotten can be sent again. About 30 MB when full.
///
/// An entry lives until the proof can no longer pass, by the time of day and by the time that has passed: a clock that
/// is set back or ahead lets nothing through twice. What has ended is cleared away a little at each call.
///
/// # Example
/// ```
/// # use tower_bearer::InMemoryReplayStore;
/// let store = InMemoryReplayStore::new();
/// let larger = InMemoryReplayStore::with_bounds(1_000_000, 50_000);
/// assert!(store.is_empty() && larger.is_empty());
/// ```
pub struct InMemoryReplayStore {
    shards: [Mutex<Shard>; SHARDS],
    entries: AtomicUsize,
    max_entries: usize,
    max_per_client: usize,
}

/// Enough of a SHA-256 to tell entries apart: whoever can find two of one value harms only himself.
type Digest = u128;

/// When an entry ends, in seconds of either clock. Ordered by the time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    wall: u64,
    monotonic: u64,
}

impl End {
    fn of(entry: &ReplayEntry) -> Self {
        let monotonic = entry.now.monotonic.saturating_add(entry.ttl());
        End {
            wall: entry.expires_at,
            monotonic: monotonic.as_secs().saturating_add(u64::from(monotonic.subsec_nanos() > 0)),
        }
    }

    fn has_come(self, now: Now) -> bool {
        self.wall <= now.wall && self.monotonic <= now.monotonic.as_secs()
    }
}

/// The entries of some clients. All of one client are in one shard.
#[derive(Default)]
struct Shard {
    proofs: HashSet<Digest>,
    clients: HashMap<Digest, Ends>,
    /// Every client once, by when its first entry ends.
    due: BTreeSet<(End, Digest)>,
}

/// When the entries of one client end, the first first.
type Ends = BinaryHeap<Reverse<(End, Digest)>>;

impl InMemoryReplayStore {
    /// 100,000 entries, 10,000 of one client.
    pub fn new() -> Self {
        InMemoryReplayStore::with_bounds(100_000, 10_000)
    }

    /// Other bounds. The first is for all clients together, the second for one; 0 lets nothing through.
    pub fn with_bounds(max_entries: usize, max_per_client: usize) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        InMemoryReplayStore { shards, entries: AtomicUsize::new(0), max_entries, max_per_client }
    }

    /// Entries held now, ended ones that are not cleared away yet included.
    pub fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// True if nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn put(&self, entry: &ReplayEntry) -> Result<(), ReplayError> {
        let client = shorten(&entry.client);
        let shard = self.shards.get(client as usize % SHARDS).ok_or(ReplayError::Unavailable)?;
        match self.put_into(&mut lock(shard), client, entry) {
            Err(ReplayError::Full) => {}
            result => return result,
        }
        // Without the lock of the own shard, so that two calls never wait for one another.
        for other in &self.shards {
            self.clear(&mut lock(other), entry.now);
        }
        self.put_into(&mut lock(shard), client, entry)
    }

    fn put_into(&self, shard: &mut Shard, client: Digest, entry: &ReplayEntry) -> Result<(), ReplayError> {
        self.clear(shard, entry.now);
        self.discount(shard.clear_client(client, entry.now));
        let proof = shorten(&entry.proof);
        if shard.proofs.contains(&proof) {
            return Err(ReplayError::Seen);
        }
        if shard.clients.get(&client).map_or(0, Ends::len) >= self.max_per_client {
            return Err(ReplayError::TooMany);
        }
        let room = |held: usize| (held < self.max_entries).then_some(held + 1);
        self.entries.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).map_err(|_| ReplayError::Full)?;
        shard.proofs.insert(proof);
        shard.change(client, |ends, _| ends.push(Reverse((End::of(entry), proof))));
        Ok(())
    }

    fn clear(&self, shard: &mut Shard, now: Now) {
        self.discount(shard.clear(now));
    }

    fn discount(&self, cleared: usize) {
        self.entries.fetch_sub(cleared, Ordering::Relaxed);
    }
}

impl Shard {
    /// Clears some of what has ended; the number of entries cleared. None only if nothing has ended.
    fn clear(&mut self, now: Now) -> usize {
        let mut cleared = 0;
        while let Some(&(end, client)) = self.due.first() {
            if cleared >= CLEARED_AT_ONCE || !end.has_come(now) {
                break;
            }
            cleared += self.clear_client(client, now);
        }
        cleared
    }

    /// The same for one client.
    fn clear_client(&mut self, client: Digest, now: Now) -> usize {
        self.change(client, |ends, proofs| {
            let mut cleared = 0;
            while cleared < CLEARED_AT_ONCE
                && let Some(Reverse((end, proof))) = ends.peek()
                && end.has_come(now)
            {
                proofs.remove(proof);
                ends.pop();
                cleared += 1;
            }
            cleared
        })
    }

    /// Changes the entries of a client, and notes anew when the first of them ends.
    fn change<T>(&mut self, client: Digest, change: impl FnOnce(&mut Ends, &mut HashSet<Digest>) -> T) -> T {
        let ends = self.clients.entry(client).or_default();
        let first = |ends: &Ends| ends.peek().map(|Reverse((end, _))| *end);
        let before = first(ends);
        let result = change(ends, &mut self.proofs);
        let after = first(ends);
        if before != after {
            before.map(|end| self.due.remove(&(end, client)));
            after.map(|end| self.due.insert((end, client)));
        }
        if after.is_none() {
            self.clients.remove(&client);
        }
        result
    }
}

impl ReplayStore for InMemoryReplayStore {
    fn put_if_absent(&self, entry: ReplayEntry) -> ReplayAnswer {
        ReplayAnswer::Now(self.put(&entry))
    }
}

impl Default for InMemoryReplayStore {
    fn default() -> Self {
        InMemoryReplayStore::new()
    }
}

impl fmt::Debug for InMemoryReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryReplayStore").field("entries", &self.len()).finish_non_exhaustive()
    }
}

fn shorten(digest: &[u8; 32]) -> Digest {
    digest.first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes))
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::{Duration, Instant};

    use super::*;
    use proptest::prelude::*;

    const LIFE: u64 = 331;

    fn at(seconds: u64) -> Now {
        Now { wall: 1_800_000_000 + seconds, monotonic: Duration::from_secs(1000 + seconds) }
    }

    /// The `number`th proof of a client, made at the moment it is sent.
    fn proof(client: u32, number: u32, now: Now) -> ReplayEntry {
        let digest = |text: String| crate::verify::crypto::sha256(text.as_bytes());
        let (client, proof) = (digest(format!("{client}")), digest(format!("{client} {number}")));
        ReplayEntry { proof, client, now, expires_at: now.wall + LIFE }
    }

    /// A proof that was made earlier, sent now.
    fn again(entry: &ReplayEntry, now: Now) -> ReplayEntry {
        ReplayEntry { now, ..entry.clone() }
    }

    #[test]
    fn s9_05_c9449_11_1_b_an_entry_lives_exactly_as_long_as_its_proof_can_pass() {
        let store = InMemoryReplayStore::new();
        // Made 30 s ahead, so it stays longer than one made now.
        let ahead = ReplayEntry { expires_at: at(30).wall + LIFE, ..proof(1, 1, at(0)) };
        assert_eq!(store.put(&ahead), Ok(()));
        for seconds in [0, 1, 300, 325, LIFE, LIFE + 29] {
            assert_eq!(store.put(&again(&ahead, at(seconds))), Err(ReplayError::Seen), "{seconds}");
        }
        assert_eq!(store.put(&again(&ahead, at(LIFE + 30))), Ok(()));
    }

    #[test]
    fn c9449_11_1_b_a_clock_that_is_set_lets_nothing_through_twice() {
        let store = InMemoryReplayStore::new();
        let entry = proof(1, 1, at(0));
        assert_eq!(store.put(&entry), Ok(()));
        let late = Now { wall: at(4000).wall, ..at(10) };
        assert_eq!(store.put(&proof(1, 2, late)), Ok(()));
        assert_eq!(store.put(&again(&entry, at(20))), Err(ReplayError::Seen), "set ahead and back");
        let early = Now { wall: at(0).wall, ..at(4000) };
        assert_eq!(store.put(&again(&entry, early)), Err(ReplayError::Seen), "set back");
    }

    #[test]
    fn r71_s9_06_c9449_11_1_c_a_full_store_refuses_what_is_new_and_forgets_nothing() {
        let store = InMemoryReplayStore::new();
        for number in 0..100_000 {
            assert_eq!(store.put(&proof(number % 1000, number, at(0))), Ok(()), "{number}");
        }
        assert_eq!(store.put(&proof(7, 100_000, at(10))), Err(ReplayError::Full));
        assert_eq!(store.put(&proof(5000, 0, at(10))), Err(ReplayError::Full));
        for number in (0..100_000).step_by(97) {
            assert_eq!(store.put(&proof(number % 1000, number, at(10))), Err(ReplayError::Seen), "{number}");
        }
        assert_eq!(store.len(), 100_000);
        // Once they have ended there is room at once, wherever the first one to come belongs.
        assert_eq!(store.put(&proof(5000, 0, at(LIFE))), Ok(()));
        assert_eq!(store.put(&proof(5001, 0, at(LIFE))), Ok(()));
    }

    #[test]
    fn s9_06_c9449_11_1_c_a_client_that_floods_reaches_its_bound_and_locks_nobody_out() {
        let store = InMemoryReplayStore::new();
        let first = proof(1, 0, at(0));
        for number in 0..10_000 {
            assert_eq!(store.put(&proof(1, number, at(0))), Ok(()), "{number}");
        }
        for number in 10_000..10_200 {
            assert_eq!(store.put(&proof(1, number, at(5))), Err(ReplayError::TooMany), "{number}");
        }
        assert_eq!(store.put(&again(&first, at(5))), Err(ReplayError::Seen));
        for client in 2..2000 {
            assert_eq!(store.put(&proof(client, 0, at(5))), Ok(()), "{client}");
        }
        assert_eq!(store.put(&proof(1, 10_200, at(LIFE - 1))), Err(ReplayError::TooMany));
        assert_eq!(store.put(&proof(1, 10_200, at(LIFE))), Ok(()));
    }

    #[test]
    fn c9449_11_1_c_what_has_ended_is_cleared_away_in_small_pieces() {
        let store = InMemoryReplayStore::new();
        for number in 0..50_000 {
            store.put(&proof(number % 40, number, at(u64::from(number % 100)))).unwrap();
        }
        let mut longest = Duration::ZERO;
        let mut held = store.len();
        for number in 0..8000 {
            let entry = proof(number % 400, 50_000 + number, at(1000));
            let begun = Instant::now();
            store.put(&entry).unwrap();
            longest = longest.max(begun.elapsed());
            assert!(held + 1 - store.len() <= 3 * CLEARED_AT_ONCE, "{held} {}", store.len());
            held = store.len();
        }
        assert_eq!(held, 8000, "only what is live is left");
        assert!(longest < Duration::from_millis(50), "{longest:?}");
        for shard in &store.shards {
            let shard = lock(shard);
            let entries: usize = shard.clients.values().map(Ends::len).sum();
            assert_eq!((shard.proofs.len(), shard.due.len()), (entries, shard.clients.len()));
        }
    }

    #[test]
    fn s9_03_c9449_11_1_e_of_64_equal_proofs_at_once_exactly_one_passes() {
        let store = InMemoryReplayStore::new();
        for round in 0..200 {
            let entry = proof(round % 3, round, at(0));
            let start = Barrier::new(64);
            let passed: usize = std::thread::scope(|scope| {
                let send = || {
                    start.wait();
                    usize::from(store.put(&entry).is_ok())
                };
                let calls: Vec<_> = (0..64).map(|_| scope.spawn(send)).collect();
                calls.into_iter().map(|call| call.join().unwrap()).sum()
            });
            assert_eq!(passed, 1, "round {round}");
        }
    }

    #[test]
    fn the_bound_holds_for_all_parts_together_while_many_fill_them() {
        let store = InMemoryReplayStore::with_bounds(500, 500);
        let passed: usize = std::thread::scope(|scope| {
            let store = &store;
            let fill = |thread: u32| {
                move || (0..200).filter(|number| store.put(&proof(thread * 1000 + number, 0, at(0))).is_ok()).count()
            };
            let threads: Vec<_> = (0..8).map(|thread| scope.spawn(fill(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((passed, store.len()), (500, 500));
    }

    proptest! {
        /// Against a plain list, for any order of clients, proofs and moments.
        #[test]
        fn p21_each_proof_passes_once_while_it_lives(
            calls in prop::collection::vec((0..4u32, 0..6u32, 0..90u64), 1..120),
        ) {
            let store = InMemoryReplayStore::with_bounds(12, 5);
            let mut held: Vec<(u32, u32, u64)> = Vec::new();
            let mut now = 0;
            for (client, number, passed) in calls {
                now += passed;
                held.retain(|(_, _, until)| *until > now);
                let of_client = held.iter().filter(|(other, ..)| *other == client).count();
                let expected = if held.iter().any(|(one, other, _)| (*one, *other) == (client, number)) {
                    Err(ReplayError::Seen)
                } else if of_client >= 5 {
                    Err(ReplayError::TooMany)
                } else if held.len() >= 12 {
                    Err(ReplayError::Full)
                } else {
                    held.push((client, number, now + LIFE));
                    Ok(())
                };
                prop_assert_eq!(store.put(&proof(client, number, at(now))), expected);
            }
        }
    }
}
