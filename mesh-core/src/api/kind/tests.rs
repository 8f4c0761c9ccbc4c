mod gateway_api;

use super::*;
use crate::api::MeshConfig;
use crate::api::value::Span;
use serde_json::json;
use std::time::Duration;

fn meta(group: &str, version: &str, kind: &str) -> Meta {
    Meta {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        namespace: "default".into(),
        name: "x".into(),
        ..Meta::default()
    }
}

fn istio(version: &str, kind: &str, spec: Value) -> Result<AnyResource, FieldError> {
    let group = match kind {
        "PeerAuthentication" | "AuthorizationPolicy" | "RequestAuthentication" => "security.istio.io",
        "Telemetry" => "telemetry.istio.io",
        "WasmPlugin" | "TrafficExtension" => "extensions.istio.io",
        _ => "networking.istio.io",
    };
    let document = json!({"apiVersion": format!("{group}/{version}"), "kind": kind,
        "metadata": {"name": "x", "finalizers": []}, "spec": spec, "status": {"anything": 1}});
    AnyResource::from_value(meta(group, version, kind), document, Arc::default())
}

#[test]
fn every_served_version_reads_into_one_type() {
    let spec =
        json!({"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}], "timeout": "0.5s"}]});
    let all: Vec<_> = SERVED
        .iter()
        .map(|v| match istio(v, "VirtualService", spec.clone()).unwrap() {
            AnyResource::VirtualService(r) => r.spec.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(all.windows(2).all(|w| w[0] == w[1]));
    assert_eq!(all[0].http[0].timeout, Some(Span(Duration::from_millis(500))));
    let refused = istio("v2", "VirtualService", spec).unwrap_err();
    assert_eq!(refused.path, "apiVersion");
}

#[test]
fn an_error_names_the_field_from_the_root_of_the_document() {
    let at = |spec| istio("v1", "VirtualService", spec).unwrap_err();
    let e = at(json!({"http": [{}, {"timeout": "soon"}]}));
    assert_eq!(e.path, "spec.http[1].timeout");
    assert!(e.message.contains("is not a duration"), "{e}");
    let e = at(json!({"http": [{"route": [{"destination": {"host": "a", "port": {"number": 70000}}}]}]}));
    assert_eq!(e.path, "spec.http[0].route[0].destination.port.number");
    assert!(e.message.contains("70000") && e.message.contains("port from 1 to 65535"), "{e}");
    let e = at(json!({"http": [{"match": [{"headers": {"end-user": {"exakt": "x"}}}]}]}));
    assert!(e.message.contains("exakt"), "{e}");
    assert!(e.path.starts_with("spec.http[0].match[0].headers.end-user"), "{e}");
}

#[test]
fn an_unknown_field_is_an_error_that_says_which_are_known() {
    let e = istio("v1", "VirtualService", json!({"http": [{"retry": {}}]})).unwrap_err();
    assert!(e.path.starts_with("spec.http[0]"), "{e}");
    assert!(e.message.contains("unknown field `retry`") && e.message.contains("retries"), "{e}");
    let document =
        json!({"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {}, "servers": []});
    let e = AnyResource::from_value(meta("networking.istio.io", "v1", "Gateway"), document, Arc::default());
    assert_eq!(e.unwrap_err().path, "servers");
}

#[test]
fn an_unknown_kind_is_said_to_be_one() {
    let budget = meta("policy", "v1", "PodDisruptionBudget");
    let e = AnyResource::from_value(budget, json!({}), Arc::default()).unwrap_err();
    assert_eq!(e.path, "kind");
    assert_eq!(kind_info("policy", "PodDisruptionBudget"), None);
    assert_eq!(kind_info("", "Namespace").map(|k| k.cluster_scoped), Some(true));
    assert_eq!(kind_info("networking.istio.io", "Sidecar").map(|k| k.cluster_scoped), Some(false));
}

#[test]
fn a_null_is_a_field_that_is_not_written() {
    let r = istio(
        "v1",
        "PeerAuthentication",
        json!({"mtls": null, "portLevelMtls": {"8080": {"mode": "DISABLE"}}}),
    );
    let AnyResource::PeerAuthentication(r) = r.unwrap() else { panic!() };
    assert_eq!(r.spec.mtls, None);
    assert_eq!(r.spec.port_level_mtls.keys().collect::<Vec<_>>(), [&8080]);
}

#[test]
fn every_field_of_the_routing_kinds_is_known() {
    istio(
        "v1",
        "VirtualService",
        json!({
            "hosts": ["a"], "gateways": ["mesh"], "exportTo": ["."],
            "http": [{
                "name": "n",
                "match": [{"name": "m", "uri": {"prefix": "/"}, "scheme": {"exact": "http"},
                    "method": {"regex": "G.*"}, "authority": {"exact": "a"}, "headers": {"x": {}},
                    "withoutHeaders": {"y": {"exact": "1"}}, "queryParams": {"q": {"exact": "1"}},
                    "ignoreUriCase": true, "port": 80, "sourceLabels": {"app": "b"},
                    "sourceNamespace": "c", "gateways": ["mesh"], "statPrefix": "p"}],
                "route": [{"destination": {"host": "a", "subset": "v1", "port": {"number": 80}},
                    "weight": 1, "headers": {"request": {"set": {"a": "b"}, "add": {"a": "b"}, "remove": ["c"]}}}],
                "redirect": {"uri": "/", "prefixRewrite": "/", "authority": "b", "derivePort": "FROM_REQUEST_PORT",
                    "scheme": "https", "redirectCode": 302},
                "directResponse": {"status": 503, "body": {"string": "x"}},
                "delegate": {"name": "d", "namespace": "e"},
                "rewrite": {"uri": "/", "authority": "b", "uriRegexRewrite": {"match": "a", "rewrite": "b"}},
                "timeout": "1s",
                "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "5xx", "backoff": "10ms",
                    "retryRemoteLocalities": true, "retryIgnorePreviousHosts": false},
                "fault": {"delay": {"fixedDelay": "1s", "percentage": {"value": 0.1}, "percent": 3, "exponentialDelay": "1s"},
                    "abort": {"httpStatus": 500, "percentage": {"value": 1}, "http2Error": "x", "grpcStatus": "INTERNAL"}},
                "mirror": {"host": "b"}, "mirrorPercentage": {"value": 5}, "mirrorPercent": 5, "mirror_percent": 5,
                "mirrors": [{"destination": {"host": "c"}, "percentage": {"value": 50}}],
                "corsPolicy": {"allowOrigins": [{"exact": "*"}], "allowOrigin": ["*"], "allowMethods": ["GET"], "allowHeaders": ["x"],
                    "exposeHeaders": ["y"], "maxAge": "24h", "allowCredentials": true, "unmatchedPreflights": "IGNORE"},
                "headers": {"response": {"remove": ["x"]}}
            }],
            "tls": [{"match": [{"sniHosts": ["a"], "port": 443, "gateways": ["g"], "destinationSubnets": ["10.0.0.0/8"],
                "sourceLabels": {}, "sourceNamespace": "x"}], "route": [{"destination": {"host": "a"}, "weight": 5}]}],
            "tcp": [{"match": [{"port": 1, "sourceSubnet": "10.0.0.0/8", "destinationSubnets": [], "gateways": []}],
                "route": [{"destination": {"host": "a"}}]}]
        }),
    )
    .unwrap();
    let policy = json!({
        "loadBalancer": {"simple": "LEAST_CONN", "consistentHash": {"httpCookie": {"name": "c", "path": "/", "ttl": "0s",
            "attributes": [{"name": "SameSite", "value": "Strict"}]}, "maglev": {"tableSize": 7}},
            "localityLbSetting": {"enabled": true, "distribute": [{"from": "a/*", "to": {"b": 100}}],
            "failover": [{"from": "a", "to": "b"}], "failoverPriority": ["x"]},
            "zoneAwareLbSetting": {"enabled": true, "failover": [{"from": "a", "to": "b"}], "failoverPriority": ["x=y"],
                "minClusterSize": 3},
            "warmup": {"duration": "1m", "minimumPercent": 10, "aggression": 1.5}, "warmupDurationSecs": "1m"},
        "connectionPool": {"tcp": {"maxConnections": 1, "connectTimeout": "1s", "idleTimeout": "1h",
            "maxConnectionDuration": "1h", "tcpKeepalive": {"time": "1s", "interval": "1s", "probes": 3}},
            "http": {"http1MaxPendingRequests": 1, "http2MaxRequests": 1, "maxRequestsPerConnection": 1, "maxRetries": 1,
            "idleTimeout": "1s", "h2UpgradePolicy": "UPGRADE", "useClientProtocol": true, "maxConcurrentStreams": 3,
            "http2KeepAlive": {"interval": "15s", "timeout": "5s"}}},
        "outlierDetection": {"consecutive5xxErrors": 1, "consecutiveGatewayErrors": 1, "consecutiveErrors": 1, "interval": "1s",
            "baseEjectionTime": "1s", "maxEjectionPercent": 100, "minHealthPercent": 10,
            "splitExternalLocalOriginErrors": true, "consecutiveLocalOriginFailures": 3,
            "outlierDetectionHttpErrorCodes": [429, 503]},
        "tls": {"mode": "MUTUAL", "clientCertificate": "c", "privateKey": "k", "caCertificates": "r", "credentialName": "n",
            "subjectAltNames": ["a"], "sni": "s", "insecureSkipVerify": true, "caCrl": "x"},
        "tunnel": {"protocol": "CONNECT", "targetHost": "h", "targetPort": 443},
        "proxyProtocol": {"version": "V2"},
        "retryBudget": {"percent": 25, "minRetryConcurrency": 3, "budgetInterval": "1s"},
        "portLevelSettings": [{"port": {"number": 80}, "tls": {"mode": "DISABLE"}}]
    });
    istio(
        "v1",
        "DestinationRule",
        json!({"host": "a", "exportTo": ["*"], "workloadSelector": {"matchLabels": {"a": "b"}}, "trafficPolicy": policy,
            "subsets": [{"name": "v1", "labels": {"version": "v1"}, "trafficPolicy": policy}]}),
    )
    .unwrap();
    istio(
        "v1alpha3",
        "Gateway",
        json!({"selector": {"istio": "ingressgateway"}, "servers": [{"name": "s", "bind": "127.0.0.1", "defaultEndpoint": "x",
            "port": {"number": 443, "name": "https", "protocol": "HTTPS", "targetPort": 8443}, "hosts": ["ns/*.a.b"],
            "tls": {"httpsRedirect": true, "mode": "OPTIONAL_MUTUAL", "credentialName": "c", "credentialNames": ["c"],
            "serverCertificate": "s", "privateKey": "k", "caCertificates": "r", "caCertCredentialName": "n", "caCrl": "x",
            "tlsCertificates": [{"serverCertificate": "s", "privateKey": "k", "caCertificates": "r"}], "subjectAltNames": ["a"],
            "verifyCertificateSpki": ["a"], "verifyCertificateHash": ["a"], "minProtocolVersion": "TLSV1_2",
            "maxProtocolVersion": "TLSV1_3", "cipherSuites": ["x"], "ecdhCurves": ["x"], "insecureSkipVerify": true}}]}),
    )
    .unwrap();
}

#[test]
fn every_field_of_the_other_kinds_is_known() {
    let entry = json!({"address": "127.1.0.1", "ports": {"http": 80}, "labels": {"a": "b"}, "network": "n",
        "locality": "r/z/s", "weight": 3, "serviceAccount": "sa"});
    istio(
        "v1beta1",
        "ServiceEntry",
        json!({"hosts": ["a.b"], "addresses": ["10.0.0.0/24"], "location": "MESH_INTERNAL", "resolution": "DNS_ROUND_ROBIN",
            "ports": [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}], "endpoints": [entry],
            "workloadSelector": {"labels": {"a": "b"}}, "exportTo": ["."], "subjectAltNames": ["x"]}),
    )
    .unwrap();
    istio("v1", "WorkloadEntry", entry.clone()).unwrap();
    istio(
        "v1",
        "WorkloadGroup",
        json!({"metadata": {"labels": {"a": "b"}, "annotations": {}}, "template": entry,
            "probe": {"httpGet": {"path": "/", "port": 80, "host": "h", "scheme": "HTTP", "httpHeaders": [{"name": "a", "value": "b"}]},
            "tcpSocket": {"port": 80}, "exec": {"command": ["a"]}, "grpc": {"port": 80}, "initialDelaySeconds": 1,
            "timeoutSeconds": 1, "periodSeconds": 1, "successThreshold": 1, "failureThreshold": 1}}),
    )
    .unwrap();
    istio(
        "v1",
        "Sidecar",
        json!({"workloadSelector": {"labels": {"a": "b"}},
            "egress": [{"port": {"number": 15080, "protocol": "HTTP_PROXY", "name": "p"}, "bind": "127.0.0.1",
                "captureMode": "NONE", "hosts": ["./*", "~/*"]}],
            "ingress": [{"port": {"number": 9080, "protocol": "HTTP", "name": "p"}, "bind": "127.0.0.1", "captureMode": "NONE",
                "defaultEndpoint": "unix:///x", "tls": {"mode": "SIMPLE"}, "connectionPool": {}}],
            "outboundTrafficPolicy": {"mode": "ALLOW_ANY", "egressProxy": {"host": "h", "port": {"number": 1}}},
            "inboundConnectionPool": {"tcp": {}}}),
    )
    .unwrap();
    istio(
        "v1beta1",
        "ProxyConfig",
        json!({"selector": {}, "concurrency": 0, "environmentVariables": {"A": "b"},
        "image": {"imageType": "debug"}}),
    )
    .unwrap();
    istio(
        "v1alpha3",
        "EnvoyFilter",
        json!({"workloadSelector": {"labels": {}}, "targetRefs": [], "priority": -1, "configPatches": [{"applyTo": "HTTP_FILTER",
            "match": {"context": "SIDECAR_INBOUND", "proxy": {"proxyVersion": "x", "metadata": {}}, "listener": {"portNumber": 1,
            "portName": "p", "name": "n", "listenerFilter": "f", "filterChain": {"name": "n", "sni": "s", "transportProtocol": "tls",
            "applicationProtocols": "h2", "destinationPort": 1, "transportSocket": "t", "filter": {"name": "n", "subFilter": {"name": "n"}}}},
            "routeConfiguration": {"portNumber": 1, "portName": "p", "gateway": "a/b", "name": "n", "vhost": {"name": "n", "domainName": "d",
            "route": {"name": "n", "action": "DIRECT_RESPONSE"}}}, "cluster": {"portNumber": 1, "service": "s", "subset": "s", "name": "n"},
            "waypoint": {"portNumber": 1, "filter": {"name": "n", "subFilter": {"name": "n"}}, "route": {"name": "n"}}},
            "patch": {"operation": "MERGE_AND_REPLACE_LIST", "value": {"a": [1]}, "filterClass": "AUTHZ"}}]}),
    )
    .unwrap();
    istio(
        "v1",
        "AuthorizationPolicy",
        json!({"selector": {"matchLabels": {}}, "targetRef": {"kind": "Gateway", "name": "g"}, "targetRefs": [], "action": "CUSTOM",
            "provider": {"name": "p"}, "rules": [{}, {"from": [{"source": {"principals": ["*"], "notPrincipals": ["*"],
            "requestPrincipals": ["*"], "notRequestPrincipals": [], "namespaces": ["a"], "notNamespaces": [], "serviceAccounts": ["a/b"],
            "notServiceAccounts": [], "trustDomains": [], "notTrustDomains": [], "ipBlocks": ["1.1.1.1"], "notIpBlocks": [],
            "remoteIpBlocks": [], "notRemoteIpBlocks": []}}], "to": [{"operation": {"hosts": ["a"], "notHosts": [],
            "ports": ["80"], "notPorts": [], "methods": ["GET"], "notMethods": [], "paths": ["/a/{*}"], "notPaths": []}}],
            "when": [{"key": "request.headers[x]", "values": ["1"], "notValues": ["2"]}]}]}),
    )
    .unwrap();
    istio(
        "v1",
        "RequestAuthentication",
        json!({"selector": {}, "targetRefs": [], "jwtRules": [{"issuer": "i", "audiences": ["a"], "jwksUri": "https://x", "jwks": "{}",
            "fromHeaders": [{"name": "n", "prefix": "p"}], "fromParams": ["p"], "fromCookies": ["c"],
            "outputPayloadToHeader": "h", "outputClaimToHeaders": [{"header": "h", "claim": "c"}],
            "forwardOriginalToken": true, "timeout": "1s", "spaceDelimitedClaims": ["s"], "presence": "REQUIRED", "failedStatusInMetadata": true},
            {"jwks_uri": "https://x", "presence": "IGNORED"}, {"presence": "OPTIONAL"}]}),
    )
    .unwrap();
    istio(
        "v1",
        "Telemetry",
        json!({"selector": {}, "targetRefs": [], "tracing": [{"match": {"mode": "CLIENT"}, "providers": [{"name": "p"}],
            "randomSamplingPercentage": 1.5, "disableSpanReporting": true, "customTags": {"a": {"literal": {"value": "x"}},
            "b": {"environment": {"name": "E", "defaultValue": "x"}}, "c": {"header": {"name": "h", "defaultValue": "x"}},
            "d": {"formatter": {"value": "%REQ(X)%"}}},
            "enableIstioTags": true, "useRequestIdForTraceSampling": true, "disableContextPropagation": true}],
            "metrics": [{"providers": [{"name": "p"}], "reportingInterval": "1s", "overrides": [{"match": {"metric": "REQUEST_COUNT",
            "mode": "SERVER"}, "disabled": true, "tagOverrides": {"a": {"operation": "UPSERT", "value": "x"}}},
            {"match": {"customMetric": "m"}, "tagOverrides": {"a": {"operation": "REMOVE"}}}]}],
            "accessLogging": [{"match": {"mode": "CLIENT_AND_SERVER"}, "providers": [], "disabled": true,
            "filter": {"expression": "response.code >= 400"}}]}),
    )
    .unwrap();
    istio(
        "v1alpha1",
        "WasmPlugin",
        json!({"selector": {}, "targetRefs": [], "url": "oci://x", "sha256": "x", "imagePullPolicy": "Always", "imagePullSecret": "x",
            "pluginConfig": {"a": 1}, "pluginName": "n", "phase": "AUTHN", "priority": 10, "failStrategy": "FAIL_OPEN", "type": "HTTP",
            "match": [{"mode": "SERVER", "ports": [{"number": 80}]}], "verificationKey": "k",
            "vmConfig": {"env": [{"name": "A", "valueFrom": "HOST"}, {"name": "B", "value": "b"}]}}),
    )
    .unwrap();
    for code in [
        json!({"lua": {"inlineCode": "x"}}),
        json!({"wasm": {"url": "oci://x", "sha256": "x",
        "imagePullPolicy": "IfNotPresent", "imagePullSecret": "x", "pluginConfig": {}, "pluginName": "n",
        "failStrategy": "FAIL_RELOAD", "type": "NETWORK", "vmConfig": {"env": []}, "verificationKey": "k"}}),
    ] {
        let mut spec = json!({"selector": {}, "targetRefs": [], "phase": "STATS", "priority": -1,
            "match": [{"mode": "UNDEFINED"}]});
        spec.as_object_mut().unwrap().extend(code.as_object().unwrap().clone());
        istio("v1alpha1", "TrafficExtension", spec).unwrap();
    }
}

#[test]
fn kubernetes_fields_that_the_mesh_does_not_read_are_accepted() {
    let document = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {
        "sessionAffinity": "None", "clusterIP": "10.0.0.1", "selector": {"app": "a"},
        "ports": [{"port": 80, "targetPort": "http", "name": "http", "appProtocol": "grpc", "x": 1}]}});
    let AnyResource::Service(r) =
        AnyResource::from_value(meta("", "v1", "Service"), document, Arc::default()).unwrap()
    else {
        panic!()
    };
    assert_eq!(r.spec.cluster_ip, "10.0.0.1");
    assert_eq!(
        r.spec.ports[0].target_port,
        Some(super::super::kubernetes::IntOrString::String("http".into()))
    );
    let pod =
        json!({"metadata": {}, "spec": {"volumes": []}, "status": {"podIP": "10.1.0.1", "phase": "Running"}});
    let AnyResource::Pod(r) = AnyResource::from_value(meta("", "v1", "Pod"), pod, Arc::default()).unwrap()
    else {
        panic!()
    };
    assert_eq!(r.spec.status.pod_ip, "10.1.0.1");
}

#[test]
fn a_mesh_config_has_istios_defaults_and_knows_every_field_of_the_guide() {
    let empty: MeshConfig = from_value_at("", json!({})).unwrap();
    assert_eq!(empty, MeshConfig::default());
    let c: MeshConfig = from_value_at("mesh", every_setting_of_a_mesh()).unwrap();
    assert_eq!((c.root_namespace.as_str(), c.enable_auto_mtls), ("root", false));
    let e =
        from_value_at::<MeshConfig>("mesh", json!({"defaultConfig": {"concurrency": "two"}})).unwrap_err();
    assert_eq!(e.path, "mesh.defaultConfig.concurrency");
}

/// The fields of both objects.
fn with(mut some: serde_json::Value, more: &serde_json::Value) -> serde_json::Value {
    some.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    some
}

/// Every field of a MeshConfig, so that each is read.
fn every_setting_of_a_mesh() -> serde_json::Value {
    let tls = json!({"mode": "SIMPLE", "sni": "a"});
    let at = |more: serde_json::Value| with(json!({"service": "a.b", "port": 80}), &more);
    let selector = json!({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "DoesNotExist"},
        {"key": "b", "operator": "NotIn", "values": ["c"]}]});
    let body = json!({"maxRequestBytes": 1, "allowPartialMessage": true, "packAsBytes": true});
    let header = json!([{"name": "a", "value": "b"}, {"name": "c", "envName": "D"}]);
    let http = json!({"path": "/", "timeout": "1s", "headers": header});
    let providers = json!([
        {"name": "a", "envoyExtAuthzHttp": at(json!({"timeout": "1s", "pathPrefix": "/", "failOpen": true, "clearRouteCache": true,
            "statusOnError": "503", "includeHeadersInCheck": ["a"], "includeRequestHeadersInCheck": ["a*"],
            "includeAdditionalHeadersInCheck": {"a": "b"}, "includeRequestBodyInCheck": body, "headersToUpstreamOnAllow": ["a"],
            "headersToDownstreamOnDeny": ["a"], "headersToDownstreamOnAllow": ["a"]}))},
        {"name": "b", "envoyExtAuthzGrpc": at(json!({"timeout": "1s", "failOpen": true, "clearRouteCache": true,
            "statusOnError": "503", "includeRequestBodyInCheck": body, "port": "9000"}))},
        {"name": "c", "zipkin": at(json!({"maxTagLength": 1, "enable64bitTraceId": true, "path": "/", "timeout": "1s",
            "traceContextOption": "USE_B3_WITH_W3C_PROPAGATION", "headers": header}))},
        {"name": "d", "lightstep": at(json!({"accessToken": "x", "maxTagLength": 1}))},
        {"name": "e", "datadog": at(json!({"maxTagLength": 1}))},
        {"name": "f", "stackdriver": {"debug": true, "maxNumberOfAttributes": 1, "maxNumberOfAnnotations": 1,
            "maxNumberOfMessageEvents": 1, "maxTagLength": 1, "logging": {"labels": {"a": "b"}}}},
        {"name": "g", "opencensus": at(json!({"context": ["W3C_TRACE_CONTEXT", "GRPC_BIN", "CLOUD_TRACE_CONTEXT", "B3"],
            "maxTagLength": 1}))},
        {"name": "h", "skywalking": at(json!({"accessToken": "x"}))},
        {"name": "i", "opentelemetry": at(json!({"maxTagLength": 1, "http": http, "grpc": {"timeout": "1s", "initialMetadata": header},
            "resourceDetectors": {"environment": {}, "dynatrace": {}}, "serviceAttributeEnrichment": "OTEL_SEMANTIC_CONVENTIONS",
            "dynatraceSampler": {"tenant": "t", "clusterId": -1, "rootSpansPerMinute": 1, "httpService": at(json!({"http": http}))}}))},
        {"name": "j", "prometheus": {}},
        {"name": "k", "envoyFileAccessLog": {"path": "/dev/stdout", "omitEmptyValues": true,
            "logFormat": {"labels": {"a": "%START_TIME%"}}}},
        {"name": "l", "envoyHttpAls": at(json!({"logName": "a", "filterStateObjectsToLog": ["a"], "additionalRequestHeadersToLog": ["a"],
            "additionalResponseHeadersToLog": ["a"], "additionalResponseTrailersToLog": ["a"]}))},
        {"name": "m", "envoyTcpAls": at(json!({"logName": "a", "filterStateObjectsToLog": ["a"]}))},
        {"name": "n", "envoyOtelAls": at(json!({"logName": "a", "logFormat": {"text": "a", "labels": {"a": "b"}}}))},
        {"name": "o", "sds": at(json!({"name": "a"}))},
    ]);
    let headers = json!({"forwardedClientCert": "SANITIZE", "requestId": {"disabled": true}, "attemptCount": {"disabled": true},
        "setCurrentClientCertDetails": {"subject": true, "cert": true, "chain": true, "dns": true, "uri": true},
        "server": {"disabled": false, "value": "a"}, "envoyDebugHeaders": {"disabled": true}, "preserveHttp1HeaderCase": true,
        "metadataExchangeHeaders": {"mode": "IN_MESH"}, "xForwardedHost": {"enabled": true}, "xForwardedPort": {"enabled": true}});
    let bounds = json!({"profile": "EDGE", "listenerPerConnectionBufferLimitBytes": 1, "clusterPerConnectionBufferLimitBytes": 1,
        "httpIdleTimeout": "1s", "httpMaxConnectionDuration": "1s", "httpMaxStreamDuration": "1s", "httpStreamIdleTimeout": "1s",
        "httpRequestTimeout": "1s", "httpRequestHeadersTimeout": "1s", "httpDrainTimeout": "1s", "httpMaxConcurrentStreams": 1,
        "http2InitialStreamWindowSize": 1, "http2InitialConnectionWindowSize": 1, "httpMergeSlashes": true,
        "httpHeadersWithUnderscoresAction": "HEADERS_WITH_UNDERSCORES_REJECT_REQUEST",
        "httpPathWithEscapedSlashesAction": "UNESCAPE_AND_REDIRECT", "listenerConnectionLimit": 1,
        "globalDownstreamConnectionLimit": 1});
    let remote = json!({"address": "a:1", "tlsSettings": tls, "tcpKeepalive": {"probes": 1}});
    let tracing = json!({"zipkin": {"address": "a:1"}, "lightstep": {"address": "a:1", "accessToken": "x"}, "datadog": {"address": "a:1"},
        "stackdriver": {"debug": true, "maxNumberOfAttributes": 1, "maxNumberOfAnnotations": 1, "maxNumberOfMessageEvents": 1},
        "openCensusAgent": {"address": "a", "context": ["UNSPECIFIED"]}, "maxPathTagLength": 1, "sampling": 99.5, "tlsSettings": tls,
        "customTags": {"a": {"literal": {"value": "x"}}, "b": {"environment": {"name": "B", "defaultValue": "x"}},
            "c": {"header": {"name": "x-c"}}}, "enableIstioTags": true});
    let proxy = json!({"discoveryAddress": "x:15012", "concurrency": 0, "proxyMetadata": {"A": "b"}, "holdApplicationUntilProxyStarts": true,
        "tracing": tracing, "gatewayTopology": {"numTrustedProxies": 1, "forwardClientCertDetails": "SANITIZE_SET", "proxyProtocol": {}},
        "drainDuration": "45s", "terminationDrainDuration": "5s", "statusPort": 15020, "proxyAdminPort": 15000,
        "interceptionMode": "TPROXY", "readinessProbe": {"tcpSocket": {"port": 80}}, "proxyHeaders": headers,
        "proxyStatsMatcher": {"inclusionPrefixes": ["a"], "inclusionSuffixes": ["a"], "inclusionRegexps": ["a"]},
        "image": {"imageType": "debug"}, "meshId": "m", "connectionSettings": bounds, "privateKeyProvider": {
            "cryptomb": {"pollDelay": "1ms", "fallback": true}, "qat": {"pollDelay": "1ms", "fallback": true}}});
    let more_of_proxy = json!({
        "statsdUdpAddress": "a:1", "envoyAccessLogService": remote, "envoyMetricsService": remote, "runtimeValues": {"a": "b"},
        "fileFlushInterval": "1s", "fileFlushMinSizeKb": 64, "statsCompression": true, "extraStatTags": ["a"], "caCertificatesPem": ["a"],
        "configPath": "/a", "binaryPath": "/a", "serviceCluster": "a", "tracingServiceName": "CANONICAL_NAME_AND_NAMESPACE",
        "controlPlaneAuthPolicy": "MUTUAL_TLS", "customConfigFile": "a", "statNameLength": 189, "proxyBootstrapTemplatePath": "/a",
        "zipkinAddress": "a:1", "envoyMetricsServiceAddress": "a:1", "discoveryRefreshDelay": "1s", "availabilityZone": "a",
        "sds": {"enabled": true, "k8sSaJwtPath": "/a"}});
    let suites =
        json!({"minProtocolVersion": "TLSV1_3", "ecdhCurves": ["P-256"], "cipherSuites": ["AES128-SHA"]});
    let proxy = with(proxy, &more_of_proxy);
    let connections = json!({
        "proxyListenPort": 15001, "proxyInboundListenPort": 15006, "proxyHttpPort": 15007, "connectTimeout": "3s",
        "protocolDetectionTimeout": "0s", "tcpKeepalive": {"probes": 1, "time": "1s", "interval": "1s"}, "hboneIdleTimeout": "1h",
        "dnsRefreshRate": "60s", "h2UpgradePolicy": "UPGRADE", "trustDomain": "td", "trustDomainAliases": ["a"], "enableAutoMtls": false,
        "caCertificates": [{"pem": "x", "spiffeBundleUrl": "y", "certSigners": ["a"], "trustDomains": ["b"]}],
        "ca": {"address": "a:1", "tlsSettings": tls, "requestTimeout": "1s", "istiodSide": true}, "meshMTLS": suites, "tlsDefaults": suites,
        "certificates": [{"secretName": "a", "dnsNames": ["b"]}], "verifyCertificateAtClient": true,
        "outboundTrafficPolicy": {"mode": "ALLOW_ANY_DYNAMIC_DNS", "tls": tls}, "inboundTrafficPolicy": {"mode": "LOCALHOST"},
    });
    let services = json!({
        "defaultHttpRetryPolicy": {"attempts": 0}, "defaultServiceExportTo": ["."], "defaultVirtualServiceExportTo": ["*"],
        "defaultDestinationRuleExportTo": ["a"], "localityLbSetting": {"enabled": true},
        "zoneAwareLbSetting": {"enabled": true, "failover": [{"from": "a", "to": "b"}], "failoverPriority": ["a"], "minClusterSize": 1},
        "defaultTrafficPolicy": {"connectionPool": {"tcp": {}}, "outlierDetection": {"interval": "1s"}},
        "pathNormalization": {"normalization": "MERGE_SLASHES"},
        "serviceSettings": [{"settings": {"clusterLocal": true}, "hosts": ["*.a"]}],
        "serviceScopeConfigs": [{"namespaceSelector": selector, "servicesSelector": selector, "scope": "GLOBAL"}],
        "serviceEntryVisibility": {"defaultVisibility": "NAMESPACE", "applyToSidecars": true,
            "policies": [{"matchingRules": [{"namespaceSelector": selector}], "visibility": "PUBLIC"}]},
    });
    let rest = json!({
        "rootNamespace": "root", "discoverySelectors": [selector],
        "configSources": [{"address": "fs:///a", "tlsSettings": tls, "subscribedResources": ["SERVICE_REGISTRY"]}],
        "ingressClass": "a", "ingressService": "a", "ingressSelector": "a", "ingressControllerMode": "OFF", "enableTracing": true,
        "accessLogFile": "/dev/stdout", "accessLogFormat": "a", "accessLogEncoding": "JSON", "enablePrometheusMerge": true,
        "enableEnvoyAccessLogService": true, "disableEnvoyListenerLog": true, "inboundClusterStatName": "a",
        "outboundClusterStatName": "a", "defaultProviders": {"tracing": ["c"], "metrics": ["j"], "accessLogging": ["k"]},
        "extensionProviders": providers, "defaultConfig": proxy,
    });
    with(connections, &with(services, &rest))
}
