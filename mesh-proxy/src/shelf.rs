//! A stack that several threads share without waiting for each other: where a pool keeps its idle
//! connections, and where a caller's connection hears of its long responses.
//!
//! A worker's thread is alone with its own, so its loops go round once; an embedder's threads may meet here,
//! and then one of them looks again. Slots are numbered and kept for reuse, so that a push in a steady
//! state allocates nothing; the box that a value came in goes with it.

use crossbeam_utils::atomic::AtomicCell;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How many slots the first block has; each further one has twice as many as the one before.
const FIRST_BLOCK: usize = 4;

/// A lock-free stack: the last that was pushed is the first to be popped.
pub(crate) struct Shelf<T> {
    filled: Top,
    /// What a look at everything has passed, until it is done.
    passed: Top,
    vacant: Top,
    /// How many slots were ever used.
    used: AtomicU32,
    blocks: Block<T>,
}

/// The top of a chain of slots: the number of the first, from 1, in the lower half; in the upper one a count
/// of changes, so that a top that was taken and came back is not mistaken for one that never moved.
#[derive(Default)]
struct Top(AtomicU64);

struct Block<T> {
    slots: OnceLock<Box<[Slot<T>]>>,
    next: OnceLock<Box<Block<T>>>,
}

struct Slot<T> {
    /// The number of the slot below, from 1; 0 if there is none.
    below: AtomicU32,
    value: AtomicCell<Option<Box<T>>>,
}

impl<T> Shelf<T> {
    pub(crate) fn new() -> Self {
        const { assert!(AtomicCell::<Option<Box<T>>>::is_lock_free(), "a box is one word") }
        let (filled, passed, vacant) = Default::default();
        Self { filled, passed, vacant, used: AtomicU32::new(0), blocks: Block::new() }
    }

    /// Puts a value on top.
    pub(crate) fn push(&self, value: Box<T>) {
        let number = match self.take(&self.vacant) {
            Some(number) => number,
            // Memory ends long before the numbers do.
            None => self.used.fetch_add(1, Ordering::Relaxed).saturating_add(1),
        };
        let slot = self.slot(number);
        slot.value.store(Some(value));
        self.filled.put(number, slot);
    }

    /// Takes the value on top.
    pub(crate) fn pop(&self) -> Option<Box<T>> {
        let number = self.take(&self.filled).or_else(|| {
            // Meanwhile what was passed may be back.
            self.take(&self.passed).or_else(|| self.take(&self.filled))
        })?;
        let slot = self.slot(number);
        let value = slot.value.take();
        self.vacant.put(number, slot);
        value
    }

    /// Removes what is not to be kept; whether there was anything to look at. One value at a time is away:
    /// who looks meanwhile may miss that one.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&mut T) -> bool) -> bool {
        let mut found = false;
        // Bounded, as others go on to push.
        for _ in 0..self.used.load(Ordering::Relaxed) {
            let Some(number) = self.take(&self.filled) else { break };
            found = true;
            let slot = self.slot(number);
            let mut value = slot.value.take();
            if value.as_deref_mut().is_some_and(&mut keep) {
                slot.value.store(value);
                self.passed.put(number, slot);
            } else {
                drop(value);
                self.vacant.put(number, slot);
            }
        }
        while let Some(number) = self.take(&self.passed) {
            self.filled.put(number, self.slot(number));
        }
        found
    }

    /// Gives back what was popped in this order.
    pub(crate) fn put_back(&self, popped: Vec<Box<T>>) {
        for value in popped.into_iter().rev() {
            self.push(value);
        }
    }

    /// Removes the first slot of a chain.
    fn take(&self, top: &Top) -> Option<u32> {
        let mut now = top.0.load(Ordering::Acquire);
        loop {
            let (changes, number) = parts(now);
            if number == 0 {
                return None;
            }
            // If somebody else takes this slot first, what is read here is not used.
            let below = self.slot(number).below.load(Ordering::Acquire);
            match top.swing(now, changes, below) {
                Ok(()) => return Some(number),
                Err(changed) => now = changed,
            }
        }
    }

    /// The slot of a number, which is not 0.
    fn slot(&self, number: u32) -> &Slot<T> {
        // Where `usize` is smaller, memory is too.
        let mut index = usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
        let mut size = FIRST_BLOCK;
        let mut block = &self.blocks;
        loop {
            let slots = block.slots.get_or_init(|| (0..size).map(|_| Slot::new()).collect());
            match slots.get(index) {
                Some(slot) => return slot,
                None => index -= slots.len(),
            }
            size = size.saturating_mul(2);
            block = block.next.get_or_init(|| Box::new(Block::new()));
        }
    }
}

