//! The services of one resource while they are derived: what it declares, who is an instance of it, and
//! what was looked at on the way.

use super::facet::{ServiceFacet, WorkloadFacet};
use super::index::Facet;
use super::instance::Named;
use super::service::ServiceKey;
use super::{Inbound, Instance, Instances, Provider, Registry, Service, TargetPort, Workload};
use crate::addr::Address;
use crate::api::Resource;
use crate::api::kubernetes::EndpointSlice;
use crate::api::kubernetes::endpoint_slice::SERVICE_NAME_LABEL;
use crate::api::value::labels_match;
use crate::model::cluster::DnsTarget;
use crate::model::endpoint::Health;
use crate::registry::workload::WorkloadKey;
use crate::world::{Rank, World};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What one resource declares: a Kubernetes Service one service, a ServiceEntry one for each host.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Declared {
    pub(super) services: Vec<Served>,
    /// What its instances serve, in the order of facets: those of one instance stand together.
    serving: Vec<Serving>,
}

/// What an instance serves.
#[derive(Debug, PartialEq)]
struct Serving {
    facet: Facet,
    who: Instancer,
    inbound: Inbound,
}

/// A service and where it is served.
#[derive(Debug, PartialEq)]
pub(super) struct Served {
    pub(super) service: Arc<Service>,
    pub(super) instances: Instances,
}

/// Who is an instance; its hash is the facet that a service's [`Declared`] is linked by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Instancer {
    /// This workload.
    Workload(WorkloadKey),
    /// This address, where no workload is declared.
    Address(IpAddr),
}

impl Instancer {
    pub(super) fn facet(&self) -> Facet {
        Facet::of(self)
    }
}

impl Declared {
    /// All of its services have the same resource, selector and provider.
    pub(super) fn first(&self) -> Option<&Arc<Service>> {
        self.services.first().map(|s| &s.service)
    }

    /// What an instance serves.
    pub(super) fn inbound<'a, 'w>(
        &'a self,
        who: &'w Instancer,
    ) -> impl Iterator<Item = &'a Inbound> + use<'a, 'w> {
        let facet = who.facet();
        let from = self.serving.partition_point(|s| s.facet < facet);
        let all = self.serving.get(from..).unwrap_or_default().iter();
        all.take_while(move |s| s.facet == facet).filter(move |s| s.who == *who).map(|s| &s.inbound)
    }

    /// Who its instances are, in order and each once.
    pub(super) fn links(&self) -> Vec<Facet> {
        let mut links: Vec<Facet> = self.serving.iter().map(|s| s.facet).collect();
        links.dedup();
        links
    }
}

/// What comes out.
pub(super) struct Finished {
    pub(super) key: ServiceKey,
    pub(super) declared: Declared,
    pub(super) facets: Vec<Facet>,
}

pub(super) struct Draft<'a> {
    registry: &'a Registry,
    pub(super) world: &'a World,
    rank: Rank,
    declared: Declared,
    facets: Vec<Facet>,
}

impl<'a> Draft<'a> {
    /// A draft of what a resource declares, over the workloads and slices of a registry.
    pub(super) fn new<T>(registry: &'a Registry, world: &'a World, of: &Resource<T>) -> Self {
        let rank = Rank::of(&of.meta);
        Self { registry, world, rank, declared: Declared::default(), facets: Vec::new() }
    }

