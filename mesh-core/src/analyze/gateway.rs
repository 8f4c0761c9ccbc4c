//! Gateways: whether somebody listens, whether the hosts fit, and gateways that contradict each other.

use super::context::{Context, GatewayName, Spot, beside, say};
use crate::api::Resource;
use crate::api::kubernetes::Service;
use crate::api::networking::Gateway;
use crate::api::networking::gateway::{self, ServerTls};
use crate::api::value::labels_match;
use crate::diagnostic::{Findings, code};
use crate::hostname::Hostname;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Selectors that select nobody, where the proxies of gateways are known.
pub(super) fn selectors(ctx: &Context<'_>, out: &mut Findings) {
    if !ctx.workloads.gateways_known() {
        return;
    }
    for gateway in ctx.world.of::<Gateway>() {
        let selector = &gateway.spec.selector;
        if !selector.is_empty() && !ctx.workloads.any(None, selector) {
            let message = format!("no workload has the labels {}", labels(selector));
            let finding = say(code::REFERENCE, message).at(gateway, "spec.selector");
            out.push(finding.help("name the labels of the proxies that are to listen"));
        }
    }
}

/// Ports that the service before a gateway's pods does not have.
pub(super) fn ports(ctx: &Context<'_>, out: &mut Findings) {
    let mut services: HashMap<&str, Vec<&Arc<Resource<Service>>>> = HashMap::new();
    for service in ctx.world.of::<Service>().filter(|s| !s.spec.selector.is_empty()) {
        services.entry(&service.meta.namespace).or_default().push(service);
    }
    let mut by_selector: BTreeMap<&BTreeMap<String, String>, Vec<&Arc<Resource<Gateway>>>> = BTreeMap::new();
    for gateway in ctx.world.of::<Gateway>().filter(|g| !g.spec.selector.is_empty()) {
        by_selector.entry(&gateway.spec.selector).or_default().push(gateway);
    }
    for (selector, gateways) in by_selector {
        let mut before: Vec<&Arc<Resource<Service>>> = Vec::new();
        let mut labels_seen = BTreeSet::new();
        for pod in ctx.workloads.select(None, selector).filter(|w| w.spec.is_some()) {
            let namespace = &*pod.meta.namespace;
            if labels_seen.insert((namespace, &*pod.labels)) {
                let near = services.get(namespace).into_iter().flatten();
                before.extend(near.filter(|s| labels_match(&s.spec.selector, &pod.labels)));
            }
        }
        let tcp =
            |p: &&crate::api::kubernetes::service::ServicePort| p.protocol.is_empty() || p.protocol == "TCP";
        let targets: BTreeSet<u16> = before
            .iter()
            .flat_map(|s| s.spec.ports.iter().filter(tcp))
            .flat_map(|p| match &p.target_port {
                Some(crate::api::kubernetes::IntOrString::Int(number)) => vec![p.port, *number],
                _ => vec![p.port],
            })
            .collect();
        // A target port by name may be any.
        let named = before
            .iter()
            .flat_map(|s| &s.spec.ports)
            .any(|p| matches!(&p.target_port, Some(crate::api::kubernetes::IntOrString::String(_))));
        let Some(service) = before.first().filter(|_| !named) else { continue };
        for gateway in gateways {
            for (i, server) in gateway.spec.servers.iter().enumerate() {
                let port = server.port.number;
                if !targets.contains(&port) {
                    let message = format!(
                        "port {port} is not one of Service {}/{}, which stands before these proxies",
                        service.meta.namespace, service.meta.name
                    );
                    let path = format!("spec.servers[{i}].port.number");
                    let help = "add it to the service, or listen on a port that it has";
                    let finding = say(code::PORT_NOT_ON_SERVICE, message).at(gateway, path).help(help);
                    out.push(beside(finding, &Spot::of(service, "spec.ports"), "its ports"));
                }
            }
        }
    }
}

/// VirtualServices none of whose hosts is one of their gateway's.
pub(super) fn hosts(ctx: &Context<'_>, out: &mut Findings) {
    let mut read: HashMap<GatewayName<'_>, Vec<(String, Hostname)>> = HashMap::new();
    for routing in &ctx.routings {
        for (i, name) in &routing.gateways {
            let Some(gateway) = ctx.gateway(*name) else { continue };
            let offered = read.entry(*name).or_insert_with(|| offered(gateway));
            let own = &*routing.of.meta.namespace;
            let fits = offered.iter().filter(|(namespace, _)| namespace == "*" || namespace == own);
            let fits: Vec<&Hostname> = fits.map(|(_, host)| host).collect();
            if routing.hosts.is_empty()
                || routing.hosts.iter().any(|(_, h)| fits.iter().any(|f| f.overlaps(h)))
            {
                continue;
            }
            let message = format!(
                "none of the hosts is one of gateway `{}/{}`: no request comes through it",
                name.namespace, name.name
            );
            let mut known: Vec<String> = fits.iter().map(|h| format!("`{h}`")).collect();
            known.truncate(5);
            let help = match known.is_empty() {
                true => format!("the gateway lets in no host of namespace `{own}`"),
                false => format!("its hosts for `{own}` are {}", known.join(", ")),
            };
            let path = format!("spec.gateways[{i}]");
            let finding = say(code::HOST_NOT_IN_GATEWAY, message).at(routing.of, path).help(help);
            out.push(beside(finding, &Spot::of(gateway, "spec.servers[0].hosts"), "the gateway's hosts"));
        }
    }
}

