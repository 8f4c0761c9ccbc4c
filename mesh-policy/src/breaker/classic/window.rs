//! How many requests failed in the last while: a ring of counts, each of a tenth of the window.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counts of the last while.
///
/// Each bucket holds the tick that its counts are of, so that whoever comes first in a new tick empties it,
/// by the same compare-and-swap that counts.
#[derive(Debug)]
pub(super) struct Window {
    /// Of a tick, in milliseconds.
    width: u64,
    buckets: [AtomicU64; BUCKETS],
}

const BUCKETS: usize = 10;
const TICK_BITS: u32 = 24;
const COUNT_BITS: u32 = 20;
const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;
const TICKS: u64 = 1 << TICK_BITS;

#[derive(Clone, Copy)]
struct Bucket {
    tick: u64,
    total: u64,
    failed: u64,
}

impl Bucket {
    fn pack(self) -> u64 {
        self.tick << (2 * COUNT_BITS) | self.total << COUNT_BITS | self.failed
    }

    fn unpack(word: u64) -> Self {
        Self {
            tick: word >> (2 * COUNT_BITS),
            total: word >> COUNT_BITS & MAX_COUNT,
            failed: word & MAX_COUNT,
        }
    }

    /// One more. A full bucket is halved: its share stays.
    fn add(self, failed: bool) -> Self {
        let full = self.total == MAX_COUNT;
        let (total, before) =
            if full { (self.total / 2, self.failed / 2) } else { (self.total, self.failed) };
        Self { total: total + 1, failed: before + u64::from(failed), ..self }
    }
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        Self { width: (millis / BUCKETS as u64).max(1), buckets: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    pub(super) fn add(&self, now: u64, failed: bool) {
        let tick = now / self.width;
        let Some(bucket) = usize::try_from(tick % BUCKETS as u64).ok().and_then(|at| self.buckets.get(at))
        else {
            return;
        };
        let tick = tick % TICKS;
        let mut word = bucket.load(Relaxed);
        loop {
            let counted = Bucket::unpack(word);
            let current = if counted.tick == tick { counted } else { Bucket { tick, total: 0, failed: 0 } };
            match bucket.compare_exchange_weak(word, current.add(failed).pack(), Relaxed, Relaxed) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    /// All requests of the window that ends now, and the failed ones.
    pub(super) fn sums(&self, now: u64) -> (u64, u64) {
        let tick = now / self.width % TICKS;
        let mut sums = (0, 0);
        for bucket in &self.buckets {
            let counted = Bucket::unpack(bucket.load(Relaxed));
            let age = tick.wrapping_sub(counted.tick) % TICKS;
            if age < BUCKETS as u64 {
                sums = (sums.0 + counted.total, sums.1 + counted.failed);
            }
        }
        sums
    }

    pub(super) fn clear(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_bucket_keeps_its_share() {
        let full = Bucket { tick: 7, total: MAX_COUNT, failed: MAX_COUNT / 4 };
        let more = full.add(true);
        assert_eq!((more.tick, more.total, more.failed), (7, MAX_COUNT / 2 + 1, MAX_COUNT / 8 + 1));
        assert_eq!(Bucket::unpack(more.pack()).total, more.total);
    }

    proptest! {
        #[test]
        fn the_window_holds_what_is_younger_than_it_and_nothing_older(
            steps in prop::collection::vec((0u64..400, any::<bool>()), 1..200),
        ) {
            let window = Window::new(Duration::from_secs(1));
            let mut now = 0;
            let mut all = vec![];
            for (pause, failed) in steps {
                now += pause;
                window.add(now, failed);
                all.push((now / 100, failed));
                let young = || all.iter().filter(|(tick, _)| now / 100 - tick < 10);
                let expected = (young().count() as u64, young().filter(|(_, failed)| *failed).count() as u64);
                prop_assert_eq!(window.sums(now), expected);
            }
        }
    }
}
