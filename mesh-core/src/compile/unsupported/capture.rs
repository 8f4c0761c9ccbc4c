//! Traffic that nothing takes to the proxy: it would have to be redirected, which is Istio's default.
//!
//! There a workload's connections are redirected to `virtualOutbound` (15001) and `virtualInbound` (15006).
//! Here a proxy takes what comes to sockets of its own, and a Sidecar with `captureMode: NONE` declares them;
//! the listeners that are made without one serve programs that embed the mesh. So it is said
//!
//! - of a Sidecar, at each listener that waits for redirection and at each side that it leaves out,
//! - of a workload that no Sidecar selects, at the workload; of a proxy that nobody declared, by its name.

use crate::api::Resource;
use crate::api::kubernetes::{Namespace, Pod};
use crate::api::networking::sidecar::{CaptureMode, EgressListener};
use crate::api::networking::{Gateway, Sidecar};
use crate::api::value::labels_match;
use crate::compile::report::Report;
use crate::compile::scope::{Scope, has_own_sockets};
use crate::diagnostic::{Finding, code};
use crate::merge::{Subject, sidecar};
use crate::model::endpoint::TlsMode;
use crate::registry::{Inbound, Protocol, Workload, WorkloadSource};
use crate::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Said of a workload or a proxy without a Sidecar.
const NOT_REDIRECTED: &str = "redirection of traffic is not supported by the compiler yet";

/// What a Pod says of its injection, as a label or an annotation.
const INJECT: &str = "sidecar.istio.io/inject";
/// What of it means yes, in any case of letters; an empty text says nothing.
const INJECTED: [&str; 5] = ["true", "y", "yes", "on", ""];
/// Which revision of the control plane injects.
const REVISION: &str = "istio.io/rev";

/// Labels that controllers and injection add. Some differ from Pod to Pod or from version to version, so that
/// what selects by them would soon select nothing.
const ADDED: [&str; 9] = [
    "apps.kubernetes.io/pod-index",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    "security.istio.io/tlsMode",
    "statefulset.kubernetes.io/pod-name",
    REVISION,
];
/// As [`ADDED`], all that begin so.
const ADDED_GROUPS: [&str; 3] = ["batch.kubernetes.io/", "service.istio.io/", "sidecar.istio.io/"];

/// What one proxy does not get to see.
pub(in crate::compile) fn of_proxy(scope: &Scope<'_>, report: &mut Report) {
    let inbound = scope.registry.inbound_of(scope.node);
    if let Some(sidecar) = scope.sidecar {
        of_sidecar(sidecar, report);
        of_served(sidecar, &inbound, report);
        return;
    }
    report.add(match scope.registry.workload_of(scope.node) {
        Some(workload) => without_sidecar(scope.world, workload, &inbound, &[]),
        // Most often a program that joins in its own process and only calls: a note is enough.
        None => {
            let node = scope.node;
            let message =
                format!("no Sidecar selects proxy {node}, and {NOT_REDIRECTED}: it takes no traffic");
            Finding::info(code::NOT_HONOURED, message).help(suggestion(&Workload::from_node(node), &inbound))
        }
    });
}

/// What the proxies do not get to see that a World's workloads are said to have.
///
/// Sidecars are written one by one, and so are told one by one; workloads without one are told together, once
/// per namespace.
pub(super) fn of_world(world: &World, report: &mut Report) {
    for sidecar in world.of::<Sidecar>() {
        of_sidecar(sidecar, report);
    }
    let registry = world.registry();
    let mut without: BTreeMap<&str, Vec<&Workload>> = BTreeMap::new();
    for workload in registry.workloads().filter(|w| has_sidecar_proxy(world, w)) {
        match sidecar::choose(world, Subject { namespace: &workload.namespace, labels: &workload.labels }) {
            Some(sidecar) => {
                of_served(sidecar, &registry.inbound(workload), report);
            }
            None => without.entry(&workload.namespace).or_default().push(workload),
        }
    }
    for workloads in without.values_mut() {
        workloads.sort_by_key(|w| w.origin.as_ref().map(|o| (o.place.clone(), o.name.clone())));
        if let Some((first, others)) = workloads.split_first() {
            let inbound = registry.inbound(first);
            report.add(without_sidecar(world, first, &inbound, others));
        }
    }
}

