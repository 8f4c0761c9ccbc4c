//! Counters, gauges and histograms: Istio's standard set, and whatever a part of the mesh registers.
//!
//! ```text
//! worker 1 ─▶ [Shard] ─┐
//! worker 2 ─▶ [Shard] ─┼─▶ [Registry]::render ─▶ /stats/prometheus
//! cluster, listener … ─┘
//!   counter, gauge, histogram handles
//! ```
//!
//! Every worker counts in a shard of its own, with relaxed atomics and without locks; the shards are added
//! up when somebody asks. A request's labels are looked up once by content, in a set that is immutable
//! while nothing new appears.
//!
//! The number of label sets is bounded ([`Limits`]): a mesh of many peers, or an attacker who invents some,
//! ends in one series per metric that is labelled `overflow`.

mod cells;
mod family;
mod labels;
mod standard;
#[cfg(test)]
mod tests;
mod text;

pub use cells::{BUCKETS, Counter, Gauge, Histogram};
pub use family::{Sample, SampleValue};

use crate::record::{ConnectionRecord, RequestRecord};
use crate::sink::Sink;
use family::{Families, Kind};
use parking_lot::Mutex;
use standard::{Standard, StandardShard};
use std::sync::Arc;

/// The name, kind and help of a metric that [`Registry::counter`] and its siblings register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desc {
    /// Name, such as `envoy_cluster_upstream_rq_total`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
}

impl Desc {
    /// A description; counters end in `_total` by Prometheus' rules.
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help }
    }
}

/// How many label sets a registry holds before it counts under `overflow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Label sets of Istio's standard metrics, HTTP and TCP together.
    pub standard: usize,
    /// Label sets of registered metrics, all names together.
    pub registered: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { standard: 5_000, registered: 50_000 }
    }
}

/// Every metric of a process; clones are the same registry.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    standard: Arc<Standard>,
    families: Mutex<Families>,
}

impl Registry {
    /// An empty registry.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Inner {
            standard: Arc::new(Standard::new(limits.standard)),
            families: Mutex::new(Families::new(limits.registered)),
        }))
    }

    /// A shard for one worker. It counts from now on; what a dropped shard counted stays.
    pub fn shard(&self) -> Shard {
        Shard(Standard::shard(&self.0.standard))
    }

    /// A counter of this name and these labels, not shared with other callers: the values of all of them
    /// are added up. Register it once, when a stack is built, and keep it.
    pub fn counter(&self, desc: Desc, labels: &[(&'static str, &str)]) -> Counter {
        Counter(self.0.families.lock().register(Kind::Counter, desc, labels))
    }

    /// A gauge. Gauges of one name and the same labels are added up; a dropped one counts no more.
    pub fn gauge(&self, desc: Desc, labels: &[(&'static str, &str)]) -> Gauge {
        Gauge(self.0.families.lock().register(Kind::Gauge, desc, labels))
    }

    /// A histogram with Envoy's default [`BUCKETS`].
    pub fn histogram(&self, desc: Desc, labels: &[(&'static str, &str)]) -> Histogram {
        Histogram(self.0.families.lock().register(Kind::Histogram, desc, labels))
    }

    /// Prometheus' text exposition of everything, format 0.0.4.
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(64 * 1024);
        self.0.standard.render(&mut out);
        self.0.families.lock().render(&mut out);
        out
    }

    /// The registered metrics one by one, for other formats such as Envoy's `/stats`.
    pub fn samples(&self) -> Vec<Sample> {
        self.0.families.lock().samples()
    }

    /// How often something was counted under `overflow`.
    pub fn overflows(&self) -> u64 {
        self.0.standard.overflows()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

/// The content type of [`Registry::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One worker's part of Istio's standard metrics. It may be shared between threads, at the price of
/// sharing cache lines.
#[derive(Clone)]
pub struct Shard(Arc<StandardShard>);

impl Sink for Shard {
    fn request(&self, record: &RequestRecord) {
        self.0.request(record);
    }

    fn connection(&self, record: &ConnectionRecord) {
        self.0.connection(record);
    }
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}
