//! MeshConfig: the settings of the whole mesh, ConfigMap `istio` key `mesh`.

use super::networking::destination_rule::{H2UpgradePolicy, LocalityLbSetting, TcpKeepalive};
use super::networking::sidecar::OutboundTrafficPolicy;
use super::networking::virtual_service::HttpRetry;
use super::value::Span;
use crate::identity::{InvalidTrustDomain, TrustDomain};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The settings of the whole mesh; [`Default`] is Istio's.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MeshConfig {
    /// Port that outbound traffic is redirected to.
    pub proxy_listen_port: u16,
    /// Port that inbound traffic is redirected to.
    pub proxy_inbound_listen_port: u16,
    /// Port of an HTTP proxy in every sidecar; 0 for none.
    pub proxy_http_port: u16,
    /// The longest that a connect may take.
    pub connect_timeout: Span,
    /// The longest that detection of a protocol may take; 0 has no bound.
    pub protocol_detection_timeout: Span,
    /// TCP keep-alive of connections to endpoints.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Close an HBONE connection that was idle for so long.
    pub hbone_idle_timeout: Option<Span>,
    /// How often names are resolved.
    pub dns_refresh_rate: Span,
    /// HTTP/2 to endpoints of HTTP/1.1.
    pub h2_upgrade_policy: Option<H2UpgradePolicy>,

    /// The root of trust.
    pub trust_domain: String,
    /// Other roots whose identities are taken for ours.
    pub trust_domain_aliases: Vec<String>,
    /// mTLS to every endpoint that takes it.
    pub enable_auto_mtls: bool,
    /// More roots.
    pub ca_certificates: Vec<Value>,
    /// A CA outside.
    pub ca: Option<Value>,
    /// Versions and ciphers of mTLS.
    #[serde(rename = "meshMTLS")]
    pub mesh_mtls: Option<Value>,
    /// Versions and ciphers of other TLS.
    pub tls_defaults: Option<Value>,
    /// Certificates of DNS names.
    pub certificates: Vec<Value>,
    /// Verify a server's certificate by the system's roots.
    pub verify_certificate_at_client: Option<bool>,

    /// What becomes of traffic to unknown hosts; `None` lets it pass.
    pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
    /// What becomes of traffic to unknown ports.
    pub inbound_traffic_policy: Option<Value>,
    /// Retries where a route says nothing.
    pub default_http_retry_policy: Option<HttpRetry>,
    /// Who sees a service that does not say.
    pub default_service_export_to: Vec<String>,
    /// Who sees a VirtualService that does not say.
    pub default_virtual_service_export_to: Vec<String>,
    /// Who sees a DestinationRule that does not say.
    pub default_destination_rule_export_to: Vec<String>,
    /// Balancing by locality.
    pub locality_lb_setting: Option<LocalityLbSetting>,
    /// Balancing by zone.
    pub zone_aware_lb_setting: Option<Value>,
    /// A DestinationRule for all.
    pub default_traffic_policy: Option<Value>,
    /// How paths are normalised.
    pub path_normalization: PathNormalization,
    /// Settings of services.
    pub service_settings: Vec<Value>,
    /// Which services are global.
    pub service_scope_configs: Vec<Value>,
    /// Who sees a ServiceEntry.
    pub service_entry_visibility: Option<Value>,

    /// The namespace whose policies hold for the mesh.
    pub root_namespace: String,
    /// Namespaces that the mesh looks at.
    pub discovery_selectors: Vec<Value>,
    /// Other sources of configuration.
    pub config_sources: Vec<Value>,
    /// Class of Kubernetes Ingress.
    pub ingress_class: String,
    /// Service of the ingress gateway.
    pub ingress_service: String,
    /// Label `istio` of the ingress gateway.
    pub ingress_selector: String,
    /// Which Ingresses are taken.
    pub ingress_controller_mode: String,

    /// Traces.
    pub enable_tracing: bool,
    /// File of access logs; empty for none.
    pub access_log_file: String,
    /// Format of access logs; empty for Istio's.
    pub access_log_format: String,
    /// Text or JSON.
    pub access_log_encoding: AccessLogEncoding,
    /// Merge the application's metrics with the proxy's.
    pub enable_prometheus_merge: Option<bool>,
    /// Access logs over gRPC.
    pub enable_envoy_access_log_service: bool,
    /// No access logs of listeners.
    pub disable_envoy_listener_log: bool,
    /// Names of statistics, inbound.
    pub inbound_cluster_stat_name: String,
    /// Names of statistics, outbound.
    pub outbound_cluster_stat_name: String,
    /// Providers where a Telemetry names none.
    pub default_providers: Option<DefaultProviders>,
    /// Systems outside that policies and telemetry name.
    pub extension_providers: Vec<ExtensionProvider>,

    /// Settings of proxies.
    pub default_config: Option<ProxyDefaults>,
}

