//! What a WorkloadEntry, a WorkloadGroup and a ProxyConfig may just say; what they may not stands in
//! `tests/broken/validate`.

use super::{is_fine, judge};

#[test]
fn a_workload_is_at_an_address_a_name_or_a_socket() {
    for address in ["10.0.0.1", "'fd00::1'", "vm-1", "vm-1.example.com", "unix:///run/a.sock", "unix://@a"] {
        is_fine("WorkloadEntry", &format!("{{address: {address}}}"));
    }
}

#[test]
fn ports_labels_and_places_are_free_within_their_forms() {
    let (name, value) = ("a".repeat(62), "a".repeat(63));
    is_fine(
        "WorkloadEntry",
        &format!(
            "{{address: 10.0.0.1, ports: {{{name}: 1, http-web: 65535}}, weight: 0, serviceAccount: a.b-1, \
             labels: {{app.kubernetes.io/name: {value}, a_b: '', version: v1.2_3}}, locality: eu/eu-1/a, network: m}}"
        ),
    );
}

#[test]
fn a_group_needs_a_template_be_it_empty() {
    is_fine("WorkloadGroup", "{template: {}}");
    is_fine(
        "WorkloadGroup",
        "{metadata: {labels: {app: a}, annotations: {x: z}}, template: {ports: {http: 80}, serviceAccount: a}}",
    );
}

#[test]
fn a_workload_is_probed_in_one_way() {
    for probe in [
        "httpGet: {port: 1}",
        "httpGet: {port: 80, path: /, host: a, scheme: HTTPS, httpHeaders: [{name: X-A-1, value: ''}]}",
        "httpGet: {port: 80, scheme: ''}",
        "tcpSocket: {port: 65535, host: a}, periodSeconds: 0, failureThreshold: 2147483647",
        "exec: {command: [/bin/true]}",
        "grpc: {port: 80, service: a}",
    ] {
        is_fine("WorkloadGroup", &format!("{{template: {{}}, probe: {{{probe}}}}}"));
    }
}

#[test]
fn a_proxy_has_as_many_workers_as_processors_or_a_number_of_them() {
    for concurrency in [0, 1, 2_147_483_647] {
        is_fine("ProxyConfig", &format!("{{concurrency: {concurrency}}}"));
    }
    let value = "a".repeat(2048);
    is_fine(
        "ProxyConfig",
        &format!(
            "{{selector: {{matchLabels: {{app: a}}}}, environmentVariables: {{A: '{value}', b: ''}}, \
             image: {{imageType: debug}}}}"
        ),
    );
}

#[test]
fn only_a_policy_can_be_tried_out() {
    let with = |kind: &str, api: &str, spec: &str| {
        format!(
            "apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: x\n  annotations: {{istio.io/dry-run: 'true'}}\n\
             spec: {spec}\n"
        )
    };
    let entry = with("WorkloadEntry", "networking.istio.io/v1", "{address: 10.0.0.1}");
    assert_eq!(judge(&entry), ["metadata.annotations.istio.io/dry-run: a WorkloadEntry cannot be tried out"]);
    let policy = with("AuthorizationPolicy", "security.istio.io/v1", "{action: ALLOW}");
    assert_eq!(judge(&policy), [""; 0]);
}
