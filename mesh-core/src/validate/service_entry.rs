//! ServiceEntry: hosts, ports, and endpoints that fit the resolution.
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | a host like `*shop.example.com` | warned of | refused | no proxy matches a part of a label; it would never be called |
//! | a host that is there twice | accepted | warned of | the second says nothing |
//! | endpoints under DYNAMIC_DNS | accepted, no effect | refused | calls would go elsewhere than is written |
//! | `addresses` that are there twice | accepted | warned of | the second says nothing |

use super::names::{fqdn_error, is_ip, wildcard_error};
use super::report::Report;
use super::workload::{self, Address};
use crate::api::networking::ServiceEntry;
use crate::api::networking::service_entry::Resolution;
use crate::registry::Protocol;
use std::collections::HashSet;

pub(super) fn check(spec: &ServiceEntry, report: &mut Report<'_>) {
    if let Some(selector) = &spec.workload_selector {
        let help = "write the labels of its workloads";
        report.workload_labels("spec.workloadSelector", &selector.labels, help);
    }
    hosts(spec, report);
    addresses(spec, report);
    ports(spec, report);
    endpoints(spec, report);
    of_resolution(spec, report);
    told_apart(spec, report);
    report.export_to(&spec.export_to, true);
}

fn hosts(spec: &ServiceEntry, report: &mut Report<'_>) {
    if spec.hosts.is_empty() {
        report.refuse("spec", "a service without hosts", "write hosts");
    }
    report.at_most("spec.hosts", spec.hosts.len(), 256, "host");
    let mut seen = HashSet::new();
    for (i, host) in spec.hosts.iter().enumerate() {
        let path = format!("spec.hosts[{i}]");
        if !seen.insert(host.as_str()) {
            report.warn(&path, format!("host `{host}` is there twice"), "leave it out");
        }
        if host == "*" {
            report.refuse(&path, "`*` is not a service", "name its host, or *.example.com");
        } else if let Some(error) = wildcard_error(host) {
            let help = "a host is a name such as api.example.com or *.example.com";
            report.refuse(&path, format!("{host:?} is not a host: {error}"), help);
        } else if by_dns(spec.resolution) && spec.endpoints.is_empty() && fqdn_error(host).is_some() {
            let help = "list endpoints, or use resolution NONE or DYNAMIC_DNS";
            report.refuse(&path, format!("`{host}` cannot be resolved"), help);
        }
    }
}

fn by_dns(resolution: Resolution) -> bool {
    matches!(resolution, Resolution::Dns | Resolution::DnsRoundRobin)
}

fn addresses(spec: &ServiceEntry, report: &mut Report<'_>) {
    report.at_most("spec.addresses", spec.addresses.len(), 256, "address");
    let takes_networks = matches!(spec.resolution, Resolution::None | Resolution::Static);
    let mut seen = HashSet::new();
    for (i, address) in spec.addresses.iter().enumerate() {
        let path = format!("spec.addresses[{i}]");
        report.network(&path, address);
        if address.contains('/') && !takes_networks {
            let help = "write single addresses, or resolution NONE or STATIC";
            report.refuse(&path, "a network is an address of STATIC and NONE only", help);
        }
        if !seen.insert(address.as_str()) {
            report.warn(&path, format!("address {address} is there twice"), "leave it out");
        }
    }
}

fn ports(spec: &ServiceEntry, report: &mut Report<'_>) {
    report.at_most("spec.ports", spec.ports.len(), 256, "port");
    let path = |i: usize, field: &str| format!("spec.ports[{i}].{field}");
    report.unique("port", spec.ports.iter().enumerate().map(|(i, p)| (path(i, "name"), p.name.as_str())));
    let mut numbers = HashSet::new();
    for (i, port) in spec.ports.iter().enumerate() {
        report.port_number(&path(i, "number"), port.number);
        if port.number != 0 && !numbers.insert(port.number) {
            let message = format!("port {} is there twice", port.number);
            report.refuse(&path(i, "number"), message, "write each port once");
        }
        match port.name.as_str() {
            "" => report.refuse(&path(i, "name"), "the port's name is missing", "write a name, such as http"),
            name => report.port_name(&path(i, "name"), name),
        }
        // Undeclared is legal here, and means that the first bytes decide.
        if !port.protocol.is_empty() {
            report.protocol(&path(i, "protocol"), &port.protocol);
        }
        let is_tcp = matches!(port.protocol.as_str(), "" | "TCP");
        if is_tcp && spec.addresses.is_empty() && !gets_addresses(spec, report) {
            let at = if port.protocol.is_empty() { format!("spec.ports[{i}]") } else { path(i, "protocol") };
            let help = "write addresses, or the protocol that is spoken";
            report.warn(&at, "a port of bytes without addresses: it takes all calls to its number", help);
        }
    }
}

