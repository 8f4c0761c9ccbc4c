//! What resources refer to: hosts, subsets, ports and gateways that are not there.
//!
//! ```text
//! World ─[analyze]─▶ findings      (each resource alone is validate's; one proxy's view is compile's)
//! ```
//!
//! Warnings all: what is referred to may be declared later, or elsewhere. The codes are `istioctl`'s.

use crate::api::Resource;
use crate::api::networking::virtual_service::Destination;
use crate::api::networking::{DestinationRule, Gateway, VirtualService};
use crate::diagnostic::{Finding, Findings, code};
use crate::hostname::Hostname;
use crate::registry::{CLUSTER_DOMAIN, ExportTo};
use crate::world::World;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// All that there is to say about a World, whatever the proxy: [`analyze`], and what its resources say in
/// vain or leave to a redirection that does not happen ([`unsupported_all`](crate::compile::unsupported_all)).
///
/// ```
/// use mesh_core::{analyze, world::World, yaml};
/// let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {sessionAffinity: ClientIP}\n";
/// let parsed = yaml::resources("a.yaml", text, &Default::default());
/// let world = World::from_resources(parsed.outcomes.into_iter().filter_map(|o| o.resource), "1");
/// let findings = analyze::findings(&world);
/// assert_eq!(findings[0].path, "spec.sessionAffinity");
/// assert_eq!(findings[0].span.map(|s| s.line), Some(4));
/// ```
pub fn findings(world: &World) -> Findings {
    let mut all = analyze(world);
    all.extend(crate::compile::unsupported_all(world));
    all
}

/// Checks every reference of a World, in the order of its resources.
pub fn analyze(world: &World) -> Findings {
    let rules = world.of::<DestinationRule>().filter_map(|rule| Subsets::of(world, rule)).collect();
    let mut check = Check { world, rules, findings: Vec::new() };
    for service in world.of::<VirtualService>() {
        check.gateways(service);
        check.destinations(service);
    }
    check.findings
}

/// A DestinationRule by its full host.
struct Subsets<'a> {
    host: Hostname,
    seen_by: ExportTo,
    rule: &'a Resource<DestinationRule>,
}

impl<'a> Subsets<'a> {
    fn of(world: &World, rule: &'a Arc<Resource<DestinationRule>>) -> Option<Self> {
        let namespace = &rule.meta.namespace;
        let host = Hostname::resolve(&rule.spec.host, namespace, CLUSTER_DOMAIN).ok()?;
        let default = &world.mesh().default_destination_rule_export_to;
        let default = ExportTo::new(default, namespace, &ExportTo::All);
        Some(Self { host, seen_by: ExportTo::new(&rule.spec.export_to, namespace, &default), rule })
    }
}

struct Check<'a> {
    world: &'a World,
    rules: Vec<Subsets<'a>>,
    findings: Findings,
}

