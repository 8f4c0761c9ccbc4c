//! Routes of one port: the rules of a VirtualService, or the one that a service has without it.
//!
//! A rule with several matches becomes several routes, in order; after one that takes everything none
//! follows. A rule that cannot be evaluated is left out, and said: it never takes more than was meant.

mod action;
mod delegates;
mod fault;
mod headers;
mod matching;
mod retry;

use super::cluster_policy::hash_policy;
use super::names;
use super::report::Report;
use super::scope::Scope;
use crate::api::Resource;
use crate::api::networking::VirtualService;
use crate::api::networking::virtual_service::{HttpMatch, HttpRoute};
use crate::api::value::labels_match;
use crate::merge::delegate;
use crate::merge::virtual_service::gateway_name;
use crate::model::route::{
    Action, Forward, HeaderChanges, PathMatch, RetryCondition, RetryOn, RetryPolicy, Route, RouteMatch,
    Target,
};
use crate::registry::{Port, Service};
use std::collections::HashSet;
use std::sync::Arc;

/// Where routes are compiled for.
pub(super) struct Place<'s, 'w> {
    pub(super) scope: &'s Scope<'w>,
    /// What a VirtualService calls this place: `mesh`, or `namespace/name` of Gateways.
    pub(super) gateways: HashSet<String>,
    /// The port that requests are for.
    pub(super) port: u16,
    /// Whether they come by TLS that ends here.
    pub(super) tls: bool,
}

/// One rule, with what a finding about it needs.
struct RuleOf<'a> {
    /// Who writes it: the delegate, where it is one's.
    vs: &'a Resource<VirtualService>,
    http: &'a HttpRoute,
    path: String,
    /// The name of the VirtualService that routes the host.
    name: &'a str,
}

/// The routes that a VirtualService has here, with those of its delegates; none if no rule is for this place.
pub(super) fn of_virtual_service(
    place: &Place<'_, '_>,
    vs: &Arc<Resource<VirtualService>>,
    report: &mut Report,
) -> Vec<Route> {
    place.scope.uses(vs);
    let merged = delegate::merge(place.scope.world, vs);
    merged.delegates.iter().for_each(|d| place.scope.uses(d));
    delegates::report_dropped(vs, &merged.dropped, report);
    let mut out = Vec::new();
    for part in &merged.rules {
        let http = &*part.http;
        let rule = RuleOf { vs: part.source, http, path: part.path.clone(), name: &vs.meta.name };
        if http.r#match.is_empty() {
            out.extend(route(place, &rule, None, report));
            break;
        }
        let mut everything = false;
        for (j, wanted) in http.r#match.iter().enumerate() {
            let here = applies(place, wanted, &part.source.meta.namespace);
            let at = part.match_at(j);
            let made = here.then(|| route(place, &rule, Some((at, wanted)), report)).flatten();
            everything = made.as_ref().is_some_and(takes_everything);
            out.extend(made);
            if everything {
                break;
            }
        }
        if everything {
            break;
        }
    }
    out
}

/// Whether a match is about this proxy and this port at all.
fn applies(place: &Place<'_, '_>, wanted: &HttpMatch, namespace: &str) -> bool {
    if wanted.port.is_some_and(|p| p != place.port) {
        return false;
    }
    if !wanted.gateways.is_empty() {
        // A match that names gateways does not look at the caller, as in Istio.
        return wanted.gateways.iter().any(|g| place.gateways.contains(&gateway_name(g, namespace)));
    }
    let node = place.scope.node;
    labels_match(&wanted.source_labels, &place.scope.labels)
        && (wanted.source_namespace.is_empty() || wanted.source_namespace == node.namespace)
}

