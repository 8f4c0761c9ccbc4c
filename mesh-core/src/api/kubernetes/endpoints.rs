//! Endpoints: the addresses of a Service; deprecated, but written by hand.

use super::ObjectReference;
use serde::Deserialize;

/// The addresses of the Service of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoints {
    /// Addresses that share ports.
    pub subsets: Vec<EndpointSubset>,
}

/// Addresses that share ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSubset {
    /// Ready.
    pub addresses: Vec<EndpointAddress>,
    /// Not ready.
    pub not_ready_addresses: Vec<EndpointAddress>,
    /// Ports.
    pub ports: Vec<EndpointPort>,
}

/// An address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointAddress {
    /// IP.
    pub ip: String,
    /// Name in a headless Service.
    pub hostname: String,
    /// Node.
    pub node_name: String,
    /// Pod.
    pub target_ref: Option<ObjectReference>,
}

/// A port of endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointPort {
    /// Name of the Service's port.
    pub name: String,
    /// Number.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`; empty is `TCP`.
    pub protocol: String,
    /// The application's protocol.
    pub app_protocol: String,
}
