//! WorkloadEntry: one workload that is not a pod.

use crate::api::number::ports_by_name;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a WorkloadEntry, and an endpoint of a ServiceEntry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkloadEntry {
    /// IP address, DNS name or `unix:///path`; may be left out where `network` is written.
    pub address: String,
    /// Ports that it listens on, 1 to 65535, by the names of the service's; the service's own where none is written.
    #[serde(deserialize_with = "ports_by_name")]
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, crate::api::schema::Port>"))]
    pub ports: BTreeMap<String, u16>,
    /// Labels, by which ServiceEntries and policies select it.
    pub labels: BTreeMap<String, String>,
    /// Network that it is in; workloads of one network reach each other directly.
    pub network: String,
    /// Where it is, as `region/zone/subzone`.
    pub locality: String,
    /// Its share among the service's endpoints; 1 where none is written.
    pub weight: Option<u32>,
    /// Its service account, which its certificate names.
    pub service_account: String,
}
