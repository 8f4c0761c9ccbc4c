//! How long to wait before the next stream.
//!
//! Grows with every attempt that brought no response; one response, and the next attempt is prompt. So a
//! control plane that accepts connections and fails behind them is not stormed.

use fastrand::Rng;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_secs(30);

/// Exponential, with jitter: between the half and the whole of each step.
#[derive(Debug)]
pub(super) struct Backoff {
    step: Duration,
    rng: Rng,
}

impl Backoff {
    pub(super) fn new(rng: Rng) -> Self {
        Self { step: FIRST, rng }
    }

    /// A response came.
    pub(super) fn reset(&mut self) {
        self.step = FIRST;
    }

    /// The wait after a stream that ended.
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.step.mul_f64(0.5 + self.rng.f64() / 2.0);
        self.step = (self.step * 2).min(MAX);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_a_response_resets_them() {
        let mut backoff = Backoff::new(Rng::with_seed(7));
        let mut step = FIRST;
        for _ in 0..12 {
            let wait = backoff.next();
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
            step = (step * 2).min(MAX);
        }
        assert_eq!(step, MAX);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn two_clients_do_not_come_back_at_the_same_time() {
        let wait = |seed| Backoff::new(Rng::with_seed(seed)).next();
        assert_ne!(wait(1), wait(2));
    }
}
