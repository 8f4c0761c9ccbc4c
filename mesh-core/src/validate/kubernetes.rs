//! Kubernetes' own kinds, as far as a mesh relies on them: what the API server refuses of the fields that are read.
//!
//! | Rule | Kubernetes | Here | Why |
//! |---|---|---|---|
//! | an EndpointSlice of type `FQDN` | accepted | a warning | names in a slice are not resolved, in Istio neither |
//! | a Service without ports that is not headless | refused | accepted | nothing can call it, so it does no harm |
//! | fields that a mesh does not read | checked | accepted | the API server has seen them, or will |
//! | values that the API server fills in, such as `clusterIP` | filled in | optional | a file has not passed it |
//! | the name of a Service that begins with a digit | refused, unless a feature is on | accepted | which is not known here |
//! | `appProtocol: ""` | refused | accepted | it says as little as none |
//! | endpoints at loopback, link-local and unspecified addresses | refused | accepted | a mesh on one machine has no others |

use super::names::is_label_key;
use super::report::Report;
use crate::api::MeshConfig;
use crate::api::kubernetes::service::ServicePort;
use crate::api::kubernetes::{EndpointSlice, Endpoints, IntOrString, Pod, Secret, Service};
use crate::diagnostic::{Finding, code};
use crate::identity::InvalidTrustDomain;
use crate::yaml::is_subdomain;
use std::collections::HashSet;
use std::net::IpAddr;

/// Bounds of an EndpointSlice.
const MOST_ENDPOINTS: usize = 1000;
const MOST_ADDRESSES: usize = 100;
const MOST_PORTS: usize = 20_000;

/// Certificates could not be issued, nor callers be told apart, in a trust domain that is none.
pub(crate) fn bad_trust_domain(mesh: &MeshConfig, error: InvalidTrustDomain) -> Finding {
    let message = format!("{:?} is not a trust domain: {error}", mesh.trust_domain);
    Finding::error(code::SCHEMA, message).help("write one such as cluster.local")
}

pub(super) fn service(spec: &Service, report: &mut Report<'_>) {
    let name = &report.meta.name;
    if !is_dns_label(name) {
        let message = format!("{:?} is not a legal name of a Service", &**name);
        let help = "it is a label of DNS: it has no '.', and at most 63 lower-case letters, digits and '-'";
        report.refuse("metadata.name", message, help);
    }
    one_of("spec.type", &spec.kind, &["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"], report);
    one_of("spec.sessionAffinity", &spec.session_affinity, &["None", "ClientIP"], report);
    one_of("spec.internalTrafficPolicy", &spec.internal_traffic_policy, &["Cluster", "Local"], report);
    one_of("spec.externalTrafficPolicy", &spec.external_traffic_policy, &["Cluster", "Local"], report);
    let distributions = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    one_of("spec.trafficDistribution", &spec.traffic_distribution, &distributions, report);
    let cluster_ips = spec.cluster_ips.iter().enumerate();
    let cluster_ips = cluster_ips.map(|(i, text)| (format!("spec.clusterIPs[{i}]"), text));
    for (path, text) in std::iter::once(("spec.clusterIP".to_owned(), &spec.cluster_ip)).chain(cluster_ips) {
        if !matches!(text.as_str(), "" | "None") {
            ip(text, &path, report);
        }
    }
    for (i, text) in spec.external_ips.iter().enumerate() {
        ip(text, &format!("spec.externalIPs[{i}]"), report);
    }
    if spec.kind == "ExternalName" {
        external_name(spec, report);
    }
    if matches!(spec.kind.as_str(), "NodePort" | "LoadBalancer") && spec.cluster_ip == "None" {
        let message = format!("a Service of type {} without an address", spec.kind);
        report.refuse("spec.clusterIP", message, "leave it out, or write type: ClusterIP");
    }
    report.labels("spec.selector", &spec.selector);
    for key in spec.selector.keys().filter(|key| is_label_key(key) && !is_qualified_name(key)) {
        let help = "write what stands before the '/' in lower case";
        let message = format!("{key:?} is not the name of a label");
        report.refuse_key(&format!("spec.selector.{key}"), message, help);
    }
    service_ports(&spec.ports, report);
}

/// Another name for a host: a name of DNS, and no address of its own.
fn external_name(spec: &Service, report: &mut Report<'_>) {
    let host = spec.external_name.strip_suffix('.').unwrap_or(&spec.external_name);
    if host.is_empty() {
        report.refuse("spec.externalName", "a host is missing", "name one, such as db.example.com");
    } else if !is_subdomain(host) {
        let help = "write a lower-case name such as db.example.com, without a port or a wildcard";
        report.refuse("spec.externalName", format!("{host:?} is not a host name"), help);
    }
    if !spec.cluster_ip.is_empty() || !spec.cluster_ips.is_empty() {
        let field = if spec.cluster_ip.is_empty() { "spec.clusterIPs" } else { "spec.clusterIP" };
        report.refuse(field, "an address of an ExternalName", "leave it out, or write type: ClusterIP");
    }
}

