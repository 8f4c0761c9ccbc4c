//! A Snapshot, made to work: what one worker (or one embedder) serves from.
//!
//! ```text
//! Watch<Snapshot> ─▶ control ─▶ worker ─▶ [Engine::apply] ─▶ clusters, route slots, chains
//!                                                              ▲ connections and requests read them
//! ```
//!
//! Applying a snapshot builds only what differs from what is there. What requests hold stays theirs until
//! they end; what the next request looks up is replaced as a whole. A chain whose match or TLS changed, or
//! which is gone, is drained; one whose filters alone changed goes on with the new ones from the next
//! request.

mod chain;

pub(crate) use chain::{ChainRuntime, Filter, ListenerRuntime};

use crate::cluster::{ClusterRuntime, Surroundings};
use crate::drain::Phase;
use crate::http::manager::{LocalService, RouteSlot};
use crate::route::{Clusters, Routes};
use crate::shared::Shared;
use crate::telemetry::Observatory;
use arc_swap::ArcSwap;
use mesh_core::credential::Credential;
use mesh_core::model::cluster::{Cluster, Discovery};
use mesh_core::model::endpoint::Endpoints;
use mesh_core::model::listener::Listener;
use mesh_core::model::{Name, RouteTable, Snapshot};
use mesh_core::watch::Watch;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use tokio::time::Instant;

/// A snapshot with what was resolved beside it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Endpoints of clusters that are found by DNS, by the cluster's name.
    pub(crate) resolved: Arc<BTreeMap<Name, Arc<Endpoints>>>,
}

impl Input {
    /// The endpoints of a cluster, wherever they come from; none if they are not known yet.
    pub(crate) fn endpoints(&self, cluster: &Cluster) -> Option<Arc<Endpoints>> {
        match &cluster.discovery {
            Discovery::Eds(name) => self.snapshot.endpoints.get(name).cloned(),
            Discovery::Static(endpoints) => Some(endpoints.clone()),
            Discovery::StrictDns(_) | Discovery::LogicalDns(_) => self.resolved.get(&cluster.name).cloned(),
            // No connection was redirected to us without a listener that says where it went.
            Discovery::OriginalDestination => None,
        }
    }
}

type ByName<T> = HashMap<Name, T, foldhash::fast::RandomState>;

/// The stacks of one worker.
pub(crate) struct Engine {
    surroundings: Surroundings,
    observatory: Arc<Observatory>,
    /// Serves inbound requests in this process, for embedders.
    local: Option<LocalService>,
    clusters: ArcSwap<ByName<Arc<ClusterRuntime>>>,
    listeners: ArcSwap<ByName<Arc<ListenerRuntime>>>,
    /// Touched when configuration is applied.
    building: Mutex<Building>,
}

#[derive(Default)]
struct Building {
    endpoints: ByName<Option<Arc<Endpoints>>>,
    /// With and without the fault filter.
    tables: HashMap<(Name, bool), Arc<RouteSlot>, foldhash::fast::RandomState>,
    /// Chains that are gone and still drain.
    leaving: Vec<Weak<ChainRuntime>>,
    phase: Phase,
}

/// What applying a snapshot came to.
#[derive(Default)]
pub(crate) struct Applied {
    /// Chains that drain from now on; whoever applied it closes them when their time is over.
    pub(crate) leaving: Vec<Arc<ChainRuntime>>,
}

struct Lookup<'l>(&'l ByName<Arc<ClusterRuntime>>);

impl Clusters for Lookup<'_> {
    fn cluster(&self, name: &Name) -> Option<Arc<ClusterRuntime>> {
        self.0.get(name).cloned()
    }
}

impl Engine {
    pub(crate) fn of(
        observatory: &Arc<Observatory>,
        shared: Arc<Shared>,
        identity: Watch<Credential>,
        local: Option<LocalService>,
    ) -> Arc<Self> {
        let surroundings = Surroundings { shared, identity, exchange: observatory.exchange() };
        Arc::new(Self {
            surroundings,
            observatory: observatory.clone(),
            local,
            clusters: ArcSwap::default(),
            listeners: ArcSwap::default(),
            building: Mutex::default(),
        })
    }

    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    pub(crate) fn observatory(&self) -> &Arc<Observatory> {
        &self.observatory
    }

    /// A listener, as it is now.
    pub(crate) fn listener(&self, name: &str) -> Option<Arc<ListenerRuntime>> {
        self.listeners.load().get(name).cloned()
    }

    /// The first listener that is wanted.
    pub(crate) fn find_listener(&self, wanted: impl Fn(&Listener) -> bool) -> Option<Arc<ListenerRuntime>> {
        let listeners = self.listeners.load();
        let mut found: Vec<_> = listeners.values().filter(|l| wanted(l.config())).collect();
        found.sort_by(|a, b| a.config().name.cmp(&b.config().name));
        found.first().map(|l| Arc::clone(l))
    }

    /// A cluster, as it is now.
    pub(crate) fn cluster(&self, name: &Name) -> Option<Arc<ClusterRuntime>> {
        self.clusters.load().get(name).cloned()
    }

    /// Makes a snapshot the one that the next request is served by.
    pub(crate) fn apply(&self, input: &Input) -> Applied {
        let mut building = self.building.lock();
        let clusters_changed = self.apply_clusters(input, &mut building);
        let chains_before = self.listeners.load_full();
        let listeners = self.build_listeners(input, &mut building, &chains_before, clusters_changed);
        // Tables that no chain asks for any more go, with the clusters that they hold.
        building.tables.retain(|_, slot| Arc::strong_count(slot) > 1);
        self.listeners.store(Arc::new(listeners));
        let leaving = self.drain_gone(&chains_before, &mut building);
        self.surroundings.shared.counters.config_applied.fetch_add(1, Ordering::Relaxed);
        Applied { leaving }
    }

