//! Settings of proxies: `defaultConfig` of the MeshConfig, and the pod annotation `proxy.istio.io/config`.

use crate::api::networking::destination_rule::{ClientTls, TcpKeepalive};
use crate::api::networking::proxy_config::ProxyImage;
use crate::api::networking::workload_group::ReadinessProbe;
use crate::api::value::Span;
use serde::Deserialize;
use std::collections::BTreeMap;

mod headers;
mod tracing;

pub use headers::{
    DisabledHeader, EnabledHeader, ForwardClientCertDetails, MetadataExchangeHeaders, MetadataExchangeMode,
    ProxyHeaders, ServerHeader, SetCurrentClientCertDetails,
};
pub use tracing::{
    CustomTag, LightstepTracer, OpenCensusTracer, StackdriverTracer, TagLiteral, TagSource, Tracer, Tracing,
};

/// Settings of proxies; what a pod says replaces what the mesh says, field by field.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyDefaults {
    /// The control plane, as `host:port`; `istiod.istio-system.svc:15012` where none is written.
    pub discovery_address: String,
    /// Worker threads; 2 where none is written, 0 for one per processor.
    pub concurrency: Option<i32>,
    /// Environment variables of the proxy.
    pub proxy_metadata: BTreeMap<String, String>,
    /// Start the application after the proxy is ready.
    pub hold_application_until_proxy_starts: Option<bool>,
    /// Traces of all requests.
    pub tracing: Option<Tracing>,
    /// What stands before a gateway.
    pub gateway_topology: Option<GatewayTopology>,
    /// How long connections are drained at a restart, in whole seconds; 45s where none is written.
    pub drain_duration: Option<Span>,
    /// How long connections are drained at the end; 5s where none is written.
    pub termination_drain_duration: Option<Span>,
    /// Port of health and merged metrics; 15020 where none is written.
    #[serde(deserialize_with = "crate::api::number::optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub status_port: Option<u16>,
    /// Port of the admin pages; 15000 where none is written.
    #[serde(deserialize_with = "crate::api::number::optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub proxy_admin_port: Option<u16>,
    /// How traffic is redirected to the proxy; `REDIRECT` where none is written.
    pub interception_mode: Option<InterceptionMode>,
    /// When a workload that is not a pod is ready.
    pub readiness_probe: Option<ReadinessProbe>,
    /// Which of Envoy's statistics are kept beside those that are by default.
    pub proxy_stats_matcher: Option<ProxyStatsMatcher>,
    /// Which headers the proxy adds.
    pub proxy_headers: Option<ProxyHeaders>,
    /// Image of the proxy.
    pub image: Option<ProxyImage>,
    /// Name of the mesh, for telemetry; the trust domain where none is written.
    pub mesh_id: String,
    /// Bounds on connections and requests, and how they are read.
    pub connection_settings: Option<ConnectionSettings>,
    /// Hardware that works with private keys.
    pub private_key_provider: Option<PrivateKeyProvider>,
    /// Where statistics go by UDP, as `host:port`.
    pub statsd_udp_address: String,
    /// Access logs over gRPC.
    pub envoy_access_log_service: Option<RemoteService>,
    /// Metrics over gRPC.
    pub envoy_metrics_service: Option<RemoteService>,
    /// Envoy's runtime values.
    pub runtime_values: BTreeMap<String, String>,
    /// How often logs are written to files; 1s where none is written.
    pub file_flush_interval: Option<Span>,
    /// From which size on logs are written to files, in KiB; 64 where none is written.
    pub file_flush_min_size_kb: Option<u32>,
    /// Compress statistics; yes where none is written.
    pub stats_compression: Option<bool>,
    /// More tags of statistics.
    pub extra_stat_tags: Vec<String>,
    /// More roots for the connection to the control plane, PEM.
    pub ca_certificates_pem: Vec<String>,
    /// Folder of generated files.
    pub config_path: String,
    /// The proxy's program.
    pub binary_path: String,
    /// Name of the service in traces, for all proxies alike. Beside `tracingServiceName` it is refused.
    pub service_cluster: String,
    /// How services are named in traces.
    pub tracing_service_name: Option<TracingServiceName>,
    /// Whether the control plane is spoken to by mTLS.
    pub control_plane_auth_policy: Option<AuthenticationPolicy>,
    /// A bootstrap instead of the generated one.
    pub custom_config_file: String,
    /// Longest name of a statistic, in bytes; 189 where none is written.
    pub stat_name_length: Option<i32>,
    /// Template of the bootstrap.
    pub proxy_bootstrap_template_path: String,
    /// Deprecated: write `tracing.zipkin.address`.
    pub zipkin_address: String,
    /// Deprecated: write `envoyMetricsService.address`.
    pub envoy_metrics_service_address: String,
    /// Deprecated.
    pub discovery_refresh_delay: Option<Span>,
    /// Deprecated.
    pub availability_zone: String,
    /// Deprecated.
    pub sds: Option<SecretDiscovery>,
}

/// What stands before a gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayTopology {
    /// How many proxies are trusted to have written `x-forwarded-for`.
    pub num_trusted_proxies: u32,
    /// What becomes of `x-forwarded-client-cert`; `SANITIZE_SET` where none is written.
    pub forward_client_cert_details: Option<ForwardClientCertDetails>,
    /// They send the PROXY protocol.
    pub proxy_protocol: Option<ProxyProtocol>,
}

