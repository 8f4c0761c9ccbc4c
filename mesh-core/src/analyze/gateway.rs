//! Gateways: whether somebody listens, whether the hosts fit, and gateways that contradict each other.

use super::context::{Context, GatewayName, Spot, beside, say};
use crate::api::Resource;
use crate::api::kubernetes::Service;
use crate::api::networking::Gateway;
use crate::api::networking::gateway::{self, ServerTls};
use crate::api::value::labels_match;
use crate::diagnostic::{Findings, code};
use crate::hostname::Hostname;
use crate::validate::hosts::HostSet;
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
    let mut read: HashMap<GatewayName<'_>, Offered> = HashMap::new();
    for routing in ctx.routings.iter().filter(|r| !r.hosts.is_empty()) {
        let own = &*routing.of.meta.namespace;
        let mut wanted = None;
        for (i, name) in &routing.gateways {
            let Some(gateway) = ctx.gateway(*name) else { continue };
            let offered = read.entry(*name).or_insert_with(|| Offered::by(gateway));
            // Of the two lists each of the shorter one is looked for in the other.
            let fits = if offered.all.len() < routing.hosts.len() {
                let wanted =
                    wanted.get_or_insert_with(|| routing.hosts.iter().map(|(_, h)| h.clone()).collect());
                offered.of(own).any(|host| HostSet::overlapping(wanted, host).is_some())
            } else {
                routing.hosts.iter().any(|(_, host)| offered.overlaps(host, own))
            };
            if fits {
                continue;
            }
            let message = format!(
                "none of the hosts is one of gateway `{}/{}`: no request comes through it",
                name.namespace, name.name
            );
            let known = offered.first.get(own).unwrap_or(&offered.first_for_all);
            let known: Vec<String> = known.iter().map(|h| format!("`{h}`")).collect();
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

/// The hosts of a gateway, by the namespaces that they are for; `*` for all.
struct Offered {
    all: Vec<(String, Hostname)>,
    by_namespace: HashMap<String, HostSet>,
    /// For each namespace that is named the first hosts, those for all among them.
    first: HashMap<String, Vec<Hostname>>,
    first_for_all: Vec<Hostname>,
}

impl Offered {
    /// So many hosts are told.
    const TOLD: usize = 5;

    fn by(gateway: &Resource<Gateway>) -> Self {
        let written = gateway.spec.servers.iter().flat_map(|s| &s.hosts).filter_map(|written| {
            let (namespace, host) = written.split_once('/').unwrap_or(("*", written));
            let namespace = if namespace == "." { &gateway.meta.namespace } else { namespace };
            Some((namespace.to_owned(), host.parse::<Hostname>().ok()?))
        });
        let all: Vec<_> = written.collect();
        let mut new =
            Self { all, by_namespace: HashMap::new(), first: HashMap::new(), first_for_all: Vec::new() };
        for (namespace, host) in &new.all {
            new.by_namespace.entry(namespace.clone()).or_default().insert(host.clone());
            let lists: Vec<&mut Vec<Hostname>> = match namespace.as_str() {
                "*" if new.first_for_all.len() == Self::TOLD => continue,
                "*" => new.first.values_mut().chain([&mut new.first_for_all]).collect(),
                named => {
                    let before = || new.first_for_all.clone();
                    vec![new.first.entry(named.to_owned()).or_insert_with(before)]
                }
            };
            for list in lists.into_iter().filter(|list| list.len() < Self::TOLD) {
                list.push(host.clone());
            }
        }
        new
    }

    /// Those that are for a namespace.
    fn of(&self, own: &str) -> impl Iterator<Item = &Hostname> {
        self.all
            .iter()
            .filter(move |(namespace, _)| namespace == "*" || namespace == own)
            .map(|(_, host)| host)
    }

    /// Whether one that is for a namespace has a name in common with a host.
    fn overlaps(&self, host: &Hostname, own: &str) -> bool {
        let near = ["*", own].into_iter().filter_map(|namespace| self.by_namespace.get(namespace));
        near.into_iter().any(|set| set.overlapping(host).is_some())
    }
}

/// What several gateways have, by the labels of their proxies.
struct Held<'a, K>(HashMap<K, Holders<'a>>);

type Labels = BTreeMap<String, String>;

/// A gateway, and the place of one of its servers.
type Server<'a> = (&'a Arc<Resource<Gateway>>, usize);

