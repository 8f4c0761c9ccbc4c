//! Settings of proxies: addresses, times and hardware.

use crate::api::mesh::ProxyDefaults;
use crate::api::mesh::proxy::{AuthenticationPolicy, ConnectionSettings, PrivateKeyProvider, Tracing};
use crate::validate::names::{fqdn_error, is_ip};
use crate::validate::report::Report;
use crate::validate::{traffic_policy, workload};

/// A text that holds these settings alone.
pub(super) fn check(proxy: &ProxyDefaults, report: &mut Report<'_>) {
    check_at(proxy, "", report);
}

/// The same below a field: `before` is its path and a dot.
pub(super) fn check_at(proxy: &ProxyDefaults, before: &str, report: &mut Report<'_>) {
    let at = |field: &str| format!("{before}{field}");
    report.not_negative(&at("concurrency"), proxy.concurrency);
    if proxy.drain_duration.is_some_and(|d| d.0.is_zero() || d.0.subsec_nanos() != 0) {
        let message = "not a time to drain connections in";
        report.refuse(
            &at("drainDuration"),
            message,
            "write whole seconds, 1s or more; or leave it out for 45s",
        );
    }
    for (field, address, what) in [
        ("discoveryAddress", &proxy.discovery_address, "the control plane's address"),
        ("statsdUdpAddress", &proxy.statsd_udp_address, "the address of statistics"),
        ("envoyMetricsServiceAddress", &proxy.envoy_metrics_service_address, "the address of metrics"),
    ] {
        if !address.is_empty() {
            host_and_port(address, &at(field), what, report);
        }
    }
    for (field, service) in [
        ("envoyMetricsService", &proxy.envoy_metrics_service),
        ("envoyAccessLogService", &proxy.envoy_access_log_service),
    ] {
        if let Some(service) = service.as_ref().filter(|s| !s.address.is_empty()) {
            host_and_port(
                &service.address,
                &at(&format!("{field}.address")),
                "the service's address",
                report,
            );
        }
    }
    if proxy.tracing_service_name.is_some() && !proxy.service_cluster.is_empty() {
        let help = "keep one of them";
        report.refuse(&at("serviceCluster"), "`serviceCluster` beside `tracingServiceName`", help);
    }
    if proxy.control_plane_auth_policy == Some(AuthenticationPolicy::Inherit) {
        report.refuse(
            &at("controlPlaneAuthPolicy"),
            "there is nothing to inherit",
            "write MUTUAL_TLS or NONE",
        );
    }
    if proxy.proxy_metadata.contains_key("ISTIO_META_DNS_AUTO_ALLOCATE") {
        let help = "leave it out; label services with networking.istio.io/enable-autoallocate-ip";
        let path = at("proxyMetadata.ISTIO_META_DNS_AUTO_ALLOCATE");
        report.warn(&path, "an old way of giving addresses to services", help);
    }
    if let Some(matcher) = &proxy.proxy_stats_matcher {
        for (i, pattern) in matcher.inclusion_regexps.iter().enumerate() {
            report.regex(&at(&format!("proxyStatsMatcher.inclusionRegexps[{i}]")), pattern);
        }
    }
    if let Some(probe) = &proxy.readiness_probe {
        workload::probe(probe, &at("readinessProbe"), report);
    }
    if let Some(one) = &proxy.tracing {
        tracing(one, &at("tracing"), report);
    }
    if let Some(provider) = &proxy.private_key_provider {
        private_keys(provider, &at("privateKeyProvider"), report);
    }
    if let Some(settings) = &proxy.connection_settings {
        connections(settings, &at("connectionSettings"), report);
    }
}

/// `host:port`; the host a name or an IP address, an IPv6 one in brackets.
pub(super) fn host_and_port(address: &str, path: &str, what: &str, report: &mut Report<'_>) {
    if let Some(error) = address_error(address) {
        let message = format!("{address:?} is not {what}: {error}");
        report.refuse(path, message, "write host:port, such as name.example.com:9411 or 10.0.0.1:9411");
    }
}

fn address_error(address: &str) -> Option<String> {
    let Some((host, port)) = address.rsplit_once(':') else { return Some("the port is missing".to_owned()) };
    if !port.parse::<u16>().is_ok_and(|p| p > 0) {
        return Some(format!("{port:?} is not a port from 1 to 65535"));
    }
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match bare.unwrap_or(host) {
        six if bare.is_none() && six.contains(':') => {
            Some("an address of IPv6 stands in brackets".to_owned())
        }
        host if is_ip(host) => None,
        host => fqdn_error(host),
    }
}

