//! WorkloadGroup: the template of WorkloadEntries that register themselves.

use super::WorkloadEntry;
use crate::api::number::{optional_port_number, port_number};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a WorkloadGroup.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkloadGroup {
    /// Labels and annotations of the entries.
    pub metadata: Option<ObjectMeta>,
    /// What the entries say, but for their address; required.
    pub template: Option<WorkloadEntry>,
    /// How it is told whether a workload is healthy; all are where none is written.
    pub probe: Option<ReadinessProbe>,
}

/// Labels and annotations of each entry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObjectMeta {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// How it is told whether a workload is healthy: one of `httpGet`, `tcpSocket`, `exec` and `grpc`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReadinessProbe {
    /// Seconds before the first probe; 0 where none is written.
    pub initial_delay_seconds: i32,
    /// Seconds that a probe may take; 1 where none is written.
    pub timeout_seconds: i32,
    /// Seconds between two probes; 10 where none is written.
    pub period_seconds: i32,
    /// So many good probes in a row make it healthy again; 1 where none is written.
    pub success_threshold: i32,
    /// So many bad probes in a row make it unhealthy; 3 where none is written.
    pub failure_threshold: i32,
    /// By a request: any status from 200 to 399 is good.
    pub http_get: Option<HttpProbe>,
    /// By a connect.
    pub tcp_socket: Option<TcpProbe>,
    /// By a command: exit status 0 is good.
    pub exec: Option<ExecProbe>,
    /// By gRPC's health service.
    pub grpc: Option<GrpcProbe>,
}

/// A probe by a request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpProbe {
    /// Path that is asked for; `/` where none is written.
    pub path: String,
    /// Port, 1 to 65535; required.
    #[serde(deserialize_with = "port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: u16,
    /// Host that is connected to; the workload itself where none is written.
    pub host: String,
    /// HTTP or HTTPS; HTTP where none is written.
    pub scheme: ProbeScheme,
    /// Headers of the request.
    pub http_headers: Vec<HttpHeader>,
}

/// How a probe by a request speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ProbeScheme {
    /// HTTP, as nothing is said.
    #[default]
    #[serde(rename = "")]
    Unspecified,
    /// HTTP.
    #[serde(rename = "HTTP")]
    Http,
    /// HTTPS; the server's certificate is not verified.
    #[serde(rename = "HTTPS")]
    Https,
}

/// A header of a probe.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpHeader {
    /// Name: letters, digits and `-`.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A probe by a connect.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpProbe {
    /// Host; the workload itself where none is written.
    pub host: String,
    /// Port, 1 to 65535; required.
    #[serde(deserialize_with = "port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: u16,
}

/// A probe by a command.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExecProbe {
    /// The command and its arguments; not run by a shell.
    pub command: Vec<String>,
}

/// A probe by gRPC's health service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcProbe {
    /// Port, 1 to 65535.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: Option<u16>,
    /// Service that is asked for; the server as a whole where none is written.
    pub service: String,
}
