use super::{about, is_fine, only};

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

/// What is said of a traffic policy.
fn policy(policy: &str) -> Vec<String> {
    about("DestinationRule", &format!("{{host: a, trafficPolicy: {policy}}}"))
}

#[test]
fn values_at_the_border_are_taken() {
    for fine in [
        "{retryBudget: {percent: 100, minRetryConcurrency: 0}}",
        "{tunnel: {targetHost: 10.0.0.1, targetPort: 65535}}",
        "{tunnel: {protocol: POST, targetHost: a.b, targetPort: 1}}",
        "{proxyProtocol: {}}",
        "{connectionPool: {tcp: {maxConnections: 0, idleTimeout: 0s, connectTimeout: 1ms}}}",
        "{connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: false, http2KeepAlive: {interval: 15s, timeout: 5s}}}}",
        "{outlierDetection: {maxEjectionPercent: 0, minHealthPercent: 100, outlierDetectionHttpErrorCodes: [100, 599]}}",
        "{outlierDetection: {consecutiveLocalOriginFailures: 0, consecutiveErrors: 0, consecutiveGatewayErrors: 4, consecutive5xxErrors: 5}}",
        "{loadBalancer: {consistentHash: {maglev: {tableSize: 4999999}, useSourceIp: false}}}",
        "{loadBalancer: {consistentHash: {ringHash: {minimumRingSize: 8388608}, httpCookie: {name: c, ttl: 0s, attributes: [{name: Secure}]}}}}",
        "{loadBalancer: {consistentHash: {ringHash: {}, minimumRingSize: 0, useSourceIp: true}}}",
        "{loadBalancer: {warmup: {duration: 1ms, minimumPercent: 100, aggression: 1}}}",
        "{loadBalancer: {localityLbSetting: {distribute: [{from: 'a/*', to: {'a/b/*': 99, c: 1}}, {from: b, to: {'*': 100}}]}}}",
        "{loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}], failoverPriority: [app]}}, outlierDetection: {}}",
        "{loadBalancer: {zoneAwareLbSetting: {enabled: true, minClusterSize: 0, failoverPriority: ['app=a']}}, outlierDetection: {}}",
        "{tls: {mode: SIMPLE, insecureSkipVerify: true, sni: a}}",
        "{tls: {mode: MUTUAL, credentialName: a, insecureSkipVerify: true}}",
        "{tls: {mode: SIMPLE, credentialName: 'configmap://default/roots'}}",
        "{tls: {mode: DISABLE, credentialName: a, caCertificates: b}}",
        "{portLevelSettings: [{port: {number: 1}, tls: {}}, {port: {number: 65535}, connectionPool: {tcp: {}}}]}",
    ] {
        let said = policy(fine);
        assert!(said.is_empty(), "{fine}: {said:?}");
    }
}

#[test]
fn localities_of_a_list_do_not_overlap() {
    let shares = |to: &str| {
        policy(&format!("{{loadBalancer: {{localityLbSetting: {{distribute: [{{from: a, to: {to}}}]}}}}}}"))
    };
    assert!(shares("{a/b: 50, a/b/c: 50}")[0].contains("have localities in common"));
    assert!(shares("{'*': 50, a/b: 50}")[0].contains("have localities in common"));
    assert!(shares("{a/b: 50, a/c: 50}").is_empty());
    assert!(shares("{'a/*/c': 100}")[0].contains("a wildcard that is not at its end"));
    assert!(shares("{a//c: 100}")[0].contains("has an empty part"));
    assert!(shares("{a: 100, b: 0}")[0].contains("0 is not a share"));
    assert!(shares("{a: 99}")[0].contains("sum to 99"));
}

#[test]
fn regions_fail_over_to_other_regions() {
    let over = |from: &str, to: &str| {
        policy(&format!(
            "{{outlierDetection: {{}}, loadBalancer: {{localityLbSetting: {{failover: [{{from: {from}, to: {to}}}]}}}}}}"
        ))
    };
    assert!(over("a", "a")[0].contains("from \"a\" to itself"));
    assert!(over("a/b", "c")[0].contains("failover[0].from: \"a/b\" is not a region"));
    assert!(over("a", "'*'")[0].contains("failover[0].to: \"*\" is not a region"));
    let zones =
        policy("{loadBalancer: {zoneAwareLbSetting: {failoverPriority: [topology.kubernetes.io/zone]}}}");
    assert!(zones[0].contains("failoverPriority[0]: `topology.kubernetes.io/zone`"), "{zones:?}");
    assert!(zones[1].starts_with("warning ") && zones[1].contains("which endpoints fail"), "{zones:?}");
    let both = policy("{loadBalancer: {zoneAwareLbSetting: {}, localityLbSetting: {}}}");
    assert!(both[0].contains("`zoneAwareLbSetting` beside `localityLbSetting`"));
}

#[test]
fn certificates_come_from_one_place_and_are_verified() {
    let tls = |tls: &str| policy(&format!("{{tls: {tls}}}"));
    assert!(
        tls("{mode: SIMPLE, credentialName: a, caCrl: b}")[0].contains("`caCrl` beside `credentialName`")
    );
    assert!(
        tls("{mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a]}")[0].contains("verifies nothing")
    );
    assert!(
        tls("{mode: SIMPLE, insecureSkipVerify: true, credentialName: a}")[0].contains("verifies nothing")
    );
    assert!(
        tls("{mode: SIMPLE, credentialName: 'configmap://other/roots'}")[0].contains("of another namespace")
    );
    assert!(
        tls("{mode: SIMPLE, credentialName: 'configmap://'}")[0].contains("is not the name of a ConfigMap")
    );
    assert!(tls("{mode: SIMPLE, credentialName: 'configmap://roots'}")[0].contains("without its namespace"));
    assert!(tls("{mode: ISTIO_MUTUAL, privateKey: a}")[0].starts_with("warning "));
}

#[test]
fn what_has_no_effect_is_warned_of() {
    for idle in [
        "{outlierDetection: {consecutiveErrors: 5}}",
        "{outlierDetection: {consecutiveGatewayErrors: 5, consecutive5xxErrors: 5}}",
        "{loadBalancer: {consistentHash: {useSourceIp: true, minimumRingSize: 7}}}",
        "{loadBalancer: {warmup: {duration: 1s}, warmupDurationSecs: 1s}}",
        "{portLevelSettings: [{port: {number: 80}, tls: {}}, {port: {number: 80}, tls: {}}]}",
    ] {
        let said = policy(idle);
        assert!(said.len() == 1 && said[0].starts_with("warning "), "{idle}: {said:?}");
    }
}

#[test]
fn hosts_and_labels_are_those_that_can_exist() {
    for host in ["reviews", "*.example.com", "*-blue.example.com", "*"] {
        is_fine("DestinationRule", &format!("{{host: '{host}'}}"));
    }
    for host in ["a_b", "10.0.0.1", "a.*"] {
        assert!(only("DestinationRule", &format!("{{host: '{host}'}}")).contains("not a host"), "{host}");
    }
    let labels = |labels: &str| {
        only("DestinationRule", &format!("{{host: a, subsets: [{{name: v1, labels: {labels}}}]}}"))
    };
    assert!(labels("{'a b': c}").contains("is not the name of a label"));
    assert!(labels("{a: '*'}").contains("is not the value of a label"));
}
