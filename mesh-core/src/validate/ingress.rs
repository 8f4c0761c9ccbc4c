//! Ingress and IngressClass: what Kubernetes' API server refuses.
//!
//! | Rule | Kubernetes, Istio | Here | Why |
//! |---|---|---|---|
//! | a path of type `Prefix` with an encoded `/` or a `.` element | refused | refused | |
//! | a backend's Service whose name begins with a digit | refused, unless a feature is on | accepted | which is not known here |
//! | an annotation `kubernetes.io/ingress.class` beside the same `ingressClassName` | older releases refuse | accepted | they agree |
//! | the same beside another class | refused where it is made, accepted where it is changed | a warning | it may be there already, for another controller |
//! | a Secret's name that is none | the same | refused | nothing could be served by it |
//! | such a path of type `ImplementationSpecific` | accepted | accepted if it is absolute | Istio reads it as a prefix |

use super::gateway_api::is_domain_prefixed;
use super::kubernetes::{is_dns_label, is_port_name};
use super::report::Report;
use crate::api::kubernetes::ingress::{IngressBackend, IngressPath, PathType};
use crate::api::kubernetes::{Ingress, IngressClass};
use crate::yaml::is_subdomain;
use std::net::IpAddr;

/// The older way to name an Ingress' class.
const CLASS: &str = "kubernetes.io/ingress.class";

pub(super) fn ingress(spec: &Ingress, report: &mut Report<'_>) {
    if !spec.ingress_class_name.is_empty() && !is_subdomain(&spec.ingress_class_name) {
        let message = format!("{:?} is not the name of an IngressClass", spec.ingress_class_name);
        report.refuse("spec.ingressClassName", message, "name one, such as istio");
    }
    if spec.rules.is_empty() && spec.default_backend.is_none() {
        let help = "write rules, or a defaultBackend";
        report.refuse("spec", "an Ingress that leads nowhere", help);
    }
    if let Some(to) = &spec.default_backend {
        backend(to, "spec.defaultBackend", report);
    }
    let (class, annotated) = (&spec.ingress_class_name, report.meta.annotations.get(CLASS));
    if annotated.is_some_and(|annotated| annotated != class) && !class.is_empty() {
        let help = "two controllers may take this Ingress: leave out the one that is not meant";
        let message = format!("the annotation {CLASS} names another class");
        report.warn("spec.ingressClassName", message, help);
    }
    for (i, tls) in spec.tls.iter().enumerate() {
        for (j, name) in tls.hosts.iter().enumerate() {
            host_name(name, &format!("spec.tls[{i}].hosts[{j}]"), report);
        }
        if !tls.secret_name.is_empty() && !is_subdomain(&tls.secret_name) {
            let message = format!("{:?} is not the name of a Secret", tls.secret_name);
            report.refuse(
                &format!("spec.tls[{i}].secretName"),
                message,
                "name one of type kubernetes.io/tls",
            );
        }
    }
    for (i, rule) in spec.rules.iter().enumerate() {
        if !rule.host.is_empty() {
            host(&rule.host, &format!("spec.rules[{i}].host"), report);
        }
        let Some(http) = &rule.http else { continue };
        if http.paths.is_empty() {
            let help = "write a path, such as / of type Prefix";
            report.refuse(&format!("spec.rules[{i}].http.paths"), "no path is written", help);
        }
        for (j, each) in http.paths.iter().enumerate() {
            path(each, &format!("spec.rules[{i}].http.paths[{j}]"), report);
        }
    }
}

pub(super) fn ingress_class(spec: &IngressClass, report: &mut Report<'_>) {
    let name = &spec.controller;
    let help = "write a domain and a path, as istio.io/ingress-controller";
    if name.is_empty() {
        report.refuse("spec.controller", "the controller is missing", help);
    } else if name.len() > 250 || !is_domain_prefixed(name) {
        report.refuse("spec.controller", format!("{name:?} is not the name of a controller"), help);
    }
}

fn host(host: &str, path: &str, report: &mut Report<'_>) {
    match host.parse::<IpAddr>() {
        Ok(_) => {
            report.refuse(path, format!("{host:?} is an address"), "write a name, such as shop.example.com");
        }
        Err(_) => host_name(host, path, report),
    }
}

/// A name, perhaps with a leading `*.`; an address of IPv4 looks like one.
fn host_name(host: &str, path: &str, report: &mut Report<'_>) {
    if !is_subdomain(host.strip_prefix("*.").unwrap_or(host)) {
        let help = "write a lower-case name such as shop.example.com or *.example.com, without a port";
        report.refuse(path, format!("{host:?} is not a host name"), help);
    }
}

fn path(each: &IngressPath, path: &str, report: &mut Report<'_>) {
    backend(&each.backend, &format!("{path}.backend"), report);
    let Some(kind) = each.path_type else {
        let help = "write Prefix or Exact";
        return report.refuse(&format!("{path}.pathType"), "the type of the path is missing", help);
    };
    let at = format!("{path}.path");
    let value = &each.path;
    let is_strict = matches!(kind, PathType::Exact | PathType::Prefix);
    if is_strict || !value.is_empty() {
        if !value.starts_with('/') {
            return report.refuse(&at, format!("{value:?} does not begin with '/'"), "write it absolute");
        }
        let traps = ["//", "/./", "/../", "%2f", "%2F"];
        let trap = traps.iter().find(|t| value.contains(**t)).copied();
        let trap = trap.or_else(|| ["/..", "/."].into_iter().find(|end| value.ends_with(end)));
        if let Some(trap) = trap.filter(|_| is_strict) {
            let help = "write the path as it is after normalisation";
            report.refuse(&at, format!("{value:?} has {trap:?} in it"), help);
        }
    }
}

fn backend(to: &IngressBackend, path: &str, report: &mut Report<'_>) {
    match (&to.service, &to.resource) {
        (Some(_), Some(_)) => {
            report.refuse(path, "a service beside a resource", "write one of the two");
        }
        (None, None) => report.refuse(path, "the backend is missing", "write service with a name and a port"),
        (None, Some(_)) => {}
        (Some(service), None) => {
            if service.name.is_empty() {
                report.refuse(&format!("{path}.service.name"), "the name is missing", "name the Service");
            } else if !is_dns_label(&service.name) {
                let message = format!("{:?} is not the name of a Service", service.name);
                let help = "name one of the Ingress' own namespace, without the namespace";
                report.refuse(&format!("{path}.service.name"), message, help);
            }
            let port = format!("{path}.service.port");
            match (service.port.name.is_empty(), service.port.number) {
                (false, Some(_)) => {
                    report.refuse(&port, "a port by name and by number", "write one of the two")
                }
                (true, None) => report.refuse(&port, "the port is missing", "write its name or its number"),
                (false, None) if !is_port_name(&service.port.name) => {
                    let message = format!("{:?} is not the name of a port", service.port.name);
                    let help = "a name has at most 15 lower-case letters, digits and '-', such as http";
                    report.refuse(&format!("{port}.name"), message, help);
                }
                _ => {}
            }
        }
    }
}
