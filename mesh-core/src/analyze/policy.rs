//! Security policies: whom they select, and what they need to be able to work.

use super::context::{Context, Spot, beside, beside_any, say};
use super::gateway::labels;
use super::workloads::Workload;
use crate::api::Resource;
use crate::api::extensions::WasmPlugin;
use crate::api::networking::virtual_service::HttpMatch;
use crate::api::security::{AuthorizationPolicy, RequestAuthentication};
use crate::api::telemetry::Telemetry;
use crate::api::value::{Selector, labels_match};
use crate::diagnostic::{Findings, code};
use crate::registry::Provider;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Label of the proxies that serve a Gateway of the Gateway API.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// AuthorizationPolicies that select no workload, where the workloads are known.
pub(super) fn nobody(ctx: &Context<'_>, out: &mut Findings) {
    let root = &*ctx.mesh.root_namespace;
    let everyone = OnceCell::new();
    for policy in ctx.world.of::<AuthorizationPolicy>() {
        let Some(selector) = policy.spec.selector.as_ref().filter(|s| !s.match_labels.is_empty()) else {
            continue;
        };
        let own = &*policy.meta.namespace;
        let mesh_wide = own == root;
        let namespace = (!mesh_wide).then_some(own);
        let known =
            if mesh_wide { *everyone.get_or_init(|| everyone_known(ctx)) } else { ctx.workloads.known(own) };
        if known && !ctx.workloads.any(namespace, &selector.match_labels) {
            let whose = if mesh_wide { "the mesh".to_owned() } else { format!("namespace `{own}`") };
            let message = format!("no workload of {whose} has the labels {}", labels(&selector.match_labels));
            let finding = say(code::NO_WORKLOADS, message).at(policy, "spec.selector.matchLabels");
            out.push(
                finding.help("nobody is protected by it: name the labels of the workloads that it is for"),
            );
        }
    }
}

fn everyone_known(ctx: &Context<'_>) -> bool {
    let mut namespaces: BTreeSet<&str> = ctx.workloads.iter().map(|w| &*w.meta.namespace).collect();
    let with_services = ctx.registry.services().filter(|s| s.provider == Provider::Kubernetes);
    namespaces.extend(with_services.map(|s| &*s.namespace));
    !namespaces.is_empty() && namespaces.iter().all(|n| ctx.workloads.known(n))
}

/// Policies that select the proxies of the Gateway API by labels, which they do not look at.
pub(super) fn selected_gateways(ctx: &Context<'_>, out: &mut Findings) {
    if !ctx.workloads.iter().any(is_gateway) {
        return;
    }
    let mut seen = Seen::new();
    for r in ctx.world.of::<AuthorizationPolicy>() {
        let refers = r.spec.target_ref.is_some() || !r.spec.target_refs.is_empty();
        selects_gateway(ctx, &mut seen, r, r.spec.selector.as_ref().filter(|_| !refers), out);
    }
    for r in ctx.world.of::<RequestAuthentication>() {
        let refers = r.spec.target_ref.is_some() || !r.spec.target_refs.is_empty();
        selects_gateway(ctx, &mut seen, r, r.spec.selector.as_ref().filter(|_| !refers), out);
    }
    for r in ctx.world.of::<Telemetry>() {
        let refers = r.spec.target_ref.is_some() || !r.spec.target_refs.is_empty();
        selects_gateway(ctx, &mut seen, r, r.spec.selector.as_ref().filter(|_| !refers), out);
    }
    for r in ctx.world.of::<WasmPlugin>() {
        let refers = r.spec.target_ref.is_some() || !r.spec.target_refs.is_empty();
        selects_gateway(ctx, &mut seen, r, r.spec.selector.as_ref().filter(|_| !refers), out);
    }
}

fn is_gateway(workload: &Workload<'_>) -> bool {
    workload.spec.is_some() && workload.labels.contains_key(GATEWAY_NAME)
}

/// By namespace and selector: the Gateway whose proxies are selected, if any are.
type Seen<'w> = HashMap<(&'w str, &'w BTreeMap<String, String>), Option<String>>;

fn selects_gateway<'w, T>(
    ctx: &Context<'w>,
    seen: &mut Seen<'w>,
    r: &'w Resource<T>,
    selector: Option<&'w Selector>,
    out: &mut Findings,
) {
    let Some(selector) = selector else { return };
    let own = &*r.meta.namespace;
    let found = seen.entry((own, &selector.match_labels)).or_insert_with(|| {
        let proxy = ctx.workloads.select(Some(own), &selector.match_labels).find(|w| is_gateway(w))?;
        proxy.labels.get(GATEWAY_NAME).cloned()
    });
    if let Some(name) = found {
        let message =
            format!("the proxies of Gateway `{name}` do not look at selectors: this has no effect on them");
        let help =
            format!("write targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: {name}}}]");
        out.push(say(code::INEFFECTIVE_SELECTOR, message).at(r, "spec.selector").help(help));
    }
}

