//! What a change costs in a World of 10,000 resources, with what its registry needs afterwards.
//!
//! `cargo bench -p mesh-core --bench world`

use divan::{Bencher, black_box};
use mesh_core::api::AnyResource;
use mesh_core::hostname::Hostname;
use mesh_core::world::{Change, World};
use std::fmt::Write as _;

fn main() {
    divan::main();
}

/// Writes the resource of a number; the note makes two of them differ.
type Write = fn(usize, &str) -> String;

const NAMESPACES: usize = 40;

/// 10,000 resources as a mesh of some size has them: routes, policies, Kubernetes services with slices and
/// pods, and ServiceEntries over WorkloadEntries.
fn resources() -> Vec<AnyResource> {
    let kinds: [(usize, Write); 9] = [
        (2500, virtual_service),
        (1500, destination_rule),
        (1000, service),
        (1000, slice),
        (2000, pod),
        (500, service_entry),
        (1000, workload_entry),
        (400, authorization_policy),
        (100, peer_authentication),
    ];
    kinds.iter().flat_map(|(count, write)| (0..*count).flat_map(|i| read(&write(i, "1")))).collect()
}

fn read(text: &str) -> Vec<AnyResource> {
    let parsed = mesh_core::yaml::resources("bench.yaml", text, &Default::default());
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
    parsed.outcomes.into_iter().filter_map(|o| o.resource).collect()
}

fn head(version: &str, kind: &str, name: &str, i: usize) -> String {
    let mut out = String::new();
    let (namespace, second) = (i % NAMESPACES, i % 60);
    let _ = write!(
        out,
        "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}-{i}\n  namespace: ns-{namespace}\n  \
         creationTimestamp: 2026-01-01T00:00:{second:02}Z\n"
    );
    out
}

fn virtual_service(i: usize, note: &str) -> String {
    let head = head("networking.istio.io/v1", "VirtualService", "route", i);
    format!(
        "{head}spec:\n  hosts: [service-{i}]\n  http:\n  - match: [{{uri: {{prefix: /v{note}}}}}]\n    route:\n    \
         - destination: {{host: service-{i}, port: {{number: 80}}}}\n"
    )
}

fn destination_rule(i: usize, note: &str) -> String {
    let head = head("networking.istio.io/v1", "DestinationRule", "rule", i);
    format!("{head}spec: {{host: service-{i}, subsets: [{{name: v{note}, labels: {{version: v1}}}}]}}\n")
}

fn service(i: usize, note: &str) -> String {
    let head = head("v1", "Service", "service", i);
    format!(
        "{head}  labels: {{note: n{note}}}\nspec:\n  clusterIP: 10.{}.{}.1\n  selector: {{app: app-{i}}}\n  \
         ports: [{{name: http, port: 80, targetPort: 8080}}, {{name: grpc, port: 90}}]\n",
        i / 250,
        i % 250
    )
}

fn slice(i: usize, note: &str) -> String {
    let head = head("discovery.k8s.io/v1", "EndpointSlice", "slice", i);
    let (high, low) = (i / 250, i % 250);
    format!(
        "{head}  labels: {{kubernetes.io/service-name: service-{i}, note: n{note}}}\naddressType: IPv4\n\
         ports: [{{name: http, port: 8080}}, {{name: grpc, port: 90}}]\nendpoints:\n\
         - {{addresses: [10.1{high:02}.{low}.0], targetRef: {{kind: Pod, name: pod-{i}}}}}\n\
         - {{addresses: [10.1{high:02}.{low}.1]}}\n"
    )
}

fn pod(i: usize, note: &str) -> String {
    let head = head("v1", "Pod", "pod", i);
    let app = i % 1000;
    format!(
        "{head}  labels: {{app: app-{app}, version: v{note}, security.istio.io/tlsMode: istio}}\n\
         spec: {{serviceAccountName: account, containers: [{{name: a}}]}}\n\
         status: {{podIP: 10.1{:02}.{}.{}}}\n",
        app / 250,
        app % 250,
        i / 1000
    )
}