impl Check<'_> {
    fn missing(&mut self, of: &Resource<VirtualService>, path: &str, message: String, help: String) {
        self.findings.push(Finding::warning(code::REFERENCE, message).at(of, path).help(help));
    }

    fn gateways(&mut self, service: &Resource<VirtualService>) {
        let spec = &service.spec;
        let mut named: Vec<(String, &String)> = listed("spec.gateways".to_owned(), &spec.gateways).collect();
        for (h, rule) in spec.http.iter().enumerate() {
            for (m, wanted) in rule.r#match.iter().enumerate() {
                let path = format!("spec.http[{h}].match[{m}].gateways");
                named.extend(listed(path, &wanted.gateways));
            }
        }
        for (path, text) in named {
            let (namespace, name) = gateway_of(text, &service.meta.namespace);
            if text != "mesh" && self.world.get::<Gateway>(namespace, name).is_none() {
                let message = format!("there is no gateway `{name}` in namespace `{namespace}`");
                let help = match self.world.of::<Gateway>().find(|g| *g.meta.name == *name) {
                    Some(other) => format!("there is one in another: write {}/{name}", other.meta.namespace),
                    None => "declare it, or write `mesh` for sidecars".to_owned(),
                };
                self.missing(service, &path, message, help);
            }
        }
    }

    fn destinations(&mut self, service: &Resource<VirtualService>) {
        let spec = &service.spec;
        let mut all: Vec<(String, &Destination)> = Vec::new();
        for (h, rule) in spec.http.iter().enumerate() {
            let path = format!("spec.http[{h}]");
            let routes = rule.route.iter().enumerate();
            all.extend(routes.map(|(i, r)| (format!("{path}.route[{i}].destination"), &r.destination)));
            all.extend(rule.mirror.iter().map(|m| (format!("{path}.mirror"), m)));
            let mirrors = rule.mirrors.iter().enumerate();
            all.extend(mirrors.map(|(i, m)| (format!("{path}.mirrors[{i}].destination"), &m.destination)));
        }
        let tls = spec.tls.iter().enumerate().map(|(i, r)| (format!("spec.tls[{i}]"), &r.route));
        let tcp = spec.tcp.iter().enumerate().map(|(i, r)| (format!("spec.tcp[{i}]"), &r.route));
        for (path, routes) in tls.chain(tcp) {
            let routes = routes.iter().enumerate();
            all.extend(routes.map(|(i, r)| (format!("{path}.route[{i}].destination"), &r.destination)));
        }
        for (path, to) in all {
            self.destination(service, &path, to);
        }
    }

    fn destination(&mut self, from: &Resource<VirtualService>, path: &str, to: &Destination) {
        let namespace = &*from.meta.namespace;
        let Ok(host) = Hostname::resolve(&to.host, namespace, CLUSTER_DOMAIN) else { return };
        let registry = self.world.registry();
        let wild = || registry.services_visible_to(namespace).find(|s| s.host.covers(&host));
        let Some(found) = registry.service(&host, namespace).or_else(wild) else {
            let (message, help) = match registry.services_at(&host).next() {
                Some(hidden) => (
                    format!("`{host}` is not exported to namespace `{namespace}`"),
                    format!("add `{namespace}` to exportTo of {}", hidden.origin),
                ),
                None => (format!("there is no service `{host}`"), self.nearest(&host, namespace)),
            };
            return self.missing(from, &format!("{path}.host"), message, help);
        };
        let ports: Vec<String> = found.ports.iter().map(|p| p.number.to_string()).collect();
        match to.port.map(|p| p.number) {
            Some(number) if found.port(number).is_none() => {
                let message = format!("`{host}` has no port {number}");
                let help = format!("its ports are {}", ports.join(", "));
                self.missing(from, &format!("{path}.port.number"), message, help);
            }
            None if ports.len() > 1 => {
                let message = format!("`{host}` has several ports: which is meant is not said");
                self.missing(from, path, message, format!("write port.number: one of {}", ports.join(", ")));
            }
            _ => {}
        }
        self.subset(from, path, to, &host);
    }

    fn subset(&mut self, from: &Resource<VirtualService>, path: &str, to: &Destination, host: &Hostname) {
        if to.subset.is_empty() {
            return;
        }
        let rules =
            self.rules.iter().filter(|r| r.host.covers(host) && r.seen_by.covers(&from.meta.namespace));
        let known: Vec<&str> = rules.flat_map(|r| &r.rule.spec.subsets).map(|s| s.name.as_str()).collect();
        if !known.contains(&to.subset.as_str()) {
            let message = format!("`{host}` has no subset `{}`", to.subset);
            let help = match known.is_empty() {
                true => format!("declare it in a DestinationRule for {}", to.host),
                false => format!("its subsets are {}", known.join(", ")),
            };
            self.missing(from, &format!("{path}.subset"), message, help);
        }
    }

    fn nearest(&self, host: &Hostname, namespace: &str) -> String {
        let all = self.world.registry().services_visible_to(namespace);
        let near = |other: &Hostname| strsim::damerau_levenshtein(other.as_str(), host.as_str());
        match all.map(|s| (near(&s.host), &s.host)).min().filter(|(distance, _)| *distance <= 3) {
            Some((_, name)) => format!("did you mean `{name}`?"),
            None => "declare a Service or a ServiceEntry with this host".to_owned(),
        }
    }
}

/// The items of a list with their paths.
fn listed(path: String, items: &[String]) -> impl Iterator<Item = (String, &String)> {
    items.iter().enumerate().map(move |(i, item)| (format!("{path}[{i}]"), item))
}

/// `namespace/name`, the older `name.namespace…`, or a name of the resource's own namespace.
fn gateway_of<'a>(text: &'a str, own: &'a str) -> (&'a str, &'a str) {
    if let Some((namespace, name)) = text.split_once('/') {
        return (namespace, name);
    }
    match text.split_once('.') {
        Some((name, rest)) => (rest.split('.').next().unwrap_or(rest), name),
        None => (own, text),
    }
}
