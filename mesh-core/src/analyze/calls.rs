//! Who calls whom, as far as configuration says it, and with which retries and timeouts.
//!
//! Nothing in a mesh declares its calls, but four things tell of some, and only these are taken:
//!
//! - a Gateway's VirtualServices route to their destinations;
//! - an ALLOW policy names the service accounts that may call its workloads;
//! - the Sidecar of a workload names hosts that it calls (wildcards tell nothing);
//! - a route that asks for labels of the caller.
//!
//! Each call remembers which of them it rests on.

use super::context::{Context, Routing, Spot, full_name};
use crate::api::Resource;
use crate::api::networking::virtual_service::HttpRoute;
use crate::api::networking::{Sidecar, VirtualService};
use crate::api::security::AuthorizationPolicy;
use crate::api::security::authorization_policy::{Action, Source};
use crate::hostname::Hostname;
use crate::registry::{CLUSTER_DOMAIN, Service};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Who calls: a Gateway, or the workloads of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Caller {
    /// `namespace/name`.
    Gateway(String),
    /// By host.
    Service(Hostname),
}

impl std::fmt::Display for Caller {
    /// `gateway default/edge`, or `reviews.default`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gateway(name) => write!(f, "gateway {name}"),
            Self::Service(host) => {
                let cluster = format!(".svc.{CLUSTER_DOMAIN}");
                f.write_str(host.as_str().strip_suffix(&cluster).unwrap_or(host.as_str()))
            }
        }
    }
}

/// One call, and how it is repeated and bounded.
#[derive(Clone, Debug)]
pub(super) struct Call<'w> {
    pub(super) to: Caller,
    /// How often one request may be sent: 1 without retries.
    pub(super) times: u64,
    /// The bound of one attempt.
    pub(super) per_try: Option<Duration>,
    /// The bound of all of them.
    pub(super) timeout: Option<Duration>,
    /// The route, and its path; `None` where none is written.
    pub(super) route: Option<(&'w Arc<Resource<VirtualService>>, String)>,
    /// Whether the retries are written, rather than the mesh's default.
    pub(super) written: bool,
    /// What says that there is such a call.
    pub(super) because: Spot<'w>,
}

impl Call<'_> {
    /// The longest that the callee has for one answer, and the field that says so.
    pub(super) fn patience(&self) -> Option<(Duration, &'static str)> {
        let per_try = self.per_try.map(|d| (d, "retries.perTryTimeout"));
        per_try.into_iter().chain(self.timeout.map(|d| (d, "timeout"))).min()
    }

    /// The longest that the call may take with all attempts, where that is bounded.
    pub(super) fn longest(&self) -> Option<Duration> {
        self.tries().into_iter().chain(self.timeout).min()
    }

    /// The field that bounds the call.
    pub(super) fn bound_by(&self) -> &'static str {
        match self.tries() {
            Some(tries) if self.timeout.is_none_or(|all| tries < all) => "retries.perTryTimeout",
            _ => "timeout",
        }
    }

    fn tries(&self) -> Option<Duration> {
        let times = u32::try_from(self.times).unwrap_or(u32::MAX);
        self.per_try.map(|d| d.saturating_mul(times))
    }
}

/// Calls by caller.
pub(super) type Calls<'w> = BTreeMap<Caller, Vec<Call<'w>>>;

/// Every call that configuration tells of.
pub(super) fn all<'w>(ctx: &Context<'w>) -> Calls<'w> {
    let mut graph = Graph { ctx, calls: Calls::new(), seen: BTreeSet::new() };
    graph.gateways();
    graph.policies();
    graph.sidecars();
    graph.source_labels();
    graph.calls
}

struct Graph<'c, 'w> {
    ctx: &'c Context<'w>,
    calls: Calls<'w>,
    /// Callers and the hosts that they are known to call.
    seen: BTreeSet<(Caller, Hostname)>,
}

