//! DestinationRules: hosts and subsets that nobody has, and TLS that does not fit the other side.

use super::context::{Context, Spot, beside, full_name, say};
use super::selectors::Selectors;
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
    let mut known: HashMap<*const Service, Instances<'_>> = HashMap::new();
    for rule in ctx.world.of::<DestinationRule>() {
        let Ok(host) = full_name(&rule.spec.host, &rule.meta.namespace) else { continue };
        let Some(named) = routed.get(&host) else { continue };
        let Some(service) = ctx.service(&host, &rule.meta.namespace) else { continue };
        let instances = known.entry(Arc::as_ptr(service)).or_insert_with(|| Instances::of(ctx, service));
        for (i, subset) in rule.spec.subsets.iter().enumerate() {
            let Some(route) = named.get(&*subset.name) else { continue };
            let mut want = subset.labels.clone();
            // Where a workload runs is known of nodes, not of files.
            want.retain(|key, _| !key.starts_with("topology.") && key != "kubernetes.io/hostname");
            if want.is_empty() || !instances.known || instances.any(ctx, service, &want) {
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

/// The labels of a service's instances.
struct Instances<'w> {
    /// Whether all of them are here, as far as can be told.
    known: bool,
    all: Vec<&'w BTreeMap<String, String>>,
    by_label: HashMap<(&'w str, &'w str), Vec<usize>>,
}

impl<'w> Instances<'w> {
    fn of(ctx: &Context<'w>, service: &'w Service) -> Self {
        let ports = service.ports.iter();
        let all = ports.flat_map(|p| ctx.registry.instances(service, p.number, &BTreeMap::new()));
        let all: Vec<&BTreeMap<String, String>> = all.map(|i| &*i.workload.labels).collect();
        let mut by_label: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (at, labels) in all.iter().enumerate() {
            for (key, value) in *labels {
                by_label.entry((key, value)).or_default().push(at);
            }
        }
        let selected = || {
            let selector = service.selector.as_ref();
            selector.is_some_and(|selector| ctx.workloads.any(Some(&service.namespace), selector))
        };
        let known = ctx.workloads.known(&service.namespace) && (!all.is_empty() || selected());
        Self { known, all, by_label }
    }

    /// Whether one has these labels, of which there is at least one, or will have them.
    fn any(&self, ctx: &Context<'_>, service: &Service, want: &BTreeMap<String, String>) -> bool {
        let lists = want.iter().map(|(k, v)| self.by_label.get(&(k.as_str(), v.as_str())));
        let shortest = lists.map(|l| l.map(Vec::as_slice).unwrap_or_default()).min_by_key(|l| l.len());
        let mut candidates = shortest.unwrap_or_default().iter().filter_map(|at| self.all.get(*at));
        let by_name =
            || service.ports.iter().any(|p| !ctx.registry.dns_targets(service, p.number, want).is_empty());
        let of_workloads = |selector: &BTreeMap<String, String>| {
            let mut all = want.clone();
            let contradicts =
                selector.iter().any(|(k, v)| all.insert(k.clone(), v.clone()).is_some_and(|old| old != *v));
            !contradicts && ctx.workloads.any(Some(&service.namespace), &all)
        };
        candidates.any(|labels| labels_match(want, labels))
            || by_name()
            || service.selector.as_ref().is_some_and(of_workloads)
    }
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
    let mut by_namespace: HashMap<&str, Policies<'_>> = HashMap::new();
    for policy in ctx.world.of::<PeerAuthentication>() {
        by_namespace.entry(&policy.meta.namespace).or_default().add(policy);
    }
    // Of namespaces and selectors: services of the same workloads take the same.
    let mut known: HashMap<(&str, &BTreeMap<String, String>), Option<Taken<'_>>> = HashMap::new();
    for rule in ctx.world.of::<DestinationRule>() {
        let own = &*rule.meta.namespace;
        let tls = rule.spec.traffic_policy.as_ref().and_then(|p| p.tls.as_ref());
        let (Some(tls), Ok(host)) = (tls, full_name(&rule.spec.host, own)) else { continue };
        let service = ctx.service(&host, own).filter(|s| s.location == Location::MeshInternal);
        let Some(service) = service.filter(|s| s.host == host) else { continue };
        let Some(selector) = &service.selector else { continue };
        let taken = || taken(ctx, &by_namespace, &service.namespace, selector);
        let Some((mode, policy)) = *known.entry((&*service.namespace, selector)).or_insert_with(taken) else {
            continue;
        };
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

/// What workloads take, and what says so.
type Taken<'w> = (MtlsMode, &'w Arc<Resource<PeerAuthentication>>);

/// The PeerAuthentications of a namespace.
#[derive(Default)]
struct Policies<'w> {
    selecting: Selectors<'w, &'w Arc<Resource<PeerAuthentication>>>,
    /// The first that is for all of the namespace.
    wide: Option<&'w Arc<Resource<PeerAuthentication>>>,
}

impl<'w> Policies<'w> {
    fn add(&mut self, policy: &'w Arc<Resource<PeerAuthentication>>) {
        match policy.spec.selector.as_ref().filter(|s| !s.match_labels.is_empty()) {
            Some(selector) => self.selecting.insert(&selector.match_labels, policy),
            None => self.wide = self.wide.or(Some(policy)),
        }
    }
}

/// What all workloads that a service of a namespace selects take, and what says so; `None` where that depends on
/// the workload or the port, or where nothing is said.
fn taken<'w>(
    ctx: &Context<'_>,
    by_namespace: &HashMap<&str, Policies<'w>>,
    namespace: &str,
    selector: &BTreeMap<String, String>,
) -> Option<Taken<'w>> {
    let mine = by_namespace.get(namespace);
    if mine.is_some_and(|p| p.selecting.any_of_some(selector)) {
        return None;
    }
    let of_workloads = mine.and_then(|p| p.selecting.first_of_all(selector).copied());
    let of_mesh = by_namespace.get(&*ctx.mesh.root_namespace).and_then(|p| p.wide);
    let ladder = [of_workloads, mine.and_then(|p| p.wide), of_mesh];
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
