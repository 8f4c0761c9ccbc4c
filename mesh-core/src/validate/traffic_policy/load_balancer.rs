//! How an endpoint is chosen: hashes, localities, zones, slow starts.

use crate::api::networking::destination_rule::{
    ConsistentHash, Distribute, Failover, LoadBalancer, LocalityLbSetting, Warmup, ZoneAwareLbSetting,
};
use crate::validate::report::Report;
use http::HeaderName;
use std::collections::HashMap;

/// Envoy admits no larger ring.
const MAX_RING: u64 = 8_388_608;
/// Nor a larger table than this, less one.
const MAX_TABLE: u64 = 5_000_011;

pub(super) fn check(balancer: &LoadBalancer, has_outlier: bool, path: &str, report: &mut Report<'_>) {
    if balancer.simple.is_some() && balancer.consistent_hash.is_some() {
        report.refuse(path, "`simple` beside `consistentHash`", "keep one of them");
    }
    if let Some(hash) = &balancer.consistent_hash {
        consistent_hash(hash, &format!("{path}.consistentHash"), report);
    }
    if let Some(setting) = &balancer.locality_lb_setting {
        locality(setting, has_outlier, &format!("{path}.localityLbSetting"), report);
    }
    if let Some(setting) = &balancer.zone_aware_lb_setting {
        let path = format!("{path}.zoneAwareLbSetting");
        if balancer.locality_lb_setting.is_some() {
            report.refuse(&path, "`zoneAwareLbSetting` beside `localityLbSetting`", "keep one of them");
        }
        zones(setting, has_outlier, &path, report);
    }
    if let Some(settings) = &balancer.warmup {
        warmup(settings, &format!("{path}.warmup"), report);
    }
    let old = format!("{path}.warmupDurationSecs");
    report.duration(&old, balancer.warmup_duration_secs);
    if balancer.warmup_duration_secs.is_some() && balancer.warmup.is_some() {
        report.warn_key(&old, "`warmupDurationSecs` has no effect beside `warmup`", "leave it out");
    }
}

fn warmup(warmup: &Warmup, path: &str, report: &mut Report<'_>) {
    match warmup.duration {
        None => report.refuse(path, "the duration is missing", "write duration"),
        some => report.duration(&format!("{path}.duration"), some),
    }
    report.share(&format!("{path}.minimumPercent"), warmup.minimum_percent);
    if let Some(aggression) = warmup.aggression.filter(|a| *a < 1.0 || a.is_nan()) {
        let message = format!("{aggression} is below 1");
        report.refuse(&format!("{path}.aggression"), message, "1 is a straight line; more starts faster");
    }
}

fn consistent_hash(hash: &ConsistentHash, path: &str, report: &mut Report<'_>) {
    let keys = [
        ("httpHeaderName", hash.http_header_name.is_some()),
        ("httpCookie", hash.http_cookie.is_some()),
        ("useSourceIp", hash.use_source_ip.is_some()),
        ("httpQueryParameterName", hash.http_query_parameter_name.is_some()),
    ];
    let written: Vec<&str> = keys.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    if let [first, .., last] = written.as_slice() {
        let message = format!("`{first}` and `{last}` in one hash");
        report.refuse_key(&format!("{path}.{last}"), message, "keep one of them");
    }
    if let Some(name) = hash.http_header_name.as_ref().filter(|n| n.parse::<HeaderName>().is_err()) {
        let message = format!("{name:?} is not the name of a header");
        let help = "a header's name has letters, digits and dashes";
        report.refuse(&format!("{path}.httpHeaderName"), message, help);
    }
    if hash.http_query_parameter_name.as_ref().is_some_and(String::is_empty) {
        let path = format!("{path}.httpQueryParameterName");
        report.refuse(&path, "the parameter's name is missing", "name a query parameter");
    }
    if let Some(cookie) = &hash.http_cookie {
        let path = format!("{path}.httpCookie");
        if cookie.name.is_empty() {
            report.refuse(&format!("{path}.name"), "the cookie's name is missing", "write name");
        }
        for (i, _) in cookie.attributes.iter().enumerate().filter(|(_, a)| a.name.is_empty()) {
            let path = format!("{path}.attributes[{i}].name");
            report.refuse(&path, "the attribute's name is missing", "write name, such as SameSite");
        }
    }
    if hash.ring_hash.is_some() && hash.maglev.is_some() {
        report.refuse(path, "`ringHash` beside `maglev`", "keep one of them");
    }
    let old = format!("{path}.minimumRingSize");
    if let Some(size) = hash.minimum_ring_size.filter(|size| *size > 0) {
        if hash.ring_hash.is_some() || hash.maglev.is_some() {
            let message = "`minimumRingSize` beside `ringHash` or `maglev`";
            report.refuse_key(&old, message, "write ringHash.minimumRingSize");
        } else {
            let help = format!("write ringHash: {{minimumRingSize: {size}}}");
            report.deprecated(&old, "`minimumRingSize` is deprecated here", help);
        }
    }
    let ring = hash.ring_hash.and_then(|r| r.minimum_ring_size);
    let sizes = [(format!("{path}.ringHash.minimumRingSize"), ring), (old, hash.minimum_ring_size)];
    for (path, size) in sizes.iter().filter(|(_, size)| size.is_some_and(|n| n > MAX_RING)) {
        let message = format!("{} entries", size.unwrap_or_default());
        report.refuse(path, message, "a ring has at most 8388608");
    }
    if let Some(maglev) = hash.maglev {
        table(maglev.table_size, path, report);
    }
}