/// What a Sidecar leaves to redirection, whichever workload it is for.
pub(super) fn of_sidecar(r: &Resource<Sidecar>, report: &mut Report) {
    for (i, listener) in r.spec.ingress.iter().enumerate() {
        redirected(r, format!("spec.ingress[{i}]"), listener.capture_mode, report);
    }
    let calling = || r.spec.egress.iter().enumerate().filter(|(_, l)| !imports_nothing(l));
    for (i, listener) in calling() {
        // A Unix socket cannot be redirected to, and is bound in every mode.
        if !listener.bind.starts_with("unix:") {
            redirected(r, format!("spec.egress[{i}]"), listener.capture_mode, report);
        }
    }
    if calling().next().is_none() {
        let message = "its workloads' own calls pass the proxy by: without an egress listener for some hosts \
                       they would have to be redirected, which is not supported by the compiler yet";
        // Who declares sockets knows that nothing is redirected, and may have a workload that calls nobody.
        let finding = match has_own_sockets(&r.spec) {
            true => Finding::info(code::NOT_HONOURED, message),
            false => Finding::warning(code::NOT_HONOURED, message),
        };
        let help = "for workloads that call others, write an egress listener with protocol: HTTP_PROXY, a \
                    bind and captureMode: NONE";
        report.add(finding.at(r, "spec.egress").help(help));
    }
}

/// Whether a listener is written only so that there is one: `~/*`.
fn imports_nothing(listener: &EgressListener) -> bool {
    !listener.hosts.is_empty() && listener.hosts.iter().all(|h| h.starts_with("~/"))
}

fn redirected(r: &Resource<Sidecar>, listener: String, mode: CaptureMode, report: &mut Report) {
    let what = match mode {
        CaptureMode::None => return,
        CaptureMode::Iptables => "redirection of traffic",
        CaptureMode::Default => "redirection of traffic (the default captureMode)",
    };
    let help = "use captureMode: NONE with a bind and a port";
    report.not_honoured(r, format!("{listener}.captureMode"), what, help);
}

/// A Sidecar without ingress listeners, of a workload that others call.
fn of_served(r: &Resource<Sidecar>, inbound: &[Inbound], report: &mut Report) {
    if r.spec.ingress.is_empty() && !ports(inbound).is_empty() {
        let message = "calls to its workloads pass the proxy by, and with it mutual TLS and policies: without \
                       ingress listeners they would have to be redirected, which is not supported by the \
                       compiler yet";
        let help = "write an ingress listener with captureMode: NONE for each port that is served";
        report.add(Finding::warning(code::NOT_HONOURED, message).at(r, "spec.ingress").help(help));
    }
}

/// About a workload, and others of its namespace that are like it.
fn without_sidecar(world: &World, workload: &Workload, inbound: &[Inbound], others: &[&Workload]) -> Finding {
    let names: Vec<&str> = others.iter().take(3).map(|w| &*w.name).collect();
    let too = match (names.as_slice(), others.len().saturating_sub(names.len())) {
        ([], _) => String::new(),
        (_, 0) => format!("; nor does one select {}", names.join(", ")),
        (_, more) => format!("; nor does one select {} and {more} more of the namespace", names.join(", ")),
    };
    let message = format!("no Sidecar selects it, and {NOT_REDIRECTED}: its proxy takes no traffic{too}");
    let finding = Finding::warning(code::NOT_HONOURED, message).help(suggestion(workload, inbound));
    let declared =
        workload.origin.as_ref().and_then(|o| world.find(&o.group, &o.kind, &o.namespace, &o.name));
    match declared {
        Some(declared) => finding.about(declared.meta(), declared.source(), "metadata.name"),
        None => finding,
    }
}

/// Whether a sidecar is said to stand before a workload, rather than a gateway or nothing.
///
/// A plain Pod or WorkloadEntry says nothing of a proxy. Mesh mTLS does, and so does injection, to which
/// Kubernetes' users leave it.
fn has_sidecar_proxy(world: &World, workload: &Workload) -> bool {
    (workload.tls_mode == TlsMode::Istio || is_injected(world, workload)) && !is_gateway(world, workload)
}

/// Whether Istio's injector would see the Pod, by the selectors of its webhooks, and take it.
fn is_injected(world: &World, workload: &Workload) -> bool {
    let Some(pod) = pod(world, workload).filter(|p| !p.spec.spec.host_network) else { return false };
    let label = pod.meta.labels.get(INJECT).map(String::as_str);
    let namespace = world.get::<Namespace>("", &workload.namespace);
    let of_namespace = |key: &str| namespace.and_then(|n| n.meta.labels.get(key)).map(String::as_str);
    let is_seen = match (of_namespace("istio-injection"), of_namespace(REVISION)) {
        (Some(text), _) => text == "enabled" && label != Some("false"),
        (None, Some(_)) => label != Some("false"),
        (None, None) => {
            label == Some("true") || label != Some("false") && pod.meta.labels.contains_key(REVISION)
        }
    };
    // The label is the newer way to say it, and goes before the annotation.
    let wish = label.or_else(|| pod.meta.annotations.get(INJECT).map(String::as_str));
    is_seen && wish.is_none_or(|text| INJECTED.iter().any(|yes| text.eq_ignore_ascii_case(yes)))
}

