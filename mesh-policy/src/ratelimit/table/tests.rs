use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

/// Words that are moments; what lies ahead of now would be lost.
pub(super) struct At(pub(super) u64);

impl Words for At {
    fn debt(&self, word: u64) -> u64 {
        word.saturating_sub(self.0)
    }

    fn both(&self, one: u64, other: u64) -> u64 {
        one.max(self.0) + self.debt(other)
    }
}

/// Adds to what a key was charged; what that was before, and whether the slot is shared.
pub(super) fn add(table: &Table, hash: u64, now: u64, much: u64) -> (u64, bool) {
    let more = |word: &AtomicU64| word.fetch_update(SeqCst, SeqCst, |word| Some(word.max(now) + much));
    let less = |word: &AtomicU64| {
        let _ = word.fetch_update(SeqCst, SeqCst, |word| Some(word.saturating_sub(much)));
    };
    let (slot, old) = table.charge(hash, &At(now), more, less).unwrap();
    (old.unwrap(), slot.shared)
}

pub(super) fn word(table: &Table, hash: u64) -> Option<u64> {
    Some(table.find(hash, &At(0))?.word.load(SeqCst))
}

proptest! {
    /// As long as nothing must be shared, a table is a map; and what is in use is never forgotten.
    #[test]
    fn a_table_is_a_map_until_it_must_share(keys in proptest::collection::vec(1_u64..40, 1..200)) {
        let table = Table::new(1024);
        let mut model = HashMap::new();
        for key in keys {
            // Keys of one set, and few enough for it.
            let hash = (key % WAYS as u64 + 1) << 40;
            let want = model.entry(hash).or_insert(0_u64);
            prop_assert_eq!(add(&table, hash, 0, 1), (*want, false));
            *want += 1;
        }
    }
}

#[test]
fn a_ninth_key_shares_one_slot_until_that_owes_nothing() {
    let table = Table::new(1);
    for key in 1..=8 {
        add(&table, key << 40, 0, 100 - key);
    }
    let ninth = |now: u64| add(&table, 9 << 40, now, 0);
    // The first, as its hash says, and the first key has it still.
    assert_eq!(ninth(0), (99, true));
    assert_eq!(add(&table, 1 << 40, 0, 0), (99, false));
    // The eighth could be forgotten now; but what the ninth was charged stands in the first.
    assert_eq!(ninth(92), (99, true));
    assert_eq!(word(&table, 9 << 40), Some(99));
    // It stands nowhere any more: the ninth takes a slot of its own, and keeps it.
    assert!(!ninth(99).1);
    assert!(!ninth(0).1);
    assert_eq!(word(&table, 10 << 40), None, "nobody was ever charged there for it");
}

#[test]
fn no_number_of_keys_is_too_many_to_ask_for() {
    assert_eq!((sets(0), sets(9), sets(usize::MAX)), (1, 2, MOST / WAYS));
}

#[test]
fn a_key_that_came_to_two_slots_is_added_up_in_the_first() {
    let set = Set::default();
    for (at, (owner, word)) in [(7, 10), (9, 20), (7 | SHARED, 30), (7, 40), (7, 3)].into_iter().enumerate() {
        set.hashes[at].store(owner, SeqCst);
        set.words[at].store(word, SeqCst);
    }
    set.settle(7, &At(5));
    // 5 before each of them was no debt any more. What was charged stays where it was until it is none.
    let slots: Vec<_> = set.slots().map(|slot| (slot.owner.load(SeqCst), slot.word.load(SeqCst))).collect();
    assert_eq!(slots[..5], [(7, 10 + 25 + 35), (9, 20), (SHARED, 30), (0, 40), (0, 3)]);
}

#[test]
fn threads_that_bring_keys_at_once_lose_no_charge() {
    for round in 1..200_u64 {
        let table = Arc::new(Table::new(8));
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let table = Arc::clone(&table);
                std::thread::spawn(move || {
                    for _ in 0..4 {
                        add(&table, round << 32, 0, 1);
                        // A set of eight, which more keys want.
                        add(&table, (round + 1 + thread) << 32, 0, 1);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert!((16..=20).contains(&word(&table, round << 32).unwrap()), "{table:?}");
    }
}

#[test]
fn a_charge_in_a_slot_that_is_not_the_keys_any_more_is_taken_back_and_made_anew() {
    let table = Table::new(1);
    add(&table, 1 << 40, 0, 10);
    let set = &table.sets[0];
    let taken = std::cell::Cell::new(false);
    let charge = |word: &AtomicU64| {
        // Between look-up and charge, the slot is given to another key.
        if !taken.replace(true) {
            set.hashes[0].store(2 << 40, SeqCst);
        }
        Ok::<_, Infallible>(word.fetch_add(5, SeqCst))
    };
    let undo = |word: &AtomicU64| {
        word.fetch_sub(5, SeqCst);
    };
    let _ = table.charge(1 << 40, &At(0), charge, undo);
    assert_eq!((word(&table, 2 << 40), word(&table, 1 << 40)), (Some(10), Some(5)));
}
