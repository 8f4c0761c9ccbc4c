//! An instance: one address at which one port of one service is served.

use super::Locality;
use super::declared::Part;
use crate::addr::Address;
use crate::model::cluster::DnsTarget;
use crate::model::endpoint::{Endpoint, Health, TlsMode, WorkloadRef};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An instance of a service's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Where it is reached.
    pub address: Address,
    /// Its share; at least 1.
    pub weight: u32,
    /// Its labels, which subsets select by.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The service account that its certificate must name; empty where none is declared.
    pub service_account: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Where it runs.
    pub locality: Arc<Locality>,
    /// What the control plane knows of it.
    pub health: Health,
    /// Whether it takes mesh mTLS.
    pub tls_mode: TlsMode,
    /// The workload behind it, as telemetry names it.
    pub workload: Arc<WorkloadRef>,
}

impl Instance {
    /// As the Snapshot says it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            address: self.address.clone(),
            weight: self.weight,
            health: self.health,
            tls_mode: self.tls_mode,
            workload: Some(WorkloadRef::clone(&self.workload)),
        }
    }
}

/// An instance in its place: of which service and port, and which of one source's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) nth: usize,
    pub(super) port: u16,
    pub(super) part: Part,
    pub(super) at: usize,
    pub(super) instance: Instance,
}

/// A name to be resolved for a service's port, with the labels that subsets select by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) nth: usize,
    pub(super) port: u16,
    pub(super) target: DnsTarget,
    pub(super) labels: Arc<BTreeMap<String, String>>,
}
