use super::*;
use crate::model::listener::{Bind, Direction};
use crate::model::route::{Action, Target};

#[test]
fn an_http_proxy_listener_knows_every_way_to_write_a_service() {
    let compiled = quiet(&bookinfo(&[SIDECAR]));
    let proxy = listener(&compiled, "127.1.0.2_15080");
    assert_eq!(proxy.bind, Bind::Socket("127.1.0.2:15080".parse().unwrap()));
    assert_eq!(proxy.direction, Direction::Outbound);
    let http = manager(&proxy.filter_chains[0].filter);
    assert_eq!(http.routes, RouteSource::Named("15080".into()));
    assert_eq!(&*http.stat_prefix, "outbound_127.1.0.2_15080");
    let table = table(&compiled, "15080");
    assert!(!table.ignore_port_in_host_matching);
    let want = "outbound|9080||ratings.default.svc.cluster.local";
    for authority in [
        "ratings",
        "ratings:9080",
        "Ratings:9080",
        "ratings.default",
        "ratings.default:9080",
        "ratings.default.svc",
        "ratings.default.svc:9080",
        "ratings.default.svc.cluster.local",
        "ratings.default.svc.cluster.local:9080",
    ] {
        assert_eq!(send(table, authority, "/", &[]), want, "{authority}");
    }
    assert_eq!(send(table, "ratings:9081", "/", &[]), "PassthroughCluster");
    assert_eq!(send(table, "unknown.example.com", "/", &[]), "PassthroughCluster");
}

#[test]
fn a_name_without_a_port_means_80_where_there_are_several() {
    let service = |ports: &str| {
        world(&[
            SIDECAR,
            &format!(
                "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: a}}\nspec: {{hosts: [a.default.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{ports}], endpoints: [{{address: 127.1.0.7, labels: {{app: reviews}}}}]}}\n"
            ),
            "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: reviews-v1}\nspec: {address: 127.1.0.2, labels: {app: reviews}}",
        ])
    };
    let both =
        service("{number: 80, name: http, protocol: HTTP}, {number: 8080, name: http-2, protocol: HTTP}");
    let compiled = quiet(&both);
    let of = |authority| send(table(&compiled, "15080"), authority, "/", &[]);
    assert_eq!(of("a"), "outbound|80||a.default.svc.cluster.local");
    assert_eq!(of("a:8080"), "outbound|8080||a.default.svc.cluster.local");
    let neither =
        service("{number: 8081, name: http, protocol: HTTP}, {number: 8080, name: http-2, protocol: HTTP}");
    let compiled = quiet(&neither);
    assert_eq!(send(table(&compiled, "15080"), "a", "/", &[]), "PassthroughCluster");
}

/// What is compiled for reviews-v1 of a Sidecar whose only listener waits for redirection, and nothing else to
/// be said.
fn waiting(world: &World) -> Compiled {
    let compiled = compile(world, &reviews());
    let paths: Vec<_> = compiled.findings.iter().map(|f| f.path.as_str()).collect();
    let [ingress, egress] = paths.as_slice() else { panic!("{paths:?}") };
    assert!(*ingress == "spec.ingress" && egress.starts_with("spec.egress"), "{paths:?}");
    compiled
}

#[test]
fn a_sidecar_narrows_what_may_be_called() {
    let sidecar = |hosts: &str, policy: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: s, namespace: default}}\nspec: {{egress: [{{hosts: [{hosts}]}}]{policy}}}\n"
        )
    };
    let other = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: far, namespace: far}\nspec: {hosts: [far.far.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 9080, name: http, protocol: HTTP}], endpoints: [{address: 127.1.0.7}]}";
    for (hosts, near, far) in [
        ("\"*/*\"", true, true),
        ("\"./*\"", true, false),
        ("far/far.far.svc.cluster.local", false, true),
        ("\"*/*.far.svc.cluster.local\"", false, true),
        ("\"~/*\"", false, false),
        ("\"*/*\", \"~far/*\"", true, false),
    ] {
        let compiled = waiting(&bookinfo(&[&sidecar(hosts, ""), other]));
        let has = |name: &str| compiled.snapshot.clusters.contains_key(name);
        assert_eq!(has("outbound|9080||ratings.default.svc.cluster.local"), near, "{hosts}");
        assert_eq!(has("outbound|9080||far.far.svc.cluster.local"), far, "{hosts}");
    }
    let strict = sidecar("\"./*\"", ", outboundTrafficPolicy: {mode: REGISTRY_ONLY}");
    let compiled = waiting(&bookinfo(&[&strict]));
    let catch_all = table(&compiled, "9080").virtual_hosts.last().unwrap();
    assert_eq!((&*catch_all.name, catch_all.domains.as_slice()), ("block_all", &["*".to_owned()][..]));
    assert!(matches!(&catch_all.routes[0].action, Action::Respond(r) if r.status == 502));
}

#[test]
fn without_a_sidecar_a_port_has_one_listener_for_http() {
    let compiled = quiet(&bookinfo(&[]));
    let l = listener(&compiled, "0.0.0.0_9080");
    assert_eq!(l.bind, Bind::Unbound("0.0.0.0:9080".parse().unwrap()));
    assert_eq!(manager(&l.filter_chains[0].filter).routes, RouteSource::Named("9080".into()));
    let table = table(&compiled, "9080");
    assert!(table.ignore_port_in_host_matching);
    assert_eq!(send(table, "reviews:9080", "/", &[]), "outbound|9080||reviews.default.svc.cluster.local");
    let names: Vec<_> = table.virtual_hosts.iter().map(|h| &*h.name).collect();
    assert_eq!(names[0], "productpage.default.svc.cluster.local:9080");
    assert_eq!(names.last(), Some(&"allow_any"));
}