fn service_entry(i: usize, note: &str) -> String {
    let head = head("networking.istio.io/v1", "ServiceEntry", "entry", i);
    format!(
        "{head}  labels: {{note: n{note}}}\nspec:\n  hosts: [entry-{i}.example.com]\n  location: MESH_INTERNAL\n  \
         resolution: STATIC\n  ports: [{{number: 80, name: http, protocol: HTTP}}]\n  \
         workloadSelector: {{labels: {{app: vm-{i}}}}}\n"
    )
}

fn workload_entry(i: usize, note: &str) -> String {
    let head = head("networking.istio.io/v1", "WorkloadEntry", "vm", i);
    format!(
        "{head}spec: {{address: 10.200.{}.{}, labels: {{app: vm-{}, version: v{note}}}}}\n",
        i / 250,
        i % 250,
        i % 500
    )
}

fn authorization_policy(i: usize, note: &str) -> String {
    let head = head("security.istio.io/v1", "AuthorizationPolicy", "policy", i);
    format!("{head}spec: {{selector: {{matchLabels: {{app: app-{i}, version: v{note}}}}}, rules: [{{}}]}}\n")
}

fn peer_authentication(i: usize, _: &str) -> String {
    format!(
        "{}spec: {{mtls: {{mode: STRICT}}}}\n",
        head("security.istio.io/v1", "PeerAuthentication", "peer", i)
    )
}

/// All of it at once: what a start costs.
#[divan::bench]
fn from_scratch(bencher: Bencher<'_, '_>) {
    let all = resources();
    bencher.with_inputs(|| all.clone()).bench_values(|all| World::from_resources(all, "1"));
}

/// The registry of all of it.
#[divan::bench]
fn registry_from_scratch(bencher: Bencher<'_, '_>) {
    let all = resources();
    bencher.with_inputs(|| World::from_resources(all.clone(), "1")).bench_values(|world| {
        black_box(world.registry());
        world
    });
}

/// A World whose registry somebody has asked for, and what is to be changed in it.
fn change(bencher: Bencher<'_, '_>, write: Write) {
    let world = World::from_resources(resources(), "1");
    black_box(world.registry());
    let changed = read(&write(7, "2"));
    bencher.with_inputs(|| changed.clone()).bench_values(|changed| {
        let next = world.with(changed.into_iter().map(Change::Upsert), "2");
        black_box(next.registry());
        next
    });
}

#[divan::bench]
fn change_a_virtual_service(bencher: Bencher<'_, '_>) {
    change(bencher, virtual_service);
}

#[divan::bench]
fn change_a_destination_rule(bencher: Bencher<'_, '_>) {
    change(bencher, destination_rule);
}

#[divan::bench]
fn change_an_authorization_policy(bencher: Bencher<'_, '_>) {
    change(bencher, authorization_policy);
}

#[divan::bench]
fn change_a_workload_entry(bencher: Bencher<'_, '_>) {
    change(bencher, workload_entry);
}

#[divan::bench]
fn change_a_pod(bencher: Bencher<'_, '_>) {
    change(bencher, pod);
}

#[divan::bench]
fn change_a_service(bencher: Bencher<'_, '_>) {
    change(bencher, service);
}

#[divan::bench]
fn change_an_endpoint_slice(bencher: Bencher<'_, '_>) {
    change(bencher, slice);
}

#[divan::bench]
fn change_a_service_entry(bencher: Bencher<'_, '_>) {
    change(bencher, service_entry);
}