fn service_ports(ports: &[ServicePort], report: &mut Report<'_>) {
    let named = |(i, p)| (format!("spec.ports[{i}].name"), p);
    let names = ports.iter().enumerate().map(|(i, p)| (i, p.name.as_str()));
    report.unique("port", names.filter(|(_, name)| !name.is_empty()).map(named));
    let mut seen = HashSet::new();
    for (i, port) in ports.iter().enumerate() {
        let at = |field: &str| format!("spec.ports[{i}].{field}");
        report.port_number(&at("port"), port.port);
        let protocol = protocol(&port.protocol, &at("protocol"), report);
        if port.port > 0 && !seen.insert((port.port, protocol)) {
            let help = "one entry for each port of a protocol";
            report.refuse(&at("port"), format!("port {} is there twice", port.port), help);
        }
        if ports.len() > 1 && port.name.is_empty() {
            let path = format!("spec.ports[{i}]");
            report.refuse(&path, "a port without a name beside others", "name each, such as http or tcp-db");
        } else {
            port_label(&at("name"), &port.name, report);
        }
        app_protocol(&at("appProtocol"), &port.app_protocol, report);
        match &port.target_port {
            Some(IntOrString::Int(0)) => {
                report.refuse(&at("targetPort"), "0 is not a port", "a port is between 1 and 65535");
            }
            Some(IntOrString::String(name)) if !is_port_name(name) => {
                let help =
                    "write a number, or the name of a container's port: at most 15 letters, digits and '-'";
                report.refuse(&at("targetPort"), format!("{name:?} is not the name of a port"), help);
            }
            _ => {}
        }
    }
}

/// A label of DNS, as names of Services and of their ports are.
pub(super) fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && is_subdomain(text)
}

/// The name of a port of a Service or of endpoints, where it has one.
fn port_label(path: &str, name: &str, report: &mut Report<'_>) {
    if !name.is_empty() && !is_dns_label(name) {
        let help = "it has at most 63 lower-case letters, digits and '-', such as http or tcp-db";
        report.refuse(path, format!("{name:?} is not a legal name of a port"), help);
    }
}

/// A name as Kubernetes has it for its own fields: a domain before its slash is in lower case.
fn is_qualified_name(text: &str) -> bool {
    is_label_key(text) && text.rsplit_once('/').is_none_or(|(domain, _)| is_subdomain(domain))
}

/// What is spoken at a port, where it is written.
fn app_protocol(path: &str, text: &str, report: &mut Report<'_>) {
    if !text.is_empty() && !is_qualified_name(text) {
        let help = "write a name such as http or kubernetes.io/h2c";
        report.refuse(path, format!("{text:?} is not the name of a protocol"), help);
    }
}

/// The name of a host within a Service, where an endpoint has one.
fn host_label(path: &str, name: &str, report: &mut Report<'_>) {
    if !name.is_empty() && !is_dns_label(name) {
        let help = "it has at most 63 lower-case letters, digits and '-'";
        report.refuse(path, format!("{name:?} is not a label of DNS"), help);
    }
}

/// The name of a port of a container, as IANA has them: with a letter in it.
pub(super) fn is_port_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=15).contains(&name.len())
        && name.bytes().all(legal)
        && name.bytes().any(|b| b.is_ascii_lowercase())
        && !name.contains("--")
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// A field with few values; empty is the default.
fn one_of(path: &str, text: &str, values: &[&str], report: &mut Report<'_>) {
    if !text.is_empty() && !values.contains(&text) {
        let help = format!("the values here are {}", values.join(", "));
        report.refuse(path, format!("{text:?} is not a value of this field"), help);
    }
}

/// Of the transport; empty is TCP.
fn protocol<'p>(text: &'p str, path: &str, report: &mut Report<'_>) -> &'p str {
    one_of(path, text, &["TCP", "UDP", "SCTP"], report);
    if text.is_empty() { "TCP" } else { text }
}

pub(super) fn endpoints(spec: &Endpoints, report: &mut Report<'_>) {
    for (s, subset) in spec.subsets.iter().enumerate() {
        if subset.addresses.is_empty() && subset.not_ready_addresses.is_empty() {
            let help = "write addresses or notReadyAddresses, or leave the subset out";
            report.refuse(&format!("subsets[{s}]"), "a subset without an address", help);
        }
        for (i, port) in subset.ports.iter().enumerate() {
            let at = |field: &str| format!("subsets[{s}].ports[{i}].{field}");
            report.port_number(&at("port"), port.port);
            protocol(&port.protocol, &at("protocol"), report);
            if subset.ports.len() > 1 && port.name.is_empty() {
                let path = format!("subsets[{s}].ports[{i}]");
                report.refuse(&path, "a port without a name beside others", "name each as its Service does");
            }
            port_label(&at("name"), &port.name, report);
            app_protocol(&at("appProtocol"), &port.app_protocol, report);
        }
        for (field, list) in
            [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)]
        {
            for (i, address) in list.iter().enumerate() {
                ip(&address.ip, &format!("subsets[{s}].{field}[{i}].ip"), report);
                host_label(&format!("subsets[{s}].{field}[{i}].hostname"), &address.hostname, report);
            }
        }
    }
}

