//! A World that was made by changes is the one that is made from scratch: content, order and registry.

use super::*;
use crate::compile::compile;
use crate::model::Snapshot;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Resources that collide as often as can be: few names, namespaces, labels and addresses.
fn resource() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("a"), Just("b"), Just("c")];
    let namespace = prop_oneof![Just("w"), Just("x")];
    let created = prop_oneof![
        Just(""),
        Just(", creationTimestamp: '2026-01-01T00:00:00Z'"),
        Just(", creationTimestamp: '2026-01-02T00:00:00Z'"),
    ];
    let label = prop_oneof![Just("app: a"), Just("app: b"), Just("app: a, v: '1'"), Just("")];
    let ip = prop_oneof![Just("10.0.0.1"), Just("10.0.0.2"), Just("fd00::1")];
    (name, namespace, created, label, ip, 0..24_usize, prop_oneof![Just("a"), Just("b"), Just("c")]).prop_map(
        |(name, namespace, created, label, ip, which, other)| {
            let spec = spec(which, label, ip, other);
            let (head, body) = spec.split_once('|').unwrap_or((&spec, ""));
            let (head, labels) = head.split_once('#').unwrap_or((head, ""));
            let (version, kind) = head.rsplit_once(' ').unwrap_or_default();
            let (name, namespace) =
                if kind == "ConfigMap" { ("istio", "istio-system") } else { (name, namespace) };
            format!(
                "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}, \
                 labels: {{{labels}}}{created}}}\n{body}\n"
            )
        },
    )
}

