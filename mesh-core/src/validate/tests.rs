mod destination_rule;
mod policy;
mod virtual_service;

use crate::diagnostic::{Color, Level, text};
use crate::yaml;
use virtual_service::rule;

/// The findings about a spec, each as `LEVEL PATH: MESSAGE`.
fn about(kind: &str, spec: &str) -> Vec<String> {
    let group = match kind {
        "PeerAuthentication" | "AuthorizationPolicy" | "RequestAuthentication" => "security.istio.io/v1",
        "Telemetry" => "telemetry.istio.io/v1",
        "WasmPlugin" | "TrafficExtension" => "extensions.istio.io/v1alpha1",
        "Service" => "v1",
        _ => "networking.istio.io/v1",
    };
    let document = format!("apiVersion: {group}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n");
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
fn a_server_of_a_gateway_has_hosts_a_named_port_and_fitting_tls() {
    let server = |server: &str| only("Gateway", &format!("{{selector: {{a: b}}, servers: [{server}]}}"));
    let port = |p: &str| server(&format!("{{port: {{{p}}}, hosts: ['*']}}"));
    assert_eq!(
        port("number: 80, name: a, protocol: HTPP"),
        "spec.servers[0].port.protocol: `HTPP` is not a protocol"
    );
    assert_eq!(port("number: 80, protocol: HTTP"), "spec.servers[0].port.name: the port's name is missing");
    assert_eq!(port("name: a, protocol: HTTP"), "spec.servers[0].port.number: the port's number is missing");
    assert_eq!(port("number: 443, name: a, protocol: HTTPS"), "spec.servers[0]: HTTPS without TLS settings");
    assert_eq!(
        server("{port: {number: 80, name: a, protocol: HTTP}}"),
        "spec.servers[0]: a server without hosts"
    );
    let tls = |protocol: &str, tls: &str| {
        about(
            "Gateway",
            &format!(
                "{{selector: {{a: b}}, servers: [{{port: {{number: 80, name: a, protocol: {protocol}}}, hosts: [a/b], tls: {tls}}}]}}"
            ),
        )
    };
    assert!(tls("HTTP", "{httpsRedirect: true}").is_empty());
    assert!(tls("HTTPS", "{mode: SIMPLE, credentialName: c}").is_empty());
    assert!(tls("HTTP", "{mode: SIMPLE, credentialName: c}")[0].contains("TLS settings on HTTP"));
    assert!(tls("HTTPS", "{mode: SIMPLE}")[0].contains("a certificate and its key are missing"));
    assert!(
        tls("HTTPS", "{mode: MUTUAL, serverCertificate: a, privateKey: b}")[0].contains("roots are missing")
    );
    assert!(tls("HTTPS", "{mode: ISTIO_MUTUAL, credentialName: c}")[0].contains("under ISTIO_MUTUAL"));
    assert_eq!(about("Gateway", "{selector: {a: b}}"), ["spec: a gateway without servers"]);
}

#[test]
fn the_endpoints_of_a_service_fit_its_resolution() {
    let entry = |more: &str| {
        only(
            "ServiceEntry",
            &format!("{{hosts: [a.b], ports: [{{number: 80, name: http, protocol: HTTP}}], {more}}}"),
        )
    };
    assert_eq!(
        entry("resolution: STATIC, endpoints: [{address: c.d}]"),
        "spec.endpoints[0].address: \"c.d\" is not an IP address"
    );
    assert_eq!(
        entry("endpoints: [{address: 10.0.0.1}]"),
        "spec.endpoints: endpoints have no effect under resolution NONE"
    );
    assert_eq!(
        entry("resolution: STATIC, workloadSelector: {labels: {a: b}}, endpoints: [{address: 10.0.0.1}]"),
        "spec.endpoints: `endpoints` beside `workloadSelector`"
    );
    assert_eq!(
        entry("resolution: STATIC, endpoints: [{address: 10.0.0.1, ports: {htp: 1}}]"),
        "spec.endpoints[0].ports.htp: the service has no port `htp`"
    );
    assert_eq!(
        entry("resolution: DNS, addresses: [10.0.0.0/8]"),
        "spec.addresses: a network is an address of STATIC and NONE only"
    );
    assert!(entry("resolution: STATIC, endpoints: [{address: 10.0.0.256}]").contains("IP address"));
    assert!(entry("resolution: DNS, exportTo: ['~', a]").contains("beside other namespaces"));
}

#[test]
fn hosts_and_ports_of_a_service_are_there_once() {
    let entry =
        |hosts: &str, ports: &str| only("ServiceEntry", &format!("{{hosts: {hosts}, ports: {ports}}}"));
    let port = "[{number: 80, name: http, protocol: HTTP}]";
    assert_eq!(entry("['*']", port), "spec.hosts[0]: `*` is not a service");
    assert_eq!(entry("[]", port), "spec: a service without hosts");
    assert_eq!(
        entry("[a.b]", "[{number: 80, protocol: HTTP}]"),
        "spec.ports[0].name: the port's name is missing"
    );
    assert_eq!(
        entry("[a.b]", "[{number: 80, name: a}, {number: 80, name: b}]"),
        "spec.ports[1].number: port 80 is there twice"
    );
    assert!(
        only("ServiceEntry", "{hosts: ['*.b'], resolution: DNS, ports: [{number: 80, name: a}]}")
            .ends_with("`*.b` cannot be resolved")
    );
}

#[test]
fn a_workload_has_an_address() {
    assert_eq!(only("WorkloadEntry", "{labels: {a: b}}"), "spec.address: the address is missing");
    assert_eq!(
        only("WorkloadEntry", "{address: unix://a}"),
        "spec.address: \"a\" is not an absolute path to a file"
    );
    assert_eq!(only("WorkloadEntry", "{address: 10.0.0.1, ports: {a: 0}}"), "spec.ports.a: 0 is not a port");
    is_fine("WorkloadEntry", "{address: 'fd00::1'}");
    is_fine("WorkloadEntry", "{address: unix:///run/a.sock}");
}

#[test]
fn a_sidecars_listeners_are_its_own_and_once_each() {
    let ingress = |more: &str| {
        only("Sidecar", &format!("{{ingress: [{{port: {{number: 80, protocol: HTTP}}, {more}}}]}}"))
    };
    assert!(ingress("defaultEndpoint: '10.0.0.1:80'").contains("is not where the workload itself listens"));
    assert!(ingress("defaultEndpoint: '127.0.0.1'").contains("is not where the workload itself listens"));
    assert_eq!(ingress("bind: x"), "spec.ingress[0].bind: \"x\" is not an IP address");
    assert_eq!(
        only("Sidecar", "{ingress: [{port: {number: 80}}, {port: {number: 80}}]}"),
        "spec.ingress[1].port.number: port 80 is there twice"
    );
    assert_eq!(only("Sidecar", "{}"), "spec: a Sidecar that says nothing");
    let egress = |hosts: &str| only("Sidecar", &format!("{{egress: [{{hosts: {hosts}}}]}}"));
    assert_eq!(egress("[]"), "spec.egress[0]: a listener without hosts");
    assert_eq!(egress("[reviews]"), "spec.egress[0].hosts[0]: \"reviews\" has no namespace");
    assert_eq!(
        only("Sidecar", "{egress: [{hosts: ['*/*']}, {port: {number: 1, protocol: TCP}, hosts: ['*/*']}]}"),
        "spec.egress[0]: a listener without a port before others"
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
