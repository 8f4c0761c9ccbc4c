//! What a DestinationRule says in vain.

use crate::api::Resource;
use crate::api::networking::DestinationRule;
use crate::api::networking::destination_rule::{
    ClientTls, ConnectionPool, LoadBalancer, OutlierDetection, TrafficPolicy,
};
use crate::compile::report::Report;

/// Every part of a policy with its path: the whole, then port by port.
fn parts<'a>(policy: &'a TrafficPolicy, path: &str) -> Vec<(String, Parts<'a>)> {
    let whole = Parts {
        load_balancer: policy.load_balancer.as_ref(),
        pool: policy.connection_pool.as_ref(),
        outlier: policy.outlier_detection.as_ref(),
        tls: policy.tls.as_ref(),
    };
    let ports = policy.port_level_settings.iter().enumerate().map(|(i, s)| {
        let parts = Parts {
            load_balancer: s.load_balancer.as_ref(),
            pool: s.connection_pool.as_ref(),
            outlier: s.outlier_detection.as_ref(),
            tls: s.tls.as_ref(),
        };
        (format!("{path}.portLevelSettings[{i}]"), parts)
    });
    std::iter::once((path.to_owned(), whole)).chain(ports).collect()
}

struct Parts<'a> {
    load_balancer: Option<&'a LoadBalancer>,
    pool: Option<&'a ConnectionPool>,
    outlier: Option<&'a OutlierDetection>,
    tls: Option<&'a ClientTls>,
}

fn policies(rule: &DestinationRule) -> Vec<(&TrafficPolicy, String)> {
    let subsets = rule.subsets.iter().enumerate();
    let own = rule.traffic_policy.iter().map(|p| (p, "spec.trafficPolicy".to_owned()));
    own.chain(
        subsets.filter_map(|(i, s)| {
            Some((s.traffic_policy.as_ref()?, format!("spec.subsets[{i}].trafficPolicy")))
        }),
    )
    .collect()
}

/// Where in a rule TLS settings stand.
pub(crate) fn path_of_tls(rule: &Resource<DestinationRule>, tls: &ClientTls) -> String {
    let all = policies(&rule.spec);
    let mut found = all.iter().flat_map(|(policy, path)| parts(policy, path));
    let here = found.find(|(_, parts)| parts.tls.is_some_and(|t| std::ptr::eq(t, tls)));
    here.map_or_else(|| "spec.trafficPolicy.tls".to_owned(), |(path, _)| format!("{path}.tls.mode"))
}

pub(super) fn destination_rule(r: &Resource<DestinationRule>, report: &mut Report) {
    for (policy, path) in policies(&r.spec) {
        if policy.tunnel.is_some() {
            report.not_honoured(
                r,
                format!("{path}.tunnel"),
                "a tunnel",
                "connections go to the endpoints themselves",
            );
        }
        if policy.proxy_protocol.is_some() {
            report.not_honoured(r, format!("{path}.proxyProtocol"), "PROXY protocol", "no header is sent");
        }
        if policy.retry_budget.as_ref().is_some_and(|b| b.budget_interval.is_some()) {
            let help = "requests in flight count, as in Envoy";
            report.not_honoured(
                r,
                format!("{path}.retryBudget.budgetInterval"),
                "an interval of a retry budget",
                help,
            );
        }
        for (path, parts) in parts(policy, &path) {
            if let Some(lb) = parts.load_balancer {
                load_balancer(r, lb, &format!("{path}.loadBalancer"), report);
            }
            if let Some(pool) = parts.pool {
                connection_pool(r, pool, &format!("{path}.connectionPool"), report);
            }
            if let Some(outlier) = parts.outlier {
                outlier_detection(r, outlier, &format!("{path}.outlierDetection"), report);
            }
        }
    }
}

fn load_balancer(r: &Resource<DestinationRule>, lb: &LoadBalancer, path: &str, report: &mut Report) {
    let attributes = lb
        .consistent_hash
        .as_ref()
        .and_then(|h| h.http_cookie.as_ref())
        .is_some_and(|c| !c.attributes.is_empty());
    if lb.consistent_hash.is_some() {
        let help = "Envoy and gRPC clients balance by it; the mesh's own proxy takes any endpoint";
        report.not_honoured(
            r,
            format!("{path}.consistentHash"),
            "balancing by hash in the mesh's own proxy",
            help,
        );
    }
    for (written, field, what) in [
        (lb.locality_lb_setting.is_some(), "localityLbSetting", "balancing by locality"),
        (lb.zone_aware_lb_setting.is_some(), "zoneAwareLbSetting", "balancing by zone"),
        (lb.warmup.is_some(), "warmup", "slow start"),
        (lb.warmup_duration_secs.is_some(), "warmupDurationSecs", "slow start"),
        (attributes, "consistentHash.httpCookie.attributes", "an attribute of a cookie"),
    ] {
        if written {
            report.not_honoured(r, format!("{path}.{field}"), what, "it has no effect");
        }
    }
}

fn connection_pool(r: &Resource<DestinationRule>, pool: &ConnectionPool, path: &str, report: &mut Report) {
    let tcp = pool.tcp.as_ref();
    let http = pool.http.as_ref();
    for (written, field, what) in [
        (
            tcp.is_some_and(|t| t.max_connection_duration.is_some()),
            "tcp.maxConnectionDuration",
            "a longest life of connections",
        ),
        (
            http.is_some_and(|h| h.max_concurrent_streams.is_some()),
            "http.maxConcurrentStreams",
            "a bound on the streams of one connection",
        ),
        (http.is_some_and(|h| h.http2_keep_alive.is_some()), "http.http2KeepAlive", "HTTP/2 pings"),
    ] {
        if written {
            report.not_honoured(r, format!("{path}.{field}"), what, "it has no effect");
        }
    }
}

fn outlier_detection(r: &Resource<DestinationRule>, of: &OutlierDetection, path: &str, report: &mut Report) {
    if !of.outlier_detection_http_error_codes.is_empty() {
        let at = format!("{path}.outlierDetectionHttpErrorCodes");
        report.not_honoured(r, at, "a choice of status codes", "5xx count");
    }
    if of.consecutive_errors.is_some() {
        let at = format!("{path}.consecutiveErrors");
        report.not_honoured(r, at, "consecutiveErrors", "Istio has removed it; use consecutiveGatewayErrors");
    }
}
