use super::findings::{said, without_a_proxy};
use super::*;
use crate::diagnostic::{Level, code};

#[test]
fn what_the_compiler_makes_nothing_of_is_said_once_for_each_resource() {
    let group = "gateway.networking.k8s.io/v1";
    let mut text = String::new();
    for (api, kind, spec) in [
        (group, "GatewayClass", "{controllerName: istio.io/gateway-controller}"),
        (group, "Gateway", "{gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: HTTP}]}"),
        (group, "ListenerSet", "{parentRef: {name: a}, listeners: [{name: a, port: 81, protocol: HTTP}]}"),
        (group, "HTTPRoute", "{parentRefs: [{name: a}], rules: [{}, {}]}"),
        (group, "GRPCRoute", "{rules: [{}]}"),
        (group, "TCPRoute", "{rules: [{backendRefs: [{name: a, port: 1}]}]}"),
        (group, "UDPRoute", "{rules: [{backendRefs: [{name: a, port: 1}]}]}"),
        (group, "TLSRoute", "{hostnames: [a.b], rules: [{backendRefs: [{name: a, port: 1}]}]}"),
        (group, "ReferenceGrant", "{from: [], to: []}"),
        (group, "BackendTLSPolicy", "{targetRefs: []}"),
        ("gateway.networking.x-k8s.io/v1alpha1", "XListenerSet", "{}"),
        ("networking.k8s.io/v1", "Ingress", "{rules: [{host: a.b}]}"),
        ("networking.k8s.io/v1", "IngressClass", "{}"),
    ] {
        text += &format!("---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n");
    }
    let resources = world(&[&text]).len();
    let all = without_a_proxy(&text);
    assert_eq!((resources, all.len()), (13, 13));
    assert!(
        all.iter().all(|(level, _, path)| (*level, path.as_str()) == (Level::Warning, "kind")),
        "{all:?}"
    );
    // A sidecar hears of what is in its namespace: all but the two that are in none.
    let near =
        said(&[&text]).iter().filter(|(path, code)| path == "kind" && *code == code::NOT_HONOURED).count();
    assert_eq!(near, 11);
}

#[test]
fn proxy_settings_in_a_template_of_pods_are_named() {
    let annotated = "{metadata: {annotations: {proxy.istio.io/config: x}}}";
    for (api, kind, spec, path) in [
        ("apps/v1", "Deployment", format!("{{template: {annotated}}}"), "spec.template"),
        ("apps/v1", "StatefulSet", format!("{{template: {annotated}}}"), "spec.template"),
        ("apps/v1", "DaemonSet", format!("{{template: {annotated}}}"), "spec.template"),
        ("apps/v1", "ReplicaSet", format!("{{template: {annotated}}}"), "spec.template"),
        ("batch/v1", "Job", format!("{{template: {annotated}}}"), "spec.template"),
        (
            "batch/v1",
            "CronJob",
            format!("{{jobTemplate: {{spec: {{template: {annotated}}}}}}}"),
            "spec.jobTemplate.spec.template",
        ),
    ] {
        let text = format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n");
        let path = format!("{path}.metadata.annotations.proxy.istio.io/config");
        assert_eq!(without_a_proxy(&text), [(Level::Warning, 4, path)]);
    }
}
