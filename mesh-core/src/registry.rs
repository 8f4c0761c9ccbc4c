//! The services of a World, the workloads behind them, and where each is reached.
//!
//! ```text
//! ServiceEntry, WorkloadEntry ──┐
//! Service, EndpointSlice, Pod ──┴─▶ [Registry] ─▶ compile (clusters, endpoints, inbound chains), analyze
//! ```
//!
//! Istio's service registry: after it, nobody asks whether a service came from a ServiceEntry or from
//! Kubernetes. It is derived once per World and answers by index; a lookup never scans.

mod build;
mod entry;
mod export;
mod instance;
mod kubernetes;
mod protocol;
mod service;
mod workload;

#[cfg(test)]
mod tests;

pub use export::ExportTo;
pub use instance::{Instance, Instances};
pub use protocol::Protocol;
pub use service::{Location, Port, Provider, Resolution, Service, TargetPort};
pub use workload::{DEFAULT_CLUSTER, Locality, Workload, WorkloadSource};

use crate::api::value::labels_match;
use crate::hostname::Hostname;
use crate::model::cluster::DnsTarget;
use crate::node::Node;
use crate::world::World;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// The domain of Kubernetes' services.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// Services, workloads and instances of one World.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    services: Vec<Arc<Service>>,
    /// All services of a host name, the preferred one first.
    by_host: HashMap<Hostname, Vec<Arc<Service>>>,
    /// By the service's place in `services`.
    instances: Vec<Arc<Instances>>,
    workloads: Vec<Arc<Workload>>,
    workloads_by_name: HashMap<Arc<str>, HashMap<Arc<str>, usize>>,
    workloads_by_ip: HashMap<IpAddr, Vec<usize>>,
    /// By the workload's place in `workloads`.
    inbound: Vec<Vec<Inbound>>,
    /// What is served at addresses that no workload declares.
    inbound_by_ip: HashMap<IpAddr, Vec<Inbound>>,
}

/// A port of a service as one of its workloads serves it.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    /// The service.
    pub service: Arc<Service>,
    /// The number of one of its ports.
    pub port: u16,
    /// Where the workload serves it.
    pub target: u16,
}

impl Registry {
    /// Derives the registry of a World. [`World::registry`] does it once and keeps it.
    pub fn new(world: &World) -> Self {
        build::build(world)
    }

    /// Every service, in the order of the resources that declare them: Kubernetes' first.
    pub fn services(&self) -> &[Arc<Service>] {
        &self.services
    }

    /// Every service that is exported to a namespace.
    pub fn services_visible_to(&self, namespace: &str) -> impl Iterator<Item = &Arc<Service>> {
        self.services.iter().filter(move |s| s.is_visible_to(namespace))
    }

    /// The service with exactly this host name, as a caller in a namespace sees it: its own namespace's
    /// first, then Kubernetes' before ServiceEntries, then the oldest.
    pub fn service(&self, host: &Hostname, from_namespace: &str) -> Option<&Arc<Service>> {
        let all = self.by_host.get(host)?;
        let mut visible = all.iter().filter(|s| s.is_visible_to(from_namespace));
        visible.clone().find(|s| *s.namespace == *from_namespace).or_else(|| visible.next())
    }

    /// Every service with exactly this host name, whoever may see it.
    pub fn services_at(&self, host: &Hostname) -> &[Arc<Service>] {
        self.by_host.get(host).map_or(&[], Vec::as_slice)
    }

    /// The instances of a service's port whose labels include the given ones; an empty set asks for all.
    pub fn instances(
        &self,
        service: &Service,
        port: u16,
        labels: &BTreeMap<String, String>,
    ) -> Vec<&Instance> {
        let Some(all) = self.instances.get(service.id) else { return Vec::new() };
        all.at(port).iter().filter(|i| labels_match(labels, &i.labels)).collect()
    }

    /// The names that a service's port resolves by DNS, with the labels asked for: its endpoints' names
    /// and addresses, or the service's own host where it lists no endpoints.
    pub fn dns_targets(
        &self,
        service: &Service,
        port: u16,
        labels: &BTreeMap<String, String>,
    ) -> Vec<DnsTarget> {
        self.instances.get(service.id).map(|all| all.dns(port, labels)).unwrap_or_default()
    }

    /// Every workload.
    pub fn workloads(&self) -> &[Arc<Workload>] {
        &self.workloads
    }

    /// One workload by the name of its WorkloadEntry or Pod.
    pub fn workload(&self, namespace: &str, name: &str) -> Option<&Arc<Workload>> {
        let at = self.workloads_by_name.get(namespace)?.get(name)?;
        self.workloads.get(*at)
    }

    /// Every workload at an address.
    pub fn workloads_at(&self, ip: IpAddr) -> impl Iterator<Item = &Arc<Workload>> {
        self.workloads_by_ip.get(&ip).into_iter().flatten().filter_map(|at| self.workloads.get(*at))
    }

    /// The workload that a proxy stands beside: the one of its name, else the one at its address, both in
    /// its namespace. A proxy that nobody declared has none.
    pub fn workload_of(&self, node: &Node) -> Option<&Arc<Workload>> {
        self.workload(&node.namespace, &node.name).or_else(|| {
            node.ips.iter().find_map(|ip| self.workloads_at(*ip).find(|w| *w.namespace == *node.namespace))
        })
    }

    /// What a workload serves: each port of each service that it is an instance of.
    pub fn inbound(&self, workload: &Workload) -> &[Inbound] {
        self.inbound.get(workload.id).map_or(&[], Vec::as_slice)
    }

    /// What the workload of a proxy serves, with the endpoints of its namespace that are written by address
    /// alone.
    pub fn inbound_of(&self, node: &Node) -> Vec<&Inbound> {
        let declared = self.workload_of(node).map_or(&[][..], |w| self.inbound(w));
        let mut all: Vec<&Inbound> = declared.iter().collect();
        for inbound in node.ips.iter().filter_map(|ip| self.inbound_by_ip.get(ip)).flatten() {
            if *inbound.service.namespace == *node.namespace && !all.contains(&inbound) {
                all.push(inbound);
            }
        }
        all
    }
}