/// `apiVersion kind#labels|body`.
fn spec(which: usize, label: &str, ip: &str, other: &str) -> String {
    let ports = "ports: [{name: http, port: 80, targetPort: 8080}, {name: db, port: 90}]";
    let entry_ports =
        "ports: [{number: 80, name: http, protocol: HTTP}, {number: 90, name: db, protocol: TCP}]";
    match which {
        0 | 1 => format!("v1 Service#{label}|spec: {{selector: {{{label}}}, {ports}}}"),
        2 => format!("v1 Service|spec: {{selector: {{{label}}}, clusterIP: None, {ports}}}"),
        3 => format!("v1 Service|spec: {{type: ExternalName, externalName: {other}.example.com, {ports}}}"),
        4 | 5 => format!(
            "networking.istio.io/v1 ServiceEntry|spec: {{hosts: [{other}.example.com, d.example.com], \
             resolution: STATIC, {entry_ports}, workloadSelector: {{labels: {{{label}}}}}}}"
        ),
        6 => format!(
            "networking.istio.io/v1 ServiceEntry|spec: {{hosts: [{other}.x.svc.cluster.local], resolution: STATIC, \
             {entry_ports}, endpoints: [{{address: {ip}, labels: {{{label}}}}}], exportTo: ['.']}}"
        ),
        7 => format!(
            "networking.istio.io/v1 ServiceEntry|spec: {{hosts: [{other}.example.com], resolution: DNS, {entry_ports}}}"
        ),
        8..=11 => format!(
            "networking.istio.io/v1 WorkloadEntry|spec: {{address: '{ip}', labels: {{{label}}}, ports: {{http: 7000}}}}"
        ),
        12..=14 => {
            format!(
                "v1 Pod#{label}|spec: {{containers: [{{name: x}}]}}\nstatus: {{podIP: '{ip}', phase: Running}}"
            )
        }
        15 => format!("v1 Pod#{label}|status: {{podIP: '{ip}', phase: Succeeded}}"),
        16 | 17 => format!(
            "discovery.k8s.io/v1 EndpointSlice#kubernetes.io/service-name: {other}|addressType: IPv4\n\
             ports: [{{name: http, port: 8080}}]\nendpoints:\n- {{addresses: ['{ip}'], targetRef: {{kind: Pod, name: {other}}}}}\n\
             - {{addresses: [10.0.0.2], conditions: {{ready: false}}, zone: z}}"
        ),
        18 => format!(
            "v1 Endpoints|subsets: [{{addresses: [{{ip: '{ip}', targetRef: {{kind: Pod, name: {other}}}}}], \
             ports: [{{name: db, port: 1}}]}}]"
        ),
        19 => "v1 ConfigMap|data: {mesh: \"defaultServiceExportTo: ['.']\"}".to_owned(),
        20 => "v1 ConfigMap|data: {mesh: 'trustDomain: example.org'}".to_owned(),
        21 => format!(
            "networking.istio.io/v1 ServiceEntry|spec: {{hosts: [{other}.example.com], resolution: NONE, \
             {entry_ports}, workloadSelector: {{labels: {{{label}}}}}}}"
        ),
        22 => "gateway.networking.k8s.io/v1 HTTPRoute|spec: {}".to_owned(),
        _ => format!("networking.istio.io/v1 VirtualService|spec: {{hosts: [{other}]}}"),
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Changes that come at once; those that are not upserts remove what the text names.
    Change(Vec<(bool, String)>),
    /// Somebody asks for the registry.
    Ask,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (proptest::bool::weighted(0.75), resource());
    prop_oneof![
        3 => proptest::collection::vec(change, 1..4).prop_map(Step::Change),
        1 => Just(Step::Ask),
    ]
}

/// Everything that can be asked, in words.
fn answers(world: &World) -> Vec<String> {
    let registry = world.registry();
    let mut out: Vec<String> = world.iter().map(|r| Key::of(r.meta()).to_string()).collect();
    let none = BTreeMap::new();
    for service in registry.services() {
        out.push(format!("{service:?}"));
        for port in [80, 90] {
            out.push(format!("{:?}", registry.instances(service, port, &none)));
            out.push(format!("{:?}", registry.dns_targets(service, port, &none)));
        }
        for from in ["w", "x", "z"] {
            out.push(format!("{:?}", registry.service(&service.host, from)));
        }
    }
    for workload in registry.workloads() {
        out.push(format!("{workload:?} serves {:?}", registry.inbound(workload)));
        let name = registry.workload(&workload.namespace, &workload.name);
        out.push(format!("{name:?}"));
        for ip in &workload.ips {
            out.push(format!("{:?}", registry.workloads_at(*ip).collect::<Vec<_>>()));
        }
    }
    for (ip, namespace) in [("10.0.0.1", "w"), ("10.0.0.2", "x"), ("fd00::1", "w")] {
        let node = Node::new(NodeKind::Sidecar, ip.parse().unwrap(), "a", namespace);
        out.push(format!("{:?}", registry.inbound_of(&node)));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changes_one_by_one_give_the_world_and_the_registry_that_come_from_scratch(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut world = World::empty();
        let mut model: BTreeMap<Key, AnyResource> = BTreeMap::new();
        let mut older = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Ask => {
                    world.registry();
                    older.push((answers(&world), world.clone()));
                }
                Step::Change(changes) => {
                    let mut all = Vec::new();
                    for (upsert, text) in changes {
                        let Some(resource) = read(&text).into_iter().next() else { continue };
                        let key = Key::of(resource.meta());
                        if upsert {
                            model.insert(key, resource.clone());
                            all.push(Change::Upsert(resource));
                        } else {
                            model.remove(&key);
                            all.push(Change::Remove(key));
                        }
                    }
                    world = world.with(all, at.to_string());
                }
            }
        }
        let scratch = World::from_resources(model.into_values(), "scratch");
        prop_assert!(world.same_content(&scratch) && scratch.same_content(&world));
        prop_assert_eq!(world.len(), scratch.len());
        prop_assert_eq!(world.mesh(), scratch.mesh());
        prop_assert_eq!(answers(&world), answers(&scratch));
        let node = Node::new(NodeKind::Sidecar, [10, 0, 0, 1].into(), "a", "w");
        let (ours, theirs) = (compile(&world, &node), compile(&scratch, &node));
        prop_assert_eq!(ours.findings, theirs.findings);
        let snapshot = Snapshot { version: scratch.version().to_string(), ..ours.snapshot };
        prop_assert_eq!(snapshot, theirs.snapshot);
        // Down to the indices, so that no later change can find them different.
        prop_assert!(world.registry() == scratch.registry());
        // Whoever holds an older World still sees what it saw.
        for (before, world) in older {
            prop_assert_eq!(before, answers(&world));
        }
    }
}

#[test]
fn a_change_shares_what_it_is_not_about() {
    let text = |name: &str, version: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{app: {name}}}, \
             ports: [{{name: http, port: 80}}]}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, \
             labels: {{app: {name}, v: {version}}}}}\nspec: {{containers: []}}\nstatus: {{podIP: 10.0.0.1}}\n"
        )
    };
    let before = World::from_resources(read(&[text("a", "one"), text("b", "one")].concat()), "1");
    let service = |world: &World, name: &str| {
        let host = format!("{name}.default.svc.cluster.local").parse().unwrap();
        world.registry().service(&host, "default").unwrap().clone()
    };
    let (a, b) = (service(&before, "a"), service(&before, "b"));
    let pod = read(&text("a", "two")).remove(1);
    let after = before.with([Change::Upsert(pod)], "2");
    assert!(Arc::ptr_eq(&b, &service(&after, "b")), "nothing that it depends on has changed");
    assert!(Arc::ptr_eq(&a, &service(&after, "a")), "it is served by another pod, and is what it was");
    let version = |world: &World| {
        let registry = world.registry();
        registry.instances(&service(world, "a"), 80, &BTreeMap::new())[0].workload.labels["v"].clone()
    };
    assert_eq!((version(&before), version(&after)), ("one".to_owned(), "two".to_owned()));
}
