use super::*;
use crate::model::endpoint::{Health, TlsMode};
use crate::node::NodeKind;

fn world(text: &str) -> World {
    let parsed = crate::yaml::resources("test.yaml", text, &Default::default());
    assert!(parsed.findings.is_empty(), "{}", crate::diagnostic::text(&parsed.findings, Default::default()));
    World::from_resources(parsed.outcomes.into_iter().filter_map(|o| o.resource), "1")
}

fn host(text: &str) -> Hostname {
    text.parse().unwrap()
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn addresses(registry: &Registry, service: &Service, port: u16, subset: &[(&str, &str)]) -> Vec<String> {
    registry.instances(service, port, &labels(subset)).iter().map(|i| i.address.to_string()).collect()
}

const REVIEWS: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports:
  - {number: 9080, name: http, protocol: HTTP, targetPort: 9081}
  - {number: 9443, name: tls, protocol: TLS}
  workloadSelector: {labels: {app: reviews}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v1}
spec:
  address: 127.1.0.3
  labels: {app: reviews, version: v1, security.istio.io/tlsMode: istio}
  serviceAccount: bookinfo-reviews
  locality: eu/a/1
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v2}
spec:
  address: 127.1.0.4
  ports: {http: 9999}
  weight: 3
  labels: {app: reviews, version: v2}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v1, namespace: other}
spec: {address: 127.1.0.9, labels: {app: reviews}}
";

#[test]
fn a_service_entry_selects_the_workload_entries_of_its_namespace() {
    let world = world(REVIEWS);
    let registry = world.registry();
    let service = registry.service(&host("reviews.default.svc.cluster.local"), "elsewhere").unwrap();
    assert_eq!((service.location, service.resolution), (Location::MeshInternal, Resolution::Static));
    assert_eq!(service.port(9080).unwrap().protocol, Protocol::Http);
    assert_eq!(addresses(registry, service, 9080, &[]), ["127.1.0.3:9081", "127.1.0.4:9999"]);
    assert_eq!(addresses(registry, service, 9443, &[]), ["127.1.0.3:9443", "127.1.0.4:9443"]);
    assert_eq!(addresses(registry, service, 9080, &[("version", "v2")]), ["127.1.0.4:9999"]);
    assert!(addresses(registry, service, 9080, &[("version", "v3")]).is_empty());
    assert!(addresses(registry, service, 1, &[]).is_empty());

    let all = registry.instances(service, 9080, &labels(&[]));
    assert_eq!((all[0].weight, all[1].weight), (1, 3));
    assert_eq!((all[0].workload.tls_mode, all[1].workload.tls_mode), (TlsMode::Istio, TlsMode::Disabled));
    assert_eq!(
        (&*all[0].workload.service_account, &*all[1].workload.service_account),
        ("bookinfo-reviews", "default")
    );
    assert_eq!((&*all[0].locality().region, &*all[0].locality().sub_zone), ("eu", "1"));
    let telemetry = &all[0].workload.telemetry;
    assert_eq!(
        [&*telemetry.name, &*telemetry.canonical_service, &*telemetry.canonical_revision],
        ["reviews-v1", "reviews", "v1"]
    );
}

#[test]
fn a_proxy_finds_its_workload_by_name_then_by_address_in_its_namespace() {
    let world = world(REVIEWS);
    let registry = world.registry();
    let by_name = Node::new(NodeKind::Sidecar, [10, 0, 0, 1].into(), "reviews-v2", "default");
    assert_eq!(&*registry.workload_of(&by_name).unwrap().name, "reviews-v2");
    let by_ip = Node::new(NodeKind::Sidecar, [127, 1, 0, 3].into(), "x", "default");
    assert_eq!(&*registry.workload_of(&by_ip).unwrap().name, "reviews-v1");
    let foreign = Node::new(NodeKind::Sidecar, [127, 1, 0, 3].into(), "x", "other");
    assert!(registry.workload_of(&foreign).is_none());

    let served: Vec<_> = registry.inbound_of(&by_name).iter().map(|i| (i.port, i.target)).collect();
    assert_eq!(served, [(9080, 9999), (9443, 9443)]);
    assert!(registry.inbound_of(&foreign).is_empty());
}

