//! `/clusters`: each cluster with its limits, each endpoint with its counters and its health.

use super::listeners::socket_address;
use super::query::Query;
use super::reply::Reply;
use crate::engine::Input;
use crate::shared::{ClusterShared, HostShared, Shared};
use mesh_core::addr::Address;
use mesh_core::model::Name;
use mesh_core::model::cluster::Cluster;
use mesh_core::model::endpoint::{Endpoint, Health, Locality};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A cluster as it is configured, with its state once workers have made it.
pub(super) struct ClusterView {
    pub(super) config: Arc<Cluster>,
    pub(super) shared: Option<Arc<ClusterShared>>,
    pub(super) hosts: Vec<HostView>,
}

/// An endpoint of a cluster.
pub(super) struct HostView {
    pub(super) endpoint: Endpoint,
    pub(super) shared: Option<Arc<HostShared>>,
    region: Name,
    zone: Name,
    sub_zone: Name,
    priority: u32,
}

/// Every cluster of a configuration, in the order of names.
pub(super) fn views(input: &Input, shared: &Shared) -> Vec<ClusterView> {
    let states: HashMap<Name, Arc<ClusterShared>> =
        shared.clusters().into_iter().map(|state| (state.name.clone(), state)).collect();
    let view = |config: &Arc<Cluster>| {
        let shared = states.get(&config.name).cloned();
        let endpoints = input.endpoints(config);
        let localities = endpoints.iter().flat_map(|endpoints| &endpoints.localities);
        let hosts = localities.flat_map(|locality| {
            let state = |endpoint: &Endpoint| shared.as_ref()?.known_host(&endpoint.address);
            locality.endpoints.iter().map(move |e| HostView::new(e, locality, state(e)))
        });
        let hosts = hosts.collect();
        ClusterView { config: config.clone(), shared, hosts }
    };
    input.snapshot.clusters.values().map(view).collect()
}

impl ClusterView {
    /// Endpoints that may be chosen.
    pub(super) fn healthy(&self) -> usize {
        self.hosts.iter().filter(|host| host.flags().is_empty()).count()
    }
}

impl HostView {
    fn new(endpoint: &Endpoint, at: &Locality, shared: Option<Arc<HostShared>>) -> Self {
        Self {
            endpoint: endpoint.clone(),
            shared,
            region: at.region.clone(),
            zone: at.zone.clone(),
            sub_zone: at.sub_zone.clone(),
            priority: at.priority,
        }
    }

    fn is_ejected(&self) -> bool {
        self.shared.as_ref().is_some_and(|state| state.outlier.is_ejected())
    }

    /// Envoy's names of what is wrong with it; empty if nothing is.
    fn flags(&self) -> String {
        let mut flags = String::new();
        if self.is_ejected() {
            flags.push_str("/failed_outlier_check");
        }
        match self.endpoint.health {
            Health::Healthy => {}
            Health::Unhealthy => flags.push_str("/failed_eds_health"),
            Health::Draining => flags.push_str("/eds_status_draining"),
        }
        flags
    }

    /// Envoy's counters and gauges of a host, in the order of names; which are gauges.
    fn stats(&self) -> [(&'static str, u64, bool); 7] {
        let of = |read: fn(&HostShared) -> u64| self.shared.as_deref().map_or(0, read);
        [
            ("cx_active", of(|s| s.pool.open.load(Relaxed).into()), true),
            ("cx_connect_fail", of(|s| s.pool.connect_failures.load(Relaxed)), false),
            ("cx_total", of(|s| s.pool.connects.load(Relaxed)), false),
            ("rq_active", of(|s| s.rq_active.load(Relaxed).into()), true),
            ("rq_error", of(|s| s.rq_error.load(Relaxed)), false),
            ("rq_success", of(|s| s.rq_success.load(Relaxed)), false),
            ("rq_total", of(|s| s.rq_total.load(Relaxed)), false),
        ]
    }
}

/// An address as this page writes it: Envoy puts nothing before the path of a socket.
struct Plain<'a>(&'a Address);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Address::Socket(address) => address.fmt(f),
            Address::Unix(path) => f.write_str(path),
        }
    }
}

