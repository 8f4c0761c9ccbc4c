//! The offer of one source while it is derived: where it serves, by which name, and what was looked at on
//! the way.

use super::declared::{Instancer, Part};
use super::facet::ServiceFacet;
use super::index::Facet;
use super::instance::{Named, Placed};
use super::{Instance, Registry, Service, TargetPort, Workload};
use crate::addr::Address;
use crate::model::cluster::DnsTarget;
use crate::model::endpoint::Health;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What one source offers of the services of one resource.
#[derive(Debug, PartialEq)]
pub(super) struct Offer {
    pub(super) part: Part,
    /// In the order of their facets: those of one workload stand together.
    pub(super) instances: Vec<Placed>,
    pub(super) named: Vec<Named>,
    /// What was looked for, found or not; in order, each once.
    pub(super) refers: Vec<Facet>,
}

impl Offer {
    /// Who its instances are, in order, each once.
    pub(super) fn serves(&self) -> impl Iterator<Item = Facet> + Clone {
        let facets = self.instances.iter().filter_map(|p| p.facet);
        let before = std::iter::once(None).chain(facets.clone().map(Some));
        facets.zip(before).filter(|(facet, before)| Some(*facet) != *before).map(|(facet, _)| facet)
    }

    /// The instances that somebody is.
    pub(super) fn served_by<'a, 'w>(
        &'a self,
        who: &'w Instancer,
    ) -> impl Iterator<Item = &'a Placed> + use<'a, 'w> {
        let facet = Some(who.facet());
        let from = self.instances.partition_point(|p| p.facet < facet);
        let all = self.instances.get(from..).unwrap_or_default().iter();
        all.take_while(move |p| p.facet == facet).filter(move |p| p.instance.is(who))
    }
}

pub(super) struct Draft<'a> {
    registry: &'a Registry,
    offer: Offer,
}

impl<'a> Draft<'a> {
    /// A draft of what a source offers, over the workloads of a registry.
    pub(super) fn new(registry: &'a Registry, part: Part) -> Self {
        let (instances, named, refers) = Default::default();
        Self { registry, offer: Offer { part, instances, named, refers } }
    }

    /// Makes room for so many instances, exactly.
    pub(super) fn reserve(&mut self, instances: usize) {
        self.offer.instances.reserve_exact(instances);
    }

    pub(super) fn workload(&mut self, namespace: &str, name: &str) -> Option<&'a Arc<Workload>> {
        self.offer.refers.push(ServiceFacet::RefersTo(namespace, name).facet());
        self.registry.workload(namespace, name)
    }

    pub(super) fn workload_at(&mut self, namespace: &str, ip: IpAddr) -> Option<&'a Arc<Workload>> {
        self.offer.refers.push(ServiceFacet::Refers(namespace, ip).facet());
        self.registry.workloads_at(ip).find(|w| *w.namespace == *namespace)
    }

    /// Adds an instance of a port, at an IP or a Unix socket.
    pub(super) fn add_instance(&mut self, service: &Service, port: u16, instance: Instance) {
        let facet = instance.who().map(|who| who.facet());
        let (nth, place) = (service.nth, self.offer.instances.len());
        self.offer.instances.push(Placed { nth, port, place, facet, instance });
    }

    pub(super) fn add_named(
        &mut self,
        service: &Service,
        port: u16,
        target: DnsTarget,
        labels: Arc<BTreeMap<String, String>>,
    ) {
        self.offer.named.push(Named { nth: service.nth, port, target, labels });
    }

    /// Adds a workload as an instance of a port, at its first address.
    pub(super) fn add_workload_instance(
        &mut self,
        service: &Service,
        port: u16,
        target: u16,
        workload: &Arc<Workload>,
        weight: u32,
        health: Health,
    ) {
        // One instance per workload: a second address is the same server by another family.
        if let Some(ip) = workload.ips.first() {
            let address = SocketAddr::new(*ip, target).into();
            self.add_instance(service, port, instance_of(workload, address, weight, health));
        }
    }

    pub(super) fn finish(self) -> Offer {
        let mut offer = self.offer;
        offer.refers.sort_unstable();
        offer.refers.dedup();
        offer.instances.sort_by_key(|placed| placed.facet);
        offer
    }
}

/// A workload as an instance.
pub(super) fn instance_of(
    workload: &Arc<Workload>,
    address: Address,
    weight: u32,
    health: Health,
) -> Instance {
    Instance { address, weight: weight.max(1), health, workload: workload.clone(), listed: None }
}

/// The number of a target port; a named one is looked up by the caller's function.
pub(super) fn resolve_port(target: &TargetPort, by_name: impl Fn(&str) -> Option<u16>) -> Option<u16> {
    match target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => by_name(name),
    }
}
