//! VirtualService: exactly one action per rule, and every part of it possible.

mod resilience;
mod rewrite;

use super::report::{Report, is_label};
use crate::api::networking::VirtualService;
use crate::api::networking::virtual_service::{Destination, HttpMatch, HttpRoute, RouteDestination};
use crate::hostname::Hostname;
use http::HeaderName;
use resilience::{inject, retry};
use rewrite::{cors, direct_response, headers, redirect, rewrite};
use std::net::IpAddr;

pub(super) fn check(spec: &VirtualService, report: &mut Report<'_>) {
    let is_delegate = spec.hosts.is_empty();
    let on_mesh = spec.gateways.is_empty() || spec.gateways.iter().any(|g| g == "mesh");
    if is_delegate {
        let refused = [
            ("gateways", spec.gateways.is_empty()),
            ("tls", spec.tls.is_empty()),
            ("tcp", spec.tcp.is_empty()),
        ];
        for (field, _) in refused.iter().filter(|(_, empty)| !empty) {
            let path = format!("spec.{field}");
            report.refuse(&path, format!("`{field}` without `hosts`"), "name the hosts that it is for");
        }
    }
    hosts(spec, on_mesh, report);
    report.gateways("spec.gateways", &spec.gateways);
    if spec.http.is_empty() && spec.tls.is_empty() && spec.tcp.is_empty() {
        report.refuse("spec", "no rule: http, tls and tcp are all empty", "write at least one rule");
    }
    for (i, rule) in spec.http.iter().enumerate() {
        http(rule, &format!("spec.http[{i}]"), is_delegate, on_mesh, report);
    }
    unreachable(&spec.http, report);
    for (i, rule) in spec.tls.iter().enumerate() {
        let path = format!("spec.tls[{i}]");
        if rule.r#match.is_empty() {
            report.refuse(&path, "a TLS rule without a match", "write match with sniHosts");
        }
        for (m, wanted) in rule.r#match.iter().enumerate() {
            let path = format!("{path}.match[{m}]");
            sni_hosts(&wanted.sni_hosts, &spec.hosts, &format!("{path}.sniHosts"), report);
            subnets(&wanted.destination_subnets, &format!("{path}.destinationSubnets"), report);
            report.gateways(&format!("{path}.gateways"), &wanted.gateways);
        }
        routes(&rule.route, &path, report);
    }
    for (i, rule) in spec.tcp.iter().enumerate() {
        let path = format!("spec.tcp[{i}]");
        for (m, wanted) in rule.r#match.iter().enumerate() {
            let path = format!("{path}.match[{m}]");
            subnets(&wanted.destination_subnets, &format!("{path}.destinationSubnets"), report);
            if !wanted.source_subnet.is_empty() {
                report.network(&format!("{path}.sourceSubnet"), &wanted.source_subnet);
            }
            report.gateways(&format!("{path}.gateways"), &wanted.gateways);
        }
        routes(&rule.route, &path, report);
    }
    report.export_to(&spec.export_to, false);
}

fn hosts(spec: &VirtualService, on_mesh: bool, report: &mut Report<'_>) {
    let mut known: Vec<Hostname> = Vec::new();
    for (i, text) in spec.hosts.iter().enumerate() {
        let path = format!("spec.hosts[{i}]");
        if text.parse::<IpAddr>().is_ok() {
            continue;
        }
        let Some(host) = report.host(&path, text) else { continue };
        if host.as_str() == "*" && on_mesh {
            let help = "name the hosts, or bind the VirtualService to a gateway only";
            report.refuse(&path, "host `*` for sidecars", help);
        }
        if let Some(other) = known.iter().find(|other| other.overlaps(&host)) {
            report.refuse(&path, format!("`{host}` and `{other}` are the same hosts"), "keep one of them");
        }
        known.push(host);
    }
}

/// A rule after one that matches everything is never reached.
fn unreachable(rules: &[HttpRoute], report: &mut Report<'_>) {
    let Some(first) = rules.iter().position(|r| r.r#match.is_empty()) else { return };
    for i in first + 1..rules.len() {
        let message = format!("never reached: rule {first} before it matches every request");
        report.warn(&format!("spec.http[{i}]"), message, "write the rule without a match last");
    }
}

fn http(rule: &HttpRoute, path: &str, is_delegate: bool, on_mesh: bool, report: &mut Report<'_>) {
    let has_route = !rule.route.is_empty();
    let actions = [
        ("route", has_route),
        ("redirect", rule.redirect.is_some()),
        ("directResponse", rule.direct_response.is_some()),
        ("delegate", rule.delegate.is_some()),
    ];
    let written: Vec<&str> = actions.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    match written.as_slice() {
        [] => {
            report.refuse(path, "a rule without an action", "write one of route, redirect and directResponse")
        }
        [_] => {}
        [first, .., last] => {
            let message = format!("`{first}` and `{last}` in one rule");
            report.refuse(&format!("{path}.{last}"), message, "a rule has exactly one action");
        }
    }
    if is_delegate && rule.delegate.is_some() {
        let path = format!("{path}.delegate");
        report.refuse(&path, "a delegate of a delegate", "write the routes here");
    }
    for (field, is_written) in [("fault", rule.fault.is_some()), ("rewrite", rule.rewrite.is_some())] {
        if is_written && (rule.redirect.is_some() || rule.direct_response.is_some()) {
            let message = format!("`{field}` has no effect on a rule that answers by itself");
            report.refuse(&format!("{path}.{field}"), message, "leave one of them out");
        }
    }
    for (i, wanted) in rule.r#match.iter().enumerate() {
        http_match(wanted, &format!("{path}.match[{i}]"), on_mesh, report);
    }
    destinations(rule, path, report);
    report.duration(&format!("{path}.timeout"), rule.timeout);
    if let Some(retries) = &rule.retries {
        retry(retries, &format!("{path}.retries"), report);
    }
    if let Some(fault) = &rule.fault {
        inject(fault, &format!("{path}.fault"), report);
    }
    mirrors(rule, path, report);
    if let Some(redirected) = &rule.redirect {
        redirect(redirected, &format!("{path}.redirect"), report);
    }
    if let Some(response) = &rule.direct_response {
        direct_response(response, &format!("{path}.directResponse"), report);
    }
    if rule.delegate.as_ref().is_some_and(|d| d.name.is_empty()) {
        report.refuse(
            &format!("{path}.delegate.name"),
            "the delegate's name is missing",
            "name a VirtualService",
        );
    }
    if let Some(rewritten) = &rule.rewrite {
        rewrite(rewritten, &format!("{path}.rewrite"), report);
    }
    if let Some(policy) = &rule.cors_policy {
        cors(policy, &format!("{path}.corsPolicy"), report);
    }
    headers(rule.headers.as_ref(), &format!("{path}.headers"), report);
}

