//! Metrics that other parts of the mesh register: Envoy's cluster, listener and server statistics.
//!
//! A stack asks for a cell of its own when it is built and increments that; the cells of one name and
//! label set are added up on a scrape. A counter outlives the stack that counted, for a while: a new stack
//! of the same cluster goes on where the old one ended.

use super::Desc;
use super::cells::{Distribution, Tally};
use super::text;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Scrapes that a series without a live cell survives; Prometheus asks every 15 s by default.
const SURVIVES: u8 = 20;

pub(super) struct Families {
    limit: usize,
    len: usize,
    by_name: BTreeMap<&'static str, Family>,
}

/// The labels of one series.
type Key = Box<[(&'static str, Box<str>)]>;

struct Family {
    kind: Kind,
    help: &'static str,
    series: IndexMap<Key, Series, foldhash::fast::RandomState>,
}

#[derive(Default)]
pub(super) struct Series {
    counters: Vec<Arc<AtomicU64>>,
    gauges: Vec<Arc<AtomicI64>>,
    histograms: Vec<Arc<Distribution>>,
    /// What cells had counted that are gone.
    counted: u64,
    observed: Tally,
    /// Scrapes since the last live cell.
    unused: u8,
}

/// One registered metric with one set of labels, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name, such as `envoy_cluster_upstream_rq_total`.
    pub name: &'static str,
    /// Labels, in the order in which they were registered.
    pub labels: Vec<(&'static str, String)>,
    /// Value.
    pub value: SampleValue,
}

/// The value of a [`Sample`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleValue {
    /// Of a counter.
    Counter(u64),
    /// Of a gauge.
    Gauge(i64),
    /// Of a histogram.
    Histogram {
        /// How many values.
        count: u64,
        /// Their sum.
        sum: f64,
    },
}

/// A cell that a handle holds on to.
pub(super) trait Cell: Default {
    fn store(self: &Arc<Self>, series: &mut Series);
}

impl Cell for AtomicU64 {
    fn store(self: &Arc<Self>, series: &mut Series) {
        series.counters.push(self.clone());
    }
}

impl Cell for AtomicI64 {
    fn store(self: &Arc<Self>, series: &mut Series) {
        series.gauges.push(self.clone());
    }
}

impl Cell for Distribution {
    fn store(self: &Arc<Self>, series: &mut Series) {
        series.histograms.push(self.clone());
    }
}

impl Families {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, len: 0, by_name: BTreeMap::new() }
    }

    /// A new cell. Beyond the limit, or where the name is taken by another kind, it counts for nobody.
    pub(super) fn register<C: Cell>(
        &mut self,
        kind: Kind,
        desc: Desc,
        labels: &[(&'static str, &str)],
    ) -> Arc<C> {
        let cell = Arc::new(C::default());
        let family = self.by_name.entry(desc.name).or_insert_with(|| Family {
            kind,
            help: desc.help,
            series: IndexMap::default(),
        });
        if family.kind != kind {
            tracing::error!(metric = desc.name, "registered as a {:?} and as a {kind:?}", family.kind);
            return cell;
        }
        let mut key: Key = labels.iter().map(|(k, v)| (*k, (*v).into())).collect();
        if !family.series.contains_key(&key) {
            if self.len >= self.limit {
                key.iter_mut().for_each(|(_, v)| *v = "overflow".into());
            }
            if !family.series.contains_key(&key) {
                self.len += 1;
            }
        }
        let series = family.series.entry(key).or_default();
        series.settle();
        series.unused = 0;
        cell.store(series);
        cell
    }

    pub(super) fn render(&mut self, out: &mut String) {
        for (name, family) in &mut self.by_name {
            let before = family.series.len();
            family.series.retain(|_, series| series.survives());
            self.len -= before - family.series.len();
            if family.series.is_empty() {
                continue;
            }
            text::header(out, name, family.kind.as_str(), family.help);
            for (key, series) in &family.series {
                let mut labels = String::new();
                key.iter().for_each(|(k, v)| text::label(&mut labels, k, v));
                match family.kind {
                    Kind::Counter => text::sample(out, name, &labels, series.count()),
                    Kind::Gauge => text::sample(out, name, &labels, series.level()),
                    Kind::Histogram => text::histogram(out, name, &labels, &series.tally()),
                }
            }
        }
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        let mut out = Vec::with_capacity(self.len);
        for (name, family) in &self.by_name {
            for (key, series) in &family.series {
                let value = match family.kind {
                    Kind::Counter => SampleValue::Counter(series.count()),
                    Kind::Gauge => SampleValue::Gauge(series.level()),
                    Kind::Histogram => {
                        let tally = series.tally();
                        SampleValue::Histogram { count: tally.buckets.iter().sum(), sum: tally.sum() }
                    }
                };
                let labels = key.iter().map(|(k, v)| (*k, v.to_string())).collect();
                out.push(Sample { name, labels, value });
            }
        }
        out
    }
}

impl Series {
    /// Forgets cells that nobody holds any more, and keeps what they counted.
    fn settle(&mut self) {
        let Self { counters, histograms, counted, observed, .. } = self;
        // Exclusive access proves that no handle is left, and shows all that they wrote.
        counters.retain_mut(|cell| match Arc::get_mut(cell) {
            Some(last) => {
                *counted += *last.get_mut();
                false
            }
            None => true,
        });
        histograms.retain_mut(|cell| match Arc::get_mut(cell) {
            Some(last) => {
                observed.add(&last.read());
                false
            }
            None => true,
        });
        self.gauges.retain(|cell| Arc::strong_count(cell) > 1);
    }

    fn survives(&mut self) -> bool {
        self.settle();
        if self.counters.is_empty() && self.gauges.is_empty() && self.histograms.is_empty() {
            self.unused = self.unused.saturating_add(1);
        } else {
            self.unused = 0;
        }
        self.unused <= SURVIVES
    }

    fn count(&self) -> u64 {
        self.counters.iter().fold(self.counted, |sum, cell| sum.wrapping_add(cell.load(Relaxed)))
    }

    fn level(&self) -> i64 {
        self.gauges.iter().fold(0, |sum, cell| sum.wrapping_add(cell.load(Relaxed)))
    }

    fn tally(&self) -> Tally {
        let mut tally = self.observed.clone();
        self.histograms.iter().for_each(|cell| tally.add(&cell.read()));
        tally
    }
}