/// The hosts of a gateway with the namespaces that they are for.
fn offered(gateway: &Resource<Gateway>) -> Vec<(String, Hostname)> {
    let all = gateway.spec.servers.iter().flat_map(|s| &s.hosts);
    all.filter_map(|written| {
        let (namespace, host) = written.split_once('/').unwrap_or(("*", written));
        let namespace = if namespace == "." { &gateway.meta.namespace } else { namespace };
        Some((namespace.to_owned(), host.parse().ok()?))
    })
    .collect()
}

/// What several gateways have, by the labels of their proxies.
struct Held<'a, K>(HashMap<K, BTreeMap<&'a Labels, Server<'a>>>);

type Labels = BTreeMap<String, String>;

/// A gateway, and the place of one of its servers.
type Server<'a> = (&'a Arc<Resource<Gateway>>, usize);

impl<'a, K: std::hash::Hash + Eq> Held<'a, K> {
    /// The first gateway, other than this one, that has it as well at some of the same proxies: one selector holds
    /// all that the other does. Takes note of this one.
    fn before(&mut self, key: K, server: Server<'a>) -> Option<Server<'a>> {
        let all = self.0.entry(key).or_default();
        let own = &server.0.spec.selector;
        let found = all.get(own).copied().or_else(|| {
            let shared = |other: &Labels| labels_match(other, own) || labels_match(own, other);
            all.iter().find(|(other, _)| shared(other)).map(|(_, found)| *found)
        });
        all.entry(own).or_insert(server);
        found.filter(|(other, _)| !Arc::ptr_eq(other, server.0))
    }
}

/// Gateways that listen for the same host on the same port of the same proxies.
pub(super) fn conflicts(ctx: &Context<'_>, out: &mut Findings) {
    let mut held: Held<'_, (u16, &str, String)> = Held(HashMap::new());
    for gateway in ctx.world.of::<Gateway>() {
        let own = &*gateway.meta.namespace;
        for (i, server) in gateway.spec.servers.iter().enumerate() {
            let port = server.port.number;
            let mut others = server.hosts.iter().enumerate().filter_map(|(h, written)| {
                let host = match written.split_once('/') {
                    Some(("*", host)) => host.to_lowercase(),
                    Some((".", host)) => format!("{own}/{host}").to_lowercase(),
                    _ => written.to_lowercase(),
                };
                let (other, s) = held.before((port, &*server.bind, host), (gateway, i))?;
                Some((h, written, other, s))
            });
            let found = others.next();
            // Every host is taken note of, though one finding says enough.
            others.for_each(drop);
            let Some((h, host, other, s)) = found else { continue };
            let message = format!(
                "Gateway {}/{} listens for `{host}` on port {port} of the same proxies",
                other.meta.namespace, other.meta.name
            );
            let path = format!("spec.servers[{i}].hosts[{h}]");
            let help = "keep one of them, or give them other hosts";
            let finding = say(code::GATEWAYS_CONFLICT, message).at(gateway, path).help(help);
            let named = |server: &gateway::Server| server.hosts.iter().position(|theirs| theirs == host);
            let theirs = other.spec.servers.get(s).and_then(named).map(|at| format!("[{at}]"));
            let spot = Spot::of(other, format!("spec.servers[{s}].hosts{}", theirs.unwrap_or_default()));
            out.push(beside(finding, &spot, "the other one"));
        }
    }
}

/// Gateways that show the same certificate from the same proxies: browsers reuse one's connections for the
/// other's hosts.
pub(super) fn certificates(ctx: &Context<'_>, out: &mut Findings) {
    let mut held: Held<'_, String> = Held(HashMap::new());
    for gateway in ctx.world.of::<Gateway>() {
        for (i, server) in gateway.spec.servers.iter().enumerate() {
            let Some((field, shown)) = server.tls.as_ref().and_then(certificate) else { continue };
            let Some((other, s)) = held.before(shown, (gateway, i)) else { continue };
            let message = format!(
                "Gateway {}/{} shows the same certificate: callers that reuse its HTTP/2 connections get 404 for hosts of this one",
                other.meta.namespace, other.meta.name
            );
            let path = format!("spec.servers[{i}].tls.{field}");
            let help = "put the hosts of a certificate into one Gateway";
            let finding = say(code::CERTIFICATE_TWICE, message).at(gateway, path).help(help);
            let spot = Spot::of(other, format!("spec.servers[{s}].tls.{field}"));
            out.push(beside(finding, &spot, "the other one"));
        }
    }
}

/// What names a server's certificate, and in which field.
fn certificate(tls: &ServerTls) -> Option<(&'static str, String)> {
    if !tls.credential_name.is_empty() {
        return Some(("credentialName", format!("secret {}", tls.credential_name)));
    }
    let files = !tls.server_certificate.is_empty() && !tls.private_key.is_empty();
    files.then(|| ("serverCertificate", format!("{} {}", tls.server_certificate, tls.private_key)))
}

/// `a=b, c=d`.
pub(super) fn labels(of: &BTreeMap<String, String>) -> String {
    of.iter().map(|(k, v)| format!("`{k}={v}`")).collect::<Vec<_>>().join(", ")
}
