//! Derives the registry: workloads first, then services, then who is an instance of what.

use super::instance::Named;
use super::{Inbound, Instance, Provider, Registry, Service, TargetPort, Workload, entry, kubernetes};
use crate::addr::Address;
use crate::model::cluster::DnsTarget;
use crate::model::endpoint::Health;
use crate::world::World;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub(super) fn build(world: &World) -> Registry {
    let mut draft = Draft::default();
    entry::workloads(world, &mut draft);
    kubernetes::workloads(world, &mut draft);
    draft.index_workloads();
    kubernetes::services(world, &mut draft);
    entry::services(world, &mut draft);
    draft.finish()
}

/// Workloads by one of their labels, name and value.
type ByLabel = HashMap<(String, String), Vec<usize>>;

/// The registry while it grows.
#[derive(Default)]
pub(super) struct Draft {
    registry: Registry,
    /// Workloads by namespace and one label: a selector looks through the shortest list of its labels.
    by_label: HashMap<Arc<str>, ByLabel>,
    by_namespace: HashMap<Arc<str>, Vec<usize>>,
}

impl Draft {
    pub(super) fn add_workload(&mut self, mut workload: Workload) {
        workload.id = self.registry.workloads.len();
        self.registry.workloads.push(Arc::new(workload));
    }

    fn index_workloads(&mut self) {
        let Registry { workloads, workloads_by_name, workloads_by_ip, inbound, .. } = &mut self.registry;
        for workload in workloads.iter() {
            let id = workload.id;
            // A WorkloadEntry and a Pod may share a name; the one that was added first is found by it.
            let names = workloads_by_name.entry(workload.namespace.clone()).or_default();
            names.entry(workload.name.clone()).or_insert(id);
            for ip in &workload.ips {
                workloads_by_ip.entry(*ip).or_default().push(id);
            }
            self.by_namespace.entry(workload.namespace.clone()).or_default().push(id);
            let labels = self.by_label.entry(workload.namespace.clone()).or_default();
            for (key, value) in &workload.labels {
                labels.entry((key.clone(), value.clone())).or_default().push(id);
            }
        }
        inbound.resize(workloads.len(), Vec::new());
    }

    /// The workloads of a namespace whose labels include these; an empty selector selects none, as in
    /// Kubernetes' services.
    pub(super) fn select(&self, namespace: &str, want: &BTreeMap<String, String>) -> Vec<Arc<Workload>> {
        let Some(labels) = self.by_label.get(namespace) else { return Vec::new() };
        let lists = want.iter().map(|(k, v)| labels.get(&(k.clone(), v.clone())));
        // One label that nobody has: nobody is selected.
        let Some(lists) = lists.collect::<Option<Vec<_>>>() else { return Vec::new() };
        let shortest = lists.into_iter().min_by_key(|list| list.len());
        let candidates = shortest.into_iter().flatten().filter_map(|id| self.registry.workloads.get(*id));
        candidates.filter(|w| crate::api::value::labels_match(want, &w.labels)).cloned().collect()
    }

    /// All workloads of a namespace.
    pub(super) fn all_of(&self, namespace: &str) -> Vec<Arc<Workload>> {
        let ids = self.by_namespace.get(namespace).into_iter().flatten();
        ids.filter_map(|id| self.registry.workloads.get(*id)).cloned().collect()
    }

    pub(super) fn workload(&self, namespace: &str, name: &str) -> Option<Arc<Workload>> {
        self.registry.workload(namespace, name).cloned()
    }

    pub(super) fn workload_at(&self, namespace: &str, ip: IpAddr) -> Option<Arc<Workload>> {
        self.registry.workloads_at(ip).find(|w| *w.namespace == *namespace).cloned()
    }

    pub(super) fn add_service(&mut self, mut service: Service) -> Arc<Service> {
        service.id = self.registry.services.len();
        let service = Arc::new(service);
        self.registry.services.push(service.clone());
        self.registry.by_host.entry(service.host.clone()).or_default().push(service.clone());
        self.registry.instances.push(Arc::default());
        service
    }

    /// Adds an instance at an IP or a Unix socket, and tells its workload, if it has one, what it serves.
    pub(super) fn add_instance(
        &mut self,
        service: &Arc<Service>,
        port: u16,
        workload: Option<&Workload>,
        instance: Instance,
    ) {
        if let Some(target) = instance.address.socket() {
            let inbound = Inbound { service: service.clone(), port, target: target.port() };
            let list = match workload {
                Some(workload) => self.registry.inbound.get_mut(workload.id),
                None => Some(self.registry.inbound_by_ip.entry(target.ip()).or_default()),
            };
            if let Some(list) = list.filter(|list| !list.contains(&inbound)) {
                list.push(inbound);
            }
        }
        if let Some(instances) = self.registry.instances.get_mut(service.id) {
            Arc::make_mut(instances).add(port, instance);
        }
    }

    pub(super) fn add_named(
        &mut self,
        service: &Service,
        port: u16,
        target: DnsTarget,
        labels: Arc<BTreeMap<String, String>>,
    ) {
        if let Some(instances) = self.registry.instances.get_mut(service.id) {
            Arc::make_mut(instances).add_named(port, Named { target, labels });
        }
    }

    /// Adds a workload as an instance of a port, at each of its addresses.
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

    fn finish(mut self) -> Registry {
        for list in self.registry.by_host.values_mut() {
            list.sort_by_key(|s| (s.provider != Provider::Kubernetes, s.created, s.id));
        }
        for instances in &mut self.registry.instances {
            Arc::make_mut(instances).sort();
        }
        self.registry
    }
}

/// A workload as an instance.
pub(super) fn instance_of(workload: &Workload, address: Address, weight: u32, health: Health) -> Instance {
    Instance {
        address,
        weight: weight.max(1),
        labels: Arc::new(workload.labels.clone()),
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