fn http_match(wanted: &HttpMatch, path: &str, on_mesh: bool, report: &mut Report<'_>) {
    let parts = [
        ("uri", &wanted.uri),
        ("scheme", &wanted.scheme),
        ("method", &wanted.method),
        ("authority", &wanted.authority),
    ];
    for (field, part) in parts {
        report.required_match(&format!("{path}.{field}"), part.as_ref());
    }
    for (field, all) in [("headers", &wanted.headers), ("withoutHeaders", &wanted.without_headers)] {
        let path = format!("{path}.{field}");
        report.matches(&path, all);
        for name in all.keys().filter(|n| !n.is_empty()) {
            if let Some(claim) = name.strip_prefix('@') {
                if on_mesh {
                    let message = format!("`@{claim}` is known to gateways only");
                    report.refuse(
                        &format!("{path}.{name}"),
                        message,
                        "bind the VirtualService to a gateway only",
                    );
                }
            } else if name.strip_prefix(':').unwrap_or(name).parse::<HeaderName>().is_err() {
                let message = format!("{name:?} is not the name of a header");
                report.refuse(
                    &format!("{path}.{name}"),
                    message,
                    "a header's name has letters, digits and dashes",
                );
            }
        }
    }
    report.matches(&format!("{path}.queryParams"), &wanted.query_params);
    report.gateways(&format!("{path}.gateways"), &wanted.gateways);
    if !wanted.source_namespace.is_empty() && !is_label(&wanted.source_namespace) {
        let message = format!("{:?} is not a namespace", wanted.source_namespace);
        report.refuse(&format!("{path}.sourceNamespace"), message, "name one namespace");
    }
}

fn destinations(rule: &HttpRoute, path: &str, report: &mut Report<'_>) {
    for (i, target) in rule.route.iter().enumerate() {
        let path = format!("{path}.route[{i}]");
        destination(&target.destination, &format!("{path}.destination"), report);
        headers(target.headers.as_ref(), &format!("{path}.headers"), report);
    }
    weights(rule.route.iter().map(|r| r.weight), path, report);
}

fn routes(all: &[RouteDestination], path: &str, report: &mut Report<'_>) {
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
    if count > 1 && sum == 0 {
        report.refuse(
            &format!("{path}.route"),
            "total destination weight = 0",
            "give each destination a weight",
        );
    } else if sum > u64::from(u32::MAX) {
        let message = format!("total destination weight = {sum}");
        report.refuse(&format!("{path}.route"), message, "weights sum to at most 4294967295");
    }
}

fn destination(target: &Destination, path: &str, report: &mut Report<'_>) {
    let host = format!("{path}.host");
    match target.host.as_str() {
        "*" => report.refuse(&host, "`*` is not a destination", "name the host of a service"),
        name => drop(report.host(&host, name)),
    }
    if !target.subset.is_empty() && !is_label(&target.subset) {
        let message = format!("{:?} is not the name of a subset", target.subset);
        report.refuse(&format!("{path}.subset"), message, "a name has letters, digits and dashes");
    }
}

fn mirrors(rule: &HttpRoute, path: &str, report: &mut Report<'_>) {
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
    report.whole_percent(&format!("{path}.mirrorPercent"), rule.mirror_percent.map(i64::from));
}

fn sni_hosts(names: &[String], hosts: &[String], path: &str, report: &mut Report<'_>) {
    if names.is_empty() {
        report.refuse(path, "a TLS match without a server name", "write sniHosts");
    }
    let hosts: Vec<Hostname> = hosts.iter().filter_map(|h| h.parse().ok()).collect();
    for (i, text) in names.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let Some(name) = report.host(&path, text) else { continue };
        if !hosts.iter().any(|h| h.covers(&name)) {
            report.refuse(
                &path,
                format!("`{name}` is none of the VirtualService's hosts"),
                "add it to spec.hosts",
            );
        }
    }
}

fn subnets(all: &[String], path: &str, report: &mut Report<'_>) {
    for (i, text) in all.iter().enumerate() {
        report.network(&format!("{path}[{i}]"), text);
    }
}
