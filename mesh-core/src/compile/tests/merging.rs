//! That the compiler asks the rules of `merge`: what those say is tested there.

use super::*;
use crate::diagnostic::code;
use crate::model::http::HttpFilter;

const V1: &str = "outbound|9080|v1|reviews.default.svc.cluster.local";
const V2: &str = "outbound|9080|v2|reviews.default.svc.cluster.local";
const RATINGS: &str = "outbound|9080||ratings.default.svc.cluster.local";

fn resource(kind: &str, group: &str, namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: {group}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

fn vs(namespace: &str, name: &str, spec: &str) -> String {
    resource("VirtualService", "networking.istio.io/v1", namespace, name, spec)
}

/// Path and code of each finding.
fn said(compiled: &Compiled) -> Vec<(&str, &str)> {
    compiled.findings.iter().map(|f| (f.path.as_str(), f.code)).collect()
}

#[test]
fn a_delegates_rules_are_routed_where_the_rule_matches_that_delegates() {
    let root = vs(
        "default",
        "reviews",
        "{hosts: [reviews], http: [{match: [{uri: {prefix: /a}}], delegate: {name: team, namespace: far}}, {route: [{destination: {host: reviews, subset: v1}}]}]}",
    );
    let team = vs(
        "far",
        "team",
        "{http: [{match: [{uri: {prefix: /a/2}}], route: [{destination: {host: reviews.default.svc.cluster.local, subset: v2}}]}, {route: [{destination: {host: ratings.default.svc.cluster.local}}]}]}",
    );
    let compiled = quiet(&bookinfo(&[SUBSETS, &root, &team]));
    let table = table(&compiled, "9080");
    for (path, cluster) in [("/a/2", V2), ("/a/3", RATINGS), ("/b", V1)] {
        assert_eq!(send(table, "reviews", path, &[]), cluster, "{path}");
    }
    let routes = &host(table, "reviews.default.svc.cluster.local:9080").routes;
    let origins: Vec<_> = routes.iter().map(|r| r.origin.as_ref().unwrap().name.to_string()).collect();
    assert_eq!(origins, ["team", "team", "reviews"]);
}

#[test]
fn what_only_a_delegate_sends_to_may_be_called() {
    let sidecar = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: s, namespace: default}\nspec:\n  egress: [{hosts: ['*/reviews.default.svc.cluster.local']}]\n";
    let root = vs("default", "reviews", "{hosts: [reviews], http: [{delegate: {name: team}}]}");
    let team = vs("default", "team", "{http: [{route: [{destination: {host: ratings}}]}]}");
    let compiled = compile(&bookinfo(&[sidecar, &root, &team]), &reviews());
    assert!(compiled.snapshot.clusters.contains_key(RATINGS));
    assert!(!compiled.snapshot.clusters.contains_key("outbound|9080||productpage.default.svc.cluster.local"));
}

#[test]
fn a_delegate_that_cannot_be_taken_is_named_and_the_other_rules_stand() {
    let root = vs(
        "default",
        "reviews",
        "{hosts: [reviews], http: [{match: [{uri: {prefix: /a}}], delegate: {name: nobody}}, {match: [{uri: {prefix: /b}}], delegate: {name: team}}, {route: [{destination: {host: reviews, subset: v1}}]}]}",
    );
    let team = vs(
        "default",
        "team",
        "{http: [{match: [{uri: {prefix: /c}}], route: [{destination: {host: ratings}}]}]}",
    );
    let compiled = compile(&bookinfo(&[SUBSETS, &root, &team]), &reviews());
    assert_eq!(
        said(&compiled),
        [("spec.http[0].delegate", code::REFERENCE), ("spec.http[0].match", code::CONFLICT)]
    );
    for path in ["/a", "/b", "/c"] {
        assert_eq!(send(table(&compiled, "9080"), "reviews", path, &[]), V1, "{path}");
    }
}

#[test]
fn a_namespaces_own_virtual_service_comes_before_an_older_one_for_all() {
    let to = |subset: &str, export: &str| {
        format!(
            "{{hosts: [reviews.default.svc.cluster.local], {export} http: [{{route: [{{destination: {{host: reviews.default.svc.cluster.local, subset: {subset}}}}}]}}]}}"
        )
    };
    let old = vs("aaa", "aaa", &to("v1", ""));
    let own = vs("default", "zzz", &to("v2", "exportTo: ['.'],"));
    let compiled = compile(&bookinfo(&[SUBSETS, &old, &own]), &reviews());
    assert_eq!(send(table(&compiled, "9080"), "reviews", "/", &[]), V2);
    assert_eq!(said(&compiled), [("spec.hosts[0]", code::CONFLICT)]);
}

