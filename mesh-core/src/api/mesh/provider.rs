//! Systems outside that policies and telemetry name: `extensionProviders` of the MeshConfig.

use super::MeshPort;
use crate::api::value::Span;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

mod tracing;

pub use tracing::{
    DatadogProvider, Detector, DynatraceApi, DynatraceSampler, GrpcService, HttpHeader, HttpService,
    LightstepProvider, OpenCensusProvider, OpenTelemetryProvider, ResourceDetectors,
    ServiceAttributeEnrichment, SkyWalkingProvider, StackdriverLogging, StackdriverProvider, TraceContext,
    ZipkinProvider, ZipkinTraceContext,
};

/// A system outside, by name; one of the other fields says which.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtensionProvider {
    /// The name that policies and telemetry use; required, and there once.
    pub name: String,
    /// Asks a service whether requests may pass, over HTTP.
    pub envoy_ext_authz_http: Option<ExtAuthzHttp>,
    /// Asks a service whether requests and connections may pass, over gRPC.
    pub envoy_ext_authz_grpc: Option<ExtAuthzGrpc>,
    /// Traces to Zipkin.
    pub zipkin: Option<ZipkinProvider>,
    /// Traces to Lightstep. Deprecated: write `opentelemetry`.
    pub lightstep: Option<LightstepProvider>,
    /// Traces to Datadog.
    pub datadog: Option<DatadogProvider>,
    /// Traces, metrics and logs to Stackdriver.
    pub stackdriver: Option<StackdriverProvider>,
    /// Traces to an OpenCensus agent. Deprecated: write `opentelemetry`.
    pub opencensus: Option<OpenCensusProvider>,
    /// Traces to SkyWalking.
    pub skywalking: Option<SkyWalkingProvider>,
    /// Traces over OTLP.
    pub opentelemetry: Option<OpenTelemetryProvider>,
    /// Metrics for Prometheus to read.
    pub prometheus: Option<PrometheusProvider>,
    /// Access logs to a file.
    pub envoy_file_access_log: Option<EnvoyFileAccessLog>,
    /// Access logs of HTTP over Envoy's gRPC service.
    pub envoy_http_als: Option<EnvoyHttpAls>,
    /// Access logs of TCP over Envoy's gRPC service.
    pub envoy_tcp_als: Option<EnvoyTcpAls>,
    /// Access logs over OTLP.
    pub envoy_otel_als: Option<EnvoyOtelAls>,
    /// Certificates for gateways.
    pub sds: Option<SdsProvider>,
}

impl ExtensionProvider {
    /// The fields that say which system it is, by name, each with the service and port that are asked, if any.
    pub fn systems(&self) -> Vec<(&'static str, Option<(&str, u16)>)> {
        macro_rules! served {
            ($name:literal, $field:ident) => {
                self.$field.as_ref().map(|p| ($name, Some((p.service.as_str(), p.port.0))))
            };
        }
        let all = [
            served!("envoyExtAuthzHttp", envoy_ext_authz_http),
            served!("envoyExtAuthzGrpc", envoy_ext_authz_grpc),
            served!("zipkin", zipkin),
            served!("lightstep", lightstep),
            served!("datadog", datadog),
            self.stackdriver.as_ref().map(|_| ("stackdriver", None)),
            served!("opencensus", opencensus),
            served!("skywalking", skywalking),
            served!("opentelemetry", opentelemetry),
            self.prometheus.as_ref().map(|_| ("prometheus", None)),
            self.envoy_file_access_log.as_ref().map(|_| ("envoyFileAccessLog", None)),
            served!("envoyHttpAls", envoy_http_als),
            served!("envoyTcpAls", envoy_tcp_als),
            served!("envoyOtelAls", envoy_otel_als),
            served!("sds", sds),
        ];
        all.into_iter().flatten().collect()
    }
}

