mod destination_rule;
mod envoy_filter;
mod gateway;
mod mesh_config;
mod policy;
mod service_entry;
mod sidecar;
mod virtual_service;
mod workload;

use crate::api::KINDS;
use crate::diagnostic::{Color, Level, text};
use crate::yaml;
use virtual_service::rule;

/// The findings about a spec, each as `LEVEL PATH: MESSAGE`.
fn about(kind: &str, spec: &str) -> Vec<String> {
    let info = KINDS.iter().find(|k| k.kind == kind).unwrap();
    let (group, version) = (info.group, info.versions[0]);
    let slash = if group.is_empty() { "" } else { "/" };
    let document =
        format!("apiVersion: {group}{slash}{version}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n");
    judge(&document)
}

fn judge(document: &str) -> Vec<String> {
    let parsed = yaml::resources("test.yaml", document, &Default::default());
    assert!(parsed.findings.is_empty(), "{}", text(&parsed.findings, Color::Never));
    let resource = parsed.outcomes[0].resource.as_ref().unwrap();
    let findings = super::check(resource);
    for finding in &findings {
        assert!(finding.span.is_some() && finding.help.is_some(), "{finding}");
    }
    let level = |l: Level| if l == Level::Error { "" } else { "warning " };
    findings.iter().map(|f| format!("{}{}: {}", level(f.level), f.path, f.message)).collect()
}

/// The one finding about a spec.
fn only(kind: &str, spec: &str) -> String {
    let all = about(kind, spec);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.into_iter().next().unwrap()
}

fn is_fine(kind: &str, spec: &str) {
    let all = about(kind, spec);
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn what_bookinfo_writes_is_fine() {
    is_fine("VirtualService", &rule(""));
    is_fine(
        "VirtualService",
        &rule(
            ", match: [{headers: {end-user: {exact: jason}}, uri: {regex: '/[a-z]+'}, port: 9080}], timeout: 0.5s, \
             retries: {attempts: 3, perTryTimeout: 2s, retryOn: 'gateway-error,connect-failure,503'}, \
             fault: {delay: {percentage: {value: 100}, fixedDelay: 7s}, abort: {httpStatus: 500, percentage: {value: 100}}}, \
             mirror: {host: b, subset: v1}, mirrorPercentage: {value: 0.1}, \
             headers: {request: {set: {x-a: b, ':authority': c}, remove: [x-c]}}",
        ),
    );
    is_fine(
        "VirtualService",
        "{hosts: [a], http: [{route: [{destination: {host: a, subset: v1}, weight: 90}, \
         {destination: {host: a, subset: v3}, weight: 10}]}]}",
    );
    is_fine(
        "VirtualService",
        "{hosts: ['*'], gateways: [gw], http: [{match: [{uri: {prefix: /static}}], route: [{destination: {host: a}}]}]}",
    );
    is_fine(
        "DestinationRule",
        "{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, loadBalancer: {simple: RANDOM}, \
         connectionPool: {tcp: {maxConnections: 1, idleTimeout: 0s}, http: {http1MaxPendingRequests: 1}}, \
         outlierDetection: {consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 3m, maxEjectionPercent: 100}}, \
         subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}",
    );
    is_fine(
        "Gateway",
        "{selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}]}",
    );
    is_fine(
        "ServiceEntry",
        "{hosts: [a.default.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, \
         ports: [{number: 9080, name: http, protocol: HTTP}], workloadSelector: {labels: {app: a}}}",
    );
    is_fine(
        "WorkloadEntry",
        "{address: 127.1.0.3, ports: {http: 9080}, serviceAccount: a, labels: {app: a}}",
    );
    is_fine(
        "Sidecar",
        "{workloadSelector: {labels: {app: a}}, ingress: [{port: {number: 9080, protocol: HTTP, name: http}, \
         bind: 127.1.0.3, captureMode: NONE, defaultEndpoint: '127.0.0.1:19080'}], \
         egress: [{port: {number: 15080, protocol: HTTP_PROXY, name: proxy}, bind: 127.1.0.3, captureMode: NONE, hosts: ['*/*']}]}",
    );
    is_fine("PeerAuthentication", "{mtls: {mode: STRICT}}");
    is_fine("AuthorizationPolicy", "{}");
    is_fine("AuthorizationPolicy", "{rules: [{}]}");
    is_fine(
        "AuthorizationPolicy",
        "{selector: {matchLabels: {app: a}}, action: DENY, rules: [{from: [{source: {principals: [cluster.local/ns/a/sa/b], \
         namespaces: [default]}}], to: [{operation: {ports: ['80'], methods: [GET], paths: ['/a/{*}/b', '/admin*']}}], \
         when: [{key: 'request.headers[x-token]', values: [a]}]}]}",
    );
}

#[test]
fn a_kubernetes_service_names_its_ports_where_there_are_several() {
    assert_eq!(
        only("Service", "{ports: [{port: 80, name: http}, {port: 81}]}"),
        "spec.ports[1]: a port without a name beside others"
    );
    assert_eq!(only("Service", "{ports: [{name: a}]}"), "spec.ports[0].port: the port's number is missing");
}

#[test]
fn addresses_of_endpoints_are_addresses() {
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\naddressType: IPv4\n\
                 endpoints: [{addresses: [x]}]\n";
    assert_eq!(judge(slice), ["endpoints[0].addresses[0]: \"x\" is not an IP address"]);
    let endpoints =
        "apiVersion: v1\nkind: Endpoints\nmetadata: {name: x}\nsubsets: [{addresses: [{ip: x}]}]\n";
    assert_eq!(judge(endpoints), ["subsets[0].addresses[0].ip: \"x\" is not an IP address"]);
}

#[test]
fn what_kubernetes_takes_of_a_service_is_fine() {
    for spec in [
        "{clusterIP: None}",
        "{clusterIP: '', clusterIPs: [10.0.0.1, 'fd00::1'], ports: [{port: 65535}]}",
        "{type: ExternalName, externalName: www.example.com.}",
        "{ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]}",
        "{ports: [{name: 1a, port: 1, targetPort: a-15-letter-nam}, {name: b, port: 2, targetPort: 65535}]}",
        "{type: LoadBalancer, trafficDistribution: PreferSameZone, ports: [{port: 80, protocol: SCTP, nodePort: 30080}]}",
    ] {
        is_fine("Service", spec);
    }
}

#[test]
fn of_many_wrong_items_the_first_are_told_and_the_rest_counted() {
    let hosts = "'a_', ".repeat(5_000);
    let all = about(
        "VirtualService",
        &format!("{{hosts: [{hosts}], http: [{{route: [{{destination: {{host: a}}}}]}}]}}"),
    );
    assert_eq!(all.len(), 101);
    assert_eq!(all[100], ": 4900 more errors in this resource");
}

#[test]
fn warnings_beyond_count_never_hide_an_error() {
    let rules = "{route: [{destination: {host: a}}]}, ".repeat(200);
    let all = about("VirtualService", &format!("{{hosts: [a], http: [{rules}], exportTo: ['!']}}"));
    assert!(all.iter().any(|f| f.starts_with("spec.exportTo[0]: ")), "{all:#?}");
    assert!(all.contains(&"warning : 99 more warnings in this resource".to_owned()), "{all:#?}");
}
