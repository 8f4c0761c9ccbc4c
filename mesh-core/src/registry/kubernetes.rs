//! Kubernetes' Service, EndpointSlice, Endpoints and Pod: what they add to the registry.
//!
//! Where a Service has EndpointSlices, they say where it is served; else its Endpoints do; else, as in a
//! folder that nobody's endpoint controller looks at, the Pods that it selects. WorkloadEntries that it
//! selects are added in every case, as Istio does.

use super::declared::Means;
use super::declaring::Site;
use super::draft::{Draft, instance_of, resolve_port};
use super::entry::network;
use super::workload::{DEFAULT_CLUSTER, WorkloadKey, telemetry, tls_mode};
use super::{
    CLUSTER_DOMAIN, ExportTo, Instance, Locality, Location, Port, Protocol, Provider, Registry, Resolution,
    Service, TargetPort, Workload, WorkloadSource,
};
use crate::api::kubernetes::endpoint_slice::EndpointConditions;
use crate::api::kubernetes::endpoints::EndpointPort;
use crate::api::kubernetes::{self as api, EndpointSlice, Endpoints, IntOrString, ObjectReference, Pod};
use crate::api::networking::WorkloadEntry;
use crate::api::{AnyResource, Resource};
use crate::hostname::Hostname;
use crate::model::cluster::DnsTarget;
use crate::model::endpoint::Health;
use crate::world::{Rank, World};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Annotation of a Service: who sees it.
const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// What a Pod declares.
pub(super) fn workload(pod: &Arc<Resource<Pod>>) -> Option<Workload> {
    let Pod { spec, status } = &pod.spec;
    // A pod that has ended keeps its address in the API, while another may already use it.
    if matches!(status.phase.as_str(), "Succeeded" | "Failed") {
        return None;
    }
    let all = std::iter::once(&status.pod_ip).chain(status.pod_ips.iter().map(|p| &p.ip));
    let mut ips: Vec<IpAddr> = Vec::new();
    for ip in all.filter_map(|ip| ip.parse().ok()) {
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    let account = [&spec.service_account_name, &spec.service_account];
    let account = account.into_iter().find(|a| !a.is_empty()).map_or("default", String::as_str);
    let meta = &pod.meta;
    Some(Workload {
        key: Some(WorkloadKey::new(WorkloadSource::Pod, meta)),
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        labels: Arc::new(meta.labels.clone()),
        service_account: account.into(),
        ips,
        locality: Arc::new(Locality::of_labels(&meta.labels)),
        tls_mode: tls_mode(&meta.labels),
        telemetry: telemetry(owner(pod), &meta.namespace, &meta.labels, DEFAULT_CLUSTER),
        source: WorkloadSource::Pod,
        origin: Some(pod.origin()),
        ready: is_ready(&pod.spec),
        resource: Some(AnyResource::Pod(pod.clone())),
    })
}

/// The Deployment of a pod, whose name a ReplicaSet's hash follows in the pod's; else the pod itself.
fn owner(pod: &Resource<Pod>) -> &str {
    let name = &*pod.meta.name;
    let hash = pod.meta.labels.get("pod-template-hash").filter(|h| !h.is_empty());
    hash.and_then(|hash| name.rsplit_once(&format!("-{hash}-"))).map_or(name, |(deployment, _)| deployment)
}

/// What says where a Service is served.
pub(super) fn means(registry: &Registry, world: &World, resource: &Resource<api::Service>) -> Means {
    let (namespace, name) = (&*resource.meta.namespace, &*resource.meta.name);
    if resource.spec.kind == "ExternalName" {
        Means::Written
    } else if registry.slices_of(namespace, name).next().is_some() {
        Means::Slices
    } else if world.get::<Endpoints>(namespace, name).is_some() {
        Means::Endpoints
    } else {
        Means::Selector
    }
}

/// What a source offers of a Service.
pub(super) fn offer(
    draft: &mut Draft<'_>,
    resource: &Resource<api::Service>,
    service: &Service,
    site: &Site<'_>,
) {
    match site {
        Site::Written => external_name(draft, service, &resource.spec.external_name),
        Site::Slice(of) => slice(draft, service, &of.spec),
        Site::Endpoints(of) => endpoints(draft, service, &of.spec),
        Site::Workload(workload) => match &workload.resource {
            Some(AnyResource::Pod(of)) => {
                pod(draft, service, workload, &of.spec, resource.spec.publish_not_ready_addresses);
            }
            Some(AnyResource::WorkloadEntry(of)) => workload_entry(draft, service, workload, &of.spec),
            _ => {}
        },
    }
}

/// The service that a Service declares.
pub(super) fn service(world: &World, resource: &Resource<api::Service>) -> Option<Service> {
    let (spec, meta) = (&resource.spec, &resource.meta);
    let host: Hostname = format!("{}.{}.svc.{CLUSTER_DOMAIN}", meta.name, meta.namespace).parse().ok()?;
    let external = spec.kind == "ExternalName";
    let resolution = match spec.cluster_ip.as_str() {
        _ if external => Resolution::Dns,
        "None" => Resolution::None,
        _ => Resolution::Static,
    };
    let ports = spec.ports.iter().filter(|p| p.port > 0).map(|p| {
        let app_protocol = (!p.app_protocol.is_empty()).then_some(p.app_protocol.as_str());
        Port {
            number: p.port,
            name: p.name.as_str().into(),
            protocol: Protocol::of_port(p.port, &p.name, &p.protocol, app_protocol),
            target: match &p.target_port {
                None | Some(IntOrString::Int(0)) => TargetPort::Number(p.port),
                Some(IntOrString::Int(number)) => TargetPort::Number(*number),
                Some(IntOrString::String(name)) => TargetPort::Name(name.as_str().into()),
            },
        }
    });
    let ips =
        if spec.cluster_ips.is_empty() { std::slice::from_ref(&spec.cluster_ip) } else { &spec.cluster_ips };
    let written: Vec<&str> = meta
        .annotations
        .get(EXPORT_TO)
        .into_iter()
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .collect();
    Some(Service {
        key: (Provider::Kubernetes, Rank::of(meta)),
        nth: 0,
        host,
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        ports: ports.collect(),
        resolution,
        location: if external { Location::MeshExternal } else { Location::MeshInternal },
        addresses: ips.iter().filter_map(|ip| network(ip)).collect(),
        export_to: ExportTo::of_service(&written, &meta.namespace, world),
        selector: (!spec.selector.is_empty()).then(|| spec.selector.clone()),
        subject_alt_names: Vec::new(),
        labels: meta.labels.clone(),
        provider: Provider::Kubernetes,
        origin: resource.origin(),
        created: meta.created,
    })
}

fn external_name(draft: &mut Draft<'_>, service: &Service, name: &str) {
    let Ok(host) = name.parse::<Hostname>() else { return };
    for port in &service.ports {
        let target = DnsTarget { host: host.as_str().into(), port: port.number };
        draft.add_named(service, port.number, target, Arc::default());
    }
}

fn slice(draft: &mut Draft<'_>, service: &Service, slice: &EndpointSlice) {
    // The names of ports are unique on both sides.
    let served = slice.ports.len().min(service.ports.len());
    draft.reserve(slice.endpoints.len().saturating_mul(served));
    let mut list = List::of(service);
    for endpoint in &slice.endpoints {
        let health = health(endpoint.conditions);
        // Kubernetes says that all addresses of one endpoint are the same; the first is used.
        let Some(ip) = endpoint.addresses.first().and_then(|a| a.parse().ok()) else { continue };
        list.zone(&endpoint.zone);
        let at = At { ip, target: endpoint.target_ref.as_ref(), health };
        address(draft, &mut list, &at, &slice.ports);
    }
}

fn endpoints(draft: &mut Draft<'_>, service: &Service, endpoints: &Endpoints) {
    let mut list = List::of(service);
    for subset in &endpoints.subsets {
        let ready = subset.addresses.iter().map(|a| (a, Health::Healthy));
        let not = subset.not_ready_addresses.iter().map(|a| (a, Health::Unhealthy));
        for (listed, health) in ready.chain(not) {
            let Ok(ip) = listed.ip.parse() else { continue };
            let at = At { ip, target: listed.target_ref.as_ref(), health };
            address(draft, &mut list, &at, &subset.ports);
        }
    }
}

/// An address as a slice or Endpoints list it.
struct At<'a> {
    ip: IpAddr,
    target: Option<&'a ObjectReference>,
    health: Health,
}

