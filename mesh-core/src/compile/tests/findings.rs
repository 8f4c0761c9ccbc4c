use super::*;
use crate::diagnostic::{Level, code};

/// Path and code of every finding for reviews-v1.
pub(super) fn said(texts: &[&str]) -> Vec<(String, &'static str)> {
    let compiled = compile(&bookinfo(texts), &reviews());
    for finding in &compiled.findings {
        assert!(finding.span.is_some() && finding.source.is_some(), "{finding} has no place");
        assert!(!finding.resource.name.is_empty(), "{finding} is about nothing");
    }
    compiled.findings.into_iter().map(|f| (f.path, f.code)).collect()
}

fn paths(texts: &[&str]) -> Vec<String> {
    said(texts)
        .into_iter()
        .map(|(path, code)| {
            assert_eq!(code, code::NOT_HONOURED, "{path}");
            path
        })
        .collect()
}

#[test]
fn every_field_of_a_virtual_service_without_effect_is_named() {
    let vs = r#"
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http:
  - match: [{uri: {exact: /a}, statPrefix: p}, {headers: {"@request.auth.claims.group": {exact: x}}}]
    corsPolicy: {allowOrigins: [{exact: "*"}]}
    fault: {delay: {exponentialDelay: 1s}, abort: {http2Error: X}}
    retries: {attempts: 1, retryOn: "5xx,wonder", retryRemoteLocalities: true}
    route: [{destination: {host: reviews}}]
  tls: [{match: [{sniHosts: [x]}], route: [{destination: {host: reviews}}]}]
  tcp: [{route: [{destination: {host: reviews}}]}]
"#;
    let mut found = paths(&[vs]);
    found.sort();
    assert_eq!(
        found,
        [
            "spec.http[0].corsPolicy",
            "spec.http[0].fault.abort.http2Error",
            "spec.http[0].fault.delay.exponentialDelay",
            "spec.http[0].match[0].statPrefix",
            "spec.http[0].match[1].headers.@request.auth.claims.group",
            "spec.http[0].retries.retryOn",
            "spec.http[0].retries.retryRemoteLocalities",
            "spec.tcp[0]",
            "spec.tls[0]",
        ]
    );
}

#[test]
fn every_field_of_a_destination_rule_without_effect_is_named() {
    let rule = r#"
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {localityLbSetting: {enabled: true}, warmup: {duration: 1s}}
    connectionPool: {tcp: {maxConnectionDuration: 1s}, http: {maxConcurrentStreams: 3, http2KeepAlive: {}}}
    outlierDetection: {consecutiveErrors: 3}
    tunnel: {protocol: CONNECT, targetHost: x, targetPort: 1}
    proxyProtocol: {version: V2}
  subsets:
  - name: v1
    trafficPolicy: {portLevelSettings: [{port: {number: 9080}, loadBalancer: {zoneAwareLbSetting: {}}}]}
"#;
    let mut found = paths(&[rule]);
    found.sort();
    assert_eq!(
        found,
        [
            "spec.subsets[0].trafficPolicy.portLevelSettings[0].loadBalancer.zoneAwareLbSetting",
            "spec.trafficPolicy.connectionPool.http.http2KeepAlive",
            "spec.trafficPolicy.connectionPool.http.maxConcurrentStreams",
            "spec.trafficPolicy.connectionPool.tcp.maxConnectionDuration",
            "spec.trafficPolicy.loadBalancer.localityLbSetting",
            "spec.trafficPolicy.loadBalancer.warmup",
            "spec.trafficPolicy.outlierDetection.consecutiveErrors",
            "spec.trafficPolicy.proxyProtocol",
            "spec.trafficPolicy.tunnel",
        ]
    );
}

