//! What the MeshConfig says in vain.

use crate::api::kubernetes::ConfigMap;
use crate::api::mesh::{AccessLogEncoding, InterceptionMode, ProxyDefaults};
use crate::api::networking::sidecar::OutboundMode;
use crate::api::{MeshConfig, Resource};
use crate::compile::report::Report;
use crate::diagnostic::{Finding, code};
use crate::model::route::RetryCondition;
use crate::yaml::{InMeshConfig, mesh_networks};
use serde_json::Value;

/// Names every field that is written and has no effect, with its line in the ConfigMap.
pub(super) fn report(r: &Resource<ConfigMap>, mesh: &MeshConfig, report: &mut Report) {
    if &*r.meta.name != "istio" || &*r.meta.namespace != "istio-system" {
        return;
    }
    networks(r, report);
    let Some(text) = r.spec.data.get("mesh") else { return };
    let findings = findings(mesh);
    if findings.is_empty() {
        return;
    }
    let place = InMeshConfig::new(text, &r.meta, &r.source);
    for (field, finding) in findings {
        report.add(place.put(finding, &field));
    }
}

/// All workloads are taken to be in one network.
fn networks(r: &Resource<ConfigMap>, report: &mut Report) {
    let written = r.spec.data.get("meshNetworks").and_then(|text| mesh_networks(text).ok());
    if written.is_some_and(|n| !n.networks.is_empty()) {
        let help = "endpoints of all networks are called directly, not through a network's gateway";
        report.not_honoured(r, "data.meshNetworks", "more than one network", help);
    }
}

/// Whether a provider of access logs writes to a file; `envoy` does without being written.
pub(super) fn writes_a_file(mesh: &MeshConfig, provider: &str) -> bool {
    match mesh.extension_providers.iter().find(|p| p.name == provider) {
        Some(provider) => provider.envoy_file_access_log.is_some(),
        None => provider == "envoy",
    }
}

fn findings(mesh: &MeshConfig) -> Vec<(String, Finding)> {
    let none = ProxyDefaults::default();
    let proxy = mesh.default_config.as_ref().unwrap_or(&none);
    let not_honoured = of_mesh(mesh).into_iter().chain(of_proxies(proxy));
    let mut all: Vec<(String, Finding)> = not_honoured
        .filter(|(written, _)| *written)
        .map(|(_, field)| {
            let message = format!("meshConfig.{field} is not supported by the compiler yet");
            let finding = Finding::warning(code::NOT_HONOURED, message);
            (field.to_owned(), finding.help("it is accepted and has no effect"))
        })
        .collect();
    let here = without_meaning(mesh, proxy).into_iter().filter(|(written, ..)| *written);
    all.extend(here.map(|(_, field, why)| {
        let message = format!("meshConfig.{field} has no meaning in this mesh");
        (field.to_owned(), Finding::info(code::NO_MEANING, message).help(why))
    }));
    providers(mesh, &mut all);
    all
}