pub(super) fn endpoint_slice(slice: &EndpointSlice, report: &mut Report<'_>) {
    report.at_most("ports", slice.ports.len(), MOST_PORTS, "port");
    let named = slice.ports.iter().enumerate().filter(|(_, p)| !p.name.is_empty());
    report.unique("port", named.map(|(i, p)| (format!("ports[{i}]"), &*p.name)));
    let nameless = slice.ports.iter().enumerate().filter(|(_, p)| p.name.is_empty());
    for (i, _) in nameless.skip(1) {
        report.refuse(&format!("ports[{i}]"), "two ports without a name", "name each as its Service does");
    }
    for (i, port) in slice.ports.iter().enumerate() {
        protocol(&port.protocol, &format!("ports[{i}].protocol"), report);
        port_label(&format!("ports[{i}].name"), &port.name, report);
        app_protocol(&format!("ports[{i}].appProtocol"), &port.app_protocol, report);
    }
    report.at_most("endpoints", slice.endpoints.len(), MOST_ENDPOINTS, "endpoint");
    match slice.address_type.as_str() {
        "FQDN" => {
            let help = "use a ServiceEntry with resolution DNS";
            return report.warn("addressType", "names in a slice are not resolved", help);
        }
        "" => report.refuse("addressType", "the type of the addresses is missing", "write IPv4 or IPv6"),
        other => one_of("addressType", other, &["IPv4", "IPv6", "FQDN"], report),
    }
    for (e, endpoint) in slice.endpoints.iter().enumerate() {
        if endpoint.addresses.is_empty() {
            let path = format!("endpoints[{e}].addresses");
            report.refuse(&path, "an endpoint without an address", "write its address");
        }
        report.at_most(
            &format!("endpoints[{e}].addresses"),
            endpoint.addresses.len(),
            MOST_ADDRESSES,
            "address",
        );
        host_label(&format!("endpoints[{e}].hostname"), &endpoint.hostname, report);
        for (i, address) in endpoint.addresses.iter().enumerate() {
            let path = format!("endpoints[{e}].addresses[{i}]");
            let family = match address.parse::<IpAddr>() {
                Ok(IpAddr::V4(_)) => "IPv4",
                Ok(IpAddr::V6(_)) => "IPv6",
                Err(_) => {
                    ip(address, &path, report);
                    continue;
                }
            };
            if matches!(slice.address_type.as_str(), "IPv4" | "IPv6") && family != slice.address_type {
                let message = format!("{address:?} is not of type {}", slice.address_type);
                report.refuse(&path, message, format!("write a slice of its own with addressType: {family}"));
            }
        }
    }
}

/// A Pod's addresses, without which nothing calls it.
pub(super) fn pod(pod: &Pod, report: &mut Report<'_>) {
    let status = &pod.status;
    let all = status.pod_ips.iter().enumerate().map(|(i, p)| (format!("status.podIPs[{i}].ip"), &p.ip));
    for (path, text) in std::iter::once(("status.podIP".to_owned(), &status.pod_ip)).chain(all) {
        if !text.is_empty() {
            ip(text, &path, report);
        }
    }
    one_of("status.phase", &status.phase, &["Pending", "Running", "Succeeded", "Failed", "Unknown"], report);
}

/// What is no base64 is named by its key only: a message never repeats a secret.
pub(super) fn secret(secret: &Secret, report: &mut Report<'_>) {
    for key in secret.data.iter().filter(|(_, text)| text.decoded().is_none()).map(|(key, _)| key) {
        let help = "encode it, or write it under stringData as it is";
        report.refuse(&format!("data.{key}"), "not base64", help);
    }
    for (field, keys) in [("data", secret.data.keys()), ("stringData", secret.string_data.keys())] {
        for key in keys.filter(|key| !is_key(key)) {
            let help = "a key has letters, digits, '-', '_' and '.', at most 253";
            report.refuse_key(&format!("{field}.{key}"), format!("{key:?} is not a legal key"), help);
        }
    }
    if secret.kind == "kubernetes.io/tls" {
        for key in ["tls.crt", "tls.key"] {
            if !secret.data.contains_key(key) && !secret.string_data.contains_key(key) {
                let help = "write the certificate chain and its key in PEM, or another type";
                report.refuse("data", format!("a Secret of type kubernetes.io/tls needs {key}"), help);
            }
        }
    }
}

fn is_key(key: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=253).contains(&key.len()) && key.bytes().all(legal) && !matches!(key, "." | "..")
}

fn ip(text: &str, path: &str, report: &mut Report<'_>) {
    if text.parse::<IpAddr>().is_err() {
        report.refuse(path, format!("{text:?} is not an IP address"), "write an address such as 10.0.0.1");
    }
}
