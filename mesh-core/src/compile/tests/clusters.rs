use super::*;
use crate::model::cluster::{
    Balance, ClusterTransport, Discovery, DnsTarget, TcpKeepalive, UpstreamProtocol,
};
use crate::model::endpoint::TlsMode;
use crate::model::matcher::StringMatch;
use crate::model::route::HashPolicy;
use crate::model::tls::{SanMatch, UpstreamTls};
use crate::model::values::Fraction;
use std::time::Duration;

const REVIEWS: &str = "outbound|9080||reviews.default.svc.cluster.local";

fn rule(policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: reviews, namespace: default}}\nspec: {{host: reviews, trafficPolicy: {policy}}}\n"
    )
}

fn with(policy: &str) -> Compiled {
    quiet(&bookinfo(&[&rule(policy)]))
}

/// The same of a policy that balances by hash, of which one thing is to be said: who honours it.
fn with_hash(policy: &str) -> Compiled {
    let compiled = compile(&bookinfo(&[&rule(policy)]), &reviews());
    let paths: Vec<&str> = compiled.findings.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths, ["spec.trafficPolicy.loadBalancer.consistentHash"]);
    compiled
}

fn tls(cluster: &Cluster) -> &UpstreamTls {
    match &cluster.transport {
        ClusterTransport::Tls(tls) | ClusterTransport::AutoMtls(tls) => tls,
        ClusterTransport::Plain => panic!("{} is plain", cluster.name),
    }
}

#[test]
fn a_service_without_rules_has_istios_defaults() {
    let compiled = quiet(&bookinfo(&[]));
    let c = cluster(&compiled, REVIEWS);
    assert_eq!(c.discovery, Discovery::Eds(REVIEWS.into()));
    assert_eq!(c.balance, Balance::LeastRequest { choices: 2 });
    assert_eq!(c.connect_timeout, Duration::from_secs(10));
    assert_eq!(c.limits, Default::default());
    assert_eq!((c.outlier, c.panic_threshold, c.keepalive), (None, Fraction::ZERO, None));
    assert_eq!(c.http.protocol, UpstreamProtocol::Http1);
    assert_eq!((&*c.services[0].name, &*c.services[0].namespace), ("reviews", "default"));
}

#[test]
fn auto_mtls_names_the_accounts_of_the_instances() {
    let compiled = quiet(&bookinfo(&[SUBSETS]));
    let c = cluster(&compiled, "outbound|9080|v2|reviews.default.svc.cluster.local");
    assert!(matches!(c.transport, ClusterTransport::AutoMtls(_)));
    let tls = tls(c);
    assert_eq!(tls.sni, "outbound_.9080_.v2_.reviews.default.svc.cluster.local");
    assert_eq!(tls.certificate.as_deref(), Some("default"));
    assert_eq!(&*tls.server.roots, "ROOTCA");
    let reviews = "spiffe://cluster.local/ns/default/sa/bookinfo-reviews";
    assert_eq!(tls.server.subject_alt_names, [SanMatch::Uri(StringMatch::exact(reviews))]);
    assert_eq!(tls.alpn, ["istio-http/1.1", "istio", "http/1.1"]);
}

#[test]
fn a_service_without_instances_believes_the_trust_domain_and_no_more() {
    let world = world(&[r#"
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: empty}
spec: {hosts: [empty.default.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], workloadSelector: {labels: {a: b}}}
"#]);
    let compiled = quiet(&world);
    let c = cluster(&compiled, "outbound|80||empty.default.svc.cluster.local");
    let prefix = SanMatch::Uri(StringMatch::prefix("spiffe://cluster.local/"));
    assert_eq!(tls(c).server.subject_alt_names, [prefix]);
}

#[test]
fn endpoints_carry_locality_weight_and_whether_they_take_mtls() {
    let compiled = quiet(&bookinfo(&[SUBSETS]));
    let all = &compiled.snapshot.endpoints[REVIEWS];
    assert_eq!(all.localities.len(), 2);
    assert_eq!(
        (&*all.localities[1].region, &*all.localities[1].zone, &*all.localities[1].sub_zone),
        ("r", "z", "s")
    );
    let v2 = &compiled.snapshot.endpoints["outbound|9080|v2|reviews.default.svc.cluster.local"];
    let endpoints: Vec<_> = v2.iter().collect();
    assert_eq!(endpoints.len(), 1);
    assert_eq!((endpoints[0].address.to_string().as_str(), endpoints[0].weight), ("127.1.0.3:9080", 3));
    assert_eq!(endpoints[0].tls_mode, TlsMode::Istio);
    let workload = endpoints[0].workload.as_ref().unwrap();
    assert_eq!(
        (&*workload.name, &*workload.canonical_service, &*workload.canonical_revision),
        ("reviews-v2", "reviews", "v2")
    );
    let ratings = &compiled.snapshot.endpoints["outbound|9080||ratings.default.svc.cluster.local"];
    assert_eq!(ratings.iter().next().unwrap().tls_mode, TlsMode::Disabled);
}

#[test]
fn an_endpoint_that_refuses_mtls_is_not_offered_it() {
    let disable = r#"
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: v1, namespace: default}
spec: {selector: {matchLabels: {app: reviews, version: v1}}, mtls: {mode: STRICT}, portLevelMtls: {9080: {mode: DISABLE}}}
"#;
    let compiled = compile(&bookinfo(&[disable]), &ingress());
    let modes: Vec<_> = compiled.snapshot.endpoints[REVIEWS].iter().map(|e| e.tls_mode).collect();
    assert_eq!(modes, [TlsMode::Disabled, TlsMode::Istio]);
}