fn is_gateway(world: &World, workload: &Workload) -> bool {
    let labels = &workload.labels;
    let template = pod(world, workload).and_then(|p| p.meta.annotations.get("inject.istio.io/templates"));
    template.is_some_and(|t| t == "gateway")
        || labels.contains_key("gateway.networking.k8s.io/gateway-name")
        // One without a selector is for every gateway, and tells none.
        || world
            .of::<Gateway>()
            .any(|g| !g.spec.selector.is_empty() && labels_match(&g.spec.selector, labels))
}

fn pod<'w>(world: &'w World, workload: &Workload) -> Option<&'w Arc<Resource<Pod>>> {
    let is_pod = workload.source == WorkloadSource::Pod;
    is_pod.then(|| world.get::<Pod>(&workload.namespace, &workload.name)).flatten()
}

/// The ports that are served, other than for datagrams.
fn ports(inbound: &[Inbound]) -> BTreeMap<u16, Protocol> {
    let mut ports = BTreeMap::new();
    for inbound in inbound {
        if let Some(port) = inbound.service.port(inbound.port).filter(|p| p.protocol != Protocol::Udp) {
            ports.entry(inbound.target).or_insert(port.protocol);
        }
    }
    ports
}

/// The Sidecar to write, as YAML.
fn suggestion(workload: &Workload, inbound: &[Inbound]) -> String {
    let ip = workload.ips.first().copied();
    let mut lines = vec![
        "unless a program embeds the mesh, which needs none, write".to_owned(),
        "apiVersion: networking.istio.io/v1".to_owned(),
        "kind: Sidecar".to_owned(),
        format!("metadata: {{name: {}, namespace: {}}}", quoted(&workload.name), quoted(&workload.namespace)),
        "spec:".to_owned(),
    ];
    let labels = telling(&workload.labels);
    lines.push(match labels.is_empty() {
        true => {
            "  # for every workload of the namespace, as this one has no labels to select it by".to_owned()
        }
        false => format!("  workloadSelector: {{labels: {}}}", json!(labels)),
    });
    let ports = ports(inbound);
    if !ports.is_empty() {
        lines.push("  ingress:".to_owned());
    }
    for (number, protocol) in ports {
        // Bytes where it was not said.
        let protocol = if protocol.is_unsupported() { Protocol::Tcp } else { protocol };
        let (bind, own) = match ip.filter(|ip| *ip != Ipv4Addr::LOCALHOST) {
            Some(ip) => (format!(", bind: {}", quoted(&ip.to_string())), number),
            // The proxy takes the workload's port; the workload needs another.
            None if number < 55_000 => (String::new(), number + 10_000),
            None => (String::new(), number - 10_000),
        };
        let name = format!("{}-{number}", protocol.as_str().to_ascii_lowercase());
        lines.push(format!(
            "  - {{port: {{number: {number}, name: {name}, protocol: {}}}{bind}, captureMode: NONE, \
             defaultEndpoint: '127.0.0.1:{own}'}}",
            protocol.as_str()
        ));
    }
    // Workloads of one machine each have a loopback address of their own; others share the first.
    let bind = ip.filter(IpAddr::is_loopback).unwrap_or(Ipv4Addr::LOCALHOST.into());
    lines.push("  egress:".to_owned());
    lines.push(format!(
        "  - {{port: {{number: 15001, name: http-proxy, protocol: HTTP_PROXY}}, bind: {}, captureMode: NONE, \
         hosts: ['*/*']}}",
        quoted(&bind.to_string())
    ));
    lines.push("  outboundTrafficPolicy: {mode: REGISTRY_ONLY}".to_owned());
    lines.join("\n")
}

/// The labels that tell a workload from others: not those that tools add to it.
fn telling(labels: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    let is_added =
        |key: &str| ADDED.contains(&key) || ADDED_GROUPS.iter().any(|group| key.starts_with(group));
    let own = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).filter(|(k, _)| !is_added(k));
    let short: BTreeMap<&str, &str> = own.clone().filter(|(k, _)| !k.contains('/')).collect();
    if short.is_empty() { own.collect() } else { short }
}

fn quoted(text: &str) -> Value {
    Value::from(text)
}