    /// Whether a cluster came, went or was replaced. New endpoints alone change a cluster in place.
    fn apply_clusters(&self, input: &Input, building: &mut Building) -> bool {
        let before = self.clusters.load_full();
        let mut now = ByName::default();
        let mut changed = false;
        for (name, config) in &input.snapshot.clusters {
            let endpoints = input.endpoints(config);
            let known = before.get(name);
            let runtime = match known {
                Some(runtime) if same(runtime.config(), config) => {
                    if building.endpoints.get(name) != Some(&endpoints) {
                        runtime.update(endpoints.as_deref().unwrap_or(&Endpoints::default()));
                    }
                    runtime.clone()
                }
                _ => {
                    let empty = Endpoints::default();
                    let endpoints = endpoints.as_deref().unwrap_or(&empty);
                    let before = known.map(|k| &**k);
                    changed = true;
                    match ClusterRuntime::new(config.clone(), endpoints, before, &self.surroundings) {
                        Ok(runtime) => runtime,
                        Err(error) => {
                            // Quarantined alone: its requests get 503 NC, everything else goes on.
                            let origin = config.origin.as_ref().map(ToString::to_string);
                            tracing::error!(%error, cluster = %name, origin, "a cluster cannot be used");
                            continue;
                        }
                    }
                }
            };
            building.endpoints.insert(name.clone(), endpoints);
            now.insert(name.clone(), runtime);
        }
        changed |= before.keys().any(|name| !now.contains_key(name));
        building.endpoints.retain(|name, _| now.contains_key(name));
        self.clusters.store(Arc::new(now));
        changed
    }

    fn build_listeners(
        &self,
        input: &Input,
        building: &mut Building,
        before: &ByName<Arc<ListenerRuntime>>,
        clusters_changed: bool,
    ) -> ByName<Arc<ListenerRuntime>> {
        let clusters = self.clusters.load_full();
        // Tables first, so that a chain that is built below finds the new ones.
        for ((name, faults), slot) in &building.tables {
            let table = input.snapshot.routes.get(name);
            refresh(slot, table, &clusters, *faults, clusters_changed);
        }
        let mut listeners = ByName::default();
        for (name, config) in &input.snapshot.listeners {
            let known = before.get(name);
            let runtime = match known {
                Some(runtime) if same(runtime.config(), config) => {
                    if clusters_changed {
                        runtime.refresh_inline(&clusters);
                    }
                    runtime.clone()
                }
                _ => {
                    let mut slots = |table: &Name, faults: bool| {
                        let slot = building.tables.entry((table.clone(), faults)).or_insert_with(|| {
                            let slot = Arc::new(RouteSlot::empty());
                            refresh(&slot, input.snapshot.routes.get(table), &clusters, faults, true);
                            slot
                        });
                        slot.clone()
                    };
                    let known = known.map(|k| &**k);
                    ListenerRuntime::new(
                        config.clone(),
                        known,
                        self,
                        &clusters,
                        self.local.as_ref(),
                        &mut slots,
                    )
                }
            };
            listeners.insert(name.clone(), runtime);
        }
        listeners
    }

    /// Tells chains that no listener has any more to drain.
    fn drain_gone(
        &self,
        before: &ByName<Arc<ListenerRuntime>>,
        building: &mut Building,
    ) -> Vec<Arc<ChainRuntime>> {
        let now = self.listeners.load();
        let stays =
            |chain: &Arc<ChainRuntime>| now.values().flat_map(|l| l.chains()).any(|c| Arc::ptr_eq(c, chain));
        let gone: Vec<_> = before.values().flat_map(|l| l.chains()).filter(|c| !stays(c)).cloned().collect();
        for chain in &gone {
            chain.drain.advance(Phase::Draining);
        }
        for chain in now.values().flat_map(|l| l.chains()) {
            chain.drain.advance(building.phase);
        }
        building.leaving.retain(|chain| chain.strong_count() > 0);
        building.leaving.extend(gone.iter().map(Arc::downgrade));
        gone
    }

    /// Takes everything to a phase of its end.
    pub(crate) fn drain(&self, phase: Phase) {
        let mut building = self.building.lock();
        building.phase = building.phase.max(phase);
        let leaving: Vec<_> = building.leaving.iter().filter_map(Weak::upgrade).collect();
        for chain in self.listeners.load().values().flat_map(|l| l.chains()).chain(&leaving) {
            chain.drain.advance(phase);
        }
    }

    /// Closes upstream connections that have been idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        for cluster in self.clusters.load().values() {
            cluster.sweep(now);
        }
    }
}

/// Equal, most often because it is the same.
fn same<T: PartialEq>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// Replaces the routes of a slot if the table or a cluster changed.
fn refresh(
    slot: &RouteSlot,
    table: Option<&Arc<RouteTable>>,
    clusters: &ByName<Arc<ClusterRuntime>>,
    faults: bool,
    clusters_changed: bool,
) {
    let Some(table) = table else {
        slot.store(None);
        return;
    };
    let unchanged = !clusters_changed && slot.load().as_ref().is_some_and(|now| same(now.table(), table));
    if !unchanged {
        slot.store(Some(Arc::new(Routes::new(table.clone(), &Lookup(clusters), faults))));
    }
}
