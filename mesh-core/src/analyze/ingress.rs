//! Routes that hold for sidecars alone: what comes through a gateway follows the gateway's own.

use super::context::{Context, Routing, Spot, beside, full_name, say};
use crate::api::networking::virtual_service::HttpRoute;
use crate::diagnostic::{Findings, code};
use crate::hostname::Hostname;
use std::collections::{BTreeMap, BTreeSet};

/// Routes of a gateway to a host as a whole, whose subsets another VirtualService chooses for sidecars.
pub(super) fn subsets(ctx: &Context<'_>, out: &mut Findings) {
    for routing in ctx.routings.iter().filter(|r| !r.gateways.is_empty()) {
        let own = &*routing.of.meta.namespace;
        let mut said: BTreeSet<Hostname> = BTreeSet::new();
        for (path, host) in whole_hosts(&routing.of.spec.http, own) {
            if said.contains(&host) {
                continue;
            }
            let Some((other, path_of_other, subsets)) = chosen(ctx, routing, &host) else { continue };
            if !makes_a_difference(ctx, &host, own, &subsets) {
                continue;
            }
            let message = format!(
                "requests through the gateway go to every version of `{host}`: what VirtualService {}/{} chooses holds for sidecars alone",
                other.of.meta.namespace, other.of.meta.name
            );
            let finding = say(code::RULES_NOT_AT_INGRESS, message).at(routing.of, path);
            let finding = beside(finding, &Spot::of(other.of, path_of_other), "chosen here");
            out.push(finding.help("write the subset in this route as well"));
            said.insert(host);
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

/// The VirtualService that sidecars follow for a host, where it is another one, not bound to the same gateways: with
/// the first path of a subset, and the subsets that it routes to.
fn chosen<'c, 'w>(
    ctx: &'c Context<'w>,
    at_gateway: &Routing<'_>,
    host: &Hostname,
) -> Option<(&'c Routing<'w>, String, BTreeSet<&'w str>)> {
    let own = &*at_gateway.of.meta.namespace;
    let other = ctx.routing(host, own)?;
    let is_same = std::ptr::eq(other.of.as_ref(), at_gateway.of.as_ref());
    let shares = at_gateway.gateways.iter().any(|(_, g)| other.gateways.iter().any(|(_, o)| o == g));
    if is_same || shares {
        return None;
    }
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
    Some((other, first?, subsets))
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
