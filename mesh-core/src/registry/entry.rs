//! ServiceEntry and WorkloadEntry: what Istio's own resources add to the registry.

use super::declared::Means;
use super::declaring::Site;
use super::draft::{Draft, instance_of};
use super::workload::{DEFAULT_CLUSTER, WorkloadKey, telemetry, tls_mode};
use super::{
    ExportTo, Instance, Locality, Location, Port, Protocol, Provider, Resolution, Service, TargetPort,
    Workload, WorkloadSource,
};
use crate::addr::Address;
use crate::api::networking::{ServiceEntry, WorkloadEntry, service_entry};
use crate::api::{AnyResource, Resource};
use crate::hostname::Hostname;
use crate::model::cluster::DnsTarget;
use crate::model::endpoint::Health;
use crate::world::{Rank, World};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What a WorkloadEntry declares.
pub(super) fn workload(of: &Arc<Resource<WorkloadEntry>>) -> Workload {
    let (entry, meta) = (&of.spec, &of.meta);
    // Istio takes labels of the spec and of the metadata; the spec's win.
    let mut labels = meta.labels.clone();
    labels.extend(entry.labels.clone());
    Workload {
        key: Some(WorkloadKey::new(WorkloadSource::Entry, meta)),
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        service_account: account(&entry.service_account),
        ips: entry.address.parse().into_iter().collect(),
        locality: Arc::new(locality(entry, &labels)),
        tls_mode: tls_mode(&labels),
        telemetry: telemetry(&meta.name, &meta.namespace, &labels, DEFAULT_CLUSTER),
        source: WorkloadSource::Entry,
        origin: Some(of.origin()),
        ready: true,
        resource: Some(AnyResource::WorkloadEntry(of.clone())),
        labels: Arc::new(labels),
    }
}

/// A certificate always names a service account; `default` where none is written.
fn account(written: &str) -> Arc<str> {
    if written.is_empty() { "default".into() } else { written.into() }
}

fn locality(entry: &WorkloadEntry, labels: &std::collections::BTreeMap<String, String>) -> Locality {
    match entry.locality.as_str() {
        "" => Locality::of_labels(labels),
        text => Locality::parse(text),
    }
}

/// What a ServiceEntry declares: a service for each host.
pub(super) fn services(world: &World, resource: &Resource<ServiceEntry>) -> impl Iterator<Item = Service> {
    // Validation reports a host that is none; the others of the entry still work.
    let hosts = resource.spec.hosts.iter().filter_map(|host| host.parse::<Hostname>().ok());
    hosts.map(move |host| service(world, resource, host))
}

/// What says where they are served.
pub(super) fn means(resource: &Resource<ServiceEntry>) -> Means {
    match (resource.spec.resolution, &resource.spec.workload_selector) {
        (service_entry::Resolution::None | service_entry::Resolution::DynamicDns, _) => Means::Nothing,
        (_, Some(_)) => Means::Selector,
        (_, None) => Means::Written,
    }
}

/// What a source offers of one of them.
pub(super) fn offer(
    draft: &mut Draft<'_>,
    resource: &Resource<ServiceEntry>,
    service: &Service,
    site: &Site<'_>,
) {
    match site {
        Site::Written => written(draft, &resource.spec, service),
        Site::Workload(workload) => selected(draft, service, workload),
        // Kubernetes' endpoints are of Services alone.
        Site::Slice(_) | Site::Endpoints(_) => {}
    }
}

fn service(world: &World, resource: &Resource<ServiceEntry>, host: Hostname) -> Service {
    let spec = &resource.spec;
    let ports = spec.ports.iter().map(|p| Port {
        number: p.number,
        name: p.name.as_str().into(),
        protocol: Protocol::parse(&p.protocol).unwrap_or_default(),
        target: TargetPort::Number(p.target_port.unwrap_or(p.number)),
    });
    Service {
        key: (Provider::External, Rank::of(&resource.meta)),
        nth: 0,
        host,
        name: resource.meta.name.clone(),
        namespace: resource.meta.namespace.clone(),
        ports: ports.collect(),
        resolution: match spec.resolution {
            service_entry::Resolution::Static => Resolution::Static,
            service_entry::Resolution::Dns => Resolution::Dns,
            service_entry::Resolution::DnsRoundRobin => Resolution::DnsRoundRobin,
            service_entry::Resolution::DynamicDns => Resolution::DynamicDns,
            service_entry::Resolution::None => Resolution::None,
        },
        location: match spec.location {
            service_entry::Location::MeshExternal => Location::MeshExternal,
            service_entry::Location::MeshInternal => Location::MeshInternal,
        },
        addresses: spec.addresses.iter().filter_map(|a| network(a)).collect(),
        export_to: ExportTo::of_service(&spec.export_to, &resource.meta.namespace, world),
        selector: spec.workload_selector.as_ref().map(|s| s.labels.clone()),
        subject_alt_names: spec.subject_alt_names.clone(),
        labels: resource.meta.labels.clone(),
        provider: Provider::External,
        origin: resource.origin(),
        created: resource.meta.created,
    }
}