#[test]
fn a_short_name_is_for_callers_of_the_same_namespace() {
    let node = Node::new(NodeKind::Sidecar, [127, 9, 0, 1].into(), "x", "shop");
    let compiled = compile(&bookinfo(&[]), &node);
    let table = table(&compiled, "9080");
    assert_eq!(send(table, "reviews", "/", &[]), "PassthroughCluster");
    assert_eq!(send(table, "reviews.default", "/", &[]), "outbound|9080||reviews.default.svc.cluster.local");
}

#[test]
fn tcp_is_found_by_the_address_of_its_service() {
    let world = world(&[r#"
apiVersion: v1
kind: Service
metadata: {name: db, namespace: default}
spec: {clusterIP: 10.0.0.9, selector: {app: db}, ports: [{name: tcp-db, port: 5432}, {name: web, port: 8000}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far}
spec: {hosts: [far.example.com], resolution: DNS, ports: [{number: 7000, name: tcp, protocol: TCP}]}
"#]);
    let compiled = quiet(&world);
    let to = |name: &str| match &listener(&compiled, name).filter_chains[0].filter {
        NetworkFilter::Tcp(tcp) => tcp.to.clone(),
        NetworkFilter::Http(_) => panic!("HTTP"),
    };
    assert_eq!(to("10.0.0.9_5432"), Target::Cluster("outbound|5432||db.default.svc.cluster.local".into()));
    assert_eq!(to("0.0.0.0_7000"), Target::Cluster("outbound|7000||far.example.com".into()));
    // A port that nobody declared is looked at.
    let sniffed = listener(&compiled, "10.0.0.9_8000");
    assert!(sniffed.http_inspector && sniffed.default_chain.is_some());
    let http = manager(&sniffed.filter_chains[0].filter);
    assert_eq!(http.routes, RouteSource::Named("db.default.svc.cluster.local:8000".into()));
    let table = table(&compiled, "db.default.svc.cluster.local:8000");
    assert_eq!(table.virtual_hosts[0].domains, ["*"]);
}

#[test]
fn a_declared_egress_port_sends_bytes_to_its_service() {
    let world = world(&[r#"
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: s, namespace: default}
spec:
  egress:
  - {port: {number: 5432, protocol: TCP, name: db}, bind: 127.1.0.2, captureMode: NONE, hosts: ["./*"]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: default}
spec: {hosts: [db.default.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 5432, name: tcp, protocol: TCP}], endpoints: [{address: 127.1.0.8}]}
"#]);
    let compiled = quiet(&world);
    let l = listener(&compiled, "127.1.0.2_5432");
    assert_eq!(l.bind, Bind::Socket("127.1.0.2:5432".parse().unwrap()));
    let NetworkFilter::Tcp(tcp) = &l.filter_chains[0].filter else { panic!() };
    assert_eq!(tcp.to, Target::Cluster("outbound|5432||db.default.svc.cluster.local".into()));
}

#[test]
fn tls_without_addresses_is_told_apart_by_its_server_name() {
    let world = world(&[r#"
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: out}
spec: {hosts: [a.example.com, "*.b.example.com"], resolution: NONE, ports: [{number: 443, name: tls, protocol: TLS}]}
"#]);
    let compiled = quiet(&world);
    let l = listener(&compiled, "0.0.0.0_443");
    assert!(l.tls_inspector && l.default_chain.is_some());
    let names: Vec<_> = l.filter_chains.iter().flat_map(|c| c.matches.server_names.clone()).collect();
    assert_eq!(names, ["*.b.example.com", "a.example.com"]);
}

#[test]
fn two_services_for_bytes_cannot_share_a_port_without_addresses() {
    let entry = |name: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}}}\nspec: {{hosts: [{name}.example.com], resolution: DNS, ports: [{{number: 7000, name: tcp, protocol: TCP}}]}}\n"
        )
    };
    let compiled = compile(&world(&[&entry("a"), &entry("b")]), &reviews());
    let [finding] = compiled.findings.as_slice() else { panic!("{:?}", messages(&compiled)) };
    assert_eq!((&*finding.resource.name, finding.path.as_str()), ("b", "spec.ports[0]"));
}

#[test]
fn a_virtual_service_for_every_host_replaces_the_catch_all() {
    let vs = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: all, namespace: default}\nspec: {hosts: [\"*\"], http: [{directResponse: {status: 204}}]}";
    let far = Node::new(NodeKind::Sidecar, [127, 9, 0, 1].into(), "x", "default");
    let text = SIDECAR
        .replace("workloadSelector: {labels: {app: reviews}}", "")
        .replace("\"./*\", \"istio-system/*\"", "\"./*\"");
    let compiled = compile(&world(&[&text, vs]), &far);
    let table = table(&compiled, "15080");
    let domains: Vec<_> = table.virtual_hosts.iter().flat_map(|h| &h.domains).filter(|d| *d == "*").collect();
    assert_eq!(domains.len(), 1);
    assert_eq!(send(table, "any.host", "/", &[]), "*:80");
}
