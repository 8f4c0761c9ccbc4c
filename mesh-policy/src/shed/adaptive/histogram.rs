//! Latencies of one window, without a lock: counts of values that are alike to about three per cent.

use crate::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Values of one power of two are told apart by their next five bits.
const STEPS: u64 = 32;
const STEP_BITS: u32 = 5;
/// Up to 2³⁷ microseconds, more than a day; what is longer counts as that. Loom checks the threads, not the scale.
const BUCKETS: usize = if cfg!(loom) { 4 } else { 33 * 32 };

/// Counts of latencies.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: Box<[AtomicU32]>,
    total: AtomicU32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect(), total: AtomicU32::new(0) }
    }
}

impl Histogram {
    /// Adds one; how many there are with it.
    pub(super) fn add(&self, latency: Duration) -> u32 {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get(bucket(micros)) {
            count.fetch_add(1, Relaxed);
        }
        self.total.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        self.total.load(Relaxed)
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        self.take(1.0);
    }

    /// The latency that the given share of them does not exceed, forgetting all; `None` if there are none.
    ///
    /// What is added meanwhile is in this window or in the next, and in one of them only.
    pub(super) fn take(&self, share: f64) -> Option<Duration> {
        self.total.store(0, Relaxed);
        let taken: Vec<u32> = self.counts.iter().map(|count| count.swap(0, Relaxed)).collect();
        let total: u64 = taken.iter().map(|n| u64::from(*n)).sum();
        // The smallest rank that covers the share. Both factors are in range, so the product is.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let rank = ((total as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut below = 0;
        let at = taken.iter().position(|n| {
            below += u64::from(*n);
            below >= rank
        })?;
        Some(Duration::from_micros(value(at)))
    }
}

fn bucket(micros: u64) -> usize {
    let power = (u64::BITS - micros.leading_zeros()).saturating_sub(STEP_BITS + 1);
    let at = u64::from(power) * STEPS + (micros >> power);
    usize::try_from(at).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The middle of a bucket.
fn value(bucket: usize) -> u64 {
    let at = bucket as u64;
    // The first two powers are exact: their values are their own buckets.
    let power = (at / STEPS).saturating_sub(1);
    let from = (at - power * STEPS) << power;
    from + (1 << power) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A bucket's value is within 2% of what was counted in it, and longer is never counted as shorter.
        #[test]
        fn latencies_are_kept_to_two_per_cent(a in 0_u64..(1 << 37), b in 0_u64..(1 << 37)) {
            let kept = value(bucket(a));
            prop_assert!(kept.abs_diff(a) as f64 <= a as f64 * 0.02, "{a} is kept as {kept}");
            prop_assert!((a <= b) == (bucket(a) <= bucket(b)) || bucket(a) == bucket(b));
        }

        #[test]
        fn the_median_is_in_the_middle(mut latencies in proptest::collection::vec(0_u64..1_000_000, 1..200)) {
            let histogram = Histogram::default();
            for latency in &latencies {
                histogram.add(Duration::from_micros(*latency));
            }
            latencies.sort_unstable();
            let median = latencies[latencies.len().div_ceil(2) - 1];
            let kept = histogram.take(0.5).unwrap();
            prop_assert_eq!(kept, Duration::from_micros(value(bucket(median))));
            prop_assert!(histogram.len() == 0 && histogram.take(0.5).is_none());
        }
    }

    #[test]
    fn what_is_longer_than_a_day_is_counted_as_that() {
        let histogram = Histogram::default();
        histogram.add(Duration::MAX);
        assert!(histogram.take(1.0).unwrap() > Duration::from_secs(36 * 3600));
    }
}
