//! The statistics of one cluster.

use super::super::clusters::ClusterView;
use super::super::totals::Connections;
use super::{Kind, Scope, Stat, count};
use crate::shared::{ClusterShared, ClusterStats};
use mesh_policy::breaker::{Breaker, BreakerCounts, Resource};
use std::sync::atomic::Ordering::Relaxed;

/// A cluster, and what is known of its connections.
pub(in crate::admin) struct ClusterNumbers<'a> {
    pub(in crate::admin) cluster: &'a ClusterView,
    pub(in crate::admin) connections: Connections,
}

impl ClusterNumbers<'_> {
    pub(super) fn add_to(&self, out: &mut Vec<Stat>) {
        let name = &*self.cluster.config.name;
        let mut scope = Scope {
            out,
            // Envoy keeps colons out of names, for they separate a name from its value.
            prefix: format!("cluster.{}.", name.replace(':', "_")),
            family: "envoy_cluster_",
            labels: vec![("envoy_cluster_name", name.to_owned())],
        };
        scope.gauge("membership_total", "Endpoints.", count(self.cluster.hosts.len()));
        scope.gauge("membership_healthy", "Endpoints that may be chosen.", count(self.cluster.healthy()));
        // Before the first worker has made it, nothing can have happened.
        let Some(shared) = &self.cluster.shared else { return };
        let counts = shared.breaker.snapshot();
        self.add_connections(&mut scope, &counts, &shared.stats);
        add_requests(&mut scope, &counts, &shared.stats);
        add_breaker(&mut scope, "default", &shared.breaker);
        if self.cluster.config.high_limits.is_some() {
            add_breaker(&mut scope, "high", &shared.high);
        }
        if self.cluster.config.outlier.is_some() {
            add_outlier(&mut scope, shared);
        }
    }

    fn add_connections(&self, scope: &mut Scope<'_>, counts: &BreakerCounts, stats: &ClusterStats) {
        let Connections { total, failed, active } = self.connections;
        // Endpoints that are found by the connection itself are in no list; the breaker knows of theirs.
        let active = active.max(counts.connections.into());
        scope.gauge("upstream_cx_active", "Connections that are open.", active);
        scope.counter("upstream_cx_total", "Connections that were opened, or tried to be.", total);
        scope.counter("upstream_cx_connect_fail", "Connections that could not be opened.", failed);
        let overflow = counts.upstream_cx_overflow;
        scope.counter("upstream_cx_overflow", "Times that the limit on connections was met.", overflow);
        let none = stats.none_healthy.load(Relaxed);
        scope.counter("upstream_cx_none_healthy", "Requests for which there was no endpoint.", none);
    }
}

fn add_requests(scope: &mut Scope<'_>, counts: &BreakerCounts, stats: &ClusterStats) {
    scope.counter("upstream_rq_total", "Requests sent, retries among them.", stats.rq_total.load(Relaxed));
    scope.gauge("upstream_rq_active", "Requests in flight.", counts.requests.into());
    scope.gauge("upstream_rq_pending_active", "Requests that wait for a connection.", counts.pending.into());
    let overflow = counts.upstream_rq_pending_overflow;
    scope.counter("upstream_rq_pending_overflow", "Requests refused by a limit.", overflow);
    let classes = [("2", &stats.rq_2xx), ("3", &stats.rq_3xx), ("4", &stats.rq_4xx), ("5", &stats.rq_5xx)];
    let classes = classes.map(|(class, cell)| (class, cell.load(Relaxed)));
    let completed = classes.iter().map(|(_, value)| value).sum();
    scope.counter("upstream_rq_completed", "Responses.", completed);
    for (class, value) in classes {
        let name = format!("upstream_rq_{class}xx");
        let labels = [("envoy_response_code_class", class)];
        scope.labelled(Kind::Counter, &name, "upstream_rq_xx", &labels, "Responses by class.", value);
    }
}

fn add_breaker(scope: &mut Scope<'_>, priority: &str, breaker: &Breaker) {
    let kinds = [
        ("cx_open", Resource::Connection),
        ("rq_pending_open", Resource::Pending),
        ("rq_open", Resource::Request),
        ("rq_retry_open", Resource::Retry),
    ];
    for (name, resource) in kinds {
        let name = &format!("circuit_breakers.{priority}.{name}");
        scope.gauge(name, "1 while the next one would be refused.", breaker.is_open(resource).into());
    }
}

fn add_outlier(scope: &mut Scope<'_>, shared: &ClusterShared) {
    let counts = shared.detector.metrics().snapshot();
    let active = shared.detector.ejected().into();
    scope.gauge("outlier_detection.ejections_active", "Endpoints that are out now.", active);
    let counters = [
        ("ejections_enforced_total", "Ejections.", counts.ejections_enforced_total),
        (
            "ejections_enforced_consecutive_5xx",
            "Ejections after 5xx in a row.",
            counts.ejections_enforced_consecutive_5xx,
        ),
        (
            "ejections_enforced_consecutive_gateway_failure",
            "Ejections after 502, 503 or 504 in a row.",
            counts.ejections_enforced_consecutive_gateway_failure,
        ),
        (
            "ejections_enforced_consecutive_local_origin_failure",
            "Ejections after failures to connect in a row.",
            counts.ejections_enforced_consecutive_local_origin_failure,
        ),
        (
            "ejections_enforced_success_rate",
            "Ejections of who succeeded less often than the others.",
            counts.ejections_enforced_success_rate,
        ),
        (
            "ejections_enforced_local_origin_success_rate",
            "Ejections of who was reached less often than the others.",
            counts.ejections_enforced_local_origin_success_rate,
        ),
        (
            "ejections_enforced_failure_percentage",
            "Ejections of who failed too often.",
            counts.ejections_enforced_failure_percentage,
        ),
        (
            "ejections_enforced_local_origin_failure_percentage",
            "Ejections of who was unreachable too often.",
            counts.ejections_enforced_local_origin_failure_percentage,
        ),
        ("ejections_overflow", "Ejections not made since too many are out.", counts.ejections_overflow),
    ];
    for (name, help, value) in counters {
        scope.counter(&format!("outlier_detection.{name}"), help, value);
    }
}