/// A World in which one service has 2,000 instances, by its selector or by 20 slices, and a change in it.
fn change_of_big(bencher: Bencher<'_, '_>, in_slices: bool, changed: &str) {
    let mut all = resources();
    all.retain(|r| &*r.meta().kind != "Pod");
    all.extend((0..2000).flat_map(|i| read(&big_pod(i, "1"))));
    all.extend(read(&big_service("1")));
    if in_slices {
        all.extend((0..20).flat_map(|i| read(&big_slice(i, 8080))));
    }
    let world = World::from_resources(all, "1");
    let host: Hostname = "big.ns-0.svc.cluster.local".parse().unwrap_or_else(|e| panic!("{e}"));
    let big = world.registry().service(&host, "ns-0").cloned();
    let count = big.map(|s| world.registry().instances(&s, 80, &Default::default()).len());
    assert_eq!(count, Some(2000));
    let changed = read(changed);
    bencher.with_inputs(|| changed.clone()).bench_values(|changed| {
        let next = world.with(changed.into_iter().map(Change::Upsert), "2");
        black_box(next.registry());
        next
    });
}

fn big_service(note: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: big, namespace: ns-0, labels: {{note: n{note}}}}}\n\
         spec: {{selector: {{app: big}}, ports: [{{name: http, port: 80, targetPort: {note}}}]}}\n"
    )
}

fn big_pod(i: usize, note: &str) -> String {
    let head = head("v1", "Pod", "pod", i * NAMESPACES);
    format!(
        "{head}  labels: {{app: big, version: v{note}, security.istio.io/tlsMode: istio}}\n\
         spec: {{serviceAccountName: account, containers: [{{name: a}}]}}\n\
         status: {{podIP: 10.50.{}.{}}}\n",
        i / 250,
        i % 250
    )
}

/// A hundred of its endpoints, as Kubernetes' controller cuts them.
fn big_slice(nth: usize, port: u16) -> String {
    let mut out = head("discovery.k8s.io/v1", "EndpointSlice", "big", nth * NAMESPACES);
    let _ = write!(
        out,
        "  labels: {{kubernetes.io/service-name: big}}\naddressType: IPv4\n\
         ports: [{{name: http, port: {port}}}]\nendpoints:\n"
    );
    for i in nth * 100..(nth + 1) * 100 {
        let (high, low, pod) = (i / 250, i % 250, i * NAMESPACES);
        let _ =
            writeln!(out, "- {{addresses: [10.50.{high}.{low}], targetRef: {{kind: Pod, name: pod-{pod}}}}}");
    }
    out
}

/// One of the workloads that a service of 2,000 selects.
#[divan::bench]
fn change_one_of_2000_instances(bencher: Bencher<'_, '_>) {
    change_of_big(bencher, false, &big_pod(7, "2"));
}

/// One of the workloads that the slices of a service of 2,000 list.
#[divan::bench]
fn change_one_of_2000_endpoints(bencher: Bencher<'_, '_>) {
    change_of_big(bencher, true, &big_pod(7, "2"));
}

/// A slice of a hundred of the 2,000: each of its endpoints is another.
#[divan::bench]
fn change_a_slice_of_2000_endpoints(bencher: Bencher<'_, '_>) {
    change_of_big(bencher, true, &big_slice(7, 9090));
}

/// The worst case: the Service of 2,000 instances says another port for all of them.
#[divan::bench]
fn change_the_service_of_2000_instances(bencher: Bencher<'_, '_>) {
    change_of_big(bencher, false, &big_service("2"));
}

/// The reading of a registry by a compiler: every service that a namespace sees.
#[divan::bench]
fn walk_all_services(bencher: Bencher<'_, '_>) {
    let world = World::from_resources(resources(), "1");
    black_box(world.registry());
    bencher.bench_local(|| world.registry().services_visible_to("ns-1").count());
}

/// One lookup of a service by its host.
#[divan::bench]
fn look_up_a_service(bencher: Bencher<'_, '_>) {
    let world = World::from_resources(resources(), "1");
    black_box(world.registry());
    let host: Hostname = "service-77.ns-37.svc.cluster.local".parse().unwrap_or_else(|e| panic!("{e}"));
    assert!(world.registry().service(&host, "ns-1").is_some());
    bencher.bench_local(|| world.registry().service(black_box(&host), "ns-1").is_some());
}