/// RequestAuthentications whose services show no requests, so that no token is seen.
pub(super) fn tokens_on_tcp(ctx: &Context<'_>, out: &mut Findings) {
    for auth in ctx.world.of::<RequestAuthentication>() {
        let Some(selector) = auth.spec.selector.as_ref().filter(|s| !s.match_labels.is_empty()) else {
            continue;
        };
        if auth.spec.jwt_rules.is_empty() {
            continue;
        }
        let mine = ctx.selecting.within(&auth.meta.namespace, &selector.match_labels);
        let ports = || mine.iter().flat_map(|s| &s.ports);
        if ports().next().is_some() && ports().all(|p| p.protocol.is_tcp()) {
            let list: Vec<String> = ports().map(|p| format!("{} ({})", p.number, p.protocol)).collect();
            let message =
                format!("tokens are never seen: the ports of these workloads are {}", list.join(", "));
            let finding = say(code::JWT_PORT, message).at(auth, "spec.selector.matchLabels");
            let spot = mine.first().and_then(|s| ctx.declared(s, "spec.ports"));
            let help = "name the service's port http, http2 or grpc, or give it that appProtocol";
            out.push(beside_any(finding, spot, "the ports").help(help));
        }
    }
}

/// Routes by a token's claims at gateways whose proxies verify none.
pub(super) fn claims(ctx: &Context<'_>, out: &mut Findings) {
    let root = &*ctx.mesh.root_namespace;
    let mut by_namespace: HashMap<&str, Vec<&Arc<Resource<RequestAuthentication>>>> = HashMap::new();
    for auth in ctx.world.of::<RequestAuthentication>() {
        by_namespace.entry(&auth.meta.namespace).or_default().push(auth);
    }
    // Whether a workload's tokens are verified, by its namespace and labels: pods of one template are one.
    let mut verified: HashMap<(&str, &BTreeMap<String, String>), bool> = HashMap::new();
    let mut bare_of: HashMap<&BTreeMap<String, String>, Option<&Workload<'_>>> = HashMap::new();
    for routing in &ctx.routings {
        let Some(path) = claim_of(&routing.of.spec.http.iter().enumerate().collect::<Vec<_>>()) else {
            continue;
        };
        for (_, name) in &routing.gateways {
            let Some(gateway) = ctx.gateway(*name) else { continue };
            let verifies = |w: &Workload<'_>| {
                [root, &*w.meta.namespace].iter().filter_map(|n| by_namespace.get(n)).flatten().any(|auth| {
                    // One that refers to a resource may mean this gateway.
                    auth.spec.target_ref.is_some()
                        || !auth.spec.target_refs.is_empty()
                        || auth
                            .spec
                            .selector
                            .as_ref()
                            .is_none_or(|s| labels_match(&s.match_labels, &w.labels))
                })
            };
            let bare = bare_of.entry(&gateway.spec.selector).or_insert_with(|| {
                let mut proxies = ctx.workloads.select(None, &gateway.spec.selector);
                proxies.find(|w| {
                    let key = (&*w.meta.namespace, &*w.labels);
                    !*verified.entry(key).or_insert_with(|| verifies(w))
                })
            });
            let Some(bare) = *bare else { continue };
            let message = format!(
                "`{}` verifies no tokens, so that no request at gateway `{}/{}` has claims to match",
                bare.meta.name, name.namespace, name.name
            );
            let help = format!(
                "write a RequestAuthentication in namespace `{}` with the selector {}",
                bare.meta.namespace,
                labels(&gateway.spec.selector)
            );
            let finding = say(code::CLAIMS_WITHOUT_JWT, message).at(routing.of, path.clone()).help(help);
            let spot = Spot { source: bare.source, path: "metadata.name".to_owned() };
            out.push(beside(finding, &spot, "it verifies no tokens"));
        }
    }
}

/// The path of the first match on a claim.
fn claim_of(rules: &[(usize, &crate::api::networking::virtual_service::HttpRoute)]) -> Option<String> {
    let of_match = |h: usize, m: usize, wanted: &HttpMatch| {
        let lists = [("headers", &wanted.headers), ("withoutHeaders", &wanted.without_headers)];
        lists.into_iter().find_map(|(field, list)| {
            let key = list.keys().find(|k| k.starts_with("@request.auth.claims"))?;
            Some(format!("spec.http[{h}].match[{m}].{field}.{key}"))
        })
    };
    rules
        .iter()
        .find_map(|(h, rule)| rule.r#match.iter().enumerate().find_map(|(m, wanted)| of_match(*h, m, wanted)))
}
