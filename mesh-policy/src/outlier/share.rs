//! The two decisions about how many endpoints there are: how many may be out, and how few are too few.

use mesh_core::model::cluster::OutlierDetection;
use mesh_core::model::values::Fraction;

/// How many of so many endpoints may be out at once: Envoy's `max_ejection_percent` and
/// `always_eject_one_host`.
///
/// ```
/// use mesh_policy::outlier::{OutlierDetection, may_be_out};
///
/// let tenth = OutlierDetection::default();
/// assert_eq!(may_be_out(&tenth, 25), 2);
/// assert_eq!(may_be_out(&tenth, 3), 1);
/// assert_eq!(may_be_out(&OutlierDetection { always_eject_one_host: false, ..tenth }, 3), 0);
/// ```
pub fn may_be_out(config: &OutlierDetection, hosts: u32) -> u32 {
    let share = u64::from(config.max_ejection_percent.as_millionths());
    let allowed = u64::from(hosts) * share / 1_000_000;
    let least = u64::from(config.always_eject_one_host);
    u32::try_from(allowed.max(least)).unwrap_or(u32::MAX)
}

/// Whether so few endpoints are available that all must take traffic, the ejected ones included: Envoy's
/// `healthy_panic_threshold`, Istio's `minHealthPercent`. A threshold of zero never panics.
///
/// ```
/// use mesh_policy::outlier::{Fraction, panics};
///
/// let half = Fraction::millionths(500_000);
/// assert!(!panics(2, 4, half) && panics(1, 4, half));
/// assert!(!panics(0, 4, Fraction::ZERO));
/// ```
pub fn panics(available: usize, hosts: usize, threshold: Fraction) -> bool {
    let wide = |n: usize| u128::try_from(n).unwrap_or(u128::MAX);
    wide(available).saturating_mul(1_000_000)
        < wide(hosts).saturating_mul(u128::from(threshold.as_millionths()))
}
