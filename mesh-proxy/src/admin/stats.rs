//! `/stats`: what is counted, under Envoy's names.
//!
//! One list serves this page and [`super::prometheus`]: each statistic has Envoy's dotted name, and beside it
//! the family and the labels that Envoy's tag extraction makes of that name.

mod cluster;

pub(super) use cluster::ClusterNumbers;

use super::State;
use super::query::Query;
use super::reply::Reply;
use crate::shared::Counters;
use mesh_telemetry::metrics::{Sample, SampleValue};
use regex::Regex;
use serde_json::{Number, Value, json};
use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// One statistic.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stat {
    /// Envoy's name, such as `cluster.NAME.upstream_rq_2xx`.
    pub(super) name: String,
    /// Prometheus' name, such as `envoy_cluster_upstream_rq_xx`.
    pub(super) family: String,
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) value: Number,
}

/// What the statistics are made of.
pub(super) struct Facts<'a> {
    pub(super) clusters: Vec<ClusterNumbers<'a>>,
    pub(super) counters: &'a Counters,
    pub(super) listeners_bound: usize,
    pub(super) listeners_failed: usize,
    pub(super) state: State,
    pub(super) uptime: Duration,
    pub(super) concurrency: usize,
    pub(super) days_until_first_expiry: Option<u64>,
    pub(super) physical_memory: Option<u64>,
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Adds statistics of one subject, such as one cluster.
struct Scope<'o> {
    out: &'o mut Vec<Stat>,
    /// What stands before the name, with its dot.
    prefix: String,
    /// What stands before the family's name.
    family: &'static str,
    labels: Vec<(&'static str, String)>,
}

