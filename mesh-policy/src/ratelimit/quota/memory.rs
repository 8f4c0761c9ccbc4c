//! Counts of this process, in bounded memory and without a lock.

use super::store::{Charge, Charged, Store, weighted};
use crate::BoxError;
use crate::ratelimit::table::{Slot, Table, Words};
use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::future::{Ready, ready};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Counts of this process; clones share them.
///
/// A count takes 16 bytes. With more counts in use than there is room for, some callers share one; see
/// [`LocalRateLimitLayer`](crate::ratelimit::LocalRateLimitLayer), whose table it is.
#[derive(Clone, Debug)]
pub struct MemoryStore(Arc<Table>);

impl MemoryStore {
    /// For at least so many counts, of 16,777,216 at most; a caller has one for each quota, and two where the window
    /// slides.
    pub fn new(counts: usize) -> Self {
        Self(Arc::new(Table::new(counts)))
    }

    fn hash(&self, key: &str) -> u64 {
        let mut hasher = self.0.hasher();
        key.hash(&mut hasher);
        hasher.finish()
    }

    /// The word that a key has for itself or shares.
    fn word(&self, key: &str, now: u64) -> Option<Slot<'_>> {
        self.0.find(self.hash(key), &At(now))
    }

    /// The weighted count of the window before.
    fn before(&self, charge: &Charge, now: u64) -> u64 {
        let Some((key, weight)) = &charge.previous else { return 0 };
        let word = self.word(key, now).map_or(0, |slot| slot.word.load(SeqCst));
        weighted(count(word, now), *weight)
    }

    fn read(&self, charge: &Charge, now: u64) -> Charged {
        let slot = self.word(&charge.key, now);
        let word = slot.map_or(0, |slot| slot.word.load(SeqCst));
        let used = self.before(charge, now) + count(word, now);
        Charged { used, over: used > charge.limit.into(), shared: slot.is_some_and(|slot| slot.shared) }
    }

    /// Adds to a count if it has room; the word that was charged then.
    fn add(&self, charge: &Charge, now: u64) -> (Charged, Option<&AtomicU64>) {
        let before = self.before(charge, now);
        let room = |old: u64| {
            let new = count(old, now) + u64::from(charge.hits);
            // A count of somebody else, shared, is kept as long as the longer of both.
            let expires = charge.expires.max(if count(old, now) > 0 { old >> 32 } else { 0 });
            (before + new <= u64::from(charge.limit)).then(|| expires.min(u64::from(u32::MAX)) << 32 | new)
        };
        let add = |word: &AtomicU64| word.fetch_update(SeqCst, SeqCst, room);
        let undo = |word: &AtomicU64| give_back(word, charge.hits, now);
        match self.0.charge(self.hash(&charge.key), &At(now), add, undo) {
            Some((slot, Ok(old))) => {
                let used = before + count(old, now) + u64::from(charge.hits);
                (Charged { used, over: false, shared: slot.shared }, Some(slot.word))
            }
            Some((slot, Err(old))) => {
                (Charged { used: before + count(old, now), over: true, shared: slot.shared }, None)
            }
            None => (Charged { used: charge.limit.into(), over: true, shared: false }, None),
        }
    }
}

/// The counts of a table at a moment, in seconds since 1970: what has expired is forgotten for nothing.
struct At(u64);

impl Words for At {
    /// For how long a word is in use yet.
    fn debt(&self, word: u64) -> u64 {
        (word >> 32).saturating_sub(self.0)
    }

    fn both(&self, one: u64, other: u64) -> u64 {
        let counts = (count(one, self.0) + count(other, self.0)).min(u64::from(u32::MAX));
        (one >> 32).max(other >> 32) << 32 | counts
    }
}

fn give_back(word: &AtomicU64, hits: u32, now: u64) {
    let less = |old: u64| (count(old, now) >= u64::from(hits)).then(|| old - u64::from(hits));
    let _ = word.fetch_update(SeqCst, SeqCst, less);
}

/// The count of a word that also says, in its upper half, when it expires.
fn count(word: u64, now: u64) -> u64 {
    if word >> 32 > now { word & u64::from(u32::MAX) } else { 0 }
}

impl Store for MemoryStore {
    type Future = Ready<Result<Vec<Charged>, BoxError>>;

    fn charge(&self, charges: Vec<Charge>, now: u64) -> Self::Future {
        let charged: Vec<_> = charges.iter().map(|charge| self.add(charge, now)).collect();
        if charged.iter().all(|(one, _)| !one.over) {
            return ready(Ok(charged.into_iter().map(|(one, _)| one).collect()));
        }
        for (charge, (_, word)) in charges.iter().zip(&charged) {
            // To the word that was charged: who shares one might find another now.
            if let Some(word) = word {
                give_back(word, charge.hits, now);
            }
        }
        // Read again: of two charges of one count, the second saw the first, which counts nowhere now.
        let without = |(charge, (one, _)): (&Charge, (Charged, _))| {
            let used = MemoryStore::read(self, charge, now).used;
            Charged { used, ..one }
        };
        ready(Ok(charges.iter().zip(charged).map(without).collect()))
    }

    fn read(&self, charges: Vec<Charge>, now: u64) -> Self::Future {
        ready(Ok(charges.iter().map(|charge| MemoryStore::read(self, charge, now)).collect()))
    }
}
