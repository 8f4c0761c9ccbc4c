//! Randomness that can be seeded.
//!
//! By default each thread has a generator of its own, so that threads that serve requests share nothing. A seeded one
//! gives one story to all clones of a service together: a generator inside each clone would hand every clone the same
//! numbers, so the state is one shared counter, and each draw is a generator seeded with the next of its values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random numbers; the clones of a seeded one share it. By default the thread's.
#[derive(Clone, Debug, Default)]
pub struct Random(Option<Arc<AtomicU64>>);

impl Random {
    /// Draws the same numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(seed))))
    }

    /// The next 64 random bits.
    pub fn draw(&self) -> u64 {
        match &self.0 {
            None => fastrand::u64(..),
            Some(next) => fastrand::Rng::with_seed(next.fetch_add(1, Ordering::Relaxed)).u64(..),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers_and_clones_do_not_repeat_each_others() {
        let (a, b) = (Random::seeded(7), Random::seeded(7));
        let drawn: Vec<u64> = (0..4).map(|_| a.draw()).collect();
        assert_eq!(drawn, (0..4).map(|_| b.draw()).collect::<Vec<_>>());
        assert_ne!(a.draw(), a.clone().draw());
    }

    #[test]
    fn draws_are_spread_evenly() {
        for random in [Random::seeded(1), Random::default()] {
            let low = (0..10_000).filter(|_| random.draw() < u64::MAX / 10).count();
            // Four standard deviations of what the system seeds.
            assert!((880..1120).contains(&low), "{low} of 10000 in the lowest tenth by {random:?}");
        }
    }

    #[test]
    fn what_nobody_seeded_differs_on_each_thread() {
        let draw = || std::thread::spawn(|| Random::default().draw()).join().unwrap_or_default();
        assert_ne!(draw(), draw());
    }
}
