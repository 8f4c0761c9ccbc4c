//! The DestinationRules that hold for a proxy's calls, and what they say about one port and subset.
//!
//! Istio looks in three places, and the first that has a rule for the host wins: the caller's namespace,
//! the service's, the root namespace. Inside one of them rules of one host are merged.

use super::report::Report;
use crate::api::Resource;
use crate::api::networking::DestinationRule;
use crate::api::networking::destination_rule::{
    ClientTls, ConnectionPool, LoadBalancer, OutlierDetection, RetryBudget, Subset, TrafficPolicy,
};
use crate::api::value::labels_match;
use crate::diagnostic::{Finding, code};
use crate::hostname::Hostname;
use crate::registry::{CLUSTER_DOMAIN, ExportTo, Service};
use crate::world::World;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

type Rule = Arc<Resource<DestinationRule>>;

/// DestinationRules by namespace and host.
pub(super) struct Rules<'w> {
    by_namespace: HashMap<&'w str, OfNamespace<'w>>,
    own: String,
    root: String,
}

#[derive(Default)]
struct OfNamespace<'w> {
    exact: HashMap<Hostname, Vec<&'w Rule>>,
    /// Most specific first.
    wild: Vec<(Hostname, Vec<&'w Rule>)>,
}

impl<'w> Rules<'w> {
    pub(super) fn new(
        world: &'w World,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        report: &mut Report,
    ) -> Self {
        let mesh = world.mesh();
        let default = ExportTo::new(&mesh.default_destination_rule_export_to, "", &ExportTo::All);
        let mut by_namespace: HashMap<&str, OfNamespace<'w>> = HashMap::new();
        // Rules that select workloads come before those that do not.
        let with_selector = world.of::<DestinationRule>().filter(|r| r.spec.workload_selector.is_some());
        let without = world.of::<DestinationRule>().filter(|r| r.spec.workload_selector.is_none());
        for rule in with_selector.chain(without) {
            let own = &rule.meta.namespace;
            let selected = rule
                .spec
                .workload_selector
                .as_ref()
                .is_none_or(|s| **own == *namespace && labels_match(&s.match_labels, labels));
            if !selected || !ExportTo::new(&rule.spec.export_to, own, &default).covers(namespace) {
                continue;
            }
            let Ok(host) = Hostname::resolve(&rule.spec.host, own, CLUSTER_DOMAIN) else { continue };
            let of = by_namespace.entry(own.as_ref()).or_default();
            if host.is_wildcard() {
                match of.wild.iter_mut().find(|(h, _)| *h == host) {
                    Some((_, rules)) => rules.push(rule),
                    None => of.wild.push((host, vec![rule])),
                }
            } else {
                of.exact.entry(host).or_default().push(rule);
            }
        }
        for of in by_namespace.values_mut() {
            of.wild.sort_by(|a, b| a.0.cmp(&b.0));
            for rules in of.exact.values().chain(of.wild.iter().map(|(_, rules)| rules)) {
                report_conflicts(rules, report);
            }
        }
        Self { by_namespace, own: namespace.to_owned(), root: mesh.root_namespace.clone() }
    }

    /// What holds for a service.
    pub(super) fn of(&self, service: &Service) -> Merged<'w> {
        let places = [self.own.as_str(), &service.namespace, self.root.as_str()];
        let found = places.into_iter().find_map(|namespace| {
            let of = self.by_namespace.get(namespace)?;
            of.exact.get(&service.host).or_else(|| {
                of.wild.iter().find(|(host, _)| host.covers(&service.host)).map(|(_, rules)| rules)
            })
        });
        Merged { rules: found.cloned().unwrap_or_default() }
    }
}

/// Rules of one host in one namespace: the first policy stands, a subset's name stands once.
fn report_conflicts(rules: &[&Rule], report: &mut Report) {
    let Some((first, others)) = rules.split_first() else { return };
    for rule in others {
        let both = first.spec.traffic_policy.is_some() && rule.spec.traffic_policy.is_some();
        if both && first.spec.workload_selector.is_none() {
            let message = format!(
                "another DestinationRule, {}/{}, declares the traffic policy of this host and takes precedence",
                first.meta.namespace, first.meta.name
            );
            let finding = Finding::warning(code::CONFLICT, message).at(rule, "spec.trafficPolicy");
            report.add(finding.help("declare a host's policy in one DestinationRule"));
        }
    }
    let mut seen: HashMap<&str, &Rule> = HashMap::new();
    for rule in rules {
        for (i, subset) in rule.spec.subsets.iter().enumerate() {
            if let Some(before) = seen.insert(&subset.name, rule) {
                let message = format!(
                    "subset {:?} is declared by DestinationRule {}/{} already, which takes precedence",
                    subset.name, before.meta.namespace, before.meta.name
                );
                report.add(
                    Finding::warning(code::CONFLICT, message).at(rule, format!("spec.subsets[{i}].name")),
                );
                seen.insert(&subset.name, before);
            }
        }
    }
}

