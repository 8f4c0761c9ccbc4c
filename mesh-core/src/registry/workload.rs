//! A workload: what one proxy stands beside, as a WorkloadEntry or a Pod declares it.

use super::Service;
use super::index::Facet;
use crate::api::{AnyResource, Meta};
use crate::model::endpoint::{TlsMode, WorkloadRef};
use crate::node::Node;
use crate::origin::Origin;
use crate::world::Rank;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The id of the cluster where a resource does not say another; Istio's default.
pub const DEFAULT_CLUSTER: &str = "Kubernetes";

/// The order of workloads: WorkloadEntries first, then Pods, each by precedence. It brings its facet along,
/// since a change of a service asks for that of each of its workloads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WorkloadKey(WorkloadSource, Rank, Facet);

impl WorkloadKey {
    /// The key of what a resource declares, if resources of its kind declare workloads.
    pub(super) fn of(resource: &AnyResource) -> Option<Self> {
        match resource {
            AnyResource::WorkloadEntry(r) => Some(Self::new(WorkloadSource::Entry, &r.meta)),
            AnyResource::Pod(r) => Some(Self::new(WorkloadSource::Pod, &r.meta)),
            _ => None,
        }
    }

    pub(super) fn new(source: WorkloadSource, meta: &Meta) -> Self {
        let rank = Rank::of(meta);
        let facet = Facet::of((source, &rank));
        Self(source, rank, facet)
    }

    pub(super) fn facet(&self) -> Facet {
        self.2
    }
}

/// A workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Which resource declares it, in the order of workloads; `None` where none does.
    pub(super) key: Option<WorkloadKey>,
    /// The name of the WorkloadEntry or Pod; of an address that has none, the service's.
    pub name: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The service account that its certificate names; empty where none is declared.
    pub service_account: Arc<str>,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// Where it runs.
    pub locality: Arc<Locality>,
    /// Whether it takes mesh mTLS.
    pub tls_mode: TlsMode,
    /// As telemetry names it.
    pub telemetry: Arc<WorkloadRef>,
    /// What declared it.
    pub source: WorkloadSource,
    /// Whether it may be sent requests.
    pub(super) ready: bool,
    /// The resource; `None` where none declares it.
    pub origin: Option<Origin>,
    /// The same, to read what only an instance of a service needs.
    pub(super) resource: Option<AnyResource>,
}

/// What declared a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkloadSource {
    /// A WorkloadEntry.
    Entry,
    /// A Pod.
    Pod,
    /// The proxy itself.
    Node,
    /// A list of addresses: a ServiceEntry's endpoints, an EndpointSlice or Endpoints.
    List,
}

impl Workload {
    /// What a proxy says of itself, for one that nobody declared.
    pub fn from_node(node: &Node) -> Self {
        let name = if node.workload_name.is_empty() { &node.name } else { &node.workload_name };
        Self {
            key: None,
            name: node.name.as_str().into(),
            namespace: node.namespace.as_str().into(),
            labels: Arc::new(node.labels.clone()),
            service_account: node.service_account.as_str().into(),
            ips: node.ips.clone(),
            locality: Arc::new(Locality::of_labels(&node.labels)),
            tls_mode: tls_mode(&node.labels),
            telemetry: telemetry(name, &node.namespace, &node.labels, &node.cluster_id),
            source: WorkloadSource::Node,
            origin: None,
            ready: true,
            resource: None,
        }
    }

    /// What serves at an address that a service's list names, and nothing else declares.
    pub(super) fn listed(
        service: &Service,
        labels: BTreeMap<String, String>,
        service_account: &str,
        locality: Locality,
    ) -> Self {
        Self {
            key: None,
            name: service.name.clone(),
            namespace: service.namespace.clone(),
            service_account: service_account.into(),
            ips: Vec::new(),
            locality: Arc::new(locality),
            tls_mode: tls_mode(&labels),
            telemetry: telemetry(&service.name, &service.namespace, &labels, DEFAULT_CLUSTER),
            source: WorkloadSource::List,
            origin: None,
            ready: true,
            resource: None,
            labels: Arc::new(labels),
        }
    }
}

/// Where a workload runs: region, zone, sub-zone, each possibly empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locality {
    /// Region.
    pub region: Arc<str>,
    /// Zone.
    pub zone: Arc<str>,
    /// Sub-zone.
    pub sub_zone: Arc<str>,
}

impl Locality {
    /// Reads `region/zone/subzone`; the tail may be missing.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '/').map(Arc::from);
        let mut next = || parts.next().unwrap_or_default();
        Self { region: next(), zone: next(), sub_zone: next() }
    }

    /// The label `istio-locality` (with dots for slashes), or Kubernetes' topology labels.
    pub fn of_labels(labels: &BTreeMap<String, String>) -> Self {
        if let Some(text) = labels.get("istio-locality") {
            return Self::parse(&text.replace('.', "/"));
        }
        let label = |key: &str| labels.get(key).map(|v| v.as_str().into()).unwrap_or_default();
        Self {
            region: label("topology.kubernetes.io/region"),
            zone: label("topology.kubernetes.io/zone"),
            sub_zone: label("topology.istio.io/subzone"),
        }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.region.is_empty() && self.zone.is_empty() && self.sub_zone.is_empty()
    }
}

/// Istio's label `security.istio.io/tlsMode`.
pub(super) fn tls_mode(labels: &BTreeMap<String, String>) -> TlsMode {
    match labels.get("security.istio.io/tlsMode").map(String::as_str) {
        Some("istio") => TlsMode::Istio,
        _ => TlsMode::Disabled,
    }
}

/// A workload as telemetry names it, by Istio's canonical labels.
pub(super) fn telemetry(
    name: &str,
    namespace: &str,
    labels: &BTreeMap<String, String>,
    cluster: &str,
) -> Arc<WorkloadRef> {
    let first = |keys: [&str; 3], otherwise: &str| -> Arc<str> {
        let found = keys.iter().find_map(|k| labels.get(*k).filter(|v| !v.is_empty()));
        found.map_or(otherwise, String::as_str).into()
    };
    Arc::new(WorkloadRef {
        name: name.into(),
        namespace: namespace.into(),
        canonical_service: first(["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"], name),
        canonical_revision: first(
            ["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"],
            "latest",
        ),
        cluster: cluster.into(),
    })
}
