//! BackendTLSPolicy and ReferenceGrant.

use crate::api::gateway_api::backend_tls_policy::{BackendTlsPolicy, SubjectAltName, SubjectAltNameType};
use crate::api::gateway_api::reference_grant::ReferenceGrant;
use crate::validate::names::is_longer_than;
use crate::validate::report::Report;

pub(in crate::validate) fn reference_grant(spec: &ReferenceGrant, report: &mut Report<'_>) {
    report.between("spec.from", spec.from.len(), 16, "origin");
    for (i, from) in spec.from.iter().enumerate() {
        let path = format!("spec.from[{i}]");
        report.required_group(&path, from.group.as_ref(), &from.kind);
        if from.namespace.is_empty() {
            let help = "name the namespace that may refer to this one";
            report.refuse(&format!("{path}.namespace"), "the namespace is missing", help);
        }
        if !from.namespace.is_empty() {
            report.namespace(&path, &from.namespace);
        }
    }
    report.between("spec.to", spec.to.len(), 16, "target");
    for (i, to) in spec.to.iter().enumerate() {
        let path = format!("spec.to[{i}]");
        report.required_group(&path, to.group.as_ref(), &to.kind);
        // An empty name must not stand for all of a kind.
        report.filled(&format!("{path}.name"), &to.name);
        if !to.name.is_empty() {
            report.object_name(&path, &to.name);
        }
    }
}

/// As many targets does the Gateway API allow.
const MOST_TARGETS: usize = 16;

pub(in crate::validate) fn backend_tls_policy(spec: &BackendTlsPolicy, report: &mut Report<'_>) {
    let all = &spec.target_refs;
    report.between("spec.targetRefs", all.len(), MOST_TARGETS, "target");
    for (i, target) in all.iter().enumerate().take(MOST_TARGETS) {
        let path = format!("spec.targetRefs[{i}]");
        report.required_group(&path, target.group.as_ref(), &target.kind);
        report.object_name(&path, &target.name);
        report.section_name(&format!("{path}.sectionName"), &target.section_name);
        let key = (&target.group, &target.kind, &target.name);
        let mut earlier = all.iter().take(i).filter(|o| (&o.group, &o.kind, &o.name) == key).peekable();
        let Some(first) = earlier.peek() else { continue };
        if first.section_name.is_empty() != target.section_name.is_empty() {
            let help = "give every reference to the same target a sectionName";
            report.refuse(&path, "this target is named before, with other fields", help);
        } else if earlier.any(|o| o.section_name == target.section_name) {
            let help = "name each port once, by sectionName; without one, all of them are meant";
            report.refuse(&path, "this target is named before", help);
        }
    }
    report.annotations("spec.options", &spec.options, 16);
    let (path, validation) = ("spec.validation", &spec.validation);
    let roots = &validation.ca_certificate_refs;
    match (roots.is_empty(), validation.well_known_ca_certificates.is_some()) {
        (false, true) => {
            let help = "keep one of them";
            report.refuse(path, "both caCertificateRefs and wellKnownCACertificates", help);
        }
        (true, false) => {
            let help =
                "name a ConfigMap with ca.crt in caCertificateRefs, or write wellKnownCACertificates: System";
            report.refuse(path, "no roots to check the backend's certificate by", help);
        }
        _ => {}
    }
    report.at_most(&format!("{path}.caCertificateRefs"), roots.len(), 8, "root");
    for (i, r) in roots.iter().enumerate() {
        let path = format!("{path}.caCertificateRefs[{i}]");
        report.required_group(&path, r.group.as_ref(), &r.kind);
        report.object_name(&path, &r.name);
    }
    if validation.hostname.is_empty() {
        let help = "write the name that the backend's certificate has";
        report.refuse(&format!("{path}.hostname"), "the host is missing", help);
    } else {
        report.dns_name(&format!("{path}.hostname"), &validation.hostname, false);
    }
    report.at_most(&format!("{path}.subjectAltNames"), validation.subject_alt_names.len(), 5, "name");
    for (i, name) in validation.subject_alt_names.iter().enumerate() {
        subject_alt_name(name, &format!("{path}.subjectAltNames[{i}]"), report);
    }
}

fn subject_alt_name(name: &SubjectAltName, path: &str, report: &mut Report<'_>) {
    let Some(kind) = name.r#type else {
        return report.refuse(&format!("{path}.type"), "the type is missing", "write Hostname or URI");
    };
    let (field, other) = match kind {
        SubjectAltNameType::Hostname => (("hostname", &name.hostname), ("uri", &name.uri)),
        SubjectAltNameType::Uri => (("uri", &name.uri), ("hostname", &name.hostname)),
    };
    if !other.1.is_empty() {
        let message = format!("{} beside another type", other.0);
        report.refuse(&format!("{path}.{}", other.0), message, format!("write {} only", field.0));
    }
    report.filled(&format!("{path}.{}", other.0), other.1);
    let at = format!("{path}.{}", field.0);
    if field.1.is_empty() {
        return report.refuse(&at, format!("{} is missing", field.0), "write the name, or another type");
    }
    match kind {
        SubjectAltNameType::Hostname => report.dns_name(&at, &name.hostname, true),
        SubjectAltNameType::Uri => {
            // A scheme and an authority, as the CRD's pattern demands.
            let absolute = name
                .uri
                .split_once("://")
                .is_some_and(|(scheme, _)| !scheme.is_empty() && !scheme.contains(['/', '?', '#', ':']));
            if !absolute || is_longer_than(&name.uri, 253) {
                let help = "write it with its scheme, such as spiffe://cluster.local/ns/shop/sa/cart";
                report.refuse(&at, format!("{:?} is not an absolute URI", name.uri), help);
            }
        }
    }
}
