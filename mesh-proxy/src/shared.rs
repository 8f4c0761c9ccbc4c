//! What workers share: the state of clusters and endpoints, as atomics.
//!
//! ```text
//! worker 1: stacks ──┐
//! worker 2: stacks ──┼──▶ [Shared]: requests in flight, ejections, limits, statistics
//! admin ─────────────┘
//! ```
//!
//! The lock is taken when stacks are built and when somebody looks, never by a request: stacks hold what
//! they need by `Arc`.

mod events;
mod host;

pub(crate) use host::{HostShared, InFlight};

use crate::pool::Gate;
use mesh_core::addr::Address;
use mesh_core::model::Name;
use mesh_core::model::cluster::{CircuitLimits, Cluster, OutlierDetection};
use mesh_policy::RetryBudget;
use mesh_policy::breaker::Breaker;
use mesh_policy::outlier::Detector;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The state that all workers of one proxy share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    clusters: Mutex<BTreeMap<Name, Weak<ClusterShared>>>,
    pub(crate) counters: Counters,
}

/// The proxy's own counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) panics: AtomicU64,
    pub(crate) connections_accepted: AtomicU64,
    pub(crate) connections_active: AtomicU64,
    pub(crate) no_chain: AtomicU64,
    pub(crate) inspect_timeouts: AtomicU64,
    pub(crate) handshake_failures: AtomicU64,
    pub(crate) requests_active: AtomicU64,
    pub(crate) config_applied: AtomicU64,
}

/// A cluster's state.
#[derive(Debug)]
pub(crate) struct ClusterShared {
    pub(crate) name: Name,
    pub(crate) gate: Arc<Gate>,
    pub(crate) stats: ClusterStats,
    pub(crate) breaker: Breaker,
    /// Of requests of high priority.
    pub(crate) high: Breaker,
    /// Retries where the configuration does not bound them.
    pub(crate) retries: RetryBudget,
    pub(crate) detector: Detector,
    /// When the detector last let hosts return.
    checked: Mutex<std::time::Instant>,
    hosts: Mutex<HashMap<Address, Weak<HostShared>, foldhash::fast::RandomState>>,
    /// Whether a message about its configuration was logged already; other workers stay silent.
    pub(crate) complained: AtomicBool,
}

/// Envoy's counters of a cluster.
#[derive(Debug, Default)]
pub(crate) struct ClusterStats {
    pub(crate) rq_total: AtomicU64,
    pub(crate) rq_2xx: AtomicU64,
    pub(crate) rq_3xx: AtomicU64,
    pub(crate) rq_4xx: AtomicU64,
    pub(crate) rq_5xx: AtomicU64,
    pub(crate) none_healthy: AtomicU64,
}

impl ClusterStats {
    /// Counts an answer of the cluster.
    pub(crate) fn answered(&self, status: http::StatusCode) {
        let class = match status.as_u16() / 100 {
            2 => &self.rq_2xx,
            3 => &self.rq_3xx,
            4 => &self.rq_4xx,
            5 => &self.rq_5xx,
            _ => return,
        };
        class.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// The state of a cluster, made at first sight; its limits become those of the configuration.
    pub(crate) fn cluster(&self, config: &Cluster) -> Arc<ClusterShared> {
        let mut clusters = self.clusters.lock();
        clusters.retain(|_, weak| weak.strong_count() > 0);
        if let Some(known) = clusters.get(&config.name).and_then(Weak::upgrade) {
            known.breaker.set_limits(config.limits);
            known.high.set_limits(high_limits(config));
            known.detector.set_config(outlier(config));
            known.gate.wake();
            return known;
        }
        let breaker = Breaker::new(config.limits);
        let now = std::time::Instant::now();
        let detector = Detector::new(outlier(config), now);
        detector.observe(events::Log::new(&config.name));
        let new = Arc::new(ClusterShared {
            name: config.name.clone(),
            gate: Arc::new(Gate::new(breaker.clone())),
            breaker,
            high: Breaker::new(high_limits(config)),
            retries: RetryBudget::default(),
            detector,
            checked: Mutex::new(now),
            stats: ClusterStats::default(),
            hosts: Mutex::default(),
            complained: AtomicBool::new(false),
        });
        clusters.insert(config.name.clone(), Arc::downgrade(&new));
        new
    }

    /// Lets ejected endpoints return whose time is over. Called by one task of the proxy, every second or so.
    pub(crate) fn tick(&self, now: std::time::Instant) {
        for cluster in self.clusters() {
            let mut checked = cluster.checked.lock();
            if now.saturating_duration_since(*checked) >= cluster.detector.interval() {
                *checked = now;
                cluster.detector.check(now);
            }
        }
    }

    /// The clusters that are in use, by name.
    pub(crate) fn clusters(&self) -> Vec<Arc<ClusterShared>> {
        self.clusters.lock().values().filter_map(Weak::upgrade).collect()
    }
}

impl ClusterShared {
    /// The state of an endpoint, made at first sight.
    pub(crate) fn host(&self, address: &Address) -> Arc<HostShared> {
        let mut hosts = self.hosts.lock();
        if let Some(host) = hosts.get(address).and_then(Weak::upgrade) {
            return host;
        }
        hosts.retain(|_, weak| weak.strong_count() > 0);
        let host = Arc::new(HostShared::new(self, address));
        hosts.insert(address.clone(), Arc::downgrade(&host));
        host
    }

    /// The state of an endpoint that is in use.
    pub(crate) fn known_host(&self, address: &Address) -> Option<Arc<HostShared>> {
        self.hosts.lock().get(address).and_then(Weak::upgrade)
    }
}

fn high_limits(config: &Cluster) -> CircuitLimits {
    config.high_limits.unwrap_or(CircuitLimits::ENVOY)
}

/// A cluster without outlier detection has a detector that never ejects.
fn outlier(config: &Cluster) -> OutlierDetection {
    config.outlier.unwrap_or(OutlierDetection {
        consecutive_5xx: 0,
        consecutive_gateway_errors: 0,
        consecutive_local_origin_failures: None,
        ..OutlierDetection::default()
    })
}
