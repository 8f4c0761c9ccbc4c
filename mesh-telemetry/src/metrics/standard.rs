//! Istio's standard metrics, counted per worker and added up per label set.
//!
//! The names, labels and buckets are Istio's; dashboards, alerts and Kiali read them as they are.

use super::cells::{Distribution, Tally};
use super::labels::{Labels, View};
use super::text;
use crate::read_mostly::ReadMostly;
use crate::record::{ConnectionEvent, ConnectionRecord, RequestRecord};
use indexmap::{Equivalent, IndexSet};
use parking_lot::Mutex;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// What all shards share: which label sets exist.
pub(super) struct Standard {
    limit: usize,
    state: Mutex<State>,
}

struct State {
    labels: IndexSet<Arc<Labels>, foldhash::fast::RandomState>,
    shards: Vec<Arc<StandardShard>>,
    /// What shards had counted that nobody holds any more: counters must not go back.
    retired: Totals,
}

/// One worker's cells.
pub(super) struct StandardShard {
    shared: Weak<Standard>,
    series: ReadMostly<Series>,
    overflows: AtomicU64,
    /// Beyond the limit.
    http_overflow: HttpCells,
    tcp_overflow: TcpCells,
}

struct Series {
    labels: Arc<Labels>,
    /// Index of the labels in [`State::labels`].
    slot: usize,
    cells: Cells,
}

enum Cells {
    Http(Box<HttpCells>),
    Tcp(TcpCells),
}

#[derive(Default)]
struct HttpCells {
    duration_ms: Distribution,
    request_bytes: Distribution,
    response_bytes: Distribution,
}

#[derive(Default)]
struct TcpCells {
    sent: AtomicU64,
    received: AtomicU64,
    opened: AtomicU64,
    closed: AtomicU64,
}

#[derive(Clone, Default)]
struct Totals {
    series: Vec<Total>,
    overflows: u64,
    http_overflow: HttpTotal,
    tcp_overflow: [u64; 4],
}

#[derive(Clone, Default)]
struct Total {
    http: Option<Box<HttpTotal>>,
    tcp: Option<[u64; 4]>,
}

#[derive(Clone, Default)]
struct HttpTotal {
    duration_ms: Tally,
    request_bytes: Tally,
    response_bytes: Tally,
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        self.labels == other.labels
    }
}

impl Eq for Series {}

impl Hash for Series {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.labels.hash(state);
    }
}