/// What the addresses of a list share, since lists are long.
struct List<'a> {
    service: &'a Service,
    /// Where the last of them runs, if the list says it.
    locality: Option<Arc<Locality>>,
    /// Who serves where nobody is declared.
    nobody: Option<Arc<Workload>>,
}

impl<'a> List<'a> {
    fn of(service: &'a Service) -> Self {
        Self { service, locality: None, nobody: None }
    }

    fn zone(&mut self, zone: &str) {
        if self.locality.as_ref().map_or("", |l| &l.zone) != zone {
            let locality = || Arc::new(Locality { zone: zone.into(), ..Locality::default() });
            self.locality = (!zone.is_empty()).then(locality);
        }
    }

    fn nobody(&mut self) -> &Arc<Workload> {
        let service = self.service;
        let new = || Workload::listed(service, Default::default(), "", Locality::default());
        self.nobody.get_or_insert_with(|| Arc::new(new()))
    }
}

/// An address that serves these ports; a port without a name serves a service's only port.
fn address(draft: &mut Draft<'_>, list: &mut List<'_>, at: &At<'_>, ports: &[EndpointPort]) {
    let service = list.service;
    let target = at.target.filter(|t| t.kind == "Pod");
    let named = target.and_then(|t| draft.workload(&service.namespace, &t.name));
    let workload = named.or_else(|| draft.workload_at(&service.namespace, at.ip));
    for port in &service.ports {
        for served in ports.iter().filter(|p| p.name == *port.name && p.port > 0) {
            let address = SocketAddr::new(at.ip, served.port).into();
            let workload = workload.unwrap_or_else(|| list.nobody());
            let instance = instance_of(workload, address, 1, at.health);
            let instance = Instance { listed: list.locality.clone(), ..instance };
            draft.add_instance(service, port.number, instance);
        }
    }
}

