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
    /// The workloads; all of the namespace where none is written.
    pub workload_selector: Option<WorkloadSelector>,
    /// To the workload.
    pub ingress: Vec<IngressListener>,
    /// From the workload.
    pub egress: Vec<EgressListener>,
    /// Bounds on what comes in.
    pub inbound_connection_pool: Option<ConnectionPool>,
    /// What becomes of traffic to unknown hosts.
    pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
}

/// A port that the workload is reached at.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IngressListener {
    /// Port and protocol.
    pub port: Port,
    /// Address to bind.
    pub bind: String,
    /// How traffic reaches it.
    pub capture_mode: CaptureMode,
    /// Where the workload listens: `127.0.0.1:PORT`, `0.0.0.0:PORT` (its own address) or `unix:///path`.
    pub default_endpoint: String,
    /// TLS with certificates of the user.
    pub tls: Option<ServerTls>,
    /// Bounds.
    pub connection_pool: Option<ConnectionPool>,
}

/// What the workload may call, and through which port.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EgressListener {
    /// Port and protocol; none means all ports.
    pub port: Option<Port>,
    /// Address to bind.
    pub bind: String,
    /// How traffic reaches it.
    pub capture_mode: CaptureMode,
    /// Services, as `namespace/host`.
    pub hosts: Vec<String>,
}

/// How traffic reaches a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaptureMode {
    /// As the environment does.
    #[default]
    Default,
    /// By redirection.
    Iptables,
    /// By its own socket.
    None,
}

/// What becomes of traffic to unknown hosts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutboundTrafficPolicy {
    /// What.
    pub mode: OutboundMode,
    /// Where it is sent instead.
    pub egress_proxy: Option<Destination>,
}

/// What becomes of traffic to unknown hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutboundMode {
    /// It is refused. The default of the field, not of the mesh.
    #[default]
    RegistryOnly,
    /// It passes.
    AllowAny,
    /// It passes, by the name that it asks for.
    AllowAnyDynamicDns,
}
