//! The EnvoyFilters of a workload, in the order in which they are applied.
//!
//! Istio: `EnvoyFilters` and `getMatchedEnvoyFilters` in `pilot/pkg/model/push_context.go`.

use super::Subject;
use crate::api::Resource;
use crate::api::networking::EnvoyFilter;
use crate::api::value::labels_match;
use crate::world::World;
use std::sync::Arc;

/// The EnvoyFilters that hold for a workload: those of its namespace and of the root namespace that select it or
/// have no selector. A lower `priority` is applied first; then the root namespace's, then the oldest. One with
/// `targetRefs` holds for no workload.
pub fn applicable<'w>(world: &'w World, subject: Subject<'_>) -> Vec<&'w Arc<Resource<EnvoyFilter>>> {
    let root = world.mesh().root_namespace.as_str();
    let holds = |f: &&Arc<Resource<EnvoyFilter>>| {
        let near = [subject.namespace, root].contains(&&*f.meta.namespace);
        let selected =
            f.spec.workload_selector.as_ref().is_none_or(|s| labels_match(&s.labels, subject.labels));
        near && selected && f.spec.target_refs.is_empty()
    };
    let mut all: Vec<_> = world.of::<EnvoyFilter>().filter(holds).collect();
    all.sort_by_key(|f| (f.spec.priority, *f.meta.namespace != *root));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::testing::{names, with_subject, world};

    #[test]
    fn a_lower_priority_is_first_then_the_root_namespace_then_the_oldest() {
        let world = world(&[
            "EnvoyFilter shop/b@2: {configPatches: []}",
            "EnvoyFilter shop/c@1: {configPatches: []}",
            "EnvoyFilter istio-system/root@9: {configPatches: []}",
            "EnvoyFilter shop/first@9: {priority: -1, configPatches: []}",
            "EnvoyFilter istio-system/last@0: {priority: 7, configPatches: []}",
        ]);
        let all = with_subject("shop", "a", |s| names(applicable(&world, s)));
        assert_eq!(all, ["shop/first", "istio-system/root", "shop/c", "shop/b", "istio-system/last"]);
    }

    #[test]
    fn one_for_other_labels_another_namespace_or_a_resource_does_not_hold() {
        let world = world(&[
            "EnvoyFilter shop/labels: {workloadSelector: {labels: {app: b}}, configPatches: []}",
            "EnvoyFilter bank/far: {configPatches: []}",
            "EnvoyFilter shop/ref: {targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: g}], configPatches: []}",
        ]);
        assert_eq!(with_subject("shop", "a", |s| names(applicable(&world, s))), Vec::<String>::new());
    }
}
