//! GatewayClass, Gateway and ListenerSet.

use super::name::{is_domain_prefixed, is_protocol};
use crate::api::gateway_api::gateway::{
    AllowedRoutes, FromNamespaces, FrontendTlsConfig, Gateway, GatewayAddress, GatewayTlsConfig, Listener,
    TlsConfig, TlsMode,
};
use crate::api::gateway_api::value::LabelSelector;
use crate::api::gateway_api::{GatewayClass, ListenerSet};
use crate::validate::names::{is_label_value, is_longer_than};
use crate::validate::report::Report;
use crate::validate::targets::problems_of_selector;
use std::collections::HashSet;
use std::net::IpAddr;

pub(in crate::validate) fn gateway_class(spec: &GatewayClass, report: &mut Report<'_>) {
    let name = &spec.controller_name;
    let help = "write a domain and a path, such as istio.io/gateway-controller";
    if name.is_empty() {
        report.refuse("spec.controllerName", "the controller is missing", help);
    } else if !is_domain_prefixed(name) {
        report.refuse("spec.controllerName", format!("{name:?} is not the name of a controller"), help);
    }
    if spec.description.chars().count() > 64 {
        let help = "say it shorter, or in an annotation";
        report.refuse("spec.description", "a description of more than 64 characters", help);
    }
    if let Some(r) = &spec.parameters_ref {
        let path = "spec.parametersRef";
        report.required_group(path, r.group.as_ref(), &r.kind);
        report.object_name(path, &r.name);
        report.namespace(path, &r.namespace);
    }
}

pub(in crate::validate) fn gateway(spec: &Gateway, report: &mut Report<'_>) {
    if spec.gateway_class_name.is_empty() {
        let help = "name a GatewayClass, such as istio";
        report.refuse("spec.gatewayClassName", "the class is missing", help);
    } else if is_longer_than(&spec.gateway_class_name, 253) {
        let message = "a name of more than 253 characters";
        report.refuse("spec.gatewayClassName", message, "no GatewayClass has so long a name");
    }
    listeners(&spec.listeners, report);
    addresses(&spec.addresses, report);
    if let Some(infrastructure) = &spec.infrastructure {
        let path = "spec.infrastructure";
        report.qualified_keys(&format!("{path}.labels"), &infrastructure.labels, 8);
        for (key, value) in infrastructure.labels.iter().filter(|(_, v)| !is_label_value(v)) {
            let help = "a label's value has at most 63 letters, digits, '-', '_' and '.'";
            report.refuse(&format!("{path}.labels.{key}"), format!("{value:?} is not a label's value"), help);
        }
        report.annotations(&format!("{path}.annotations"), &infrastructure.annotations, 8);
        if let Some(r) = &infrastructure.parameters_ref {
            let path = format!("{path}.parametersRef");
            report.required_group(&path, r.group.as_ref(), &r.kind);
            report.object_name(&path, &r.name);
        }
    }
    if let Some(allowed) = &spec.allowed_listeners {
        let at = "spec.allowedListeners.namespaces";
        from_namespaces(allowed.namespaces.from, allowed.namespaces.selector.as_ref(), at, report);
    }
    if let Some(tls) = &spec.tls {
        gateway_tls(tls, report);
    }
}

pub(in crate::validate) fn listener_set(spec: &ListenerSet, report: &mut Report<'_>) {
    let parent = &spec.parent_ref;
    report.group_kind("spec.parentRef", &parent.group, &parent.kind);
    report.object_name("spec.parentRef", &parent.name);
    report.namespace("spec.parentRef", &parent.namespace);
    listeners(&spec.listeners, report);
}

fn listeners(all: &[Listener], report: &mut Report<'_>) {
    report.between("spec.listeners", all.len(), 64, "listener");
    let at = |i: usize, field: &str| format!("spec.listeners[{i}].{field}");
    let names = all.iter().enumerate().map(|(i, l)| (at(i, "name"), l.name.as_str()));
    report.unique("listener", names.filter(|(_, name)| !name.is_empty()));
    let mut seen = HashSet::new();
    for (i, each) in all.iter().enumerate() {
        listener(each, &format!("spec.listeners[{i}]"), report);
        if each.port > 0 && !seen.insert((each.port, each.protocol.to_uppercase(), &each.hostname)) {
            let help = "listeners differ in their port, their protocol or their host";
            report.refuse(&at(i, "port"), "another listener has this port, protocol and host", help);
        }
    }
}

