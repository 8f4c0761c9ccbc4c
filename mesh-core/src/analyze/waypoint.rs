//! Services that are called through a waypoint, and what does not hold there.
//!
//! A waypoint calls in the name of all callers, so what is for some of them alone passes it by.

use super::context::{Context, Spot, beside, full_name, say, wider};
use crate::api::kubernetes::{Namespace, Service};
use crate::api::networking::{DestinationRule, ServiceEntry};
use crate::api::{Meta, Resource};
use crate::diagnostic::{Findings, code};
use crate::hostname::Hostname;
use std::collections::HashMap;

/// Names the waypoint of a service, or of the services of a namespace; `none` for no waypoint.
const USE_WAYPOINT: &str = "istio.io/use-waypoint";

/// DestinationRules for some callers of a service behind a waypoint.
pub(super) fn rules(ctx: &Context<'_>, out: &mut Findings) {
    let selecting = ctx.world.of::<DestinationRule>().filter(|rule| rule.spec.workload_selector.is_some());
    let mut selecting = selecting.peekable();
    if selecting.peek().is_none() {
        return;
    }
    let behind = hosts(ctx);
    for rule in selecting {
        let Ok(host) = full_name(&rule.spec.host, &rule.meta.namespace) else { continue };
        let Some(label) = behind.of(&host) else { continue };
        let message =
            format!("calls to `{host}` go through a waypoint, where a rule for some callers does not hold");
        let finding = say(code::WAYPOINT_IGNORES_RULE, message).at(rule, "spec.workloadSelector").at_key();
        let help = format!("leave workloadSelector out, or label the service {USE_WAYPOINT}: none");
        out.push(beside(finding, label, "the waypoint").help(help));
    }
}

/// The hosts of services behind a waypoint, so that a rule's host is looked up; each with the label that says so.
#[derive(Default)]
struct Behind<'w> {
    /// Hosts, and the wildcards over them.
    hosts: HashMap<Hostname, Spot<'w>>,
    /// Hosts that are wildcards themselves: a rule may be for one name among them.
    wildcards: HashMap<Hostname, Spot<'w>>,
}

impl<'w> Behind<'w> {
    fn insert(&mut self, host: &str, namespace: &str, label: &Spot<'w>) {
        let Ok(host) = full_name(host, namespace) else { return };
        for name in wider(&host) {
            self.hosts.entry(name).or_insert_with(|| label.clone());
        }
        if host.is_wildcard() {
            self.wildcards.entry(host).or_insert_with(|| label.clone());
        }
    }

    /// The label of a service that a rule for this host is for.
    fn of(&self, host: &Hostname) -> Option<&Spot<'w>> {
        self.hosts.get(host).or_else(|| wider(host).find_map(|name| self.wildcards.get(&name)))
    }
}

fn hosts<'w>(ctx: &Context<'w>) -> Behind<'w> {
    let namespaces = ctx.world.of::<Namespace>();
    let namespaces: HashMap<&str, Spot<'w>> = namespaces
        .filter(|n| has_waypoint(&n.meta) == Some(true))
        .map(|n| (&*n.meta.name, label(n)))
        .collect();
    let mut behind = Behind::default();
    for service in ctx.world.of::<Service>() {
        if let Some(label) = label_of(service, &namespaces) {
            behind.insert(&service.meta.name, &service.meta.namespace, &label);
        }
    }
    for entry in ctx.world.of::<ServiceEntry>() {
        if let Some(label) = label_of(entry, &namespaces) {
            entry.spec.hosts.iter().for_each(|host| behind.insert(host, &entry.meta.namespace, &label));
        }
    }
    behind
}

/// The label by which a service has a waypoint: its own, or that of its namespace where it says nothing itself.
fn label_of<'w, T>(service: &'w Resource<T>, namespaces: &HashMap<&str, Spot<'w>>) -> Option<Spot<'w>> {
    match has_waypoint(&service.meta) {
        Some(has) => has.then(|| label(service)),
        None => namespaces.get(&*service.meta.namespace).cloned(),
    }
}

/// Whether a waypoint is named; `None` where nothing is said.
fn has_waypoint(meta: &Meta) -> Option<bool> {
    Some(!matches!(meta.labels.get(USE_WAYPOINT)?.as_str(), "" | "none"))
}

fn label<T>(resource: &Resource<T>) -> Spot<'_> {
    Spot::of(resource, format!("metadata.labels.{USE_WAYPOINT}"))
}
