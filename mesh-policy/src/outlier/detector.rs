//! A cluster's hosts, and how many of them may be out at once.

use super::host::{EjectionKind, Host, Record, millis};
use super::metrics::OutlierMetrics;
use crate::gauge::Gauge;
use arc_swap::ArcSwap;
use mesh_core::model::cluster::OutlierDetection;
use parking_lot::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Outlier detection of one cluster; clones share it.
///
/// ```
/// use mesh_core::model::cluster::OutlierDetection;
/// use mesh_policy::outlier::{Detector, Outcome};
/// use std::time::{Duration, Instant};
///
/// let t0 = Instant::now();
/// let detector = Detector::new(OutlierDetection { consecutive_5xx: 2, ..OutlierDetection::default() }, t0);
/// let host = detector.host();
/// let failed = Outcome::Status(http::StatusCode::INTERNAL_SERVER_ERROR);
/// assert!(host.record(failed, || t0).is_none());
/// assert!(host.record(failed, || t0).is_some() && host.is_ejected());
/// assert_eq!(detector.check(t0 + Duration::from_secs(30)), 1);
/// assert!(!host.is_ejected());
/// ```
#[derive(Clone)]
pub struct Detector(Arc<Shared>);

pub(super) struct Shared {
    began: Instant,
    /// Read when a host is ejected or checked.
    pub(super) config: ArcSwap<OutlierDetection>,
    pub(super) limits: Limits,
    always_eject_one: AtomicBool,
    pub(super) hosts: Gauge,
    pub(super) active: Gauge,
    /// For [`Detector::check`]; locked when a host comes, and at each check, never by a request.
    records: Mutex<Vec<Weak<Record>>>,
    metrics: OutlierMetrics,
}

/// The parts of the configuration that each outcome is compared with.
pub(super) struct Limits {
    pub(super) any: AtomicU32,
    pub(super) gateway: AtomicU32,
    pub(super) local: AtomicU32,
    split: AtomicBool,
}

impl Limits {
    pub(super) fn split(&self) -> bool {
        self.split.load(Relaxed)
    }

    fn set(&self, config: &OutlierDetection) {
        self.any.store(config.consecutive_5xx, Relaxed);
        self.gateway.store(config.consecutive_gateway_errors, Relaxed);
        self.local.store(config.consecutive_local_origin_failures.unwrap_or(0), Relaxed);
        self.split.store(config.consecutive_local_origin_failures.is_some(), Relaxed);
    }
}

impl Shared {
    /// Takes a place among the ejected, if the share allows one more.
    pub(super) fn admit(&self, config: &OutlierDetection) -> bool {
        let share = u64::from(config.max_ejection_percent.as_millionths());
        let allowed = u64::from(self.hosts.open()) * share / 1_000_000;
        let least = u64::from(self.always_eject_one.load(Relaxed));
        let limit = u32::try_from(allowed.max(least)).unwrap_or(u32::MAX);
        let admitted = self.active.try_open(limit);
        if !admitted {
            self.metrics.ejections_overflow();
        }
        admitted
    }

    pub(super) fn count(&self, kind: EjectionKind) {
        self.metrics.ejections_enforced_total();
        match kind {
            EjectionKind::Consecutive5xx => self.metrics.ejections_enforced_consecutive_5xx(),
            EjectionKind::ConsecutiveGatewayFailure => {
                self.metrics.ejections_enforced_consecutive_gateway_failure();
            }
            EjectionKind::ConsecutiveLocalOriginFailure => {
                self.metrics.ejections_enforced_consecutive_local_origin_failure();
            }
        }
    }

    pub(super) fn millis(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.began))
    }
}

impl Detector {
    /// Detection from `now` on.
    pub fn new(config: OutlierDetection, now: Instant) -> Self {
        let limits = Limits {
            any: AtomicU32::new(0),
            gateway: AtomicU32::new(0),
            local: AtomicU32::new(0),
            split: AtomicBool::new(false),
        };
        limits.set(&config);
        Self(Arc::new(Shared {
            began: now,
            config: ArcSwap::from_pointee(config),
            limits,
            always_eject_one: AtomicBool::new(true),
            hosts: Gauge::default(),
            active: Gauge::default(),
            records: Mutex::default(),
            metrics: OutlierMetrics::default(),
        }))
    }

    /// Follows a new configuration; hosts keep their records, and who is out stays out until its time.
    pub fn set_config(&self, config: OutlierDetection) {
        self.0.limits.set(&config);
        self.0.config.store(Arc::new(config));
    }

    /// Whether one host may be out even if the share allows none: Envoy's `always_eject_one_host`.
    ///
    /// On by default; without it, a share of 10% never ejects from fewer than ten hosts.
    pub fn set_always_eject_one(&self, always: bool) {
        self.0.always_eject_one.store(always, Relaxed);
    }

    /// A new endpoint of the cluster.
    pub fn host(&self) -> Host {
        let record = Arc::new(Record::new(Arc::clone(&self.0)));
        // Counted first: a record that is dropped at once gives back what it took.
        self.0.hosts.try_open(u32::MAX);
        let mut records = self.0.records.lock();
        if records.len() == records.capacity() {
            records.retain(|r| r.strong_count() > 0);
        }
        records.push(Arc::downgrade(&record));
        Host(record)
    }

    /// Lets hosts return whose time is over; to be called every [`interval`](Self::interval). How many did.
    pub fn check(&self, now: Instant) -> usize {
        let now = self.0.millis(now);
        let mut returned: usize = 0;
        // The last handle of a record may be dropped in here; a record's drop takes no lock.
        self.0.records.lock().retain(|record| match record.upgrade() {
            Some(record) => {
                if record.check(now) {
                    self.0.metrics.returns_total();
                    returned = returned.saturating_add(1);
                }
                true
            }
            None => false,
        });
        returned
    }

    /// How often to [`check`](Self::check).
    pub fn interval(&self) -> Duration {
        self.0.config.load().interval
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> u32 {
        self.0.hosts.open()
    }

    /// How many are out: Envoy's gauge `ejections_active`.
    pub fn ejected(&self) -> u32 {
        self.0.active.open()
    }

    /// The counters.
    pub fn metrics(&self) -> &OutlierMetrics {
        &self.0.metrics
    }
}

impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detector")
            .field("hosts", &self.hosts())
            .field("ejected", &self.ejected())
            .finish_non_exhaustive()
    }
}
