//! The arithmetic of Envoy's gradient controller.

use std::time::Duration;

/// The gradient: how long answers should take, over how long they take; from 0.5 to 2, so that one strange window
/// does not throw the limit about. 1 where nothing was measured.
pub(super) fn gradient(min_rtt: Duration, buffer: f64, sample_rtt: Duration) -> f64 {
    let buffered = min_rtt.as_secs_f64() * (1.0 + buffer);
    let raw = buffered / sample_rtt.as_secs_f64();
    if raw.is_nan() { 1.0 } else { raw.clamp(0.5, 2.0) }
}

/// The next limit: the gradient's share of this one, and head-room for a burst of its square root.
pub(super) fn next_limit(limit: u32, gradient: f64, least: u32, most: u32) -> u32 {
    let share = f64::from(limit) * gradient;
    let next = share + share.sqrt();
    // Saturates; a NaN, which clamped gradients cannot make, would be the least.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let next = next as u32;
    next.clamp(least, most.max(least))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    proptest! {
        /// Slower answers never raise the limit above what faster ones allow.
        #[test]
        fn slower_answers_never_allow_more(limit in 1_u32..10_000, fast in 1_u64..1_000_000, slow in 1_u64..1_000_000) {
            let (fast, slow) = (fast.min(slow), fast.max(slow));
            let next = |micros| next_limit(limit, gradient(MS, 0.25, Duration::from_micros(micros)), 3, 1000);
            prop_assert!(next(slow) <= next(fast));
        }

        /// Whatever is measured, the limit stays in its bounds and at most doubles, head-room aside.
        #[test]
        fn the_limit_stays_in_bounds(
            limit in 1_u32..=u32::MAX, min in any::<u32>(), sample in any::<u32>(), least in 1_u32..100, most in 1_u32..2000,
        ) {
            let gradient = gradient(Duration::from_micros(min.into()), 0.25, Duration::from_micros(sample.into()));
            let next = next_limit(limit, gradient, least, most);
            prop_assert!(next >= least && next <= most.max(least));
            let doubled = 2.0 * f64::from(limit);
            prop_assert!(next == least || f64::from(next) <= doubled + doubled.sqrt());
        }
    }

    #[test]
    fn the_numbers_are_envoys() {
        // A service that answers as fast as when idle, within the buffer, gets the head-room and the buffer.
        assert_eq!(gradient(4 * MS, 0.25, 5 * MS), 1.0);
        assert_eq!(next_limit(100, 1.0, 3, 1000), 110);
        // Ten times slower: halved, with head-room.
        assert_eq!(gradient(MS, 0.0, 10 * MS), 0.5);
        assert_eq!(next_limit(100, 0.5, 3, 1000), 57);
        assert_eq!((next_limit(4, 0.5, 3, 1000), next_limit(900, 2.0, 3, 1000)), (3, 1000));
        assert_eq!(gradient(Duration::ZERO, 0.25, Duration::ZERO), 1.0);
    }
}
