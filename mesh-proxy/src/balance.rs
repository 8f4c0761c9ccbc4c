//! Which endpoint of a cluster takes the next attempt.
//!
//! ```text
//! breaker → [balance] → endpoint: outlier → pool
//! ```
//!
//! Envoy's priorities with overprovisioning, locality weights, panic threshold, and the policies round
//! robin, least request and random. What is expensive (who is available, in which proportion) is computed
//! when it changes and kept as a [`View`]; a pick is an index into it.

mod view;

use crate::cluster::Host;
use arc_swap::ArcSwap;
use mesh_core::model::cluster::Balance;
use mesh_core::model::values::Fraction;
use mesh_policy::outlier::Detector;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::Instant;
use view::{Level, View};

/// Hosts of one priority, grouped by locality.
#[derive(Clone, Default)]
pub(crate) struct Tier {
    pub(crate) localities: Vec<Place>,
}

/// Hosts of one locality.
#[derive(Clone)]
pub(crate) struct Place {
    /// Its share of the tier; `None` where localities are not weighed.
    pub(crate) weight: Option<u32>,
    pub(crate) hosts: Vec<Arc<Host>>,
}

/// Chooses among the hosts of one cluster; one for each worker.
pub(crate) struct Balancer {
    policy: Balance,
    panic_threshold: Fraction,
    tiers: ArcSwap<Vec<Tier>>,
    view: ArcSwap<View>,
    turn: AtomicUsize,
    /// Is told of panics.
    detector: Option<Detector>,
}

impl Balancer {
    pub(crate) fn new(policy: Balance, panic_threshold: Fraction, tiers: Vec<Tier>) -> Self {
        let view = View::of(&tiers, panic_threshold, Instant::now());
        Self {
            policy,
            panic_threshold,
            tiers: ArcSwap::from_pointee(tiers),
            view: ArcSwap::from_pointee(view),
            // Workers that all began with the first host would send it their first requests at once.
            turn: AtomicUsize::new(fastrand::usize(..)),
            detector: None,
        }
    }

    /// Tells a detector when it begins and ceases to take any host.
    pub(crate) fn telling(self, detector: Detector) -> Self {
        Self { detector: Some(detector), ..self }
    }

    /// Replaces the hosts; requests under way keep theirs.
    pub(crate) fn update(&self, tiers: Vec<Tier>) {
        self.tiers.store(Arc::new(tiers));
        self.refresh(Instant::now());
    }

    /// Every host, chosen or not.
    pub(crate) fn for_each(&self, mut see: impl FnMut(&Arc<Host>)) {
        let tiers = self.tiers.load();
        for host in tiers.iter().flat_map(|t| &t.localities).flat_map(|l| &l.hosts) {
            see(host);
        }
    }

    /// A host for the next attempt. Those that `avoid` names are taken only if `looks` looks find no other.
    pub(crate) fn pick(&self, avoid: impl Fn(&Host) -> bool, looks: u32) -> Option<Arc<Host>> {
        let now = Instant::now();
        let mut view = self.view.load();
        if view.is_stale(now) {
            self.refresh(now);
            view = self.view.load();
        }
        let mut picked = self.pick_from(&view, now)?;
        if !view.is_panicking() && picked.is_ejected(now) {
            // Ejected since the view was made, here or by another worker.
            self.refresh(now);
            view = self.view.load();
            picked = self.pick_from(&view, now)?;
        }
        for _ in 0..looks {
            if !avoid(&picked) {
                break;
            }
            picked = self.pick_from(&view, now)?;
        }
        Some(picked)
    }

    fn refresh(&self, now: Instant) {
        let view = View::of(&self.tiers.load(), self.panic_threshold, now);
        if let Some(detector) = &self.detector {
            let (available, hosts) = view.availability();
            detector.note_panic(view.is_panicking(), available, hosts);
        }
        self.view.store(Arc::new(view));
    }

    fn pick_from(&self, view: &View, _now: Instant) -> Option<Arc<Host>> {
        let level = view.level(fastrand::u32(..100))?;
        let host = match self.policy {
            Balance::RoundRobin => level.at(self.turn.fetch_add(1, Ordering::Relaxed)),
            Balance::LeastRequest { choices } => least(level, choices),
            // Hashing policies need a hash of the request, which no route gives us yet: see `cluster`, which
            // says so when the configuration arrives.
            Balance::Random
            | Balance::RingHash { .. }
            | Balance::Maglev { .. }
            | Balance::ClusterProvided => level.at(fastrand::usize(..)),
        };
        host.cloned()
    }
}

/// The least loaded of some random ones.
fn least(level: &Level, choices: u32) -> Option<&Arc<Host>> {
    let mut best = level.at(fastrand::usize(..))?;
    for _ in 1..choices.max(1) {
        let other = level.at(fastrand::usize(..))?;
        if other.active() < best.active() {
            best = other;
        }
    }
    Some(best)
}

#[cfg(test)]
mod tests;
