//! What a DestinationRule's traffic policy makes of a cluster: bounds, balancing, ejection, HTTP version.

use super::scope::Scope;
use crate::api::networking::destination_rule as api;
use crate::api::networking::destination_rule::{ConsistentHash, H2UpgradePolicy, SimpleLb};
use crate::merge::destination_rule::Effective;
use crate::model::cluster::{
    Balance, CircuitLimits, OutlierDetection, RetryBudget, TcpKeepalive, UpstreamHttp, UpstreamProtocol,
};
use crate::model::route::HashPolicy;
use crate::model::values::Fraction;
use crate::registry::Protocol;
use http::HeaderName;
use std::time::Duration;

/// Bounds. Zero and less mean none, as in Istio.
pub(super) fn limits(pool: Option<&api::ConnectionPool>, budget: Option<&api::RetryBudget>) -> CircuitLimits {
    let bound = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(u32::MAX);
    let tcp = pool.and_then(|p| p.tcp.as_ref());
    let http = pool.and_then(|p| p.http.as_ref());
    CircuitLimits {
        max_connections: bound(tcp.and_then(|t| t.max_connections)),
        max_pending_requests: bound(http.and_then(|h| h.http1_max_pending_requests)),
        max_requests: bound(http.and_then(|h| h.http2_max_requests)),
        max_retries: bound(http.and_then(|h| h.max_retries)),
        retry_budget: budget.map(|b| RetryBudget {
            percent: b.percent.and_then(Fraction::percent).unwrap_or(Fraction::millionths(200_000)),
            min_concurrency: b.min_retry_concurrency.unwrap_or(3),
        }),
    }
}

/// Which HTTP is spoken, and how long connections live.
pub(super) fn http(scope: &Scope<'_>, pool: Option<&api::ConnectionPool>, port: Protocol) -> UpstreamHttp {
    let http = pool.and_then(|p| p.http.as_ref());
    let tcp = pool.and_then(|p| p.tcp.as_ref());
    UpstreamHttp {
        protocol: protocol(scope, http, port),
        max_requests_per_connection: http
            .and_then(|h| u32::try_from(h.max_requests_per_connection?).ok())
            .unwrap_or(0),
        idle_timeout: http
            .and_then(|h| h.idle_timeout)
            .or(tcp.and_then(|t| t.idle_timeout))
            .map(Duration::from)
            .filter(|d| !d.is_zero()),
    }
}

fn protocol(scope: &Scope<'_>, http: Option<&api::HttpSettings>, port: Protocol) -> UpstreamProtocol {
    if http.and_then(|h| h.use_client_protocol) == Some(true) {
        return UpstreamProtocol::SameAsCaller;
    }
    let own = http.and_then(|h| h.h2_upgrade_policy).filter(|p| *p != H2UpgradePolicy::Default);
    // The mesh's policy is for declared HTTP alone; a rule's author knows what the port speaks.
    let mesh = scope.mesh.h2_upgrade_policy.filter(|_| port.is_http());
    let upgrade = own.or(mesh) == Some(H2UpgradePolicy::Upgrade);
    if upgrade || port.is_http2() {
        UpstreamProtocol::Http2
    } else if port.is_unsupported() {
        UpstreamProtocol::SameAsCaller
    } else {
        UpstreamProtocol::Http1
    }
}

/// The longest that a connect may take.
pub(super) fn connect_timeout(scope: &Scope<'_>, pool: Option<&api::ConnectionPool>) -> Duration {
    let own = pool.and_then(|p| p.tcp.as_ref()?.connect_timeout);
    own.unwrap_or(scope.mesh.connect_timeout).into()
}

/// TCP keep-alive: the mesh's, and over it the rule's, part by part.
pub(super) fn keepalive(scope: &Scope<'_>, pool: Option<&api::ConnectionPool>) -> Option<TcpKeepalive> {
    let own = pool.and_then(|p| p.tcp.as_ref()?.tcp_keepalive.as_ref());
    let mesh = scope.mesh.tcp_keepalive.as_ref();
    if own.is_none() && mesh.is_none() {
        return None;
    }
    let all = || own.into_iter().chain(mesh);
    Some(TcpKeepalive {
        probes: all().find_map(|k| k.probes),
        time: all().find_map(|k| k.time).map(Duration::from),
        interval: all().find_map(|k| k.interval).map(Duration::from),
    })
}

