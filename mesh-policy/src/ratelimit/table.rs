//! A word for each of a bounded number of keys, without a lock and without a pointer.
//!
//! ```text
//! hash of the key → a set of 8 slots → the slot with that hash → its word
//! ```
//!
//! A slot holds 62 bits of a keyed hash in place of the key, so that a lookup reads two cache lines and a new key
//! allocates nothing. Sets of eight bound the memory: where a key finds no slot of its own, it takes one whose
//! word says that it may be forgotten (a bucket that is full again, a window that has ended), which loses nothing.
//! If all eight are in use, the key *shares* the one that its hash names, and stays with it until that one may be
//! forgotten: what is charged to a key stands in one word at any time. So with more keys than slots some are limited
//! together; none is limited less than it should be, and memory never grows.
//!
//! Threads race for slots without waiting for each other, and what they charge is not lost:
//!
//! - Who takes a slot marks it as *coming* first, and nobody finds the key there yet. If the key has come to another
//!   slot meanwhile, or is charged where it shares one, or what was in the slot was charged after all, the slot is
//!   what it was. Else the key has it.
//! - Two threads may bring one key to two slots even so, as they read different times and would forget different
//!   slots. Each looks again when its key has come; what the later slot was charged is added to the first, and the
//!   later one is free once it owes nothing.
//! - Who has charged a word looks whether the key still stands there. If not, it takes the charge back and charges
//!   anew.
//!
//! At the worst, a request that was charged while its slot was cleared away counts twice.

use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::hash::{BuildHasher, Hasher, RandomState};

/// Under loom no more than threads can quarrel about.
const WAYS: usize = if cfg!(loom) { 2 } else { 8 };

/// How often a thread tries again where others were faster, or are on their way to a slot.
const TURNS: usize = 8;

/// The bit of a slot's hash that says that other keys are charged there as well.
const SHARED: u64 = 1 << 63;

/// The bit of a slot's hash that says that the key is on its way there.
const COMING: u64 = 1 << 62;

/// The most keys of a table: 256 MiB of slots.
pub(super) const MOST: usize = 1 << 24;

/// What the words of a table say.
pub(super) trait Words {
    /// How much would be lost by forgetting a word: nothing, if zero.
    fn debt(&self, word: u64) -> u64;

    /// The word of a key that was charged in two.
    fn both(&self, one: u64, other: u64) -> u64;
}

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
#[derive(Clone, Copy)]
pub(super) struct Slot<'t> {
    owner: &'t AtomicU64,
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

    /// Charges a key, by its hash, in the word of its slot. `undo` takes a charge back from a word that was not the
    /// key's any more.
    #[inline]
    pub(super) fn charge<'t, T, E>(
        &'t self,
        hash: u64,
        words: &impl Words,
        charge: impl Fn(&'t AtomicU64) -> Result<T, E>,
        undo: impl Fn(&'t AtomicU64),
    ) -> Option<(Slot<'t>, Result<T, E>)> {
        let hash = key(hash);
        let set = self.set(hash)?;
        // Again where another thread took the slot in that moment.
        for _ in 0..TURNS {
            let slot = set.slot(hash, words)?;
            let charged = charge(slot.word);
            if set.stands(hash, &slot) {
                return Some((slot, charged));
            }
            if charged.is_ok() {
                undo(slot.word);
            }
        }
        let slot = set.slot(hash, words)?;
        Some((slot, charge(slot.word)))
    }

    /// The slot that a key is charged in already: its own, or the one that it shares if all of a set were in use.
    pub(super) fn find(&self, hash: u64, words: &impl Words) -> Option<Slot<'_>> {
        let hash = key(hash);
        let set = self.set(hash)?;
        set.find(hash).or_else(|| set.common(hash).filter(|common| common.shared && common.owes(words)))
    }

    fn set(&self, hash: u64) -> Option<&Set> {
        // A power of two, so that the mask keeps all sets in reach.
        let mask = self.sets.len().wrapping_sub(1) as u64;
        self.sets.get(usize::try_from((hash >> 3) & mask).ok()?)
    }
}

/// How many sets so many keys need.
fn sets(keys: usize) -> usize {
    keys.clamp(1, MOST).div_ceil(WAYS).next_power_of_two()
}

/// A key by its hash; never zero, and without the marks.
fn key(hash: u64) -> u64 {
    (hash & !(SHARED | COMING)).max(1)
}

/// Orders what this thread wrote before what it reads next, as `SeqCst` does by itself; loom knows fences only.
fn order() {
    #[cfg(loom)]
    crate::sync::atomic::fence(SeqCst);
}

impl Slot<'_> {
    fn owes(&self, words: &impl Words) -> bool {
        words.debt(self.word.load(SeqCst)) > 0
    }

    fn is_of(&self, hash: u64) -> bool {
        self.owner.load(SeqCst) & !SHARED == hash
    }
}