/// Providers and formats that are named but cannot be served.
fn providers(mesh: &MeshConfig, all: &mut Vec<(String, Finding)>) {
    let mut warn = |field: String, message: String, help: &str| {
        all.push((field, Finding::warning(code::NOT_HONOURED, message).help(help)));
    };
    for (i, provider) in mesh.extension_providers.iter().enumerate() {
        if provider.envoy_file_access_log.as_ref().is_some_and(|file| file.omit_empty_values) {
            let field = format!("extensionProviders[{i}].envoyFileAccessLog.omitEmptyValues");
            let message = "leaving out empty values is not supported by the compiler yet".to_owned();
            warn(field, message, "they are written as `-`, or as null in JSON");
        }
    }
    let defaults = mesh.default_providers.clone().unwrap_or_default();
    for (i, name) in defaults.access_logging.iter().enumerate().filter(|(_, n)| !writes_a_file(mesh, n)) {
        let message = format!("access logs to provider {name:?} are not supported by the compiler yet");
        let help = "use a provider with envoyFileAccessLog, or envoy";
        warn(format!("defaultProviders.accessLogging[{i}]"), message, help);
    }
    for (i, name) in defaults.tracing.iter().enumerate() {
        let message = format!("traces to provider {name:?} are not supported by the compiler yet");
        warn(format!("defaultProviders.tracing[{i}]"), message, "no spans are reported");
    }
    for (i, name) in defaults.metrics.iter().enumerate() {
        let written = mesh.extension_providers.iter().find(|p| p.name == *name);
        if !written.map_or(name == "prometheus", |p| p.prometheus.is_some()) {
            let message = format!("metrics to provider {name:?} are not supported by the compiler yet");
            warn(format!("defaultProviders.metrics[{i}]"), message, "metrics are served to Prometheus");
        }
    }
    if let Some(retry) = &mesh.default_http_retry_policy {
        let field = |name: &str| format!("defaultHttpRetryPolicy.{name}");
        for condition in retry.retry_on.split(',').map(str::trim).filter(|c| !c.is_empty()) {
            if condition.parse::<u16>().is_err() && RetryCondition::from_name(condition).is_none() {
                let message = format!("a retry on {condition:?} is not supported by the compiler yet");
                warn(field("retryOn"), message, "the other conditions hold");
            }
        }
        if retry.retry_remote_localities == Some(true) {
            let message = "the choice of localities for retries is not supported by the compiler yet";
            warn(
                field("retryRemoteLocalities"),
                message.into(),
                "retries stay where the balancer sends them",
            );
        }
    }
    let is_object = |text: &str| matches!(serde_json::from_str(text), Ok(Value::Object(_)));
    if mesh.access_log_encoding == AccessLogEncoding::Json
        && !mesh.access_log_format.is_empty()
        && !is_object(&mesh.access_log_format)
    {
        let message = "the format of JSON logs is not a JSON object, so that Istio's own is used".to_owned();
        warn("accessLogFormat".to_owned(), message, "write an object of format strings");
    }
}

