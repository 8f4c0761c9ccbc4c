//! Clusters.

mod policy;

use super::value::{duration, host_and_port, optional, uint};
use super::{endpoint, metadata, refuse, tls, unpack, value};
use crate::convert::error::{At, ConvertError, each};
use crate::convert::{names, pb};
use mesh_core::model::Name;
use mesh_core::model::cluster::{
    Balance, Cluster, ClusterTransport, Discovery, DnsTarget, TcpKeepalive, UpstreamHttp, UpstreamProtocol,
};
use mesh_core::model::values::Fraction;
use pb::cluster::cluster::{ClusterDiscoveryType, DiscoveryType, LbConfig, LbPolicy};
use pb::core::address::Address;
use std::sync::Arc;
use std::time::Duration;

/// Envoy's default.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Envoy's default share of healthy endpoints below which all are used.
const PANIC_THRESHOLD: u32 = 500_000;

#[expect(deprecated)]
pub(super) fn cluster(raw: &pb::cluster::Cluster) -> Result<Cluster, ConvertError> {
    refuse!(
        raw;
        transport_socket_matcher,
        health_checks,
        max_requests_per_connection,
        upstream_http_protocol_options,
        common_http_protocol_options,
        http_protocol_options,
        http2_protocol_options,
        upstream_bind_config,
        lb_subset_config,
        protocol_selection,
        close_connections_on_host_health_failure,
        ignore_health_on_host_removal,
        filters,
        load_balancing_policy,
        upstream_config,
        preconnect_policy,
        connection_pool_per_downstream_connection,
        queuing_policies,
    );
    let connect_timeout = optional(raw.connect_timeout.as_ref()).at("connect_timeout")?;
    let common = raw.common_lb_config.as_ref().map(panic_threshold).transpose().at("common_lb_config")?;
    let (limits, high_limits) = policy::limits(raw.circuit_breakers.as_ref()).at("circuit_breakers")?;
    Ok(Cluster {
        name: raw.name.as_str().into(),
        discovery: discovery(raw)?,
        balance: balance(raw)?,
        connect_timeout: connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        limits,
        high_limits,
        outlier: raw.outlier_detection.as_ref().map(policy::outlier).transpose().at("outlier_detection")?,
        transport: transport(raw)?,
        http: http(raw)?,
        panic_threshold: common.flatten().unwrap_or(Fraction::millionths(PANIC_THRESHOLD)),
        keepalive: match &raw.upstream_connection_options {
            None => None,
            Some(options) => keepalive(options).at("upstream_connection_options")?,
        },
        services: metadata::services(raw.metadata.as_ref()),
        origin: metadata::origin(raw.metadata.as_ref()),
    })
}

fn panic_threshold(common: &pb::cluster::cluster::CommonLbConfig) -> Result<Option<Fraction>, ConvertError> {
    refuse!(
        common;
        ignore_new_hosts_until_first_hc,
        consistent_hashing_lb_config,
        override_host_status,
        locality_config_specifier,
    );
    common.healthy_panic_threshold.as_ref().map(value::percent).transpose().at("healthy_panic_threshold")
}

fn discovery(raw: &pb::cluster::Cluster) -> Result<Discovery, ConvertError> {
    let kind = match &raw.cluster_discovery_type {
        Some(ClusterDiscoveryType::Type(kind)) => value::enumeration(*kind).at("type")?,
        Some(ClusterDiscoveryType::ClusterType(_)) => return Err(ConvertError::unsupported("cluster_type")),
        None => DiscoveryType::Static,
    };
    let assignment = || {
        let found = raw.load_assignment.as_ref();
        found.ok_or_else(|| ConvertError::missing("load_assignment"))
    };
    match kind {
        DiscoveryType::Eds => eds(raw).at("eds_cluster_config").map(Discovery::Eds),
        DiscoveryType::Static => {
            let endpoints = endpoint::endpoints(assignment()?).at("load_assignment")?;
            Ok(Discovery::Static(Arc::new(endpoints)))
        }
        DiscoveryType::StrictDns => {
            dns_targets(assignment()?).at("load_assignment").map(Discovery::StrictDns)
        }
        DiscoveryType::LogicalDns => {
            let targets = dns_targets(assignment()?).at("load_assignment")?;
            match <[DnsTarget; 1]>::try_from(targets) {
                Ok([target]) => Ok(Discovery::LogicalDns(target)),
                Err(targets) => {
                    let message = format!("LOGICAL_DNS has one name, not {}", targets.len());
                    Err(ConvertError::new(message).within("load_assignment"))
                }
            }
        }
        DiscoveryType::OriginalDst => Ok(Discovery::OriginalDestination),
    }
}

