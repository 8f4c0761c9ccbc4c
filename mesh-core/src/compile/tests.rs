//! Small worlds in YAML, and what is compiled of them.

mod capture;
mod clusters;
mod findings;
mod gateway;
mod grpc;
mod inbound;
mod kinds;
mod merging;
mod outbound;
mod rbac;
mod routes;

use super::Compiled;
use crate::decide::route::Router;
use crate::diagnostic::Finding;
use crate::model::http::{HttpManager, RouteSource};
use crate::model::listener::NetworkFilter;
use crate::model::matcher::RequestHead;
use crate::model::route::{Forward, Route, RouteTable, VirtualHost};
use crate::model::{Cluster, Listener};
use crate::node::{Node, NodeKind};
use crate::world::World;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::sync::Arc;

/// Three services of the Bookinfo sample, each workload on a loopback address of its own.
const BOOKINFO: &str = r#"
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: productpage, namespace: default}
spec:
  hosts: [productpage.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: productpage}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: reviews}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ratings, namespace: default}
spec:
  hosts: [ratings.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: ratings}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: productpage-v1, namespace: default}
spec:
  address: 127.1.0.1
  serviceAccount: bookinfo-productpage
  labels: {app: productpage, version: v1, security.istio.io/tlsMode: istio}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v1, namespace: default}
spec:
  address: 127.1.0.2
  serviceAccount: bookinfo-reviews
  labels: {app: reviews, version: v1, security.istio.io/tlsMode: istio}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v2, namespace: default}
spec:
  address: 127.1.0.3
  serviceAccount: bookinfo-reviews
  weight: 3
  locality: r/z/s
  labels: {app: reviews, version: v2, security.istio.io/tlsMode: istio}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ratings-v1, namespace: default}
spec:
  address: 127.1.0.4
  serviceAccount: bookinfo-ratings
  labels: {app: ratings, version: v1}
"#;

/// The subsets of reviews.
const SUBSETS: &str = r#"
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
"#;

/// The Sidecar of every workload: an ingress port on its own address, and an HTTP proxy for its calls.
const SIDECAR: &str = r#"
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: reviews, namespace: default}
spec:
  workloadSelector: {labels: {app: reviews}}
  ingress:
  - port: {number: 9080, protocol: HTTP, name: http}
    bind: 127.1.0.2
    captureMode: NONE
    defaultEndpoint: 127.0.0.1:19080
  egress:
  - port: {number: 15080, protocol: HTTP_PROXY, name: proxy}
    bind: 127.1.0.2
    captureMode: NONE
    hosts: ["./*", "istio-system/*"]
"#;

/// A World of these texts; nothing in them may be refused.
fn world(texts: &[&str]) -> World {
    let text = texts.join("\n---\n");
    let parsed = crate::yaml::resources("mesh.yaml", &text, &Default::default());
    assert!(
        parsed.findings.is_empty(),
        "{:#?}",
        parsed.findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    );
    World::from_resources(parsed.outcomes.into_iter().filter_map(|o| o.resource), "1")
}

/// A World with Bookinfo and these texts.
fn bookinfo(texts: &[&str]) -> World {
    world(&[&[BOOKINFO], texts].concat())
}

/// The proxy beside reviews-v1.
fn reviews() -> Node {
    Node::new(NodeKind::Sidecar, [127, 1, 0, 2].into(), "reviews-v1", "default")
}

/// The gateway of the samples.
fn ingress() -> Node {
    let mut node = Node::new(NodeKind::Router, [127, 1, 0, 9].into(), "ingress", "istio-system");
    node.labels.insert("istio".to_owned(), "ingressgateway".to_owned());
    node
}

/// What is compiled, without what is to be said of every one of these small worlds that has no Sidecar, or an
/// HTTP proxy and no policy for unknown hosts: [`capture`] asks for it.
fn compile(world: &World, node: &Node) -> Compiled {
    let mut compiled = super::compile(world, node);
    let no_sidecar = |f: &Finding| f.message.starts_with("no Sidecar selects ");
    let by_default = |f: &Finding| f.message.starts_with("ALLOW_ANY, Istio's default, ");
    compiled.findings.retain(|f| !no_sidecar(f) && !by_default(f));
    compiled
}

