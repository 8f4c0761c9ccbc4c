//! A cluster's connections, added up over its endpoints in a way that never goes back.
//!
//! Connections are counted where they are made, for each endpoint. Endpoints come and go, and a counter
//! that shrank with them would look to Prometheus like a restart. So what an endpoint counted is kept here
//! when it has gone.

use super::clusters::ClusterView;
use crate::pool::PoolStats;
use mesh_core::model::Name;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The connections of one cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Connections {
    /// Opened, or tried to.
    pub(super) total: u64,
    /// Of these, not opened.
    pub(super) failed: u64,
    /// Open now.
    pub(super) active: u64,
}

/// The connections of every cluster, as of the last look.
#[derive(Debug, Default)]
pub(super) struct Totals(BTreeMap<Name, ClusterTotals>);

#[derive(Debug, Default)]
struct ClusterTotals {
    /// By their place in memory, which holding them keeps from being used again.
    endpoints: HashMap<usize, Arc<PoolStats>, foldhash::fast::RandomState>,
    gone: Connections,
}

impl Totals {
    /// Looks at the clusters that there are now, and forgets the others.
    pub(super) fn look(&mut self, clusters: &[ClusterView]) -> BTreeMap<Name, Connections> {
        let mut before = std::mem::take(&mut self.0);
        let mut all = BTreeMap::new();
        for cluster in clusters {
            let name = &cluster.config.name;
            let mut totals = before.remove(name).unwrap_or_default();
            for host in cluster.hosts.iter().filter_map(|host| host.shared.as_ref()) {
                let place = Arc::as_ptr(&host.pool).addr();
                totals.endpoints.entry(place).or_insert_with(|| host.pool.clone());
            }
            all.insert(name.clone(), totals.add_up());
            self.0.insert(name.clone(), totals);
        }
        all
    }
}

impl ClusterTotals {
    fn add_up(&mut self) -> Connections {
        let Self { endpoints, gone } = self;
        let mut sum = Connections::default();
        endpoints.retain(|_, stats| {
            // Nobody else holds it, so nobody will count in it any more.
            let last = Arc::strong_count(stats) == 1;
            (if last { &mut *gone } else { &mut sum }).add(stats);
            !last
        });
        Connections { total: sum.total + gone.total, failed: sum.failed + gone.failed, active: sum.active }
    }
}

impl Connections {
    fn add(&mut self, stats: &PoolStats) {
        self.total += stats.connects.load(Relaxed);
        self.failed += stats.connect_failures.load(Relaxed);
        self.active += u64::from(stats.open.load(Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::super::clusters::views;
    use super::super::testing::Mesh;
    use super::*;

    #[test]
    fn what_an_endpoint_counted_stays_counted_when_it_goes() {
        let mut mesh = Mesh::new();
        let mut totals = Totals::default();
        mesh.host("10.0.0.1:80").pool.connects.store(3, Relaxed);
        mesh.host("10.0.0.2:80").pool.connects.store(4, Relaxed);
        mesh.host("10.0.0.2:80").pool.open.store(1, Relaxed);
        let look = |totals: &mut Totals, mesh: &Mesh| totals.look(&views(&mesh.input(), &mesh.shared))["outbound|80||a.default.svc.cluster.local"];
        assert_eq!(look(&mut totals, &mesh), Connections { total: 7, failed: 0, active: 1 });
        mesh.remove("10.0.0.2:80");
        assert_eq!(look(&mut totals, &mesh), Connections { total: 7, failed: 0, active: 0 });
        mesh.host("10.0.0.1:80").pool.connects.store(5, Relaxed);
        assert_eq!(look(&mut totals, &mesh).total, 9);
    }
}