/// How an endpoint is chosen. gRPC clients refuse least request, so they take turns.
pub(super) fn balance(scope: &Scope<'_>, lb: Option<&api::LoadBalancer>) -> Balance {
    if let Some(hash) = lb.and_then(|l| l.consistent_hash.as_ref()) {
        return match (
            &hash.maglev,
            hash.ring_hash.and_then(|r| r.minimum_ring_size).or(hash.minimum_ring_size),
        ) {
            (Some(maglev), _) if !scope.node.is_proxyless_grpc() => {
                Balance::Maglev { table_size: maglev.table_size.unwrap_or(65_537) }
            }
            (_, size) => Balance::RingHash { minimum_size: size.unwrap_or(1024) },
        };
    }
    match lb.and_then(|l| l.simple).unwrap_or(SimpleLb::Unspecified) {
        SimpleLb::Passthrough => Balance::ClusterProvided,
        _ if scope.node.is_proxyless_grpc() => Balance::RoundRobin,
        SimpleLb::RoundRobin => Balance::RoundRobin,
        SimpleLb::Random => Balance::Random,
        SimpleLb::Unspecified | SimpleLb::LeastConn | SimpleLb::LeastRequest => {
            Balance::LeastRequest { choices: 2 }
        }
    }
}

/// What requests are hashed by, under a consistent hash.
pub(super) fn hash_policy(policy: &Effective<'_>) -> Option<HashPolicy> {
    let hash: &ConsistentHash = policy.load_balancer.as_ref()?.value.consistent_hash.as_ref()?;
    if let Some(name) = &hash.http_header_name {
        return HeaderName::from_bytes(name.as_bytes()).ok().map(HashPolicy::Header);
    }
    if let Some(cookie) = &hash.http_cookie {
        return Some(HashPolicy::Cookie {
            name: cookie.name.clone(),
            path: cookie.path.clone(),
            ttl: cookie.ttl.map(Duration::from),
        });
    }
    if hash.use_source_ip == Some(true) {
        return Some(HashPolicy::SourceIp);
    }
    hash.http_query_parameter_name.clone().map(HashPolicy::Query)
}

/// When an endpoint is taken out, and below which share of healthy ones that stops.
pub(super) fn outlier(rule: Option<&api::OutlierDetection>) -> (Option<OutlierDetection>, Fraction) {
    let Some(rule) = rule else { return (None, Fraction::ZERO) };
    let defaults = OutlierDetection::default();
    let percent = |n: Option<i32>| n.and_then(|n| Fraction::percent(f64::from(n)));
    let split = rule.split_external_local_origin_errors == Some(true);
    let base = rule.base_ejection_time.map_or(defaults.base_ejection_time, Duration::from);
    let detection = OutlierDetection {
        consecutive_5xx: rule.consecutive_5xx_errors.unwrap_or(defaults.consecutive_5xx),
        consecutive_gateway_errors: rule
            .consecutive_gateway_errors
            .unwrap_or(defaults.consecutive_gateway_errors),
        // Envoy's default is 5; Istio says nothing else.
        consecutive_local_origin_failures: split
            .then(|| rule.consecutive_local_origin_failures.filter(|n| *n > 0).unwrap_or(5)),
        interval: rule.interval.map_or(defaults.interval, Duration::from),
        base_ejection_time: base,
        // As Envoy does, the bound is never below the base.
        max_ejection_time: defaults.max_ejection_time.max(base),
        max_ejection_percent: percent(rule.max_ejection_percent)
            .filter(|p| *p > Fraction::ZERO)
            .unwrap_or(defaults.max_ejection_percent),
        ..defaults
    };
    (Some(detection), percent(rule.min_health_percent).unwrap_or(Fraction::ZERO))
}
