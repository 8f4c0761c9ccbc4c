//! How many retries may be in flight: a share of the requests in flight, with a floor, or a fixed number.
//!
//! Retries multiply load just when there is too much of it. A budget bounds the factor: with 20% of 100
//! requests in flight, 20 retries are, whatever each route's own count of attempts would allow. Envoy's
//! names: `circuit_breakers.thresholds.retry_budget` and `max_retries`.

use crate::gauge::{Gauge, Gauges, Held};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use mesh_core::model::cluster;
use mesh_core::model::values::Fraction;
use std::fmt;
use std::sync::Arc;

/// A bound on retries in flight; clones share their counts.
#[derive(Clone, Default)]
pub struct RetryBudget(Arc<Shared>);

struct Shared {
    /// Percentage in millionths above the floor, as one value so that both change together.
    share_and_floor: AtomicU64,
    /// A bound in any case.
    max: AtomicU32,
    active: Gauge,
    /// Those that wait for a connection; a breaker's.
    waiting: Gauge,
    retries: Gauge,
    /// Whether somebody else counts the requests in flight, so that retry layers must not.
    #[cfg(feature = "retry")]
    counted_elsewhere: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    #[cfg(any(feature = "breaker", test))]
    Active,
    #[cfg(feature = "breaker")]
    Waiting,
    Retry,
}

impl Gauges for Shared {
    type Kind = Kind;

    fn gauge(&self, kind: Kind) -> &Gauge {
        match kind {
            #[cfg(any(feature = "breaker", test))]
            Kind::Active => &self.active,
            #[cfg(feature = "breaker")]
            Kind::Waiting => &self.waiting,
            Kind::Retry => &self.retries,
        }
    }
}

impl Default for Shared {
    fn default() -> Self {
        // Envoy's defaults: 20%, and 3 in any case.
        Self::new(Some((Fraction::millionths(200_000), 3)), u32::MAX)
    }
}

impl Shared {
    fn new(share: Option<(Fraction, u32)>, max: u32) -> Self {
        Self {
            share_and_floor: AtomicU64::new(pack(share)),
            max: AtomicU32::new(max),
            active: Gauge::default(),
            waiting: Gauge::default(),
            retries: Gauge::default(),
            #[cfg(feature = "retry")]
            counted_elsewhere: false,
        }
    }

    fn limit(&self) -> u32 {
        let packed = self.share_and_floor.load(Ordering::Relaxed);
        let (share, floor) = (packed >> 32, packed & u64::from(u32::MAX));
        let of_active = self.in_flight() * share / 1_000_000;
        let limit = u32::try_from(of_active.max(floor)).unwrap_or(u32::MAX);
        limit.min(self.max.load(Ordering::Relaxed))
    }

    fn in_flight(&self) -> u64 {
        u64::from(self.active.open()) + u64::from(self.waiting.open())
    }
}

/// No share at all is a floor that is never reached.
fn pack(share: Option<(Fraction, u32)>) -> u64 {
    let (share, floor) = share.unwrap_or((Fraction::ZERO, u32::MAX));
    u64::from(share.as_millionths()) << 32 | u64::from(floor)
}

impl RetryBudget {
    /// A share of the requests in flight, and so many in any case.
    pub fn new(share: Fraction, floor: u32) -> Self {
        Self(Arc::new(Shared::new(Some((share, floor)), u32::MAX)))
    }

    /// A whole percentage of the requests in flight, and so many in any case; more than 100 is 100.
    pub fn percent(percent: u32, floor: u32) -> Self {
        Self::new(Fraction::millionths(percent.min(100) * 10_000), floor)
    }

    /// So many, whatever else is in flight: Envoy's `max_retries`.
    pub fn fixed(max: u32) -> Self {
        Self(Arc::new(Shared::new(None, max)))
    }

    /// As many as policies ask for. Only for callers that bound retries in another way.
    pub fn unlimited() -> Self {
        Self::fixed(u32::MAX)
    }

    /// How many retries may be in flight now.
    pub fn limit(&self) -> u32 {
        self.0.limit()
    }

    /// How many retries are in flight.
    pub fn retries(&self) -> u32 {
        self.0.retries.open()
    }

    /// How many requests are in flight, retries among them, and those that wait for a connection.
    pub fn active(&self) -> u32 {
        u32::try_from(self.0.in_flight()).unwrap_or(u32::MAX)
    }

    /// Takes a retry's place until the permit is dropped; `None` if the budget is used up.
    pub fn try_retry(&self) -> Option<RetryPermit> {
        Held::try_open(&self.0, Kind::Retry, self.0.limit()).map(|held| RetryPermit { _held: held })
    }

    /// Counts a request as in flight until [`Self::end`], for who has a hold on the budget anyway.
    #[cfg(feature = "retry")]
    pub(crate) fn begin(&self) {
        if !self.0.counted_elsewhere {
            self.0.active.open_one();
        }
    }

    /// Ends what [`Self::begin`] began.
    #[cfg(feature = "retry")]
    pub(crate) fn end(&self) {
        if !self.0.counted_elsewhere {
            self.0.active.close();
        }
    }

