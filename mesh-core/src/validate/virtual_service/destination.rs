//! Where a rule sends requests and connections: destinations, weights, mirrors.

use super::rewrite::headers;
use crate::api::networking::virtual_service::{Destination, HttpRoute, RouteDestination};
use crate::validate::report::{Report, is_label};

pub(super) fn http(rule: &HttpRoute, path: &str, report: &mut Report<'_>) {
    for (i, target) in rule.route.iter().enumerate() {
        let path = format!("{path}.route[{i}]");
        destination(&target.destination, &format!("{path}.destination"), report);
        headers(target.headers.as_ref(), &format!("{path}.headers"), report);
    }
    weights(rule.route.iter().map(|r| r.weight), path, report);
}

pub(super) fn connections(all: &[RouteDestination], path: &str, report: &mut Report<'_>) {
    if all.is_empty() {
        report.refuse(path, "a rule without a route", "write route with a destination");
    }
    for (i, target) in all.iter().enumerate() {
        destination(&target.destination, &format!("{path}.route[{i}].destination"), report);
    }
    weights(all.iter().map(|r| r.weight), path, report);
}

/// A single destination takes all; of several, at least one must have a share.
fn weights(all: impl ExactSizeIterator<Item = Option<u32>>, path: &str, report: &mut Report<'_>) {
    let count = all.len();
    let sum: u64 = all.map(|w| u64::from(w.unwrap_or(0))).sum();
    let path = format!("{path}.route");
    if count > 1 && sum == 0 {
        report.refuse(&path, "total destination weight = 0", "give each destination a weight");
    } else if sum > u64::from(u32::MAX) {
        let message = format!("total destination weight = {sum}");
        report.refuse(&path, message, "weights sum to at most 4294967295");
    }
}

fn destination(target: &Destination, path: &str, report: &mut Report<'_>) {
    let host = format!("{path}.host");
    match target.host.as_str() {
        "*" => report.refuse(&host, "`*` is not a destination", "name the host of a service"),
        name => drop(report.dns_host(&host, name)),
    }
    if !target.subset.is_empty() && !is_label(&target.subset) {
        let message = format!("{:?} is not the name of a subset", target.subset);
        report.refuse(&format!("{path}.subset"), message, "a name has letters, digits and dashes");
    }
}

pub(super) fn mirrors(rule: &HttpRoute, path: &str, report: &mut Report<'_>) {
    if let Some(mirror) = &rule.mirror {
        destination(mirror, &format!("{path}.mirror"), report);
    }
    if rule.mirror.is_some() && !rule.mirrors.is_empty() {
        report.refuse(&format!("{path}.mirrors"), "`mirror` beside `mirrors`", "keep `mirrors`");
    }
    for (i, mirror) in rule.mirrors.iter().enumerate() {
        let path = format!("{path}.mirrors[{i}]");
        destination(&mirror.destination, &format!("{path}.destination"), report);
        report.percent(&format!("{path}.percentage"), mirror.percentage);
    }
    report.percent(&format!("{path}.mirrorPercentage"), rule.mirror_percentage);
    let old = [("mirrorPercent", rule.mirror_percent), ("mirror_percent", rule.mirror_percent_snake_case)];
    for (field, value) in old {
        let Some(percent) = value else { continue };
        let path = format!("{path}.{field}");
        report.whole_percent(&path, Some(i64::from(percent)));
        if percent <= 100 {
            let help = format!("write mirrorPercentage: {{value: {percent}}}");
            report.deprecated(&path, format!("`{field}` is deprecated"), help);
        }
    }
}
