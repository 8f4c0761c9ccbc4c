//! Who is available, and in which proportion: computed when it changes, read at every pick.

use super::Tier;
use crate::cluster::Host;
use mesh_core::model::values::Fraction;
use mesh_policy::outlier::panics;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Envoy's overprovisioning factor: a priority gives load away only below 1/1.4 of its hosts.
const OVERPROVISIONING_PERCENT: usize = 140;
/// How often hosts that are out are looked at again.
const RECHECK: Duration = Duration::from_millis(500);
/// A schedule is no longer than that; finer weights are rounded.
const MAX_SCHEDULE: u64 = 4096;

/// The answer to "who takes traffic now".
pub(super) struct View {
    /// With the share of each, as the upper bound of a number below 100.
    levels: Vec<(u32, Level)>,
    until: Option<Instant>,
    panicking: bool,
    /// Hosts that are available, and all.
    availability: (usize, usize),
}

/// Hosts that share the traffic of a priority.
pub(super) struct Level {
    hosts: Vec<Arc<Host>>,
    /// Indices of hosts by weight, evenly spread; empty where all weigh the same.
    schedule: Vec<usize>,
}

impl Level {
    /// The host at a turn.
    pub(super) fn at(&self, turn: usize) -> Option<&Arc<Host>> {
        let index = if self.schedule.is_empty() {
            turn.checked_rem(self.hosts.len())?
        } else {
            *self.schedule.get(turn.checked_rem(self.schedule.len())?)?
        };
        self.hosts.get(index)
    }
}

impl View {
    pub(super) fn of(tiers: &[Tier], panic_threshold: Fraction, now: Instant) -> Self {
        let mut anyone_out = false;
        let mut panicking = false;
        let mut measured = Vec::with_capacity(tiers.len());
        for tier in tiers {
            let all: usize = tier.localities.iter().map(|l| l.hosts.len()).sum();
            let mut available = 0_usize;
            for host in tier.localities.iter().flat_map(|l| &l.hosts) {
                let ejected = host.is_ejected(now);
                anyone_out |= ejected;
                available += usize::from(host.is_selectable() && !ejected);
            }
            measured.push((tier, all, available));
        }
        let availability = measured.iter().fold((0, 0), |sum, (_, all, av)| (sum.0 + av, sum.1 + all));
        // Each priority's health in percent, then its share of what the ones before it left.
        let health = |all: usize, available: usize| {
            (available * OVERPROVISIONING_PERCENT).checked_div(all).unwrap_or(0).min(100)
        };
        let total = measured.iter().map(|(_, all, av)| health(*all, *av)).sum::<usize>().min(100);
        let mut levels = Vec::new();
        let mut given = 0_usize;
        for (tier, all, available) in measured {
            if all == 0 {
                continue;
            }
            let share = match total {
                // Nobody is available anywhere: the first priority alone decides whether to panic.
                0 if levels.is_empty() => 100,
                0 => 0,
                total => (health(all, available) * 100 / total).min(100 - given),
            };
            let panic = panics(available, all, panic_threshold);
            if share == 0 {
                continue;
            }
            panicking |= panic;
            given += share;
            let takes = |host: &Host| panic || (host.is_selectable() && !host.is_ejected(now));
            levels.push((u32::try_from(given).unwrap_or(100), level(tier, takes)));
        }
        let until = anyone_out.then(|| now + RECHECK);
        Self { levels, until, panicking, availability }
    }

    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    pub(super) fn is_panicking(&self) -> bool {
        self.panicking
    }

    /// How many hosts are available, and how many there are.
    pub(super) fn availability(&self) -> (usize, usize) {
        self.availability
    }

    /// The level of a number below 100; rounding may leave the last numbers to the last level.
    pub(super) fn level(&self, of_hundred: u32) -> Option<&Level> {
        let found = self.levels.iter().find(|(upto, _)| of_hundred < *upto).or(self.levels.last());
        found.map(|(_, level)| level)
    }
}

fn level(tier: &Tier, takes: impl Fn(&Host) -> bool) -> Level {
    let mut hosts = Vec::new();
    let mut weights: Vec<u64> = Vec::new();
    for place in &tier.localities {
        // A draining host finishes what it has even in a panic.
        let here: Vec<_> = place.hosts.iter().filter(|h| !h.is_draining() && takes(h)).collect();
        let sum: u64 = here.iter().map(|h| u64::from(h.weight())).sum();
        for host in here {
            let own = u64::from(host.weight());
            // Scaled so that a locality's hosts share what the locality has.
            let weight = match place.weight {
                Some(share) => {
                    (own * u64::from(share)).saturating_mul(1000).checked_div(sum).unwrap_or(0).max(1)
                }
                None => own,
            };
            hosts.push(host.clone());
            weights.push(weight);
        }
    }
    let schedule = schedule(&mut weights);
    Level { hosts, schedule }
}

/// Each index as often as its weight says, spread evenly: smooth weighted round robin, written out.
fn schedule(weights: &mut [u64]) -> Vec<usize> {
    let divisor = weights.iter().copied().fold(0, gcd);
    if divisor == 0 || weights.iter().all(|w| *w == divisor) {
        return Vec::new();
    }
    for weight in weights.iter_mut() {
        *weight /= divisor;
    }
    let total: u64 = weights.iter().sum();
    let bound = MAX_SCHEDULE.max(u64::try_from(weights.len()).unwrap_or(u64::MAX));
    if total > bound {
        for weight in weights.iter_mut() {
            let scaled = u128::from(*weight) * u128::from(bound) / u128::from(total);
            *weight = u64::try_from(scaled).unwrap_or(1).max(1);
        }
    }
    let total: u64 = weights.iter().sum();
    // Who is furthest behind its due share goes next. The dues are of the form (n + 1/2) / weight, kept in a
    // heap: a list of thousands of hosts must not cost its square.
    let mut dues: std::collections::BinaryHeap<_> = weights
        .iter()
        .enumerate()
        .filter(|(_, w)| **w > 0)
        .map(|(i, w)| std::cmp::Reverse((due(0, *w), i, 0_u64)))
        .collect();
    let mut order = Vec::with_capacity(usize::try_from(total).unwrap_or(0));
    while let Some(std::cmp::Reverse((_, index, sent))) = dues.pop() {
        order.push(index);
        let weight = weights.get(index).copied().unwrap_or(1);
        let sent = sent + 1;
        if sent < weight {
            dues.push(std::cmp::Reverse((due(sent, weight), index, sent)));
        }
    }
    order
}

fn due(sent: u64, weight: u64) -> u64 {
    (2 * sent + 1).saturating_mul(1 << 32).checked_div(2 * weight).unwrap_or(u64::MAX)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_holds_each_as_often_as_it_weighs_and_spreads_it() {
        let order = schedule(&mut [10, 20, 10]);
        assert_eq!(order.len(), 4);
        assert_eq!(order.iter().filter(|i| **i == 1).count(), 2);
        assert!(order.windows(2).all(|w| w[0] != 1 || w[1] != 1), "{order:?}");
        assert!(schedule(&mut [7, 7, 7]).is_empty());
    }

    #[test]
    fn weights_too_fine_for_a_schedule_are_rounded_and_none_is_lost() {
        let order = schedule(&mut [1, 1_000_003, 999_983]);
        assert!(order.len() <= 4099);
        assert!(order.contains(&0));
    }
}