/// The first gateway of each selector.
#[derive(Default)]
struct Holders<'a> {
    by_selector: BTreeMap<&'a Labels, Server<'a>>,
    by_label: HashMap<(&'a str, &'a str), Vec<&'a Labels>>,
}

impl<'a, K: std::hash::Hash + Eq> Held<'a, K> {
    /// The first gateway, other than this one, that has it as well at some of the same proxies: one selector holds
    /// all that the other does. Takes note of this one.
    fn before(&mut self, key: K, server: Server<'a>) -> Option<Server<'a>> {
        let all = self.0.entry(key).or_default();
        let own = &server.0.spec.selector;
        let found = all.by_selector.get(own).copied().or_else(|| all.sharing(own));
        all.add(own, server);
        found.filter(|(other, _)| !Arc::ptr_eq(other, server.0))
    }
}

impl<'a> Holders<'a> {
    /// Selectors of more labels than this are not taken apart.
    const FEW: usize = 6;

    fn add(&mut self, own: &'a Labels, server: Server<'a>) {
        if let std::collections::btree_map::Entry::Vacant(free) = self.by_selector.entry(own) {
            free.insert(server);
            for (key, value) in own {
                self.by_label.entry((key, value)).or_default().push(own);
            }
        }
    }

    /// The first, by selector, whose selector holds all that this one does, or the other way round.
    fn sharing(&self, own: &Labels) -> Option<Server<'a>> {
        let first = || self.by_selector.iter().next().map(|(_, server)| *server);
        let lists = own.iter().map(|(k, v)| self.by_label.get(&(k.as_str(), v.as_str())));
        let Some(list) = lists.map(|l| l.map(Vec::as_slice).unwrap_or_default()).min_by_key(|l| l.len())
        else {
            // Without labels it holds nothing that another would not hold.
            return first();
        };
        let wider = list.iter().copied().filter(|other| labels_match(own, other)).min();
        let narrower = match own.len() <= Self::FEW {
            true => subsets(own)
                .iter()
                .filter_map(|part| self.by_selector.get_key_value(part))
                .map(|(k, _)| *k)
                .min(),
            false => self.by_selector.keys().copied().find(|other| labels_match(other, own)),
        };
        let found = wider.into_iter().chain(narrower).min()?;
        self.by_selector.get(found).copied()
    }
}

/// Every choice among some labels.
fn subsets(of: &Labels) -> Vec<Labels> {
    let mut all = vec![Labels::new()];
    for (key, value) in of {
        let with =
            |part: &Labels| part.iter().chain([(key, value)]).map(|(k, v)| (k.clone(), v.clone())).collect();
        let more: Vec<Labels> = all.iter().map(with).collect();
        all.extend(more);
    }
    all
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels() -> impl Strategy<Value = Labels> {
        prop::collection::btree_map("[abcdefgh]", "[xy]", 0..8)
    }

    proptest! {
        #[test]
        fn gateways_of_the_same_proxies_are_found_as_a_look_at_each_finds_them(
            all in prop::collection::vec(labels(), 0..12),
            own in labels(),
        ) {
            let gateways: Vec<_> = all.into_iter().map(|selector| {
                let spec = Gateway { selector, ..Gateway::default() };
                Arc::new(Resource { spec, meta: Default::default(), source: Default::default() })
            }).collect();
            let mut holders = Holders::default();
            for (at, gateway) in gateways.iter().enumerate() {
                holders.add(&gateway.spec.selector, (gateway, at));
            }
            let shared = |other: &Labels| labels_match(other, &own) || labels_match(&own, other);
            let found = holders.by_selector.iter().find(|(other, _)| shared(other)).map(|(_, server)| server.1);
            prop_assert_eq!(holders.sharing(&own).map(|(_, at)| at), found);
        }
    }
}
