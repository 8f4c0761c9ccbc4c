//! A set that is read on every request and written when something is seen for the first time.
//!
//! Readers take the current immutable set, without a lock. What is new goes to a small pending set behind
//! a lock, and moves over once enough look-ups have had to go there, so that a steady state never locks
//! and growth costs amortised constant time.

use arc_swap::ArcSwap;
use indexmap::{Equivalent, IndexSet};
use parking_lot::Mutex;
use std::hash::Hash;
use std::sync::Arc;

type Set<T> = IndexSet<Arc<T>, foldhash::fast::RandomState>;

pub(crate) struct ReadMostly<T> {
    settled: ArcSwap<Set<T>>,
    pending: Mutex<Pending<T>>,
}

struct Pending<T> {
    set: Set<T>,
    /// Look-ups that had to come here since the last move.
    visits: usize,
}

/// Moving costs a copy of the settled set; it must have been asked for by so large a share of it.
const COPY_SHARE: usize = 4;

impl<T: Hash + Eq> ReadMostly<T> {
    pub(crate) fn new() -> Self {
        Self {
            settled: ArcSwap::from_pointee(Set::default()),
            pending: Mutex::new(Pending { set: Set::default(), visits: 0 }),
        }
    }

    /// Reads an entry in place; without a lock once it has settled. An entry that is missing is made;
    /// `make` may refuse.
    pub(crate) fn with<Q, R>(
        &self,
        query: &Q,
        make: impl FnOnce() -> Option<Arc<T>>,
        read: impl FnOnce(&Arc<T>) -> R,
    ) -> Option<R>
    where
        Q: Hash + Equivalent<Arc<T>>,
    {
        if let Some(found) = self.settled.load().get(query) {
            return Some(read(found));
        }
        let mut pending = self.pending.lock();
        pending.visits += 1;
        let entry = match pending.set.get(query) {
            Some(found) => found.clone(),
            // Another thread may have moved it over between the two looks.
            None => match self.settled.load().get(query) {
                Some(found) => found.clone(),
                None => {
                    let made = make()?;
                    pending.set.insert(made.clone());
                    made
                }
            },
        };
        let settled = self.settled.load();
        if !pending.set.is_empty() && pending.visits > settled.len() / COPY_SHARE {
            let mut next = Set::clone(&settled);
            next.extend(pending.set.drain(..));
            pending.visits = 0;
            self.settled.store(Arc::new(next));
        }
        drop(pending);
        Some(read(&entry))
    }

    pub(crate) fn len(&self) -> usize {
        let pending = self.pending.lock();
        self.settled.load().len() + pending.set.len()
    }

    pub(crate) fn clear(&self) {
        let mut pending = self.pending.lock();
        pending.set.clear();
        pending.visits = 0;
        self.settled.store(Arc::default());
    }

    pub(crate) fn for_each(&self, mut f: impl FnMut(&T)) {
        // Both are taken under the lock, so that an entry on the move is seen exactly once.
        let pending = self.pending.lock();
        let settled = self.settled.load_full();
        let fresh: Vec<_> = pending.set.iter().cloned().collect();
        drop(pending);
        settled.iter().chain(&fresh).for_each(|entry| f(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(PartialEq, Eq, Hash)]
    struct Entry(u32);
    #[derive(Hash)]
    struct Query(u32);
    impl Equivalent<Arc<Entry>> for Query {
        fn equivalent(&self, key: &Arc<Entry>) -> bool {
            self.0 == key.0
        }
    }

    #[test]
    fn an_entry_is_made_once_and_settles() {
        let set = ReadMostly::new();
        let mut made = 0;
        for _ in 0..8 {
            for n in 0..100 {
                let make = || {
                    made += 1;
                    Some(Arc::new(Entry(n)))
                };
                assert_eq!(set.with(&Query(n), make, |e| e.0), Some(n));
            }
        }
        assert_eq!((made, set.len()), (100, 100));
        assert_eq!(set.pending.lock().set.len(), 0, "steady state must not need the lock");
        let mut seen = 0;
        set.for_each(|_| seen += 1);
        assert_eq!(seen, 100);
        assert_eq!(set.with(&Query(100), || None, |e| e.0), None);
    }

    #[test]
    fn threads_that_race_for_an_entry_get_the_same_one() {
        let set = ReadMostly::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..500 {
                        set.with(&Query(n), || Some(Arc::new(Entry(n))), |e| assert_eq!(e.0, n));
                    }
                });
            }
        });
        assert_eq!(set.len(), 500);
    }
}
