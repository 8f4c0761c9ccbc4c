use super::analyze;
use crate::world::World;

mod bookinfo;
mod chains;
mod quiet;
mod scale;

/// A World of a text, all of which must be readable.
fn world(text: &str) -> World {
    let parsed = crate::yaml::resources("a.yaml", text, &Default::default());
    World::from_resources(parsed.outcomes.into_iter().filter_map(|o| o.resource), "1")
}

/// What is said of a text: code, path and message.
fn said(text: &str) -> Vec<String> {
    let all = analyze(&world(text));
    all.iter().map(|f| format!("{} {}: {}", f.code, f.path, f.message)).collect()
}

const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {ports: [{port: 9080, name: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: two}
spec: {ports: [{port: 80, name: http}, {port: 81, name: http-b}]}
---
apiVersion: v1
kind: Service
metadata: {name: hidden, namespace: bank, annotations: {networking.istio.io/exportTo: '.'}}
spec: {ports: [{port: 80, name: http}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: edge}
spec: {selector: {a: b}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
---
";

fn about(http: &str, gateways: &str) -> Vec<String> {
    let service = format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: x}}\n\
         spec: {{hosts: [x], gateways: {gateways}, http: [{http}]}}\n"
    );
    let parsed = crate::yaml::resources("a.yaml", &format!("{SERVICES}{service}"), &Default::default());
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
    let world = World::from_resources(parsed.outcomes.into_iter().filter_map(|o| o.resource), "1");
    let findings = analyze(&world);
    let references = ["IST0101", "IST0112"];
    assert!(findings.iter().all(|f| references.contains(&f.code) && f.span.is_some()), "{findings:?}");
    findings
        .iter()
        .map(|f| format!("{}: {} ({})", f.path, f.message, f.help.as_deref().unwrap_or("")))
        .collect()
}

fn to(destination: &str) -> Vec<String> {
    about(&format!("{{route: [{{destination: {destination}}}]}}"), "[]")
}

#[test]
fn references_to_what_is_there_are_silent() {
    assert!(to("{host: reviews, subset: v1}").is_empty());
    assert!(to("{host: reviews.default.svc.cluster.local, port: {number: 9080}}").is_empty());
    assert!(to("{host: two, port: {number: 81}}").is_empty());
    assert!(about("{directResponse: {status: 200}}", "[mesh, edge/gw]").is_empty());
}

#[test]
fn a_host_that_is_not_there_is_named_with_the_likely_one() {
    assert_eq!(
        to("{host: revews}"),
        ["spec.http[0].route[0].destination.host: there is no service `revews.default.svc.cluster.local` \
          (did you mean `reviews.default.svc.cluster.local`?)"]
    );
    assert!(
        to("{host: hidden.bank.svc.cluster.local}")[0].contains("is not exported to namespace `default`")
    );
}

#[test]
fn a_subset_that_no_rule_declares_is_named_with_those_that_are() {
    assert_eq!(
        to("{host: reviews, subset: v9}"),
        ["spec.http[0].route[0].destination.subset: `reviews.default.svc.cluster.local` has no subset `v9` \
          (its subsets are v1, v2)"]
    );
    assert!(to("{host: two, subset: v1, port: {number: 80}}")[0].contains("declare it in a DestinationRule"));
}

#[test]
fn a_port_must_be_one_of_the_services_and_said_where_there_are_several() {
    assert!(to("{host: reviews, port: {number: 1}}")[0].contains("has no port 1 (its ports are 9080)"));
    assert!(to("{host: two}")[0].contains("has several ports"));
}

#[test]
fn mirrors_and_gateways_are_references_too() {
    let mirror = "{route: [{destination: {host: reviews}}], mirror: {host: nowhere}}";
    assert!(about(mirror, "[]")[0].starts_with("spec.http[0].mirror.host: there is no service"));
    let all = about("{directResponse: {status: 200}}", "[gw, edge/nope]");
    assert_eq!(
        all,
        [
            "spec.gateways[0]: there is no gateway `gw` in namespace `default` (there is one in another: write edge/gw)",
            "spec.gateways[1]: there is no gateway `nope` in namespace `edge` (declare it, or write `mesh` for sidecars)",
        ]
    );
}