/// What is compiled for reviews-v1, without a word of complaint.
fn quiet(world: &World) -> Compiled {
    let compiled = compile(world, &reviews());
    assert!(compiled.findings.is_empty(), "{:#?}", messages(&compiled));
    compiled
}

fn messages(compiled: &Compiled) -> Vec<String> {
    compiled.findings.iter().map(ToString::to_string).collect()
}

fn listener<'c>(compiled: &'c Compiled, name: &str) -> &'c Listener {
    let all = || compiled.snapshot.listeners.keys().collect::<Vec<_>>();
    compiled.snapshot.listeners.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", all()))
}

fn table<'c>(compiled: &'c Compiled, name: &str) -> &'c Arc<RouteTable> {
    let all = || compiled.snapshot.routes.keys().collect::<Vec<_>>();
    compiled.snapshot.routes.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", all()))
}

fn cluster<'c>(compiled: &'c Compiled, name: &str) -> &'c Cluster {
    let all = || compiled.snapshot.clusters.keys().collect::<Vec<_>>();
    compiled.snapshot.clusters.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", all()))
}

fn host<'t>(table: &'t RouteTable, name: &str) -> &'t VirtualHost {
    let all = || table.virtual_hosts.iter().map(|h| &h.name).collect::<Vec<_>>();
    table
        .virtual_hosts
        .iter()
        .find(|h| *h.name == *name)
        .unwrap_or_else(|| panic!("no {name} in {:?}", all()))
}

fn manager(filter: &NetworkFilter) -> &HttpManager {
    match filter {
        NetworkFilter::Http(http) => http,
        NetworkFilter::Tcp(tcp) => panic!("{tcp:?} is not HTTP"),
    }
}

fn inline(http: &HttpManager) -> &RouteTable {
    match &http.routes {
        RouteSource::Inline(table) => table,
        RouteSource::Named(name) => panic!("{name} is not inline"),
    }
}

fn forward(route: &Route) -> &Forward {
    match &route.action {
        crate::model::route::Action::Forward(forward) => forward,
        other => panic!("{other:?} does not forward"),
    }
}

/// The cluster that a GET takes, or the name of the virtual host that answers without one.
fn send(table: &Arc<RouteTable>, authority: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let router = Router::new(table.clone());
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let head = RequestHead { method: &Method::GET, scheme: "http", authority, path, headers: &map };
    match router.route(&head, 0) {
        None => "nowhere".to_owned(),
        Some(routed) => routed.cluster.map_or_else(|| routed.host.name.to_string(), |c| c.name.to_string()),
    }
}

#[test]
fn the_same_world_and_node_give_an_equal_snapshot() {
    let world = bookinfo(&[SUBSETS, SIDECAR]);
    assert_eq!(compile(&world, &reviews()), compile(&bookinfo(&[SUBSETS, SIDECAR]), &reviews()));
    assert_eq!(quiet(&world).snapshot.version, "1");
}

#[test]
fn everything_that_a_resource_declares_remembers_it() {
    let compiled = quiet(&bookinfo(&[SUBSETS, SIDECAR]));
    let origin = |o: &Option<crate::origin::Origin>| o.as_ref().map(ToString::to_string).unwrap_or_default();
    let of_subset = cluster(&compiled, "outbound|9080|v1|reviews.default.svc.cluster.local");
    let text = [BOOKINFO, SUBSETS, SIDECAR].join("\n---\n");
    let line = text.lines().position(|l| l.contains("{name: v1, labels")).unwrap() + 1;
    assert_eq!(origin(&of_subset.origin), format!("DestinationRule default/reviews (mesh.yaml:{line})"));
    let of_service = cluster(&compiled, "outbound|9080||ratings.default.svc.cluster.local");
    assert!(origin(&of_service.origin).starts_with("ServiceEntry default/ratings"));
    assert!(origin(&listener(&compiled, "127.1.0.2_9080").origin).starts_with("Sidecar default/reviews"));
    let host = host(table(&compiled, "15080"), "ratings.default.svc.cluster.local:9080");
    assert!(origin(&host.origin).starts_with("ServiceEntry default/ratings"));
    assert!(origin(&host.routes[0].origin).starts_with("ServiceEntry default/ratings"));
}