fn table(size: Option<u64>, path: &str, report: &mut Report<'_>) {
    let help = "write a prime below 5000011, such as 65537";
    match size.filter(|n| *n > 0) {
        None => report.refuse(&format!("{path}.maglev"), "a table without a size", help),
        Some(size) if size >= MAX_TABLE || !is_prime(size) => {
            let message = format!("{size} is not the size of a table");
            report.refuse(&format!("{path}.maglev.tableSize"), message, help);
        }
        Some(_) => {}
    }
}

fn is_prime(n: u64) -> bool {
    n >= 2 && (2..).take_while(|f| f * f <= n).all(|f| !n.is_multiple_of(f))
}

pub(in crate::validate) fn locality(
    setting: &LocalityLbSetting,
    has_outlier: bool,
    path: &str,
    report: &mut Report<'_>,
) {
    if !setting.distribute.is_empty() && !setting.failover.is_empty() {
        report.refuse(path, "`distribute` beside `failover`", "keep one of them");
    }
    if !setting.distribute.is_empty() && !setting.failover_priority.is_empty() {
        let message = "`failoverPriority` has no effect beside `distribute`";
        report.warn(&format!("{path}.failoverPriority"), message, "keep one of them");
    }
    if !setting.failover.is_empty() {
        let why = "beside failover, which sorts regions itself";
        topology(&setting.failover_priority, why, path, report);
    }
    distribute(&setting.distribute, path, report);
    failover(&setting.failover, &setting.failover_priority, has_outlier, path, report);
}

pub(in crate::validate) fn zones(
    setting: &ZoneAwareLbSetting,
    has_outlier: bool,
    path: &str,
    report: &mut Report<'_>,
) {
    let why = "where regions and zones are sorted in any case";
    topology(&setting.failover_priority, why, path, report);
    failover(&setting.failover, &setting.failover_priority, has_outlier, path, report);
}

/// Labels of regions and zones, where something else sorts by them.
fn topology(labels: &[String], why: &str, path: &str, report: &mut Report<'_>) {
    const TOPOLOGY: [&str; 3] =
        ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];
    for (i, label) in labels.iter().enumerate().filter(|(_, label)| TOPOLOGY.contains(&label.as_str())) {
        let path = format!("{path}.failoverPriority[{i}]");
        report.refuse(&path, format!("`{label}` {why}"), "leave the label out");
    }
}

