//! Services: what their ports say, and services that contradict each other about one workload.

use super::context::{Context, Spot, beside, say};
use super::namespace::is_out;
use crate::api::Resource;
use crate::api::kubernetes::service::ServicePort;
use crate::api::kubernetes::{IntOrString, Service};
use crate::api::value::labels_match;
use crate::diagnostic::{Finding, Findings, code};
use crate::registry::Protocol;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Namespaces of Kubernetes itself.
const SYSTEM: &[&str] = &["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// Label of what a controller of the mesh made, and its value for waypoints.
const MANAGED: &str = "gateway.istio.io/managed";
const WAYPOINT: &str = "istio.io-mesh-controller";

/// Ports whose names say no protocol.
pub(super) fn port_names(ctx: &Context<'_>, out: &mut Findings) {
    let skipped = |namespace: &str| SYSTEM.contains(&namespace) || namespace == ctx.mesh.root_namespace;
    for service in ctx.world.of::<Service>().filter(|s| !skipped(&s.meta.namespace)) {
        let external = service.spec.kind == "ExternalName";
        for (i, port) in service.spec.ports.iter().enumerate() {
            let app = Some(&*port.app_protocol).filter(|a| !a.is_empty());
            let protocol = Protocol::of_port(port.port, &port.name, &port.protocol, app);
            let by_name = external && port.name == "tcp";
            if !protocol.is_unsupported() && !by_name {
                continue;
            }
            let path = format!("spec.ports[{i}]");
            if external {
                let message = format!(
                    "the name of port {} does not say which protocol is spoken: as TCP it would take calls to every host on that port",
                    port.port
                );
                let help = "name it http, https or tls, or http-…; or write a ServiceEntry";
                out.push(say(code::EXTERNAL_NAME_PORT, message).at(service, path).help(help));
            } else {
                let message = match port.name.as_str() {
                    "" => format!(
                        "port {} has no name that says its protocol: it is guessed from the first bytes",
                        port.port
                    ),
                    name => format!(
                        "`{name}` does not say the protocol of port {}: it is guessed from the first bytes",
                        port.port
                    ),
                };
                let help = "name it by its protocol, such as http, http-…, grpc or tcp, or write appProtocol";
                out.push(say(code::PORT_NAME, message).at(service, path).help(help));
            }
        }
    }
}

/// Services of one workload that disagree about a port.
pub(super) fn shared_workloads(ctx: &Context<'_>, out: &mut Findings) {
    let services = BySelector::new(ctx);
    let mut seen = BTreeSet::new();
    let mut said = BTreeSet::new();
    for workload in ctx.workloads.iter() {
        let namespace = &*workload.meta.namespace;
        // Pods of one template are one. What serves as a waypoint calls for others.
        let managed = workload.labels.get(MANAGED).is_some_and(|by| by == WAYPOINT);
        if managed || is_out(ctx, workload) || !seen.insert((namespace, workload.labels.clone())) {
            continue;
        }
        let found = services.of(namespace, &workload.labels);
        if found.len() < 2 {
            continue;
        }
        let name = |s: &Resource<Service>| s.meta.name.to_string();
        for (number, transports) in transports(&found) {
            if transports.len() > 1 {
                let names: BTreeSet<String> = transports.values().flatten().map(|s| name(s)).collect();
                let names: Vec<String> = names.into_iter().collect();
                if names.len() > 1 && said.insert((namespace, number.to_string(), names.clone())) {
                    let all: Vec<&str> = transports.keys().copied().collect();
                    let message = format!(
                        "port {number} of this workload is {} to services {}",
                        all.join(" and "),
                        names.join(", ")
                    );
                    let finding = say(code::PORT_PROTOCOLS_DIFFER, message);
                    let finding = finding.about(workload.meta, workload.source, "metadata.name");
                    let finding = transports.iter().fold(finding, |finding, (transport, of)| {
                        declared(
                            finding,
                            of,
                            |p| p.port == number && transport_of(p) == *transport,
                            transport,
                        )
                    });
                    out.push(finding.help("give the port one protocol in all services of the workload"));
                }
            }
        }
        for (target, numbers) in targets(&found) {
            let names: BTreeSet<String> = numbers.values().flatten().map(|s| name(s)).collect();
            let names: Vec<String> = names.into_iter().collect();
            if numbers.len() > 1 && names.len() > 1 && said.insert((namespace, target.clone(), names.clone()))
            {
                let all: Vec<String> = numbers.keys().map(u16::to_string).collect();
                let message = format!(
                    "target port {target} of this workload is reached by different ports ({}) of services {}",
                    all.join(", "),
                    names.join(", ")
                );
                let finding = say(code::TARGET_PORTS_CONFLICT, message);
                let finding = finding.about(workload.meta, workload.source, "metadata.name");
                let finding = numbers.iter().fold(finding, |finding, (number, of)| {
                    let wanted = |p: &ServicePort| p.port == *number && target_of(p) == target;
                    declared(finding, of, wanted, &format!("port {number}"))
                });
                out.push(finding.help("give the services the same port, or the workload a port for each"));
            }
        }
    }
}

type One<'w> = &'w Arc<Resource<Service>>;

/// Services by namespace and one label of their selectors.
struct BySelector<'w>(HashMap<&'w str, HashMap<(&'w str, &'w str), Vec<One<'w>>>>);

impl<'w> BySelector<'w> {
    fn new(ctx: &Context<'w>) -> Self {
        let mut all: HashMap<&str, HashMap<(&str, &str), Vec<One<'w>>>> = HashMap::new();
        for service in ctx.world.of::<Service>() {
            if let Some((key, value)) = service.spec.selector.first_key_value() {
                let of = all.entry(&service.meta.namespace).or_default();
                of.entry((key, value)).or_default().push(service);
            }
        }
        Self(all)
    }

    fn of(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<One<'w>> {
        let Some(near) = self.0.get(namespace) else { return Vec::new() };
        let candidates = labels.iter().filter_map(|(k, v)| near.get(&(k.as_str(), v.as_str()))).flatten();
        candidates.copied().filter(|s| labels_match(&s.spec.selector, labels)).collect()
    }
}

/// Shows where the first of some services declares a port.
fn declared(
    finding: Finding,
    services: &[One<'_>],
    is_it: impl Fn(&ServicePort) -> bool,
    what: &str,
) -> Finding {
    let found = services.iter().find_map(|s| Some((s, s.spec.ports.iter().position(&is_it)?)));
    match found {
        Some((service, at)) => {
            let text = format!("{what} in Service `{}`", service.meta.name);
            beside(finding, &Spot::of(service, format!("spec.ports[{at}].port")), &text)
        }
        None => finding,
    }
}

fn transport_of(port: &ServicePort) -> &str {
    if port.protocol.is_empty() { "TCP" } else { &port.protocol }
}

fn target_of(port: &ServicePort) -> String {
    match &port.target_port {
        Some(IntOrString::Int(number)) if *number > 0 => number.to_string(),
        Some(IntOrString::String(name)) if !name.is_empty() => name.clone(),
        _ => port.port.to_string(),
    }
}

/// Who says which transport of a port.
fn transports<'w>(services: &[One<'w>]) -> BTreeMap<u16, BTreeMap<&'w str, Vec<One<'w>>>> {
    let mut all: BTreeMap<u16, BTreeMap<&str, Vec<One<'w>>>> = BTreeMap::new();
    for service in services {
        for port in &service.spec.ports {
            all.entry(port.port).or_default().entry(transport_of(port)).or_default().push(*service);
        }
    }
    all
}

/// Which numbers lead to a target port.
fn targets<'w>(services: &[One<'w>]) -> BTreeMap<String, BTreeMap<u16, Vec<One<'w>>>> {
    let mut all: BTreeMap<String, BTreeMap<u16, Vec<One<'w>>>> = BTreeMap::new();
    for service in services {
        for port in &service.spec.ports {
            all.entry(target_of(port)).or_default().entry(port.port).or_default().push(*service);
        }
    }
    all
}