#[test]
fn connection_pools_bound_what_is_open() {
    let compiled = with(
        "{connectionPool: {tcp: {maxConnections: 7, connectTimeout: 3s, tcpKeepalive: {time: 2h, interval: 75s, probes: 9}}, \
         http: {http1MaxPendingRequests: 2, http2MaxRequests: 5, maxRequestsPerConnection: 4, maxRetries: 6, idleTimeout: 90s}}, \
         retryBudget: {percent: 30, minRetryConcurrency: 4}}",
    );
    let c = cluster(&compiled, REVIEWS);
    assert_eq!((c.limits.max_connections, c.limits.max_pending_requests), (7, 2));
    assert_eq!((c.limits.max_requests, c.limits.max_retries), (5, 6));
    let budget = c.limits.retry_budget.unwrap();
    assert_eq!((budget.percent, budget.min_concurrency), (Fraction::percent(30.0).unwrap(), 4));
    assert_eq!(c.connect_timeout, Duration::from_secs(3));
    assert_eq!((c.http.max_requests_per_connection, c.http.idle_timeout), (4, Some(Duration::from_secs(90))));
    let keepalive = TcpKeepalive {
        probes: Some(9),
        time: Some(Duration::from_secs(7200)),
        interval: Some(Duration::from_secs(75)),
    };
    assert_eq!(c.keepalive, Some(keepalive));
}

#[test]
fn outlier_detection_has_istios_defaults_where_nothing_is_written() {
    let compiled = with(
        "{outlierDetection: {consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 10m, maxEjectionPercent: 100, minHealthPercent: 20}}",
    );
    let c = cluster(&compiled, REVIEWS);
    let o = c.outlier.unwrap();
    assert_eq!(
        (o.consecutive_5xx, o.consecutive_gateway_errors, o.consecutive_local_origin_failures),
        (1, 0, None)
    );
    assert_eq!(
        (o.interval, o.base_ejection_time, o.max_ejection_time),
        (Duration::from_secs(1), Duration::from_secs(600), Duration::from_secs(600))
    );
    assert_eq!(
        (o.max_ejection_percent, c.panic_threshold),
        (Fraction::ONE, Fraction::percent(20.0).unwrap())
    );
    let compiled = with("{outlierDetection: {splitExternalLocalOriginErrors: true}}");
    let o = cluster(&compiled, REVIEWS).outlier.unwrap();
    assert_eq!((o.consecutive_5xx, o.consecutive_local_origin_failures), (5, Some(5)));
}

#[test]
fn balancers_are_those_of_the_rule() {
    for (lb, want) in [
        ("{simple: ROUND_ROBIN}", Balance::RoundRobin),
        ("{simple: RANDOM}", Balance::Random),
        ("{simple: LEAST_CONN}", Balance::LeastRequest { choices: 2 }),
        (
            "{consistentHash: {useSourceIp: true, minimumRingSize: 12}}",
            Balance::RingHash { minimum_size: 12 },
        ),
        ("{consistentHash: {httpHeaderName: x-user, maglev: {}}}", Balance::Maglev { table_size: 65_537 }),
    ] {
        let compile = if lb.contains("consistentHash") { with_hash } else { with };
        let compiled = compile(&format!("{{loadBalancer: {lb}}}"));
        assert_eq!(cluster(&compiled, REVIEWS).balance, want, "{lb}");
    }
    let compiled = with("{loadBalancer: {simple: PASSTHROUGH}}");
    assert_eq!(cluster(&compiled, REVIEWS).discovery, Discovery::OriginalDestination);
}

#[test]
fn a_consistent_hash_stands_on_the_route_and_its_retries_stay_with_the_host() {
    let compiled = with_hash("{loadBalancer: {consistentHash: {httpHeaderName: x-user}}}");
    let host = host(table(&compiled, "9080"), "reviews.default.svc.cluster.local:9080").clone();
    let forward = forward(&host.routes[0]);
    assert_eq!(forward.hash, [HashPolicy::Header(HeaderName::from_static("x-user"))]);
    assert_eq!(forward.retry.as_ref().unwrap().avoid_previous_hosts, 0);
}

#[test]
fn a_subset_stands_over_the_host_and_a_port_over_both() {
    let rule = r#"
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {simple: RANDOM}
    connectionPool: {tcp: {maxConnections: 1}}
    portLevelSettings:
    - {port: {number: 9080}, loadBalancer: {simple: ROUND_ROBIN}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}, trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}}
