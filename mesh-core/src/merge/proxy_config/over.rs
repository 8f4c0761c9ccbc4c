//! Settings over settings, field by field, as protobuf merges messages.
//!
//! A single value replaces, unless it is the one that stands for nothing being written; maps are merged by key, lists
//! are appended to, messages are merged again. Of fields that exclude each other the one that is written stays.

use crate::api::mesh::proxy::{
    Acceleration, AuthenticationPolicy, ConnectionProfile, ConnectionSettings, DisabledHeader, EnabledHeader,
    HeadersWithUnderscores, LightstepTracer, MetadataExchangeHeaders, MetadataExchangeMode, OpenCensusTracer,
    PathWithEscapedSlashes, PrivateKeyProvider, ProxyHeaders, ProxyProtocol, ProxyStatsMatcher,
    RemoteService, SecretDiscovery, ServerHeader, SetCurrentClientCertDetails, StackdriverTracer, Tracer,
    Tracing, TracingServiceName,
};
use crate::api::mesh::{ForwardClientCertDetails, GatewayTopology, InterceptionMode, ProxyDefaults};
use crate::api::networking::destination_rule::{ClientTls, TcpKeepalive, TlsMode};
use crate::api::networking::proxy_config::ProxyImage;
use crate::api::networking::workload_group::{
    ExecProbe, GrpcProbe, HttpProbe, ProbeScheme, ReadinessProbe, TcpProbe,
};
use crate::api::value::Span;
use std::collections::BTreeMap;

/// Puts settings over others.
pub(super) fn put(to: &mut ProxyDefaults, over: ProxyDefaults) {
    to.put(over);
}

trait Put: Sized {
    /// Of a field that is always there; its default stands for nothing being written.
    fn put(&mut self, over: Self);

    /// Of a field that may be missing, and is written.
    fn put_written(&mut self, over: Self) {
        self.put(over);
    }
}

impl<T: Put> Put for Option<T> {
    fn put(&mut self, over: Self) {
        match (self, over) {
            (_, None) => {}
            (Some(to), Some(over)) => to.put_written(over),
            (to @ None, over) => *to = over,
        }
    }
}

impl<T> Put for Vec<T> {
    fn put(&mut self, over: Self) {
        self.extend(over);
    }
}

impl<V> Put for BTreeMap<String, V> {
    fn put(&mut self, over: Self) {
        self.extend(over);
    }
}

macro_rules! single {
    ($($of:ty),* $(,)?) => {$(
        impl Put for $of {
            fn put(&mut self, over: Self) {
                if over != Self::default() {
                    *self = over;
                }
            }

            fn put_written(&mut self, over: Self) {
                *self = over;
            }
        }
    )*};
}

/// Values that have no default: their fields may all be missing.
macro_rules! written {
    ($($of:ty),* $(,)?) => {$(
        impl Put for $of {
            fn put(&mut self, over: Self) {
                *self = over;
            }
        }
    )*};
}

/// Every field by name, so that a new one is not forgotten; behind `one of` those that exclude each other.
macro_rules! message {
    ($of:ident { $($field:ident),* $(,)? } $(one of { $($one:ident),* $(,)? })?) => {
        impl Put for $of {
            fn put(&mut self, over: Self) {
                let $of { $($field,)* $($($one,)*)? } = over;
                $(self.$field.put($field);)*
                $(if $($one.is_some())||* {
                    $(if $one.is_none() {
                        self.$one = None;
                    })*
                }
                $(self.$one.put($one);)*)?
            }
        }
    };
}

single!(
    bool,
    i32,
    i64,
    u16,
    u32,
    f64,
    String,
    AuthenticationPolicy,
    ConnectionProfile,
    HeadersWithUnderscores,
    MetadataExchangeMode,
    PathWithEscapedSlashes,
    ProbeScheme,
    TlsMode,
    TracingServiceName,
);
written!(ForwardClientCertDetails, InterceptionMode, ProxyProtocol, Span);

message!(ProxyDefaults {
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
    envoy_metrics_service_address,
    discovery_refresh_delay,
    availability_zone,
});

message!(GatewayTopology { num_trusted_proxies, forward_client_cert_details, proxy_protocol });
message!(ProxyImage { image_type });
message!(ProxyStatsMatcher { inclusion_prefixes, inclusion_suffixes, inclusion_regexps });
message!(RemoteService { address, tls_settings, tcp_keepalive });
message!(PrivateKeyProvider {} one of { cryptomb, qat });
message!(Acceleration { poll_delay, fallback });
message!(SecretDiscovery { enabled, k8s_sa_jwt_path });
message!(ConnectionSettings {
    profile,
    listener_per_connection_buffer_limit_bytes,
    cluster_per_connection_buffer_limit_bytes,
    http_idle_timeout,
    http_max_connection_duration,
    http_max_stream_duration,
    http_stream_idle_timeout,
    http_request_timeout,
    http_request_headers_timeout,
    http_drain_timeout,
    http_max_concurrent_streams,
    http2_initial_stream_window_size,
    http2_initial_connection_window_size,
    http_headers_with_underscores_action,
    http_merge_slashes,
    http_path_with_escaped_slashes_action,
    listener_connection_limit,
    global_downstream_connection_limit,
});
message!(TcpKeepalive { probes, time, interval });
message!(ClientTls {
    mode,
    client_certificate,
    private_key,
    ca_certificates,
    credential_name,
    subject_alt_names,
    sni,
    insecure_skip_verify,
    ca_crl,
});

message!(ProxyHeaders {
    forwarded_client_cert,
    set_current_client_cert_details,
    request_id,
    server,
    attempt_count,
    envoy_debug_headers,
    metadata_exchange_headers,
    preserve_http1_header_case,
    x_forwarded_host,
    x_forwarded_port,
});
message!(DisabledHeader { disabled });
message!(EnabledHeader { enabled });
message!(ServerHeader { disabled, value });
message!(MetadataExchangeHeaders { mode });
message!(SetCurrentClientCertDetails { subject, cert, chain, dns, uri });

message!(Tracing { custom_tags, max_path_tag_length, sampling, tls_settings, enable_istio_tags } one of {
    zipkin, lightstep, datadog, stackdriver, open_census_agent,
});
message!(Tracer { address });
message!(LightstepTracer { address, access_token });
message!(StackdriverTracer {
    debug,
    max_number_of_attributes,
    max_number_of_annotations,
    max_number_of_message_events,
});
message!(OpenCensusTracer { address, context });

message!(ReadinessProbe {
    initial_delay_seconds,
    timeout_seconds,
    period_seconds,
    success_threshold,
    failure_threshold,
} one of { http_get, tcp_socket, exec, grpc });
message!(HttpProbe { path, port, host, scheme, http_headers });
message!(TcpProbe { host, port });
message!(ExecProbe { command });
message!(GrpcProbe { port, service });
