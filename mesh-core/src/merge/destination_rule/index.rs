//! DestinationRules by namespace and host, merged as Istio merges them.

use super::{Merged, Rule};
use crate::api::networking::DestinationRule;
use crate::api::value::labels_match;
use crate::hostname::Hostname;
use crate::merge::Subject;
use crate::merge::visibility;
use crate::registry::{CLUSTER_DOMAIN, ExportTo, Service};
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The DestinationRules of a World as one workload is to see them.
#[derive(Clone, Debug)]
pub struct Rules<'w> {
    /// Of the workload's own namespace: what its workloads see.
    own: Hosts<'w>,
    /// Of every namespace: what is not for that namespace alone.
    exported: HashMap<&'w str, Hosts<'w>>,
    namespace: String,
    labels: BTreeMap<String, String>,
    root: &'w str,
}

/// The rules of one namespace.
#[derive(Clone, Debug, Default)]
struct Hosts<'w> {
    exact: HashMap<Hostname, Vec<Group<'w>>>,
    /// Most specific first.
    wild: BTreeMap<Hostname, Vec<Group<'w>>>,
}

/// Rules of one host that are merged.
#[derive(Clone, Debug)]
struct Group<'w> {
    /// As it is written: rules with lists that merely mean the same are not merged.
    written: BTreeSet<&'w str>,
    seen_by: ExportTo,
    selector: Option<&'w BTreeMap<String, String>>,
    rules: Vec<&'w Rule>,
}

/// Rules of one host and namespace that contradict each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Conflict<'w> {
    /// Both declare the host's traffic policy; the first one's stands.
    TrafficPolicy {
        /// The one that is taken.
        first: &'w Rule,
        /// The one whose policy is not.
        second: &'w Rule,
    },
    /// Both declare a subset of one name; the first one's stands.
    Subset {
        /// The one that is taken.
        first: &'w Rule,
        /// The one whose subset is not.
        second: &'w Rule,
        /// The place of the subset in the second's list.
        at: usize,
    },
    /// They write different `exportTo` and so are not merged; where both are seen, the younger stands alone.
    NotMerged {
        /// The one that is taken.
        taken: &'w Rule,
        /// The one that is not.
        left: &'w Rule,
    },
}

impl<'w> Rules<'w> {
    /// Sorts the rules of a World for one workload.
    pub fn new(world: &'w World, subject: Subject<'_>) -> Self {
        let mesh = world.mesh();
        let root = mesh.root_namespace.as_str();
        let mut own = Hosts::default();
        let mut exported: HashMap<&str, Hosts<'w>> = HashMap::new();
        // Rules that select workloads come before those that do not.
        let with_selector = world.of::<DestinationRule>().filter(|r| r.spec.workload_selector.is_some());
        let without = world.of::<DestinationRule>().filter(|r| r.spec.workload_selector.is_none());
        for rule in with_selector.chain(without) {
            let namespace = &*rule.meta.namespace;
            let Ok(host) = Hostname::resolve(&rule.spec.host, namespace, CLUSTER_DOMAIN) else { continue };
            let seen_by = visibility::of_destination_rule(rule, mesh);
            let private = seen_by == ExportTo::new(&["."], namespace, &ExportTo::All);
            // In the root namespace, what is for all must not come before what a service's namespace says.
            let local = *namespace == *subject.namespace && seen_by.covers(namespace);
            if local && (namespace != root || private) {
                own.add(host.clone(), rule, seen_by.clone());
            }
            if !private {
                exported.entry(namespace).or_default().add(host, rule, seen_by);
            }
        }
        let (namespace, labels) = (subject.namespace.to_owned(), subject.labels.clone());
        Self { own, exported, namespace, labels, root }
    }

