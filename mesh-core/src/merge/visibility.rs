//! Who sees a VirtualService or a DestinationRule: `exportTo`, and the mesh's default where it says nothing.
//!
//! Istio: `initVirtualServices` and `setDestinationRules` in `pilot/pkg/model/push_context.go`.

use crate::api::networking::{DestinationRule, VirtualService};
use crate::api::{MeshConfig, Resource};
use crate::registry::ExportTo;
use crate::world::World;
use std::sync::Arc;

/// Who sees a VirtualService: its `exportTo`, else `defaultVirtualServiceExportTo`, else everybody. A `.` of the
/// default is the resource's own namespace.
pub fn of_virtual_service(vs: &Resource<VirtualService>, mesh: &MeshConfig) -> ExportTo {
    export(&vs.spec.export_to, &vs.meta.namespace, &mesh.default_virtual_service_export_to)
}

/// Who sees a DestinationRule: its own namespace alone where it selects workloads, else its `exportTo`, else
/// `defaultDestinationRuleExportTo`, else everybody.
pub fn of_destination_rule(rule: &Resource<DestinationRule>, mesh: &MeshConfig) -> ExportTo {
    let own = &*rule.meta.namespace;
    match rule.spec.workload_selector {
        Some(_) => ExportTo::new(&["."], own, &ExportTo::All),
        None => export(&rule.spec.export_to, own, &mesh.default_destination_rule_export_to),
    }
}

fn export(list: &[String], own: &str, default: &[String]) -> ExportTo {
    ExportTo::new(list, own, &ExportTo::new(default, own, &ExportTo::All))
}

/// The VirtualServices that the proxies of a namespace see, in the order in which they take precedence: the
/// namespace's own that not all see, then those that other namespaces export to it by name, then those that all
/// see; within each group the oldest first. Delegates, which have no hosts, are none of them.
///
/// Istio: `SelectVirtualServices` in `pilot/pkg/model/virtualservice.go`.
pub fn virtual_services<'w>(world: &'w World, namespace: &str) -> Vec<&'w Arc<Resource<VirtualService>>> {
    let group = |vs: &Resource<VirtualService>| match of_virtual_service(vs, world.mesh()) {
        ExportTo::All => Some(2),
        seen if !seen.covers(namespace) => None,
        _ if *vs.meta.namespace == *namespace => Some(0),
        _ => Some(1),
    };
    let roots = world.of::<VirtualService>().filter(|vs| !vs.spec.hosts.is_empty());
    let mut seen: Vec<_> = roots.filter_map(|vs| Some((group(vs)?, vs))).collect();
    seen.sort_by_key(|(group, _)| *group);
    seen.into_iter().map(|(_, vs)| vs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::testing::{names, world};

    const RULE: &str = "http: [{route: [{destination: {host: a}}]}]";

    fn vs(head: &str, export: &str) -> String {
        format!("VirtualService {head}: {{hosts: [a.example.com], {export} {RULE}}}")
    }

    #[test]
    fn a_namespaces_own_come_first_then_those_exported_to_it_then_everybodys() {
        let all = [
            vs("far/public@1", ""),
            vs("far/named@2", "exportTo: [shop],"),
            vs("far/private@3", "exportTo: ['.'],"),
            vs("shop/public@4", "exportTo: ['*'],"),
            vs("shop/own@5", "exportTo: ['.'],"),
        ];
        let world = world(&all.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(
            names(virtual_services(&world, "shop")),
            ["shop/own", "far/named", "far/public", "shop/public"]
        );
        assert_eq!(names(virtual_services(&world, "far")), ["far/private", "far/public", "shop/public"]);
    }

    #[test]
    fn the_meshs_default_holds_where_nothing_is_written_and_its_dot_is_the_resources_namespace() {
        let (a, b) = (vs("shop/a", ""), vs("shop/b", "exportTo: ['*'],"));
        let world = world(&["Mesh a/b: defaultVirtualServiceExportTo: ['.']", &a, &b]);
        assert_eq!(names(virtual_services(&world, "shop")), ["shop/a", "shop/b"]);
        assert_eq!(names(virtual_services(&world, "far")), ["shop/b"]);
    }

    #[test]
    fn a_delegate_routes_no_host_of_its_own() {
        let delegate = format!("VirtualService shop/d: {{{RULE}}}");
        assert_eq!(virtual_services(&world(&[&delegate]), "shop").len(), 0);
    }

    #[test]
    fn a_destination_rule_with_a_selector_is_its_namespaces_alone() {
        let world = world(&[
            "DestinationRule shop/s: {host: a, exportTo: ['.'], workloadSelector: {matchLabels: {a: b}}}",
            "DestinationRule shop/t: {host: a}",
        ]);
        let seen = |name| {
            let rule = world.get::<DestinationRule>("shop", name).unwrap();
            of_destination_rule(rule, world.mesh()).covers("far")
        };
        assert!(!seen("s") && seen("t"));
    }
}
