//! A service: a host name, its ports, and who sees it.

use super::{ExportTo, Protocol};
use crate::hostname::Hostname;
use crate::origin::Origin;
use crate::world::Rank;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The order of services: Kubernetes' first, each provider's by the precedence of the resources.
pub(super) type ServiceKey = (Provider, Rank);

/// A service, wherever it was declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Which resource declares it, in the order of services.
    pub(super) key: ServiceKey,
    /// Which of that resource's services it is.
    pub(super) nth: usize,
    /// The name that callers use: `reviews.default.svc.cluster.local`, or a ServiceEntry's host.
    pub host: Hostname,
    /// Name of the resource that declares it.
    pub name: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its ports, in the order in which they are written.
    pub ports: Vec<Port>,
    /// How its instances are found.
    pub resolution: Resolution,
    /// Whether it is part of the mesh.
    pub location: Location,
    /// Virtual addresses: cluster IPs, or a ServiceEntry's `addresses`.
    pub addresses: Vec<IpNet>,
    /// Who sees it.
    pub export_to: ExportTo,
    /// The labels of its workloads; `None` where it does not select any.
    pub selector: Option<BTreeMap<String, String>>,
    /// What certificates of its instances must name, where a ServiceEntry says so.
    pub subject_alt_names: Vec<String>,
    /// Labels of the resource.
    pub labels: BTreeMap<String, String>,
    /// Where it was declared.
    pub provider: Provider,
    /// The resource.
    pub origin: Origin,
    /// When that was created, seconds since 1970.
    pub created: Option<i64>,
}

impl Service {
    /// Whether callers in a namespace see it.
    pub fn is_visible_to(&self, namespace: &str) -> bool {
        self.export_to.covers(namespace)
    }

    /// The port with this number.
    pub fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|p| p.number == number)
    }

    /// Whether it has no address of its own: clients connect to its instances.
    pub fn is_headless(&self) -> bool {
        self.provider == Provider::Kubernetes && self.resolution == Resolution::None
    }
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The number that callers use.
    pub number: u16,
    /// Its name; empty where it has none.
    pub name: Arc<str>,
    /// What is spoken on it.
    pub protocol: Protocol,
    /// Where instances serve it, unless an instance says otherwise.
    pub target: TargetPort,
}

/// Where instances serve a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// This number.
    Number(u16),
    /// The container port of this name.
    Name(Arc<str>),
}

/// How the instances of a service are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// The mesh knows them. Istio: `ClientSideLB`.
    Static,
    /// Every address that names resolve to. Istio: `DNSLB`.
    Dns,
    /// One address of a name at a time. Istio: `DNSRoundRobinLB`.
    DnsRoundRobin,
    /// By the name that each request asks for.
    DynamicDns,
    /// Not at all: connections go where they were going. Istio: `Passthrough`.
    None,
}

/// Whether a service is part of the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// Mesh mTLS and mesh telemetry apply.
    MeshInternal,
    /// Outside.
    MeshExternal,
}

/// What declared a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// A Kubernetes Service.
    Kubernetes,
    /// A ServiceEntry.
    External,
}