impl Default for MeshConfig {
    fn default() -> Self {
        let seconds = |s| Span(Duration::from_secs(s));
        Self {
            proxy_listen_port: 15001,
            proxy_inbound_listen_port: 15006,
            proxy_http_port: 0,
            connect_timeout: seconds(10),
            protocol_detection_timeout: seconds(0),
            tcp_keepalive: None,
            hbone_idle_timeout: None,
            dns_refresh_rate: seconds(60),
            h2_upgrade_policy: None,
            trust_domain: "cluster.local".to_owned(),
            trust_domain_aliases: vec![],
            enable_auto_mtls: true,
            ca_certificates: vec![],
            ca: None,
            mesh_mtls: None,
            tls_defaults: None,
            certificates: vec![],
            verify_certificate_at_client: None,
            outbound_traffic_policy: None,
            inbound_traffic_policy: None,
            default_http_retry_policy: None,
            default_service_export_to: vec![],
            default_virtual_service_export_to: vec![],
            default_destination_rule_export_to: vec![],
            locality_lb_setting: None,
            zone_aware_lb_setting: None,
            default_traffic_policy: None,
            path_normalization: PathNormalization::default(),
            service_settings: vec![],
            service_scope_configs: vec![],
            service_entry_visibility: None,
            root_namespace: "istio-system".to_owned(),
            discovery_selectors: vec![],
            config_sources: vec![],
            ingress_class: "istio".to_owned(),
            ingress_service: "istio-ingressgateway".to_owned(),
            ingress_selector: "ingressgateway".to_owned(),
            ingress_controller_mode: "STRICT".to_owned(),
            enable_tracing: false,
            access_log_file: String::new(),
            access_log_format: String::new(),
            access_log_encoding: AccessLogEncoding::Text,
            enable_prometheus_merge: None,
            enable_envoy_access_log_service: false,
            disable_envoy_listener_log: false,
            inbound_cluster_stat_name: String::new(),
            outbound_cluster_stat_name: String::new(),
            default_providers: None,
            extension_providers: vec![],
            default_config: None,
        }
    }
}

impl MeshConfig {
    /// The trust domain, checked.
    ///
    /// # Errors
    /// It is not one.
    pub fn parsed_trust_domain(&self) -> Result<TrustDomain, InvalidTrustDomain> {
        // Kubernetes' users write accounts of cloud providers as `x@y`; SPIFFE knows no `@`.
        self.trust_domain.replace('@', ".").parse()
    }
}

/// How access logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccessLogEncoding {
    /// A format string.
    #[default]
    Text,
    /// JSON.
    Json,
}

/// How paths are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PathNormalization {
    /// How far.
    pub normalization: Normalization,
}

/// How far paths are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Normalization {
    /// Istio chooses: `BASE`.
    #[default]
    Default,
    /// Not at all.
    None,
    /// RFC 3986.
    Base,
    /// And `//` becomes `/`.
    MergeSlashes,
    /// And escaped slashes become slashes first.
    DecodeAndMergeSlashes,
}

/// Providers where a Telemetry names none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DefaultProviders {
    /// Of traces.
    pub tracing: Vec<String>,
    /// Of metrics.
    pub metrics: Vec<String>,
    /// Of access logs.
    pub access_logging: Vec<String>,
}

/// A system outside, by name; one of the others says which.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtensionProvider {
    /// The name that resources use.
    pub name: String,
    /// External authorization over HTTP.
    pub envoy_ext_authz_http: Option<Value>,
    /// External authorization over gRPC.
    pub envoy_ext_authz_grpc: Option<Value>,
    /// Traces.
    pub zipkin: Option<Value>,
    /// Traces.
    pub opentelemetry: Option<Value>,
    /// Metrics.
    pub prometheus: Option<Value>,
    /// Access logs to a file.
    pub envoy_file_access_log: Option<EnvoyFileAccessLog>,
    /// Access logs over gRPC, of HTTP.
    pub envoy_http_als: Option<Value>,
    /// Access logs over gRPC, of TCP.
    pub envoy_tcp_als: Option<Value>,
    /// Access logs over OTLP.
    pub envoy_otel_als: Option<Value>,
    /// Traces.
    pub datadog: Option<Value>,
    /// Traces.
    pub skywalking: Option<Value>,
    /// All.
    pub stackdriver: Option<Value>,
    /// Traces.
    pub lightstep: Option<Value>,
    /// Traces.
    pub opencensus: Option<Value>,
    /// Secrets.
    pub sds: Option<Value>,
}

