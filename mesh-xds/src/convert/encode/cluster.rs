//! Clusters.

use super::value::{boolean, duration, percent, uint};
use super::{endpoint, metadata, pack, tls, value};
use crate::convert::{names, pb};
use mesh_core::model::cluster::{
    Balance, CircuitLimits, Cluster, ClusterTransport, Discovery, DnsTarget, OutlierDetection, RetryBudget,
    TcpKeepalive, UpstreamHttp, UpstreamProtocol,
};
use mesh_core::model::values::{Denominator, Fraction};
use pb::cluster::cluster::{
    ClusterDiscoveryType, CommonLbConfig, DiscoveryType, DnsLookupFamily, EdsClusterConfig, LbConfig,
    LbPolicy, LeastRequestLbConfig, MaglevLbConfig, RingHashLbConfig, TransportSocketMatch,
};
use std::time::Duration;

pub(super) fn cluster(cluster: &Cluster) -> pb::cluster::Cluster {
    let (lb_policy, lb_config) = balance(cluster.balance);
    let mut out = pb::cluster::Cluster {
        name: (&*cluster.name).into(),
        connect_timeout: Some(duration(cluster.connect_timeout)),
        lb_policy: lb_policy.into(),
        lb_config,
        circuit_breakers: Some(circuit_breakers(&cluster.limits, cluster.high_limits.as_ref())),
        typed_extension_protocol_options: http_options(&cluster.http)
            .map(|options| (names::HTTP_PROTOCOL_OPTIONS.to_owned(), options))
            .into_iter()
            .collect(),
        outlier_detection: cluster.outlier.as_ref().map(outlier),
        common_lb_config: Some(CommonLbConfig {
            healthy_panic_threshold: Some(percent(cluster.panic_threshold)),
            ..Default::default()
        }),
        metadata: metadata::cluster(cluster.origin.as_ref(), &cluster.services),
        upstream_connection_options: cluster.keepalive.as_ref().map(|keepalive| {
            pb::cluster::UpstreamConnectionOptions {
                tcp_keepalive: Some(tcp_keepalive(keepalive)),
                ..Default::default()
            }
        }),
        ..Default::default()
    };
    let kind = match &cluster.discovery {
        Discovery::Eds(name) => {
            out.eds_cluster_config =
                Some(EdsClusterConfig { eds_config: Some(value::ads()), service_name: (&**name).into() });
            DiscoveryType::Eds
        }
        Discovery::Static(endpoints) => {
            out.load_assignment = Some(endpoint::endpoints(endpoints));
            DiscoveryType::Static
        }
        Discovery::StrictDns(targets) => {
            out.load_assignment = Some(names_of(&cluster.name, targets));
            DiscoveryType::StrictDns
        }
        Discovery::LogicalDns(target) => {
            out.load_assignment = Some(names_of(&cluster.name, std::slice::from_ref(target)));
            DiscoveryType::LogicalDns
        }
        Discovery::OriginalDestination => DiscoveryType::OriginalDst,
    };
    if matches!(kind, DiscoveryType::StrictDns | DiscoveryType::LogicalDns) {
        out.dns_lookup_family = DnsLookupFamily::V4Preferred.into();
    }
    out.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind.into()));
    match &cluster.transport {
        ClusterTransport::Plain => {}
        ClusterTransport::Tls(tls) => out.transport_socket = Some(tls::upstream(tls)),
        ClusterTransport::AutoMtls(tls) => {
            out.transport_socket_matches = vec![
                TransportSocketMatch {
                    name: names::TLS_MODE_ISTIO.to_owned(),
                    r#match: Some(metadata::takes_mesh_tls()),
                    transport_socket: Some(tls::upstream(tls)),
                },
                TransportSocketMatch {
                    name: names::TLS_MODE_DISABLED.to_owned(),
                    r#match: Some(pb::Struct::default()),
                    transport_socket: Some(tls::raw_buffer()),
                },
            ];
        }
    }
    out
}

