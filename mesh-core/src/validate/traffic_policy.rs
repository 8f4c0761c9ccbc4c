//! Traffic policies: of a host, of a subset, of a port.

use super::report::Report;
use crate::api::networking::destination_rule::{
    ClientTls, ConnectionPool, ConsistentHash, H2UpgradePolicy, LoadBalancer, LocalityLbSetting,
    OutlierDetection, TlsMode, TrafficPolicy,
};
use crate::hostname::Hostname;
use std::net::IpAddr;

pub(super) fn check(policy: Option<&TrafficPolicy>, path: &str, report: &mut Report<'_>) {
    let Some(policy) = policy else { return };
    if *policy == TrafficPolicy::default() {
        report.refuse(path, "a traffic policy that says nothing", "write at least one of its fields");
    }
    parts(
        policy.load_balancer.as_ref(),
        policy.connection_pool.as_ref(),
        policy.outlier_detection.as_ref(),
        policy.tls.as_ref(),
        path,
        report,
    );
    for (i, port) in policy.port_level_settings.iter().enumerate() {
        let path = format!("{path}.portLevelSettings[{i}]");
        if port.port.is_none() {
            report.refuse(&path, "the port is missing", "write port.number");
        }
        let (balancer, pool) = (port.load_balancer.as_ref(), port.connection_pool.as_ref());
        let (outlier, tls) = (port.outlier_detection.as_ref(), port.tls.as_ref());
        if balancer.is_none() && pool.is_none() && outlier.is_none() && tls.is_none() {
            report.refuse(&path, "settings of a port that say nothing", "write at least one of its fields");
        }
        parts(balancer, pool, outlier, tls, &path, report);
    }
    if policy.tunnel.is_some() && policy.proxy_protocol.is_some() {
        report.refuse(&format!("{path}.tunnel"), "`tunnel` beside `proxyProtocol`", "keep one of them");
    }
    if let Some(tunnel) = &policy.tunnel {
        let path = format!("{path}.tunnel");
        if !matches!(tunnel.protocol.as_str(), "" | "CONNECT" | "POST") {
            let message = format!("{:?} is not a protocol of tunnels", tunnel.protocol);
            report.refuse(&format!("{path}.protocol"), message, "write CONNECT or POST");
        }
        let host = &tunnel.target_host;
        let is_name = host.parse::<Hostname>().is_ok_and(|h| !h.is_wildcard());
        if !is_name && host.parse::<IpAddr>().is_err() {
            report.refuse(
                &format!("{path}.targetHost"),
                format!("{host:?} is not a host"),
                "a name or an address",
            );
        }
    }
    let version = policy.proxy_protocol.as_ref().map_or("", |p| p.version.as_str());
    if !matches!(version, "" | "V1" | "V2") {
        let message = format!("{version:?} is not a version of the PROXY protocol");
        report.refuse(&format!("{path}.proxyProtocol.version"), message, "write V1 or V2");
    }
    if let Some(budget) = &policy.retry_budget {
        report.percent(&format!("{path}.retryBudget.percent"), budget.percent);
        report.duration(&format!("{path}.retryBudget.budgetInterval"), budget.budget_interval);
    }
}

fn parts(
    balancer: Option<&LoadBalancer>,
    pool: Option<&ConnectionPool>,
    outlier: Option<&OutlierDetection>,
    tls: Option<&ClientTls>,
    path: &str,
    report: &mut Report<'_>,
) {
    load_balancer(balancer, outlier, &format!("{path}.loadBalancer"), report);
    connection_pool(pool, &format!("{path}.connectionPool"), report);
    outlier_detection(outlier, &format!("{path}.outlierDetection"), report);
    client_tls(tls, &format!("{path}.tls"), report);
}

fn load_balancer(
    balancer: Option<&LoadBalancer>,
    outlier: Option<&OutlierDetection>,
    path: &str,
    report: &mut Report<'_>,
) {
    let Some(balancer) = balancer else { return };
    if balancer.simple.is_some() && balancer.consistent_hash.is_some() {
        report.refuse(path, "`simple` beside `consistentHash`", "keep one of them");
    }
    if let Some(hash) = &balancer.consistent_hash {
        consistent_hash(hash, &format!("{path}.consistentHash"), report);
    }
    if let Some(setting) = &balancer.locality_lb_setting {
        locality(setting, outlier.is_some(), &format!("{path}.localityLbSetting"), report);
    }
    if let Some(warmup) = &balancer.warmup {
        let path = format!("{path}.warmup");
        match warmup.duration {
            None => report.refuse(&path, "the duration is missing", "write duration"),
            some => report.duration(&format!("{path}.duration"), some),
        }
        if warmup.minimum_percent.is_some_and(|p| !(0.0..=100.0).contains(&p)) {
            report.refuse(&format!("{path}.minimumPercent"), "not a percentage", "between 0 and 100");
        }
        if warmup.aggression.is_some_and(|a| a < 1.0) {
            report.refuse(
                &format!("{path}.aggression"),
                "below 1",
                "1 is a straight line; more starts faster",
            );
        }
    }
    report.duration(&format!("{path}.warmupDurationSecs"), balancer.warmup_duration_secs);
}