impl<'w> Graph<'_, 'w> {
    fn gateways(&mut self) {
        for routing in &self.ctx.routings {
            for (i, name) in &routing.gateways {
                let caller = Caller::Gateway(format!("{}/{}", name.namespace, name.name));
                let because = Spot::of(routing.of, format!("spec.gateways[{i}]"));
                for (h, rule) in routing.of.spec.http.iter().enumerate() {
                    self.route(&caller, routing, h, rule, &because);
                }
            }
        }
    }

    fn policies(&mut self) {
        let mut by_account: HashMap<(&str, &str), BTreeSet<Hostname>> = HashMap::new();
        for workload in self.ctx.workloads.iter() {
            let namespace = &*workload.meta.namespace;
            let served = self.ctx.selecting.of(namespace, &workload.labels);
            let hosts = by_account.entry((namespace, workload.account)).or_default();
            hosts.extend(served.iter().map(|s| s.host.clone()));
        }
        for policy in self.ctx.world.of::<AuthorizationPolicy>() {
            let Some(selector) = &policy.spec.selector else { continue };
            if policy.spec.action != Action::Allow || selector.match_labels.is_empty() {
                continue;
            }
            let own = &*policy.meta.namespace;
            let callees = self.ctx.selecting.within(own, &selector.match_labels);
            for (r, rule) in policy.spec.rules.iter().enumerate() {
                for source in rule.from.iter().filter_map(|f| f.source.as_ref()) {
                    for (namespace, account) in accounts(source, own) {
                        let because = Spot::of(policy, format!("spec.rules[{r}].from"));
                        let callers = by_account.get(&(namespace, account)).into_iter().flatten();
                        for (caller, callee) in callers.flat_map(|c| callees.iter().map(move |s| (c, *s))) {
                            self.call(caller, namespace, &callee.host, &because);
                        }
                    }
                }
            }
        }
    }

    fn sidecars(&mut self) {
        for sidecar in self.ctx.world.of::<Sidecar>() {
            let Some(selector) = sidecar.spec.workload_selector.as_ref().filter(|s| !s.labels.is_empty())
            else {
                continue;
            };
            let own = &*sidecar.meta.namespace;
            let callers = self.ctx.selecting.of(own, &selector.labels);
            for (e, egress) in sidecar.spec.egress.iter().enumerate() {
                for (h, written) in egress.hosts.iter().enumerate() {
                    let host = written.split_once('/').map_or(written.as_str(), |(_, host)| host);
                    let Ok(host) = host.parse::<Hostname>() else { continue };
                    if host.is_wildcard() || written.starts_with('~') {
                        continue;
                    }
                    let because = Spot::of(sidecar, format!("spec.egress[{e}].hosts[{h}]"));
                    for caller in &callers {
                        self.call(&caller.host, own, &host, &because);
                    }
                }
            }
        }
    }

    fn source_labels(&mut self) {
        for routing in self.ctx.routings.iter().filter(|r| r.mesh) {
            for (h, rule) in routing.of.spec.http.iter().enumerate() {
                for (m, wanted) in
                    rule.r#match.iter().enumerate().filter(|(_, m)| !m.source_labels.is_empty())
                {
                    let own = &*routing.of.meta.namespace;
                    let namespace =
                        if wanted.source_namespace.is_empty() { own } else { &wanted.source_namespace };
                    let path = format!("spec.http[{h}].match[{m}].sourceLabels");
                    let because = Spot::of(routing.of, path);
                    for caller in self.ctx.selecting.of(namespace, &wanted.source_labels) {
                        self.route(&Caller::Service(caller.host.clone()), routing, h, rule, &because);
                    }
                }
            }
        }
    }

    /// A call of a host, by the routes that the caller's sidecar has for it.
    fn call(&mut self, caller: &Hostname, namespace: &str, host: &Hostname, because: &Spot<'w>) {
        let from = Caller::Service(caller.clone());
        if caller == host || !self.seen.insert((from.clone(), host.clone())) {
            return;
        }
        let ctx = self.ctx;
        let routing = ctx.routing(host, namespace);
        let rules = routing.map(|r| r.of.spec.http.as_slice()).unwrap_or_default();
        if rules.is_empty() {
            let Some(service) = ctx.service(host, namespace).filter(|s| speaks_http(s)) else { return };
            let (times, per_try) = default_retries(ctx);
            let to = Caller::Service(service.host.clone());
            let because = because.clone();
            let call = Call { to, times, per_try, timeout: None, route: None, written: false, because };
            self.calls.entry(from.clone()).or_default().push(call);
        }
        for (h, rule) in rules.iter().enumerate() {
            if let Some(routing) = routing {
                self.route(&from, routing, h, rule, because);
            }
        }
    }

    /// The calls of one rule: one to each destination.
    fn route(
        &mut self,
        from: &Caller,
        routing: &Routing<'w>,
        h: usize,
        rule: &HttpRoute,
        because: &Spot<'w>,
    ) {
        let own = &*routing.of.meta.namespace;
        let mut hosts = BTreeSet::new();
        for to in &rule.route {
            let Ok(host) = full_name(&to.destination.host, own) else { continue };
            if *from == Caller::Service(host.clone()) || !hosts.insert(host.clone()) {
                continue;
            }
            let (times, per_try) = match &rule.retries {
                Some(said) => (u64::from(said.attempts) + 1, said.per_try_timeout.map(Duration::from)),
                None => default_retries(self.ctx),
            };
            let bound = |d: Option<Duration>| d.filter(|d| !d.is_zero());
            let call = Call {
                to: Caller::Service(host),
                times,
                per_try: bound(per_try).filter(|_| times > 1),
                timeout: bound(rule.timeout.map(Duration::from)),
                route: Some((routing.of, format!("spec.http[{h}]"))),
                written: rule.retries.is_some(),
                because: because.clone(),
            };
            self.calls.entry(from.clone()).or_default().push(call);
        }
    }
}

/// Attempts and the bound of each, where a route says nothing: two retries, as in Istio.
fn default_retries(ctx: &Context<'_>) -> (u64, Option<Duration>) {
    match &ctx.mesh.default_http_retry_policy {
        Some(said) => (u64::from(said.attempts) + 1, said.per_try_timeout.map(Duration::from)),
        None => (3, None),
    }
}

fn speaks_http(service: &Service) -> bool {
    service.ports.iter().any(|p| p.protocol.is_http() || p.protocol.is_unsupported())
}

/// The accounts that a source names one by one, with their namespaces.
fn accounts<'a>(source: &'a Source, own: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut all = Vec::new();
    for principal in source.principals.iter().filter(|p| !p.contains('*')) {
        if let [_, "ns", namespace, "sa", account] = principal.split('/').collect::<Vec<_>>().as_slice() {
            all.push((*namespace, *account));
        }
    }
    for account in source.service_accounts.iter().filter(|a| !a.contains('*')) {
        all.push(account.split_once('/').unwrap_or((own, account)));
    }
    all
}
