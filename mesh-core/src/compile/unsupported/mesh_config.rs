//! What the MeshConfig says in vain.

use crate::api::MeshConfig;
use crate::api::mesh::InterceptionMode;

/// The fields that are written, differ from Istio's default, and have no effect.
pub(super) fn unsupported(mesh: &MeshConfig) -> Vec<&'static str> {
    let defaults = MeshConfig::default();
    let proxy = mesh.default_config.as_ref();

    let fields = [
        (mesh.proxy_http_port != 0, "proxyHttpPort"),
        (mesh.hbone_idle_timeout.is_some(), "hboneIdleTimeout"),
        (mesh.dns_refresh_rate != defaults.dns_refresh_rate, "dnsRefreshRate"),
        (!mesh.ca_certificates.is_empty(), "caCertificates"),
        (mesh.ca.is_some(), "ca"),
        (mesh.mesh_mtls.is_some(), "meshMTLS"),
        (mesh.tls_defaults.is_some(), "tlsDefaults"),
        (!mesh.certificates.is_empty(), "certificates"),
        (mesh.verify_certificate_at_client.is_some(), "verifyCertificateAtClient"),
        (mesh.inbound_traffic_policy.is_some(), "inboundTrafficPolicy"),
        (mesh.locality_lb_setting.is_some(), "localityLbSetting"),
        (mesh.zone_aware_lb_setting.is_some(), "zoneAwareLbSetting"),
        (mesh.default_traffic_policy.is_some(), "defaultTrafficPolicy"),
        (!mesh.service_settings.is_empty(), "serviceSettings"),
        (!mesh.service_scope_configs.is_empty(), "serviceScopeConfigs"),
        (mesh.service_entry_visibility.is_some(), "serviceEntryVisibility"),
        (!mesh.discovery_selectors.is_empty(), "discoverySelectors"),
        (!mesh.config_sources.is_empty(), "configSources"),
        (mesh.enable_tracing, "enableTracing"),
        (mesh.enable_envoy_access_log_service, "enableEnvoyAccessLogService"),
        (!mesh.inbound_cluster_stat_name.is_empty(), "inboundClusterStatName"),
        (!mesh.outbound_cluster_stat_name.is_empty(), "outboundClusterStatName"),
        (proxy.is_some_and(|p| p.tracing.is_some()), "defaultConfig.tracing"),
        (proxy.is_some_and(|p| p.proxy_headers.is_some()), "defaultConfig.proxyHeaders"),
        (proxy.is_some_and(|p| p.proxy_stats_matcher.is_some()), "defaultConfig.proxyStatsMatcher"),
        (proxy.is_some_and(|p| p.connection_settings.is_some()), "defaultConfig.connectionSettings"),
        (proxy.is_some_and(|p| p.private_key_provider.is_some()), "defaultConfig.privateKeyProvider"),
        (proxy.is_some_and(|p| p.envoy_access_log_service.is_some()), "defaultConfig.envoyAccessLogService"),
        (proxy.is_some_and(|p| p.envoy_metrics_service.is_some()), "defaultConfig.envoyMetricsService"),
        (
            proxy.is_some_and(|p| p.interception_mode == Some(InterceptionMode::Tproxy)),
            "defaultConfig.interceptionMode",
        ),
        (
            proxy.and_then(|p| p.gateway_topology.as_ref()).is_some_and(|t| t.proxy_protocol.is_some()),
            "defaultConfig.gatewayTopology.proxyProtocol",
        ),
    ];
    fields.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect()
}
