//! What the settings of the mesh may just say; what they may not stands in `tests/broken/validate/mesh-config`.

use super::judge;
use crate::diagnostic::Level;
use crate::{validate, yaml};

fn about(key: &str, text: &str) -> Vec<String> {
    let indented: String = text.lines().map(|line| format!("    {line}\n")).collect();
    judge(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  {key}: |\n{indented}"
    ))
}

fn is_fine(text: &str) {
    assert_eq!(about("mesh", text), [""; 0], "{text}");
}

#[test]
fn nothing_need_be_said() {
    for text in ["{}", "# nothing", "defaultConfig: {}", "defaultConfig:", "extensionProviders: []"] {
        is_fine(text);
    }
}

#[test]
fn times_reach_to_their_bounds() {
    for text in [
        "connectTimeout: 1ms",
        "connectTimeout: 1h",
        "protocolDetectionTimeout: 0s",
        "protocolDetectionTimeout: 1ms",
        "defaultConfig: {drainDuration: 1s}",
        "defaultConfig: {terminationDrainDuration: 0s}",
    ] {
        is_fine(text);
    }
}

#[test]
fn hosts_and_addresses_may_be_written_in_every_way_that_istio_reads() {
    for text in [
        "serviceSettings: [{hosts: ['*', '*.b', '*-a.b.c', 'a.b', '*shop']}]",
        "zoneAwareLbSetting: {enabled: true, failover: [{from: a, to: b}]}",
        "defaultConfig: {discoveryAddress: '[2001:db8::1]:15012'}",
        "defaultConfig: {tracing: {zipkin: {address: '$(HOST_IP):9411'}}}",
    ] {
        is_fine(text);
    }
}

#[test]
fn a_trust_domain_may_be_an_account_of_a_cloud_provider() {
    is_fine("trustDomain: team@example.org");
    is_fine("{trustDomain: example.org, trustDomainAliases: [cluster.local, a_b]}");
}

#[test]
fn a_provider_is_at_a_full_name_an_address_or_a_name_of_a_namespace() {
    for service in ["otel.foo.svc.cluster.local", "10.0.0.1", "foo/otel.example.com", "otel"] {
        for port in ["4317", "'4317'"] {
            is_fine(&format!(
                "extensionProviders: [{{name: otel, opentelemetry: {{service: {service}, port: {port}}}}}]"
            ));
        }
    }
}

#[test]
fn every_system_is_one() {
    let served = [
        "envoyExtAuthzHttp",
        "envoyExtAuthzGrpc",
        "zipkin",
        "datadog",
        "opencensus",
        "skywalking",
        "opentelemetry",
        "envoyHttpAls",
        "envoyTcpAls",
        "envoyOtelAls",
        "sds",
    ];
    for system in served {
        is_fine(&format!("extensionProviders: [{{name: a, {system}: {{service: a.b, port: 65535}}}}]"));
    }
    for system in ["prometheus", "stackdriver", "envoyFileAccessLog"] {
        is_fine(&format!("extensionProviders: [{{name: a, {system}: {{}}}}]"));
    }
    is_fine("extensionProviders: [{name: a, lightstep: {service: a.b, port: 1, accessToken: x}}]");
}

#[test]
fn addresses_are_names_or_of_either_family() {
    for address in ["istiod.istio-system.svc:15012", "10.0.0.1:1", "'[fd00::1]:65535'", "istiod:15012"] {
        is_fine(&format!("defaultConfig: {{discoveryAddress: {address}}}"));
    }
    is_fine("defaultConfig: {tracing: {zipkin: {address: '$(HOST_IP):9411'}, sampling: 0}}");
}

#[test]
fn namespaces_are_selected_by_conditions_that_can_be_judged() {
    is_fine(
        "discoverySelectors: [{matchLabels: {env: prod}}, {matchExpressions: [{key: a, operator: In, values: [b]}, \
         {key: a, operator: Exists}, {key: a, operator: DoesNotExist}, {key: a, operator: NotIn, values: [b]}]}, {}]",
    );
}

#[test]
fn a_network_is_of_addresses_or_of_clusters_and_has_gateways() {
    let text = "networks: {a: {endpoints: [{fromCidr: 10.0.0.0/8}, {fromCidr: 10.0.0.1}, {fromRegistry: cluster-1}], \
                gateways: [{address: 10.0.0.1, port: 1}, {address: a.example.com, port: '15443'}, \
                {registryServiceName: a.b.svc.cluster.local, port: 65535, locality: eu/eu-1}]}, b: {}}";
    assert_eq!(about("meshNetworks", text), [""; 0]);
}

#[test]
fn a_pod_runs_whatever_its_annotation_says() {
    let pod = |annotation: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: x, annotations: {{proxy.istio.io/config: '{annotation}'}}}}\n"
        );
        let parsed = yaml::resources("pod.yaml", &text, &Default::default());
        validate::check(parsed.outcomes[0].resource.as_ref().unwrap())
    };
    assert_eq!(pod("{concurrency: 2, tracing: {sampling: 100}}"), []);
    for wrong in ["{concurency: 2}", "{drainDuration: 0s}", "["] {
        let findings = pod(wrong);
        assert_eq!(findings.len(), 1, "{wrong}");
        assert_eq!(findings[0].level, Level::Warning, "{wrong}");
        assert!(findings[0].path.starts_with("metadata.annotations.proxy.istio.io/config"));
    }
}

#[test]
fn another_config_map_is_nobodys_settings() {
    let text =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: shop}\ndata: {mesh: 'x: ['}\n";
    assert_eq!(judge(text), [""; 0]);
}
