//! Traffic policies: of a host, of a subset, of a port.

mod load_balancer;
mod tls;

pub(super) use load_balancer::{locality, zones};

use super::names;
use super::report::Report;
use crate::api::networking::destination_rule::{
    ClientTls, ConnectionPool, H2UpgradePolicy, LoadBalancer, OutlierDetection, TrafficPolicy, Tunnel,
};
use std::collections::HashMap;
use std::net::IpAddr;

/// Istio's CRD admits no more.
const MAX_PORTS: usize = 4096;

pub(super) fn check(policy: Option<&TrafficPolicy>, path: &str, report: &mut Report<'_>) {
    let Some(policy) = policy else { return };
    if *policy == TrafficPolicy::default() {
        report.refuse(path, "a traffic policy that says nothing", "write at least one of its fields");
    }
    let whole = Parts {
        balancer: policy.load_balancer.as_ref(),
        pool: policy.connection_pool.as_ref(),
        outlier: policy.outlier_detection.as_ref(),
        tls: policy.tls.as_ref(),
    };
    whole.check(path, report);
    ports(policy, path, report);
    if policy.tunnel.is_some() && policy.proxy_protocol.is_some() {
        report.refuse(&format!("{path}.tunnel"), "`tunnel` beside `proxyProtocol`", "keep one of them");
    }
    if let Some(wanted) = &policy.tunnel {
        tunnel(wanted, &format!("{path}.tunnel"), report);
    }
    if let Some(budget) = &policy.retry_budget {
        report.share(&format!("{path}.retryBudget.percent"), budget.percent);
        report.duration(&format!("{path}.retryBudget.budgetInterval"), budget.budget_interval);
    }
}

/// What a policy says of all ports, or of one.
struct Parts<'a> {
    balancer: Option<&'a LoadBalancer>,
    pool: Option<&'a ConnectionPool>,
    outlier: Option<&'a OutlierDetection>,
    tls: Option<&'a ClientTls>,
}

impl Parts<'_> {
    fn is_empty(&self) -> bool {
        self.balancer.is_none() && self.pool.is_none() && self.outlier.is_none() && self.tls.is_none()
    }

    fn check(&self, path: &str, report: &mut Report<'_>) {
        if let Some(balancer) = self.balancer {
            load_balancer::check(balancer, self.outlier.is_some(), &format!("{path}.loadBalancer"), report);
        }
        connection_pool(self.pool, &format!("{path}.connectionPool"), report);
        outlier_detection(self.outlier, &format!("{path}.outlierDetection"), report);
        client_tls(self.tls, &format!("{path}.tls"), report);
    }
}

fn ports(policy: &TrafficPolicy, path: &str, report: &mut Report<'_>) {
    let count = policy.port_level_settings.len();
    if count > MAX_PORTS {
        let message = format!("settings of {count} ports");
        report.refuse(&format!("{path}.portLevelSettings"), message, "write at most 4096");
    }
    let mut seen = HashMap::new();
    for (i, settings) in policy.port_level_settings.iter().enumerate() {
        let path = format!("{path}.portLevelSettings[{i}]");
        match settings.port {
            None => report.refuse(&path, "the port is missing", "write port.number"),
            Some(port) => {
                if let Some(first) = seen.insert(port.number, i) {
                    let message = format!("port {} is there twice", port.number);
                    let help = format!("only one of them holds: write it all in portLevelSettings[{first}]");
                    report.warn(&format!("{path}.port.number"), message, help);
                }
            }
        }
        let parts = Parts {
            balancer: settings.load_balancer.as_ref(),
            pool: settings.connection_pool.as_ref(),
            outlier: settings.outlier_detection.as_ref(),
            tls: settings.tls.as_ref(),
        };
        if parts.is_empty() {
            report.refuse(&path, "settings of a port that say nothing", "write at least one of its fields");
        }
        parts.check(&path, report);
    }
}

fn tunnel(wanted: &Tunnel, path: &str, report: &mut Report<'_>) {
    let host = &wanted.target_host;
    if names::fqdn_error(host).is_some() && host.parse::<IpAddr>().is_err() {
        let message = match host.as_str() {
            "" => "the target's host is missing".to_owned(),
            host => format!("{host:?} is not a host"),
        };
        report.refuse(&format!("{path}.targetHost"), message, "write a full name or an IP address");
    }
    if wanted.target_port.is_none() {
        let help = "a port is between 1 and 65535";
        report.refuse(&format!("{path}.targetPort"), "the target's port is missing", help);
    }
}