/// Asks a service whether requests may pass, over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtAuthzHttp {
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
    /// Longest time that an answer may take; 600s where none is written.
    pub timeout: Option<Span>,
    /// What is put before the path of the question; begins with `/`.
    pub path_prefix: String,
    /// Let requests pass if the service cannot be asked or answers 5xx; refused where none is written.
    pub fail_open: bool,
    /// Choose the route anew after the service has changed headers.
    pub clear_route_cache: bool,
    /// Status for callers if the service cannot be asked; 403 where none is written.
    pub status_on_error: String,
    /// Deprecated form of `includeRequestHeadersInCheck`.
    pub include_headers_in_check: Vec<String>,
    /// Headers of the request that the question has: `name`, `pre*` or `*fix`.
    pub include_request_headers_in_check: Vec<String>,
    /// Further headers of the question, with their values.
    pub include_additional_headers_in_check: BTreeMap<String, String>,
    /// Send it the body of requests too.
    pub include_request_body_in_check: Option<RequestBody>,
    /// Headers of a good answer that the request takes on: `name`, `pre*` or `*fix`.
    pub headers_to_upstream_on_allow: Vec<String>,
    /// Headers of a bad answer that the caller gets; all where none is written.
    pub headers_to_downstream_on_deny: Vec<String>,
    /// Headers of a good answer that the caller gets.
    pub headers_to_downstream_on_allow: Vec<String>,
}

/// Asks a service whether requests and connections may pass, over gRPC.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtAuthzGrpc {
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
    /// Longest time that an answer may take; 600s where none is written.
    pub timeout: Option<Span>,
    /// Let requests pass if the service cannot be asked or answers 5xx; refused where none is written.
    pub fail_open: bool,
    /// Choose the route anew after the service has changed headers.
    pub clear_route_cache: bool,
    /// Status for callers if the service cannot be asked; 403 where none is written.
    pub status_on_error: String,
    /// Send it the body of requests too.
    pub include_request_body_in_check: Option<RequestBody>,
}

/// How much of a body is sent to be judged.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequestBody {
    /// Longest body, in bytes; a longer one is answered by 413 or sent in part.
    pub max_request_bytes: u32,
    /// Send the beginning of a longer body.
    pub allow_partial_message: bool,
    /// Send it as bytes instead of text; over gRPC alone.
    pub pack_as_bytes: bool,
}

/// Metrics for Prometheus to read, without settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PrometheusProvider {}

/// Access logs to a file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvoyFileAccessLog {
    /// The file; `/dev/stdout` where none is written.
    pub path: String,
    /// What stands in a line; Istio's format where none is written.
    pub log_format: Option<FileLogFormat>,
    /// Leave out fields that have no value.
    pub omit_empty_values: bool,
}

/// What stands in a line.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum FileLogFormat {
    /// A format string, with Envoy's command operators.
    Text(String),
    /// A JSON object of format strings; Envoy's own where it is empty.
    Labels(serde_json::Map<String, Value>),
}

/// Access logs of HTTP over Envoy's gRPC service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvoyHttpAls {
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
    /// Name of the log; as Istio names it where none is written.
    pub log_name: String,
    /// Filter states that are logged too.
    pub filter_state_objects_to_log: Vec<String>,
    /// Headers of requests that are logged too.
    pub additional_request_headers_to_log: Vec<String>,
    /// Headers of responses that are logged too.
    pub additional_response_headers_to_log: Vec<String>,
    /// Trailers of responses that are logged too.
    pub additional_response_trailers_to_log: Vec<String>,
}

/// Access logs of TCP over Envoy's gRPC service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvoyTcpAls {
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
    /// Name of the log; as Istio names it where none is written.
    pub log_name: String,
    /// Filter states that are logged too.
    pub filter_state_objects_to_log: Vec<String>,
}

/// Access logs over OTLP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvoyOtelAls {
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
    /// Name of the log; as Istio names it where none is written.
    pub log_name: String,
    /// What an entry says; Istio's format where none is written.
    pub log_format: Option<OtelLogFormat>,
}

/// What an entry says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OtelLogFormat {
    /// Its body: a format string, with Envoy's command operators.
    pub text: String,
    /// Its attributes: format strings by name.
    pub labels: serde_json::Map<String, Value>,
}

/// Certificates for gateways.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SdsProvider {
    /// Name that `credentialName: sds://NAME` uses; required.
    pub name: String,
    /// Its service, as a full name or `namespace/name`; required.
    pub service: String,
    /// Its port, 1 to 65535; required.
    pub port: MeshPort,
}
