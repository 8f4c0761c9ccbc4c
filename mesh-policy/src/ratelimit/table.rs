//! A word for each of a bounded number of keys, without a lock and without a pointer.
//!
//! ```text
//! hash of the key → a set of 8 slots → the slot with that hash → its word
//! ```
//!
//! A slot holds 63 bits of a keyed hash in place of the key, so that a lookup reads two cache lines and a new key
//! allocates nothing. Sets of eight bound the memory: where a key finds no slot of its own, it takes one whose
//! word says that it may be forgotten (a bucket that is full again, a window that has ended), which loses nothing.
//! If all eight are in use, the key *shares* the one that its hash names, and stays with it until that one may be
//! forgotten: what is charged to a key stands in one word at any time. So with more keys than slots some are limited
//! together; none is limited less than it should be, and memory never grows.
//!
//! Threads race for slots without waiting for each other: a word that another thread finds forgettable at the very
//! moment it is charged may be given to another key. Such a race lets one request too many through, and no more.

use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::hash::{BuildHasher, Hasher, RandomState};

const WAYS: usize = 8;

/// The bit of a slot's hash that says that other keys are charged there as well.
const SHARED: u64 = 1 << 63;

/// The most keys of a table: 256 MiB of slots.
pub(super) const MOST: usize = 1 << 24;

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
    /// For at least so many keys, up to [`MOST`].
    pub(super) fn new(keys: usize) -> Self {
        Self { sets: (0..sets(keys)).map(|_| Set::default()).collect(), hasher: RandomState::new() }
    }

    /// Begins the hash of a key; keyed by this table's own secret, so that nobody can aim at a set.
    pub(super) fn hasher(&self) -> impl Hasher + use<> {
        self.hasher.build_hasher()
    }

    /// The word that a key is charged to already: its own, or the one that it shares if all of a set were in use.
    pub(super) fn find(&self, hash: u64, debt: impl Fn(u64) -> u64) -> Option<&AtomicU64> {
        let hash = key(hash);
        let set = self.set(hash)?;
        set.find(hash, WAYS).or_else(|| {
            let (_, word, is_shared) = set.common(hash)?;
            (is_shared && debt(word.load(SeqCst)) > 0).then_some(word)
        })
    }

    fn set(&self, hash: u64) -> Option<&Set> {
        // A power of two, so that the mask keeps all sets in reach.
        let mask = self.sets.len().wrapping_sub(1) as u64;
        self.sets.get(usize::try_from((hash >> 3) & mask).ok()?)
    }

    /// The slot of a key by its hash. `debt` says of a word how much would be lost by forgetting it: nothing, if
    /// zero.
    pub(super) fn slot(&self, hash: u64, debt: impl Fn(u64) -> u64) -> Option<Slot<'_>> {
        let hash = key(hash);
        let set = self.set(hash)?;
        // Each turn means that another thread took the slot that this one wanted.
        for _ in 0..WAYS {
            if let Some(word) = set.find(hash, WAYS) {
                return Some(Slot { word, shared: false });
            }
            let (owner, word, is_shared) = set.common(hash)?;
            // What it was charged there holds as long as it would be lost.
            if is_shared && debt(word.load(SeqCst)) > 0 {
                return Some(Slot { word, shared: true });
            }
            match set.forgettable(&debt) {
                Some(at) => {
                    if let Some(word) = set.take(at, hash) {
                        return Some(Slot { word, shared: false });
                    }
                }
                None => {
                    let seen = owner.load(SeqCst);
                    if seen != 0 && owner.compare_exchange(seen, seen | SHARED, SeqCst, SeqCst).is_ok() {
                        return Some(Slot { word, shared: true });
                    }
                }
            }
        }
        let (owner, word, _) = set.common(hash)?;
        owner.fetch_or(SHARED, SeqCst);
        Some(Slot { word, shared: true })
    }
}

/// How many sets so many keys need.
fn sets(keys: usize) -> usize {
    keys.clamp(1, MOST).div_ceil(WAYS).next_power_of_two()
}

/// A key by its hash; never zero, and without the mark.
fn key(hash: u64) -> u64 {
    (hash & !SHARED).max(1)
}

/// A slot that may be taken, as it was seen.
struct Forgettable {
    at: usize,
    hash: u64,
}

