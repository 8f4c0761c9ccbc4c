//! Sidecar: what the proxy beside a workload listens on and which services it sees.

use super::Port;
use super::destination_rule::ConnectionPool;
use super::gateway::ServerTls;
use super::virtual_service::Destination;
use crate::api::value::WorkloadSelector;
use serde::Deserialize;

/// The spec of a Sidecar.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Sidecar {
    /// The workloads whose proxies it configures; all of the namespace where none is written, and those of all
    /// namespaces without one of their own if it stands in the root namespace.
    pub workload_selector: Option<WorkloadSelector>,
    /// Ports that the workload is reached at; those of its services where none is written.
    pub ingress: Vec<IngressListener>,
    /// What the workload may call; everything that is exported to its namespace where none is written.
    pub egress: Vec<EgressListener>,
    /// Bounds on connections and requests to the workload, for ports without bounds of their own.
    pub inbound_connection_pool: Option<ConnectionPool>,
    /// What becomes of traffic to hosts that nobody declared; as the mesh says where none is written.
    pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
}

/// A port that the workload is reached at.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IngressListener {
    /// Port and protocol that callers use.
    pub port: Port,
    /// IP address to bind; the workload's own where none is written.
    pub bind: String,
    /// How traffic reaches the listener.
    pub capture_mode: CaptureMode,
    /// Where the workload listens: `127.0.0.1:PORT`, `0.0.0.0:PORT` (its own address) or `unix:///path`. Where the
    /// traffic was going where none is written.
    pub default_endpoint: String,
    /// TLS towards callers from outside the mesh, with the user's certificates. For protocols HTTPS and TLS.
    pub tls: Option<ServerTls>,
    /// Bounds on connections and requests to this port.
    pub connection_pool: Option<ConnectionPool>,
}

/// What the workload may call, and through which port.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EgressListener {
    /// Port and protocol that the workload calls; all ports of the hosts where none is written, as the last
    /// listener only.
    pub port: Option<Port>,
    /// IP address to bind, or `unix:///path` with a port without a number.
    pub bind: String,
    /// How traffic reaches the listener.
    pub capture_mode: CaptureMode,
    /// Services as `namespace/host`. The namespace is a name, `*`, `.` for the Sidecar's own or `~` for none; the
    /// host a full name, `*.example.com` or `*`.
    pub hosts: Vec<String>,
}

/// How traffic reaches a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaptureMode {
    /// As the workload's environment does: `defaultConfig.interceptionMode`.
    #[default]
    Default,
    /// By redirection.
    Iptables,
    /// By a socket of its own, which callers address.
    None,
}

/// What becomes of traffic to hosts that nobody declared.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutboundTrafficPolicy {
    /// Whether it passes; `REGISTRY_ONLY` where none is written.
    pub mode: OutboundMode,
    /// A service that it is sent to instead of its destination, with a port. Under `ALLOW_ANY` only.
    pub egress_proxy: Option<Destination>,
}

/// What becomes of traffic to hosts that nobody declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutboundMode {
    /// It is refused. The default of the field, not of the mesh.
    #[default]
    RegistryOnly,
    /// It passes to where it was going.
    AllowAny,
    /// It passes to the name that it asks for, which the proxy resolves. In the MeshConfig only.
    AllowAnyDynamicDns,
}
