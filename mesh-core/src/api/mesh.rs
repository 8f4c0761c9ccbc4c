//! MeshConfig: the settings of the whole mesh, ConfigMap `istio` key `mesh`; key `meshNetworks` beside it.

pub mod identity;
pub mod networks;
pub mod provider;
pub mod proxy;
pub mod scope;

pub use networks::MeshNetworks;
pub use provider::{EnvoyFileAccessLog, ExtensionProvider, FileLogFormat};
pub use proxy::{ForwardClientCertDetails, GatewayTopology, InterceptionMode, ProxyDefaults};
pub use scope::{IngressControllerMode, MeshOutboundTrafficPolicy};

use super::gateway_api::value::LabelSelector;
use super::networking::destination_rule::{
    H2UpgradePolicy, LocalityLbSetting, TcpKeepalive, ZoneAwareLbSetting,
};
use super::networking::virtual_service::HttpRetry;
use super::value::Span;
use crate::identity::{InvalidTrustDomain, TrustDomain};
use identity::{CertificateAuthority, CertificateData, DnsCertificate, TlsConfig};
use scope::{
    ConfigSource, DefaultTrafficPolicy, InboundTrafficPolicy, ServiceEntryVisibility, ServiceScopeConfig,
    ServiceSettings,
};
use serde::Deserialize;
use serde::de::{Deserializer, Unexpected, Visitor};
use std::fmt;
use std::time::Duration;

