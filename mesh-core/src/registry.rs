//! The services of a World, the workloads behind them, and where each is reached.
//!
//! ```text
//! ServiceEntry, WorkloadEntry ──┐
//! Service, EndpointSlice, Pod ──┴─▶ [Registry] ─▶ compile (clusters, endpoints, inbound chains), analyze
//! ```
//!
//! Istio's service registry: after it, nobody asks whether a service came from a ServiceEntry or from
//! Kubernetes. It answers by index; a lookup never scans. It belongs to one World, and the registry of the
//! next one shares with it what did not change.
//!
//! # What depends on what
//!
//! There are two units: the services that one resource declares (a Service, or a ServiceEntry with its
//! hosts), and the offer that one source makes of their instances (an EndpointSlice, a workload that is
//! selected, what the resource itself writes). Each is derived anew if one of these changed, and only then:
//!
//! | A change of | touches the index of | and derives anew |
//! |---|---|---|
//! | Service, ServiceEntry | hosts | its services; if its `spec` changed, its offers too |
//! | EndpointSlice | slices by service | its offer, of the Service that its label `kubernetes.io/service-name` names, before and after; all offers if it is the Service's first or last |
//! | Endpoints | | their offer, of the Service of their name; all offers if they came or went |
//! | WorkloadEntry, Pod | workloads by name, address, label, namespace | in its namespace: its own offers, of what selects its labels, before or after; the offers of slices and Endpoints that refer to its name or to one of its addresses |
//! | ConfigMap `istio-system/istio` | | every service if `defaultServiceExportTo` changed, else nothing; no offers |
//! | any other kind | | nothing |
//!
//! So a change costs what it is about and a path of nodes in each index, however many instances a service
//! has.

mod declared;
mod declaring;
mod draft;
mod entry;
mod export;
mod facet;
mod index;
mod instance;
mod kubernetes;
mod protocol;
mod service;
mod update;
mod workload;

#[cfg(test)]
mod tests;

pub use export::ExportTo;
pub use instance::Instance;
pub use protocol::Protocol;
pub use service::{Location, Port, Provider, Resolution, Service, TargetPort};
pub use workload::{DEFAULT_CLUSTER, Locality, Workload, WorkloadSource};

pub(crate) use update::Replaced;

use crate::api::kubernetes::EndpointSlice;
use crate::api::value::labels_match;
use crate::api::{AnyResource, Resource};
use crate::hostname::Hostname;
use crate::model::cluster::DnsTarget;
use crate::node::Node;
use crate::world::{Rank, World};
use declared::{Declared, Instancer, Link};
use facet::{ServiceFacet, WorkloadFacet};
use index::{Index, Links};
use service::ServiceKey;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use workload::WorkloadKey;

