//! The kinds that say who may do what, what is measured, and what runs inside of proxies.

use super::{is_fine, only};

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
fn a_selector_has_at_most_4096_labels_whatever_the_kind() {
    let labels = |n: usize| (0..n).map(|i| format!("l{i}: a")).collect::<Vec<_>>().join(", ");
    for kind in ["PeerAuthentication", "Telemetry", "RequestAuthentication", "ProxyConfig"] {
        is_fine(kind, &format!("{{selector: {{matchLabels: {{{}}}}}}}", labels(4096)));
        assert_eq!(
            only(kind, &format!("{{selector: {{matchLabels: {{{}}}}}}}", labels(4097))),
            "spec.selector.matchLabels: 4097 labels; there may be 4096"
        );
    }
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
    assert!(policy("{to: [{operation: {paths: ['/a/{*']}}]}").contains("is compared with its braces"));
    assert!(policy("{to: [{operation: {paths: ['/{*}/{*']}}]}").contains("is not a template of paths"));
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
    assert_eq!(jwt("{audiences: [a]}"), "spec.jwtRules[0].issuer: the issuer is missing");
    assert!(jwt("{issuer: a, jwksUri: 'ftp://x'}").contains("is not a URL"));
    assert!(jwt("{issuer: a, jwks: '{}'}").contains("not a set of keys"));
    assert!(jwt("{issuer: a, fromHeaders: [{prefix: b}]}").contains("header's name is missing"));
}

#[test]
fn a_policy_attaches_in_one_way_to_something_that_it_can_attach_to() {
    let to = |to: &str| only("AuthorizationPolicy", &format!("{{{to}}}"));
    assert_eq!(
        to("targetRef: {kind: Pod, name: a}"),
        "spec.targetRef.kind: Pod is not a kind that a policy attaches to"
    );
    assert!(
        to("selector: {matchLabels: {a: b}}, targetRefs: [{kind: Service, name: a}]")
            .contains("more than one")
    );
}

#[test]
fn a_deny_rule_on_requests_that_does_not_say_its_ports_is_a_warning() {
    let policy = |rule: &str| only("AuthorizationPolicy", &format!("{{action: DENY, rules: [{rule}]}}"));
    let message = "on ports that are not HTTP, where no request is seen, this denies whole connections";
    assert_eq!(
        policy("{to: [{operation: {methods: [POST]}}]}"),
        format!("warning spec.rules[0].to: {message}")
    );
    assert_eq!(
        policy("{from: [{source: {requestPrincipals: ['*']}}]}"),
        format!("warning spec.rules[0].from: {message}")
    );
    // What is known of connections narrows the rule; an operation without ports widens it again.
    assert!(
        policy("{from: [{source: {namespaces: [a]}}], to: [{operation: {paths: [/a]}}]}").contains(message)
    );
    for fine in [
        "{from: [{source: {namespaces: [a]}}]}",
        "{from: [{source: {notRequestPrincipals: ['*'], notTrustDomains: [a]}}]}",
        "{to: [{operation: {methods: [POST], notPorts: ['80']}}]}",
        "{to: [{operation: {methods: [POST]}}], when: [{key: destination.port, values: ['80']}]}",
        "{when: [{key: 'request.headers[x]', values: [a]}]}",
        "{}",
    ] {
        is_fine("AuthorizationPolicy", &format!("{{action: DENY, rules: [{fine}]}}"));
    }
    is_fine("AuthorizationPolicy", "{rules: [{to: [{operation: {methods: [POST]}}]}]}");
}

