//! DestinationRules: hosts and subsets that nobody has, and TLS that does not fit the other side.

use super::context::{Context, Spot, beside, full_name, say};
use crate::api::Resource;
use crate::api::networking::DestinationRule;
use crate::api::networking::destination_rule::{ClientTls, TlsMode};
use crate::api::security::PeerAuthentication;
use crate::api::security::peer_authentication::MtlsMode;
use crate::api::value::labels_match;
use crate::diagnostic::{Findings, code};
use crate::hostname::Hostname;
use crate::registry::{Location, Service};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Rules for hosts that no service has.
pub(super) fn hosts(ctx: &Context<'_>, out: &mut Findings) {
    // Suffixes that services have, so that a wildcard is looked up, not searched.
    let covered: BTreeSet<Hostname> =
        ctx.registry.services().flat_map(|s| super::context::wider(&s.host).skip(1)).collect();
    for rule in ctx.world.of::<DestinationRule>() {
        let own = &*rule.meta.namespace;
        let Ok(host) = full_name(&rule.spec.host, own) else { continue };
        let known = ctx.service(&host, own).is_some() || (host.is_wildcard() && covered.contains(&host));
        // A rule may be for callers in other namespaces than its own.
        if known || ctx.registry.services_at(&host).next().is_some() || ctx.may_be_installed(&host) {
            continue;
        }
        let message = format!("there is no service `{host}`: this rule holds for nobody");
        let all = ctx.registry.services().map(|s| s.host.as_str());
        let help = match ctx.nearest(host.as_str(), all) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "declare a Service or a ServiceEntry with this host".to_owned(),
        };
        out.push(say(code::UNKNOWN_RULE_HOST, message).at(rule, "spec.host").help(help));
    }
}

/// Subsets that are routed to and that no instance of the service belongs to, where instances are known. A
/// subset that no route names harms nobody.
pub(super) fn subsets(ctx: &Context<'_>, out: &mut Findings) {
    // By host and subset, the first route to it.
    let mut routed: HashMap<Hostname, BTreeMap<&str, Spot<'_>>> = HashMap::new();
    for routing in &ctx.routings {
        for (path, to) in super::reference::all_destinations(&routing.of.spec) {
            if let Ok(host) = full_name(&to.host, &routing.of.meta.namespace) {
                let spot = || Spot::of(routing.of, format!("{path}.subset"));
                routed.entry(host).or_default().entry(&to.subset).or_insert_with(spot);
            }
        }
    }
    for rule in ctx.world.of::<DestinationRule>() {
        let Ok(host) = full_name(&rule.spec.host, &rule.meta.namespace) else { continue };
        let Some(named) = routed.get(&host) else { continue };
        let Some(service) = ctx.service(&host, &rule.meta.namespace) else { continue };
        for (i, subset) in rule.spec.subsets.iter().enumerate() {
            let Some(route) = named.get(&*subset.name) else { continue };
            let mut want = subset.labels.clone();
            // Where a workload runs is known of nodes, not of files.
            want.retain(|key, _| !key.starts_with("topology.") && key != "kubernetes.io/hostname");
            if want.is_empty() || !instances_known(ctx, service) || has_instance(ctx, service, &want) {
                continue;
            }
            let message =
                format!("no workload of `{host}` is in subset `{}`: requests to it get 503", subset.name);
            let finding = say(code::EMPTY_SUBSET, message).at(rule, format!("spec.subsets[{i}].labels"));
            let finding = beside(finding, route, "a route to it");
            out.push(finding.help(format!("it wants {}", super::gateway::labels(&want))));
        }
    }
}

fn instances_known(ctx: &Context<'_>, service: &Service) -> bool {
    let in_registry =
        service.ports.iter().any(|p| !ctx.registry.instances(service, p.number, &BTreeMap::new()).is_empty());
    let selected = || match &service.selector {
        Some(selector) => ctx.workloads.any(Some(&service.namespace), selector),
        None => false,
    };
    ctx.workloads.known(&service.namespace) && (in_registry || selected())
}

fn has_instance(ctx: &Context<'_>, service: &Service, want: &BTreeMap<String, String>) -> bool {
    let in_registry = service.ports.iter().any(|p| {
        !ctx.registry.instances(service, p.number, want).is_empty()
            || !ctx.registry.dns_targets(service, p.number, want).is_empty()
    });
    in_registry
        || service.selector.as_ref().is_some_and(|selector| {
            let mut all = want.clone();
            let contradicts =
                selector.iter().any(|(k, v)| all.insert(k.clone(), v.clone()).is_some_and(|old| old != *v));
            !contradicts && ctx.workloads.any(Some(&service.namespace), &all)
        })
}

