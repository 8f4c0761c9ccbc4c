//! TCPRoute, TLSRoute and UDPRoute: where whole connections go.

use super::reference::{BackendRef, ParentReference};
use super::value::GatewayDefaultScope;
use serde::Deserialize;

/// The spec of a TCPRoute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpRoute {
    /// What the route attaches to, at most 32.
    pub parent_refs: Vec<ParentReference>,
    /// Whether it attaches to default gateways as well. Experimental.
    pub use_default_gateways: Option<GatewayDefaultScope>,
    /// What is done: exactly one rule.
    pub rules: Vec<L4RouteRule>,
}

/// The spec of a TLSRoute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsRoute {
    /// What the route attaches to, at most 32.
    pub parent_refs: Vec<ParentReference>,
    /// Whether it attaches to default gateways as well. Experimental.
    pub use_default_gateways: Option<GatewayDefaultScope>,
    /// Server names, perhaps with a leading `*.`. Required from `v1alpha3` on.
    pub hostnames: Vec<String>,
    /// What is done: exactly one rule.
    pub rules: Vec<L4RouteRule>,
}

/// The spec of a UDPRoute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UdpRoute {
    /// What the route attaches to, at most 32.
    pub parent_refs: Vec<ParentReference>,
    /// Whether it attaches to default gateways as well. Experimental.
    pub use_default_gateways: Option<GatewayDefaultScope>,
    /// What is done: exactly one rule.
    pub rules: Vec<L4RouteRule>,
}

/// Where connections go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct L4RouteRule {
    /// Name of the rule, unique in the route.
    pub name: String,
    /// Backends with their weights: 1 to 16.
    pub backend_refs: Vec<BackendRef>,
}