#[test]
fn what_a_policy_may_just_say_is_fine() {
    is_fine(
        "AuthorizationPolicy",
        "{selector: {matchLabels: {app: web}}, rules: [{from: [{source: {principals: [a, 'b*', '*c', '*'], \
         requestPrincipals: ['https://i/*'], namespaces: ['a*'], ipBlocks: [1.2.3.4, 5.6.0.0/16, '::1', 'fd00::/8'], \
         remoteIpBlocks: [0.0.0.0/0], trustDomains: [td]}}, {source: {serviceAccounts: [sa, ns/sa.b]}}], \
         to: [{operation: {hosts: [a.com, '*.b.com', 'c.*', '*'], ports: ['1', '65535'], methods: ['*'], \
         paths: [/a, '/b/*', '*/c', '*', '/d/{*}', '/{**}/e', '/{*}/f/{**}', '/g/{*}/']}}], \
         when: [{key: 'request.headers[X-Token]', values: ['a*'], notValues: ['*']}, {key: source.ip, notValues: [10.0.0.0/8]}, \
         {key: 'request.auth.claims[a][b]', values: [c]}, {key: destination.port, values: ['80']}, \
         {key: 'experimental.envoy.filters.a.b[c]', values: [d]}, {key: connection.sni, values: ['*.a.com']}, \
         {key: source.serviceAccount, values: [ns/sa]}, {key: source.trustDomain, values: [td]}]}]}",
    );
    is_fine("AuthorizationPolicy", "{action: AUDIT, rules: [{}]}");
    is_fine(
        "AuthorizationPolicy",
        "{action: CUSTOM, provider: {name: p}, rules: [{from: [{source: {ipBlocks: [1.1.1.1], notRemoteIpBlocks: [1.1.1.1]}}], \
         when: [{key: source.ip, values: [1.1.1.1]}]}]}",
    );
    is_fine("PeerAuthentication", "{selector: {matchLabels: {a: b}}, mtls: {}, portLevelMtls: {65535: {}}}");
    let longest = "x".repeat(63);
    is_fine("PeerAuthentication", &format!("{{selector: {{matchLabels: {{a: {longest}}}}}}}"));
}

#[test]
fn a_policy_attaches_to_services_service_entries_gateways_and_their_classes() {
    for target in [
        "{kind: Service, name: a}",
        "{group: core, kind: Service, name: a}",
        "{group: networking.istio.io, kind: ServiceEntry, name: a}",
        "{group: gateway.networking.k8s.io, kind: Gateway, name: a}",
        "{group: gateway.networking.k8s.io, kind: GatewayClass, name: a}",
    ] {
        is_fine("AuthorizationPolicy", &format!("{{targetRefs: [{target}]}}"));
        is_fine("RequestAuthentication", &format!("{{targetRefs: [{target}]}}"));
        is_fine("Telemetry", &format!("{{targetRef: {target}}}"));
        is_fine("WasmPlugin", &format!("{{url: x, targetRef: {target}}}"));
        is_fine("TrafficExtension", &format!("{{wasm: {{url: x}}, targetRefs: [{target}]}}"));
    }
    assert_eq!(
        only("Telemetry", "{targetRefs: [{group: networking.istio.io, kind: Gateway, name: a}]}"),
        "spec.targetRefs[0].group: Gateway is not of group \"networking.istio.io\""
    );
    is_fine("AuthorizationPolicy", "{selector: {matchLabels: {a: b}}, targetRefs: []}");
}

#[test]
fn keys_are_fetched_from_the_issuer_and_from_nobody_inside() {
    let uri = |uri: &str| {
        only("RequestAuthentication", &format!("{{jwtRules: [{{issuer: a, jwksUri: '{uri}'}}]}}"))
    };
    for inside in [
        "http://169.254.169.254/latest/meta-data",
        "https://localhost:8443/",
        "http://LocalHost./",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://0.0.0.0/",
        "http://metadata.google.internal/computeMetadata",
    ] {
        assert!(uri(inside).contains("is not where an issuer's keys are"), "{inside}");
    }
    for wrong in ["", "keys", "https://", "file:///keys", "https:/a"] {
        assert!(uri(wrong).contains("is not a URL of http or https"), "{wrong}");
    }
    for fine in [
        "https://i/k",
        "http://jwt.default.svc:8000/keys",
        "http://10.0.0.1/",
        "https://localhost.example.com/",
    ] {
        is_fine("RequestAuthentication", &format!("{{jwtRules: [{{issuer: a, jwksUri: '{fine}'}}]}}"));
    }
}

