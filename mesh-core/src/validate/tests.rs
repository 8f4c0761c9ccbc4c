mod envoy_filter;
mod gateway;
mod mesh_config;
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
         namespaces: [default]}}], to: [{operation: {methods: [GET], paths: ['/a/{*}/b', '/admin*']}}], \
         when: [{key: 'request.headers[x-token]', values: [a]}]}]}",
    );
}

#[test]
fn subsets_have_names_of_their_own() {
    assert_eq!(
        only("DestinationRule", "{host: a, subsets: [{name: v1}, {name: v1}]}"),
        "spec.subsets[1].name: subset `v1` is there twice"
    );
    assert_eq!(
        only("DestinationRule", "{host: a, subsets: [{labels: {a: b}}]}"),
        "spec.subsets[0].name: the subset's name is missing"
    );
    assert_eq!(only("DestinationRule", "{subsets: [{name: v1}]}"), "spec.host: a host is missing");
}

#[test]
fn traffic_policies_are_free_of_contradictions() {
    let policy = |policy: &str| only("DestinationRule", &format!("{{host: a, trafficPolicy: {policy}}}"));
    assert_eq!(policy("{}"), "spec.trafficPolicy: a traffic policy that says nothing");
    assert!(
        policy("{connectionPool: {tcp: {maxConnections: -1}}}").ends_with("maxConnections: -1 is negative")
    );
    assert!(policy("{connectionPool: {}}").contains("says nothing"));
    assert!(policy("{outlierDetection: {maxEjectionPercent: 101}}").ends_with("101 is not a percentage"));
    assert!(policy("{outlierDetection: {consecutiveLocalOriginFailures: 1}}").contains("not counted apart"));
    assert!(
        policy("{loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}").contains("beside")
    );
    assert!(
        policy("{loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 100}}}}")
            .contains("100")
    );
    assert!(policy("{tls: {mode: MUTUAL, clientCertificate: a}}").contains("MUTUAL without `privateKey`"));
    assert!(policy("{tls: {mode: ISTIO_MUTUAL, caCertificates: a}}").contains("under ISTIO_MUTUAL"));
    assert!(policy("{portLevelSettings: [{tls: {mode: SIMPLE}}]}").ends_with("the port is missing"));
}

#[test]
fn mtls_of_a_port_needs_a_selector() {
    assert_eq!(
        only("PeerAuthentication", "{portLevelMtls: {80: {mode: DISABLE}}}"),
        "spec.portLevelMtls: portLevelMtls without a selector"
    );
    is_fine("PeerAuthentication", "{selector: {matchLabels: {a: b}}, portLevelMtls: {80: {mode: DISABLE}}}");
    assert_eq!(
        only("PeerAuthentication", "{selector: {matchLabels: {a: 'b*'}}}"),
        "spec.selector.matchLabels.a: a wildcard in a selector"
    );
}

#[test]
fn a_rule_of_a_policy_that_would_match_everybody_by_a_slip_is_refused() {
    let policy = |rule: &str| only("AuthorizationPolicy", &format!("{{rules: [{rule}]}}"));
    assert_eq!(policy("{from: []}"), "spec.rules[0].from: `from` is empty");
    assert_eq!(policy("{from: [{}]}"), "spec.rules[0].from[0]: `source` is missing");
    assert_eq!(policy("{to: [{operation: {}}]}"), "spec.rules[0].to[0].operation: `operation` is empty");
    assert_eq!(
        policy("{from: [{source: {principals: [a], namespaces: []}}]}"),
        "spec.rules[0].from[0].source.namespaces: `namespaces` is empty"
    );
    assert_eq!(
        policy("{to: [{operation: {methods: ['']}}]}"),
        "spec.rules[0].to[0].operation.methods[0]: an empty value"
    );
    assert_eq!(policy("{when: [{key: source.ip}]}"), "spec.rules[0].when[0]: a condition without values");
    assert_eq!(only("AuthorizationPolicy", "{action: DENY}"), "spec.action: without rules it never applies");
    assert!(only("AuthorizationPolicy", "{action: CUSTOM, rules: [{}]}").contains("without provider.name"));
}

#[test]
fn the_values_of_a_policy_are_what_they_are_compared_with() {
    let policy = |rule: &str| only("AuthorizationPolicy", &format!("{{rules: [{rule}]}}"));
    assert!(
        policy("{from: [{source: {ipBlocks: [10.0.0]}}]}").contains("neither an IP address nor a network")
    );
    assert!(policy("{to: [{operation: {notPorts: [http]}}]}").contains("\"http\" is not a port"));
    assert!(policy("{to: [{operation: {paths: ['/a/{*']}}]}").contains("is not a template of paths"));
    assert!(policy("{to: [{operation: {paths: ['/{**}/{**}']}}]}").contains("is not a template of paths"));
    assert!(policy("{from: [{source: {serviceAccounts: ['a/*']}}]}").contains("is not a service account"));
    assert!(
        policy("{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}").contains("beside namespaces")
    );
    assert!(policy("{when: [{key: source.namespaces, values: [a]}]}").contains("is not an attribute"));
    assert!(policy("{when: [{key: destination.port, values: [a]}]}").contains("is not a port"));
}

#[test]
fn tokens_come_from_an_issuer_with_keys() {
    let jwt = |rule: &str| only("RequestAuthentication", &format!("{{jwtRules: [{rule}]}}"));
    assert_eq!(jwt("{audiences: [a]}"), "spec.jwtRules[0]: neither issuer nor jwksUri");
    assert!(jwt("{issuer: a, jwksUri: 'ftp://x'}").contains("is not a URL"));
    assert!(jwt("{issuer: a, jwks: '{}'}").contains("not a set of keys"));
    assert!(jwt("{issuer: a, fromHeaders: [{prefix: b}]}").contains("is not the name of a header"));
}

#[test]
fn a_policy_attaches_in_one_way_to_something_that_it_can_attach_to() {
    let to = |to: &str| only("AuthorizationPolicy", &format!("{{{to}}}"));
    assert_eq!(
        to("targetRef: {kind: Pod, name: a}"),
        "spec.targetRef: /Pod is not a kind that a policy attaches to"
    );
    assert!(
        to("selector: {matchLabels: {a: b}}, targetRefs: [{kind: Service, name: a}]")
            .contains("more than one")
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
        "apiVersion: v1\nkind: Endpoints\nmetadata: {name: x}\nsubsets: [{addresses: [{ip: y}]}]\n";
    assert_eq!(judge(endpoints), ["subsets[0].addresses[0].ip: \"y\" is not an IP address"]);
}
