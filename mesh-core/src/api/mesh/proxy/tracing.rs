//! Traces of all requests: `tracing` of a proxy's settings, older than Telemetry.

use crate::api::mesh::provider::TraceContext;
use crate::api::networking::destination_rule::ClientTls;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Traces of all requests; one of the first five says where to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tracing {
    /// To Zipkin.
    pub zipkin: Option<Tracer>,
    /// To Lightstep. Deprecated.
    pub lightstep: Option<LightstepTracer>,
    /// To Datadog.
    pub datadog: Option<Tracer>,
    /// To Stackdriver.
    pub stackdriver: Option<StackdriverTracer>,
    /// To an OpenCensus agent. Deprecated.
    pub open_census_agent: Option<OpenCensusTracer>,
    /// More tags of each span, by name.
    pub custom_tags: BTreeMap<String, CustomTag>,
    /// Longest path that a span carries, in bytes; 256 where none is written.
    pub max_path_tag_length: u32,
    /// Requests of a hundred that are traced; 1 where none is written.
    pub sampling: Option<f64>,
    /// TLS to it.
    pub tls_settings: Option<ClientTls>,
    /// Istio's own tags; yes where nothing is written.
    pub enable_istio_tags: Option<bool>,
}

/// A system that collects traces.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tracer {
    /// Where it is, as `host:port`; `$(HOST_IP)` stands for the node.
    pub address: String,
}

/// Lightstep.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LightstepTracer {
    /// Where it is, as `host:port`.
    pub address: String,
    /// Its access token; required.
    pub access_token: String,
}

/// Stackdriver.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StackdriverTracer {
    /// Deprecated.
    pub debug: bool,
    /// Deprecated.
    pub max_number_of_attributes: Option<i64>,
    /// Deprecated.
    pub max_number_of_annotations: Option<i64>,
    /// Deprecated.
    pub max_number_of_message_events: Option<i64>,
}

/// An OpenCensus agent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OpenCensusTracer {
    /// Where it is, by the naming of gRPC.
    pub address: String,
    /// Headers that carry the trace from call to call.
    pub context: Vec<TraceContext>,
}

/// A tag of each span: one of three.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CustomTag {
    /// The same for every span.
    pub literal: Option<TagLiteral>,
    /// From the proxy's environment.
    pub environment: Option<TagSource>,
    /// From a header of the request.
    pub header: Option<TagSource>,
}

/// A value that is written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TagLiteral {
    /// The value.
    pub value: String,
}

/// A value by a name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TagSource {
    /// Name of the variable or header.
    pub name: String,
    /// The value where there is none of that name.
    pub default_value: String,
}