#[test]
fn what_a_rule_of_tokens_may_just_say_is_fine() {
    is_fine("RequestAuthentication", "{}");
    for rule in [
        "{issuer: a}",
        "{jwksUri: https://a}",
        "{jwks_uri: https://a}",
        r#"{issuer: a, jwks: '{"keys": []}'}"#,
        r#"{issuer: a, jwks: '{"keys": [{"kty": "EC"}, {"kty": "RSA"}, {"kty": "OKP"}, {"kty": "oct"}]}'}"#,
        "{issuer: a, presence: IGNORED, failedStatusInMetadata: true, timeout: 1ms, spaceDelimitedClaims: [a], \
         fromHeaders: [{name: x-a, prefix: 'Bearer '}], fromParams: [a], fromCookies: [a], \
         outputPayloadToHeader: x-p, outputClaimToHeaders: [{header: x-a-1, claim: a.b}]}",
    ] {
        is_fine("RequestAuthentication", &format!("{{jwtRules: [{rule}]}}"));
    }
}

#[test]
fn what_telemetry_may_just_say_is_fine() {
    is_fine("Telemetry", "{}");
    is_fine(
        "Telemetry",
        "{tracing: [{providers: [{name: p}], randomSamplingPercentage: 0, customTags: {a: {literal: {value: x}}, \
         b: {environment: {name: E}}, c: {header: {name: h, defaultValue: ''}}, d: {formatter: {value: '%PROTOCOL%'}}}}], \
         metrics: [{reportingInterval: 1ms, overrides: [{match: {mode: CLIENT}, disabled: true}, {match: {metric: ALL_METRICS}, \
         tagOverrides: {a: {value: request.host}, b: {operation: REMOVE}}}, {match: {customMetric: m}}]}], \
         accessLogging: [{providers: [{name: a}, {name: b}], filter: {expression: 'response.code >= 400'}}, {disabled: true}]}",
    );
    is_fine("Telemetry", "{tracing: [{randomSamplingPercentage: 100}]}");
}

#[test]
fn what_an_extension_may_just_say_is_fine() {
    let hash = "0123456789abcdef".repeat(4);
    for url in [
        "registry/image",
        "oci://ghcr.io/a/b:1",
        "10.0.0.1:5000/a",
        "https://a/b.wasm?x=1",
        "HTTP://a",
        "file:///opt/a.wasm",
        &format!("oci://a/b@sha256:{hash}"),
    ] {
        is_fine("WasmPlugin", &format!("{{url: '{url}', sha256: {hash}, pluginName: {}}}", "n".repeat(256)));
        is_fine("TrafficExtension", &format!("{{wasm: {{url: '{url}', sha256: ''}}}}"));
    }
    for wrong in [
        "''",
        "'#%blah$#@'",
        "'oci://'",
        "'https:///a'",
        "'a b'",
        "'a/%zz'",
        "'ftp://a'",
        "'registry:5000/a'",
    ] {
        let message = only("WasmPlugin", &format!("{{url: {wrong}}}"));
        assert!(message.starts_with("spec.url: "), "{message}");
    }
    is_fine("TrafficExtension", "{lua: {inlineCode: 'function envoy_on_response(handle) end'}}");
    is_fine(
        "WasmPlugin",
        "{url: a, match: [{ports: [{number: 1}, {number: 65535}]}, {mode: CLIENT, ports: [{number: 1}]}], \
         vmConfig: {env: [{name: A, value: ''}, {name: B, valueFrom: HOST}]}}",
    );
}

#[test]
fn a_script_has_a_bound() {
    let script = |bytes: usize| {
        let code = "function envoy_on_request(h) end --";
        format!("{{lua: {{inlineCode: '{code}{}'}}}}", "x".repeat(bytes - code.len()))
    };
    is_fine("TrafficExtension", &script(65536));
    assert_eq!(only("TrafficExtension", &script(65537)), "spec.lua.inlineCode: a script of 65537 characters");
}
