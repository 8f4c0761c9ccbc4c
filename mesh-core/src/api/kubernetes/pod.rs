//! Pod: a workload.

use serde::Deserialize;

/// What a Pod is and how it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    /// What it is to be.
    pub spec: PodSpec,
    /// How it is.
    pub status: PodStatus,
}

/// What a Pod is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Service account; empty is `default`.
    pub service_account_name: String,
    /// Deprecated form of the same.
    pub service_account: String,
    /// Node.
    pub node_name: String,
    /// Shares the node's network.
    pub host_network: bool,
    /// Name in a headless Service.
    pub hostname: String,
    /// Headless Service that it is named in.
    pub subdomain: String,
    /// Under which user its containers run, where they do not say so themselves.
    pub security_context: SecurityContext,
    /// Its containers.
    pub containers: Vec<Container>,
}

/// Under which user processes run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityContext {
    /// The user's number; that of the image where none is written.
    pub run_as_user: Option<i64>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Name.
    pub name: String,
    /// Under which user it runs.
    pub security_context: SecurityContext,
    /// Ports.
    pub ports: Vec<ContainerPort>,
}

/// A port of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    /// Name, which Services may use.
    pub name: String,
    /// Number.
    pub container_port: u16,
    /// `TCP`, `UDP` or `SCTP`; empty is `TCP`.
    pub protocol: String,
}

/// How a Pod is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// Its address.
    #[serde(rename = "podIP")]
    pub pod_ip: String,
    /// All of its addresses.
    #[serde(rename = "podIPs")]
    pub pod_ips: Vec<PodIp>,
    /// The node's address.
    #[serde(rename = "hostIP")]
    pub host_ip: String,
    /// Its state.
    pub conditions: Vec<PodCondition>,
}

/// An address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct PodIp {
    /// IP.
    pub ip: String,
}

/// A part of its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct PodCondition {
    /// Such as `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
}