pub(super) fn client_tls(settings: Option<&ClientTls>, path: &str, report: &mut Report<'_>) {
    if let Some(settings) = settings {
        tls::check(settings, path, report);
    }
}

pub(super) fn connection_pool(pool: Option<&ConnectionPool>, path: &str, report: &mut Report<'_>) {
    let Some(pool) = pool else { return };
    if pool.tcp.is_none() && pool.http.is_none() {
        report.refuse(path, "a connection pool that says nothing", "write tcp or http");
    }
    if let Some(http) = &pool.http {
        let path = format!("{path}.http");
        for (field, value) in [
            ("http1MaxPendingRequests", http.http1_max_pending_requests),
            ("http2MaxRequests", http.http2_max_requests),
            ("maxRequestsPerConnection", http.max_requests_per_connection),
            ("maxRetries", http.max_retries),
            ("maxConcurrentStreams", http.max_concurrent_streams),
        ] {
            report.not_negative(&format!("{path}.{field}"), value);
        }
        report.duration(&format!("{path}.idleTimeout"), http.idle_timeout);
        if http.h2_upgrade_policy == Some(H2UpgradePolicy::Upgrade) && http.use_client_protocol == Some(true)
        {
            let message = "`useClientProtocol` beside h2UpgradePolicy UPGRADE";
            report.refuse_key(&format!("{path}.useClientProtocol"), message, "keep one of them");
        }
        if let Some(ping) = &http.http2_keep_alive {
            report.duration(&format!("{path}.http2KeepAlive.interval"), ping.interval);
            report.duration(&format!("{path}.http2KeepAlive.timeout"), ping.timeout);
        }
    }
    if let Some(tcp) = &pool.tcp {
        let path = format!("{path}.tcp");
        report.not_negative(&format!("{path}.maxConnections"), tcp.max_connections);
        report.duration(&format!("{path}.connectTimeout"), tcp.connect_timeout);
        report.duration(&format!("{path}.maxConnectionDuration"), tcp.max_connection_duration);
        // Here alone 0s is legal, and means that there is no bound.
        report.duration(&format!("{path}.idleTimeout"), tcp.idle_timeout.filter(|t| !t.0.is_zero()));
        if let Some(keepalive) = &tcp.tcp_keepalive {
            report.duration(&format!("{path}.tcpKeepalive.time"), keepalive.time);
            report.duration(&format!("{path}.tcpKeepalive.interval"), keepalive.interval);
        }
    }
}

pub(super) fn outlier_detection(outlier: Option<&OutlierDetection>, path: &str, report: &mut Report<'_>) {
    let Some(outlier) = outlier else { return };
    report.duration(&format!("{path}.interval"), outlier.interval);
    report.duration(&format!("{path}.baseEjectionTime"), outlier.base_ejection_time);
    report.whole_percent(&format!("{path}.maxEjectionPercent"), outlier.max_ejection_percent.map(i64::from));
    report.whole_percent(&format!("{path}.minHealthPercent"), outlier.min_health_percent.map(i64::from));
    let deprecated = format!("{path}.consecutiveErrors");
    report.not_negative(&deprecated, outlier.consecutive_errors);
    if outlier.consecutive_errors.is_some_and(|n| n > 0) {
        let help = "write consecutiveGatewayErrors or consecutive5xxErrors";
        report.deprecated(&deprecated, "`consecutiveErrors` is deprecated", help);
    }
    let split = outlier.split_external_local_origin_errors == Some(true);
    if outlier.consecutive_local_origin_failures.is_some_and(|n| n > 0) && !split {
        let help = "write splitExternalLocalOriginErrors: true";
        report.refuse(
            &format!("{path}.consecutiveLocalOriginFailures"),
            "failures to connect are not counted apart",
            help,
        );
    }
    let gateway = outlier.consecutive_gateway_errors.filter(|n| *n > 0);
    let all = outlier.consecutive_5xx_errors.filter(|n| *n > 0);
    if let (Some(gateway), Some(all)) = (gateway, all)
        && gateway >= all
    {
        let message = format!("never reached: consecutive5xxErrors takes the endpoint out after {all}");
        let help = "gateway errors are among the 5xx: write a smaller number, or leave it out";
        report.warn(&format!("{path}.consecutiveGatewayErrors"), message, help);
    }
    for (i, status) in outlier.outlier_detection_http_error_codes.iter().enumerate() {
        if !(100..=599).contains(status) {
            let message = format!("{status} is not an HTTP status");
            let path = format!("{path}.outlierDetectionHttpErrorCodes[{i}]");
            report.refuse(&path, message, "a status is between 100 and 599");
        }
    }
}
