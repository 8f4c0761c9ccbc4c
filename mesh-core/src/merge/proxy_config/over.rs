//! Settings over settings, field by field.

use crate::api::mesh::{GatewayTopology, ProxyDefaults};
use serde_json::Value;

/// Puts settings over others, as protobuf merges messages.
pub(super) fn put(to: &mut ProxyDefaults, over: ProxyDefaults) {
    // Every field by name, so that a new one is not forgotten.
    let ProxyDefaults {
        discovery_address,
        concurrency,
        proxy_metadata,
        hold_application_until_proxy_starts,
        tracing,
        gateway_topology,
        drain_duration,
        termination_drain_duration,
        status_port,
        proxy_admin_port,
        interception_mode,
        readiness_probe,
        proxy_stats_matcher,
        proxy_headers,
        image,
        mesh_id,
        connection_settings,
        private_key_provider,
        statsd_udp_address,
        envoy_access_log_service,
        envoy_metrics_service,
        runtime_values,
        file_flush_interval,
        file_flush_min_size_kb,
        stats_compression,
        extra_stat_tags,
        ca_certificates_pem,
        config_path,
        binary_path,
        service_cluster,
        tracing_service_name,
        zipkin_address,
        control_plane_auth_policy,
        custom_config_file,
        stat_name_length,
        proxy_bootstrap_template_path,
        sds,
    } = over;
    text(&mut to.discovery_address, discovery_address);
    to.concurrency = concurrency.or(to.concurrency.take());
    to.proxy_metadata.extend(proxy_metadata);
    to.hold_application_until_proxy_starts =
        hold_application_until_proxy_starts.or(to.hold_application_until_proxy_starts.take());
    message(&mut to.tracing, tracing);
    topology(&mut to.gateway_topology, gateway_topology);
    to.drain_duration = drain_duration.or(to.drain_duration.take());
    to.termination_drain_duration = termination_drain_duration.or(to.termination_drain_duration.take());
    to.status_port = status_port.or(to.status_port.take());
    to.proxy_admin_port = proxy_admin_port.or(to.proxy_admin_port.take());
    to.interception_mode = interception_mode.or(to.interception_mode.take());
    message(&mut to.readiness_probe, readiness_probe);
    message(&mut to.proxy_stats_matcher, proxy_stats_matcher);
    message(&mut to.proxy_headers, proxy_headers);
    message(&mut to.image, image);
    text(&mut to.mesh_id, mesh_id);
    message(&mut to.connection_settings, connection_settings);
    message(&mut to.private_key_provider, private_key_provider);
    text(&mut to.statsd_udp_address, statsd_udp_address);
    message(&mut to.envoy_access_log_service, envoy_access_log_service);
    message(&mut to.envoy_metrics_service, envoy_metrics_service);
    to.runtime_values.extend(runtime_values);
    to.file_flush_interval = file_flush_interval.or(to.file_flush_interval.take());
    to.file_flush_min_size_kb = file_flush_min_size_kb.or(to.file_flush_min_size_kb.take());
    to.stats_compression = stats_compression.or(to.stats_compression.take());
    to.extra_stat_tags.extend(extra_stat_tags);
    to.ca_certificates_pem.extend(ca_certificates_pem);
    text(&mut to.config_path, config_path);
    text(&mut to.binary_path, binary_path);
    text(&mut to.service_cluster, service_cluster);
    to.tracing_service_name = tracing_service_name.or(to.tracing_service_name.take());
    text(&mut to.zipkin_address, zipkin_address);
    to.control_plane_auth_policy = control_plane_auth_policy.or(to.control_plane_auth_policy.take());
    text(&mut to.custom_config_file, custom_config_file);
    to.stat_name_length = stat_name_length.or(to.stat_name_length.take());
    text(&mut to.proxy_bootstrap_template_path, proxy_bootstrap_template_path);
    message(&mut to.sds, sds);
}

fn text(to: &mut String, over: String) {
    if !over.is_empty() {
        *to = over;
    }
}

fn topology(to: &mut Option<GatewayTopology>, over: Option<GatewayTopology>) {
    let Some(over) = over else { return };
    let to = to.get_or_insert_default();
    let GatewayTopology { num_trusted_proxies, forward_client_cert_details, proxy_protocol } = over;
    if num_trusted_proxies != 0 {
        to.num_trusted_proxies = num_trusted_proxies;
    }
    to.forward_client_cert_details = forward_client_cert_details.or(to.forward_client_cert_details);
    message(&mut to.proxy_protocol, proxy_protocol);
}

fn message(to: &mut Option<Value>, over: Option<Value>) {
    match (to, over) {
        (_, None) => {}
        (Some(to), Some(over)) => merge(to, over),
        (to @ None, over) => *to = over,
    }
}

fn merge(to: &mut Value, over: Value) {
    match (to, over) {
        (Value::Object(to), Value::Object(over)) => {
            for (field, value) in over {
                match to.get_mut(&field) {
                    Some(before) => merge(before, value),
                    None => {
                        to.insert(field, value);
                    }
                }
            }
        }
        (Value::Array(to), Value::Array(over)) => to.extend(over),
        (to, over) => *to = over,
    }
}
