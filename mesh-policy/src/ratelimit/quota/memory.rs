//! Counts of this process, in bounded memory and without a lock.

use super::store::{Charge, Charged, Store, weighted};
use crate::BoxError;
use crate::ratelimit::table::Table;
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
    /// For at least so many counts; a caller has one for each quota, and two where the window slides.
    pub fn new(counts: usize) -> Self {
        Self(Arc::new(Table::new(counts)))
    }

    fn hash(&self, key: &str) -> u64 {
        let mut hasher = self.0.hasher();
        key.hash(&mut hasher);
        hasher.finish()
    }

    fn word(&self, key: &str, now: u64) -> Option<&AtomicU64> {
        // What has expired is forgotten for nothing; of the others, that which expires first.
        let debt = |word: u64| (word >> 32).saturating_sub(now);
        self.0.slot(self.hash(key), debt).map(|slot| slot.word)
    }

    /// The weighted count of the window before.
    fn before(&self, charge: &Charge, now: u64) -> u64 {
        let Some((key, weight)) = &charge.previous else { return 0 };
        let word = self.0.find(self.hash(key)).map_or(0, |word| word.load(SeqCst));
        weighted(count(word, now), *weight)
    }

    fn add(&self, charge: &Charge, now: u64) -> Charged {
        let before = self.before(charge, now);
        let Some(word) = self.word(&charge.key, now) else {
            return Charged { used: charge.limit.into(), over: true };
        };
        let room = |old: u64| {
            let new = count(old, now) + u64::from(charge.hits);
            // A count of somebody else, shared, is kept as long as the longer of both.
            let expires = charge.expires.max(if count(old, now) > 0 { old >> 32 } else { 0 });
            (before + new <= u64::from(charge.limit)).then(|| expires.min(u64::from(u32::MAX)) << 32 | new)
        };
        match word.fetch_update(SeqCst, SeqCst, room) {
            Ok(old) => Charged { used: before + count(old, now) + u64::from(charge.hits), over: false },
            Err(old) => Charged { used: before + count(old, now), over: true },
        }
    }

    fn give_back(&self, charge: &Charge, now: u64) {
        if let Some(word) = self.0.find(self.hash(&charge.key)) {
            let less =
                |old: u64| (count(old, now) >= u64::from(charge.hits)).then(|| old - u64::from(charge.hits));
            let _ = word.fetch_update(SeqCst, SeqCst, less);
        }
    }
}

/// The count of a word that also says, in its upper half, when it expires.
fn count(word: u64, now: u64) -> u64 {
    if word >> 32 > now { word & u64::from(u32::MAX) } else { 0 }
}

impl Store for MemoryStore {
    type Future = Ready<Result<Vec<Charged>, BoxError>>;

    fn charge(&self, charges: Vec<Charge>, now: u64) -> Self::Future {
        let mut charged: Vec<_> = charges.iter().map(|charge| self.add(charge, now)).collect();
        if charged.iter().any(|one| one.over) {
            for (charge, one) in charges.iter().zip(&mut charged).filter(|(_, one)| !one.over) {
                self.give_back(charge, now);
                one.used = one.used.saturating_sub(charge.hits.into());
            }
        }
        ready(Ok(charged))
    }
}
