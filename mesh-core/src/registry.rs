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
//! The unit is what one resource declares: a Service, or the services of a ServiceEntry, with their
//! instances and what each instance serves. It is derived anew if one of these changed, and only then:
//!
//! | A change of | touches the index of | and derives anew |
//! |---|---|---|
//! | Service, ServiceEntry | hosts | itself |
//! | EndpointSlice | slices by service | the Service that its label `kubernetes.io/service-name` names, before and after |
//! | Endpoints | | the Service of its name |
//! | WorkloadEntry, Pod | workloads by name, address, label, namespace | of its namespace: what selects its labels, before or after; the ServiceEntries that select all; the Services whose slices or Endpoints refer to its name or to one of its addresses |
//! | ConfigMap `istio-system/istio` | | every service if `defaultServiceExportTo` changed, else nothing |
//! | any other kind | | nothing |
//!
//! So a change costs the services that it is about, with their instances, and a path of nodes in each index.

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
pub use instance::{Instance, Instances};
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
use draft::{Declared, Instancer};
use facet::{ServiceFacet, WorkloadFacet};
use index::{Index, Links};
use service::ServiceKey;
use std::collections::BTreeMap;
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
    /// Services by who their instances are.
    serves: Links<ServiceKey>,
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
        self.declared.values().flat_map(|d| &d.services).map(|s| &s.service)
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
        declared.flat_map(|d| &d.services).map(|s| &s.service).filter(move |s| s.host == *host)
    }

    fn served(&self, service: &Service) -> Option<&Instances> {
        let declared = self.declared.get(&service.key)?;
        declared.services.get(service.nth).map(|s| &s.instances)
    }

    /// The instances of a service's port whose labels include the given ones; an empty set asks for all.
    pub fn instances(
        &self,
        service: &Service,
        port: u16,
        labels: &BTreeMap<String, String>,
    ) -> Vec<&Instance> {
        let Some(all) = self.served(service) else { return Vec::new() };
        all.at(port).iter().map(Arc::as_ref).filter(|i| labels_match(labels, &i.labels)).collect()
    }

    /// The names that a service's port resolves by DNS, with the labels asked for: its endpoints' names
    /// and addresses, or the service's own host where it lists no endpoints.
    pub fn dns_targets(
        &self,
        service: &Service,
        port: u16,
        labels: &BTreeMap<String, String>,
    ) -> Vec<DnsTarget> {
        self.served(service).map(|all| all.dns(port, labels)).unwrap_or_default()
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

    /// What a workload serves: each port of each service that it is an instance of.
    pub fn inbound(&self, workload: &Workload) -> Vec<&Inbound> {
        let who = workload.key.clone().map(Instancer::Workload);
        who.map(|who| self.inbound_by(&who)).unwrap_or_default()
    }

    fn inbound_by(&self, who: &Instancer) -> Vec<&Inbound> {
        let declared = self.serves.with(who.facet()).filter_map(|key| self.declared.get(key));
        let mut all = Vec::new();
        for of in declared {
            all.extend(of.inbound(who));
        }
        all
    }

    /// What the workload of a proxy serves, with the endpoints of its namespace that are written by address
    /// alone.
    pub fn inbound_of(&self, node: &Node) -> Vec<&Inbound> {
        let mut all = self.workload_of(node).map(|w| self.inbound(w)).unwrap_or_default();
        for inbound in node.ips.iter().flat_map(|ip| self.inbound_by(&Instancer::Address(*ip))) {
            if *inbound.service.namespace == *node.namespace && !all.contains(&inbound) {
                all.push(inbound);
            }
        }
        all
    }
}
