//! A cluster's hosts, how many of them may be out at once, and the look at all of them once an interval.

use super::event::{Event, Observer};
use super::host::{EjectionKind, Host, Record, millis};
use super::metrics::OutlierMetrics;
use super::rates::{Rate, below_the_others, beyond_the_bound};
use super::share::may_be_out;
use crate::Random;
use crate::gauge::Gauge;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use arc_swap::ArcSwap;
use mesh_core::model::cluster::OutlierDetection;
use mesh_core::model::values::Fraction;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Outlier detection of one cluster; clones share it.
///
/// ```
/// use mesh_policy::outlier::{Detector, Outcome, OutlierDetection};
/// use std::time::{Duration, Instant};
///
/// let t0 = Instant::now();
/// let detector = Detector::new(OutlierDetection { consecutive_5xx: 2, ..OutlierDetection::default() }, t0);
/// let host = detector.host("10.0.0.1:80");
/// let failed = Outcome::Status(http::StatusCode::INTERNAL_SERVER_ERROR);
/// assert!(host.record(failed, || t0).is_none());
/// assert!(host.record(failed, || t0).is_some());
/// assert!(detector.host("10.0.0.1:80").is_ejected(), "whoever asks for it gets the same record");
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
    pub(super) hosts: Gauge,
    pub(super) active: Gauge,
    panicking: AtomicBool,
    /// Locked when a host comes, and at each check, never by a request.
    records: Mutex<HashMap<Arc<str>, Weak<Record>>>,
    observers: ArcSwap<Vec<Arc<dyn Observer>>>,
    random: Random,
    pub(super) metrics: OutlierMetrics,
}

/// The parts of the configuration that each outcome is compared with.
pub(super) struct Limits {
    pub(super) any: AtomicU32,
    pub(super) gateway: AtomicU32,
    pub(super) local: AtomicU32,
    split: AtomicBool,
    rates: AtomicBool,
}

impl Limits {
    pub(super) fn split(&self) -> bool {
        self.split.load(Relaxed)
    }

    /// Whether anything is made of how often requests succeed.
    pub(super) fn rates(&self) -> bool {
        self.rates.load(Relaxed)
    }

    fn set(&self, config: &OutlierDetection) {
        self.any.store(config.consecutive_5xx, Relaxed);
        self.gateway.store(config.consecutive_gateway_errors, Relaxed);
        self.local.store(config.consecutive_local_origin_failures.unwrap_or(0), Relaxed);
        self.split.store(config.consecutive_local_origin_failures.is_some(), Relaxed);
        let (success, failure) = (&config.success_rate, &config.failure_percentage);
        let answers = success.enforcing.max(failure.enforcing);
        let reached = match config.consecutive_local_origin_failures {
            Some(_) => success.enforcing_local_origin.max(failure.enforcing_local_origin),
            None => Fraction::ZERO,
        };
        self.rates.store(answers.max(reached) > Fraction::ZERO, Relaxed);
    }
}

/// Why an outlier stays.
pub(super) enum Refused {
    /// As many are out as may be.
    Overflow,
    /// It is one of the cases that are not acted upon.
    NotEnforced,
}

impl Shared {
    /// Takes a place among the ejected, if the share allows one more and the case is one to act upon.
    pub(super) fn admit(&self, kind: EjectionKind, config: &OutlierDetection) -> Result<(), Refused> {
        self.metrics.detected(kind);
        let limit = may_be_out(config, self.hosts.open());
        // Asked before the dice are, as in Envoy, and again by taking the place.
        if self.active.open() < limit {
            if !self.enforces(kind, config) {
                return Err(Refused::NotEnforced);
            }
            if self.active.try_open(limit) {
                return Ok(());
            }
        }
        self.metrics.ejections_overflow();
        Err(Refused::Overflow)
    }

    fn enforces(&self, kind: EjectionKind, config: &OutlierDetection) -> bool {
        match enforcing(kind, config) {
            Fraction::ZERO => false,
            Fraction::ONE => true,
            share => share.hits(self.random.draw()),
        }
    }

    /// A random time up to this.
    pub(super) fn jitter(&self, most: Duration) -> Duration {
        match millis(most) {
            0 => Duration::ZERO,
            most => Duration::from_millis(self.random.draw() % most.saturating_add(1)),
        }
    }

    /// Tells the observers, if there are any.
    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        let observers = self.observers.load();
        if !observers.is_empty() {
            let event = event();
            for observer in &**observers {
                observer.on_event(&event);
            }
        }
    }

    pub(super) fn millis(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.began))
    }
}

/// The share of a kind's cases that are acted upon.
fn enforcing(kind: EjectionKind, config: &OutlierDetection) -> Fraction {
    match kind {
        EjectionKind::Consecutive5xx => config.enforcing_consecutive_5xx,
        EjectionKind::ConsecutiveGatewayFailure => config.enforcing_consecutive_gateway_errors,
        EjectionKind::ConsecutiveLocalOriginFailure => config.enforcing_consecutive_local_origin_failures,
        EjectionKind::SuccessRate => config.success_rate.enforcing,
        EjectionKind::SuccessRateLocalOrigin => config.success_rate.enforcing_local_origin,
        EjectionKind::FailurePercentage => config.failure_percentage.enforcing,
        EjectionKind::FailurePercentageLocalOrigin => config.failure_percentage.enforcing_local_origin,
    }
}

impl Detector {
    /// Detection from `now` on.
    pub fn new(config: OutlierDetection, now: Instant) -> Self {
        Self::with_random(config, now, Random::default())
    }