/// The settings of the whole mesh; [`Default`] is Istio's.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MeshConfig {
    /// Port that outbound traffic is redirected to; 15001 where none is written.
    pub proxy_listen_port: u16,
    /// Port that inbound traffic is redirected to; 15006 where none is written.
    pub proxy_inbound_listen_port: u16,
    /// Port of an HTTP proxy in every sidecar; 0 for none.
    pub proxy_http_port: u16,
    /// The longest that a connect may take, 1ms to 1h; 10s where none is written.
    pub connect_timeout: Span,
    /// The longest that detection of a protocol may take; 0s has no bound.
    pub protocol_detection_timeout: Span,
    /// TCP keep-alive of connections to endpoints; the system's where none is written.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// How long an HBONE connection without streams is kept; 1h where none is written.
    pub hbone_idle_timeout: Option<Span>,
    /// How often names are resolved; 60s where none is written.
    pub dns_refresh_rate: Span,
    /// Whether requests of HTTP/1.1 are sent to endpoints by HTTP/2.
    pub h2_upgrade_policy: Option<H2UpgradePolicy>,

    /// The root of trust, which every identity begins with; `cluster.local` where none is written.
    pub trust_domain: String,
    /// Other roots whose identities are taken for the mesh's own.
    pub trust_domain_aliases: Vec<String>,
    /// Whether mTLS is spoken to every endpoint that takes it; yes where nothing is written.
    pub enable_auto_mtls: bool,
    /// Roots beside those of the mesh's own authority.
    pub ca_certificates: Vec<CertificateData>,
    /// An authority outside that signs for the mesh.
    pub ca: Option<CertificateAuthority>,
    /// Versions and ciphers of the mesh's own mTLS.
    #[serde(rename = "meshMTLS")]
    pub mesh_mtls: Option<TlsConfig>,
    /// Versions, ciphers and curves of all other TLS.
    pub tls_defaults: Option<TlsConfig>,
    /// Certificates for DNS names. Deprecated.
    pub certificates: Vec<DnsCertificate>,
    /// Verify a server's certificate by the system's roots where a DestinationRule names none; yes where nothing is
    /// written. Deprecated.
    pub verify_certificate_at_client: Option<bool>,

    /// What becomes of traffic to hosts that nobody declared; it passes where nothing is written.
    pub outbound_traffic_policy: Option<MeshOutboundTrafficPolicy>,
    /// To which address of a workload inbound traffic goes.
    pub inbound_traffic_policy: Option<InboundTrafficPolicy>,
    /// Retries of routes that do not say.
    pub default_http_retry_policy: Option<HttpRetry>,
    /// Who sees a service that does not say: namespaces, `.`, `*` or `~`; everybody where none is written.
    pub default_service_export_to: Vec<String>,
    /// Who sees a VirtualService that does not say.
    pub default_virtual_service_export_to: Vec<String>,
    /// Who sees a DestinationRule that does not say.
    pub default_destination_rule_export_to: Vec<String>,
    /// Balancing by locality where a DestinationRule does not say.
    pub locality_lb_setting: Option<LocalityLbSetting>,
    /// Balancing by zone where a DestinationRule does not say.
    pub zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
    /// What holds where a DestinationRule does not say.
    pub default_traffic_policy: Option<DefaultTrafficPolicy>,
    /// How paths of requests are normalised before routes and policies see them.
    pub path_normalization: PathNormalization,
    /// Settings of services, by host.
    pub service_settings: Vec<ServiceSettings>,
    /// Which services are called across clusters, by labels.
    pub service_scope_configs: Vec<ServiceScopeConfig>,
    /// Who sees ServiceEntries, whatever they say themselves.
    pub service_entry_visibility: Option<ServiceEntryVisibility>,

    /// The namespace whose policies hold for all others; `istio-system` where none is written.
    pub root_namespace: String,
    /// Namespaces that the mesh looks at: those that any of these selects; all where none is written.
    pub discovery_selectors: Vec<LabelSelector>,
    /// Other sources of configuration.
    pub config_sources: Vec<ConfigSource>,
    /// Class of Kubernetes' Ingresses that are taken; `istio` where none is written.
    pub ingress_class: String,
    /// Service of the gateway for Ingresses; `istio-ingressgateway` where none is written.
    pub ingress_service: String,
    /// Label `istio` of the gateway for Ingresses; `ingressgateway` where none is written.
    pub ingress_selector: String,
    /// Which Ingresses are taken; `STRICT` where none is written.
    pub ingress_controller_mode: IngressControllerMode,

    /// Report spans, as `defaultConfig.tracing` says.
    pub enable_tracing: bool,
    /// File of access logs, such as `/dev/stdout`; empty for none.
    pub access_log_file: String,
    /// Format of access logs: a format string, or a JSON object of them; empty for Istio's.
    pub access_log_format: String,
    /// Whether access logs are text or JSON.
    pub access_log_encoding: AccessLogEncoding,
    /// Serve the application's metrics with the proxy's; yes where nothing is written.
    pub enable_prometheus_merge: Option<bool>,
    /// Send access logs to `defaultConfig.envoyAccessLogService`.
    pub enable_envoy_access_log_service: bool,
    /// Leave out the access logs of listeners.
    pub disable_envoy_listener_log: bool,
    /// Names of inbound clusters in statistics, with `%SERVICE%` and the like.
    pub inbound_cluster_stat_name: String,
    /// Names of outbound clusters in statistics, with `%SERVICE%` and the like.
    pub outbound_cluster_stat_name: String,
    /// Providers where a Telemetry names none.
    pub default_providers: Option<DefaultProviders>,
    /// Systems outside that policies and telemetry name.
    pub extension_providers: Vec<ExtensionProvider>,

    /// Settings of proxies that no pod's annotation replaces.
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
            ingress_controller_mode: IngressControllerMode::Strict,
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
    /// How far; `DEFAULT` where none is written.
    pub normalization: Normalization,
}

/// How far paths are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Normalization {
    /// As Istio chooses: `BASE`.
    #[default]
    Default,
    /// Not at all.
    None,
    /// By RFC 3986: `/a/../b` becomes `/b`.
    Base,
    /// And `//` becomes `/`.
    MergeSlashes,
    /// And `%2F` and `%5C` become slashes before that.
    DecodeAndMergeSlashes,
}

/// Providers where a Telemetry names none, by their names in `extensionProviders`.
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

/// A port of a service outside, 1 to 65535; 0 where none is written. As protobuf's JSON has it, a number or a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MeshPort(pub u16);

impl<'de> Deserialize<'de> for MeshPort {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Port;
        impl Visitor<'_> for Port {
            type Value = MeshPort;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port from 1 to 65535")
            }

            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<MeshPort, E> {
                let port = u16::try_from(n).ok().filter(|p| *p > 0);
                port.map(MeshPort).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(n), &self))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<MeshPort, E> {
                let port = text.parse().ok().filter(|p| *p > 0);
                port.map(MeshPort).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        d.deserialize_any(Port)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for MeshPort {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Port".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["integer", "string"], "minimum": 1, "maximum": 65535, "pattern": "^[0-9]+$" })
    }
}