/// The rules that hold for one host, as one.
#[derive(Clone, Default)]
pub(super) struct Merged<'w> {
    pub(super) rules: Vec<&'w Rule>,
}

/// A part of a policy with the rule that says it and the path at which it does.
#[derive(Clone, Copy)]
pub(super) struct Said<'w, T> {
    pub(super) value: &'w T,
    pub(super) rule: &'w Rule,
}

/// What holds for one port and subset.
#[derive(Clone, Default)]
pub(super) struct Effective<'w> {
    pub(super) load_balancer: Option<Said<'w, LoadBalancer>>,
    pub(super) connection_pool: Option<Said<'w, ConnectionPool>>,
    pub(super) outlier_detection: Option<Said<'w, OutlierDetection>>,
    pub(super) tls: Option<Said<'w, ClientTls>>,
    pub(super) retry_budget: Option<Said<'w, RetryBudget>>,
}

impl<'w> Merged<'w> {
    /// Every subset once, with its rule and its place in it.
    pub(super) fn subsets(&self) -> Vec<(&'w Rule, usize, &'w Subset)> {
        let mut all: Vec<(&'w Rule, usize, &'w Subset)> = Vec::new();
        for rule in &self.rules {
            for (i, subset) in rule.spec.subsets.iter().enumerate() {
                if !all.iter().any(|(_, _, s)| s.name == subset.name) {
                    all.push((rule, i, subset));
                }
            }
        }
        all
    }

    /// The labels of a subset; `None` where no rule declares it.
    pub(super) fn subset(&self, name: &str) -> Option<(&'w Rule, usize, &'w Subset)> {
        self.subsets().into_iter().find(|(_, _, s)| s.name == name)
    }

    /// The policy of a port of the whole host (subset `""`) or of a subset.
    ///
    /// Settings of a port replace the host's for that port, all of them; what a subset says stands over
    /// both, part by part.
    pub(super) fn policy(&self, port: u16, subset: &str) -> Effective<'w> {
        let top = self.rules.iter().find_map(|r| Some((*r, r.spec.traffic_policy.as_ref()?)));
        let base = top.map(|(rule, policy)| of_port(rule, policy, port)).unwrap_or_default();
        let own = self.subset(subset).and_then(|(rule, _, s)| Some((rule, s.traffic_policy.as_ref()?)));
        let Some((rule, policy)) = own else { return base };
        let own = of_port(rule, policy, port);
        Effective {
            load_balancer: own.load_balancer.or(base.load_balancer),
            connection_pool: own.connection_pool.or(base.connection_pool),
            outlier_detection: own.outlier_detection.or(base.outlier_detection),
            tls: own.tls.or(base.tls),
            retry_budget: own.retry_budget.or(base.retry_budget),
        }
    }
}

fn of_port<'w>(rule: &'w Rule, policy: &'w TrafficPolicy, port: u16) -> Effective<'w> {
    let settings = policy.port_level_settings.iter().find(|s| s.port.is_some_and(|p| p.number == port));
    let (lb, pool, outlier, tls) = match settings {
        Some(s) => (&s.load_balancer, &s.connection_pool, &s.outlier_detection, &s.tls),
        None => (&policy.load_balancer, &policy.connection_pool, &policy.outlier_detection, &policy.tls),
    };
    Effective {
        load_balancer: lb.as_ref().map(|value| Said { value, rule }),
        connection_pool: pool.as_ref().map(|value| Said { value, rule }),
        outlier_detection: outlier.as_ref().map(|value| Said { value, rule }),
        tls: tls.as_ref().map(|value| Said { value, rule }),
        retry_budget: policy.retry_budget.as_ref().map(|value| Said { value, rule }),
    }
}