/// Whether Istio gives an address to a service that has none.
fn gets_addresses(spec: &ServiceEntry, report: &Report<'_>) -> bool {
    let label = report.meta.labels.get("networking.istio.io/enable-autoallocate-ip");
    spec.resolution != Resolution::None && !label.is_some_and(|v| v.eq_ignore_ascii_case("false"))
}

fn endpoints(spec: &ServiceEntry, report: &mut Report<'_>) {
    if spec.workload_selector.is_some() && report.is_written("spec.endpoints") {
        report.refuse("spec.endpoints", "`endpoints` beside `workloadSelector`", "keep one of them");
    }
    report.at_most("spec.endpoints", spec.endpoints.len(), 4096, "endpoint");
    let ports: HashSet<&str> = spec.ports.iter().map(|p| p.name.as_str()).collect();
    for (i, endpoint) in spec.endpoints.iter().enumerate() {
        let path = format!("spec.endpoints[{i}]");
        workload::entry(endpoint, &path, Some(&ports), Address::Required, report);
        let (at, address) = (format!("{path}.address"), endpoint.address.as_str());
        let is_socket = address.starts_with("unix://");
        match spec.resolution {
            Resolution::Static if !is_socket && !is_ip(address) && fqdn_error(address).is_none() => {
                let help = "use resolution DNS to have names resolved";
                report.refuse(&at, format!("{address:?} is not an IP address"), help);
            }
            Resolution::Dns | Resolution::DnsRoundRobin if is_socket => {
                report.refuse(&at, "a Unix socket under DNS", "use resolution STATIC");
            }
            _ => {}
        }
    }
}

fn of_resolution(spec: &ServiceEntry, report: &mut Report<'_>) {
    let path = "spec.endpoints";
    match spec.resolution {
        Resolution::None => {
            if !spec.endpoints.is_empty() {
                let help = "write resolution: STATIC or DNS, or leave the endpoints out";
                report.refuse(path, "endpoints have no effect under resolution NONE", help);
            }
            if spec.workload_selector.is_some() {
                let help = "write resolution: STATIC, or leave the selector out";
                report.warn("spec.workloadSelector", "no workload is selected under resolution NONE", help);
            }
        }
        Resolution::DnsRoundRobin if spec.endpoints.len() > 1 => {
            let message = "more than one endpoint under DNS_ROUND_ROBIN";
            report.refuse(path, message, "use resolution DNS");
        }
        Resolution::DynamicDns if !spec.endpoints.is_empty() => {
            report.refuse(path, "endpoints under DYNAMIC_DNS", "the request names its endpoint");
        }
        _ => {}
    }
}

/// Hosts of one entry are told apart by what a request or a handshake says; bytes say nothing.
fn told_apart(spec: &ServiceEntry, report: &mut Report<'_>) {
    if spec.hosts.len() < 2 || spec.resolution == Resolution::None {
        return;
    }
    let protocol = |text: &str| Protocol::parse(text).unwrap_or_default();
    let plain = spec.ports.iter().position(|p| {
        let protocol = protocol(&p.protocol);
        !protocol.is_http() && !protocol.is_tls()
    });
    if let Some(i) = plain {
        let path = format!("spec.ports[{i}]");
        let message = "several hosts on a port that is neither HTTP nor TLS: they cannot be told apart";
        report.refuse(&path, message, "write a ServiceEntry for each host, or resolution NONE");
    } else if by_dns(spec.resolution)
        && !spec.addresses.is_empty()
        && let Some(i) = spec.ports.iter().position(|p| protocol(&p.protocol).is_tcp())
    {
        let path = format!("spec.ports[{i}]");
        let message = "several hosts behind one address";
        report.warn(&path, message, "write a ServiceEntry for each host");
    }
}
