//! One endpoint's state, as all workers see it.

use super::ClusterShared;
use crate::pool::PoolStats;
use mesh_core::addr::Address;
use mesh_policy::outlier;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// An endpoint's counters and its health by experience.
#[derive(Debug)]
pub(crate) struct HostShared {
    pub(crate) rq_active: AtomicU32,
    pub(crate) rq_total: AtomicU64,
    pub(crate) rq_success: AtomicU64,
    pub(crate) rq_error: AtomicU64,
    pub(crate) pool: Arc<PoolStats>,
    pub(crate) outlier: outlier::Host,
}

impl HostShared {
    pub(super) fn new(cluster: &ClusterShared, address: &Address) -> Self {
        Self {
            rq_active: AtomicU32::new(0),
            rq_total: AtomicU64::new(0),
            rq_success: AtomicU64::new(0),
            rq_error: AtomicU64::new(0),
            pool: Arc::default(),
            outlier: cluster.detector.host(address.to_string()),
        }
    }
}

/// One request at an endpoint, until the last byte of its response.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<HostShared>);

impl InFlight {
    pub(crate) fn begin(host: &Arc<HostShared>) -> Self {
        host.rq_active.fetch_add(1, Ordering::Relaxed);
        host.rq_total.fetch_add(1, Ordering::Relaxed);
        Self(host.clone())
    }

    /// How it went; a request that was given up counts as neither.
    pub(crate) fn answered(&self, good: bool) {
        let counter = if good { &self.0.rq_success } else { &self.0.rq_error };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.rq_active.fetch_sub(1, Ordering::Relaxed);
    }
}