fn pod(draft: &mut Draft<'_>, service: &Service, workload: &Arc<Workload>, pod: &Pod, unready_too: bool) {
    let health = if unready_too || workload.ready { Health::Healthy } else { Health::Unhealthy };
    draft.reserve(service.ports.len());
    for port in &service.ports {
        let container_port = |name: &str| {
            let mut all = pod.spec.containers.iter().flat_map(|c| &c.ports);
            all.find(|p| p.name == name).map(|p| p.container_port).filter(|n| *n > 0)
        };
        // As Kubernetes does: a pod without a port of that name does not serve it.
        if let Some(target) = resolve_port(&port.target, container_port) {
            draft.add_workload_instance(service, port.number, target, workload, 1, health);
        }
    }
}

fn workload_entry(draft: &mut Draft<'_>, service: &Service, workload: &Arc<Workload>, entry: &WorkloadEntry) {
    draft.reserve(service.ports.len());
    for port in &service.ports {
        let own = entry.ports.get(&*port.name).copied();
        let target = own.or_else(|| resolve_port(&port.target, |_| None)).unwrap_or(port.number);
        let weight = entry.weight.unwrap_or(1);
        draft.add_workload_instance(service, port.number, target, workload, weight, Health::Healthy);
    }
}

/// What is not written counts as ready, as Kubernetes demands of readers.
fn health(conditions: EndpointConditions) -> Health {
    let ready = conditions.ready.unwrap_or(true);
    let serving = conditions.serving.unwrap_or(ready);
    match (ready, serving && conditions.terminating == Some(true)) {
        (_, true) => Health::Draining,
        (true, false) => Health::Healthy,
        (false, false) => Health::Unhealthy,
    }
}

/// A pod that says nothing of its state was written by hand, to be used.
fn is_ready(pod: &Pod) -> bool {
    let ready = pod.status.conditions.iter().find(|c| c.kind == "Ready");
    ready.map_or(matches!(pod.status.phase.as_str(), "" | "Running"), |c| c.status == "True")
}
