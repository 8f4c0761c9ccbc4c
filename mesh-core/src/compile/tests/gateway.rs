use super::*;
use crate::model::http::ForwardClientCert;
use crate::model::listener::{Bind, Direction};
use crate::model::route::Action;

const GATEWAY: &str = r#"
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 8080, name: http, protocol: HTTP}
    hosts: ["*"]
"#;

fn vs(name: &str, namespace: &str, hosts: &str, http: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{hosts: [{hosts}], gateways: [default/front], http: [{http}]}}\n"
    )
}

const TO_REVIEWS: &str = "{route: [{destination: {host: reviews.default.svc.cluster.local}}]}";
const TO_RATINGS: &str = "{route: [{destination: {host: ratings.default.svc.cluster.local}}]}";
const REVIEWS: &str = "outbound|9080||reviews.default.svc.cluster.local";
const RATINGS: &str = "outbound|9080||ratings.default.svc.cluster.local";

fn at_the_edge(texts: &[&str]) -> Compiled {
    let compiled = compile(&bookinfo(texts), &ingress());
    assert!(compiled.findings.is_empty(), "{:#?}", messages(&compiled));
    compiled
}

#[test]
fn a_server_listens_and_routes_what_is_bound_to_it() {
    let only = "{match: [{uri: {exact: /productpage}}, {uri: {prefix: /static}}], route: [{destination: {host: productpage, port: {number: 9080}}}]}";
    let compiled = at_the_edge(&[GATEWAY, &vs("bookinfo", "default", "\"*\"", only)]);
    let l = listener(&compiled, "0.0.0.0_8080");
    assert_eq!(l.bind, Bind::Socket("0.0.0.0:8080".parse().unwrap()));
    assert_eq!(l.direction, Direction::Unspecified);
    let http = manager(&l.filter_chains[0].filter);
    assert_eq!(http.routes, RouteSource::Named("http.8080".into()));
    assert!(http.use_remote_address);
    assert_eq!(http.client_cert, ForwardClientCert::SanitizeSet);
    let table = table(&compiled, "http.8080");
    assert_eq!(&*table.virtual_hosts[0].name, "*:8080");
    let page = "outbound|9080||productpage.default.svc.cluster.local";
    assert_eq!(send(table, "any.host:8080", "/productpage", &[]), page);
    assert_eq!(send(table, "any.host", "/static/x", &[]), page);
    assert_eq!(send(table, "any.host", "/admin", &[]), "nowhere");
    assert!(compiled.snapshot.clusters.contains_key(page));
    assert!(!compiled.snapshot.listeners.contains_key("virtualInbound"));
}

#[test]
fn a_gateway_that_selects_another_proxy_does_not_listen_here() {
    let other = GATEWAY.replace("ingressgateway", "egressgateway");
    assert!(at_the_edge(&[&other]).snapshot.listeners.is_empty());
}

#[test]
fn a_virtual_service_for_the_mesh_is_not_served_at_the_edge() {
    let mesh = vs("m", "default", "reviews.default.svc.cluster.local", TO_REVIEWS)
        .replace("gateways: [default/front]", "gateways: [mesh]");
    let compiled = at_the_edge(&[GATEWAY, &mesh]);
    let hosts = &table(&compiled, "http.8080").virtual_hosts;
    assert_eq!((&*hosts[0].name, hosts[0].routes.len()), ("blackhole:8080", 0));
}

#[test]
fn the_narrower_of_two_hosts_is_served() {
    let gateway = |hosts: &str| GATEWAY.replace("hosts: [\"*\"]", &format!("hosts: [{hosts}]"));
    let domains = |server: &str, own: &str| {
        let compiled = at_the_edge(&[&gateway(server), &vs("v", "default", own, TO_REVIEWS)]);
        let table = table(&compiled, "http.8080").clone();
        table.virtual_hosts.iter().flat_map(|h| h.domains.clone()).collect::<Vec<_>>()
    };
    assert_eq!(domains("\"*.a.com\"", "x.a.com, x.b.com"), ["x.a.com"]);
    assert_eq!(domains("x.a.com, y.a.com", "\"*.a.com\""), ["x.a.com", "y.a.com"]);
    assert_eq!(domains("default/x.a.com", "x.a.com"), ["x.a.com"]);
    assert_eq!(domains("./x.a.com", "x.a.com"), ["x.a.com"]);
    assert_eq!(domains("other/x.a.com", "x.a.com"), ["*"], "nothing but the black hole");
}

#[test]
fn two_virtual_services_of_a_host_are_merged_and_what_takes_all_comes_last() {
    let all = vs("a-all", "default", "shop.example.com", TO_REVIEWS);
    let some = vs(
        "b-some",
        "default",
        "shop.example.com",
        "{match: [{uri: {prefix: /r}}], route: [{destination: {host: ratings}}]}",
    );
    let compiled = compile(&bookinfo(&[GATEWAY, &all, &some]), &ingress());
    let table = table(&compiled, "http.8080");
    assert_eq!(send(table, "shop.example.com", "/r", &[]), RATINGS);
    assert_eq!(send(table, "shop.example.com", "/", &[]), REVIEWS);
    let again = vs("b-all", "default", "shop.example.com", TO_RATINGS);
    let compiled = compile(&bookinfo(&[GATEWAY, &all, &again]), &ingress());
    let [finding] = compiled.findings.as_slice() else { panic!("{:?}", messages(&compiled)) };
    assert_eq!((&*finding.resource.name, finding.path.as_str()), ("b-all", "spec.hosts[0]"));
}

#[test]
fn a_server_may_send_everyone_to_https() {
    let secure =
        GATEWAY.replace("hosts: [\"*\"]", "hosts: [shop.example.com]\n    tls: {httpsRedirect: true}");
    let compiled = at_the_edge(&[&secure, &vs("v", "default", "shop.example.com", TO_REVIEWS)]);
    let host = host(table(&compiled, "http.8080"), "shop.example.com:8080").clone();
    assert_eq!(host.routes.len(), 1);
    assert!(
        matches!(&host.routes[0].action, Action::Redirect(r) if r.scheme.as_deref() == Some("https") && r.status == 301)
    );
}

#[test]
fn what_a_gateway_cannot_serve_yet_is_named_with_its_line() {
    let tls = GATEWAY.replace("protocol: HTTP}", "protocol: HTTPS}");
    let compiled = compile(&bookinfo(&[&tls]), &ingress());
    let [finding] = compiled.findings.as_slice() else { panic!("{:?}", messages(&compiled)) };
    assert_eq!((finding.path.as_str(), finding.code), ("spec.servers[0].port.protocol", "MESH0007"));
    assert!(finding.span.is_some());
    assert!(compiled.snapshot.listeners.is_empty());
}

#[test]
fn the_gateways_own_service_says_where_it_listens() {
    let world = bookinfo(&[
        &GATEWAY.replace("8080", "80"),
        r#"
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec: {clusterIP: 10.0.0.1, selector: {istio: ingressgateway}, ports: [{name: http2, port: 80, targetPort: 8081}]}
---
apiVersion: v1
kind: Pod
metadata: {name: ingress, namespace: istio-system, labels: {istio: ingressgateway}}
status: {podIP: 127.1.0.9, phase: Running, conditions: [{type: Ready, status: "True"}]}
"#,
        &vs("v", "default", "\"*\"", TO_REVIEWS),
    ]);
    let compiled = compile(&world, &ingress());
    assert!(compiled.snapshot.listeners.contains_key("0.0.0.0_8081"));
    assert_eq!(send(table(&compiled, "http.8081"), "x", "/", &[]), REVIEWS);
}