fn names_of(cluster: &str, targets: &[DnsTarget]) -> pb::endpoint::ClusterLoadAssignment {
    let target = |target: &DnsTarget| pb::endpoint::LbEndpoint {
        host_identifier: Some(endpoint::at(value::host_and_port(&*target.host, target.port))),
        ..Default::default()
    };
    pb::endpoint::ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: vec![pb::endpoint::LocalityLbEndpoints {
            locality: Some(pb::core::Locality::default()),
            lb_endpoints: targets.iter().map(target).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn balance(balance: Balance) -> (LbPolicy, Option<LbConfig>) {
    match balance {
        Balance::RoundRobin => (LbPolicy::RoundRobin, None),
        Balance::LeastRequest { choices } => {
            // Envoy refuses fewer than two.
            let config =
                LeastRequestLbConfig { choice_count: Some(uint(choices.max(2))), ..Default::default() };
            (LbPolicy::LeastRequest, Some(LbConfig::LeastRequestLbConfig(config)))
        }
        Balance::Random => (LbPolicy::Random, None),
        Balance::RingHash { minimum_size } => {
            let config = RingHashLbConfig {
                minimum_ring_size: Some(pb::UInt64Value { value: minimum_size }),
                ..Default::default()
            };
            (LbPolicy::RingHash, Some(LbConfig::RingHashLbConfig(config)))
        }
        Balance::Maglev { table_size } => {
            let config = MaglevLbConfig { table_size: Some(pb::UInt64Value { value: table_size }) };
            (LbPolicy::Maglev, Some(LbConfig::MaglevLbConfig(config)))
        }
        Balance::ClusterProvided => (LbPolicy::ClusterProvided, None),
    }
}

fn circuit_breakers(default: &CircuitLimits, high: Option<&CircuitLimits>) -> pb::cluster::CircuitBreakers {
    use pb::core::RoutingPriority;
    let default = threshold(RoutingPriority::Default, default);
    let high = high.map(|limits| threshold(RoutingPriority::High, limits));
    pb::cluster::CircuitBreakers {
        thresholds: std::iter::once(default).chain(high).collect(),
        per_host_thresholds: vec![],
    }
}

fn threshold(
    priority: pb::core::RoutingPriority,
    limits: &CircuitLimits,
) -> pb::cluster::circuit_breakers::Thresholds {
    use pb::cluster::circuit_breakers::{Thresholds, thresholds};
    let budget = |budget: &RetryBudget| thresholds::RetryBudget {
        budget_percent: Some(percent(budget.percent)),
        min_retry_concurrency: Some(uint(budget.min_concurrency)),
        budget_interval: None,
    };
    Thresholds {
        priority: priority.into(),
        max_connections: Some(uint(limits.max_connections)),
        max_pending_requests: Some(uint(limits.max_pending_requests)),
        max_requests: Some(uint(limits.max_requests)),
        max_retries: Some(uint(limits.max_retries)),
        retry_budget: limits.retry_budget.as_ref().map(budget),
        // Operators watch how near a cluster is to its limits, as in Istio.
        track_remaining: true,
        ..Default::default()
    }
}

fn outlier(outlier: &OutlierDetection) -> pb::cluster::OutlierDetection {
    let whole = |f: Fraction| f.as_millionths() / Denominator::Hundred.as_millionths();
    let share = |f: Fraction| Some(uint(whole(f)));
    // What is Envoy's default needs no word.
    let unless = |default: u32, n: u32| (n != default).then(|| uint(n));
    // "Never" is said twice, since Envoy takes a threshold of zero for one.
    let of_row = |n: u32, enforcing: Fraction| if n > 0 { share(enforcing) } else { Some(uint(0)) };
    let local = outlier.consecutive_local_origin_failures;
    let rate = &outlier.success_rate;
    let failures = &outlier.failure_percentage;
    pb::cluster::OutlierDetection {
        consecutive_5xx: Some(uint(outlier.consecutive_5xx)),
        enforcing_consecutive_5xx: of_row(outlier.consecutive_5xx, outlier.enforcing_consecutive_5xx),
        consecutive_gateway_failure: Some(uint(outlier.consecutive_gateway_errors)),
        enforcing_consecutive_gateway_failure: of_row(
            outlier.consecutive_gateway_errors,
            outlier.enforcing_consecutive_gateway_errors,
        ),
        split_external_local_origin_errors: local.is_some(),
        consecutive_local_origin_failure: local.map(uint),
        enforcing_consecutive_local_origin_failure: local
            .and_then(|n| of_row(n, outlier.enforcing_consecutive_local_origin_failures)),
        interval: Some(duration(outlier.interval)),
        base_ejection_time: Some(duration(outlier.base_ejection_time)),
        max_ejection_time: Some(duration(outlier.max_ejection_time)),
        max_ejection_time_jitter: Some(outlier.max_ejection_time_jitter)
            .filter(|jitter| !jitter.is_zero())
            .map(duration),
        max_ejection_percent: share(outlier.max_ejection_percent),
        always_eject_one_host: outlier.always_eject_one_host.then(|| boolean(true)),
        // Said also where it is zero: Envoy's default would eject by statistics, which nobody asked for.
        enforcing_success_rate: share(rate.enforcing),
        enforcing_local_origin_success_rate: share(rate.enforcing_local_origin),
        success_rate_minimum_hosts: unless(5, rate.minimum_hosts),
        success_rate_request_volume: unless(100, rate.request_volume),
        success_rate_stdev_factor: unless(1900, rate.stdev_factor),
        enforcing_failure_percentage: unless(0, whole(failures.enforcing)),
        enforcing_failure_percentage_local_origin: unless(0, whole(failures.enforcing_local_origin)),
        failure_percentage_threshold: unless(85, whole(failures.threshold)),
        failure_percentage_minimum_hosts: unless(5, failures.minimum_hosts),
        failure_percentage_request_volume: unless(50, failures.request_volume),
        ..Default::default()
    }
}

fn http_options(http: &UpstreamHttp) -> Option<pb::Any> {
    use pb::upstream_http::http_protocol_options::explicit_http_config::ProtocolConfig;
    use pb::upstream_http::http_protocol_options::{
        ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
    };
    if *http == UpstreamHttp::default() {
        return None;
    }
    let explicit = |config| {
        UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig { protocol_config: Some(config) })
    };
    let limited = http.idle_timeout.is_some() || http.max_requests_per_connection > 0;
    Some(pack(&pb::upstream_http::HttpProtocolOptions {
        common_http_protocol_options: limited.then(|| pb::core::HttpProtocolOptions {
            idle_timeout: http.idle_timeout.map(duration),
            max_requests_per_connection: (http.max_requests_per_connection > 0)
                .then(|| uint(http.max_requests_per_connection)),
            ..Default::default()
        }),
        upstream_protocol_options: Some(match http.protocol {
            UpstreamProtocol::Http1 => explicit(ProtocolConfig::HttpProtocolOptions(Default::default())),
            UpstreamProtocol::Http2 => explicit(ProtocolConfig::Http2ProtocolOptions(Default::default())),
            UpstreamProtocol::SameAsCaller => {
                UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
                    http_protocol_options: Some(Default::default()),
                    http2_protocol_options: Some(Default::default()),
                    http3_protocol_options: None,
                })
            }
        }),
        ..Default::default()
    }))
}

fn tcp_keepalive(keepalive: &TcpKeepalive) -> pb::core::TcpKeepalive {
    let seconds = |d: Duration| {
        let whole = d.as_secs().saturating_add(u64::from(d.subsec_nanos() > 0));
        uint(u32::try_from(whole).unwrap_or(u32::MAX))
    };
    pb::core::TcpKeepalive {
        keepalive_probes: keepalive.probes.map(uint),
        keepalive_time: keepalive.time.map(seconds),
        keepalive_interval: keepalive.interval.map(seconds),
    }
}