/// An address or a network.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn written(draft: &mut Draft<'_>, spec: &ServiceEntry, service: &Service) {
    for entry in &spec.endpoints {
        inline(draft, service, entry);
    }
    // A DNS entry without endpoints resolves its own host, unless that is a wildcard.
    let by_dns = matches!(service.resolution, Resolution::Dns | Resolution::DnsRoundRobin);
    if spec.endpoints.is_empty() && by_dns && !service.host.is_wildcard() {
        for port in &service.ports {
            let target = DnsTarget { host: service.host.as_str().into(), port: target_of(port) };
            draft.add_named(service, port.number, target, Arc::default());
        }
    }
}

/// A WorkloadEntry or a Pod that the entry's selector selects.
fn selected(draft: &mut Draft<'_>, service: &Service, workload: &Arc<Workload>) {
    let entry = match &workload.resource {
        Some(AnyResource::WorkloadEntry(of)) => Some(&of.spec),
        _ => None,
    };
    for port in &service.ports {
        let Some(entry) = entry else {
            draft.add_workload_instance(service, port.number, target_of(port), workload, 1, Health::Healthy);
            continue;
        };
        let target = port_of(entry, port);
        match Reach::of(&entry.address, target) {
            Some(Reach::Address(address)) => {
                let instance =
                    instance_of(workload, address.clone(), entry.weight.unwrap_or(1), Health::Healthy);
                name_too(draft, service, port.number, &address, &instance);
                draft.add_instance(service, port.number, instance);
            }
            Some(Reach::Name(name)) => {
                draft.add_named(service, port.number, name, workload.labels.clone());
            }
            None => {}
        }
    }
}

/// An endpoint that is written in the entry itself.
fn inline(draft: &mut Draft<'_>, service: &Service, entry: &WorkloadEntry) {
    let locality = locality(entry, &entry.labels);
    let workload = Workload::listed(service, entry.labels.clone(), &entry.service_account, locality);
    let workload = Arc::new(workload);
    for port in &service.ports {
        match Reach::of(&entry.address, port_of(entry, port)) {
            Some(Reach::Address(address)) => {
                let weight = entry.weight.unwrap_or(1);
                let instance = instance_of(&workload, address.clone(), weight, Health::Healthy);
                name_too(draft, service, port.number, &address, &instance);
                draft.add_instance(service, port.number, instance);
            }
            Some(Reach::Name(name)) => draft.add_named(service, port.number, name, workload.labels.clone()),
            None => {}
        }
    }
}

/// A service that is resolved by DNS may list addresses among names; they resolve to themselves.
fn name_too(draft: &mut Draft<'_>, service: &Service, port: u16, address: &Address, instance: &Instance) {
    if let (Resolution::Dns | Resolution::DnsRoundRobin, Some(at)) = (service.resolution, address.socket()) {
        let target = DnsTarget { host: at.ip().to_string().into(), port: at.port() };
        draft.add_named(service, port, target, instance.workload.labels.clone());
    }
}

/// How an entry's `address` is reached.
enum Reach {
    Address(Address),
    Name(DnsTarget),
}

impl Reach {
    fn of(address: &str, port: u16) -> Option<Self> {
        if address.starts_with("unix:") {
            // Istio writes `unix:///path`; the socket's path is what follows the empty authority.
            let path = address.strip_prefix("unix://").or_else(|| address.strip_prefix("unix:"))?;
            return Some(Self::Address(Address::Unix(path.into())));
        }
        if let Ok(ip) = address.parse::<IpAddr>() {
            return Some(Self::Address(SocketAddr::new(ip, port).into()));
        }
        let host: Hostname = address.parse().ok()?;
        (!host.is_wildcard()).then(|| Self::Name(DnsTarget { host: host.as_str().into(), port }))
    }
}

/// The endpoint's own port of that name, else the service's target port.
fn port_of(entry: &WorkloadEntry, port: &Port) -> u16 {
    entry.ports.get(&*port.name).copied().unwrap_or_else(|| target_of(port))
}

fn target_of(port: &Port) -> u16 {
    match port.target {
        TargetPort::Number(number) => number,
        TargetPort::Name(_) => port.number,
    }
}