#[test]
fn endpoints_that_are_written_inline_may_be_addresses_names_or_sockets() {
    let world = world(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ext, namespace: shop}
spec:
  hosts: [a.example.com, '*.example.org']
  addresses: [240.0.0.1, 10.0.0.0/8]
  resolution: DNS
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  endpoints:
  - {address: 10.0.0.7, labels: {version: v1}}
  - {address: b.example.com, ports: {http: 81}, labels: {version: v2}}
  - {address: unix:///run/app.sock}
",
    );
    let registry = world.registry();
    let service = registry.service(&host("a.example.com"), "x").unwrap();
    assert_eq!(addresses(registry, service, 80, &[]), ["10.0.0.7:8080", "unix:/run/app.sock"]);
    let named = |subset: &[(&str, &str)]| -> Vec<String> {
        let targets = registry.dns_targets(service, 80, &labels(subset));
        targets.iter().map(|t| format!("{}:{}", t.host, t.port)).collect()
    };
    assert_eq!(named(&[]), ["10.0.0.7:8080", "b.example.com:81"]);
    assert_eq!(named(&[("version", "v2")]), ["b.example.com:81"]);
    assert_eq!(
        service.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["240.0.0.1/32", "10.0.0.0/8"]
    );
    assert!(registry.service(&host("*.example.org"), "x").is_some());

    // A proxy at an address that only the entry names serves it all the same, in its own namespace.
    let node = Node::new(NodeKind::Sidecar, [10, 0, 0, 7].into(), "p", "shop");
    assert_eq!(registry.inbound_of(&node).len(), 2);
    let other = Node::new(NodeKind::Sidecar, [10, 0, 0, 7].into(), "p", "bank");
    assert!(registry.inbound_of(&other).is_empty());
}

#[test]
fn a_dns_entry_without_endpoints_resolves_its_own_host() {
    let world = world(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ext}
spec:
  hosts: [a.example.com]
  resolution: DNS
  ports: [{number: 443, name: tls, protocol: TLS}]
",
    );
    let registry = world.registry();
    let service = registry.service(&host("a.example.com"), "x").unwrap();
    let targets = registry.dns_targets(service, 443, &labels(&[]));
    assert_eq!(targets.iter().map(|t| (&*t.host, t.port)).collect::<Vec<_>>(), [("a.example.com", 443)]);
}

const POD: &str = "
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec:
  clusterIP: 10.96.0.7
  selector: {app: cart}
  ports:
  - {name: http, port: 80, targetPort: web}
  - {name: tcp-db, port: 3306, targetPort: 3307}
---
apiVersion: v1
kind: Pod
metadata:
  name: cart-6d4c-abcde
  namespace: shop
  labels: {app: cart, version: v1, pod-template-hash: 6d4c, security.istio.io/tlsMode: istio}
spec:
  serviceAccountName: cart-sa
  containers: [{name: app, ports: [{name: web, containerPort: 8080}]}]
status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}
";

#[test]
fn a_service_without_slices_is_served_by_the_pods_that_it_selects() {
    let world = world(POD);
    let registry = world.registry();
    let service = registry.service(&host("cart.shop.svc.cluster.local"), "x").unwrap();
    assert_eq!(addresses(registry, service, 80, &[("version", "v1")]), ["10.0.0.1:8080"]);
    assert_eq!(addresses(registry, service, 3306, &[]), ["10.0.0.1:3307"]);
    let instance = registry.instances(service, 80, &labels(&[]))[0];
    assert_eq!(
        (&*instance.workload.telemetry.name, &*instance.workload.service_account),
        ("cart", "cart-sa")
    );
    assert_eq!(instance.health, Health::Healthy);
    let node = Node::new(NodeKind::Sidecar, "fd00::1".parse().unwrap(), "x", "shop");
    assert_eq!(registry.inbound_of(&node).iter().map(|i| i.target).collect::<Vec<_>>(), [8080, 3307]);
}

