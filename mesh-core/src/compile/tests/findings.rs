use super::*;
use crate::diagnostic::code;

/// Path and code of every finding for reviews-v1.
fn said(texts: &[&str]) -> Vec<(String, &'static str)> {
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
  - match: [{uri: {exact: /d}}]
    delegate: {name: other}
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
            "spec.http[1].delegate",
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
            "data.mesh",
            "data.mesh",
            "spec",
            "spec.accessLogging[0].filter",
            "spec.accessLogging[0].providers[0].name",
            "spec.configPatches",
            "spec.jwtRules",
            "spec.tracing",
            "spec.url",
        ]
    );
}

#[test]
fn a_policy_attached_to_a_resource_is_named() {
    let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: default}\nspec: {targetRefs: [{kind: Service, name: reviews}], rules: [{}]}";
    assert_eq!(paths(&[SIDECAR, policy]), ["spec.targetRefs"]);
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