#[test]
fn rules_of_one_host_that_are_not_merged_are_named() {
    let rule = |name: &str, export: &str| {
        let spec = format!("{{host: reviews, exportTo: ['{export}']}}");
        resource("DestinationRule", "networking.istio.io/v1", "default", name, &spec)
    };
    let compiled = compile(&bookinfo(&[&rule("a", "*"), &rule("b", ".")]), &reviews());
    assert_eq!(said(&compiled), [("spec.exportTo", code::CONFLICT)]);
    let cluster = cluster(&compiled, "outbound|9080||reviews.default.svc.cluster.local");
    assert_eq!(&*cluster.origin.as_ref().unwrap().name, "b");
}

#[test]
fn a_server_that_cannot_be_where_another_is_is_named_and_left_out() {
    let gateway = |name: &str, protocol: &str, rest: &str| {
        let spec = format!(
            "{{selector: {{istio: ingressgateway}}, servers: [{{port: {{number: 8080, name: p, protocol: {protocol}}}, hosts: ['*'], {rest}}}]}}"
        );
        resource("Gateway", "networking.istio.io/v1", "default", name, &spec)
    };
    let tls = gateway("a", "HTTPS", "tls: {mode: PASSTHROUGH}");
    let compiled = compile(&bookinfo(&[&tls, &gateway("b", "HTTP", "")]), &ingress());
    assert!(said(&compiled).contains(&("spec.servers[0].tls", code::CONFLICT)), "{:#?}", messages(&compiled));
    assert!(compiled.snapshot.listeners.is_empty());
}

#[test]
fn a_policy_that_is_attached_to_a_gateway_guards_its_proxies() {
    let gateway = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: front, namespace: istio-system}\nspec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}]}";
    let guards = |group: &str, name: &str| {
        let spec = format!("{{targetRefs: [{{group: {group}, kind: Gateway, name: {name}}}]}}");
        let policy = resource("AuthorizationPolicy", "security.istio.io/v1", "istio-system", "p", &spec);
        let mut node = ingress();
        node.labels.insert("gateway.networking.k8s.io/gateway-name".to_owned(), "edge".to_owned());
        let compiled = compile(&bookinfo(&[gateway, &policy]), &node);
        assert!(compiled.findings.is_empty(), "{:#?}", messages(&compiled));
        let http = manager(&listener(&compiled, "0.0.0.0_8080").filter_chains[0].filter);
        http.filters.iter().any(|f| matches!(f, HttpFilter::Rbac(_)))
    };
    assert!(guards("gateway.networking.k8s.io", "edge") && !guards("gateway.networking.k8s.io", "other"));
    assert!(guards("networking.istio.io", "front") && !guards("networking.istio.io", "edge"));
}

#[test]
fn a_peer_authentication_that_holds_nowhere_is_named() {
    let spec = "{selector: {matchLabels: {app: reviews}}, mtls: {mode: STRICT}}";
    let policy = resource("PeerAuthentication", "security.istio.io/v1", "istio-system", "p", spec);
    let found = crate::compile::unsupported_all(&world(&[&policy]));
    assert_eq!(
        found.iter().map(|f| (f.path.as_str(), f.code)).collect::<Vec<_>>(),
        [("spec.selector", code::NO_MEANING)]
    );
}

#[test]
fn access_logs_of_the_namespace_stand_over_the_meshs_and_the_workloads_over_both() {
    let mesh = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    extensionProviders: [{name: a, envoyFileAccessLog: {path: /a}}, {name: b, envoyFileAccessLog: {path: /b}}]\n";
    let telemetry = |namespace: &str, name: &str, spec: &str| {
        resource("Telemetry", "telemetry.istio.io/v1", namespace, name, spec)
    };
    let root = telemetry("istio-system", "t", "{accessLogging: [{providers: [{name: a}]}]}");
    let own = telemetry("default", "t", "{accessLogging: [{match: {mode: CLIENT}, providers: [{name: b}]}]}");
    let off = telemetry(
        "default",
        "own",
        "{selector: {matchLabels: {app: reviews}}, accessLogging: [{disabled: true}]}",
    );
    // Inbound and outbound.
    let logs = |texts: &[&str]| {
        let compiled = quiet(&bookinfo(&[&[SIDECAR, mesh], texts].concat()));
        ["127.1.0.2_9080", "127.1.0.2_15080"].map(|name| {
            let logs = &manager(&listener(&compiled, name).filter_chains[0].filter).access_logs;
            logs.iter().map(|l| l.path.to_string()).collect::<Vec<_>>().join(" ")
        })
    };
    assert_eq!(logs(&[&root]), ["/a", "/a"]);
    assert_eq!(logs(&[&root, &own]), ["/a", "/b"]);
    assert_eq!(logs(&[&root, &off]), ["", ""]);
}
