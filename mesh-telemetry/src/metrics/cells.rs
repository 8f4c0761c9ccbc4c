//! What a value is kept in while it is counted: relaxed atomics, written by one worker, read by a scrape.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Upper bounds of Envoy's default histogram, which are Istio's; one more bucket takes the rest.
pub const BUCKETS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10000.0,
    30000.0,
    60000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// Only goes up.
#[derive(Clone, Debug, Default)]
pub struct Counter(pub(super) Arc<AtomicU64>);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// What this handle and its clones have counted.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(pub(super) Arc<AtomicI64>);

impl Gauge {
    /// One more.
    pub fn inc(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One less.
    pub fn dec(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// Exactly so many.
    pub fn set(&self, n: i64) {
        self.0.store(n, Relaxed);
    }

    /// The value.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Counts values by [`BUCKETS`].
#[derive(Clone, Debug, Default)]
pub struct Histogram(pub(super) Arc<Distribution>);

impl Histogram {
    /// Counts one value; what is no number is not counted.
    pub fn observe(&self, value: f64) {
        self.0.observe(value);
    }
}

/// The cells of a histogram. The sum is kept in thousandths, so that adding to it is one instruction.
#[derive(Debug, Default)]
pub(super) struct Distribution {
    buckets: [AtomicU64; BUCKETS.len() + 1],
    sum_thousandths: AtomicU64,
}

impl Distribution {
    pub(super) fn observe(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let at = BUCKETS.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Relaxed);
        }
        // Saturating by the rules of `as`: a negative value adds nothing, one out of range the most.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        self.sum_thousandths.fetch_add((value * 1000.0) as u64, Relaxed);
    }

    pub(super) fn read(&self) -> Tally {
        Tally {
            buckets: std::array::from_fn(|i| self.buckets.get(i).map_or(0, |b| b.load(Relaxed))),
            sum_thousandths: self.sum_thousandths.load(Relaxed),
        }
    }
}

/// A histogram as it was read, summed over shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) buckets: [u64; BUCKETS.len() + 1],
    sum_thousandths: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine = mine.wrapping_add(theirs);
        }
        self.sum_thousandths = self.sum_thousandths.wrapping_add(other.sum_thousandths);
    }

    #[expect(clippy::cast_precision_loss, reason = "a sum beyond 2^53 thousandths is rounded")]
    pub(super) fn sum(&self) -> f64 {
        self.sum_thousandths as f64 / 1000.0
    }
}