#[test]
fn kinds_without_effect_are_named_once_each() {
    let kinds = r#"
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: e, namespace: default}
spec: {configPatches: [{applyTo: CLUSTER, patch: {operation: REMOVE}}]}
---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: w, namespace: istio-system}
spec: {url: "oci://x"}
---
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata: {name: l, namespace: default}
spec: {lua: {inlineCode: "function envoy_on_request(h) end"}}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: p, namespace: default}
spec: {concurrency: 1}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: j, namespace: default}
spec: {jwtRules: [{issuer: x, jwks: "{}"}]}
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: t, namespace: default}
spec: {tracing: [{}], accessLogging: [{filter: {expression: "true"}, providers: [{name: otel}]}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    enableTracing: true
    localityLbSetting: {enabled: true}
"#;
    let mut found = paths(&[SIDECAR, kinds]);
    found.sort();
    assert_eq!(
        found,
        [
            "data.mesh.enableTracing",
            "data.mesh.localityLbSetting",
            "spec",
            "spec.accessLogging[0].filter",
            "spec.accessLogging[0].providers[0].name",
            "spec.configPatches",
            "spec.jwtRules",
            "spec.lua",
            "spec.tracing",
            "spec.url",
        ]
    );
}

#[test]
fn a_policy_attached_to_a_resource_is_named() {
    let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: default}\nspec: {targetRefs: [{kind: Service, name: reviews}], rules: [{}]}";
    assert_eq!(paths(&[SIDECAR, policy]), ["spec.targetRefs"]);
    let telemetry = "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: t, namespace: default}\nspec: {targetRef: {kind: Service, name: reviews}, accessLogging: [{providers: [{name: envoy}]}]}";
    assert_eq!(paths(&[SIDECAR, telemetry]), ["spec.targetRef"]);
}

#[test]
fn a_policy_for_another_workload_is_not_this_ones_business() {
    let filter = "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: e, namespace: default}\nspec: {workloadSelector: {labels: {app: ratings}}, configPatches: []}";
    let plugin = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: w, namespace: far}\nspec: {url: x}";
    assert!(said(&[filter, plugin]).is_empty());
}

#[test]
fn a_destination_that_does_not_exist_is_a_warning_and_the_rest_stands() {
    let vs = r#"
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /a}}]
    route: [{destination: {host: nobody}}]
  - match: [{uri: {prefix: /b}}]
    route: [{destination: {host: reviews, subset: v9}}]
  - match: [{uri: {prefix: /c}}]
    route: [{destination: {host: reviews, port: {number: 1}}}]
  - route: [{destination: {host: reviews, subset: v1}}]
"#;
    let world = bookinfo(&[SUBSETS, vs]);
    let compiled = compile(&world, &reviews());
    let found: Vec<_> = compiled.findings.iter().map(|f| (f.path.as_str(), f.code)).collect();
    assert_eq!(
        found,
        [
            ("spec.http[0].route[0].destination.host", code::REFERENCE),
            ("spec.http[1].route[0].destination.subset", code::REFERENCE),
            ("spec.http[2].route[0].destination.port", code::REFERENCE),
        ]
    );
    let table = table(&compiled, "9080");
    assert_eq!(send(table, "reviews", "/", &[]), "outbound|9080|v1|reviews.default.svc.cluster.local");
    assert_eq!(send(table, "reviews", "/a", &[]), "outbound|9080||nobody.default.svc.cluster.local");
}