type Written = (bool, &'static str);

/// What differs from Istio's default and has no effect.
fn of_mesh(mesh: &MeshConfig) -> Vec<Written> {
    let defaults = MeshConfig::default();
    let outbound = mesh.outbound_traffic_policy.as_ref();
    vec![
        // Where outbound traffic is redirected to is decided where it is redirected.
        (mesh.proxy_listen_port != defaults.proxy_listen_port, "proxyListenPort"),
        (mesh.enable_prometheus_merge == Some(true), "enablePrometheusMerge"),
        (mesh.proxy_http_port != 0, "proxyHttpPort"),
        (mesh.hbone_idle_timeout.is_some(), "hboneIdleTimeout"),
        (mesh.dns_refresh_rate != defaults.dns_refresh_rate, "dnsRefreshRate"),
        (!mesh.ca_certificates.is_empty(), "caCertificates"),
        (mesh.ca.is_some(), "ca"),
        (mesh.mesh_mtls.is_some(), "meshMTLS"),
        (mesh.tls_defaults.is_some(), "tlsDefaults"),
        (!mesh.certificates.is_empty(), "certificates"),
        (mesh.verify_certificate_at_client.is_some(), "verifyCertificateAtClient"),
        (outbound.is_some_and(|p| p.mode == OutboundMode::AllowAnyDynamicDns), "outboundTrafficPolicy.mode"),
        (outbound.is_some_and(|p| p.tls.is_some()), "outboundTrafficPolicy.tls"),
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
    ]
}

/// What is written of proxies and has no effect.
fn of_proxies(proxy: &ProxyDefaults) -> Vec<Written> {
    vec![
        (proxy.concurrency.is_some(), "defaultConfig.concurrency"),
        (!proxy.proxy_metadata.is_empty(), "defaultConfig.proxyMetadata"),
        (proxy.drain_duration.is_some(), "defaultConfig.drainDuration"),
        (proxy.termination_drain_duration.is_some(), "defaultConfig.terminationDrainDuration"),
        (proxy.status_port.is_some(), "defaultConfig.statusPort"),
        (proxy.proxy_admin_port.is_some(), "defaultConfig.proxyAdminPort"),
        (!proxy.mesh_id.is_empty(), "defaultConfig.meshId"),
        (!proxy.statsd_udp_address.is_empty(), "defaultConfig.statsdUdpAddress"),
        (!proxy.runtime_values.is_empty(), "defaultConfig.runtimeValues"),
        (proxy.file_flush_interval.is_some(), "defaultConfig.fileFlushInterval"),
        (proxy.file_flush_min_size_kb.is_some(), "defaultConfig.fileFlushMinSizeKb"),
        (proxy.stats_compression.is_some(), "defaultConfig.statsCompression"),
        (!proxy.extra_stat_tags.is_empty(), "defaultConfig.extraStatTags"),
        (!proxy.ca_certificates_pem.is_empty(), "defaultConfig.caCertificatesPem"),
        (proxy.tracing_service_name.is_some(), "defaultConfig.tracingServiceName"),
        (!proxy.zipkin_address.is_empty(), "defaultConfig.zipkinAddress"),
        (!proxy.envoy_metrics_service_address.is_empty(), "defaultConfig.envoyMetricsServiceAddress"),
        (proxy.sds.is_some(), "defaultConfig.sds"),
        (proxy.tracing.is_some(), "defaultConfig.tracing"),
        (proxy.proxy_headers.is_some(), "defaultConfig.proxyHeaders"),
        (proxy.proxy_stats_matcher.is_some(), "defaultConfig.proxyStatsMatcher"),
        (proxy.connection_settings.is_some(), "defaultConfig.connectionSettings"),
        (proxy.private_key_provider.is_some(), "defaultConfig.privateKeyProvider"),
        (proxy.envoy_access_log_service.is_some(), "defaultConfig.envoyAccessLogService"),
        (proxy.envoy_metrics_service.is_some(), "defaultConfig.envoyMetricsService"),
        (
            proxy.interception_mode.is_some_and(|mode| mode != InterceptionMode::Redirect),
            "defaultConfig.interceptionMode",
        ),
        (
            proxy.gateway_topology.as_ref().is_some_and(|t| t.proxy_protocol.is_some()),
            "defaultConfig.gatewayTopology.proxyProtocol",
        ),
    ]
}

/// What is about something that is not here.
fn without_meaning(mesh: &MeshConfig, proxy: &ProxyDefaults) -> Vec<(bool, &'static str, &'static str)> {
    const INGRESS: &str = "Kubernetes' Ingress is not honoured yet; use a Gateway";
    const STARTS: &str = "it is said where the proxy starts";
    const ENVOY: &str = "it is about how Istio starts Envoy";
    const POD: &str = "it is about how Istio changes pods";
    let defaults = MeshConfig::default();
    vec![
        (mesh.ingress_class != defaults.ingress_class, "ingressClass", INGRESS),
        (mesh.ingress_service != defaults.ingress_service, "ingressService", INGRESS),
        (mesh.ingress_selector != defaults.ingress_selector, "ingressSelector", INGRESS),
        (mesh.ingress_controller_mode != defaults.ingress_controller_mode, "ingressControllerMode", INGRESS),
        (mesh.disable_envoy_listener_log, "disableEnvoyListenerLog", "listeners write no logs of their own"),
        (!proxy.discovery_address.is_empty(), "defaultConfig.discoveryAddress", STARTS),
        (
            proxy.hold_application_until_proxy_starts.is_some(),
            "defaultConfig.holdApplicationUntilProxyStarts",
            POD,
        ),
        (proxy.readiness_probe.is_some(), "defaultConfig.readinessProbe", POD),
        (proxy.image.is_some(), "defaultConfig.image", POD),
        (!proxy.config_path.is_empty(), "defaultConfig.configPath", ENVOY),
        (!proxy.binary_path.is_empty(), "defaultConfig.binaryPath", ENVOY),
        (!proxy.service_cluster.is_empty(), "defaultConfig.serviceCluster", ENVOY),
        (proxy.control_plane_auth_policy.is_some(), "defaultConfig.controlPlaneAuthPolicy", ENVOY),
        (!proxy.custom_config_file.is_empty(), "defaultConfig.customConfigFile", ENVOY),
        (proxy.stat_name_length.is_some(), "defaultConfig.statNameLength", ENVOY),
        (proxy.discovery_refresh_delay.is_some(), "defaultConfig.discoveryRefreshDelay", ENVOY),
        (!proxy.availability_zone.is_empty(), "defaultConfig.availabilityZone", ENVOY),
        (!proxy.proxy_bootstrap_template_path.is_empty(), "defaultConfig.proxyBootstrapTemplatePath", ENVOY),
    ]
}
