//! What cannot be expressed is refused, with the path of the field.

use super::strategies;
use crate::convert::{ConvertError, decode, encode, pb};
use mesh_core::model::cluster::{
    Balance, CircuitLimits, Discovery, OutlierDetection, SuccessRate, UpstreamHttp,
};
use mesh_core::model::matcher::{HeaderKey, HeaderMatch, StringMatch};
use mesh_core::model::rbac::{Permission, Principal, Rbac, RbacAction, RbacPolicy};
use mesh_core::model::route::{Action, Forward, Route, RouteMatch, VirtualHost};
use mesh_core::model::values::Fraction;
use mesh_core::model::{Cluster, RouteTable};
use pb::listener::filter::ConfigType;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use prost::Message;

fn error<T: std::fmt::Debug>(decoded: Result<T, ConvertError>) -> String {
    decoded.unwrap_err().to_string()
}

fn table() -> pb::route::RouteConfiguration {
    let route = Route {
        name: "r".into(),
        matches: RouteMatch::default(),
        action: Action::Forward(Box::new(Forward::to("c"))),
        headers: Default::default(),
        fault: None,
        decorator: None,
        origin: None,
    };
    let host = VirtualHost {
        name: "h".into(),
        domains: vec!["*".into()],
        routes: vec![route],
        headers: Default::default(),
        include_attempt_count: false,
        origin: None,
    };
    encode::route_table(&RouteTable { virtual_hosts: vec![host], ..RouteTable::default() })
}

/// What is said of a route after this change.
fn route(change: impl FnOnce(&mut pb::route::Route)) -> String {
    let mut table = table();
    change(&mut table.virtual_hosts[0].routes[0]);
    error(decode::route_table(&table))
}

fn forward(change: impl FnOnce(&mut pb::route::RouteAction)) -> String {
    route(|route| match &mut route.action {
        Some(pb::route::route::Action::Route(forward)) => change(forward),
        _ => panic!("a forward"),
    })
}

