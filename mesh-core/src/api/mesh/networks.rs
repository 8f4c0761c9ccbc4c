//! MeshNetworks: which endpoints are in which network, and how it is entered. ConfigMap `istio`, key `meshNetworks`.

use super::MeshPort;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The networks of a mesh.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MeshNetworks {
    /// Networks by name.
    pub networks: BTreeMap<String, Network>,
}

/// A network: its endpoints reach each other directly.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Network {
    /// Which endpoints are in it.
    pub endpoints: Vec<NetworkEndpoints>,
    /// How it is entered from others, by mTLS.
    pub gateways: Vec<NetworkGateway>,
}

/// Endpoints of a network: one of two.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkEndpoints {
    /// Those with addresses of this network, as `10.0.0.0/8`.
    pub from_cidr: Option<String>,
    /// Those of this cluster.
    pub from_registry: Option<String>,
}

/// How a network is entered; `registryServiceName` or `address` says where.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkGateway {
    /// Service of the gateway, by its full name.
    pub registry_service_name: Option<String>,
    /// IP address or DNS name of the gateway.
    pub address: Option<String>,
    /// Port, 1 to 65535; required.
    pub port: MeshPort,
    /// Where the gateway is, as `region/zone/subzone`.
    pub locality: String,
}
