//! Systems that collect traces.

use crate::api::mesh::MeshPort;
use crate::api::value::Span;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Traces to Zipkin.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ZipkinProvider {
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
    /// Longest path that a span carries, in bytes; 256 where none is written.
    pub max_tag_length: Option<u32>,
    /// Identify traces by 64 bits instead of 128.
    pub enable_64bit_trace_id: bool,
    /// Path of the API; `/api/v2/spans` where none is written.
    pub path: String,
    /// Headers that carry the trace from call to call.
    pub trace_context_option: ZipkinTraceContext,
    /// Longest time that a report may take; 5s where none is written.
    pub timeout: Option<Span>,
    /// Headers of each report.
    pub headers: Vec<HttpHeader>,
}

/// Headers that carry a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ZipkinTraceContext {
    /// B3.
    #[default]
    #[serde(rename = "USE_B3")]
    UseB3,
    /// B3, and W3C's `traceparent` beside it.
    #[serde(rename = "USE_B3_WITH_W3C_PROPAGATION")]
    UseB3WithW3cPropagation,
}

/// Traces to Lightstep.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LightstepProvider {
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
    /// Its access token.
    pub access_token: String,
    /// Longest path that a span carries, in bytes; 256 where none is written.
    pub max_tag_length: Option<u32>,
}

/// Traces to Datadog.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DatadogProvider {
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
    /// Longest path that a span carries, in bytes; 256 where none is written.
    pub max_tag_length: Option<u32>,
}

/// Traces to SkyWalking.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SkyWalkingProvider {
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
    /// Its access token.
    pub access_token: String,
}

/// Traces, metrics and logs to Stackdriver.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StackdriverProvider {
    /// Deprecated.
    pub debug: bool,
    /// Deprecated.
    pub max_number_of_attributes: Option<i64>,
    /// Deprecated.
    pub max_number_of_annotations: Option<i64>,
    /// Deprecated.
    pub max_number_of_message_events: Option<i64>,
    /// Longest path that a span carries, in bytes; 256 where none is written.
    pub max_tag_length: Option<u32>,
    /// What log entries say.
    pub logging: Option<StackdriverLogging>,
}

/// What log entries say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StackdriverLogging {
    /// Expressions (CEL) by the names of tags.
    pub labels: BTreeMap<String, String>,
}

/// Traces to an OpenCensus agent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OpenCensusProvider {
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
    /// Headers that carry the trace from call to call; W3C where none is written.
    pub context: Vec<TraceContext>,
    /// Longest path that a span carries, in bytes; 256 where none is written.
    pub max_tag_length: Option<u32>,
}

/// Headers that carry a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TraceContext {
    /// None.
    #[default]
    Unspecified,
    /// W3C's `traceparent`.
    #[serde(rename = "W3C_TRACE_CONTEXT")]
    W3cTraceContext,
    /// gRPC's `grpc-trace-bin`.
    GrpcBin,
    /// Google Cloud's.
    CloudTraceContext,
    /// B3.
    B3,
}

/// Traces over OTLP; one of `http` and `grpc` says how, gRPC where neither is written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OpenTelemetryProvider {
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
    /// Longest path that a span carries, in bytes; 256 where none is written.
    pub max_tag_length: Option<u32>,
    /// Over HTTP.
    pub http: Option<HttpService>,
    /// Over gRPC.
    pub grpc: Option<GrpcService>,
    /// Where attributes of the resource come from.
    pub resource_detectors: Option<ResourceDetectors>,
    /// How the service is named: by Istio's canonical name, or as OpenTelemetry says for Kubernetes.
    pub service_attribute_enrichment: ServiceAttributeEnrichment,
    /// Sampling by Dynatrace.
    pub dynatrace_sampler: Option<DynatraceSampler>,
}

/// How a service is named in spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceAttributeEnrichment {
    /// By `tracingServiceName` of the proxy.
    #[default]
    IstioCanonical,
    /// By OpenTelemetry's conventions for Kubernetes.
    OtelSemanticConventions,
}

/// A service over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpService {
    /// Path on it; required.
    pub path: String,
    /// Longest time that a request may take; 3s where none is written.
    pub timeout: Option<Span>,
    /// Headers of each request.
    pub headers: Vec<HttpHeader>,
}

/// A service over gRPC.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcService {
    /// Longest time that a call may take.
    pub timeout: Option<Span>,
    /// Metadata of each call.
    pub initial_metadata: Vec<HttpHeader>,
}

/// A header; its value is one of `value` and `envName`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpHeader {
    /// Name; required.
    pub name: String,
    /// Value.
    pub value: Option<String>,
    /// Environment variable of the control plane with the value.
    pub env_name: Option<String>,
}

/// Where attributes of the resource come from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResourceDetectors {
    /// From `OTEL_RESOURCE_ATTRIBUTES`.
    pub environment: Option<Detector>,
    /// From Dynatrace's files.
    pub dynatrace: Option<Detector>,
}

/// Is asked, without settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Detector {}

/// Sampling by Dynatrace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DynatraceSampler {
    /// Tenant; required.
    pub tenant: String,
    /// Cluster, as Dynatrace numbers it; required.
    pub cluster_id: i32,
    /// Spans per minute where Dynatrace cannot be asked; 1000 where none is written.
    pub root_spans_per_minute: Option<u32>,
    /// Dynatrace's API; the provider's own service where none is written.
    pub http_service: Option<DynatraceApi>,
}

/// Dynatrace's API.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DynatraceApi {
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
    /// How it is asked; required.
    pub http: Option<HttpService>,
}