    /// The same, with its shares and jitter drawn from there.
    pub fn with_random(config: OutlierDetection, now: Instant, random: Random) -> Self {
        let limits = Limits {
            any: AtomicU32::new(0),
            gateway: AtomicU32::new(0),
            local: AtomicU32::new(0),
            split: AtomicBool::new(false),
            rates: AtomicBool::new(false),
        };
        limits.set(&config);
        Self(Arc::new(Shared {
            began: now,
            config: ArcSwap::from_pointee(config),
            limits,
            hosts: Gauge::default(),
            active: Gauge::default(),
            panicking: AtomicBool::new(false),
            records: Mutex::default(),
            observers: ArcSwap::default(),
            random,
            metrics: OutlierMetrics::default(),
        }))
    }

    /// Follows a new configuration; hosts keep their records, and who is out stays out until its time.
    pub fn set_config(&self, config: OutlierDetection) {
        self.0.limits.set(&config);
        self.0.config.store(Arc::new(config));
    }

    /// Tells this observer, too, what happens from now on.
    pub fn observe(&self, observer: impl Observer + 'static) {
        let observer: Arc<dyn Observer> = Arc::new(observer);
        self.0.observers.rcu(|all| {
            let mut all = Vec::clone(all);
            all.push(Arc::clone(&observer));
            all
        });
    }

    /// The record of an endpoint, by its name: whoever asks while somebody holds it gets the same one.
    pub fn host(&self, endpoint: impl Into<Arc<str>>) -> Host {
        let endpoint = endpoint.into();
        let mut records = self.0.records.lock();
        if let Some(known) = records.get(&endpoint).and_then(Weak::upgrade) {
            return Host(known);
        }
        if records.len() == records.capacity() {
            records.retain(|_, record| record.strong_count() > 0);
        }
        let record = Arc::new(Record::new(Arc::clone(&self.0), Arc::clone(&endpoint)));
        records.insert(endpoint, Arc::downgrade(&record));
        self.0.hosts.try_open(u32::MAX);
        Host(record)
    }

    /// Looks at all hosts: those whose time is over return, those that do worse than the others or than the
    /// bound are ejected. To be called every [`interval`](Self::interval). How many returned.
    pub fn check(&self, now: Instant) -> usize {
        let at = self.0.millis(now);
        let mut records = Vec::new();
        self.0.records.lock().retain(|_, record| match record.upgrade() {
            Some(record) => {
                records.push(record);
                true
            }
            None => false,
        });
        let mut returned: usize = 0;
        let mut stayed = Vec::with_capacity(records.len());
        for record in &records {
            if record.come_back(at) {
                returned = returned.saturating_add(1);
            } else {
                stayed.push(record);
            }
        }
        self.compare(&records, now);
        for record in stayed {
            record.stage.relax();
        }
        returned
    }

    /// Ejects by the rates of the interval that ends now.
    fn compare(&self, records: &[Arc<Record>], now: Instant) {
        if !self.0.limits.rates() {
            return;
        }
        let config = self.0.config.load();
        let eject = |places: Vec<usize>, kind| {
            for record in places.into_iter().filter_map(|place| records.get(place)) {
                record.eject(kind, now);
            }
        };
        // What was sent before a host was ejected says nothing new of it: it compares with nobody.
        let take = |tally: fn(&Record) -> Rate| -> Vec<Rate> {
            let rate = |record: &Arc<Record>| {
                let rate = tally(record);
                if record.stage.is_out() { Rate::default() } else { rate }
            };
            records.iter().map(rate).collect()
        };
        let (success, failure) = (&config.success_rate, &config.failure_percentage);
        let answers = take(|record| record.answers.take());
        eject(below_the_others(success, &answers), EjectionKind::SuccessRate);
        eject(beyond_the_bound(failure, &answers), EjectionKind::FailurePercentage);
        if self.0.limits.split() {
            let reached = take(|record| record.reached.take());
            eject(below_the_others(success, &reached), EjectionKind::SuccessRateLocalOrigin);
            eject(beyond_the_bound(failure, &reached), EjectionKind::FailurePercentageLocalOrigin);
        }
    }

    /// Calls [`check`](Self::check) every interval, until the last other handle and host are gone.
    ///
    /// For a task of its own; it needs tokio's timer.
    pub fn run(&self) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::downgrade(&self.0);
        async move {
            while let Some(interval) = shared.upgrade().map(|s| s.config.load().interval) {
                // An interval of zero would never sleep.
                tokio::time::sleep(interval.max(Duration::from_millis(1))).await;
                if let Some(shared) = shared.upgrade() {
                    Self(shared).check(tokio::time::Instant::now().into_std());
                }
            }
        }
    }

    /// Notes whether a balancer, which found so many of its hosts available, takes any of them (by
    /// [`panics`](super::panics)); tells the observers when that changes.
    pub fn note_panic(&self, panicking: bool, available: usize, hosts: usize) {
        // Read first: the answer seldom changes, and all workers note it.
        if self.0.panicking.load(Relaxed) != panicking
            && self.0.panicking.swap(panicking, Relaxed) != panicking
        {
            if panicking {
                self.0.metrics.panics_total();
                self.0.tell(|| Event::PanicEntered { available, hosts });
            } else {
                self.0.tell(|| Event::PanicLeft { available, hosts });
            }
        }
    }

    /// Whether a balancer takes any host, as it last [noted](Self::note_panic).
    pub fn is_panicking(&self) -> bool {
        self.0.panicking.load(Relaxed)
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