fn listener(listener: &Listener, path: &str, report: &mut Report<'_>) {
    let at = |field: &str| format!("{path}.{field}");
    if listener.name.is_empty() {
        report.refuse(&at("name"), "the name is missing", "name the listener, such as http");
    } else {
        report.section_name(&at("name"), &listener.name);
    }
    report.port_number(&at("port"), listener.port);
    report.filled(&at("hostname"), &listener.hostname);
    if !listener.hostname.is_empty() {
        report.dns_name(&at("hostname"), &listener.hostname, true);
    }
    let protocol = listener.protocol.to_uppercase();
    match protocol.as_str() {
        "HTTP" | "TCP" | "UDP" => {
            if listener.tls.is_some() {
                let help = "write protocol HTTPS, or TLS for other than HTTP, or leave tls out";
                report.refuse(&at("tls"), format!("tls with protocol {protocol}"), help);
            }
        }
        "HTTPS" => match &listener.tls {
            Some(tls) if tls.mode == Some(TlsMode::Passthrough) => {
                let help = "write protocol TLS to pass it through by server name";
                report.refuse(&at("tls.mode"), "protocol HTTPS ends TLS at the listener", help);
            }
            Some(_) => {}
            None => report.warn(
                &at("protocol"),
                "protocol HTTPS without tls",
                "write tls.certificateRefs; without, the listener answers nobody",
            ),
        },
        "TLS" => {
            if listener.tls.is_none() {
                let help = "write tls.mode Passthrough, or Terminate with certificateRefs";
                report.refuse(&at("tls"), "protocol TLS without tls", help);
            }
        }
        // Istio's own: a waypoint's.
        "HBONE" => {}
        "" => report.refuse(&at("protocol"), "the protocol is missing", PROTOCOLS),
        _ => unknown_protocol(&listener.protocol, &at("protocol"), report),
    }
    if matches!(protocol.as_str(), "TCP" | "UDP") && !listener.hostname.is_empty() {
        let help = "its connections do not say which host they are for; leave it out";
        report.refuse(&at("hostname"), format!("a host with protocol {protocol}"), help);
    }
    if let Some(tls) = &listener.tls {
        let path = at("tls");
        report.at_most(&format!("{path}.certificateRefs"), tls.certificate_refs.len(), 64, "certificate");
        for (i, r) in tls.certificate_refs.iter().enumerate() {
            let path = format!("{path}.certificateRefs[{i}]");
            report.group_kind(&path, &r.group, &r.kind);
            report.object_name(&path, &r.name);
            report.namespace(&path, &r.namespace);
        }
        report.annotations(&format!("{path}.options"), &tls.options, 16);
        let ends_here = tls.mode.unwrap_or_default() == TlsMode::Terminate;
        if ends_here && tls.certificate_refs.is_empty() && tls.options.is_empty() {
            let help = "name a Secret of type kubernetes.io/tls in certificateRefs";
            report.refuse(&path, "TLS ends here without a certificate", help);
        }
    }
    allowed_routes(&listener.allowed_routes, &at("allowedRoutes"), report);
}

const PROTOCOLS: &str = "the protocols are HTTP, HTTPS, TLS, TCP and UDP";

fn unknown_protocol(protocol: &str, path: &str, report: &mut Report<'_>) {
    let message = format!("{protocol:?} is not a protocol of the Gateway API");
    match is_protocol(protocol) {
        true if protocol.contains('/') => {}
        true => report.warn(path, message, PROTOCOLS),
        false => report.refuse(path, message, PROTOCOLS),
    }
}

fn allowed_routes(allowed: &AllowedRoutes, path: &str, report: &mut Report<'_>) {
    let at = format!("{path}.namespaces");
    if allowed.namespaces.from == FromNamespaces::None {
        let help = "write All, Selector or Same; without routes there is no need of the listener";
        report.refuse(&format!("{at}.from"), "None is for ListenerSets only", help);
    }
    from_namespaces(allowed.namespaces.from, allowed.namespaces.selector.as_ref(), &at, report);
    report.at_most(&format!("{path}.kinds"), allowed.kinds.len(), 8, "kind");
    for (i, kind) in allowed.kinds.iter().enumerate() {
        report.group_kind(&format!("{path}.kinds[{i}]"), &kind.group, &kind.kind);
    }
}

