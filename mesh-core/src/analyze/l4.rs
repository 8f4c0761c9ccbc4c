//! Policies on requests where only connections are seen.
//!
//! Two places see no requests: a workload in ambient mode, whose node proxy evaluates every policy that selects
//! workloads, and a port that speaks no HTTP. There a rule on methods or paths cannot be evaluated: an ALLOW
//! rule lets nobody in, and a DENY rule shuts out more than it says.

use super::context::{Context, beside_any, list, say};
use super::workloads::is_ambient;
use crate::api::Resource;
use crate::api::security::AuthorizationPolicy;
use crate::api::security::authorization_policy::{Action, Rule};
use crate::diagnostic::{Finding, Findings, code};
use crate::registry::{Port, Service, TargetPort};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Rules on requests that no engine there can evaluate.
pub(super) fn policies(ctx: &Context<'_>, out: &mut Findings) {
    let none = BTreeMap::new();
    let mut places: HashMap<(&str, &BTreeMap<String, String>), Place<'_>> = HashMap::new();
    for policy in ctx.world.of::<AuthorizationPolicy>() {
        let spec = &policy.spec;
        // What refers to a resource is the waypoint's or the gateway's.
        if spec.target_ref.is_some() || !spec.target_refs.is_empty() || spec.action == Action::Custom {
            continue;
        }
        let labels = spec.selector.as_ref().map_or(&none, |s| &s.match_labels);
        let place_of = || Place::of(ctx, &policy.meta.namespace, labels);
        let selected = &*places.entry((&*policy.meta.namespace, labels)).or_insert_with(place_of);
        let ambient = selected.ambient;
        for (r, rule) in spec.rules.iter().enumerate() {
            let Some((path, what)) = on_requests(rule, &format!("spec.rules[{r}]")) else { continue };
            let place = if ambient {
                Some(
                    "these workloads are in ambient mode, where the node's proxy sees connections alone"
                        .to_owned(),
                )
            } else {
                selected.tcp_alone(rule)
            };
            let Some(place) = place else { continue };
            let finding = report(policy, spec.action, &path, what, &place, ambient);
            let service = selected.service.filter(|_| !ambient);
            out.push(beside_any(finding, service.and_then(|s| ctx.declared(s, "spec.ports")), "the ports"));
        }
    }
}

fn report(
    policy: &Resource<AuthorizationPolicy>,
    action: Action,
    path: &str,
    what: &str,
    place: &str,
    ambient: bool,
) -> Finding {
    let effect = match action {
        Action::Allow => "the rule allows nobody",
        _ => "the rule holds for every connection that its other parts fit",
    };
    let message = format!("{what} cannot be seen: {place}; {effect}");
    let help = match ambient {
        true => "attach the policy to a waypoint with targetRefs, or take the conditions on requests out",
        false => "take the conditions on requests out, or declare the port's protocol as http",
    };
    say(code::BEYOND_L4, message).at(policy, path).help(help)
}

/// The workloads that policies of a namespace select by certain labels.
struct Place<'w> {
    ambient: bool,
    /// The first service of theirs.
    service: Option<&'w Arc<Service>>,
    ports: Vec<(&'w Service, &'w Port)>,
    by_target: HashMap<String, Vec<usize>>,
    /// Whether none of the ports speaks anything but TCP.
    all_tcp: bool,
}

impl<'w> Place<'w> {
    fn of(ctx: &Context<'w>, namespace: &str, labels: &BTreeMap<String, String>) -> Self {
        let services = ctx.selecting.within(namespace, labels);
        let ports: Vec<_> = services.iter().flat_map(|s| s.ports.iter().map(|p| (&***s, p))).collect();
        let mut by_target: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, (_, port)) in ports.iter().enumerate() {
            by_target.entry(target(port)).or_default().push(at);
        }
        Self {
            ambient: in_ambient(ctx, namespace, labels),
            service: services.first().copied(),
            all_tcp: ports.iter().all(|(_, p)| p.protocol.is_tcp()),
            ports,
            by_target,
        }
    }

    /// Whether the ports that a rule is for speak no HTTP for certain: those that it names, else all.
    fn tcp_alone(&self, rule: &Rule) -> Option<String> {
        let named: BTreeSet<&String> =
            rule.to.iter().filter_map(|t| t.operation.as_ref()).flat_map(|o| &o.ports).collect();
        if self.ports.is_empty() {
            return None;
        }
        let text = |(service, port): &(&Service, &Port)| {
            format!("port {} of `{}` is {}", port.number, service.host, port.protocol)
        };
        if named.is_empty() {
            return self.all_tcp.then(|| list(self.ports.iter().map(text)));
        }
        // A port that no service has may speak anything.
        let places: Option<Vec<_>> = named.into_iter().map(|n| self.by_target.get(n)).collect();
        let places: BTreeSet<usize> = places?.into_iter().flatten().copied().collect();
        let ports: Vec<_> = places.into_iter().filter_map(|at| self.ports.get(at)).collect();
        let mut texts: Vec<String> = Vec::new();
        for port in ports {
            if !port.1.protocol.is_tcp() {
                return None;
            }
            texts.push(text(port));
        }
        texts.dedup();
        Some(list(texts.into_iter()))
    }
}

/// The port of the workload, as policies name it.
fn target(port: &Port) -> String {
    match &port.target {
        TargetPort::Number(number) => number.to_string(),
        TargetPort::Name(_) => port.number.to_string(),
    }
}

/// Whether the workloads that a policy selects are in ambient mode: those that are known, else the namespace.
fn in_ambient(ctx: &Context<'_>, own: &str, labels: &BTreeMap<String, String>) -> bool {
    let namespace = ctx.namespace(own);
    let mut selected = ctx.workloads.select(Some(own), labels).peekable();
    match selected.peek() {
        Some(_) => selected.any(|w| w.is_ambient(namespace)),
        None => namespace.is_some_and(is_ambient),
    }
}

/// The first part of a rule that is about requests, and its name.
fn on_requests(rule: &Rule, path: &str) -> Option<(String, &'static str)> {
    for (i, to) in rule.to.iter().enumerate() {
        let Some(operation) = &to.operation else { continue };
        for (list, field) in [
            (&operation.methods, "methods"),
            (&operation.not_methods, "notMethods"),
            (&operation.paths, "paths"),
            (&operation.not_paths, "notPaths"),
            (&operation.hosts, "hosts"),
            (&operation.not_hosts, "notHosts"),
        ] {
            if !list.is_empty() {
                return Some((format!("{path}.to[{i}].operation.{field}"), field));
            }
        }
    }
    for (i, from) in rule.from.iter().enumerate() {
        let Some(source) = &from.source else { continue };
        for (list, field) in [
            (&source.request_principals, "requestPrincipals"),
            (&source.not_request_principals, "notRequestPrincipals"),
            (&source.remote_ip_blocks, "remoteIpBlocks"),
            (&source.not_remote_ip_blocks, "notRemoteIpBlocks"),
        ] {
            if !list.is_empty() {
                return Some((format!("{path}.from[{i}].source.{field}"), field));
            }
        }
    }
    let mut conditions = rule.when.iter().enumerate();
    let (i, _) = conditions.find(|(_, c)| c.key.starts_with("request.") || c.key == "remote.ip")?;
    Some((format!("{path}.when[{i}].key"), "a condition on requests"))
}
