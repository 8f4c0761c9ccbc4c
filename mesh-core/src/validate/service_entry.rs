//! ServiceEntry and WorkloadEntry: hosts, ports, and endpoints that fit the resolution.

use super::report::Report;
use crate::api::networking::service_entry::Resolution;
use crate::api::networking::{ServiceEntry, WorkloadEntry};
use crate::hostname::Hostname;
use std::collections::HashSet;
use std::net::IpAddr;

pub(super) fn check(spec: &ServiceEntry, report: &mut Report<'_>) {
    hosts(spec, report);
    let mut has_network = false;
    for (i, address) in spec.addresses.iter().enumerate() {
        has_network |= address.contains('/');
        report.network(&format!("spec.addresses[{i}]"), address);
    }
    if has_network && !matches!(spec.resolution, Resolution::None | Resolution::Static) {
        let help = "write single addresses, or resolution NONE or STATIC";
        report.refuse("spec.addresses", "a network is an address of STATIC and NONE only", help);
    }
    ports(spec, report);
    endpoints(spec, report);
    if let Some(selector) = &spec.workload_selector {
        report.selector("spec.workloadSelector.labels", &selector.labels);
        if selector.labels.is_empty() {
            let help = "write the labels of its workloads";
            report.warn("spec.workloadSelector", "selects every workload of the namespace", help);
        }
    }
    report.export_to(&spec.export_to, true);
}

fn hosts(spec: &ServiceEntry, report: &mut Report<'_>) {
    if spec.hosts.is_empty() {
        report.refuse("spec", "a service without hosts", "write hosts");
    }
    let path = |i: usize| format!("spec.hosts[{i}]");
    report.unique("host", spec.hosts.iter().enumerate().map(|(i, h)| (path(i), h.as_str())));
    for (i, text) in spec.hosts.iter().enumerate() {
        if text == "*" {
            report.refuse(&path(i), "`*` is not a service", "name its host, or *.example.com");
            continue;
        }
        let Some(host) = report.host(&path(i), text) else { continue };
        let by_dns = matches!(spec.resolution, Resolution::Dns | Resolution::DnsRoundRobin);
        if by_dns && host.is_wildcard() && spec.endpoints.is_empty() && spec.workload_selector.is_none() {
            let help = "list endpoints, or use resolution NONE or DYNAMIC_DNS";
            report.refuse(&path(i), format!("`{host}` cannot be resolved"), help);
        }
    }
}

fn ports(spec: &ServiceEntry, report: &mut Report<'_>) {
    let path = |i: usize, field: &str| format!("spec.ports[{i}].{field}");
    report.unique("port", spec.ports.iter().enumerate().map(|(i, p)| (path(i, "name"), p.name.as_str())));
    let mut numbers = HashSet::new();
    for (i, port) in spec.ports.iter().enumerate() {
        report.port_number(&path(i, "number"), port.number);
        if !numbers.insert(port.number) {
            let message = format!("port {} is there twice", port.number);
            report.refuse(&path(i, "number"), message, "write each port once");
        }
        if port.name.is_empty() {
            report.refuse(&path(i, "name"), "the port's name is missing", "write a name, such as http");
        }
        // Undeclared is legal here, and means that the first bytes decide.
        if !port.protocol.is_empty() {
            report.protocol(&path(i, "protocol"), &port.protocol);
        }
    }
}

fn endpoints(spec: &ServiceEntry, report: &mut Report<'_>) {
    if spec.workload_selector.is_some() && !spec.endpoints.is_empty() {
        report.refuse("spec.endpoints", "`endpoints` beside `workloadSelector`", "keep one of them");
    }
    let names: HashSet<&str> = spec.ports.iter().map(|p| p.name.as_str()).collect();
    for (i, endpoint) in spec.endpoints.iter().enumerate() {
        let path = format!("spec.endpoints[{i}]");
        workload_entry(endpoint, &path, Some(&names), report);
        if spec.resolution == Resolution::Static && is_name(&endpoint.address) {
            let message = format!("{:?} is not an IP address", endpoint.address);
            report.refuse(&format!("{path}.address"), message, "use resolution DNS to have names resolved");
        }
    }
    match spec.resolution {
        Resolution::None if !spec.endpoints.is_empty() => {
            let help = "write resolution: STATIC or DNS, or leave the endpoints out";
            report.refuse("spec.endpoints", "endpoints have no effect under resolution NONE", help);
        }
        Resolution::None if spec.workload_selector.is_some() => {
            let help = "write resolution: STATIC, or leave the selector out";
            report.warn("spec.workloadSelector", "no effect under resolution NONE", help);
        }
        Resolution::DnsRoundRobin if spec.endpoints.len() > 1 => {
            report.refuse(
                "spec.endpoints",
                "more than one endpoint under DNS_ROUND_ROBIN",
                "use resolution DNS",
            );
        }
        Resolution::DynamicDns if !spec.endpoints.is_empty() => {
            report.refuse("spec.endpoints", "endpoints under DYNAMIC_DNS", "the request names its endpoint");
        }
        _ => {}
    }
}

/// A name to be resolved. What is nothing but digits and dots was meant to be an address.
fn is_name(address: &str) -> bool {
    let is_slip = address.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    !is_slip && address.parse::<Hostname>().is_ok_and(|h| !h.is_wildcard())
}

/// A workload by itself, or an endpoint of a service whose ports have these names.
pub(super) fn workload_entry(
    entry: &WorkloadEntry,
    path: &str,
    ports: Option<&HashSet<&str>>,
    report: &mut Report<'_>,
) {
    let at = format!("{path}.address");
    let address = entry.address.as_str();
    if let Some(socket) = address.strip_prefix("unix://") {
        report.unix_path(&at, socket);
        if !entry.ports.is_empty() {
            report.refuse(&format!("{path}.ports"), "ports of a Unix socket", "leave them out");
        }
        if ports.is_some_and(|p| p.len() != 1) {
            report.refuse(&at, "a Unix socket serves one port", "declare exactly one port");
        }
    } else if address.is_empty() {
        if entry.network.is_empty() {
            report.refuse(&at, "the address is missing", "write an IP address, a name or unix:///path");
        }
    } else if address.parse::<IpAddr>().is_err() && !is_name(address) {
        let message = format!("{address:?} is neither an IP address nor a name");
        report.refuse(&at, message, "write an IP address, a name or unix:///path");
    }
    for (name, port) in &entry.ports {
        let path = format!("{path}.ports.{name}");
        if *port == 0 {
            report.refuse(&path, "0 is not a port", "a port is between 1 and 65535");
        }
        if ports.is_some_and(|known| !known.contains(name.as_str())) {
            report.refuse(&path, format!("the service has no port `{name}`"), "name one of spec.ports");
        }
    }
    report.selector(&format!("{path}.labels"), &entry.labels);
}
