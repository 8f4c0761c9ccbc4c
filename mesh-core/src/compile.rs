//! What one proxy must know, out of everything that was declared.
//!
//! ```text
//! World ─┬─ scope:    which resources hold for this proxy
//!        ├─ clusters, endpoints:  services it may call          ┐
//!        ├─ outbound, gateway, grpc + routes: how calls go out  ├─▶ Snapshot + findings
//!        └─ inbound + tls, rbac:  who may call it, and how      ┘
//! ```
//!
//! [`compile`] is a pure function: the same World and node give an equal Snapshot, so that a diff, a
//! what-if or a test needs no running mesh. Names and shapes are istiod's. What a resource says and the
//! compiler does not honour is a [`Finding`] with its place, never silence; where security is at stake,
//! what cannot be evaluated refuses.

mod access_log;
mod cluster_policy;
mod clusters;
mod destination;
mod domains;
mod endpoints;
mod gateway;
mod grpc;
mod inbound;
mod manager;
mod names;
mod outbound;
pub mod rbac;
mod report;
mod routes;
mod scope;
mod tls;
mod unsupported;
mod virtual_hosts;

#[cfg(test)]
mod tests;

pub use unsupported::{unsupported, unsupported_all};

use crate::diagnostic::Finding;
use crate::model::{Cluster, Endpoints, Listener, Name, RouteTable, Snapshot};
use crate::node::{Node, NodeKind};
use crate::world::World;
use report::Report;
use scope::Scope;
use std::sync::Arc;

/// What [`compile`] gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// The configuration.
    pub snapshot: Snapshot,
    /// What there is to say about the resources that it was made of.
    pub findings: Vec<Finding>,
}

/// Compiles a World for one proxy.
///
/// ```
/// use mesh_core::{compile::compile, diagnostic::Level, node::{Node, NodeKind}, world::World};
/// let node = Node::new(NodeKind::Sidecar, [127, 1, 0, 1].into(), "reviews-v1", "default");
/// let compiled = compile(&World::empty(), &node);
/// assert!(compiled.snapshot.clusters.contains_key("BlackHoleCluster"));
/// // No Sidecar gives this proxy ports of its own: good to know, and all there is to say.
/// assert_eq!(compiled.findings.iter().map(|f| f.level).collect::<Vec<_>>(), [Level::Info]);
/// ```
pub fn compile(world: &World, node: &Node) -> Compiled {
    let mut out = Output::default();
    out.snapshot.version = world.version().to_string();
    let scope = Scope::new(world, node, &mut out.report);
    match node.kind {
        _ if node.is_proxyless_grpc() => grpc::compile(&scope, &mut out),
        NodeKind::Router => gateway::compile(&scope, &mut out),
        NodeKind::Sidecar => {
            outbound::compile(&scope, &mut out);
            inbound::compile(&scope, &mut out);
            unsupported::capture::of_proxy(&scope, &mut out.report);
        }
        // These speak Istio's workload API, which is not made of Envoy's resources.
        NodeKind::Waypoint | NodeKind::Ztunnel | NodeKind::Agentgateway => {}
    }
    scope.report_unsupported(&mut out.report);
    Compiled { snapshot: out.snapshot, findings: out.report.finish() }
}

/// The Snapshot and the findings while they grow.
#[derive(Debug, Default)]
struct Output {
    snapshot: Snapshot,
    report: Report,
}

impl Output {
    fn add_cluster(&mut self, cluster: Cluster) {
        self.snapshot.clusters.insert(cluster.name.clone(), Arc::new(cluster));
    }

    fn add_endpoints(&mut self, endpoints: Endpoints) {
        self.snapshot.endpoints.insert(endpoints.name.clone(), Arc::new(endpoints));
    }

    fn add_routes(&mut self, table: RouteTable) {
        self.snapshot.routes.insert(table.name.clone(), Arc::new(table));
    }

    fn add_listener(&mut self, listener: Listener) {
        self.snapshot.listeners.insert(listener.name.clone(), Arc::new(listener));
    }

    fn has_listener(&self, name: &Name) -> bool {
        self.snapshot.listeners.contains_key(name)
    }
}