fn tracing(tracing: &Tracing, path: &str, report: &mut Report<'_>) {
    let tracers = [
        ("zipkin", tracing.zipkin.is_some()),
        ("lightstep", tracing.lightstep.is_some()),
        ("datadog", tracing.datadog.is_some()),
        ("stackdriver", tracing.stackdriver.is_some()),
        ("openCensusAgent", tracing.open_census_agent.is_some()),
    ];
    let mut written = tracers.iter().filter(|(_, is)| *is).map(|(name, _)| *name);
    if let (Some(first), Some(second)) = (written.next(), written.next()) {
        let message = format!("`{first}` beside `{second}`");
        report.refuse(&format!("{path}.{second}"), message, "spans go to one system; keep one");
    }
    let collectors = [
        ("zipkin", tracing.zipkin.as_ref().map(|t| &t.address)),
        ("datadog", tracing.datadog.as_ref().map(|t| &t.address)),
        ("lightstep", tracing.lightstep.as_ref().map(|t| &t.address)),
    ];
    for (name, address) in collectors {
        if let Some(address) = address {
            // Lightstep's collector is never beside the proxy.
            let address = match name {
                "lightstep" => address.clone(),
                _ => address.replacen("$(HOST_IP)", "127.0.0.1", 1),
            };
            host_and_port(&address, &format!("{path}.{name}.address"), "the collector's address", report);
        }
    }
    if tracing.lightstep.as_ref().is_some_and(|l| l.access_token.is_empty()) {
        let path = format!("{path}.lightstep.accessToken");
        report.refuse(&path, "the access token is missing", "write it");
    }
    if tracing.sampling.is_some_and(|s| !(0.0..=100.0).contains(&s)) {
        report.warn(&format!("{path}.sampling"), "not a percentage", "a percentage is between 0 and 100");
    }
    for (name, tag) in &tracing.custom_tags {
        let path = format!("{path}.customTags.{name}");
        let sources = [
            ("literal", tag.literal.is_some()),
            ("environment", tag.environment.is_some()),
            ("header", tag.header.is_some()),
        ];
        let mut written = sources.iter().filter(|(_, is)| *is).map(|(name, _)| *name);
        match (written.next(), written.next()) {
            (None, _) => report.warn(&path, "a tag without a value", "write literal, environment or header"),
            (Some(first), Some(second)) => {
                let message = format!("`{first}` beside `{second}`");
                report.refuse(&format!("{path}.{second}"), message, "a tag has one value; keep one");
            }
            (Some(_), None) => {}
        }
    }
    let tls = tracing.tls_settings.as_ref();
    traffic_policy::client_tls(tls, &format!("{path}.tlsSettings"), report);
    if tls.is_some_and(|tls| tls.credential_name.starts_with("configmap://")) {
        let path = format!("{path}.tlsSettings.credentialName");
        let help = "write caCertificates with the path of a file that every proxy has";
        report.refuse(&path, "a ConfigMap, which is of one namespace, for proxies of all", help);
    }
}

fn private_keys(provider: &PrivateKeyProvider, path: &str, report: &mut Report<'_>) {
    if provider.cryptomb.is_some() && provider.qat.is_some() {
        report.refuse(&format!("{path}.qat"), "`cryptomb` beside `qat`", "keep one of them");
    }
    if provider.cryptomb.is_none() && provider.qat.is_none() {
        report.refuse(path, "a provider of nothing", "write cryptomb or qat");
    }
    for (name, hardware) in [("cryptomb", &provider.cryptomb), ("qat", &provider.qat)] {
        let Some(hardware) = hardware else { continue };
        let path = format!("{path}.{name}.pollDelay");
        match hardware.poll_delay {
            None => report.refuse(&path, "`pollDelay` is missing", "write it, such as 10ms"),
            Some(delay) if delay.0.is_zero() => {
                report.refuse(&path, "a delay of 0", "write it, such as 10ms");
            }
            Some(_) => {}
        }
    }
}

fn connections(settings: &ConnectionSettings, path: &str, report: &mut Report<'_>) {
    for (field, value) in [
        ("listenerPerConnectionBufferLimitBytes", settings.listener_per_connection_buffer_limit_bytes),
        ("clusterPerConnectionBufferLimitBytes", settings.cluster_per_connection_buffer_limit_bytes),
        ("httpMaxConcurrentStreams", settings.http_max_concurrent_streams),
        ("http2InitialStreamWindowSize", settings.http2_initial_stream_window_size),
        ("http2InitialConnectionWindowSize", settings.http2_initial_connection_window_size),
        ("listenerConnectionLimit", settings.listener_connection_limit),
        ("globalDownstreamConnectionLimit", settings.global_downstream_connection_limit),
    ] {
        report.not_negative(&format!("{path}.{field}"), value);
    }
}
