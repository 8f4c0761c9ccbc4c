//! Clusters and endpoints.

use super::{address, duration, fraction, name, number, origin, upstream_tls};
use mesh_core::model::cluster::{
    Balance, CircuitLimits, ClusterTransport, Discovery, DnsTarget, FailurePercentage, OutlierDetection,
    RetryBudget, ServiceRef, SuccessRate, TcpKeepalive, UpstreamHttp, UpstreamProtocol,
};
use mesh_core::model::endpoint::{Endpoint, Health, Locality, TlsMode, WorkloadRef};
use mesh_core::model::values::{Denominator, Fraction};
use mesh_core::model::{Cluster, Endpoints, Name};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;
use std::time::Duration;

fn part() -> BoxedStrategy<Name> {
    prop_oneof![name(), Just("".into())].boxed()
}

fn endpoint() -> BoxedStrategy<Endpoint> {
    let health = select(vec![Health::Healthy, Health::Unhealthy, Health::Draining]);
    let tls_mode = select(vec![TlsMode::Disabled, TlsMode::Istio]);
    let workload = [part(), part(), part(), part(), part()].prop_map(
        |[name, namespace, canonical_service, canonical_revision, cluster]| WorkloadRef {
            name,
            namespace,
            canonical_service,
            canonical_revision,
            cluster,
        },
    );
    (address(), 1..200u32, health, tls_mode, option::of(workload))
        .prop_map(|(address, weight, health, tls_mode, workload)| Endpoint {
            address,
            weight,
            health,
            tls_mode,
            workload,
        })
        .boxed()
}

pub(crate) fn endpoints() -> BoxedStrategy<Endpoints> {
    let locality = ([part(), part(), part()], 0..4u32, option::of(1..100u32), vec(endpoint(), 0..3))
        .prop_map(|([region, zone, sub_zone], priority, weight, endpoints)| Locality {
            region,
            zone,
            sub_zone,
            priority,
            weight,
            endpoints,
        });
    (name(), vec(locality, 0..3)).prop_map(|(name, localities)| Endpoints { name, localities }).boxed()
}

fn discovery() -> BoxedStrategy<Discovery> {
    let target = || (name(), any::<u16>()).prop_map(|(host, port)| DnsTarget { host, port });
    prop_oneof![
        name().prop_map(Discovery::Eds),
        endpoints().prop_map(|endpoints| Discovery::Static(Arc::new(endpoints))),
        vec(target(), 0..3).prop_map(Discovery::StrictDns),
        target().prop_map(Discovery::LogicalDns),
        Just(Discovery::OriginalDestination),
    ]
    .boxed()
}

fn balance() -> BoxedStrategy<Balance> {
    prop_oneof![
        Just(Balance::RoundRobin),
        (2..9u32).prop_map(|choices| Balance::LeastRequest { choices }),
        Just(Balance::Random),
        (1..8_388_608u64).prop_map(|minimum_size| Balance::RingHash { minimum_size }),
        select(vec![2u64, 251, 65537]).prop_map(|table_size| Balance::Maglev { table_size }),
        Just(Balance::ClusterProvided),
    ]
    .boxed()
}

fn limits() -> BoxedStrategy<CircuitLimits> {
    let budget = (fraction(), number())
        .prop_map(|(percent, min_concurrency)| RetryBudget { percent, min_concurrency });
    ([number(), number(), number(), number()], option::of(budget))
        .prop_map(|([max_connections, max_pending_requests, max_requests, max_retries], retry_budget)| {
            CircuitLimits { max_connections, max_pending_requests, max_requests, max_retries, retry_budget }
        })
        .boxed()
}

fn outlier() -> BoxedStrategy<OutlierDetection> {
    let percent = || (0..=100u32).prop_map(|n| Denominator::Hundred.fraction(n));
    // A row that is never complete has no share of its cases.
    let row = || (number(), percent()).prop_map(|(n, share)| (n, if n > 0 { share } else { Fraction::ONE }));
    let rows = (row(), row(), option::of(row()));
    let rates = (
        [percent(), percent(), percent(), percent(), percent()],
        [number(), number(), number(), number(), number()],
    );
    let times = (duration(), duration(), duration(), option::of(duration()));
    (rows, rates, times, percent(), any::<bool>())
        .prop_map(|(rows, (shares, counts), (interval, base, more, jitter), percent, one)| {
            let (any, gateway, local) = rows;
            let [success, success_local, failure, failure_local, threshold] = shares;
            OutlierDetection {
                consecutive_5xx: any.0,
                enforcing_consecutive_5xx: any.1,
                consecutive_gateway_errors: gateway.0,
                enforcing_consecutive_gateway_errors: gateway.1,
                consecutive_local_origin_failures: local.map(|l| l.0),
                enforcing_consecutive_local_origin_failures: local.map_or(Fraction::ONE, |l| l.1),
                success_rate: SuccessRate {
                    enforcing: success,
                    enforcing_local_origin: success_local,
                    minimum_hosts: counts[0],
                    request_volume: counts[1],
                    stdev_factor: counts[2],
                },
                failure_percentage: FailurePercentage {
                    enforcing: failure,
                    enforcing_local_origin: failure_local,
                    threshold,
                    minimum_hosts: counts[3],
                    request_volume: counts[4],
                },
                interval,
                base_ejection_time: base,
                max_ejection_time: base + more,
                max_ejection_time_jitter: jitter.unwrap_or_default(),
                max_ejection_percent: percent,
                always_eject_one_host: one,
            }
        })
        .boxed()
}

fn transport() -> BoxedStrategy<ClusterTransport> {
    prop_oneof![
        Just(ClusterTransport::Plain),
        upstream_tls().prop_map(ClusterTransport::Tls),
        upstream_tls().prop_map(ClusterTransport::AutoMtls),
    ]
    .boxed()
}

fn http() -> BoxedStrategy<UpstreamHttp> {
    let protocol =
        select(vec![UpstreamProtocol::Http1, UpstreamProtocol::Http2, UpstreamProtocol::SameAsCaller]);
    (protocol, number(), option::of(duration()))
        .prop_map(|(protocol, max_requests_per_connection, idle_timeout)| UpstreamHttp {
            protocol,
            max_requests_per_connection,
            idle_timeout,
        })
        .boxed()
}

fn keepalive() -> BoxedStrategy<TcpKeepalive> {
    let seconds = || option::of((1..9000u64).prop_map(Duration::from_secs));
    (option::of(number()), seconds(), seconds())
        .prop_map(|(probes, time, interval)| TcpKeepalive { probes, time, interval })
        .boxed()
}

pub(crate) fn cluster() -> BoxedStrategy<Cluster> {
    let service =
        [name(), name(), name()].prop_map(|[host, name, namespace]| ServiceRef { host, name, namespace });
    let policy = (limits(), option::of(limits()), option::of(outlier()), fraction(), option::of(keepalive()));
    (name(), discovery(), balance(), duration(), policy, transport(), http(), vec(service, 0..3), origin())
        .prop_map(|(name, discovery, balance, connect_timeout, policy, transport, http, services, origin)| {
            let (limits, high_limits, outlier, panic_threshold, keepalive) = policy;
            Cluster {
                name,
                discovery,
                balance,
                connect_timeout,
                limits,
                high_limits,
                outlier,
                transport,
                http,
                panic_threshold,
                keepalive,
                services,
                origin,
            }
        })
        .boxed()
}
