use super::*;
use crate::api::networking::{Gateway, VirtualService};
use crate::node::{Node, NodeKind};
use crate::registry::ExportTo;

mod incremental;

/// The resources of a text, which must be free of findings.
fn read(text: &str) -> Vec<AnyResource> {
    let parsed = crate::yaml::resources("test.yaml", text, &Default::default());
    assert!(parsed.findings.is_empty(), "{}", crate::diagnostic::text(&parsed.findings, Default::default()));
    parsed.outcomes.into_iter().filter_map(|o| o.resource).collect()
}

fn service(name: &str, namespace: &str, created: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n\
         metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: {created}}}\n\
         spec: {{hosts: [a]}}\n"
    )
}

#[test]
fn resources_come_oldest_first_then_by_name_then_by_namespace() {
    let text = [
        service("b", "x", "2026-01-02T00:00:00Z"),
        service("a", "z", "null"),
        service("a", "w", "null"),
        service("c", "x", "2026-01-01T00:00:00Z"),
    ]
    .concat();
    let forward = World::from_resources(read(&text), "1");
    let backward = World::from_resources(read(&text).into_iter().rev(), "2");
    let names = |world: &World| -> Vec<String> {
        world.of::<VirtualService>().map(|r| format!("{}/{}", r.meta.namespace, r.meta.name)).collect()
    };
    assert_eq!(names(&forward), ["w/a", "z/a", "x/c", "x/b"]);
    assert_eq!(names(&forward), names(&backward));
    assert!(forward.same_content(&backward));
}

#[test]
fn a_resource_is_found_by_kind_namespace_and_name() {
    let world = World::from_resources(read(&service("a", "x", "null")), "1");
    assert!(world.get::<VirtualService>("x", "a").is_some());
    assert!(world.get::<VirtualService>("y", "a").is_none());
    assert!(world.get::<Gateway>("x", "a").is_none());
    assert!(world.find("networking.istio.io", "VirtualService", "x", "a").is_some());
}

#[test]
fn of_two_with_the_same_name_the_older_stays_and_of_two_equally_old_ones_the_first() {
    let (old, new) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    let kept = |first: &str, second: &str| {
        let (first, second) = (read(&service("a", "x", first)), read(&service("a", "x", second)));
        let world = World::from_resources(first.iter().chain(&second).cloned(), "1");
        assert_eq!(world.len(), 1);
        world.iter().next().is_some_and(|r| r.ptr_eq(&first[0]))
    };
    assert!(kept(old, new) && !kept(new, old));
    assert!(kept(old, old) && kept("null", "null"));
    assert!(kept("null", old) && !kept(old, "null"), "without a time it is as old as can be");
}

#[test]
fn the_mesh_config_is_read_from_its_config_map_and_is_istios_default_without_one() {
    assert_eq!(World::empty().mesh(), &MeshConfig::default());
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n\
                data:\n  mesh: |\n    trustDomain: example.org\n    defaultServiceExportTo: ['.']\n";
    let world = World::from_resources(read(text), "1");
    assert_eq!(world.mesh().trust_domain, "example.org");
    let export = ExportTo::new(&world.mesh().default_service_export_to, "a", &ExportTo::All);
    assert!(export.covers("a") && !export.covers("b"));
}
