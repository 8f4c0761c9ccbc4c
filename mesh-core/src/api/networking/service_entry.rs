//! ServiceEntry: a service that no Kubernetes Service declares.

use super::{Port, WorkloadEntry};
use crate::api::value::WorkloadSelector;
use serde::Deserialize;

/// The spec of a ServiceEntry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceEntry {
    /// Its hosts.
    pub hosts: Vec<String>,
    /// Virtual addresses, IP or CIDR.
    pub addresses: Vec<String>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// In the mesh or beyond.
    pub location: Location,
    /// How its endpoints are found.
    pub resolution: Resolution,
    /// Endpoints written here.
    pub endpoints: Vec<WorkloadEntry>,
    /// Or WorkloadEntries and pods of the namespace.
    pub workload_selector: Option<WorkloadSelector>,
    /// Namespaces that see it.
    pub export_to: Vec<String>,
    /// Servers must have one of these.
    pub subject_alt_names: Vec<String>,
}

/// In the mesh or beyond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Location {
    /// Beyond: no mesh mTLS.
    #[default]
    MeshExternal,
    /// In it.
    MeshInternal,
}

/// How endpoints are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// Where the connection was going.
    #[default]
    None,
    /// They are written down.
    Static,
    /// All addresses of a name.
    Dns,
    /// One address of a name at a time.
    DnsRoundRobin,
    /// The name that a request is for, when it comes.
    DynamicDns,
}