/// TLS to servers whose certificates nobody verifies.
pub(super) fn unverified(ctx: &Context<'_>, out: &mut Findings) {
    let by_system = ctx.mesh.verify_certificate_at_client != Some(false);
    let bad = |tls: &ClientTls| {
        let own = matches!(tls.mode, TlsMode::Simple | TlsMode::Mutual);
        let no_roots = tls.ca_certificates.is_empty() && tls.credential_name.is_empty();
        own && (tls.insecure_skip_verify == Some(true) || (no_roots && !by_system))
    };
    let help = "write caCertificates or credentialName with the roots to believe, without insecureSkipVerify";
    for rule in ctx.world.of::<DestinationRule>() {
        let Some(policy) = &rule.spec.traffic_policy else { continue };
        if policy.tls.as_ref().is_some_and(bad) {
            let message =
                format!("whoever answers for `{}` is believed: no certificate is verified", rule.spec.host);
            let finding = say(code::UNVERIFIED_SERVER, message).at(rule, "spec.trafficPolicy.tls");
            out.push(finding.help(help));
        }
        for (i, port) in policy.port_level_settings.iter().enumerate() {
            if port.tls.as_ref().is_some_and(bad) {
                let number = port.port.map(|p| p.number.to_string()).unwrap_or_default();
                let message = format!(
                    "whoever answers for `{}` at port {number} is believed: no certificate is verified",
                    rule.spec.host
                );
                let path = format!("spec.trafficPolicy.portLevelSettings[{i}].tls");
                out.push(say(code::UNVERIFIED_SERVER_PORT, message).at(rule, path).help(help));
            }
        }
    }
}

/// Rules that call a service in another way than its PeerAuthentication takes.
pub(super) fn mutual_tls(ctx: &Context<'_>, out: &mut Findings) {
    let mut by_namespace: HashMap<&str, Vec<&Arc<Resource<PeerAuthentication>>>> = HashMap::new();
    for policy in ctx.world.of::<PeerAuthentication>() {
        by_namespace.entry(&policy.meta.namespace).or_default().push(policy);
    }
    for rule in ctx.world.of::<DestinationRule>() {
        let own = &*rule.meta.namespace;
        let tls = rule.spec.traffic_policy.as_ref().and_then(|p| p.tls.as_ref());
        let (Some(tls), Ok(host)) = (tls, full_name(&rule.spec.host, own)) else { continue };
        let service = ctx.service(&host, own).filter(|s| s.location == Location::MeshInternal);
        let Some(service) = service.filter(|s| s.host == host && s.selector.is_some()) else { continue };
        let Some((mode, policy)) = taken(ctx, &by_namespace, service) else { continue };
        let (speaks, takes) = match (tls.mode, mode) {
            (TlsMode::Disable, MtlsMode::Strict) => ("plain text", "mTLS alone"),
            (TlsMode::Simple | TlsMode::Mutual, MtlsMode::Strict) => {
                ("TLS that is not the mesh's", "mTLS alone")
            }
            (TlsMode::IstioMutual, MtlsMode::Disable) => ("mTLS", "plain text alone"),
            _ => continue,
        };
        let message = format!("callers of `{host}` are to speak {speaks}, but its workloads take {takes}");
        let finding = say(code::MTLS_CONFLICT, message).at(rule, "spec.trafficPolicy.tls.mode");
        let finding = finding.help("take the mode out, so that callers do what the workloads take");
        out.push(beside(finding, &Spot::of(policy, "spec.mtls.mode"), "what the workloads take"));
    }
}

/// What all workloads of a service take, and what says so; `None` where that depends on the port, or where
/// nothing is said.
fn taken<'a>(
    ctx: &Context<'_>,
    by_namespace: &HashMap<&str, Vec<&'a Arc<Resource<PeerAuthentication>>>>,
    service: &Service,
) -> Option<(MtlsMode, &'a Arc<Resource<PeerAuthentication>>)> {
    let of = |namespace: &str| by_namespace.get(namespace).into_iter().flatten().copied();
    let selector = service.selector.as_ref()?;
    let selects =
        |p: &PeerAuthentication| p.selector.as_ref().filter(|s| !s.match_labels.is_empty()).is_some();
    let mine = of(&service.namespace).filter(|p| selects(&p.spec));
    let mut of_workloads = None;
    for policy in mine {
        let labels = policy.spec.selector.as_ref().map(|s| &s.match_labels)?;
        if labels_match(labels, selector) {
            of_workloads = of_workloads.or(Some(policy));
        } else if !contradict(labels, selector) {
            // It selects some of them.
            return None;
        }
    }
    let wide = |namespace: &str| of(namespace).find(|p| !selects(&p.spec));
    let ladder = [of_workloads, wide(&service.namespace), wide(&ctx.mesh.root_namespace)];
    for policy in ladder.into_iter().flatten() {
        if !policy.spec.port_level_mtls.is_empty() {
            return None;
        }
        match policy.spec.mtls.map(|m| m.mode).unwrap_or_default() {
            MtlsMode::Unset => {}
            mode => return Some((mode, policy)),
        }
    }
    None
}

/// Whether no workload can have both.
fn contradict(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> bool {
    a.iter().any(|(key, value)| b.get(key).is_some_and(|other| other != value))
}