fn eds(raw: &pb::cluster::Cluster) -> Result<Name, ConvertError> {
    let Some(eds) = &raw.eds_cluster_config else { return Err(ConvertError::new("is missing")) };
    value::over_ads(eds.eds_config.as_ref()).at("eds_config")?;
    let name = if eds.service_name.is_empty() { &raw.name } else { &eds.service_name };
    Ok(name.as_str().into())
}

fn dns_targets(raw: &pb::endpoint::ClusterLoadAssignment) -> Result<Vec<DnsTarget>, ConvertError> {
    let of_each_place = each(&raw.endpoints, |locality| {
        refuse!(locality; priority, lb_config);
        each(&locality.lb_endpoints, dns_target).at("lb_endpoints")
    });
    Ok(of_each_place.at("endpoints")?.into_iter().flatten().collect())
}

fn dns_target(raw: &pb::endpoint::LbEndpoint) -> Result<DnsTarget, ConvertError> {
    if uint(raw.load_balancing_weight.as_ref(), 1) != 1 {
        let message = "weights among names are not supported";
        return Err(ConvertError::new(message).within("load_balancing_weight"));
    }
    match endpoint::address_of(raw)?.and_then(|address| address.address.as_ref()) {
        Some(Address::SocketAddress(socket)) => {
            let (host, port) = host_and_port(socket).at("endpoint.address.socket_address")?;
            Ok(DnsTarget { host: host.into(), port })
        }
        _ => Err(ConvertError::missing("endpoint.address.socket_address")),
    }
}

fn balance(raw: &pb::cluster::Cluster) -> Result<Balance, ConvertError> {
    match value::enumeration(raw.lb_policy).at("lb_policy")? {
        LbPolicy::RoundRobin => {
            if let Some(LbConfig::RoundRobinLbConfig(config)) = &raw.lb_config {
                refuse!(config; slow_start_config);
            }
            Ok(Balance::RoundRobin)
        }
        LbPolicy::LeastRequest => {
            let mut choices = 2;
            if let Some(LbConfig::LeastRequestLbConfig(config)) = &raw.lb_config {
                refuse!(config; active_request_bias, slow_start_config);
                choices = uint(config.choice_count.as_ref(), choices);
            }
            Ok(Balance::LeastRequest { choices })
        }
        LbPolicy::Random => Ok(Balance::Random),
        LbPolicy::RingHash => {
            let mut minimum_size = 1024;
            if let Some(LbConfig::RingHashLbConfig(config)) = &raw.lb_config {
                refuse!(config; hash_function);
                minimum_size = config.minimum_ring_size.as_ref().map_or(minimum_size, |size| size.value);
            }
            Ok(Balance::RingHash { minimum_size })
        }
        LbPolicy::Maglev => {
            let mut table_size = 65537;
            if let Some(LbConfig::MaglevLbConfig(config)) = &raw.lb_config {
                table_size = config.table_size.as_ref().map_or(table_size, |size| size.value);
            }
            Ok(Balance::Maglev { table_size })
        }
        LbPolicy::ClusterProvided => {
            if let Some(LbConfig::OriginalDstLbConfig(config)) = &raw.lb_config {
                refuse!(config; use_http_header, upstream_port_override, metadata_key);
            }
            Ok(Balance::ClusterProvided)
        }
        LbPolicy::LoadBalancingPolicyConfig => Err(ConvertError::unsupported("load_balancing_policy")),
    }
}

fn transport(raw: &pb::cluster::Cluster) -> Result<ClusterTransport, ConvertError> {
    if !raw.transport_socket_matches.is_empty() {
        return auto_mtls(&raw.transport_socket_matches).at("transport_socket_matches");
    }
    match &raw.transport_socket {
        Some(socket) if !tls::is_raw_buffer(socket) => {
            tls::upstream(socket).at("transport_socket").map(ClusterTransport::Tls)
        }
        _ => Ok(ClusterTransport::Plain),
    }
}

