//! What the Gateway API's CRDs take at the border of their rules must pass; what they refuse, the broken examples show.

use crate::diagnostic::{Color, text};
use crate::validate;
use crate::yaml::{Limits, resources};

/// All that is said of a resource.
fn said(api: &str, kind: &str, spec: &str) -> String {
    let document = format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n");
    let parsed = resources("a.yaml", &document, &Limits::default());
    let mut findings = parsed.findings;
    for resource in parsed.outcomes.iter().filter_map(|o| o.resource.as_ref()) {
        findings.extend(validate::check(resource));
    }
    text(&findings, Color::Never)
}

fn passes(kind: &str, spec: &str) {
    assert_eq!(said("gateway.networking.k8s.io/v1", kind, spec), "", "{spec}");
}

#[test]
fn a_gateways_border_cases_pass() {
    for listener in [
        "{name: a, port: 1, protocol: http}",
        "{name: a.b, port: 65535, protocol: TCP}",
        "{name: a, port: 443, protocol: https, tls: {certificateRefs: [{name: a}]}}",
        "{name: a, port: 443, protocol: TLS, tls: {mode: Passthrough}}",
        "{name: a, port: 443, protocol: TLS, hostname: '*.a.b', tls: {mode: Terminate, options: {a.b/c: d}}}",
        "{name: a, port: 15008, protocol: HBONE, allowedRoutes: {namespaces: {from: Same}}}",
        "{name: a, port: 1, protocol: example.com/Own}",
        "{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {}}}}",
        "{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{group: '', kind: Own-Kind2}]}}",
    ] {
        passes("Gateway", &format!("{{gatewayClassName: istio, listeners: [{listener}]}}"));
    }
    let http = "{name: a, port: 80, protocol: HTTP}";
    for rest in [
        "addresses: [{value: '::1'}, {type: Hostname, value: a.b}, {type: NamedAddress, value: x}, {type: a.b/c}, {}]",
        "infrastructure: {labels: {a.b/c: ''}, annotations: {a: 'anything at all'}}",
        "allowedListeners: {namespaces: {from: All}}",
        "tls: {frontend: {default: {}, perPort: [{port: 1, tls: {}}, {port: 2, tls: {}}]}}",
        "tls: {backend: {clientCertificateRef: {name: a, namespace: b}}}",
    ] {
        passes("Gateway", &format!("{{gatewayClassName: istio, listeners: [{http}], {rest}}}"));
    }
    // What differs in one thing is another listener.
    let other = "{name: b, port: 80, protocol: HTTP, hostname: a.b}, {name: c, port: 80, protocol: TCP}";
    passes("Gateway", &format!("{{gatewayClassName: istio, listeners: [{http}, {other}]}}"));
    passes("ListenerSet", &format!("{{parentRef: {{name: a, namespace: b}}, listeners: [{http}]}}"));
    passes(
        "GatewayClass",
        "{controllerName: example.com/a/b, description: '', parametersRef: {group: '', kind: A, name: a}}",
    );
}

#[test]
fn a_routes_border_cases_pass() {
    for spec in [
        "{}",
        "{parentRefs: [{name: a, sectionName: b}, {name: a, sectionName: c}, {name: a, namespace: b}]}",
        "{parentRefs: [{name: a, port: 1}, {name: a, port: 2}]}",
        "{parentRefs: [{name: a, sectionName: b, port: 1}, {name: a, sectionName: c}]}",
        "{parentRefs: [{group: '', kind: Service, name: a}], hostnames: ['*.a.b', a]}",
        "{rules: [{}, {name: a}, {name: b, matches: []}]}",
        "{rules: [{matches: [{path: {value: /}}, {path: {type: Exact, value: \"/a.b/~c/%7e!$&'()*+,;=:@\"}}]}]}",
        "{rules: [{matches: [{path: {type: RegularExpression, value: 'no/slash.*'}}]}]}",
        "{rules: [{matches: [{headers: [{name: a, value: b}, {name: A, value: b}], method: TRACE}]}]}",
        "{rules: [{backendRefs: [{name: a, port: 1, weight: 0}, {kind: Own, group: a.b, name: a, weight: 1000000}]}]}",
        "{rules: [{timeouts: {request: 0s, backendRequest: 1h}}, {timeouts: {request: 1s, backendRequest: 1s}}]}",
        "{rules: [{retry: {codes: [400, 599], attempts: 0}}]}",
        "{rules: [{sessionPersistence: {absoluteTimeout: 1h, cookieConfig: {lifetimeType: Permanent}}}]}",
    ] {
        passes("HTTPRoute", spec);
    }
    passes(
        "GRPCRoute",
        "{rules: [{matches: [{method: {service: .a.B_1}}, {method: {method: _m}}, {}]}, {}]}",
    );
    passes("GRPCRoute", "{rules: [{matches: [{method: {type: RegularExpression, service: 'a|b'}}]}]}");
    let rule = "{backendRefs: [{name: a, port: 1}]}";
    passes("TCPRoute", &format!("{{rules: [{rule}]}}"));
    passes("TLSRoute", &format!("{{hostnames: ['*.a'], rules: [{rule}]}}"));
    let old = "gateway.networking.k8s.io/v1alpha2";
    assert_eq!(said(old, "TCPRoute", &format!("{{rules: [{rule}, {rule}]}}")), "");
    assert_eq!(said(old, "TLSRoute", &format!("{{rules: [{rule}]}}")), "");
}

