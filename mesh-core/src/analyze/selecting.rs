//! Services by the labels that they select: who serves a workload, and whose workloads have certain labels.

use crate::api::value::labels_match;
use crate::registry::{Registry, Service};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

type One<'w> = &'w Arc<Service>;

/// Services that select workloads, by namespace and label.
#[derive(Debug, Default)]
pub(super) struct Selecting<'w> {
    by_label: HashMap<&'w str, HashMap<(&'w str, &'w str), Vec<One<'w>>>>,
}

impl<'w> Selecting<'w> {
    pub(super) fn new(registry: &'w Registry) -> Self {
        let mut by_label: HashMap<&str, HashMap<(&str, &str), Vec<One<'w>>>> = HashMap::new();
        for service in registry.services() {
            for (key, value) in service.selector.iter().flatten() {
                let of = by_label.entry(&*service.namespace).or_default();
                of.entry((key, value)).or_default().push(service);
            }
        }
        Self { by_label }
    }

    /// The services all of whose workloads have these labels, of which there is at least one.
    pub(super) fn within(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<One<'w>> {
        let near = self.by_label.get(namespace);
        let first = labels.first_key_value().map(|(k, v)| (k.as_str(), v.as_str()));
        let found = near.zip(first).and_then(|(near, first)| near.get(&first)).into_iter().flatten();
        found.copied().filter(|s| s.selector.as_ref().is_some_and(|own| labels_match(labels, own))).collect()
    }

    /// The services that a workload with these labels is an instance of.
    pub(super) fn of(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<One<'w>> {
        let Some(near) = self.by_label.get(namespace) else { return Vec::new() };
        let candidates = labels.iter().filter_map(|(k, v)| near.get(&(k.as_str(), v.as_str()))).flatten();
        let selected = |s: &&Arc<Service>| s.selector.as_ref().is_some_and(|own| labels_match(own, labels));
        let mut found: Vec<One<'w>> = candidates.copied().filter(selected).collect();
        found.sort_by(|a, b| a.host.cmp(&b.host));
        found.dedup_by(|a, b| Arc::ptr_eq(a, b));
        found
    }
}