fn consistent_hash(hash: &ConsistentHash, path: &str, report: &mut Report<'_>) {
    let keys = [
        hash.http_header_name.is_some(),
        hash.http_cookie.is_some(),
        hash.use_source_ip.is_some(),
        hash.http_query_parameter_name.is_some(),
    ];
    match keys.iter().filter(|is| **is).count() {
        0 | 1 => {}
        _ => report.refuse(
            path,
            "more than one thing to hash",
            "keep one of header, cookie, source and parameter",
        ),
    }
    if hash.http_cookie.as_ref().is_some_and(|c| c.name.is_empty()) {
        report.refuse(&format!("{path}.httpCookie.name"), "the cookie's name is missing", "write name");
    }
    if hash.ring_hash.is_some() && hash.maglev.is_some() {
        report.refuse(path, "`ringHash` beside `maglev`", "keep one of them");
    }
    if hash.minimum_ring_size.is_some() && (hash.ring_hash.is_some() || hash.maglev.is_some()) {
        report.refuse(
            &format!("{path}.minimumRingSize"),
            "beside ringHash or maglev",
            "write ringHash.minimumRingSize",
        );
    }
    let size = hash.maglev.as_ref().and_then(|m| m.table_size);
    if let Some(size) = size.filter(|n| *n >= 5_000_011 || !is_prime(*n)) {
        let message = format!("{size} is not the size of a table");
        report.refuse(&format!("{path}.maglev.tableSize"), message, "a prime below 5000011, such as 65537");
    }
}

fn is_prime(n: u64) -> bool {
    n >= 2 && (2..).take_while(|f| f * f <= n).all(|f| !n.is_multiple_of(f))
}

pub(super) fn locality(setting: &LocalityLbSetting, has_outlier: bool, path: &str, report: &mut Report<'_>) {
    let fails_over = !setting.failover.is_empty() || !setting.failover_priority.is_empty();
    if !setting.distribute.is_empty() && fails_over {
        report.refuse(path, "`distribute` beside failover", "keep one of them");
    }
    for (i, shares) in setting.distribute.iter().enumerate() {
        let sum: u64 = shares.to.values().map(|v| u64::from(*v)).sum();
        if sum != 100 {
            let message = format!("the shares of {:?} sum to {sum}", shares.from);
            report.refuse(&format!("{path}.distribute[{i}].to"), message, "they must sum to 100");
        }
    }
    for (i, next) in setting.failover.iter().enumerate().filter(|(_, f)| f.from == f.to) {
        let message = format!("from {:?} to itself", next.from);
        report.refuse(&format!("{path}.failover[{i}]"), message, "name another region");
    }
    if fails_over && !has_outlier {
        let help = "add outlierDetection beside loadBalancer";
        report.warn(path, "failover needs to know which endpoints fail", help);
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
            report.refuse(&format!("{path}.useClientProtocol"), message, "keep one of them");
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
    report.not_negative(&format!("{path}.consecutiveErrors"), outlier.consecutive_errors);
    let split = outlier.split_external_local_origin_errors == Some(true);
    if outlier.consecutive_local_origin_failures.is_some_and(|n| n > 0) && !split {
        let help = "write splitExternalLocalOriginErrors: true";
        report.refuse(
            &format!("{path}.consecutiveLocalOriginFailures"),
            "failures to connect are not counted apart",
            help,
        );
    }
}

pub(super) fn client_tls(tls: Option<&ClientTls>, path: &str, report: &mut Report<'_>) {
    let Some(tls) = tls else { return };
    let files = [
        ("clientCertificate", &tls.client_certificate),
        ("privateKey", &tls.private_key),
        ("caCertificates", &tls.ca_certificates),
    ];
    if tls.mode == TlsMode::IstioMutual {
        for (field, _) in
            files.iter().chain(&[("credentialName", &tls.credential_name)]).filter(|(_, v)| !v.is_empty())
        {
            let message = format!("`{field}` under ISTIO_MUTUAL");
            report.refuse(
                &format!("{path}.{field}"),
                message,
                "the mesh has its own certificates; or write MUTUAL",
            );
        }
    }
    if !tls.credential_name.is_empty() && files.iter().any(|(_, v)| !v.is_empty()) {
        report.refuse(&format!("{path}.credentialName"), "files beside a credential", "keep one of them");
    }
    if tls.mode == TlsMode::Mutual && tls.credential_name.is_empty() {
        for (field, value) in files.iter().take(2) {
            if value.is_empty() {
                let help = "write clientCertificate and privateKey, or credentialName";
                report.refuse(path, format!("MUTUAL without `{field}`"), help);
            }
        }
    }
}