#[test]
fn slices_say_where_a_service_is_served_and_how_each_endpoint_is() {
    let slices = "
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: cart-1, namespace: shop, labels: {kubernetes.io/service-name: cart}}
addressType: IPv4
ports: [{name: http, port: 8081}]
endpoints:
- {addresses: [10.0.0.1], targetRef: {kind: Pod, name: cart-6d4c-abcde}, zone: z1}
- {addresses: [10.0.0.2], conditions: {ready: false, serving: true, terminating: true}}
- {addresses: [10.0.0.3], conditions: {ready: false}}
---
apiVersion: v1
kind: Endpoints
metadata: {name: cart, namespace: shop}
subsets: [{addresses: [{ip: 10.9.9.9}], ports: [{name: http, port: 1}]}]
";
    let world = world(&format!("{POD}{slices}"));
    let registry = world.registry();
    let service = registry.service(&host("cart.shop.svc.cluster.local"), "x").unwrap();
    let all = registry.instances(service, 80, &labels(&[]));
    let seen: Vec<_> = all.iter().map(|i| (i.address.to_string(), i.health)).collect();
    assert_eq!(
        seen,
        [
            ("10.0.0.1:8081".to_owned(), Health::Healthy),
            ("10.0.0.2:8081".to_owned(), Health::Draining),
            ("10.0.0.3:8081".to_owned(), Health::Unhealthy),
        ]
    );
    assert_eq!((&*all[0].workload.telemetry.name, &*all[0].locality().zone), ("cart", "z1"));
    assert_eq!(all[0].workload.tls_mode, TlsMode::Istio);
    assert_eq!(&*all[1].workload.telemetry.canonical_service, "cart");
    assert!(addresses(registry, service, 3306, &[]).is_empty());
}

#[test]
fn an_address_that_two_slices_list_is_one_endpoint() {
    let slice = |name: &str, second: &str| {
        format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: {name}, labels: {{kubernetes.io/service-name: a}}}}\naddressType: IPv4\n\
             ports: [{{name: http, port: 8080}}]\nendpoints: [{{addresses: [10.0.0.1]}}, {{addresses: [{second}]}}]\n"
        )
    };
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{name: http, port: 80}]}\n";
    let world = world(&[service, &slice("a-1", "10.0.0.2"), &slice("a-2", "10.0.0.3")].concat());
    let registry = world.registry();
    let a = registry.service(&host("a.default.svc.cluster.local"), "default").unwrap();
    assert_eq!(addresses(registry, a, 80, &[]), ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"]);
    let node = Node::new(NodeKind::Sidecar, "10.0.0.1".parse().unwrap(), "x", "default");
    assert_eq!(registry.inbound_of(&node).len(), 1);
}

#[test]
fn of_two_endpoints_of_a_slice_at_one_address_the_first_in_the_list_counts() {
    let pods = ["a", "b", "c", "d"].map(|hash| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: cart-1-{hash}, namespace: shop, labels: {{app: cart, \
             pod-template-hash: '1', version: {hash}}}}}\nspec: {{containers: [{{name: a}}]}}\n"
        )
    });
    for order in [["a", "b"], ["b", "a"], ["c", "d"], ["d", "c"]] {
        let endpoints = order
            .map(|hash| format!("{{addresses: [10.0.0.9], targetRef: {{kind: Pod, name: cart-1-{hash}}}}}"));
        let slice = format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: cart-1, namespace: shop, \
             labels: {{kubernetes.io/service-name: cart}}}}\naddressType: IPv4\n\
             ports: [{{name: http, port: 8080}}]\nendpoints: [{}]\n",
            endpoints.join(", ")
        );
        let world = world(&[POD, &pods.concat(), &slice].concat());
        let registry = world.registry();
        let service = registry.service(&host("cart.shop.svc.cluster.local"), "x").unwrap();
        let all = registry.instances(service, 80, &labels(&[]));
        let versions: Vec<_> = all.iter().map(|i| i.workload.labels["version"].as_str()).collect();
        assert_eq!(versions, [order[0]]);
    }
}