impl Equivalent<Arc<Series>> for View<'_> {
    fn equivalent(&self, key: &Arc<Series>) -> bool {
        *self == key.labels.view()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a body beyond 2^53 bytes is rounded")]
fn bytes(n: u64) -> f64 {
    n as f64
}

impl HttpCells {
    fn count(&self, r: &RequestRecord) {
        self.duration_ms.observe(r.duration.as_secs_f64() * 1000.0);
        self.request_bytes.observe(bytes(r.bytes_received));
        self.response_bytes.observe(bytes(r.bytes_sent));
    }

    fn add_to(&self, total: &mut HttpTotal) {
        total.duration_ms.add(&self.duration_ms.read());
        total.request_bytes.add(&self.request_bytes.read());
        total.response_bytes.add(&self.response_bytes.read());
    }
}

impl TcpCells {
    fn count(&self, r: &ConnectionRecord) {
        self.received.fetch_add(r.new_bytes_received, Relaxed);
        self.sent.fetch_add(r.new_bytes_sent, Relaxed);
        match r.event {
            ConnectionEvent::Opened => _ = self.opened.fetch_add(1, Relaxed),
            ConnectionEvent::Progress => {}
            ConnectionEvent::Closed => _ = self.closed.fetch_add(1, Relaxed),
        }
    }

    fn add_to(&self, total: &mut [u64; 4]) {
        let cells = [&self.sent, &self.received, &self.opened, &self.closed];
        for (sum, cell) in total.iter_mut().zip(cells) {
            *sum += cell.load(Relaxed);
        }
    }
}

impl StandardShard {
    pub(super) fn request(&self, record: &RequestRecord) {
        let count = |series: &Arc<Series>| {
            if let Cells::Http(cells) = &series.cells {
                cells.count(record);
            }
        };
        let make = || self.shared.upgrade()?.admit(Labels::of_request(record));
        if self.series.with(&View::of_request(record), make, count).is_none() {
            self.overflows.fetch_add(1, Relaxed);
            self.http_overflow.count(record);
        }
    }

    pub(super) fn connection(&self, record: &ConnectionRecord) {
        let count = |series: &Arc<Series>| {
            if let Cells::Tcp(cells) = &series.cells {
                cells.count(record);
            }
        };
        let make = || self.shared.upgrade()?.admit(Labels::of_connection(record));
        if self.series.with(&View::of_connection(record), make, count).is_none() {
            self.overflows.fetch_add(1, Relaxed);
            self.tcp_overflow.count(record);
        }
    }

    fn add_to(&self, totals: &mut Totals) {
        self.series.for_each(|series| {
            if totals.series.len() <= series.slot {
                totals.series.resize(series.slot + 1, Total::default());
            }
            let Some(total) = totals.series.get_mut(series.slot) else { return };
            match &series.cells {
                Cells::Http(cells) => cells.add_to(total.http.get_or_insert_default()),
                Cells::Tcp(cells) => cells.add_to(total.tcp.get_or_insert_default()),
            }
        });
        totals.overflows += self.overflows.load(Relaxed);
        self.http_overflow.add_to(&mut totals.http_overflow);
        self.tcp_overflow.add_to(&mut totals.tcp_overflow);
    }
}

impl Standard {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::new(State {
                labels: IndexSet::default(),
                shards: Vec::new(),
                retired: Totals::default(),
            }),
        }
    }

    pub(super) fn shard(shared: &Arc<Self>) -> Arc<StandardShard> {
        let shard = Arc::new(StandardShard {
            shared: Arc::downgrade(shared),
            series: ReadMostly::new(),
            overflows: AtomicU64::new(0),
            http_overflow: HttpCells::default(),
            tcp_overflow: TcpCells::default(),
        });
        let mut state = shared.state.lock();
        state.retire();
        state.shards.push(shard.clone());
        shard
    }

    pub(super) fn overflows(&self) -> u64 {
        self.totals().1.overflows
    }

    /// A shard's series for labels that it has not met; `None` beyond the limit.
    fn admit(&self, labels: Labels) -> Option<Arc<Series>> {
        let mut state = self.state.lock();
        let slot = match state.labels.get_index_of(&labels.view()) {
            Some(slot) => slot,
            None if state.labels.len() >= self.limit => return None,
            None => state.labels.insert_full(Arc::new(labels)).0,
        };
        let labels = state.labels.get_index(slot)?.clone();
        let cells =
            if labels.is_http() { Cells::Http(Box::default()) } else { Cells::Tcp(TcpCells::default()) };
        Some(Arc::new(Series { labels, slot, cells }))
    }

    fn totals(&self) -> (Vec<Arc<Labels>>, Totals) {
        let mut state = self.state.lock();
        state.retire();
        let mut totals = state.retired.clone();
        state.shards.iter().for_each(|shard| shard.add_to(&mut totals));
        (state.labels.iter().cloned().collect(), totals)
    }

    pub(super) fn render(&self, out: &mut String) {
        let (labels, totals) = self.totals();
        let mut http = Vec::new();
        let mut tcp = Vec::new();
        for (labels, total) in labels.iter().zip(&totals.series) {
            if let Some(total) = &total.http {
                http.push((labels.text(), &**total));
            }
            if let Some(total) = &total.tcp {
                tcp.push((labels.text(), total));
            }
        }
        if totals.http_overflow.count() > 0 {
            http.push((Labels::overflow_text(true), &totals.http_overflow));
        }
        if totals.tcp_overflow.iter().any(|n| *n > 0) {
            tcp.push((Labels::overflow_text(false), &totals.tcp_overflow));
        }
        render_http(out, &http);
        render_tcp(out, &tcp);
        let name = "mesh_telemetry_overflow_total";
        text::header(out, name, "counter", "Records that were counted under the label overflow.");
        text::sample(out, name, "", totals.overflows);
    }
}

impl State {
    fn retire(&mut self) {
        let Self { shards, retired, .. } = self;
        shards.retain_mut(|shard| {
            // Exclusive access proves that no handle is left, and shows all that they wrote.
            let gone = Arc::get_mut(shard).is_some();
            if gone {
                shard.add_to(retired);
            }
            !gone
        });
    }
}

impl HttpTotal {
    fn count(&self) -> u64 {
        self.duration_ms.buckets.iter().sum()
    }
}

fn render_http(out: &mut String, series: &[(String, &HttpTotal)]) {
    if series.is_empty() {
        return;
    }
    let name = "istio_requests_total";
    text::header(out, name, "counter", "Requests that ended.");
    for (labels, total) in series {
        text::sample(out, name, labels, total.count());
    }
    type Of = fn(&HttpTotal) -> &Tally;
    let histograms: [(&str, &str, Of); 3] = [
        ("istio_request_duration_milliseconds", "Time from the request's head to the response's end.", |t| {
            &t.duration_ms
        }),
        ("istio_request_bytes", "Size of request bodies.", |t| &t.request_bytes),
        ("istio_response_bytes", "Size of response bodies.", |t| &t.response_bytes),
    ];
    for (name, help, of) in histograms {
        text::header(out, name, "histogram", help);
        for (labels, total) in series {
            text::histogram(out, name, labels, of(total));
        }
    }
}

fn render_tcp(out: &mut String, series: &[(String, &[u64; 4])]) {
    if series.is_empty() {
        return;
    }
    let counters = [
        ("istio_tcp_sent_bytes_total", "Bytes sent to callers over TCP connections."),
        ("istio_tcp_received_bytes_total", "Bytes received from callers over TCP connections."),
        ("istio_tcp_connections_opened_total", "TCP connections that were opened."),
        ("istio_tcp_connections_closed_total", "TCP connections that were closed."),
    ];
    for (i, (name, help)) in counters.into_iter().enumerate() {
        text::header(out, name, "counter", help);
        for (labels, total) in series {
            text::sample(out, name, labels, total.get(i).copied().unwrap_or_default());
        }
    }
}
