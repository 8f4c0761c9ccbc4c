//! The Gateway API's kinds, and those that make pods.

use super::*;

fn read(version: &str, kind: &str, spec: Value) -> Result<AnyResource, FieldError> {
    let group = "gateway.networking.k8s.io";
    let document = json!({"apiVersion": format!("{group}/{version}"), "kind": kind,
        "metadata": {"name": "x"}, "spec": spec, "status": {"anything": 1}});
    AnyResource::from_value(meta(group, version, kind), document, Arc::default())
}

#[test]
fn every_field_of_the_gateway_apis_gateways_is_known() {
    let listener = json!({"name": "n", "hostname": "*.example.com", "port": 443, "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"group": "", "kind": "Secret", "name": "n", "namespace": "m"}],
            "options": {"example.com/a": "b"}},
        "allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"},
            "matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["v"]}]}}, "kinds": [{"group": "g", "kind": "HTTPRoute"}]}});
    let validation = json!({"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "n", "namespace": "m"}],
        "mode": "AllowInsecureFallback"});
    let spec = json!({"gatewayClassName": "istio", "listeners": [listener], "addresses": [{"type": "IPAddress", "value": "10.0.0.1"}],
        "infrastructure": {"labels": {"a": "b"}, "annotations": {"a": "b"},
            "parametersRef": {"group": "", "kind": "ConfigMap", "name": "n"}},
        "allowedListeners": {"namespaces": {"from": "None", "selector": {}}},
        "tls": {"backend": {"clientCertificateRef": {"name": "n"}},
            "frontend": {"default": {"validation": validation}, "perPort": [{"port": 443, "tls": {"validation": validation}}]}},
        "defaultScope": "All"});
    let AnyResource::KubernetesGateway(r) = read("v1beta1", "Gateway", spec).unwrap() else { panic!() };
    assert_eq!(crate::api::gateway_api::Gateway::KIND, "Gateway");
    assert_eq!((r.spec.listeners[0].port, &*r.meta.kind), (443, "Gateway"));
    let parent =
        json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "n", "namespace": "m"});
    read("v1", "ListenerSet", json!({"parentRef": parent, "listeners": [listener]})).unwrap();
    let document = json!({"spec": {"parentRef": parent, "listeners": [listener]}});
    let meta = meta("gateway.networking.x-k8s.io", "v1alpha1", "XListenerSet");
    AnyResource::from_value(meta, document, Arc::default()).unwrap();
    read(
        "v1",
        "GatewayClass",
        json!({"controllerName": "a.b/c", "description": "d",
        "parametersRef": {"group": "", "kind": "ConfigMap", "name": "n", "namespace": "m"}}),
    )
    .unwrap();
}

