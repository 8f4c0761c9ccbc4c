//! What a ServiceEntry may just say; what it may not stands in `tests/broken/validate/service-entry`.

use super::{about, is_fine};

fn with(more: &str) -> String {
    format!("{{hosts: [a.example.com], ports: [{{number: 80, name: http, protocol: HTTP}}], {more}}}")
}

#[test]
fn a_service_needs_hosts_alone() {
    is_fine("ServiceEntry", "{hosts: [a]}");
    is_fine("ServiceEntry", "{hosts: [a.example.com, '*.b.example.com', c.], resolution: STATIC}");
}

#[test]
fn endpoints_are_what_the_resolution_can_reach() {
    for more in [
        "resolution: STATIC, endpoints: [{address: 10.0.0.1, ports: {http: 65535}}, {address: 'fd00::1'}]",
        "resolution: STATIC, endpoints: [{address: unix:///a.sock}]",
        "resolution: STATIC, workloadSelector: {labels: {app: a}}",
        "resolution: DNS, endpoints: [{address: b.example.com}, {address: 10.0.0.1}]",
        "resolution: DNS, workloadSelector: {labels: {app: a}}",
        "resolution: DNS_ROUND_ROBIN, endpoints: [{address: b.example.com}]",
        "resolution: DNS",
        "resolution: DYNAMIC_DNS",
    ] {
        is_fine("ServiceEntry", &with(more));
    }
}

#[test]
fn a_wildcard_is_resolved_by_its_endpoints_or_by_each_request() {
    for more in [
        "resolution: DNS, endpoints: [{address: b.example.com}]",
        "resolution: DYNAMIC_DNS",
        "location: MESH_EXTERNAL",
    ] {
        is_fine("ServiceEntry", &with(more).replace("[a.example.com]", "['*.example.com']"));
    }
}

#[test]
fn networks_are_addresses_where_connections_keep_theirs() {
    for more in
        ["addresses: [10.0.0.0/8, 'fd00::/8', 10.1.1.1]", "resolution: STATIC, addresses: [10.0.0.0/32]"]
    {
        is_fine("ServiceEntry", &with(more));
    }
}

#[test]
fn bytes_need_an_address_unless_one_is_given() {
    let tcp =
        |more: &str| format!("{{hosts: [a.b], ports: [{{number: 1, name: a, protocol: TCP}}], {more}}}");
    is_fine("ServiceEntry", &tcp("addresses: [10.0.0.1]"));
    is_fine("ServiceEntry", &tcp("resolution: DNS"));
    // By this name, protocols are told from bytes.
    is_fine("ServiceEntry", &tcp("resolution: NONE").replace("TCP", "MONGO"));
    assert_eq!(about("ServiceEntry", &tcp("resolution: NONE")).len(), 1);
}

#[test]
fn several_hosts_are_told_apart_by_http_and_by_tls() {
    let hosts = |protocol: &str, more: &str| {
        format!("{{hosts: [a.b, c.d], ports: [{{number: 1, name: a, protocol: {protocol}}}], {more}}}")
    };
    for spec in [
        hosts("GRPC", "resolution: DNS"),
        hosts("TLS", "resolution: DNS"),
        hosts("TCP", "resolution: NONE, addresses: [10.0.0.0/8]"),
        hosts("HTTP", "resolution: DNS, addresses: [10.0.0.1]"),
    ] {
        is_fine("ServiceEntry", &spec);
    }
}

#[test]
fn it_is_exported_to_its_own_namespace_to_named_ones_to_all_or_to_none() {
    for list in ["['.']", "['*']", "['~']", "['.', shop, a-1]"] {
        is_fine("ServiceEntry", &with(&format!("exportTo: {list}")));
    }
}