/// Istio's pair: mesh mTLS for endpoints that say they take it, plain for the others.
fn auto_mtls(
    matches: &[pb::cluster::cluster::TransportSocketMatch],
) -> Result<ClusterTransport, ConvertError> {
    let message = "only tlsMode: istio with TLS, then everything with raw_buffer, is supported";
    let [mesh, others] = matches else { return Err(ConvertError::new(message)) };
    let takes_mesh = mesh.r#match.as_ref().is_some_and(metadata::is_mesh_tls);
    let takes_all = others.r#match.as_ref().is_none_or(|m| m.fields.is_empty());
    let (Some(socket), true, true) = (&mesh.transport_socket, takes_mesh, takes_all) else {
        return Err(ConvertError::new(message));
    };
    if others.transport_socket.as_ref().is_none_or(|socket| !tls::is_raw_buffer(socket)) {
        return Err(ConvertError::new(message));
    }
    tls::upstream(socket).at("[0].transport_socket").map(ClusterTransport::AutoMtls)
}

fn http(raw: &pb::cluster::Cluster) -> Result<UpstreamHttp, ConvertError> {
    let mut http = UpstreamHttp::default();
    for (key, any) in &raw.typed_extension_protocol_options {
        let read = match key.as_str() {
            names::HTTP_PROTOCOL_OPTIONS => unpack(any).and_then(|options| http_options(&options)),
            _ => Err(ConvertError::new("is not supported")),
        };
        http = read.at(&format!("[{key:?}]")).at("typed_extension_protocol_options")?;
    }
    Ok(http)
}

fn http_options(raw: &pb::upstream_http::HttpProtocolOptions) -> Result<UpstreamHttp, ConvertError> {
    use pb::upstream_http::http_protocol_options::UpstreamProtocolOptions;
    use pb::upstream_http::http_protocol_options::explicit_http_config::ProtocolConfig;
    refuse!(
        raw;
        upstream_http_protocol_options,
        http_filters,
        header_validation_config,
        outlier_detection,
        request_mirror_policies,
        hash_policy,
        retry_policy,
    );
    let protocol = match &raw.upstream_protocol_options {
        Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)) => match &explicit.protocol_config {
            None | Some(ProtocolConfig::HttpProtocolOptions(_)) => UpstreamProtocol::Http1,
            Some(ProtocolConfig::Http2ProtocolOptions(_)) => UpstreamProtocol::Http2,
            Some(ProtocolConfig::Http3ProtocolOptions(_)) => {
                let field = "explicit_http_config.http3_protocol_options";
                return Err(ConvertError::unsupported(field));
            }
        },
        Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(config)) => {
            // Without HTTP/2 options, Envoy speaks HTTP/1.1 to the upstream whatever the caller speaks.
            match &config.http2_protocol_options {
                Some(_) => UpstreamProtocol::SameAsCaller,
                None => UpstreamProtocol::Http1,
            }
        }
        Some(UpstreamProtocolOptions::AutoConfig(_)) => return Err(ConvertError::unsupported("auto_config")),
        None => return Err(ConvertError::missing("upstream_protocol_options")),
    };
    let common = raw.common_http_protocol_options.unwrap_or_default();
    let limits = || {
        refuse!(
            common;
            max_connection_duration,
            max_stream_duration,
            headers_with_underscores_action,
        );
        optional(common.idle_timeout.as_ref()).at("idle_timeout")
    };
    Ok(UpstreamHttp {
        protocol,
        max_requests_per_connection: uint(common.max_requests_per_connection.as_ref(), 0),
        idle_timeout: limits().at("common_http_protocol_options")?,
    })
}

fn keepalive(options: &pb::cluster::UpstreamConnectionOptions) -> Result<Option<TcpKeepalive>, ConvertError> {
    let Some(raw) = &options.tcp_keepalive else { return Ok(None) };
    let seconds = |value: &pb::UInt32Value| Duration::from_secs(value.value.into());
    Ok(Some(TcpKeepalive {
        probes: raw.keepalive_probes.as_ref().map(|p| p.value),
        time: raw.keepalive_time.as_ref().map(seconds),
        interval: raw.keepalive_interval.as_ref().map(seconds),
    }))
}

/// A duration with Envoy's default.
fn duration_or(d: Option<&pb::Duration>, default: Duration) -> Result<Duration, ConvertError> {
    d.map_or(Ok(default), duration)
}
