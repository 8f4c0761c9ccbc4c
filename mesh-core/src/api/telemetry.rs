//! `telemetry.istio.io`: what is measured, traced and logged.

use super::value::{Selector, Span, TargetRef};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a Telemetry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Telemetry {
    /// The workloads; all of the namespace, or of the mesh in the root namespace, where none is written.
    pub selector: Option<Selector>,
    /// Deprecated form of `targetRefs`.
    pub target_ref: Option<TargetRef>,
    /// Or the resources.
    pub target_refs: Vec<TargetRef>,
    /// Traces.
    pub tracing: Vec<Tracing>,
    /// Metrics.
    pub metrics: Vec<Metrics>,
    /// Access logs.
    pub access_logging: Vec<AccessLogging>,
}

/// A provider, by its name in the MeshConfig.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProviderRef {
    /// Name.
    pub name: String,
}

/// Which side of the traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkloadMode {
    /// Not said: both.
    #[default]
    Undefined,
    /// Outbound.
    Client,
    /// Inbound.
    Server,
    /// Both.
    ClientAndServer,
}

/// Which side of the traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ModeMatch {
    /// Which.
    pub mode: WorkloadMode,
}

/// Traces.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tracing {
    /// Of which side.
    pub r#match: Option<ModeMatch>,
    /// Where to.
    pub providers: Vec<ProviderRef>,
    /// Which share.
    pub random_sampling_percentage: Option<f64>,
    /// Report none, but pass contexts on.
    pub disable_span_reporting: Option<bool>,
    /// Tags to add.
    pub custom_tags: BTreeMap<String, CustomTag>,
    /// Istio's own tags.
    pub enable_istio_tags: Option<bool>,
    /// Sample by the request's id.
    pub use_request_id_for_trace_sampling: Option<bool>,
    /// Do not pass contexts on.
    pub disable_context_propagation: Option<bool>,
}

/// A tag's value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum CustomTag {
    /// Written here.
    Literal(serde_json::Value),
    /// From the environment.
    Environment(serde_json::Value),
    /// From a header.
    Header(serde_json::Value),
    /// By a format string.
    Formatter(serde_json::Value),
}

/// Metrics.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Metrics {
    /// Where to.
    pub providers: Vec<ProviderRef>,
    /// Changes of single ones.
    pub overrides: Vec<MetricsOverride>,
    /// How often.
    pub reporting_interval: Option<Span>,
}

/// A change of metrics.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricsOverride {
    /// Which.
    pub r#match: Option<MetricSelector>,
    /// Leave them out.
    pub disabled: Option<bool>,
    /// Change their labels.
    pub tag_overrides: BTreeMap<String, TagOverride>,
}

/// Which metrics.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricSelector {
    /// One of Istio's, such as `REQUEST_COUNT`.
    pub metric: Option<String>,
    /// Or by name.
    pub custom_metric: Option<String>,
    /// Of which side.
    pub mode: WorkloadMode,
}

/// A change of a label.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TagOverride {
    /// `UPSERT` or `REMOVE`.
    pub operation: String,
    /// CEL.
    pub value: String,
}

/// Access logs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AccessLogging {
    /// Of which side.
    pub r#match: Option<ModeMatch>,
    /// Where to.
    pub providers: Vec<ProviderRef>,
    /// Leave them out.
    pub disabled: Option<bool>,
    /// Which requests.
    pub filter: Option<AccessLogFilter>,
}

/// Which requests are logged.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AccessLogFilter {
    /// CEL.
    pub expression: String,
}