impl Set {
    /// The word of a hash among the first slots.
    fn find(&self, hash: u64, before: usize) -> Option<&AtomicU64> {
        let is_its = |slot: &AtomicU64| slot.load(SeqCst) & !SHARED == hash;
        let at = self.hashes.iter().take(before).position(is_its)?;
        self.words.get(at)
    }

    /// The slot that a key shares if all are in use: its hash, its word, and whether anybody shares it.
    fn common(&self, hash: u64) -> Option<(&AtomicU64, &AtomicU64, bool)> {
        let at = usize::try_from(hash % WAYS as u64).ok()?;
        let (owner, word) = (self.hashes.get(at)?, self.words.get(at)?);
        Some((owner, word, owner.load(SeqCst) & SHARED != 0))
    }

    /// A slot that is forgotten without loss; one that nobody ever had comes first.
    fn forgettable(&self, debt: impl Fn(u64) -> u64) -> Option<Forgettable> {
        let slots = self.hashes.iter().zip(&self.words).enumerate();
        slots
            .map(|(at, (hash, word))| (Forgettable { at, hash: hash.load(SeqCst) }, word))
            .filter(|(_, word)| debt(word.load(SeqCst)) == 0)
            .map(|(slot, _)| slot)
            .min_by_key(|slot| slot.hash != 0)
    }

    /// Gives a slot to a key, unless another thread was faster.
    fn take(&self, slot: Forgettable, hash: u64) -> Option<&AtomicU64> {
        let (owner, word) = (self.hashes.get(slot.at)?, self.words.get(slot.at)?);
        owner.compare_exchange(slot.hash, hash, SeqCst, SeqCst).ok()?;
        // Two threads may bring the same key to two slots; the first of both is the one to keep.
        match self.find(hash, slot.at) {
            Some(first) => {
                let _ = owner.compare_exchange(hash, 0, SeqCst, SeqCst);
                Some(first)
            }
            None => Some(word),
        }
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
    fn a_ninth_key_shares_one_slot_until_that_owes_nothing() {
        let table = Table::new(1);
        for key in 1..=8 {
            table.slot(key << 40, |word| word).unwrap().word.store(100 - key, SeqCst);
        }
        let ninth = |debt: fn(u64) -> u64| {
            let slot = table.slot(9 << 40, debt).unwrap();
            (slot.shared, slot.word.load(SeqCst))
        };
        // The first, as its hash says, and the first key has it still.
        assert_eq!(ninth(|word| word), (true, 99));
        let first = table.slot(1 << 40, |word| word).unwrap();
        assert_eq!((first.shared, first.word.load(SeqCst)), (false, 99));
        // The eighth could be forgotten now; but what the ninth was charged stands in the first.
        assert_eq!(ninth(|word| word.saturating_sub(92)), (true, 99));
        assert_eq!(table.find(9 << 40, |word| word).unwrap().load(SeqCst), 99);
        // It stands nowhere any more: the ninth takes a slot of its own, and keeps it.
        assert!(!ninth(|word| word.saturating_sub(99)).0);
        assert!(!ninth(|word| word).0);
        assert!(table.find(10 << 40, |word| word).is_none(), "nobody was ever charged there for it");
    }

    #[test]
    fn no_number_of_keys_is_too_many_to_ask_for() {
        assert_eq!((sets(0), sets(9), sets(usize::MAX)), (1, 2, MOST / WAYS));
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

    #[test]
    fn who_shares_a_slot_and_who_has_it_are_charged_in_one_word() {
        loom::model(|| {
            let table = Arc::new(Table::new(1));
            for key in 1..=8 {
                table.slot(key << 40, |word| word).unwrap().word.store(1, SeqCst);
            }
            let other = {
                let table = Arc::clone(&table);
                thread::spawn(move || {
                    let slot = table.slot(9 << 40, |word| word).unwrap();
                    assert!(slot.shared);
                    slot.word.fetch_add(1, SeqCst);
                })
            };
            table.slot(1 << 40, |word| word).unwrap().word.fetch_add(1, SeqCst);
            other.join().unwrap();
            for key in [1, 9] {
                assert_eq!(table.find(key << 40, |word| word).unwrap().load(SeqCst), 3);
            }
        });
    }
}