    #[cfg(any(feature = "breaker", test))]
    fn count(&self, kind: Kind, max: u32) -> Option<ActiveRequest> {
        Held::try_open(&self.0, kind, max).map(|held| ActiveRequest { _held: held })
    }
}

/// What a breaker does with its budget.
#[cfg(feature = "breaker")]
impl RetryBudget {
    /// A budget by a cluster's limits, whose requests the breaker counts.
    pub(crate) fn of_breaker(limits: &cluster::CircuitLimits) -> Self {
        let budget = Self(Arc::new(Shared {
            #[cfg(feature = "retry")]
            counted_elsewhere: true,
            ..Shared::new(None, limits.max_retries)
        }));
        budget.set(limits);
        budget
    }

    /// Follows new limits; what is in flight stays counted. As in Envoy, a budget replaces `max_retries`.
    pub(crate) fn set(&self, limits: &cluster::CircuitLimits) {
        let share = limits.retry_budget.map(|b| (b.percent, b.min_concurrency));
        let max = if share.is_some() { u32::MAX } else { limits.max_retries };
        self.0.share_and_floor.store(pack(share), Ordering::Relaxed);
        self.0.max.store(max, Ordering::Relaxed);
    }

    /// Counts a request in flight, on behalf of everybody, unless `max` are.
    ///
    /// The breaker's own counts: a second pair of them would double what a request costs.
    pub(crate) fn try_request(&self, max: u32) -> Option<ActiveRequest> {
        self.count(Kind::Active, max)
    }

    /// Counts a request that waits for a connection, unless `max` do.
    pub(crate) fn try_pending(&self, max: u32) -> Option<ActiveRequest> {
        self.count(Kind::Waiting, max)
    }

    /// How many requests are in flight, without those that wait.
    pub(crate) fn requests(&self) -> u32 {
        self.0.active.open()
    }

    /// How many requests wait for a connection.
    pub(crate) fn pending(&self) -> u32 {
        self.0.waiting.open()
    }
}

impl From<cluster::RetryBudget> for RetryBudget {
    fn from(b: cluster::RetryBudget) -> Self {
        Self::new(b.percent, b.min_concurrency)
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("active", &self.active())
            .field("retries", &self.retries())
            .field("limit", &self.limit())
            .finish()
    }
}

/// A retry in flight; dropping it gives its place back.
#[must_use = "dropping it gives the place back"]
pub struct RetryPermit {
    _held: Held<Shared>,
}

/// A request in flight; dropping it ends it.
#[cfg(any(feature = "breaker", test))]
#[must_use = "dropping it ends the request"]
pub(crate) struct ActiveRequest {
    _held: Held<Shared>,
}

impl fmt::Debug for RetryPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryPermit")
    }
}

#[cfg(any(feature = "breaker", test))]
impl fmt::Debug for ActiveRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActiveRequest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn enter(budget: &RetryBudget) -> Option<ActiveRequest> {
        budget.count(Kind::Active, u32::MAX)
    }

    #[test]
    fn the_share_grows_with_the_requests_in_flight_and_the_floor_holds_below() {
        let budget = RetryBudget::percent(20, 3);
        let mut active: Vec<_> = (0..15).map(|_| enter(&budget)).collect();
        assert_eq!(budget.limit(), 3);
        active.extend((0..85).map(|_| enter(&budget)));
        assert_eq!((budget.active(), budget.limit()), (100, 20));
        drop(active);
        assert_eq!((budget.active(), budget.limit()), (0, 3));
    }

    #[test]
    fn a_fixed_budget_counts_retries_alone() {
        let budget = RetryBudget::fixed(1);
        let first = budget.try_retry();
        assert!(first.is_some() && budget.try_retry().is_none());
        drop(first);
        assert!(budget.try_retry().is_some());
        assert!(RetryBudget::fixed(0).try_retry().is_none());
        assert_eq!(RetryBudget::unlimited().limit(), u32::MAX);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Enter,
        Leave,
        Retry,
        Done,
    }

    proptest! {
        #[test]
        fn no_retry_opens_beyond_the_budget(
            share in 0u32..=1_000_000,
            floor in 0u32..5,
            steps in prop::collection::vec(prop::sample::select(vec![Step::Enter, Step::Leave, Step::Retry, Step::Done]), 0..200),
        ) {
            let budget = RetryBudget::new(Fraction::millionths(share), floor);
            let (mut active, mut retries) = (vec![], vec![]);
            for step in steps {
                match step {
                    Step::Enter => active.push(enter(&budget)),
                    Step::Leave => drop(active.pop()),
                    Step::Done => drop(retries.pop()),
                    Step::Retry => {
                        let allowed = u64::from(floor).max(active.len() as u64 * u64::from(share) / 1_000_000);
                        let got = budget.try_retry();
                        prop_assert_eq!(got.is_some(), (retries.len() as u64) < allowed);
                        retries.extend(got);
                    }
                }
                prop_assert_eq!((budget.active() as usize, budget.retries() as usize), (active.len(), retries.len()));
            }
        }
    }
}
