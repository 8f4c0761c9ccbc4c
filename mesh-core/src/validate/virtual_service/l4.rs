//! Rules for TLS that is passed through, and for TCP.

use super::{destination, source};
use crate::api::networking::VirtualService;
use crate::api::networking::virtual_service::TlsMatch;
use crate::hostname::Hostname;
use crate::validate::hosts::HostSet;
use crate::validate::report::Report;
use std::net::IpAddr;

pub(super) fn tls(spec: &VirtualService, report: &mut Report<'_>) {
    let mut hosts = HostSet::default();
    spec.hosts.iter().filter_map(|host| host.parse().ok()).for_each(|host| hosts.insert(host));
    for (i, rule) in spec.tls.iter().enumerate() {
        let path = format!("spec.tls[{i}]");
        if rule.r#match.is_empty() {
            report.refuse(&path, "a TLS rule without a match", "write match with sniHosts");
        }
        for (m, wanted) in rule.r#match.iter().enumerate() {
            let path = format!("{path}.match[{m}]");
            sni_hosts(wanted, spec, &hosts, &format!("{path}.sniHosts"), report);
            subnets(&wanted.destination_subnets, &format!("{path}.destinationSubnets"), report);
            source(&wanted.source_labels, &wanted.source_namespace, &wanted.gateways, &path, report);
        }
        destination::connections(&rule.route, &path, report);
    }
}

pub(super) fn tcp(spec: &VirtualService, report: &mut Report<'_>) {
    for (i, rule) in spec.tcp.iter().enumerate() {
        let path = format!("spec.tcp[{i}]");
        for (m, wanted) in rule.r#match.iter().enumerate() {
            let path = format!("{path}.match[{m}]");
            subnets(&wanted.destination_subnets, &format!("{path}.destinationSubnets"), report);
            if !wanted.source_subnet.is_empty() {
                report.network(&format!("{path}.sourceSubnet"), &wanted.source_subnet);
            }
            source(&wanted.source_labels, &wanted.source_namespace, &wanted.gateways, &path, report);
        }
        destination::connections(&rule.route, &path, report);
    }
}

fn sni_hosts(wanted: &TlsMatch, spec: &VirtualService, hosts: &HostSet, path: &str, report: &mut Report<'_>) {
    if wanted.sni_hosts.is_empty() {
        report.refuse(path, "a TLS match without a server name", "write sniHosts");
    }
    // Istio takes no gateways at all for gateways here, unlike everywhere else.
    let on_gateways = !spec.gateways.iter().any(|g| g == "mesh");
    for (i, text) in wanted.sni_hosts.iter().enumerate() {
        let path = format!("{path}[{i}]");
        if text.parse::<IpAddr>().is_ok() {
            report.warn(&path, "a server name is not an address", "clients do not send it: name a host");
            continue;
        }
        let read = if on_gateways { server_name(&path, text, report) } else { report.dns_host(&path, text) };
        let Some(name) = read else { continue };
        if hosts.covering(&name).is_none() {
            let message = format!("`{name}` is none of the VirtualService's hosts");
            report.refuse(&path, message, "add it to spec.hosts");
        }
    }
}

/// A host, or the server name of a cluster as proxies send it between gateways:
/// `outbound_.80_.v1_.reviews.default.svc.cluster.local`.
pub(super) fn server_name(path: &str, text: &str, report: &mut Report<'_>) -> Option<Hostname> {
    let Some(cluster) = text.strip_prefix("outbound_") else { return report.dns_host(path, text) };
    let mut parts = cluster.splitn(3, '_').map(|part| part.trim_matches('.'));
    let port = parts.next().and_then(|port| port.parse::<u16>().ok());
    let _subset = parts.next();
    let host = parts.next().filter(|host| host.starts_with(|c: char| c.is_ascii_alphabetic()));
    if port.is_none() || host.is_none() {
        let message = format!("{text:?} is not the server name of a cluster");
        report.refuse(path, message, "write outbound_.PORT_.SUBSET_.HOST");
        return None;
    }
    text.parse().ok()
}

fn subnets(all: &[String], path: &str, report: &mut Report<'_>) {
    for (i, text) in all.iter().enumerate() {
        report.network(&format!("{path}[{i}]"), text);
    }
}
