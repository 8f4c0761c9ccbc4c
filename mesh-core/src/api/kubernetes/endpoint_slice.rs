//! EndpointSlice: a part of the addresses of a Service.

use super::ObjectReference;
use super::endpoints::EndpointPort;
use serde::Deserialize;

/// Label that names the Service of a slice.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// A part of the addresses of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// The endpoints.
    pub endpoints: Vec<SliceEndpoint>,
    /// Their ports.
    pub ports: Vec<EndpointPort>,
}

/// An endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct SliceEndpoint {
    /// Its addresses; the first is used.
    pub addresses: Vec<String>,
    /// Its state.
    pub conditions: EndpointConditions,
    /// Name in a headless Service; the mesh resolves no such names.
    pub hostname: String,
    /// Node; its zone stands in `zone`.
    pub node_name: String,
    /// Zone.
    pub zone: String,
    /// Pod.
    pub target_ref: Option<ObjectReference>,
}

/// The state of an endpoint; what is not written is as Kubernetes reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointConditions {
    /// May be chosen; unknown counts as yes.
    pub ready: Option<bool>,
    /// Still answers; unknown counts as `ready`.
    pub serving: Option<bool>,
    /// Is going away; unknown counts as no.
    pub terminating: Option<bool>,
}
