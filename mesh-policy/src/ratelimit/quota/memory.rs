//! Counts of this process, in bounded memory and without a lock.

use super::store::{Charge, Charged, Store, weighted};
use crate::BoxError;
use crate::ratelimit::table::{Table, Words};
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

    /// The weighted count of the window before, which the key had for itself or shared.
    fn before(&self, charge: &Charge, now: u64) -> u64 {
        let Some((key, weight)) = &charge.previous else { return 0 };
        let word = self.0.find(self.hash(key), &At(now)).map_or(0, |slot| slot.word.load(SeqCst));
        weighted(count(word, now), *weight)
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
        let mut charged: Vec<_> = charges.iter().map(|charge| self.add(charge, now)).collect();
        if charged.iter().any(|(one, _)| one.over) {
            for (charge, (one, word)) in charges.iter().zip(&mut charged) {
                // To the word that was charged: who shares one might find another now.
                if let Some(word) = word {
                    give_back(word, charge.hits, now);
                    one.used = one.used.saturating_sub(charge.hits.into());
                }
            }
        }
        ready(Ok(charged.into_iter().map(|(one, _)| one).collect()))
    }
}