#[test]
fn nothing_written_is_no_empty_text() {
    for spec in [
        "{parentRefs: [{name: a, namespace: null, sectionName: ~}], rules: [{name: }]}",
        r#"{"parentRefs": [{"name": "a", "namespace": null}], "rules": [{"name": null}]}"#,
    ] {
        passes("HTTPRoute", spec);
    }
    let spec = r#"{"parentRefs": [{"name": "a", "namespace": ""}], "rules": [{"name": ''}]}"#;
    let both = said("gateway.networking.k8s.io/v1", "HTTPRoute", spec);
    assert_eq!(both.matches("an empty text").count(), 2, "{both}");
}

#[test]
fn lengths_are_counted_in_characters_as_schemas_count_them() {
    let umlauts = |n: usize| "ä".repeat(n);
    let value = |n| format!("{{rules: [{{matches: [{{headers: [{{name: a, value: {}}}]}}]}}]}}", umlauts(n));
    passes("HTTPRoute", &value(4096));
    assert!(said("gateway.networking.k8s.io/v1", "HTTPRoute", &value(4097)).contains("more than 4096"));
    let annotation = |n| {
        format!(
            "{{gatewayClassName: a, infrastructure: {{annotations: {{a: {}}}}}, listeners: [{{name: a, port: 1, protocol: HTTP}}]}}",
            umlauts(n)
        )
    };
    passes("Gateway", &annotation(4096));
    assert!(said("gateway.networking.k8s.io/v1", "Gateway", &annotation(4097)).contains("more than 4096"));
}

#[test]
fn a_listener_of_an_experimental_set_has_the_port_of_its_protocol() {
    let listeners = "[{name: a, protocol: HTTP}, {name: b, protocol: HTTPS, tls: {options: {a: b}}}]";
    let spec = format!("{{parentRef: {{name: a}}, listeners: {listeners}}}");
    assert_eq!(said("gateway.networking.x-k8s.io/v1alpha1", "XListenerSet", &spec), "");
    let both = said("gateway.networking.k8s.io/v1", "ListenerSet", &spec);
    assert_eq!(both.matches("the port's number is missing").count(), 2, "{both}");
}

#[test]
fn a_filters_border_cases_pass() {
    for filters in [
        "{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 1}, percent: 0}}, \
         {type: RequestMirror, requestMirror: {backendRef: {name: a, port: 1}, fraction: {numerator: 1, denominator: 1}}}",
        "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}], remove: [c]}}, \
         {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: a, value: b}]}}",
        "{type: RequestRedirect, requestRedirect: {}}",
        "{type: RequestRedirect, requestRedirect: {statusCode: 308, path: {type: ReplacePrefixMatch, replacePrefixMatch: ''}}}",
        "{type: CORS, cors: {allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], maxAge: 1}}",
        "{type: CORS, cors: {allowOrigins: ['https://*.a.b:65535', 'http://a', 'https://*'], exposeHeaders: ['*', a]}}",
        "{type: ExternalAuth, externalAuth: {protocol: GRPC, backendRef: {name: a, port: 1}, grpc: {}, forwardBody: {}}}",
        "{type: ExtensionRef, extensionRef: {group: '', kind: A, name: a}}, {type: ExtensionRef, extensionRef: {group: '', kind: A, name: b}}",
    ] {
        passes("HTTPRoute", &format!("{{rules: [{{filters: [{filters}]}}]}}"));
    }
}

#[test]
fn grants_and_policies_of_backends_pass_at_the_border() {
    passes("ReferenceGrant", "{from: [{group: '', kind: A, namespace: a}], to: [{group: '', kind: Secret}]}");
    let target = "{group: '', kind: Service, name: a, sectionName: x}, {group: '', kind: Service, name: a, sectionName: z}";
    for validation in [
        "{hostname: a.b, wellKnownCACertificates: System}",
        "{hostname: a, caCertificateRefs: [{group: '', kind: ConfigMap, name: a}]}",
        "{hostname: a, wellKnownCACertificates: System, subjectAltNames: [{type: Hostname, hostname: '*.a'}, {type: URI, uri: 'spiffe://a'}]}",
    ] {
        passes("BackendTLSPolicy", &format!("{{targetRefs: [{target}], validation: {validation}}}"));
    }
}

#[test]
fn an_ingresss_border_cases_pass() {
    let backend = "backend: {service: {name: a, port: {name: http}}}";
    for spec in [
        "{defaultBackend: {resource: {apiGroup: a.b, kind: C, name: d}}}".to_owned(),
        "{ingressClassName: istio, rules: [{host: '*.a.b'}], tls: [{hosts: ['*.a', 10.0.0.1], secretName: s}, {}]}"
            .to_owned(),
        format!("{{rules: [{{http: {{paths: [{{path: /a, pathType: Prefix, {backend}}}]}}}}]}}"),
        format!("{{rules: [{{http: {{paths: [{{pathType: ImplementationSpecific, {backend}}}]}}}}]}}"),
        format!(
            "{{rules: [{{http: {{paths: [{{path: '/a/.*', pathType: ImplementationSpecific, {backend}}}]}}}}]}}"
        ),
    ] {
        assert_eq!(said("networking.k8s.io/v1", "Ingress", &spec), "", "{spec}");
    }
}