/// The PROXY protocol, without settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyProtocol {}

/// How traffic is redirected to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InterceptionMode {
    /// By NAT: the caller's address is lost.
    Redirect,
    /// By a transparent proxy: addresses are kept.
    Tproxy,
    /// Not.
    None,
}

/// How services are named in traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TracingServiceName {
    /// By label `app` and namespace.
    #[default]
    AppLabelAndNamespace,
    /// By canonical name.
    CanonicalNameOnly,
    /// By canonical name and namespace.
    CanonicalNameAndNamespace,
}

/// Whether a connection is by mTLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthenticationPolicy {
    /// It is not.
    #[default]
    None,
    /// It is.
    MutualTls,
    /// As the parent says.
    Inherit,
}

/// Which of Envoy's statistics are kept.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyStatsMatcher {
    /// Those that begin so.
    pub inclusion_prefixes: Vec<String>,
    /// Those that end so.
    pub inclusion_suffixes: Vec<String>,
    /// Those that match; RE2.
    pub inclusion_regexps: Vec<String>,
}

/// A service over gRPC.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RemoteService {
    /// Where it is, as `host:port`.
    pub address: String,
    /// TLS to it.
    pub tls_settings: Option<ClientTls>,
    /// TCP keep-alive of the connection.
    pub tcp_keepalive: Option<TcpKeepalive>,
}

/// Hardware that works with private keys: one of two.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PrivateKeyProvider {
    /// By vector instructions.
    pub cryptomb: Option<Acceleration>,
    /// By QuickAssist.
    pub qat: Option<Acceleration>,
}

/// How hardware is used.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Acceleration {
    /// How long requests are collected before they are worked on; required, and not 0.
    pub poll_delay: Option<Span>,
    /// Go on without the hardware where there is none.
    pub fallback: Option<bool>,
}

/// Deprecated settings of SDS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecretDiscovery {
    /// Deprecated.
    pub enabled: bool,
    /// Deprecated.
    pub k8s_sa_jwt_path: String,
}

/// Bounds on connections and requests, and how they are read.
/// What is not written is as the profile says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectionSettings {
    /// Which defaults.
    pub profile: ConnectionProfile,
    /// Bytes that are buffered per connection of callers.
    pub listener_per_connection_buffer_limit_bytes: Option<i32>,
    /// Bytes that are buffered per connection to endpoints.
    pub cluster_per_connection_buffer_limit_bytes: Option<i32>,
    /// How long a connection without requests is kept.
    pub http_idle_timeout: Option<Span>,
    /// How long a connection lives.
    pub http_max_connection_duration: Option<Span>,
    /// How long a stream lives.
    pub http_max_stream_duration: Option<Span>,
    /// How long a stream may be silent.
    pub http_stream_idle_timeout: Option<Span>,
    /// How long a request may take to arrive.
    pub http_request_timeout: Option<Span>,
    /// How long the headers of a request may take to arrive.
    pub http_request_headers_timeout: Option<Span>,
    /// How long a connection that is drained is kept.
    pub http_drain_timeout: Option<Span>,
    /// Streams at a time on a connection.
    pub http_max_concurrent_streams: Option<i32>,
    /// Window of a stream at first, in bytes.
    pub http2_initial_stream_window_size: Option<i32>,
    /// Window of a connection at first, in bytes.
    pub http2_initial_connection_window_size: Option<i32>,
    /// What becomes of headers whose names have underscores.
    pub http_headers_with_underscores_action: HeadersWithUnderscores,
    /// Merge slashes in paths.
    pub http_merge_slashes: Option<bool>,
    /// What becomes of escaped slashes in paths.
    pub http_path_with_escaped_slashes_action: PathWithEscapedSlashes,
    /// Connections of callers at a time, per listener.
    pub listener_connection_limit: Option<i32>,
    /// Connections of callers at a time, in all.
    pub global_downstream_connection_limit: Option<i32>,
}

/// Which defaults bounds have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConnectionProfile {
    /// Those of a sidecar.
    #[default]
    Unspecified,
    /// Those of a sidecar.
    Sidecar,
    /// Envoy's for the edge of a network; for gateways.
    Edge,
}

/// What becomes of headers whose names have underscores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HeadersWithUnderscores {
    /// As the profile says.
    #[default]
    #[serde(rename = "HEADERS_WITH_UNDERSCORES_UNSPECIFIED")]
    Unspecified,
    /// They pass.
    #[serde(rename = "HEADERS_WITH_UNDERSCORES_ALLOW")]
    Allow,
    /// The request is refused.
    #[serde(rename = "HEADERS_WITH_UNDERSCORES_REJECT_REQUEST")]
    RejectRequest,
    /// They are left out.
    #[serde(rename = "HEADERS_WITH_UNDERSCORES_DROP_HEADER")]
    DropHeader,
}

/// What becomes of escaped slashes in paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PathWithEscapedSlashes {
    /// As the profile says.
    #[default]
    #[serde(rename = "PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED")]
    Unspecified,
    /// They pass.
    KeepUnchanged,
    /// The request is refused.
    RejectRequest,
    /// The caller is sent to the path without them.
    UnescapeAndRedirect,
    /// They become slashes.
    UnescapeAndForward,
}