/// Access logs to a file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvoyFileAccessLog {
    /// The file.
    pub path: String,
    /// What stands in a line.
    pub log_format: Option<FileLogFormat>,
    /// Leave out fields that have no value.
    pub omit_empty_values: bool,
}

/// What stands in a line.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum FileLogFormat {
    /// A format string.
    Text(String),
    /// A JSON object of format strings.
    Labels(serde_json::Map<String, Value>),
}

/// Settings of proxies: `defaultConfig`, and the pod annotation `proxy.istio.io/config`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyDefaults {
    /// The control plane.
    pub discovery_address: String,
    /// Worker threads.
    pub concurrency: Option<u32>,
    /// Environment of the proxy.
    pub proxy_metadata: BTreeMap<String, String>,
    /// Start the application after the proxy.
    pub hold_application_until_proxy_starts: Option<bool>,
    /// Traces.
    pub tracing: Option<Value>,
    /// What stands before a gateway.
    pub gateway_topology: Option<GatewayTopology>,
    /// How long connections are drained.
    pub drain_duration: Option<Span>,
    /// And at the end.
    pub termination_drain_duration: Option<Span>,
    /// Port of health and merged metrics.
    pub status_port: Option<u16>,
    /// Port of the admin page.
    pub proxy_admin_port: Option<u16>,
    /// How traffic is redirected.
    pub interception_mode: Option<InterceptionMode>,
    /// When the proxy is ready.
    pub readiness_probe: Option<Value>,
    /// Which statistics are kept.
    pub proxy_stats_matcher: Option<Value>,
    /// Which headers the proxy adds.
    pub proxy_headers: Option<Value>,
    /// Image of the proxy.
    pub image: Option<Value>,
    /// Name of the mesh.
    pub mesh_id: String,
    /// Bounds of connections.
    pub connection_settings: Option<Value>,
    /// Where private keys are held.
    pub private_key_provider: Option<Value>,
    /// Statistics by UDP.
    pub statsd_udp_address: String,
    /// Access logs over gRPC.
    pub envoy_access_log_service: Option<Value>,
    /// Metrics over gRPC.
    pub envoy_metrics_service: Option<Value>,
    /// Envoy's runtime.
    pub runtime_values: BTreeMap<String, String>,
    /// How often logs are written.
    pub file_flush_interval: Option<Span>,
    /// And from which size on.
    #[serde(rename = "fileFlushMinSizeKb")]
    pub file_flush_min_size_kb: Option<u32>,
    /// Compress statistics.
    pub stats_compression: Option<bool>,
    /// More labels of statistics.
    pub extra_stat_tags: Vec<String>,
    /// More roots.
    pub ca_certificates_pem: Vec<String>,
    /// Deprecated.
    pub config_path: String,
    /// Deprecated.
    pub binary_path: String,
    /// Name of the service, for tracing.
    pub service_cluster: String,
    /// How services are named in traces.
    pub tracing_service_name: Option<String>,
    /// Deprecated.
    pub zipkin_address: String,
    /// Deprecated.
    pub control_plane_auth_policy: Option<String>,
    /// Deprecated.
    pub custom_config_file: String,
    /// Deprecated.
    pub stat_name_length: Option<u32>,
    /// Deprecated.
    pub proxy_bootstrap_template_path: String,
    /// Deprecated.
    pub sds: Option<Value>,
}

/// What stands before a gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayTopology {
    /// How many proxies are trusted to have written `x-forwarded-for`.
    pub num_trusted_proxies: u32,
    /// What becomes of `x-forwarded-client-cert`.
    pub forward_client_cert_details: Option<ForwardClientCertDetails>,
    /// PROXY protocol from them.
    pub proxy_protocol: Option<Value>,
}

/// What becomes of `x-forwarded-client-cert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ForwardClientCertDetails {
    /// The default.
    Undefined,
    /// Removed.
    Sanitize,
    /// Passed on under mTLS.
    ForwardOnly,
    /// Appended to.
    AppendForward,
    /// Replaced.
    SanitizeSet,
    /// Passed on.
    AlwaysForwardOnly,
}

/// How traffic is redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InterceptionMode {
    /// By NAT.
    Redirect,
    /// By a transparent proxy.
    Tproxy,
    /// Not.
    None,
}