/// Whether nothing after a route can be reached.
pub(super) fn takes_everything(route: &Route) -> bool {
    let RouteMatch { path, headers, query, fraction, .. } = &route.matches;
    let any_path = match path {
        PathMatch::Prefix(p) => p == "/",
        PathMatch::Regex(re) => re.as_str() == ".*" || re.as_str() == "/.*",
        PathMatch::Segments(_) | PathMatch::Exact(_) => false,
    };
    any_path && headers.is_empty() && query.is_empty() && fraction.is_none()
}

fn route(
    place: &Place<'_, '_>,
    rule: &RuleOf<'_>,
    wanted: Option<(usize, &HttpMatch)>,
    report: &mut Report,
) -> Option<Route> {
    let matches = match wanted {
        Some((j, wanted)) => matching::matches(rule, j, wanted, report)?,
        None => RouteMatch::default(),
    };
    let mut changes = headers::Changes::default();
    changes.add(rule.vs, rule.http.headers.as_ref(), &format!("{}.headers", rule.path), report);
    let action = action::action(place, rule, &mut changes, report)?;
    let name = match wanted.map(|(_, m)| m.name.as_str()) {
        Some(of_match) if !of_match.is_empty() => format!("{}.{of_match}", rule.http.name),
        _ => rule.http.name.clone(),
    };
    let fault = match &rule.http.fault {
        Some(fault) => fault::fault(rule, fault, report),
        None => None,
    };
    let path = wanted.map_or_else(|| rule.path.clone(), |(j, _)| format!("{}.match[{j}]", rule.path));
    Some(Route {
        name: name.into(),
        decorator: Some(decorator(&matches, &action, rule.name, place.port).into()),
        matches,
        action,
        headers: changes.headers,
        fault,
        origin: Some(rule.vs.origin_of(&path)),
    })
}

/// Istio's name of an operation in traces: host, port and path of a single cluster, else the
/// VirtualService's name.
fn decorator(matches: &RouteMatch, action: &Action, name: &str, port: u16) -> String {
    let path = match &matches.path {
        PathMatch::Prefix(prefix) => format!("{prefix}*"),
        PathMatch::Exact(exact) => exact.clone(),
        PathMatch::Regex(re) => re.as_str().to_owned(),
        PathMatch::Segments(_) => "/*".to_owned(),
    };
    if let Action::Forward(forward) = action
        && let Target::Cluster(cluster) = &forward.to
        && let [_, port, _, host] = cluster.split('|').collect::<Vec<_>>().as_slice()
    {
        return format!("{host}:{port}{path}");
    }
    format!("{name}:{port}{path}")
}

/// The route of a service without a VirtualService.
pub(super) fn of_service(scope: &Scope<'_>, service: &Service, port: &Port) -> Route {
    let policy = scope.rules.of(service).policy(port.number, "");
    let hash: Vec<_> = hash_policy(&policy).into_iter().collect();
    let mut forward = Forward::to(names::outbound(port.number, "", service.host.as_str()));
    forward.retry = retry::policy(scope.mesh.default_http_retry_policy.as_ref(), !hash.is_empty()).0;
    forward.hash = hash;
    let decorator = format!("{}:{}/*", service.host, port.number);
    default(forward, decorator, Some(service.origin.clone()))
}

/// The route of everything that comes in. Retries stop where the application may have seen the request.
pub(super) fn inbound(
    cluster: crate::model::Name,
    decorator: String,
    origin: Option<crate::origin::Origin>,
) -> Route {
    let mut forward = Forward::to(cluster);
    forward.retry = Some(RetryPolicy {
        on: RetryOn::NEVER.with(RetryCondition::ResetBeforeRequest),
        retries: 2,
        ..RetryPolicy::default()
    });
    default(forward, decorator, origin)
}

fn default(forward: Forward, decorator: String, origin: Option<crate::origin::Origin>) -> Route {
    Route {
        name: names::DEFAULT_ROUTE.into(),
        matches: RouteMatch::default(),
        action: Action::Forward(Box::new(forward)),
        headers: HeaderChanges::default(),
        fault: None,
        decorator: Some(decorator.into()),
        origin,
    }
}
