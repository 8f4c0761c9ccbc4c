//! The endpoints of a cluster, by locality. Envoy's `endpoint.v3.ClusterLoadAssignment`.

use super::Name;
use crate::addr::Address;

/// The endpoints of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The name that a cluster asks for.
    pub name: Name,
    /// Grouped by locality and priority.
    pub localities: Vec<Locality>,
}

impl Endpoints {
    /// Every endpoint, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.localities.iter().flat_map(|l| &l.endpoints)
    }
}

/// Endpoints in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locality {
    /// Where: `region/zone/subzone`, each possibly empty.
    pub region: Name,
    /// Zone.
    pub zone: Name,
    /// Sub-zone.
    pub sub_zone: Name,
    /// 0 is used first.
    pub priority: u32,
    /// Share among localities of one priority; `None` where Envoy does not weigh localities.
    pub weight: Option<u32>,
    /// What is there.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Where it is reached.
    pub address: Address,
    /// Its share; at least 1.
    pub weight: u32,
    /// What the control plane knows of it.
    pub health: Health,
    /// Whether it takes mesh mTLS: Istio's label `security.istio.io/tlsMode`.
    pub tls_mode: TlsMode,
    /// The workload behind it, for telemetry.
    pub workload: Option<WorkloadRef>,
}

impl Endpoint {
    /// An endpoint of weight 1 without further knowledge.
    pub fn at(address: impl Into<Address>) -> Self {
        Self {
            address: address.into(),
            weight: 1,
            health: Health::Healthy,
            tls_mode: TlsMode::Disabled,
            workload: None,
        }
    }
}

/// What the control plane knows of an endpoint's health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Health {
    /// May be chosen.
    #[default]
    Healthy,
    /// Must not be.
    Unhealthy,
    /// Finishes what it has, gets nothing new.
    Draining,
}

/// Whether an endpoint takes mesh mTLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// `disabled` or no label.
    #[default]
    Disabled,
    /// `istio`.
    Istio,
}

/// A workload as telemetry names it. On the wire: endpoint metadata `istio.workload`, five parts joined
/// by `;`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WorkloadRef {
    /// Name, such as `reviews-v1`.
    pub name: Name,
    /// Namespace.
    pub namespace: Name,
    /// Label `service.istio.io/canonical-name`, or `app`, or the workload's name.
    pub canonical_service: Name,
    /// Label `service.istio.io/canonical-revision`, or `version`, or `latest`.
    pub canonical_revision: Name,
    /// Cluster id, such as `Kubernetes`.
    pub cluster: Name,
}
