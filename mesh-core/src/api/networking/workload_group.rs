//! WorkloadGroup: the template of WorkloadEntries that register themselves.

use super::WorkloadEntry;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a WorkloadGroup.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkloadGroup {
    /// Metadata of each.
    pub metadata: Option<ObjectMeta>,
    /// Spec of each.
    pub template: WorkloadEntry,
    /// When one is healthy.
    pub probe: Option<ReadinessProbe>,
}

/// Metadata of each entry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObjectMeta {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// When an entry is healthy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReadinessProbe {
    /// Seconds before the first.
    pub initial_delay_seconds: u32,
    /// Seconds that one may take.
    pub timeout_seconds: u32,
    /// Seconds between two.
    pub period_seconds: u32,
    /// So many good ones make it healthy.
    pub success_threshold: u32,
    /// So many bad ones make it unhealthy.
    pub failure_threshold: u32,
    /// By HTTP.
    pub http_get: Option<HttpProbe>,
    /// By a connect.
    pub tcp_socket: Option<TcpProbe>,
    /// By a command.
    pub exec: Option<ExecProbe>,
    /// By gRPC's health service.
    pub grpc: Option<GrpcProbe>,
}

/// A probe by HTTP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpProbe {
    /// Path.
    pub path: String,
    /// Port.
    pub port: u16,
    /// Host.
    pub host: String,
    /// Scheme.
    pub scheme: String,
    /// Headers.
    pub http_headers: Vec<HttpHeader>,
}

/// A header of a probe.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpHeader {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A probe by a connect.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpProbe {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A probe by a command.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExecProbe {
    /// The command.
    pub command: Vec<String>,
}

/// A probe by gRPC's health service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcProbe {
    /// Port.
    pub port: u16,
    /// Service that is asked for.
    pub service: String,
}
