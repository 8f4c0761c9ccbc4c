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
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What one source offers of the services of one resource.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) instances: Vec<Arc<Placed>>,
    pub(super) named: Vec<Named>,
    /// What its instances serve, in the order of facets: those of one instance stand together.
    serving: Vec<Serving>,
    /// What was looked for, found or not; in order, each once.
    pub(super) refers: Vec<Facet>,
}

/// What an instance serves.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Serving {
    facet: Facet,
    who: Instancer,
    /// Of which service of the resource.
    pub(super) nth: usize,
    pub(super) port: u16,
    pub(super) target: u16,
}

impl Offer {
    /// Who its instances are, in order, each once.
    pub(super) fn serves(&self) -> impl Iterator<Item = Facet> + Clone {
        let facets = self.serving.iter().map(|s| s.facet);
        let before = std::iter::once(None).chain(facets.clone().map(Some));
        facets.zip(before).filter(|(facet, before)| Some(*facet) != *before).map(|(facet, _)| facet)
    }

    /// What an instance serves.
    pub(super) fn serving_of<'a, 'w>(
        &'a self,
        who: &'w Instancer,
    ) -> impl Iterator<Item = &'a Serving> + use<'a, 'w> {
        let facet = who.facet();
        let from = self.serving.partition_point(|s| s.facet < facet);
        let all = self.serving.get(from..).unwrap_or_default().iter();
        all.take_while(move |s| s.facet == facet).filter(move |s| s.who == *who)
    }
}

pub(super) struct Draft<'a> {
    registry: &'a Registry,
    part: Part,
    offer: Offer,
}

impl<'a> Draft<'a> {
    /// A draft of what a source offers, over the workloads of a registry.
    pub(super) fn new(registry: &'a Registry, part: Part) -> Self {
        Self { registry, part, offer: Offer::default() }
    }

    /// Makes room for so many instances, exactly.
    pub(super) fn reserve(&mut self, instances: usize) {
        self.offer.instances.reserve_exact(instances);
        self.offer.serving.reserve_exact(instances);
    }

    pub(super) fn workload(&mut self, namespace: &str, name: &str) -> Option<&'a Arc<Workload>> {
        self.offer.refers.push(ServiceFacet::RefersTo(namespace, name).facet());
        self.registry.workload(namespace, name)
    }

    pub(super) fn workload_at(&mut self, namespace: &str, ip: IpAddr) -> Option<&'a Arc<Workload>> {
        self.offer.refers.push(ServiceFacet::Refers(namespace, ip).facet());
        self.registry.workloads_at(ip).find(|w| *w.namespace == *namespace)
    }

    /// Adds an instance at an IP or a Unix socket, and notes what its workload, if it has one, serves.
    pub(super) fn add_instance(
        &mut self,
        service: &Service,
        port: u16,
        workload: Option<&Workload>,
        instance: Instance,
    ) {
        let nth = service.nth;
        if let Some(at) = instance.address.socket() {
            let who = workload.and_then(|w| w.key.clone());
            let who = who.map_or(Instancer::Address(at.ip()), Instancer::Workload);
            self.offer.serving.push(Serving { facet: who.facet(), who, nth, port, target: at.port() });
        }
        let at = self.offer.instances.len();
        self.offer.instances.push(Arc::new(Placed { nth, port, part: self.part.clone(), at, instance }));
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

    /// What is offered, and by which source.
    pub(super) fn finish(self) -> (Part, Offer) {
        let mut offer = self.offer;
        offer.refers.sort_unstable();
        offer.refers.dedup();
        offer.serving.sort_by_key(|s| s.facet);
        // Two endpoints at one place serve the same once.
        if offer.serving.len() > 1 {
            let mut seen = HashSet::with_hasher(FixedState::default());
            offer.serving.retain(|s| seen.insert((s.who.clone(), s.nth, s.port, s.target)));
        }
        (self.part, offer)
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
