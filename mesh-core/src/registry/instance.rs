//! An instance: one address at which one port of one service is served.

use super::Locality;
use crate::addr::Address;
use crate::api::value::labels_match;
use crate::model::cluster::DnsTarget;
use crate::model::endpoint::{Endpoint, Health, TlsMode, WorkloadRef};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// An instance of a service's port.
#[derive(Clone, Debug, PartialEq)]
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
    pub locality: Locality,
    /// What the control plane knows of it.
    pub health: Health,
    /// Whether it takes mesh mTLS.
    pub tls_mode: TlsMode,
    /// The workload behind it, as telemetry names it.
    pub workload: WorkloadRef,
}

impl Instance {
    /// As the Snapshot says it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            address: self.address.clone(),
            weight: self.weight,
            health: self.health,
            tls_mode: self.tls_mode,
            workload: Some(self.workload.clone()),
        }
    }
}

/// A name to be resolved, with the labels that subsets select by.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) target: DnsTarget,
    pub(super) labels: Arc<BTreeMap<String, String>>,
}

/// The instances of one service, by port.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Instances {
    by_port: HashMap<u16, Vec<Arc<Instance>>>,
    named: HashMap<u16, Vec<Named>>,
}

impl Instances {
    /// Of one port.
    pub fn at(&self, port: u16) -> &[Arc<Instance>] {
        self.by_port.get(&port).map_or(&[], Vec::as_slice)
    }

    pub(super) fn add(&mut self, port: u16, instance: Instance) {
        self.by_port.entry(port).or_default().push(Arc::new(instance));
    }

    pub(super) fn add_named(&mut self, port: u16, named: Named) {
        self.named.entry(port).or_default().push(named);
    }

    pub(super) fn dns(&self, port: u16, labels: &BTreeMap<String, String>) -> Vec<DnsTarget> {
        let all = self.named.get(&port).into_iter().flatten();
        all.filter(|n| labels_match(labels, &n.labels)).map(|n| n.target.clone()).collect()
    }

    /// A deterministic order, whatever order the resources came in.
    pub(super) fn sort(&mut self) {
        for list in self.by_port.values_mut() {
            list.sort_by(|a, b| {
                a.address.cmp(&b.address).then_with(|| a.workload.name.cmp(&b.workload.name))
            });
        }
        for list in self.named.values_mut() {
            list.sort_by(|a, b| (&a.target.host, a.target.port).cmp(&(&b.target.host, b.target.port)));
        }
    }
}