fn failover(
    regions: &[Failover],
    priority: &[String],
    has_outlier: bool,
    path: &str,
    report: &mut Report<'_>,
) {
    for (i, next) in regions.iter().enumerate() {
        let path = format!("{path}.failover[{i}]");
        if next.from == next.to {
            let message = format!("from {:?} to itself", next.from);
            report.refuse(&path, message, "name another region");
        }
        for (field, region) in [("from", &next.from), ("to", &next.to)] {
            if region.contains(['/', '*']) {
                let message = format!("{region:?} is not a region");
                let help = "regions alone fail over, without zone or wildcard; zones do so by themselves";
                report.refuse(&format!("{path}.{field}"), message, help);
            }
        }
    }
    if (!regions.is_empty() || !priority.is_empty()) && !has_outlier {
        let help = "add outlierDetection beside loadBalancer";
        report.warn(path, "failover needs to know which endpoints fail", help);
    }
}

fn distribute(all: &[Distribute], path: &str, report: &mut Report<'_>) {
    let from = all.iter().enumerate().map(|(i, d)| (format!("{path}.distribute[{i}].from"), d.from.as_str()));
    localities(from, report);
    for (i, shares) in all.iter().enumerate() {
        let path = format!("{path}.distribute[{i}].to");
        localities(shares.to.keys().map(|to| (format!("{path}.{to}"), to.as_str())), report);
        for (to, share) in shares.to.iter().filter(|(_, share)| !(1..=100).contains(*share)) {
            let message = format!("{share} is not a share");
            report.refuse(&format!("{path}.{to}"), message, "from 1 to 100; leave out what gets nothing");
        }
        let sum: u64 = shares.to.values().map(|v| u64::from(*v)).sum();
        if sum != 100 {
            let message = format!("the shares of {:?} sum to {sum}", shares.from);
            report.refuse(&path, message, "they must sum to 100");
        }
    }
}

/// Localities of one list: each `region/zone/subzone` with a wildcard at the end alone, none within another.
fn localities<'s>(all: impl Iterator<Item = (String, &'s str)>, report: &mut Report<'_>) {
    // Of a share the locality is the name, elsewhere the value.
    let refuse =
        |path: &str, message: String, help: &str, report: &mut Report<'_>| match path.ends_with(".from") {
            true => report.refuse(path, message, help),
            false => report.refuse_key(path, message, help),
        };
    let mut known = Localities::default();
    for (path, locality) in all {
        let parts: Vec<&str> = locality.splitn(3, '/').collect();
        let star_at_end = locality.find('*').is_none_or(|at| at + 1 == locality.len());
        if parts.iter().any(|part| part.is_empty()) {
            let message = format!("{locality:?} has an empty part");
            refuse(&path, message, "write region, region/zone or region/zone/subzone", report);
        } else if !star_at_end {
            let message = format!("{locality:?} has a wildcard that is not at its end");
            refuse(&path, message, "such as us-west/*", report);
        } else if let Some(other) = known.overlapping(&parts) {
            let message = format!("{locality:?} and {other:?} have localities in common");
            refuse(&path, message, "keep one of them", report);
        } else {
            known.insert(locality, &parts);
        }
    }
}

/// Localities by their parts, in which those that have something in common with another are found without a look at
/// each: one then lies in the other, since what is not written stands for all.
#[derive(Default)]
struct Localities<'s> {
    whole: HashMap<Vec<&'s str>, &'s str>,
    /// By the beginnings of their parts.
    within: HashMap<Vec<&'s str>, &'s str>,
}

impl<'s> Localities<'s> {
    fn insert(&mut self, locality: &'s str, parts: &[&'s str]) {
        let parts = written(parts);
        self.whole.entry(parts.to_vec()).or_insert(locality);
        for (count, _) in parts.iter().enumerate() {
            self.within.entry(parts.iter().take(count).copied().collect()).or_insert(locality);
        }
    }

    fn overlapping(&self, parts: &[&'s str]) -> Option<&'s str> {
        let parts = written(parts);
        let wider = (0..=parts.len()).find_map(|count| self.whole.get(parts.get(..count)?));
        wider.or_else(|| self.within.get(parts)).copied()
    }
}

/// Without the wildcard at the end, which stands for what is not written.
fn written<'p, 's>(parts: &'p [&'s str]) -> &'p [&'s str] {
    parts.strip_suffix(&["*"]).unwrap_or(parts)
}