/// The domain of Kubernetes' services.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// Services, workloads and instances of one World.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    workloads: Index<WorkloadKey, Workload>,
    declared: Index<ServiceKey, Declared>,
    /// Offers by who their instances are.
    serves: Links<Link>,
    /// Offers by the workloads that they looked for.
    refers: Links<Link>,
    /// EndpointSlices by namespace and service.
    slices: Index<Rank, Resource<EndpointSlice>>,
    /// The mesh's `defaultServiceExportTo` that services were derived with.
    default_export: Arc<[String]>,
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
        let added = |new: &AnyResource| Replaced { old: None, new: Some(new.clone()) };
        let all: Vec<Replaced> = world.iter().map(added).filter(Replaced::concerns_registry).collect();
        Self::default().after(world, all.iter())
    }

    /// Every service, in the order of the resources that declare them: Kubernetes' first.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.declared.values().flat_map(|d| d.services.iter())
    }

    /// Every service that is exported to a namespace.
    pub fn services_visible_to(&self, namespace: &str) -> impl Iterator<Item = &Arc<Service>> {
        self.services().filter(move |s| s.is_visible_to(namespace))
    }

    /// The service with exactly this host name, as a caller in a namespace sees it: its own namespace's
    /// first, then Kubernetes' before ServiceEntries, then the oldest.
    pub fn service(&self, host: &Hostname, from_namespace: &str) -> Option<&Arc<Service>> {
        let mut first = None;
        for service in self.services_at(host).filter(|s| s.is_visible_to(from_namespace)) {
            if *service.namespace == *from_namespace {
                return Some(service);
            }
            first = first.or(Some(service));
        }
        first
    }

    /// Every service with exactly this host name, whoever may see it, the preferred one first.
    pub fn services_at<'a, 'h>(
        &'a self,
        host: &'h Hostname,
    ) -> impl Iterator<Item = &'a Arc<Service>> + use<'a, 'h> {
        let declared = self.declared.with(ServiceFacet::Host(host).facet());
        declared.flat_map(move |d| d.services_at(host))
    }

    /// The instances of a service's port whose labels include the given ones; an empty set asks for all.
    pub fn instances(
        &self,
        service: &Service,
        port: u16,
        labels: &BTreeMap<String, String>,
    ) -> Vec<&Instance> {
        let Some(declared) = self.declared.get(&service.key) else { return Vec::new() };
        declared.instances(service.nth, port).filter(|i| labels_match(labels, &i.workload.labels)).collect()
    }

    /// The names that a service's port resolves by DNS, with the labels asked for: its endpoints' names
    /// and addresses, or the service's own host where it lists no endpoints.
    pub fn dns_targets(
        &self,
        service: &Service,
        port: u16,
        labels: &BTreeMap<String, String>,
    ) -> Vec<DnsTarget> {
        let declared = self.declared.get(&service.key);
        declared.map(|d| d.dns(service.nth, port, labels)).unwrap_or_default()
    }

    /// Every workload: WorkloadEntries first, then Pods.
    pub fn workloads(&self) -> impl Iterator<Item = &Arc<Workload>> {
        self.workloads.values()
    }

    /// One workload by the name of its WorkloadEntry or Pod; of both, the WorkloadEntry.
    pub fn workload(&self, namespace: &str, name: &str) -> Option<&Arc<Workload>> {
        let named = self.workloads.with(WorkloadFacet::Name(namespace, name).facet());
        named.into_iter().find(|w| *w.namespace == *namespace && *w.name == *name)
    }

    /// Every workload at an address.
    pub fn workloads_at(&self, ip: IpAddr) -> impl Iterator<Item = &Arc<Workload>> {
        self.workloads.with(WorkloadFacet::Ip(ip).facet()).filter(move |w| w.ips.contains(&ip))
    }

    /// The workload that a proxy stands beside: the one of its name, else the one at its address, both in
    /// its namespace. A proxy that nobody declared has none.
    pub fn workload_of(&self, node: &Node) -> Option<&Arc<Workload>> {
        self.workload(&node.namespace, &node.name).or_else(|| {
            node.ips.iter().find_map(|ip| self.workloads_at(*ip).find(|w| *w.namespace == *node.namespace))
        })
    }

    /// What a workload serves: each port of each service that it is an instance of. One that is nothing but a listed
    /// address is asked for by that address, with [`inbound_of`](Self::inbound_of).
    pub fn inbound(&self, workload: &Workload) -> Vec<Inbound> {
        let who = workload.key.clone().map(Instancer::Workload);
        self.inbound_by(who, |_| true)
    }

    /// What the workload of a proxy serves, with the endpoints of its namespace that are written by address
    /// alone.
    pub fn inbound_of(&self, node: &Node) -> Vec<Inbound> {
        let workload = self.workload_of(node).and_then(|w| w.key.clone()).map(Instancer::Workload);
        let addresses = node.ips.iter().map(|ip| Instancer::Address(*ip));
        let is_own = |s: &Service| *s.namespace == *node.namespace;
        self.inbound_by(workload.into_iter().chain(addresses), is_own)
    }

    /// What these serve, once each; of addresses, only what the services that are asked for declare.
    fn inbound_by(
        &self,
        all: impl IntoIterator<Item = Instancer>,
        by_address: impl Fn(&Service) -> bool,
    ) -> Vec<Inbound> {
        let (mut inbound, mut seen) = (Vec::new(), HashSet::new());
        for who in all {
            for (key, part) in self.serves.with(who.facet()) {
                let served = self.declared.get(key).into_iter().flat_map(|d| d.inbound(part, &who));
                let counts = |i: &Inbound| matches!(who, Instancer::Workload(_)) || by_address(&i.service);
                inbound.extend(
                    served
                        .filter(counts)
                        .filter(|i| seen.insert((Arc::as_ptr(&i.service), i.port, i.target))),
                );
            }
        }
        inbound
    }
}