fn from_namespaces(
    from: FromNamespaces,
    selector: Option<&LabelSelector>,
    path: &str,
    report: &mut Report<'_>,
) {
    let at = format!("{path}.selector");
    match selector {
        Some(selector) => label_selector(selector, &at, report),
        None if from == FromNamespaces::Selector => {
            let help = "write selector.matchLabels; {} selects all namespaces";
            report.warn(&format!("{path}.from"), "Selector without a selector selects nothing", help);
        }
        None => {}
    }
    if selector.is_some() && from != FromNamespaces::Selector {
        report.warn(&at, "a selector that is not looked at", "write from: Selector, or leave it out");
    }
}

fn label_selector(selector: &LabelSelector, path: &str, report: &mut Report<'_>) {
    for problem in problems_of_selector(selector) {
        report.refuse(&format!("{path}.{}", problem.path), problem.message, problem.help);
    }
}

fn addresses(all: &[GatewayAddress], report: &mut Report<'_>) {
    report.at_most("spec.addresses", all.len(), 16, "address");
    let mut seen = HashSet::new();
    for (i, address) in all.iter().enumerate() {
        let path = format!("spec.addresses[{i}].value");
        let (kind, value) = (address.r#type.as_deref().unwrap_or("IPAddress"), address.value.as_str());
        match kind {
            "IPAddress" if !value.is_empty() && value.parse::<IpAddr>().is_err() => {
                let help = "write an address such as 192.0.2.1, or type: Hostname";
                report.refuse(&path, format!("{value:?} is not an IP address"), help);
            }
            "Hostname" if !value.is_empty() => report.dns_name(&path, value, true),
            "IPAddress" | "Hostname" | "NamedAddress" => {}
            _ if is_domain_prefixed(kind) => {}
            _ => {
                let help = "write IPAddress or Hostname, or a type with its domain, such as example.com/pool";
                let message = format!("{kind:?} is not a type of address");
                report.refuse(&format!("spec.addresses[{i}].type"), message, help);
            }
        }
        if matches!(kind, "IPAddress" | "Hostname") {
            report.filled(&path, value);
        }
        let is_compared = matches!(kind, "IPAddress" | "Hostname") && !value.is_empty();
        if is_compared && !seen.insert((kind, value)) {
            report.refuse(&path, format!("{value:?} is there twice"), "ask for each address once");
        }
        if is_longer_than(value, 253) && kind != "Hostname" {
            report.refuse(&path, "an address of more than 253 characters", "write a shorter one");
        }
    }
}

fn gateway_tls(tls: &GatewayTlsConfig, report: &mut Report<'_>) {
    if let Some(r) = tls.backend.as_ref().and_then(|b| b.client_certificate_ref.as_ref()) {
        let path = "spec.tls.backend.clientCertificateRef";
        report.group_kind(path, &r.group, &r.kind);
        report.object_name(path, &r.name);
        report.namespace(path, &r.namespace);
    }
    if let Some(FrontendTlsConfig { default, per_port }) = &tls.frontend {
        let path = "spec.tls.frontend";
        match default {
            Some(config) => client_tls(config, &format!("{path}.default"), report),
            None => {
                let help = "write default: {} where only the ports that are named ask for certificates";
                report.refuse(&format!("{path}.default"), "the default is missing", help);
            }
        }
        report.at_most(&format!("{path}.perPort"), per_port.len(), 64, "port");
        let mut seen = HashSet::new();
        for (i, each) in per_port.iter().enumerate() {
            let at = format!("{path}.perPort[{i}]");
            report.port_number(&format!("{at}.port"), each.port);
            if each.port > 0 && !seen.insert(each.port) {
                let help = "one entry for each port";
                report.refuse(&format!("{at}.port"), format!("port {} is there twice", each.port), help);
            }
            match &each.tls {
                Some(config) => client_tls(config, &format!("{at}.tls"), report),
                None => {
                    report.refuse(&format!("{at}.tls"), "tls is missing", "write tls: {} to ask for nothing")
                }
            }
        }
    }
}

fn client_tls(config: &TlsConfig, path: &str, report: &mut Report<'_>) {
    let Some(validation) = &config.validation else { return };
    let path = format!("{path}.validation.caCertificateRefs");
    report.between(&path, validation.ca_certificate_refs.len(), 8, "root");
    for (i, r) in validation.ca_certificate_refs.iter().enumerate() {
        let path = format!("{path}[{i}]");
        report.required_group(&path, r.group.as_ref(), &r.kind);
        report.object_name(&path, &r.name);
        report.namespace(&path, &r.namespace);
    }
}
