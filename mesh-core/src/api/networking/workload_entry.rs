//! WorkloadEntry: one workload that is not a pod.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a WorkloadEntry, and an endpoint of a ServiceEntry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkloadEntry {
    /// IP, DNS name or `unix:///path`.
    pub address: String,
    /// Ports of its own by the names of the service's.
    pub ports: BTreeMap<String, u16>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Network.
    pub network: String,
    /// `region/zone/subzone`.
    pub locality: String,
    /// Its share among endpoints; 1 where nothing is written.
    pub weight: Option<u32>,
    /// Its service account.
    pub service_account: String,
}