#[test]
fn every_field_of_the_gateway_apis_routes_is_known() {
    let parents = json!([{"group": "", "kind": "Service", "namespace": "m", "name": "n", "sectionName": "s", "port": 80}]);
    let backend = json!({"group": "", "kind": "Service", "namespace": "m", "name": "n", "port": 80});
    let weighted =
        json!({"group": "", "kind": "Service", "namespace": "m", "name": "n", "port": 80, "weight": 3});
    let headers =
        json!({"set": [{"name": "a", "value": "b"}], "add": [{"name": "c", "value": "d"}], "remove": ["e"]});
    let path = json!({"type": "ReplaceFullPath", "replaceFullPath": "/"});
    let filters = json!([
        {"type": "RequestHeaderModifier", "requestHeaderModifier": headers},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": headers},
        {"type": "RequestMirror", "requestMirror": {"backendRef": backend, "percent": 3, "fraction": {"numerator": 1, "denominator": 3}}},
        {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "hostname": "h", "path": path, "port": 443, "statusCode": 301}},
        {"type": "URLRewrite", "urlRewrite": {"hostname": "h", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}},
        {"type": "CORS", "cors": {"allowOrigins": ["https://a"], "allowCredentials": true, "allowMethods": ["GET", "*"],
            "allowHeaders": ["a"], "exposeHeaders": ["b"], "maxAge": 3}},
        {"type": "ExternalAuth", "externalAuth": {"protocol": "HTTP", "backendRef": backend, "grpc": {"allowedHeaders": ["a"]},
            "http": {"path": "/", "allowedHeaders": ["a"], "allowedResponseHeaders": ["b"]}, "forwardBody": {"maxSize": 3}}},
        {"type": "ExtensionRef", "extensionRef": {"group": "g", "kind": "K", "name": "n"}}]);
    let session = json!({"sessionName": "s", "absoluteTimeout": "1h", "idleTimeout": "1m", "type": "Cookie",
        "cookieConfig": {"lifetimeType": "Permanent"}});
    let mut with_filters = weighted.clone();
    with_filters["filters"] = filters.clone();
    let spec = json!({"parentRefs": parents, "useDefaultGateways": "All", "hostnames": ["a.b"], "rules": [{"name": "n",
        "matches": [{"path": {"type": "Exact", "value": "/"}, "headers": [{"type": "RegularExpression", "name": "a", "value": "b"}],
            "queryParams": [{"type": "Exact", "name": "a", "value": "b"}], "method": "PATCH"}],
        "filters": filters, "backendRefs": [with_filters], "timeouts": {"request": "10s", "backendRequest": "500ms"},
        "retry": {"codes": [503], "attempts": 3, "backoff": "100ms"}, "sessionPersistence": session}]});
    read("v1", "HTTPRoute", spec).unwrap();
    let few = json!([filters[0], filters[1], filters[2], filters[7]]);
    with_filters["filters"] = few.clone();
    read("v1", "GRPCRoute", json!({"parentRefs": parents, "useDefaultGateways": "None", "hostnames": ["a.b"], "rules": [{"name": "n",
        "matches": [{"method": {"type": "Exact", "service": "s", "method": "m"}, "headers": [{"type": "Exact", "name": "a", "value": "b"}]}],
        "filters": few, "backendRefs": [with_filters], "sessionPersistence": session}]}))
    .unwrap();
    let plain = json!({"parentRefs": parents, "useDefaultGateways": "None", "rules": [{"name": "n", "backendRefs": [weighted]}]});
    read("v1alpha2", "TCPRoute", plain.clone()).unwrap();
    read("v1", "UDPRoute", plain.clone()).unwrap();
    let mut named = plain;
    named["hostnames"] = json!(["a.b"]);
    for version in ["v1", "v1alpha3", "v1alpha2"] {
        read(version, "TLSRoute", named.clone()).unwrap();
    }
    read(
        "v1beta1",
        "ReferenceGrant",
        json!({"from": [{"group": "g", "kind": "K", "namespace": "m"}],
        "to": [{"group": "", "kind": "Service", "name": "n"}]}),
    )
    .unwrap();
    read("v1alpha3", "BackendTLSPolicy", json!({"targetRefs": [{"group": "", "kind": "Service", "name": "n", "sectionName": "s"}],
        "validation": {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "n"}], "wellKnownCACertificates": "System",
            "hostname": "h", "subjectAltNames": [{"type": "URI", "uri": "spiffe://a/b", "hostname": "h"}]}, "options": {"a": "b"}}))
    .unwrap();
}

#[test]
fn what_the_gateway_apis_server_fills_in_is_filled_in() {
    let AnyResource::HttpRoute(r) = read("v1", "HTTPRoute", json!({"parentRefs": [{"name": "n"}]})).unwrap()
    else {
        panic!()
    };
    let parent = &r.spec.parent_refs[0];
    assert_eq!((parent.group.as_str(), parent.kind.as_str()), ("gateway.networking.k8s.io", "Gateway"));
    assert_eq!(r.spec.rules.len(), 1);
    let spec = json!({"rules": [{"backendRefs": [{"name": "n"}]}]});
    let AnyResource::HttpRoute(r) = read("v1", "HTTPRoute", spec).unwrap() else { panic!() };
    let rule = &r.spec.rules[0];
    assert_eq!((rule.backend_refs[0].kind.as_str(), rule.backend_refs[0].weight), ("Service", 1));
    assert_eq!((rule.matches.len(), rule.matches[0].path.value.as_str()), (1, "/"));
}

#[test]
fn what_makes_pods_is_read_for_its_template() {
    let template = json!({"metadata": {"labels": {"app": "a"}, "annotations": {"b": "c"}},
        "spec": {"serviceAccountName": "s", "containers": [{"name": "c", "image": "i"}], "volumes": []}});
    for (kind, group) in
        [("Deployment", "apps"), ("StatefulSet", "apps"), ("DaemonSet", "apps"), ("Job", "batch")]
    {
        let document =
            json!({"spec": {"replicas": 3, "selector": {"matchLabels": {"app": "a"}}, "template": template}});
        AnyResource::from_value(meta(group, "v1", kind), document, Arc::default()).unwrap();
    }
    let document =
        json!({"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}});
    let AnyResource::CronJob(r) =
        AnyResource::from_value(meta("batch", "v1", "CronJob"), document, Arc::default()).unwrap()
    else {
        panic!()
    };
    let made = &r.spec.job_template.spec.template;
    assert_eq!((made.metadata.labels["app"].as_str(), made.spec.service_account_name.as_str()), ("a", "s"));
}