pub(super) fn page(mut clusters: Vec<ClusterView>, query: &Query) -> Reply {
    match query.regex("filter") {
        Ok(Some(filter)) => clusters.retain(|cluster| filter.is_match(&cluster.config.name)),
        Ok(None) => {}
        Err(refused) => return refused,
    }
    match query.get("format") {
        Some("json") => {
            let statuses: Vec<Value> = clusters.iter().map(as_json).collect();
            Reply::json(&json!({ "cluster_statuses": statuses }))
        }
        _ => {
            let mut out = String::new();
            for cluster in &clusters {
                // Writing to a string does not fail.
                let _ = write_text(&mut out, cluster);
            }
            Reply::text(out)
        }
    }
}

fn write_text(out: &mut String, cluster: &ClusterView) -> fmt::Result {
    let name = &cluster.config.name;
    writeln!(out, "{name}::observability_name::{name}")?;
    if cluster.config.outlier.is_some() {
        // What the last comparison came to is not kept; Envoy writes -1 where it has too little to judge by.
        for average in ["success_rate", "local_origin_success_rate"] {
            writeln!(out, "{name}::outlier::{average}_average::-1")?;
            writeln!(out, "{name}::outlier::{average}_ejection_threshold::-1")?;
        }
    }
    let limits = &cluster.config.limits;
    writeln!(out, "{name}::default_priority::max_connections::{}", limits.max_connections)?;
    writeln!(out, "{name}::default_priority::max_pending_requests::{}", limits.max_pending_requests)?;
    writeln!(out, "{name}::default_priority::max_requests::{}", limits.max_requests)?;
    writeln!(out, "{name}::default_priority::max_retries::{}", limits.max_retries)?;
    writeln!(out, "{name}::added_via_api::true")?;
    for host in &cluster.hosts {
        let address = Plain(&host.endpoint.address);
        for (stat, value, _) in host.stats() {
            writeln!(out, "{name}::{address}::{stat}::{value}")?;
        }
        let flags = host.flags();
        let health = if flags.is_empty() { "healthy" } else { &flags };
        writeln!(out, "{name}::{address}::hostname::")?;
        writeln!(out, "{name}::{address}::health_flags::{health}")?;
        writeln!(out, "{name}::{address}::weight::{}", host.endpoint.weight)?;
        writeln!(out, "{name}::{address}::region::{}", host.region)?;
        writeln!(out, "{name}::{address}::zone::{}", host.zone)?;
        writeln!(out, "{name}::{address}::sub_zone::{}", host.sub_zone)?;
        writeln!(out, "{name}::{address}::canary::false")?;
        writeln!(out, "{name}::{address}::priority::{}", host.priority)?;
        writeln!(out, "{name}::{address}::success_rate::-1")?;
        writeln!(out, "{name}::{address}::local_origin_success_rate::-1")?;
    }
    Ok(())
}

/// Envoy's `admin.v3.ClusterStatus`.
fn as_json(cluster: &ClusterView) -> Value {
    let limits = &cluster.config.limits;
    json!({
        "name": &*cluster.config.name,
        "observability_name": &*cluster.config.name,
        "added_via_api": true,
        "circuit_breakers": { "thresholds": [{
            "max_connections": limits.max_connections,
            "max_pending_requests": limits.max_pending_requests,
            "max_requests": limits.max_requests,
            "max_retries": limits.max_retries,
        }] },
        "host_statuses": cluster.hosts.iter().map(host_json).collect::<Vec<_>>(),
    })
}

fn host_json(host: &HostView) -> Value {
    let address = match &host.endpoint.address {
        Address::Socket(address) => socket_address(*address),
        Address::Unix(path) => json!({ "pipe": { "path": &**path } }),
    };
    // Protobuf's JSON: a default (type COUNTER, value 0) is left out, 64 bits are a string.
    let stats = host.stats().map(|(name, value, is_gauge)| {
        let mut stat = json!({ "name": name });
        if is_gauge {
            stat["type"] = "GAUGE".into();
        }
        if value > 0 {
            stat["value"] = value.to_string().into();
        }
        stat
    });
    let mut health = json!({
        "eds_health_status": match host.endpoint.health {
            Health::Healthy => "HEALTHY",
            Health::Unhealthy => "UNHEALTHY",
            Health::Draining => "DRAINING",
        },
    });
    if host.is_ejected() {
        health["failed_outlier_check"] = true.into();
    }
    let mut status = json!({
        "address": address,
        "stats": stats,
        "health_status": health,
        "weight": host.endpoint.weight,
        "locality": { "region": &*host.region, "zone": &*host.zone, "sub_zone": &*host.sub_zone },
    });
    if host.priority > 0 {
        status["priority"] = host.priority.into();
    }
    status
}

#[cfg(test)]
mod tests;