    /// The workloads of a namespace whose labels include these; an empty selector selects none, as in
    /// Kubernetes' services.
    pub(super) fn select(
        &mut self,
        namespace: &str,
        want: &BTreeMap<String, String>,
    ) -> Vec<&'a Arc<Workload>> {
        // Whoever has all of the labels has the first.
        let Some((k, v)) = want.first_key_value() else { return Vec::new() };
        self.facets.push(ServiceFacet::Selects(namespace, k, v).facet());
        let workloads = &self.registry.workloads;
        let label = |(k, v): (&String, &String)| WorkloadFacet::Label(namespace, k, v).facet();
        let mut lists: Vec<_> = want.iter().map(|l| (workloads.with(label(l)), Vec::new())).collect();
        // All lists at once, so that the shortest one decides how far is looked.
        loop {
            for (list, seen) in &mut lists {
                match list.next() {
                    Some(workload) => seen.push(workload),
                    None => {
                        seen.retain(|w| *w.namespace == *namespace && labels_match(want, &w.labels));
                        return std::mem::take(seen);
                    }
                }
            }
        }
    }

    /// All workloads of a namespace.
    pub(super) fn all_of(&mut self, namespace: &str) -> Vec<&'a Arc<Workload>> {
        self.facets.push(ServiceFacet::SelectsAll(namespace).facet());
        let all = self.registry.workloads.with(WorkloadFacet::Namespace(namespace).facet());
        all.filter(|w| *w.namespace == *namespace).collect()
    }

    pub(super) fn workload(&mut self, namespace: &str, name: &str) -> Option<&'a Arc<Workload>> {
        self.facets.push(ServiceFacet::RefersTo(namespace, name).facet());
        self.registry.workload(namespace, name)
    }

    pub(super) fn workload_at(&mut self, namespace: &str, ip: IpAddr) -> Option<&'a Arc<Workload>> {
        self.facets.push(ServiceFacet::Refers(namespace, ip).facet());
        self.registry.workloads_at(ip).find(|w| *w.namespace == *namespace)
    }

    /// The slices of a service in order of precedence.
    pub(super) fn slices(&self, namespace: &str, service: &str) -> Vec<&'a Arc<Resource<EndpointSlice>>> {
        let of = |slice: &&Arc<Resource<EndpointSlice>>| {
            let label = slice.meta.labels.get(SERVICE_NAME_LABEL);
            *slice.meta.namespace == *namespace && label.is_some_and(|l| l == service)
        };
        self.registry.slices.with(Facet::of((namespace, service))).filter(of).collect()
    }

    pub(super) fn add_service(&mut self, mut service: Service) -> Arc<Service> {
        service.key = (service.provider, self.rank.clone());
        service.nth = self.declared.services.len();
        self.facets.push(ServiceFacet::Host(&service.host).facet());
        let service = Arc::new(service);
        self.declared.services.push(Served { service: service.clone(), instances: Instances::default() });
        service
    }

    fn instances(&mut self, service: &Service) -> Option<&mut Instances> {
        self.declared.services.get_mut(service.nth).map(|s| &mut s.instances)
    }

    /// Adds an instance at an IP or a Unix socket, and notes what its workload, if it has one, serves.
    pub(super) fn add_instance(
        &mut self,
        service: &Arc<Service>,
        port: u16,
        workload: Option<&Workload>,
        instance: Instance,
    ) {
        if let Some(target) = instance.address.socket() {
            let inbound = Inbound { service: service.clone(), port, target: target.port() };
            let who = workload.and_then(|w| w.key.clone());
            let who = who.map_or(Instancer::Address(target.ip()), Instancer::Workload);
            self.declared.serving.push(Serving { facet: who.facet(), who, inbound });
        }
        if let Some(instances) = self.instances(service) {
            instances.add(port, instance);
        }
    }

    pub(super) fn add_named(
        &mut self,
        service: &Service,
        port: u16,
        target: DnsTarget,
        labels: Arc<BTreeMap<String, String>>,
    ) {
        if let Some(instances) = self.instances(service) {
            instances.add_named(port, Named { target, labels });
        }
    }

    /// Adds a workload as an instance of a port, at its first address.
    pub(super) fn add_workload_instance(
        &mut self,
        service: &Arc<Service>,
        port: u16,
        target: u16,
        workload: &Workload,
        weight: u32,
        health: Health,
    ) {
        // One instance per workload: a second address is the same server by another family.
        if let Some(ip) = workload.ips.first() {
            let address = SocketAddr::new(*ip, target).into();
            let instance = instance_of(workload, address, weight, health);
            self.add_instance(service, port, Some(workload), instance);
        }
    }

    /// What was declared; `None` if nothing was.
    pub(super) fn finish(mut self) -> Option<Finished> {
        let first = self.declared.first()?.clone();
        for served in &mut self.declared.services {
            served.instances.sort();
        }
        let declares = ServiceFacet::Declares(first.provider, &first.namespace, &first.name);
        self.facets.push(declares.facet());
        let mut serving = std::mem::take(&mut self.declared.serving);
        serving.sort_by_key(|s| s.facet);
        for one in serving {
            // Two endpoints at one place serve the same once.
            let own = self.declared.serving.iter().rev().take_while(|s| s.facet == one.facet);
            let what = |s: &Serving| (s.inbound.service.nth, s.inbound.port, s.inbound.target);
            if !own.into_iter().any(|s| s.who == one.who && what(s) == what(&one)) {
                self.declared.serving.push(one);
            }
        }
        Some(Finished { key: first.key.clone(), declared: self.declared, facets: self.facets })
    }
}

impl Service {
    /// The resource that declares it.
    pub(super) fn declares(&self) -> (Provider, Arc<str>, Arc<str>) {
        (self.provider, self.namespace.clone(), self.name.clone())
    }

    /// Whether a workload of its namespace has the labels that it selects by.
    pub(super) fn selects(&self, workload: &Workload) -> bool {
        *self.namespace == *workload.namespace
            && self.selector.as_ref().is_some_and(|want| labels_match(want, &workload.labels))
    }
}

/// A workload as an instance.
pub(super) fn instance_of(workload: &Workload, address: Address, weight: u32, health: Health) -> Instance {
    Instance {
        address,
        weight: weight.max(1),
        labels: workload.labels.clone(),
        service_account: workload.service_account.clone(),
        namespace: workload.namespace.clone(),
        locality: workload.locality.clone(),
        health,
        tls_mode: workload.tls_mode,
        workload: workload.telemetry.clone(),
    }
}

/// The number of a target port; a named one is looked up by the caller's function.
pub(super) fn resolve_port(target: &TargetPort, by_name: impl Fn(&str) -> Option<u16>) -> Option<u16> {
    match target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => by_name(name),
    }
}