impl Scope<'_> {
    fn add(&mut self, kind: Kind, name: &str, help: &'static str, value: u64) {
        self.labelled(kind, name, &name.replace('.', "_"), &[], help, value);
    }

    fn counter(&mut self, name: &str, help: &'static str, value: u64) {
        self.add(Kind::Counter, name, help, value);
    }

    fn gauge(&mut self, name: &str, help: &'static str, value: u64) {
        self.add(Kind::Gauge, name, help, value);
    }

    /// One whose family's name is not its own.
    fn labelled(
        &mut self,
        kind: Kind,
        name: &str,
        family: &str,
        labels: &[(&'static str, &str)],
        help: &'static str,
        value: u64,
    ) {
        let mut all = self.labels.clone();
        all.extend(labels.iter().map(|(key, value)| (*key, (*value).to_owned())));
        self.out.push(Stat {
            name: format!("{}{name}", self.prefix),
            family: format!("{}{family}", self.family),
            labels: all,
            kind,
            help,
            value: value.into(),
        });
    }
}

/// Every statistic but those of the registry, in the order of names.
pub(super) fn collect(facts: &Facts<'_>) -> Vec<Stat> {
    let mut out = Vec::new();
    for cluster in &facts.clusters {
        cluster.add_to(&mut out);
    }
    add_listeners(facts, &mut out);
    add_server(facts, &mut out);
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

/// What this proxy counts over all of its listeners stands where Envoy has the listener's address.
const ALL: &str = "all";

fn add_listeners(facts: &Facts<'_>, out: &mut Vec<Stat>) {
    let Counters { connections_accepted, connections_active, no_chain, .. } = facts.counters;
    let Counters { inspect_timeouts, handshake_failures, requests_active, .. } = facts.counters;
    let mut all = Scope {
        out,
        prefix: format!("listener.{ALL}."),
        family: "envoy_listener_",
        labels: vec![("envoy_listener_address", ALL.to_owned())],
    };
    all.gauge("downstream_cx_active", "Connections that are open.", connections_active.load(Relaxed));
    all.counter("downstream_cx_total", "Connections that were accepted.", connections_accepted.load(Relaxed));
    all.counter(
        "downstream_pre_cx_timeout",
        "Connections whose first bytes did not come in time.",
        inspect_timeouts.load(Relaxed),
    );
    all.counter("no_filter_chain_match", "Connections that no filter chain takes.", no_chain.load(Relaxed));
    all.counter("ssl.connection_error", "TLS handshakes that failed.", handshake_failures.load(Relaxed));
    let mut manager = Scope {
        out,
        prefix: format!("http.{ALL}."),
        family: "envoy_http_",
        labels: vec![("envoy_http_conn_manager_prefix", ALL.to_owned())],
    };
    manager.gauge("downstream_rq_active", "Requests in flight.", requests_active.load(Relaxed));
    let mut listeners =
        Scope { out, prefix: "listener_manager.".into(), family: "envoy_listener_manager_", labels: vec![] };
    listeners.gauge("total_listeners_active", "Listeners that are bound.", count(facts.listeners_bound));
    let mut clusters =
        Scope { out, prefix: "cluster_manager.".into(), family: "envoy_cluster_manager_", labels: vec![] };
    clusters.gauge("active_clusters", "Clusters of the configuration.", count(facts.clusters.len()));
}

fn add_server(facts: &Facts<'_>, out: &mut Vec<Stat>) {
    let mut server = Scope { out, prefix: "server.".into(), family: "envoy_server_", labels: vec![] };
    server.gauge("concurrency", "Worker threads.", count(facts.concurrency));
    server.gauge("live", "1 unless the server drains.", (facts.state != State::Draining).into());
    server.gauge("state", "0 live, 1 draining, 2 before its first configuration.", facts.state.number());
    server.gauge("uptime", "Seconds since the start.", facts.uptime.as_secs());
    let active = facts.counters.connections_active.load(Relaxed);
    server.gauge("total_connections", "Connections that are open.", active);
    if let Some(days) = facts.days_until_first_expiry {
        server.gauge("days_until_first_cert_expiring", "Days until the first certificate expires.", days);
    }
    if let Some(bytes) = facts.physical_memory {
        server.gauge("memory_physical_size", "Bytes of memory that are resident.", bytes);
    }
    // What Envoy has no name for.
    let mut own = Scope { out, prefix: "mesh.proxy.".into(), family: "mesh_proxy_", labels: vec![] };
    let failed = count(facts.listeners_failed);
    own.gauge("listeners_failed", "Listeners that cannot be bound and are tried again.", failed);
    let Counters { panics, config_applied, .. } = facts.counters;
    let mut total = |name, help, value| {
        own.labelled(Kind::Counter, name, &format!("{name}_total"), &[], help, value);
    };
    total("panics", "Tasks of workers that ended in a panic.", panics.load(Relaxed));
    total("config_applied", "Configurations that a worker took over.", config_applied.load(Relaxed));
}

/// What other parts of the process registered. Of a histogram, its count and sum say nothing that Envoy's
/// quantiles would; it is on the Prometheus page alone.
pub(super) fn registered(samples: Vec<Sample>) -> Vec<Stat> {
    let stat = |sample: Sample| {
        let (kind, value) = match sample.value {
            SampleValue::Counter(n) => (Kind::Counter, n.into()),
            SampleValue::Gauge(n) => (Kind::Gauge, n.into()),
            SampleValue::Histogram { .. } => return None,
        };
        let labels = sample.labels.iter().map(|(key, value)| format!(".{key}.{value}"));
        let name = format!("{}{}", sample.name, labels.collect::<String>());
        let family = sample.name.to_owned();
        Some(Stat { name, family, labels: sample.labels, kind, help: "", value })
    };
    samples.into_iter().filter_map(stat).collect()
}

/// Which statistics a reader wants.
pub(super) struct Wanted {
    filter: Option<Regex>,
    used_only: bool,
    kind: Option<Kind>,
    /// Histograms and text readouts, of which there are none.
    nothing: bool,
}

impl Wanted {
    pub(super) fn of(query: &Query) -> Result<Self, Reply> {
        let (kind, nothing) = match query.get("type").unwrap_or("All") {
            "All" => (None, false),
            "Counters" => (Some(Kind::Counter), false),
            "Gauges" => (Some(Kind::Gauge), false),
            "Histograms" | "TextReadouts" => (None, true),
            _ => return Err(Reply::bad_request("invalid &type= param\n")),
        };
        Ok(Self { filter: query.regex("filter")?, used_only: query.has("usedonly"), kind, nothing })
    }

    pub(super) fn wants(&self, stat: &Stat) -> bool {
        let zero = || stat.value.as_u64() == Some(0);
        !self.nothing
            && self.kind.is_none_or(|kind| kind == stat.kind)
            && !(self.used_only && zero())
            && self.wants_name(&stat.name)
    }

    /// Whether the filter lets a name through.
    pub(super) fn wants_name(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.is_match(name))
    }
}

/// `name: value`, line by line.
pub(super) fn as_text(stats: &[Stat]) -> String {
    let mut out = String::with_capacity(stats.len() * 64);
    for stat in stats {
        let _ = writeln!(out, "{}: {}", stat.name, stat.value);
    }
    out
}

/// Envoy's JSON of it.
pub(super) fn as_json(stats: &[Stat]) -> Value {
    let entry = |stat: &Stat| json!({ "name": stat.name, "value": stat.value });
    json!({ "stats": stats.iter().map(entry).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests;