#[test]
fn endpoints_are_used_where_there_is_no_slice() {
    let endpoints = "
---
apiVersion: v1
kind: Endpoints
metadata: {name: cart, namespace: shop}
subsets:
- addresses: [{ip: 10.0.0.1}]
  notReadyAddresses: [{ip: 10.0.0.2}]
  ports: [{name: http, port: 8082}]
";
    let world = world(&format!("{POD}{endpoints}"));
    let registry = world.registry();
    let service = registry.service(&host("cart.shop.svc.cluster.local"), "x").unwrap();
    let all = registry.instances(service, 80, &labels(&[]));
    assert_eq!(all.iter().map(|i| i.health).collect::<Vec<_>>(), [Health::Healthy, Health::Unhealthy]);
    // The pod at the address lends its labels, though nothing refers to it.
    assert_eq!(all[0].workload.labels.get("version").map(String::as_str), Some("v1"));
}

#[test]
fn a_pod_that_has_ended_or_is_not_ready_is_not_sent_traffic() {
    let ended = POD.replace("status: {", "status: {phase: Succeeded, ");
    let unready = POD.replace("status: {", "status: {conditions: [{type: Ready, status: 'False'}], ");
    let service = |world: &World| -> Vec<Health> {
        let registry = world.registry();
        let service = registry.service(&host("cart.shop.svc.cluster.local"), "x").unwrap();
        registry.instances(service, 80, &labels(&[])).iter().map(|i| i.health).collect()
    };
    assert_eq!(service(&world(&ended)), []);
    assert_eq!(service(&world(&unready)), [Health::Unhealthy]);
}

#[test]
fn headless_and_external_services_have_no_address_of_their_own() {
    let world = world(
        "
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, ports: [{name: tcp, port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: out}
spec: {type: ExternalName, externalName: x.example.com, ports: [{name: http, port: 80}]}
",
    );
    let registry = world.registry();
    let db = registry.service(&host("db.default.svc.cluster.local"), "x").unwrap();
    assert!(db.is_headless() && db.addresses.is_empty());
    let out = registry.service(&host("out.default.svc.cluster.local"), "x").unwrap();
    assert_eq!((out.resolution, out.location), (Resolution::Dns, Location::MeshExternal));
    assert_eq!(&*registry.dns_targets(out, 80, &labels(&[]))[0].host, "x.example.com");
}

#[test]
fn a_caller_sees_its_own_namespaces_service_first_and_private_ones_not_at_all() {
    let entry = |namespace: &str, export: &str, created: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\n\
             metadata: {{name: e, namespace: {namespace}, creationTimestamp: '{created}'}}\n\
             spec: {{hosts: [api.example.com], exportTo: ['{export}'], resolution: NONE, \
             ports: [{{number: 80, name: http, protocol: HTTP}}]}}\n"
        )
    };
    let text = [
        entry("a", ".", "2026-01-01T00:00:00Z"),
        entry("b", "*", "2026-01-03T00:00:00Z"),
        entry("c", "*", "2026-01-02T00:00:00Z"),
    ]
    .concat();
    let world = world(&text);
    let seen_from = |from: &str| {
        world.registry().service(&host("api.example.com"), from).map(|s| s.namespace.to_string()).unwrap()
    };
    assert_eq!([seen_from("a"), seen_from("b"), seen_from("d")], ["a", "b", "c"]);
    assert_eq!(world.registry().services_visible_to("d").count(), 2);
    assert_eq!(world.registry().services_at(&host("api.example.com")).count(), 3);
}

#[test]
fn a_kubernetes_service_is_served_by_workload_entries_too() {
    let entry = "
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: shop}
spec: {address: 10.1.0.1, labels: {app: cart}, ports: {http: 7000}}
";
    let world = world(&format!("{POD}{entry}"));
    let registry = world.registry();
    let service = registry.service(&host("cart.shop.svc.cluster.local"), "x").unwrap();
    assert_eq!(addresses(registry, service, 80, &[]), ["10.0.0.1:8080", "10.1.0.1:7000"]);
    assert_eq!(addresses(registry, service, 3306, &[]), ["10.0.0.1:3307", "10.1.0.1:3307"]);
}
