//! Kubernetes' own kinds, as far as a mesh relies on them.

use super::report::Report;
use crate::api::MeshConfig;
use crate::api::kubernetes::{EndpointSlice, Endpoints, Service};
use crate::diagnostic::{Finding, code};
use crate::identity::InvalidTrustDomain;
use std::net::IpAddr;

/// Certificates could not be issued, nor callers be told apart, in a trust domain that is none.
pub(crate) fn bad_trust_domain(mesh: &MeshConfig, error: InvalidTrustDomain) -> Finding {
    let message = format!("{:?} is not a trust domain: {error}", mesh.trust_domain);
    Finding::error(code::SCHEMA, message).help("write one such as cluster.local")
}

pub(super) fn service(spec: &Service, report: &mut Report<'_>) {
    let named = |(i, p)| (format!("spec.ports[{i}].name"), p);
    let names = spec.ports.iter().enumerate().map(|(i, p)| (i, p.name.as_str()));
    report.unique("port", names.filter(|(_, name)| !name.is_empty()).map(named));
    for (i, port) in spec.ports.iter().enumerate() {
        report.port_number(&format!("spec.ports[{i}].port"), port.port);
        if spec.ports.len() > 1 && port.name.is_empty() {
            let path = format!("spec.ports[{i}]");
            report.refuse(&path, "a port without a name beside others", "name each, such as http or tcp-db");
        }
    }
    if spec.kind == "ExternalName" {
        report.host("spec.externalName", &spec.external_name);
    }
}

pub(super) fn endpoints(spec: &Endpoints, report: &mut Report<'_>) {
    for (s, subset) in spec.subsets.iter().enumerate() {
        for (field, list) in
            [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)]
        {
            for (i, address) in list.iter().enumerate() {
                ip(&address.ip, &format!("subsets[{s}].{field}[{i}].ip"), report);
            }
        }
    }
}

pub(super) fn endpoint_slice(slice: &EndpointSlice, report: &mut Report<'_>) {
    if slice.address_type == "FQDN" {
        let help = "use a ServiceEntry with resolution DNS";
        return report.warn("addressType", "names in a slice are not resolved", help);
    }
    for (e, endpoint) in slice.endpoints.iter().enumerate() {
        for (i, address) in endpoint.addresses.iter().enumerate() {
            ip(address, &format!("endpoints[{e}].addresses[{i}]"), report);
        }
    }
}

fn ip(text: &str, path: &str, report: &mut Report<'_>) {
    if text.parse::<IpAddr>().is_err() {
        report.refuse(path, format!("{text:?} is not an IP address"), "write an address such as 10.0.0.1");
    }
}
