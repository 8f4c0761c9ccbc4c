//! How often endpoints succeed, counted without a lock and compared once an interval.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use mesh_core::model::cluster::{FailurePercentage, SuccessRate};

/// The requests of one endpoint since the last look, and how many of them succeeded.
///
/// Both in one number, so that one addition counts a request and a look takes both at the same moment. Four
/// billion requests in an interval would carry over: an interval is seconds.
#[derive(Debug)]
pub(super) struct Tally(AtomicU64);

const REQUEST: u64 = 1 << 32;

impl Tally {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(super) fn add(&self, success: bool) {
        self.0.fetch_add(REQUEST | u64::from(success), Relaxed);
    }

    /// What was counted since it was last taken.
    pub(super) fn take(&self) -> Rate {
        let both = self.0.swap(0, Relaxed);
        let half = |n: u64| u32::try_from(n & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Rate { requests: half(both >> 32), successes: half(both) }
    }
}

/// The requests of one endpoint in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub requests: u32,
    /// How many of them succeeded.
    pub successes: u32,
}

impl Rate {
    /// The successes as a percentage; `None` without requests.
    pub fn percent(self) -> Option<f64> {
        (self.requests > 0).then(|| 100.0 * f64::from(self.successes) / f64::from(self.requests))
    }
}

/// Below which percentage of success an endpoint is an outlier: the mean of all, less so many thousandths of
/// their standard deviation. Envoy's `success_rate_stdev_factor`.
///
/// ```
/// let rates = [50.0, 100.0, 100.0, 100.0, 100.0];
/// assert_eq!(mesh_policy::outlier::success_rate_threshold(&rates, 1900), Some(52.0));
/// assert_eq!(mesh_policy::outlier::success_rate_threshold(&[], 1900), None);
/// ```
pub fn success_rate_threshold(percents: &[f64], stdev_factor: u32) -> Option<f64> {
    let count = f64::from(u32::try_from(percents.len()).ok().filter(|n| *n > 0)?);
    let mean = percents.iter().sum::<f64>() / count;
    let variance = percents.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / count;
    Some(mean - f64::from(stdev_factor) / 1000.0 * variance.sqrt())
}

/// Who succeeds less often than the others: the places of their rates, the worst first.
pub(super) fn below_the_others(config: &SuccessRate, rates: &[Rate]) -> Vec<usize> {
    let measured = measured(rates, config.request_volume);
    if too_few(&measured, config.minimum_hosts) {
        return Vec::new();
    }
    let percents: Vec<f64> = measured.iter().map(|(_, percent)| *percent).collect();
    let Some(threshold) = success_rate_threshold(&percents, config.stdev_factor) else { return Vec::new() };
    worst_first(measured, |percent| percent < threshold)
}

/// Who fails more often than the bound, the worst first.
pub(super) fn beyond_the_bound(config: &FailurePercentage, rates: &[Rate]) -> Vec<usize> {
    let measured = measured(rates, config.request_volume);
    if too_few(&measured, config.minimum_hosts) {
        return Vec::new();
    }
    let bound = f64::from(config.threshold.as_millionths()) / 10_000.0;
    worst_first(measured, |percent| 100.0 - percent >= bound)
}

/// Who had enough requests, with the percentage of success.
fn measured(rates: &[Rate], volume: u32) -> Vec<(usize, f64)> {
    let enough = rates.iter().enumerate().filter(|(_, rate)| rate.requests >= volume);
    enough.filter_map(|(at, rate)| Some((at, rate.percent()?))).collect()
}

fn too_few(measured: &[(usize, f64)], minimum: u32) -> bool {
    measured.is_empty() || u32::try_from(measured.len()).is_ok_and(|n| n < minimum)
}

fn worst_first(mut measured: Vec<(usize, f64)>, is_outlier: impl Fn(f64) -> bool) -> Vec<usize> {
    measured.retain(|(_, percent)| is_outlier(*percent));
    measured.sort_by(|a, b| a.1.total_cmp(&b.1));
    measured.into_iter().map(|(at, _)| at).collect()
}