    /// What holds for calls to a service. The first of these places that has a rule for its host decides:
    ///
    /// 1. the caller's namespace; if that is the root namespace, only rules that are for it alone;
    /// 2. the service's namespace: rules that are exported to the caller's;
    /// 3. the root namespace: likewise.
    ///
    /// In a place, the rules with this host count, else those with the longest wildcard that covers it. Rules that
    /// write the same `exportTo` are merged (a later one whose list includes an earlier one's too), the oldest
    /// first. Of rules with a selector, the oldest that selects the caller stands with those of the very same
    /// selector, and without those that have none unless they write `exportTo: ['.', …]`; a place with nothing but
    /// selectors that do not match decides that there is no rule.
    pub fn of(&self, service: &Service) -> Merged<'w> {
        self.of_host(&service.host, &service.namespace)
    }

    /// The same for a host of a service that is declared in a namespace.
    pub fn of_host(&self, host: &Hostname, namespace: &str) -> Merged<'w> {
        let group = match self.own.find(host) {
            Some(groups) => self.choose(groups.iter()),
            None => [namespace, self.root].into_iter().find_map(|place| {
                let groups = self.exported.get(place)?.find(host)?;
                self.choose(groups.iter().filter(|g| g.seen_by.covers(&self.namespace)))
            }),
        };
        Merged { rules: group.map(|g| g.rules.clone()).unwrap_or_default() }
    }

    fn choose<'g>(&self, groups: impl Iterator<Item = &'g Group<'w>>) -> Option<&'g Group<'w>>
    where
        'w: 'g,
    {
        let mut for_all: Option<&Group<'w>> = None;
        for group in groups {
            match group.selector {
                Some(want) if labels_match(want, &self.labels) => return Some(group),
                Some(_) => {}
                // A rule that was merged into an earlier one also stands alone, for those who do not see that one.
                None if for_all.is_some_and(|f| f.includes(group)) => {}
                None => for_all = Some(group),
            }
        }
        for_all
    }

    /// What contradicts what, among the rules that the workload sees.
    pub fn conflicts(&self) -> Vec<Conflict<'w>> {
        // In the caller's own namespace these are among its own, but for what the root namespace says to all.
        let elsewhere = |place: &str| *place != *self.namespace || place == self.root;
        let exported =
            self.exported.iter().filter(|(place, _)| elsewhere(place)).flat_map(|(_, h)| h.groups());
        let mut out = Vec::new();
        for groups in self.own.groups().chain(exported) {
            let seen: Vec<_> = groups.iter().filter(|g| g.seen_by.covers(&self.namespace)).collect();
            for group in &seen {
                group.conflicts(&mut out);
            }
            let for_all = || seen.iter().copied().filter(|g| g.selector.is_none());
            let Some(group) = self.choose(for_all()) else { continue };
            let left = for_all().filter(|other| !group.includes(other));
            for (taken, left) in left.filter_map(|other| Some((group.rules.first()?, other.rules.first()?))) {
                out.push(Conflict::NotMerged { taken, left });
            }
        }
        out
    }
}

impl<'w> Hosts<'w> {
    fn add(&mut self, host: Hostname, rule: &'w Rule, seen_by: ExportTo) {
        let groups = match host.is_wildcard() {
            true => self.wild.entry(host).or_default(),
            false => self.exact.entry(host).or_default(),
        };
        let selector = rule.spec.workload_selector.as_ref().map(|s| &s.match_labels);
        let written: BTreeSet<&str> = match selector {
            Some(_) => BTreeSet::from(["."]),
            None => rule.spec.export_to.iter().map(String::as_str).collect(),
        };
        let mut alone = true;
        for group in groups.iter_mut() {
            let same = group.written == written;
            let wider = !group.written.is_empty() && written.is_superset(&group.written);
            let selects_others = selector.is_some() && group.selector.is_some() && group.selector != selector;
            if (same || wider) && !selects_others {
                group.rules.push(rule);
                alone &= !(same && group.selector == selector);
            }
        }
        if alone {
            groups.push(Group { written, seen_by, selector, rules: vec![rule] });
        }
    }

    fn find(&self, host: &Hostname) -> Option<&Vec<Group<'w>>> {
        let wild = || self.wild.iter().find(|(w, _)| w.covers(host)).map(|(_, groups)| groups);
        self.exact.get(host).or_else(wild)
    }

    fn groups(&self) -> impl Iterator<Item = &Vec<Group<'w>>> {
        self.exact.values().chain(self.wild.values())
    }
}

impl<'w> Group<'w> {
    fn includes(&self, other: &Self) -> bool {
        other.rules.iter().all(|r| self.rules.iter().any(|own| Arc::ptr_eq(own, r)))
    }

    fn conflicts(&self, out: &mut Vec<Conflict<'w>>) {
        // What has no selector gives way to what has on purpose.
        let alike: Vec<&'w Rule> = self.rules.iter().copied().filter(|r| self.is_like(r)).collect();
        let mut policies = alike.iter().copied().filter(|r| r.spec.traffic_policy.is_some());
        if let Some(first) = policies.next() {
            out.extend(policies.map(|second| Conflict::TrafficPolicy { first, second }));
        }
        let mut seen: HashMap<&str, &'w Rule> = HashMap::new();
        for second in alike {
            for (at, subset) in second.spec.subsets.iter().enumerate() {
                match seen.get(subset.name.as_str()) {
                    Some(first) => out.push(Conflict::Subset { first, second, at }),
                    None => {
                        seen.insert(&subset.name, second);
                    }
                }
            }
        }
    }

    fn is_like(&self, rule: &Rule) -> bool {
        rule.spec.workload_selector.as_ref().map(|s| &s.match_labels) == self.selector
    }
}
