//! ServiceEntry: a service that no Kubernetes Service declares.

use super::{Port, WorkloadEntry};
use crate::api::value::WorkloadSelector;
use serde::Deserialize;

/// The spec of a ServiceEntry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceEntry {
    /// Its DNS names, at least one: a full name, or `*.example.com`.
    pub hosts: Vec<String>,
    /// Virtual addresses that it is called at: IP addresses or, under NONE and STATIC, networks.
    pub addresses: Vec<String>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// In the mesh or beyond; `MESH_EXTERNAL` where none is written.
    pub location: Location,
    /// How its endpoints are found; `NONE` where none is written.
    pub resolution: Resolution,
    /// Its endpoints, if they are written here.
    pub endpoints: Vec<WorkloadEntry>,
    /// Or labels of the WorkloadEntries and pods of the namespace that are its endpoints.
    pub workload_selector: Option<WorkloadSelector>,
    /// Namespaces that see it: names, `.` for its own, `*` for all or `~` for none; as the mesh says where none is
    /// written.
    pub export_to: Vec<String>,
    /// Subject alternative names of which a server's certificate must have one.
    pub subject_alt_names: Vec<String>,
}

/// In the mesh or beyond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Location {
    /// Beyond it: no mTLS by the mesh's certificates.
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
    /// They are written down, by address.
    Static,
    /// All addresses that DNS knows for a name: the endpoints', or the hosts' where there are none.
    Dns,
    /// One such address at a time; for names with many.
    DnsRoundRobin,
    /// The name that a request asks for is resolved when it comes.
    DynamicDns,
}