impl Set {
    fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        let each = self.hashes.iter().zip(&self.words);
        each.map(|(owner, word)| Slot { owner, word, shared: false })
    }

    /// The slot that a key has.
    fn find(&self, hash: u64) -> Option<Slot<'_>> {
        self.slots().find(|slot| slot.is_of(hash))
    }

    /// The slot that a key shares if all are in use, and whether anybody shares it.
    fn common(&self, hash: u64) -> Option<Slot<'_>> {
        let at = usize::try_from(hash % WAYS as u64).ok()?;
        let (owner, word) = (self.hashes.get(at)?, self.words.get(at)?);
        Some(Slot { owner, word, shared: owner.load(SeqCst) & SHARED != 0 })
    }

    /// The slot to charge a key in.
    #[inline]
    fn slot(&self, hash: u64, words: &impl Words) -> Option<Slot<'_>> {
        self.find(hash).or_else(|| self.bring(hash, words))
    }

    #[inline(never)]
    fn bring(&self, hash: u64, words: &impl Words) -> Option<Slot<'_>> {
        for _ in 0..TURNS {
            let common = self.common(hash)?;
            // What it was charged there holds as long as it would be lost.
            if common.shared && common.owes(words) {
                return Some(common);
            }
            match self.forgettable(words) {
                Some((slot, seen)) => self.take(slot, seen, hash, words),
                None => {
                    let seen = common.owner.load(SeqCst);
                    let is_used = seen & !SHARED != 0 || common.owes(words);
                    if is_used && common.owner.compare_exchange(seen, seen | SHARED, SeqCst, SeqCst).is_ok() {
                        return Some(Slot { shared: true, ..common });
                    }
                }
            }
            if let Some(slot) = self.find(hash) {
                return Some(slot);
            }
        }
        let common = self.common(hash)?;
        common.owner.fetch_or(SHARED, SeqCst);
        Some(Slot { shared: true, ..common })
    }

    /// A slot that is forgotten without loss, and whose it was seen to be; one that nobody ever had comes first.
    fn forgettable(&self, words: &impl Words) -> Option<(Slot<'_>, u64)> {
        self.slots()
            .map(|slot| (slot, slot.owner.load(SeqCst)))
            .filter(|(slot, seen)| seen & COMING == 0 && !slot.owes(words))
            .min_by_key(|(_, seen)| *seen != 0)
    }

    /// Brings a key to a slot, unless another thread was faster, there or elsewhere.
    fn take(&self, slot: Slot<'_>, seen: u64, hash: u64, words: &impl Words) {
        let coming = hash | COMING;
        if slot.owner.compare_exchange(seen, coming, SeqCst, SeqCst).is_err() {
            return;
        }
        order();
        let elsewhere = self.find(hash).is_some()
            || self.common(hash).is_some_and(|common| common.shared && common.owes(words));
        let becomes = if elsewhere || slot.owes(words) { seen } else { hash };
        // Nobody takes a slot from who is coming; but it may be shared by now.
        let arrive = |now: u64| (now & !SHARED == coming).then_some(becomes | now & SHARED);
        let _ = slot.owner.fetch_update(SeqCst, SeqCst, arrive);
        order();
        // Who found no slot while this one was on its way to another key was charged where it shares one: the key that
        // came, or the one that has its slot back.
        let owner = becomes & !SHARED;
        let another = self.common(owner).filter(|common| !std::ptr::eq(common.word, slot.word));
        if let Some(common) = another.filter(|common| owner != 0 && common.shared && common.owes(words)) {
            let owed = common.word.load(SeqCst);
            let _ = slot.word.fetch_update(SeqCst, SeqCst, |word| Some(words.both(word, owed)));
        }
        self.settle(owner, words);
    }

    /// Adds up what a key was charged in several slots, in the first of them.
    fn settle(&self, hash: u64, words: &impl Words) {
        // Again where the first slot was taken in that moment.
        for _ in 0..TURNS {
            let mut of_key = self.slots().filter(|slot| slot.is_of(hash));
            let Some(first) = of_key.next().filter(|_| hash != 0) else { return };
            if of_key.all(|later| self.add_up(first, later, hash, words)) {
                return;
            }
        }
    }

    /// Moves a key's debt from one slot to another; whether the key has that one still.
    fn add_up(&self, first: Slot<'_>, later: Slot<'_>, hash: u64, words: &impl Words) -> bool {
        // Whoever clears the slot moves its debt, and nobody else.
        let clear = |now: u64| (now & !SHARED == hash).then_some(now & SHARED);
        if later.owner.fetch_update(SeqCst, SeqCst, clear).is_err() {
            return true;
        }
        order();
        // The word stays as it is, for those who share the slot, and so that nobody else takes the slot while it says
        // something: a charge that is taken back from there was made there.
        let owed = later.word.load(SeqCst);
        if words.debt(owed) == 0 {
            return true;
        }
        let _ = first.word.fetch_update(SeqCst, SeqCst, |word| Some(words.both(word, owed)));
        order();
        if first.is_of(hash) {
            return true;
        }
        let again = |now: u64| (now & !SHARED == 0).then_some(hash | now & SHARED);
        let _ = later.owner.fetch_update(SeqCst, SeqCst, again);
        order();
        false
    }

    /// Whether what was charged in a slot was charged to the key.
    #[inline]
    fn stands(&self, hash: u64, slot: &Slot<'_>) -> bool {
        order();
        match slot.shared {
            false => slot.is_of(hash),
            // Until it has a slot of its own, or is on its way there.
            true => {
                slot.owner.load(SeqCst) & SHARED != 0
                    && !self.hashes.iter().any(|owner| owner.load(SeqCst) & !(SHARED | COMING) == hash)
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom;
#[cfg(test)]
mod tests;