impl Top {
    /// Adds a slot that is the caller's alone.
    fn put<T>(&self, number: u32, slot: &Slot<T>) {
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            let (changes, below) = parts(now);
            slot.below.store(below, Ordering::Release);
            match self.swing(now, changes, number) {
                Ok(()) => return,
                Err(changed) => now = changed,
            }
        }
    }

    fn swing(&self, now: u64, changes: u32, number: u32) -> Result<(), u64> {
        let next = u64::from(changes.wrapping_add(1)) << 32 | u64::from(number);
        self.0.compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Acquire).map(|_| ())
    }
}

/// The upper and the lower half.
#[expect(clippy::cast_possible_truncation, reason = "that is what halves are")]
const fn parts(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

impl<T> Block<T> {
    const fn new() -> Self {
        Self { slots: OnceLock::new(), next: OnceLock::new() }
    }
}

impl<T> Slot<T> {
    const fn new() -> Self {
        Self { below: AtomicU32::new(0), value: AtomicCell::new(None) }
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Shelf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("used", &self.used.load(Ordering::Relaxed)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn the_newest_comes_first_and_slots_are_used_again() {
        let shelf = Shelf::new();
        assert_eq!(shelf.pop(), None);
        for round in 0..3 {
            (0..20).for_each(|n| shelf.push(Box::new(n + round)));
            let popped: Vec<i32> = std::iter::from_fn(|| shelf.pop()).map(|b| *b).collect();
            assert_eq!(popped, (0..20).rev().map(|n| n + round).collect::<Vec<_>>());
        }
        assert_eq!(shelf.used.load(Ordering::Relaxed), 20);
    }

    #[test]
    fn what_is_kept_stays_in_order() {
        let shelf = Shelf::new();
        (0..10).for_each(|n| shelf.push(Box::new(n)));
        assert!(shelf.retain(|n| *n % 2 == 0));
        let left: Vec<i32> = std::iter::from_fn(|| shelf.pop()).map(|b| *b).collect();
        assert_eq!(left, [8, 6, 4, 2, 0]);
        assert!(!shelf.retain(|_| true), "there is nothing to look at");
    }

    #[test]
    fn during_a_look_at_everything_the_rest_can_be_had() {
        let shelf = Shelf::new();
        (0..10).for_each(|n| shelf.push(Box::new(n)));
        shelf.retain(|n| {
            let other = shelf.pop().expect("nine others are there");
            assert_ne!(*other, *n);
            shelf.push(other);
            true
        });
        let mut left: Vec<i32> = std::iter::from_fn(|| shelf.pop()).map(|b| *b).collect();
        left.sort_unstable();
        assert_eq!(left, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_look_at_everything_neither_loses_nor_doubles_a_value() {
        let shelf = Shelf::new();
        (0..64).for_each(|n| shelf.push(Box::new(n)));
        std::thread::scope(|scope| {
            let users: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..20_000 {
                            // All of them may be on their way back while this thread is not running.
                            if let Some(value) = shelf.pop() {
                                shelf.push(value);
                            }
                        }
                    })
                })
                .collect();
            while !users.iter().all(|user| user.is_finished()) {
                shelf.retain(|_| true);
            }
        });
        let mut left: Vec<i32> = std::iter::from_fn(|| shelf.pop()).map(|b| *b).collect();
        left.sort_unstable();
        assert_eq!(left, (0..64).collect::<Vec<_>>());
    }

    #[test]
    fn threads_neither_lose_nor_double_a_value() {
        const THREADS: usize = 4;
        const EACH: usize = 20_000;
        let shelf = Arc::new(Shelf::new());
        let seen: Arc<Vec<AtomicUsize>> =
            Arc::new((0..THREADS * EACH).map(|_| AtomicUsize::new(0)).collect());
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (shelf, seen) = (shelf.clone(), seen.clone());
                scope.spawn(move || {
                    for n in 0..EACH {
                        shelf.push(Box::new(thread * EACH + n));
                        if n % 3 != 0
                            && let Some(value) = shelf.pop()
                        {
                            seen[*value].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        while let Some(value) = shelf.pop() {
            seen[*value].fetch_add(1, Ordering::Relaxed);
        }
        assert!(seen.iter().all(|n| n.load(Ordering::Relaxed) == 1), "each value came out once");
    }

    #[test]
    fn what_is_left_goes_with_the_shelf() {
        let value = Arc::new(());
        let shelf = Shelf::new();
        (0..9).for_each(|_| shelf.push(Box::new(value.clone())));
        drop(shelf.pop());
        drop(shelf);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
