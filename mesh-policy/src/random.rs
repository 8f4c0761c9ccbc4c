//! Randomness that can be seeded, and that clones of one service draw from together.
//!
//! A generator inside each clone would hand every clone the same numbers; so the state is one shared
//! counter, and each draw is a generator seeded with the next of its values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random numbers; clones share it.
#[derive(Clone, Debug)]
pub struct Random(Arc<AtomicU64>);

impl Random {
    /// Draws the same numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    /// The next 64 random bits.
    pub fn draw(&self) -> u64 {
        fastrand::Rng::with_seed(self.0.fetch_add(1, Ordering::Relaxed)).u64(..)
    }
}

impl Default for Random {
    /// Seeded by the system.
    fn default() -> Self {
        Self::seeded(fastrand::u64(..))
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
        let random = Random::seeded(1);
        let low = (0..10_000).filter(|_| random.draw() < u64::MAX / 10).count();
        assert!((900..1100).contains(&low), "{low} of 10000 in the lowest tenth");
    }
}
