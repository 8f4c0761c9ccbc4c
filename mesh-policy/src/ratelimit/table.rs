//! A word for each of a bounded number of keys, without a lock and without a pointer.
//!
//! ```text
//! hash of the key → a set of 8 slots → the slot with that hash → its word
//! ```
//!
//! A slot holds 64 bits of a keyed hash in place of the key, so that a lookup reads two cache lines and a new key
//! allocates nothing. Sets of eight bound the memory: where a key finds no slot of its own, it takes one whose
//! word says that it may be forgotten (a bucket that is full again, a window that has ended), which loses nothing.
//! If all eight are in use, the key *shares* the one that is nearest to that. So with more keys than slots some are
//! limited together; none is limited less than it should be by those that come new, and memory never grows.

use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::hash::{BuildHasher, Hasher, RandomState};

const WAYS: usize = 8;

/// Cache-line sized halves: eight hashes, then their eight words.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Set {
    /// Zero is a slot that was never used.
    hashes: [AtomicU64; WAYS],
    words: [AtomicU64; WAYS],
}

/// A bounded map from keys to words.
#[derive(Debug)]
pub(super) struct Table {
    sets: Box<[Set]>,
    hasher: RandomState,
}

/// A slot that a key has, or has to share.
pub(super) struct Slot<'t> {
    pub(super) word: &'t AtomicU64,
    /// Another key has the slot as well, since there were too many.
    pub(super) shared: bool,
}

impl Table {
    /// For at least so many keys.
    pub(super) fn new(keys: usize) -> Self {
        let sets = keys.max(1).div_ceil(WAYS).next_power_of_two();
        Self { sets: (0..sets).map(|_| Set::default()).collect(), hasher: RandomState::new() }
    }

    /// Begins the hash of a key; keyed by this table's own secret, so that nobody can aim at a set.
    pub(super) fn hasher(&self) -> impl Hasher + use<> {
        self.hasher.build_hasher()
    }

    /// The word of a key that has a slot.
    pub(super) fn find(&self, hash: u64) -> Option<&AtomicU64> {
        let hash = hash.max(1);
        self.set(hash)?.find(hash, WAYS)
    }

    fn set(&self, hash: u64) -> Option<&Set> {
        // A power of two, so that the mask keeps all sets in reach.
        let mask = self.sets.len().wrapping_sub(1) as u64;
        self.sets.get(usize::try_from((hash >> 3) & mask).ok()?)
    }

    /// The slot of a key by its hash. `debt` says of a word how much would be lost by forgetting it: nothing, if
    /// zero.
    pub(super) fn slot(&self, hash: u64, debt: impl Fn(u64) -> u64) -> Option<Slot<'_>> {
        let hash = hash.max(1);
        let set = self.set(hash)?;
        // Each turn means that another thread took the slot that this one wanted.
        for _ in 0..WAYS {
            if let Some(word) = set.find(hash, WAYS) {
                return Some(Slot { word, shared: false });
            }
            let (at, old, owed) = set.cheapest(&debt)?;
            let (slot, word) = (set.hashes.get(at)?, set.words.get(at)?);
            if owed > 0 {
                return Some(Slot { word, shared: true });
            }
            if slot.compare_exchange(old, hash, SeqCst, SeqCst).is_ok() {
                // Two threads may bring the same key to two slots; the first of both is the one to keep.
                if let Some(first) = set.find(hash, at) {
                    let _ = slot.compare_exchange(hash, 0, SeqCst, SeqCst);
                    return Some(Slot { word: first, shared: false });
                }
                return Some(Slot { word, shared: false });
            }
        }
        Some(Slot { word: set.words.first()?, shared: true })
    }
}

impl Set {
    /// The word of a hash among the first slots.
    fn find(&self, hash: u64, before: usize) -> Option<&AtomicU64> {
        let at = self.hashes.iter().take(before).position(|slot| slot.load(SeqCst) == hash)?;
        self.words.get(at)
    }

    /// The slot that is forgotten with the least loss: its place, its hash, and the loss.
    fn cheapest(&self, debt: impl Fn(u64) -> u64) -> Option<(usize, u64, u64)> {
        let slots = self.hashes.iter().zip(&self.words).enumerate();
        slots
            .map(|(at, (hash, word))| (at, hash.load(SeqCst), debt(word.load(SeqCst))))
            // A slot that nobody ever had comes first.
            .min_by_key(|(_, hash, owed)| (*owed, *hash != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::sync::Arc;

    proptest! {
        /// As long as nothing must be shared, a table is a map; and what is in use is never forgotten.
        #[test]
        fn a_table_is_a_map_until_it_must_share(keys in proptest::collection::vec(1_u64..40, 1..200)) {
            let table = Table::new(1024);
            let mut model = HashMap::new();
            for key in keys {
                // Keys of one set, and few enough for it.
                let hash = (key % WAYS as u64 + 1) << 40;
                let slot = table.slot(hash, |word| word).unwrap();
                prop_assert!(!slot.shared);
                let want = model.entry(hash).or_insert(0_u64);
                prop_assert_eq!(slot.word.fetch_add(1, SeqCst), *want);
                *want += 1;
            }
        }
    }

    #[test]
    fn a_ninth_key_shares_the_slot_that_is_nearest_to_free() {
        let table = Table::new(1);
        for key in 1..=8 {
            table.slot(key << 40, |word| word).unwrap().word.store(100 - key, SeqCst);
        }
        let ninth = table.slot(9 << 40, |word| word).unwrap();
        assert_eq!((ninth.shared, ninth.word.load(SeqCst)), (true, 92));
        // Its eighth key is forgotten once that loses nothing.
        let ninth = table.slot(9 << 40, |word| word.saturating_sub(92)).unwrap();
        assert!(!ninth.shared);
        assert!(!table.slot(9 << 40, |word| word).unwrap().shared);
        assert!(table.slot(8 << 40, |word| word).unwrap().shared);
    }

    #[test]
    fn threads_that_bring_a_key_at_once_get_one_slot() {
        for round in 1..200_u64 {
            let table = Arc::new(Table::new(64));
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let table = Arc::clone(&table);
                    std::thread::spawn(move || {
                        table.slot(round << 32, |word| word).unwrap().word.fetch_add(1, SeqCst);
                    })
                })
                .collect();
            threads.into_iter().for_each(|t| t.join().unwrap());
            assert_eq!(table.slot(round << 32, |word| word).unwrap().word.load(SeqCst), 4);
        }
    }
}

#[cfg(all(test, loom))]
mod loom {
    use super::Table;
    use loom::sync::Arc;
    use loom::sync::atomic::Ordering::SeqCst;
    use loom::thread;

    #[test]
    fn a_key_that_two_threads_bring_at_once_has_one_slot() {
        loom::model(|| {
            let table = Arc::new(Table::new(1));
            let bring = |table: &Table| {
                table.slot(1 << 40, |word| word).unwrap().word.fetch_add(1, SeqCst);
            };
            let other = {
                let table = Arc::clone(&table);
                thread::spawn(move || bring(&table))
            };
            bring(&table);
            other.join().unwrap();
            assert_eq!(table.slot(1 << 40, |word| word).unwrap().word.load(SeqCst), 2);
        });
    }
}