#[test]
fn a_rule_that_cannot_be_read_takes_nothing() {
    let vs = r#"
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http:
  - match: [{headers: {x: {regex: "("}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - match: [{uri: {exact: /r}}]
    redirect: {redirectCode: 200}
  - route: [{destination: {host: reviews, subset: v1}}]
"#;
    let compiled = compile(&bookinfo(&[SUBSETS, vs]), &reviews());
    let found: Vec<_> = compiled.findings.iter().map(|f| (f.path.as_str(), f.code)).collect();
    assert_eq!(
        found,
        [
            ("spec.http[0].match[0].headers.x.regex", code::SCHEMA),
            ("spec.http[1].redirect.redirectCode", code::SCHEMA),
        ]
    );
    let host = host(table(&compiled, "9080"), "reviews.default.svc.cluster.local:9080").clone();
    assert_eq!(host.routes.len(), 1);
}

#[test]
fn what_is_unsupported_can_be_asked_without_a_proxy() {
    let world = bookinfo(&[
        "apiVersion: networking.istio.io/v1\nkind: WorkloadGroup\nmetadata: {name: g}\nspec: {template: {}}",
    ]);
    let all: Vec<_> = world.iter().flat_map(|r| crate::compile::unsupported(&world, r)).collect();
    assert_eq!(all.len(), 1);
    assert_eq!(&*all[0].resource.kind, "WorkloadGroup");
}

/// Level, line and path of all that can be said without a proxy.
pub(super) fn without_a_proxy(text: &str) -> Vec<(Level, u32, String)> {
    let found = crate::compile::unsupported_all(&world(&[text]));
    found.into_iter().map(|f| (f.level, f.span.map_or(0, |s| s.line), f.path)).collect()
}

#[test]
fn a_services_fields_without_effect_are_named_and_those_without_meaning_are_notes() {
    let service = "apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec:
  sessionAffinity: ClientIP
  internalTrafficPolicy: Local
  trafficDistribution: PreferClose
  externalIPs: [192.0.2.1]
  externalTrafficPolicy: Local
  loadBalancerIP: 192.0.2.2
  loadBalancerClass: x/y
  loadBalancerSourceRanges: [192.0.2.0/24]
  ports:
  - {port: 80, name: http, nodePort: 30080}
";
    let (warning, info) = (Level::Warning, Level::Info);
    let want = [
        (warning, 5, "spec.sessionAffinity"),
        (warning, 6, "spec.internalTrafficPolicy"),
        (warning, 7, "spec.trafficDistribution"),
        (warning, 8, "spec.externalIPs"),
        (info, 9, "spec.externalTrafficPolicy"),
        (info, 10, "spec.loadBalancerIP"),
        (info, 11, "spec.loadBalancerClass"),
        (info, 12, "spec.loadBalancerSourceRanges"),
        (info, 14, "spec.ports[0].nodePort"),
    ];
    assert_eq!(without_a_proxy(service), want.map(|(level, line, path)| (level, line, path.to_owned())));
    let seen = paths_of(&[service]);
    assert!(seen.contains(&"spec.sessionAffinity".to_owned()), "compiled in silence: {seen:?}");
}

fn paths_of(texts: &[&str]) -> Vec<String> {
    said(texts).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn what_kubernetes_writes_into_every_service_is_no_matter() {
    let service = "apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {type: ClusterIP, sessionAffinity: None, internalTrafficPolicy: Cluster, externalTrafficPolicy: Cluster, clusterIP: 10.0.0.1, ipFamilies: [IPv4], ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: reviews-1, labels: {kubernetes.io/service-name: reviews}}
addressType: IPv4
endpoints: [{addresses: [127.1.0.2], hostname: a, nodeName: b}]
ports: [{port: 80}]
";
    assert_eq!(without_a_proxy(service), []);
}

#[test]
fn another_network_and_a_pods_own_proxy_settings_are_named() {
    let text = "apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: a}
spec:
  address: 127.1.0.7
  network: far
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: b}
spec:
  hosts: [b.example.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: 127.1.0.8, network: far}
---
apiVersion: v1
kind: Pod
metadata:
  name: c
  annotations:
    proxy.istio.io/config: '{}'
";
    let want = [
        (Level::Warning, 6, "spec.network"),
        (Level::Warning, 16, "spec.endpoints[0].network"),
        (Level::Warning, 23, "metadata.annotations.proxy.istio.io/config"),
    ];
    assert_eq!(without_a_proxy(text), want.map(|(level, line, path)| (level, line, path.to_owned())));
}

#[test]
fn every_field_of_the_mesh_config_without_effect_is_named_with_its_line() {
    let text = "apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    proxyListenPort: 15101
    enablePrometheusMerge: true
    disableEnvoyListenerLog: true
    ingressClass: other
    ingressService: other
    ingressControllerMode: DEFAULT
    accessLogEncoding: JSON
    accessLogFormat: '%METHOD%'
    defaultHttpRetryPolicy: {attempts: 1, retryOn: 'wonder,503'}
    defaultConfig:
      concurrency: 3
      drainDuration: 5s
      statusPort: 15999
      proxyMetadata: {A: b}
      tracing: {}
      image: {imageType: debug}
      discoveryAddress: istiod:15012
      gatewayTopology: {proxyProtocol: {}}
    defaultProviders:
      accessLogging: [none]
      tracing: [z]
      metrics: [prometheus, s]
    extensionProviders:
    - {name: f, envoyFileAccessLog: {path: /x, omitEmptyValues: true}}
";
    let (warning, info) = (Level::Warning, Level::Info);
    let want = [
        (warning, 6, "proxyListenPort"),
        (warning, 7, "enablePrometheusMerge"),
        (info, 8, "disableEnvoyListenerLog"),
        (info, 9, "ingressClass"),
        (info, 10, "ingressService"),
        (info, 11, "ingressControllerMode"),
        (warning, 13, "accessLogFormat"),
        (warning, 14, "defaultHttpRetryPolicy.retryOn"),
        (warning, 16, "defaultConfig.concurrency"),
        (warning, 17, "defaultConfig.drainDuration"),
        (warning, 18, "defaultConfig.statusPort"),
        (warning, 19, "defaultConfig.proxyMetadata"),
        (warning, 20, "defaultConfig.tracing"),
        (info, 21, "defaultConfig.image"),
        (info, 22, "defaultConfig.discoveryAddress"),
        (warning, 23, "defaultConfig.gatewayTopology.proxyProtocol"),
        (warning, 25, "defaultProviders.accessLogging[0]"),
        (warning, 26, "defaultProviders.tracing[0]"),
        (warning, 27, "defaultProviders.metrics[1]"),
        (warning, 29, "extensionProviders[0].envoyFileAccessLog.omitEmptyValues"),
    ];
    let want = want.map(|(level, line, field)| (level, line, format!("data.mesh.{field}")));
    assert_eq!(without_a_proxy(text), want);
    let elsewhere = text.replace("name: istio,", "name: other,");
    assert_eq!(without_a_proxy(&elsewhere), [], "another ConfigMap is nobody's MeshConfig");
}

#[test]
fn istios_own_defaults_written_out_are_no_matter() {
    let text = "apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    proxyListenPort: 15001
    proxyInboundListenPort: 15106
    ingressClass: istio
    enablePrometheusMerge: false
    defaultProviders: {metrics: [prometheus], accessLogging: [envoy]}
    accessLogFile: /dev/stdout
    trustDomain: example.org
";
    assert_eq!(without_a_proxy(text), []);
}

#[test]
fn a_trust_domain_that_is_none_is_an_error_at_its_line() {
    let text = "apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    rootNamespace: istio-system
    trustDomain: Example Org
";
    let compiled = compile(&bookinfo(&[text]), &reviews());
    let [finding] = compiled.findings.as_slice() else { panic!("{:#?}", messages(&compiled)) };
    assert_eq!((finding.level, finding.path.as_str()), (Level::Error, "data.mesh.trustDomain"));
    let span = finding.span.unwrap();
    let line = finding.source.as_ref().unwrap().text.lines().nth(span.line as usize - 1).unwrap();
    assert_eq!(line.trim(), "trustDomain: Example Org");
}

#[test]
fn a_consistent_hash_says_which_data_planes_honour_it() {
    let rule = "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews
  trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: user}}}
";
    let compiled = compile(&bookinfo(&[SIDECAR, rule]), &reviews());
    let finding = compiled.findings.iter().find(|f| f.path.ends_with("loadBalancer.consistentHash")).unwrap();
    let (source, span) = (finding.source.as_ref().unwrap(), finding.span.unwrap());
    assert!(
        source.text[span.start..].starts_with("consistentHash")
            || source.text[span.start..].starts_with("{httpHeaderName")
    );
    assert!(finding.help.as_ref().is_some_and(|h| h.contains("Envoy")), "{finding:?}");
}
