//! Kubernetes' own kinds, as far as a mesh relies on them.

use super::report::Report;
use crate::api::MeshConfig;
use crate::api::kubernetes::{ConfigMap, EndpointSlice, Endpoints, Secret, Service};
use crate::diagnostic::{Finding, code};
use crate::identity::{InvalidTrustDomain, TrustDomain};
use crate::yaml::{InMeshConfig, mesh_config, transplant};
use std::net::IpAddr;

/// The MeshConfig is text inside of a resource: its errors are errors of the resource.
pub(super) fn config_map(map: &ConfigMap, report: &mut Report<'_>) {
    let is_mesh = &*report.meta.name == "istio" && &*report.meta.namespace == "istio-system";
    let Some(text) = map.data.get("mesh").filter(|_| is_mesh) else { return };
    match mesh_config(text) {
        Err(finding) => {
            let finding = transplant(*finding, report.meta, report.source, "data.mesh");
            report.push(finding);
        }
        Ok(mesh) => {
            let place = InMeshConfig::new(text, report.meta, report.source);
            if let Err(error) = mesh.parsed_trust_domain() {
                report.push(place.put(bad_trust_domain(&mesh, error), "trustDomain"));
            }
            for (i, alias) in mesh.trust_domain_aliases.iter().enumerate() {
                if let Err(error) = alias.parse::<TrustDomain>() {
                    let message = format!("{alias:?} is nobody's trust domain: {error}");
                    let finding =
                        Finding::warning(code::SCHEMA, message).help("write one such as cluster.local");
                    report.push(place.put(finding, &format!("trustDomainAliases[{i}]")));
                }
            }
        }
    }
}

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
