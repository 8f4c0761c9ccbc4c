//! What must not be said: an analyzer that cries wolf is switched off.

use super::{said, world};
use crate::analyze::{ANALYZERS, analyze, analyze_changed};
use crate::diagnostic::code;
use std::collections::BTreeSet;

const POLICY: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: cart}
spec: {selector: {matchLabels: {app: cart}}, rules: [{}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart}
spec: {ports: [{port: 80, name: http}], selector: {app: cart}}
---
";

fn entry(name: &str, labels: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}}}\n\
         spec: {{address: 10.0.0.1, labels: {labels}}}\n---\n"
    )
}

#[test]
fn nothing_is_missing_where_a_service_tells_of_workloads_that_are_not_here() {
    assert!(said(POLICY).is_empty());
    // The other service has a workload, this one has none: some are deployed by other means.
    assert!(said(&format!("{POLICY}{}", entry("shop", "{app: shop}"))).is_empty());
    let only_policy = POLICY.split("---").next().unwrap();
    let known = said(&format!("{only_policy}---\n{}", entry("shop", "{app: shop}")));
    assert_eq!(known.len(), 1, "{known:?}");
    assert!(known[0].starts_with("IST0127"), "{known:?}");
}

#[test]
fn a_group_of_workloads_that_are_yet_to_come_is_enough() {
    let group = "apiVersion: networking.istio.io/v1\nkind: WorkloadGroup\nmetadata: {name: cart}\n\
                 spec: {metadata: {labels: {app: cart}}, template: {serviceAccount: cart}}\n---\n";
    let text = format!("{POLICY}{group}{}", entry("shop", "{app: shop}"));
    assert!(said(&text).is_empty());
}

#[test]
fn what_a_delegate_does_not_match_goes_on_to_the_next_rule() {
    let found = said(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n\
         spec: {hosts: [a.example.com], gateways: [edge], http: [{match: [{uri: {prefix: /a}}], delegate: {name: b}}, \
         {match: [{uri: {prefix: /a/b}}], directResponse: {status: 200}}]}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: b}\n\
         spec: {http: [{match: [{uri: {exact: /a/c}}], directResponse: {status: 200}}]}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: edge}\n\
         spec: {selector: {istio: x}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}\n",
    );
    assert!(found.is_empty(), "{found:?}");
}

fn for_host(name: &str, more: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\n\
         spec: {{hosts: [a.example.com], {more} http: [{{directResponse: {{status: 200}}}}]}}\n---\n"
    )
}

#[test]
fn virtual_services_overlap_only_where_somebody_sees_both() {
    let pair = |a: &str, b: &str| {
        let found = said(&format!("{}{}", for_host("a", a), for_host("b", b)));
        found.iter().map(|f| f.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(pair("", ""), ["IST0109"]);
    assert_eq!(pair("exportTo: [one],", "exportTo: [two],"), [""; 0]);
    assert_eq!(pair("exportTo: [one, two],", "exportTo: [two],"), ["IST0109"]);
    assert_eq!(pair("exportTo: [one],", ""), ["MESH0101"]);
    assert_eq!(pair("exportTo: ['~'],", ""), [""; 0]);
}

#[test]
fn rules_for_ones_own_callers_claim_nothing() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: ledger, namespace: bank}\n\
                   spec: {ports: [{port: 80, name: http}]}\n---\n";
    let claim = |namespace: &str, export: &str, host: &str| {
        said(&format!(
            "{service}apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
             metadata: {{name: a, namespace: {namespace}}}\n\
             spec: {{hosts: ['{host}'], exportTo: {export}, http: [{{directResponse: {{status: 200}}}}]}}\n"
        ))
    };
    let host = "ledger.bank.svc.cluster.local";
    assert!(claim("shop", "['.']", host).is_empty());
    assert!(claim("bank", "['*']", host).is_empty());
    assert!(claim("istio-system", "['*']", host).is_empty());
    assert!(claim("shop", "['*']", "*.example.com").is_empty());
    assert!(claim("shop", "['*']", host)[0].starts_with("MESH0105"));
    assert!(claim("shop", "['*']", "*.bank.svc.cluster.local")[0].starts_with("MESH0105"));
    assert!(claim("shop", "[web]", "*.cluster.local")[0].contains("for callers in namespace web"));
}

#[test]
fn a_resource_silences_codes_as_it_does_for_istioctl() {
    let noisy = |annotations: &str| {
        said(&format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: a, annotations: {annotations}}}\n\
             spec: {{ports: [{{port: 8080, name: web}}]}}\n"
        ))
    };
    assert_eq!(noisy("{}").len(), 1);
    assert_eq!(noisy("{galley.istio.io/analyze-suppress: IST0107}").len(), 1);
    assert!(noisy("{galley.istio.io/analyze-suppress: 'IST0107, IST0118'}").is_empty());
    assert!(noisy("{galley.istio.io/analyze-suppress: '*'}").is_empty());
}

#[test]
fn a_change_asks_those_analyzers_that_it_concerns() {
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 8080, name: web}]}\n";
    let text = format!("{}{}{service}", for_host("a", ""), for_host("b", ""));
    let world = world(&text);
    let all = analyze(&world);
    assert!(all.iter().any(|f| f.code == code::MESH_HOSTS_CONFLICT), "{all:?}");
    let of_services = analyze_changed(&world, &["Service"]);
    assert_eq!(of_services.iter().map(|f| f.code).collect::<Vec<_>>(), [code::PORT_NAME]);
    assert_eq!(analyze_changed(&world, &["VirtualService"]).len(), 1);
    assert!(analyze_changed(&world, &["EnvoyFilter"]).is_empty());
}

#[test]
fn every_analyzer_has_a_name_of_its_own_and_codes_of_the_table() {
    assert!(ANALYZERS.is_sorted_by(|a, b| a.name < b.name), "{ANALYZERS:?}");
    let given: BTreeSet<&str> = ANALYZERS.iter().flat_map(|a| a.codes).copied().collect();
    assert!(given.iter().all(|c| code::find(c).is_some()));
    let by_validation = [
        code::SCHEMA,
        code::SCHEMA_WARNING,
        code::DEPRECATED,
        code::UNREACHABLE_RULE,
        code::INEFFECTIVE_MATCH,
    ];
    let single = |c: &str| by_validation.contains(&c) || c.starts_with("MESH00");
    let missing: Vec<_> = code::CODES.iter().filter(|c| !given.contains(c.code) && !single(c.code)).collect();
    assert!(missing.is_empty(), "no analyzer gives {missing:?}");
}
