//! Bookinfo is right, and nothing is said of it.

use super::said;
use crate::analyze::findings;
use crate::world::World;
use std::fs;
use std::path::Path;

#[test]
fn the_example_of_this_project_is_silent() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/bookinfo/config");
    let mut resources = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let parsed = crate::yaml::resources(&path.to_string_lossy(), &text, &Default::default());
        resources.extend(parsed.outcomes.into_iter().filter_map(|o| o.resource));
    }
    assert!(resources.len() > 30, "{}", resources.len());
    let found = findings(&World::from_resources(resources, "1"));
    assert!(found.is_empty(), "{found:?}");
}

/// As it is deployed on Kubernetes: services, the gateway of another installation, rules for more versions than
/// run, routes to one of them; the workloads are Deployments.
#[test]
fn on_kubernetes_it_is_silent_though_the_gateways_pods_are_elsewhere() {
    let mut text = String::new();
    for name in ["productpage", "details", "ratings", "reviews"] {
        text += &format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\n\
             spec: {{ports: [{{port: 9080, name: http}}], selector: {{app: {name}}}}}\n---\n\
             apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}-v1}}\n\
             spec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}, version: v1}}}}}}}}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}}}\n\
             spec: {{host: {name}, subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2-mysql, labels: {{version: v2-mysql}}}}]}}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\n\
             spec: {{hosts: [{name}], http: [{{route: [{{destination: {{host: {name}, subset: v1}}}}]}}]}}\n---\n"
        );
    }
    text += "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: bookinfo-gateway}\n\
             spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}]}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: bookinfo}\n\
             spec: {hosts: ['*'], gateways: [bookinfo-gateway], http: [{match: [{uri: {exact: /productpage}}, \
             {uri: {prefix: /static}}, {uri: {prefix: /api/v1/products}}], \
             route: [{destination: {host: productpage, port: {number: 9080}}}]}]}\n";
    let found = said(&text);
    assert!(found.is_empty(), "{found:#?}");
}