#[test]
fn a_route_that_we_cannot_take_is_refused_by_its_path() {
    let negative = Some(pb::Duration { seconds: -1, nanos: 0 });
    assert_eq!(
        forward(|r| r.timeout = negative),
        "virtual_hosts[0].routes[0].route.timeout: negative duration"
    );
    assert_eq!(
        forward(|r| {
            r.retry_policy = Some(pb::route::RetryPolicy {
                retriable_status_codes: vec![503, 70_000],
                ..Default::default()
            });
        }),
        "virtual_hosts[0].routes[0].route.retry_policy.retriable_status_codes[1]: 70000 is not an HTTP status"
    );
    assert_eq!(
        forward(|r| {
            let retry_on = "5xx, http3-post-connect-failure".into();
            r.retry_policy = Some(pb::route::RetryPolicy { retry_on, ..Default::default() });
        }),
        "virtual_hosts[0].routes[0].route.retry_policy.retry_on: \
         \"http3-post-connect-failure\" is not supported"
    );
    assert_eq!(
        forward(|r| r.append_x_forwarded_host = true),
        "virtual_hosts[0].routes[0].route.append_x_forwarded_host: is not supported"
    );
    assert_eq!(
        route(|r| r.r#match.as_mut().unwrap().grpc = Some(Default::default())),
        "virtual_hosts[0].routes[0].match.grpc: is not supported"
    );
    assert!(
        route(|r| {
            r.typed_per_filter_config.insert("x".into(), encode::pack(&pb::cors::Cors::default()));
        })
        .starts_with("virtual_hosts[0].routes[0].typed_per_filter_config[\"x\"]: ")
    );
}

#[test]
fn header_changes_that_the_model_cannot_order_or_fill_are_refused() {
    let option = |value: &str, append| pb::core::HeaderValueOption {
        header: Some(pb::core::HeaderValue { key: "x-a".into(), value: value.into(), ..Default::default() }),
        append_action: append,
        ..Default::default()
    };
    let add = pb::core::header_value_option::HeaderAppendAction::AppendIfExistsOrAdd.into();
    let set = pb::core::header_value_option::HeaderAppendAction::OverwriteIfExistsOrAdd.into();
    assert_eq!(
        route(|r| r.request_headers_to_add = vec![option("1", add), option("2", set)]),
        "virtual_hosts[0].routes[0].request_headers_to_add[1]: x-a is set after it was added to"
    );
    assert!(
        route(|r| r.response_headers_to_add = vec![option("%PROTOCOL%", set)])
            .starts_with("virtual_hosts[0].routes[0].response_headers_to_add[0].header.value: a command")
    );
}

fn cluster() -> pb::cluster::Cluster {
    encode::cluster(&Cluster {
        name: "c".into(),
        discovery: Discovery::Eds("c".into()),
        balance: Balance::RoundRobin,
        connect_timeout: std::time::Duration::from_secs(10),
        limits: CircuitLimits::default(),
        high_limits: None,
        outlier: Some(OutlierDetection::default()),
        transport: mesh_core::model::cluster::ClusterTransport::Plain,
        http: UpstreamHttp::default(),
        panic_threshold: Fraction::ZERO,
        keepalive: None,
        services: vec![],
        origin: None,
    })
}

#[test]
fn a_cluster_that_we_cannot_take_is_refused_by_its_path() {
    let refused = |change: fn(&mut pb::cluster::Cluster)| {
        let mut cluster = cluster();
        change(&mut cluster);
        error(decode::cluster(&cluster))
    };
    assert_eq!(refused(|c| c.lb_policy = 99), "lb_policy: 99 is not a value of this enumeration");
    assert_eq!(refused(|c| c.health_checks = vec![Default::default()]), "health_checks: is not supported");
    assert_eq!(
        refused(|c| {
            let outlier = c.outlier_detection.as_mut().unwrap();
            outlier.enforcing_consecutive_5xx = Some(pb::UInt32Value { value: 101 });
        }),
        "outlier_detection.enforcing_consecutive_5xx: 101 is not a percentage"
    );
    assert_eq!(
        refused(|c| c.eds_cluster_config.as_mut().unwrap().eds_config = None),
        "eds_cluster_config.eds_config.ads: is missing"
    );
    assert_eq!(
        refused(|c| c.common_lb_config.as_mut().unwrap().healthy_panic_threshold =
            Some(pb::values::Percent { value: f64::NAN })),
        "common_lb_config.healthy_panic_threshold.value: NaN is not a percentage"
    );
}

#[test]
fn what_is_absent_is_what_envoy_takes_it_for() {
    let bare = pb::cluster::Cluster {
        name: "c".into(),
        load_assignment: Some(Default::default()),
        outlier_detection: Some(Default::default()),
        ..Default::default()
    };
    let cluster = decode::cluster(&bare).unwrap();
    assert_eq!(cluster.connect_timeout, std::time::Duration::from_secs(5));
    assert_eq!((cluster.limits.max_requests, cluster.limits.max_retries), (1024, 3));
    assert_eq!(cluster.panic_threshold, Fraction::millionths(500_000));
    let rates = SuccessRate::default();
    let envoys = OutlierDetection {
        consecutive_gateway_errors: 5,
        enforcing_consecutive_gateway_errors: Fraction::ZERO,
        success_rate: SuccessRate {
            enforcing: Fraction::ONE,
            enforcing_local_origin: Fraction::ONE,
            ..rates
        },
        always_eject_one_host: false,
        ..OutlierDetection::default()
    };
    assert_eq!(cluster.outlier, Some(envoys));
    let mut table = table();
    let Some(pb::route::route::Action::Route(forward)) = &mut table.virtual_hosts[0].routes[0].action else {
        panic!("a forward");
    };
    forward.timeout = None;
    let table = decode::route_table(&table).unwrap();
    let Action::Forward(forward) = &table.virtual_hosts[0].routes[0].action else { panic!("a forward") };
    assert_eq!(forward.timeout, Some(std::time::Duration::from_secs(15)));
}

#[test]
fn endpoints_by_name_or_without_a_port_are_refused() {
    let endpoints = |address| {
        let address = pb::core::Address { address: Some(address) };
        let endpoint = pb::endpoint::LbEndpoint {
            host_identifier: Some(pb::endpoint::lb_endpoint::HostIdentifier::Endpoint(
                pb::endpoint::Endpoint { address: Some(address), ..Default::default() },
            )),
            ..Default::default()
        };
        let locality =
            pb::endpoint::LocalityLbEndpoints { lb_endpoints: vec![endpoint], ..Default::default() };
        let endpoints = vec![locality];
        error(decode::endpoints(&pb::endpoint::ClusterLoadAssignment { endpoints, ..Default::default() }))
    };
    let socket = |address: &str, port| {
        pb::core::address::Address::SocketAddress(pb::core::SocketAddress {
            address: address.into(),
            port_specifier: Some(pb::core::socket_address::PortSpecifier::PortValue(port)),
            ..Default::default()
        })
    };
    let at = "endpoints[0].lb_endpoints[0].endpoint.address.socket_address";
    assert_eq!(
        endpoints(socket("a.example", 80)),
        format!("{at}.address: \"a.example\" is not an IP address")
    );
    assert_eq!(endpoints(socket("10.0.0.1", 65_536)), format!("{at}.port_value: 65536 is not a port"));
}

/// A policy about requests, on a filter that sees connections.
fn network_rbac(action: RbacAction) -> pb::network_rbac::Rbac {
    let get = HeaderMatch::string(HeaderKey::Method, StringMatch::exact("GET"));
    let header = Permission::Header(get);
    let policy = RbacPolicy {
        name: "p".into(),
        permissions: vec![header.clone(), Permission::Not(Box::new(header))],
        principals: vec![Principal::Any],
        origin: None,
    };
    let chain = mesh_core::model::listener::FilterChain {
        name: "c".into(),
        matches: Default::default(),
        tls: None,
        rbac: vec![std::sync::Arc::new(Rbac {
            stat_prefix: "".into(),
            mode: mesh_core::model::rbac::EnforcementMode::Enforced,
            action,
            policies: vec![policy],
        })],
        filter: mesh_core::model::listener::NetworkFilter::Tcp(mesh_core::model::listener::TcpProxy {
            stat_prefix: "t".into(),
            to: mesh_core::model::route::Target::Cluster("c".into()),
            idle_timeout: None,
            max_connect_attempts: 1,
            access_logs: vec![],
        }),
    };
    let mut listener = strategies::listener().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    listener.bind = mesh_core::model::listener::Bind::Socket("127.0.0.1:1".parse().unwrap());
    listener.filter_chains = vec![std::sync::Arc::new(chain)];
    let listener = encode::listener(&listener);
    let Some(ConfigType::TypedConfig(any)) = &listener.filter_chains[0].filters[0].config_type else {
        panic!("a filter");
    };
    decode::unpack(any).unwrap()
}

#[test]
fn a_rule_about_requests_denies_connections_and_never_allows_them() {
    use pb::rbac::permission::Rule;
    let any = pb::rbac::Permission { rule: Some(Rule::Any(true)) };
    let none = pb::rbac::Permission { rule: Some(Rule::NotRule(Box::new(any.clone()))) };
    let not =
        |p: &pb::rbac::Permission| pb::rbac::Permission { rule: Some(Rule::NotRule(Box::new(p.clone()))) };
    let permissions = |action| network_rbac(action).rules.unwrap().policies.remove("p").unwrap().permissions;
    assert_eq!(permissions(RbacAction::Deny), [any.clone(), not(&none)]);
    assert_eq!(permissions(RbacAction::Allow), [none, not(&any)]);
}

#[test]
fn a_filter_with_rules_and_rules_on_trial_is_two() {
    use mesh_core::model::rbac::EnforcementMode;
    let rules =
        |action: pb::rbac::rbac::Action| pb::rbac::Rbac { action: action.into(), ..Default::default() };
    let config = pb::network_rbac::Rbac {
        rules: Some(rules(pb::rbac::rbac::Action::Allow)),
        shadow_rules: Some(rules(pb::rbac::rbac::Action::Deny)),
        shadow_rules_stat_prefix: "istio_dry_run_deny_".into(),
        stat_prefix: "tcp.".into(),
        ..Default::default()
    };
    let read = crate::convert::decode::network_rbac(&config).unwrap();
    let told: Vec<_> = read.iter().map(|r| (&*r.stat_prefix, r.mode, r.action)).collect();
    assert_eq!(
        told,
        [
            ("istio_dry_run_deny_", EnforcementMode::Shadow, RbacAction::Deny),
            ("", EnforcementMode::Enforced, RbacAction::Allow)
        ]
    );
    let empty = pb::network_rbac::Rbac::default();
    assert_eq!(crate::convert::decode::network_rbac(&empty).unwrap_err().to_string(), "rules: is missing");
}

proptest! {
    /// Bytes of a stranger: an error or a part of a snapshot, and never a panic.
    #[test]
    fn no_bytes_break_the_decoder(x in strategies::listener(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode::bytes(&encode::listener(&x));
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(message) = pb::listener::Listener::decode(&*bytes) {
            let _ = decode::listener(&message);
        }
    }
}
