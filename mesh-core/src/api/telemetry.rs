//! `telemetry.istio.io`: what is measured, traced and logged.

use super::value::{Selector, Span, TargetRef};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a Telemetry: what is measured, traced and logged.
///
/// What is said for a workload counts before what is said for its namespace, and that before the root
/// namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Telemetry {
    /// The workloads that it holds for, by their labels. Without it (and without `targetRefs`) it holds for
    /// all workloads of its namespace; in the root namespace, of the mesh.
    pub selector: Option<Selector>,
    /// Deprecated: use `targetRefs`.
    pub target_ref: Option<TargetRef>,
    /// The Gateways, GatewayClasses, Services or ServiceEntries that it is attached to, instead of a
    /// selector. At most 16.
    pub target_refs: Vec<TargetRef>,
    /// Traces. Only the first counts.
    pub tracing: Vec<Tracing>,
    /// Metrics.
    pub metrics: Vec<Metrics>,
    /// Access logs.
    pub access_logging: Vec<AccessLogging>,
}

/// A provider of telemetry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProviderRef {
    /// Its name in `extensionProviders` of the MeshConfig.
    pub name: String,
}

/// On which side of a call the workload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkloadMode {
    /// On either.
    #[default]
    ClientAndServer,
    /// It calls. Gateways do.
    Client,
    /// It is called.
    Server,
}

/// On which side of a call the workload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ModeMatch {
    /// `CLIENT_AND_SERVER` where none is written.
    pub mode: WorkloadMode,
}

/// Which spans are reported, where to, and with which tags.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tracing {
    /// On which side of a call. Both where it is left out.
    pub r#match: Option<ModeMatch>,
    /// Where spans are reported; only the first counts. The MeshConfig's default where none is written.
    pub providers: Vec<ProviderRef>,
    /// The share of requests that are traced, from 0 to 100, where the caller has not decided.
    pub random_sampling_percentage: Option<f64>,
    /// Report no spans; the caller's context is passed on all the same.
    pub disable_span_reporting: Option<bool>,
    /// Tags that each span gets, by their names. They replace all that a wider Telemetry says.
    pub custom_tags: BTreeMap<String, CustomTag>,
    /// Whether spans get Istio's own tags, such as `istio.mesh_id`. `true` where nothing is written.
    pub enable_istio_tags: Option<bool>,
    /// Whether the request's id decides if it is traced. `true` where nothing is written; ids of another
    /// format than Envoy's need `false`.
    pub use_request_id_for_trace_sampling: Option<bool>,
    /// Do not pass on the caller's context, such as `traceparent`.
    pub disable_context_propagation: Option<bool>,
}

/// Where a tag's value is from: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CustomTag {
    /// The same for every span.
    pub literal: Option<TagValue>,
    /// From the proxy's environment.
    pub environment: Option<TagSource>,
    /// From a header of the request.
    pub header: Option<TagSource>,
    /// By a format string of access logs, such as `%REQ(X-REQUEST-ID)%`.
    pub formatter: Option<TagValue>,
}

/// A value that is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TagValue {
    /// The value.
    pub value: String,
}

/// A value by a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TagSource {
    /// The name of the variable or header.
    pub name: String,
    /// The value where there is none of that name.
    pub default_value: String,
}

/// Which metrics are made, and with which labels.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Metrics {
    /// Which providers it is about. The MeshConfig's default where none is written.
    pub providers: Vec<ProviderRef>,
    /// Changes, in their order, after those of wider Telemetries. Write the widest first.
    pub overrides: Vec<MetricsOverride>,
    /// How often metrics of open TCP connections are reported. 5s where none is written.
    pub reporting_interval: Option<Span>,
}

/// A change of metrics.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricsOverride {
    /// Which metrics. All, on both sides, where it is left out.
    pub r#match: Option<MetricSelector>,
    /// Whether they are left out. `false` brings back what a wider Telemetry left out.
    pub disabled: Option<bool>,
    /// Changes of their labels, by the labels' names.
    pub tag_overrides: BTreeMap<String, TagOverride>,
}

/// Which metrics: one of Istio's or one by its name, on which side.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricSelector {
    /// One of Istio's standard metrics. All of them where neither this nor `customMetric` is written.
    pub metric: Option<IstioMetric>,
    /// Or one by its name.
    pub custom_metric: Option<String>,
    /// On which side. `CLIENT_AND_SERVER` where none is written.
    pub mode: WorkloadMode,
}

/// Istio's standard metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IstioMetric {
    /// All of them.
    AllMetrics,
    /// `istio_requests_total`.
    RequestCount,
    /// `istio_request_duration_milliseconds`.
    RequestDuration,
    /// `istio_request_bytes`.
    RequestSize,
    /// `istio_response_bytes`.
    ResponseSize,
    /// `istio_tcp_connections_opened_total`.
    TcpOpenedConnections,
    /// `istio_tcp_connections_closed_total`.
    TcpClosedConnections,
    /// `istio_tcp_sent_bytes_total`.
    TcpSentBytes,
    /// `istio_tcp_received_bytes_total`.
    TcpReceivedBytes,
    /// `istio_request_messages_total`.
    GrpcRequestMessages,
    /// `istio_response_messages_total`.
    GrpcResponseMessages,
}

impl IstioMetric {
    /// As Istio's API names it; none for all of them.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::AllMetrics => return None,
            Self::RequestCount => "REQUEST_COUNT",
            Self::RequestDuration => "REQUEST_DURATION",
            Self::RequestSize => "REQUEST_SIZE",
            Self::ResponseSize => "RESPONSE_SIZE",
            Self::TcpOpenedConnections => "TCP_OPENED_CONNECTIONS",
            Self::TcpClosedConnections => "TCP_CLOSED_CONNECTIONS",
            Self::TcpSentBytes => "TCP_SENT_BYTES",
            Self::TcpReceivedBytes => "TCP_RECEIVED_BYTES",
            Self::GrpcRequestMessages => "GRPC_REQUEST_MESSAGES",
            Self::GrpcResponseMessages => "GRPC_RESPONSE_MESSAGES",
        })
    }
}

/// A change of a label.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TagOverride {
    /// `UPSERT` where none is written.
    pub operation: TagOperation,
    /// The label's value under `UPSERT`: a CEL expression over the attributes of a request, such as
    /// `request.host`.
    pub value: String,
}

/// What becomes of a label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TagOperation {
    /// It gets a value, whether it was there or not.
    #[default]
    Upsert,
    /// It is left out.
    Remove,
}

/// Which requests are logged, and where.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AccessLogging {
    /// On which side of a call. Both where it is left out.
    pub r#match: Option<ModeMatch>,
    /// Where logs are written. The MeshConfig's default where none is written.
    pub providers: Vec<ProviderRef>,
    /// Whether these logs are left out. `false` brings back what a wider Telemetry left out.
    pub disabled: Option<bool>,
    /// Which requests are logged. All where it is left out.
    pub filter: Option<AccessLogFilter>,
}

/// Which requests are logged.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AccessLogFilter {
    /// A CEL expression that is true of requests to log, such as `response.code >= 400`.
    pub expression: String,
}
