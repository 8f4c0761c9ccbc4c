//! The arithmetic of Envoy's admission control, which is that of client-side throttling in Google's SRE book.

use crate::shed::priority::Criticality;

/// When to refuse, and how hard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Curve {
    /// 1 raises the probability in line with the failures, more raises it sooner.
    pub(super) aggression: f64,
    /// The share of successes, from 0.01 to 1, from which on nothing is refused.
    pub(super) sr_threshold: f64,
    /// The probability goes no higher.
    pub(super) max_probability: f64,
}

/// `((n − s / threshold) / (n + 1)) ^ (1 / aggression)`, for a class: to the power of 2 for the most important, of
/// 1/2 and 1/4 for the sheddable, so that they are refused more often at any rate of failure.
pub(super) fn rejection(curve: &Curve, requests: u64, successes: u64, class: Criticality) -> f64 {
    // Counts of seconds are far below what a float holds exactly.
    #[expect(clippy::cast_precision_loss)]
    let (n, s) = (requests as f64, successes as f64);
    let excess = (n - s / curve.sr_threshold) / (n + 1.0);
    if excess <= 0.0 || excess.is_nan() {
        return 0.0;
    }
    let weight = match class {
        Criticality::Sheddable => 0.25,
        Criticality::SheddablePlus => 0.5,
        Criticality::Critical => 1.0,
        Criticality::CriticalPlus => 2.0,
    };
    let exponent = weight / curve.aggression.max(1.0);
    let probability = if exponent == 1.0 { excess } else { excess.powf(exponent) };
    probability.min(curve.max_probability)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn curve(aggression: f64) -> Curve {
        Curve { aggression, sr_threshold: 0.95, max_probability: 0.8 }
    }

    proptest! {
        /// More successes never refuse more, and what is more important is never refused more often.
        #[test]
        fn refusals_follow_failures_and_importance(
            n in 0_u64..100_000, a in 0_u64..100_000, b in 0_u64..100_000, aggression in 1.0_f64..10.0,
        ) {
            let (few, many) = (a.min(b).min(n), a.max(b).min(n));
            let of = |successes, class| rejection(&curve(aggression), n, successes, class);
            for class in Criticality::ALL {
                prop_assert!(of(many, class) <= of(few, class));
                prop_assert!((0.0..=0.8).contains(&of(few, class)));
            }
            for pair in Criticality::ALL.windows(2) {
                prop_assert!(of(few, pair[1]) <= of(few, pair[0]));
            }
        }

        /// Above the threshold nothing is refused.
        #[test]
        fn enough_successes_refuse_nobody(n in 1_u64..100_000, aggression in 1.0_f64..10.0) {
            let enough = (n * 95).div_ceil(100);
            for class in Criticality::ALL {
                prop_assert_eq!(rejection(&curve(aggression), n, enough, class), 0.0);
            }
        }
    }

    #[test]
    fn the_numbers_are_envoys() {
        let curve = Curve { aggression: 1.0, sr_threshold: 0.5, max_probability: 1.0 };
        let of = |n, s| rejection(&curve, n, s, Criticality::Critical);
        assert_eq!((of(99, 0), of(99, 25), of(99, 50)), (0.99, 0.49, 0.0));
        let squared = rejection(&Curve { aggression: 2.0, ..curve }, 99, 25, Criticality::Critical);
        assert!((squared - 0.7).abs() < 1e-9);
        assert_eq!(rejection(&Curve { max_probability: 0.8, ..curve }, 99, 0, Criticality::Critical), 0.8);
        assert_eq!(of(0, 0), 0.0);
    }
}
