//! Routes that hold for sidecars alone: what comes through a gateway follows the gateway's own.

use super::context::{Context, Routing, Spot, beside, full_name, say};
use crate::api::networking::virtual_service::HttpRoute;
use crate::diagnostic::{Findings, code};
use crate::hostname::Hostname;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Routes of a gateway to a host as a whole, whose subsets another VirtualService chooses for sidecars.
pub(super) fn subsets(ctx: &Context<'_>, out: &mut Findings) {
    let mut known: HashMap<(*const Routing<'_>, Hostname, &str), Option<Chosen<'_>>> = HashMap::new();
    for routing in ctx.routings.iter().filter(|r| !r.gateways.is_empty()) {
        let own = &*routing.of.meta.namespace;
        let mut asked: BTreeSet<Hostname> = BTreeSet::new();
        for (path, host) in whole_hosts(&routing.of.spec.http, own) {
            if !asked.insert(host.clone()) {
                continue;
            }
            let Some(other) = other(ctx, routing, &host) else { continue };
            let key = (std::ptr::from_ref(other), host.clone(), own);
            let chosen = known.entry(key).or_insert_with(|| {
                chosen(other, &host).filter(|c| makes_a_difference(ctx, &host, own, &c.subsets))
            });
            let Some(chosen) = chosen else { continue };
            let message = format!(
                "requests through the gateway go to every version of `{host}`: what VirtualService {}/{} chooses holds for sidecars alone",
                other.of.meta.namespace, other.of.meta.name
            );
            let finding = say(code::RULES_NOT_AT_INGRESS, message).at(routing.of, path);
            let finding = beside(finding, &Spot::of(other.of, chosen.path.clone()), "chosen here");
            out.push(finding.help("write the subset in this route as well"));
        }
    }
}

/// Destinations without a subset, with their paths.
fn whole_hosts(rules: &[HttpRoute], namespace: &str) -> Vec<(String, Hostname)> {
    let mut all = Vec::new();
    for (h, rule) in rules.iter().enumerate() {
        for (r, to) in rule.route.iter().enumerate().filter(|(_, to)| to.destination.subset.is_empty()) {
            if let Ok(host) = full_name(&to.destination.host, namespace) {
                all.push((format!("spec.http[{h}].route[{r}].destination.host"), host));
            }
        }
    }
    all
}

/// The VirtualService that sidecars follow for a host, where it is another one, not bound to the same gateways.
fn other<'c, 'w>(ctx: &'c Context<'w>, at_gateway: &Routing<'_>, host: &Hostname) -> Option<&'c Routing<'w>> {
    let other = ctx.routing(host, &at_gateway.of.meta.namespace)?;
    let is_same = std::ptr::eq(other.of.as_ref(), at_gateway.of.as_ref());
    let shares = || {
        let theirs: BTreeSet<_> = other.gateways.iter().map(|(_, gateway)| gateway).collect();
        at_gateway.gateways.iter().any(|(_, gateway)| theirs.contains(gateway))
    };
    (!is_same && !shares()).then_some(other)
}

/// What a VirtualService chooses of a host.
struct Chosen<'w> {
    /// Of the first subset.
    path: String,
    subsets: BTreeSet<&'w str>,
}

fn chosen<'w>(other: &Routing<'w>, host: &Hostname) -> Option<Chosen<'w>> {
    let mut first = None;
    let mut subsets = BTreeSet::new();
    for (h, rule) in other.of.spec.http.iter().enumerate() {
        for (r, to) in rule.route.iter().enumerate().filter(|(_, to)| !to.destination.subset.is_empty()) {
            if full_name(&to.destination.host, &other.of.meta.namespace).as_ref() == Ok(host) {
                first.get_or_insert_with(|| format!("spec.http[{h}].route[{r}].destination.subset"));
                subsets.insert(to.destination.subset.as_str());
            }
        }
    }
    Some(Chosen { path: first?, subsets })
}

/// Whether some workload of a host is left out of one of these subsets. Where the workloads are not known, several
/// subsets tell of several versions.
fn makes_a_difference(ctx: &Context<'_>, host: &Hostname, from: &str, subsets: &BTreeSet<&str>) -> bool {
    let Some(service) = ctx.service(host, from) else { return false };
    let rules = ctx.rules.covering(host).filter(|r| r.seen_by.covers(from));
    let declared: Vec<_> = rules.flat_map(|r| &r.of.spec.subsets).collect();
    let selector = service.selector.as_ref().filter(|_| ctx.workloads.known(&service.namespace));
    let Some(selector) = selector else {
        let versions: BTreeSet<&BTreeMap<String, String>> = declared.iter().map(|s| &s.labels).collect();
        return versions.len() > 1;
    };
    let chosen = declared.iter().filter(|s| subsets.contains(&*s.name));
    let mut wanted = chosen.map(|s| &s.labels);
    wanted.any(|labels| {
        let mut all = ctx.workloads.select(Some(&service.namespace), selector);
        all.any(|w| !crate::api::value::labels_match(labels, &w.labels))
    })
}