"#;
    let compiled = quiet(&bookinfo(&[rule]));
    let of = |subset: &str| {
        let c = cluster(&compiled, &format!("outbound|9080|{subset}|reviews.default.svc.cluster.local"));
        (c.balance, c.limits.max_connections)
    };
    // Settings of a port replace the host's altogether, so its bound does not hold there.
    assert_eq!(of(""), (Balance::RoundRobin, u32::MAX));
    assert_eq!(of("v1"), (Balance::RoundRobin, u32::MAX));
    assert_eq!(of("v2"), (Balance::RoundRobin, 2));
}

#[test]
fn tls_modes_of_a_rule_replace_auto_mtls() {
    let compiled = with("{tls: {mode: DISABLE}}");
    assert_eq!(cluster(&compiled, REVIEWS).transport, ClusterTransport::Plain);
    let compiled = with("{tls: {mode: ISTIO_MUTUAL, sni: other, subjectAltNames: [\"spiffe://td/x\"]}}");
    let c = cluster(&compiled, REVIEWS);
    assert!(matches!(c.transport, ClusterTransport::Tls(_)));
    assert_eq!(tls(c).sni, "other");
    assert_eq!(tls(c).server.subject_alt_names, [SanMatch::Uri(StringMatch::exact("spiffe://td/x"))]);
}

#[test]
fn tls_that_cannot_be_done_is_never_replaced_by_plain_text() {
    let world =
        bookinfo(&[&rule("{portLevelSettings: [{port: {number: 9080}, tls: {mode: SIMPLE, sni: a.b}}]}")]);
    let compiled = compile(&world, &reviews());
    assert!(matches!(cluster(&compiled, REVIEWS).transport, ClusterTransport::Tls(_)));
    assert_eq!(&*tls(cluster(&compiled, REVIEWS)).server.roots, "file-root:system");
    let paths: Vec<_> = compiled.findings.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths, ["spec.trafficPolicy.portLevelSettings[0].tls.mode"]);
}

#[test]
fn the_protocol_of_a_port_decides_the_version_of_http() {
    let service = |protocol: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: a}}\nspec: {{hosts: [a.default.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{{number: 80, name: p, protocol: {protocol}}}], endpoints: [{{address: 127.1.0.7}}]}}\n"
        )
    };
    for (protocol, want, alpn) in [
        ("GRPC", UpstreamProtocol::Http2, "istio-h2"),
        ("HTTP2", UpstreamProtocol::Http2, "istio-h2"),
        ("HTTP", UpstreamProtocol::Http1, "istio-http/1.1"),
        ("TCP", UpstreamProtocol::Http1, "istio"),
    ] {
        let compiled = quiet(&world(&[&service(protocol)]));
        let c = cluster(&compiled, "outbound|80||a.default.svc.cluster.local");
        assert_eq!((c.http.protocol, tls(c).alpn[0].as_str()), (want, alpn), "{protocol}");
    }
    let upgraded = with("{connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}");
    assert_eq!(cluster(&upgraded, REVIEWS).http.protocol, UpstreamProtocol::Http2);
    let same = with("{connectionPool: {http: {useClientProtocol: true}}}");
    assert_eq!(cluster(&same, REVIEWS).http.protocol, UpstreamProtocol::SameAsCaller);
}

#[test]
fn a_host_outside_is_resolved_and_gets_no_mesh_tls() {
    let world = world(&[r#"
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: out}
spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: https, protocol: HTTPS}]}
"#]);
    let compiled = quiet(&world);
    let c = cluster(&compiled, "outbound|80||api.example.com");
    let target = DnsTarget { host: "api.example.com".into(), port: 80 };
    assert_eq!(c.discovery, Discovery::StrictDns(vec![target]));
    assert_eq!(c.transport, ClusterTransport::Plain);
}

#[test]
fn a_rule_of_the_callers_namespace_wins_over_the_services_own() {
    let rule = |namespace: &str, lb: &str, export: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: r, namespace: {namespace}}}\nspec: {{host: reviews.default.svc.cluster.local, exportTo: [\"{export}\"], trafficPolicy: {{loadBalancer: {{simple: {lb}}}}}}}\n"
        )
    };
    let world = bookinfo(&[
        &rule("default", "RANDOM", "*"),
        &rule("shop", "ROUND_ROBIN", "."),
        &rule("istio-system", "LEAST_REQUEST", "*"),
    ]);
    let of = |namespace: &str| {
        let node = Node::new(NodeKind::Sidecar, [127, 9, 0, 1].into(), "x", namespace);
        cluster(&compile(&world, &node), REVIEWS).balance
    };
    assert_eq!(of("shop"), Balance::RoundRobin);
    assert_eq!(of("other"), Balance::Random);
}

#[test]
fn clusters_for_what_is_not_known_are_always_there() {
    let compiled = quiet(&World::empty());
    let passthrough = cluster(&compiled, "PassthroughCluster");
    assert_eq!(
        (&passthrough.discovery, passthrough.balance),
        (&Discovery::OriginalDestination, Balance::ClusterProvided)
    );
    assert!(
        matches!(&cluster(&compiled, "BlackHoleCluster").discovery, Discovery::Static(e) if e.localities.is_empty())
    );
}
