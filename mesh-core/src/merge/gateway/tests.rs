//! Each name states the rule that is tested.

use super::*;
use crate::merge::testing::{labels, names, world};
use crate::merge::visibility::virtual_services;

fn gateway(head: &str, servers: &str) -> String {
    format!("Gateway {head}: {{selector: {{istio: edge}}, servers: [{servers}]}}")
}

fn server(port: u16, protocol: &str, rest: &str) -> String {
    let name = format!("{}-{port}", protocol.to_ascii_lowercase());
    format!("{{port: {{number: {port}, name: {name}, protocol: {protocol}}}, {rest}}}")
}

/// Who listens where, and who does not, and why: each as `address gateway[index]`.
fn merged(texts: &[String]) -> (Vec<String>, Vec<(String, Why)>) {
    let world = world(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let name = |s: &ServerOf<'_>| format!("{}[{}]", s.gateway_name(), s.index);
    let merged = Merged::new(selecting(&world, &labels(&[("istio", "edge")])), |port| port);
    let all = merged.servers.iter().flat_map(|((bind, port), all)| all.iter().map(move |s| (bind, port, s)));
    let kept = all.map(|(bind, port, s)| format!("{bind}:{port} {}", name(s))).collect();
    (kept, merged.rejected.iter().map(|r| (name(&r.server), r.why)).collect())
}

#[test]
fn plain_http_joins_plain_http_and_the_older_gateway_comes_first() {
    let (kept, rejected) = merged(&[
        gateway("shop/young@2", &server(80, "HTTP", "hosts: [a.com]")),
        gateway("shop/old@1", &server(80, "HTTP2", "hosts: [b.com]")),
    ]);
    assert_eq!(kept, ["0.0.0.0:80 shop/old[0]", "0.0.0.0:80 shop/young[0]"]);
    assert_eq!(rejected, []);
}

#[test]
fn another_protocol_at_the_same_port_is_left_out_but_not_at_another_address() {
    let (kept, rejected) = merged(&[
        gateway("shop/a@1", &server(80, "HTTP", "hosts: [a.com]")),
        gateway("shop/b@2", &server(80, "TCP", "hosts: [b.com]")),
        gateway("shop/c@3", &server(80, "TCP", "bind: 10.0.0.1, hosts: [c.com]")),
    ]);
    assert_eq!(kept, ["0.0.0.0:80 shop/a[0]", "10.0.0.1:80 shop/c[0]"]);
    assert_eq!(rejected, [("shop/b[0]".to_owned(), Why::Protocol)]);
}

#[test]
fn with_tls_a_host_is_served_once_and_all_servers_need_tls() {
    let tls = |host: &str| format!("hosts: [{host}], tls: {{mode: SIMPLE, credentialName: c}}");
    let (kept, rejected) = merged(&[
        gateway("shop/a@1", &server(443, "HTTPS", &tls("a.com"))),
        gateway("shop/b@2", &server(443, "HTTPS", &tls("b.com"))),
        gateway("shop/c@3", &server(443, "HTTPS", &tls("'*/a.com'"))),
        gateway("shop/d@4", &server(443, "HTTP", "hosts: [d.com]")),
    ]);
    assert_eq!(kept, ["0.0.0.0:443 shop/a[0]", "0.0.0.0:443 shop/b[0]"]);
    assert_eq!(rejected, [("shop/c[0]".to_owned(), Why::Host), ("shop/d[0]".to_owned(), Why::NeedsTls)]);
}

#[test]
fn a_gateway_without_a_selector_is_for_every_proxy_and_another_for_its_own() {
    let open = format!("Gateway shop/open: {{servers: [{}]}}", server(80, "HTTP", "hosts: [a.com]"));
    let world = world(&[&open, &gateway("shop/edge", &server(81, "HTTP", "hosts: [a.com]"))]);
    assert_eq!(names(selecting(&world, &labels(&[("istio", "edge")]))), ["shop/edge", "shop/open"]);
    assert_eq!(names(selecting(&world, &labels(&[("istio", "other")]))), ["shop/open"]);
}

/// The hosts and VirtualServices at a server of these hosts.
fn bound(server_hosts: &str, services: &[(&str, &str)]) -> Vec<(String, Vec<String>)> {
    let mut texts = vec![gateway("shop/edge", &server(80, "HTTP", &format!("hosts: [{server_hosts}]")))];
    texts.extend(services.iter().map(|(head, hosts)| {
        format!(
            "VirtualService {head}: {{hosts: [{hosts}], gateways: [shop/edge], http: [{{route: [{{destination: {{host: a}}}}]}}]}}"
        )
    }));
    let world = world(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let merged = Merged::new(world.of::<Gateway>(), |port| port);
    let servers: Vec<_> = merged.servers.into_values().flatten().collect();
    bindings(&servers, &virtual_services(&world, "shop"))
        .into_iter()
        .map(|b| (names(Some(b.virtual_service)).concat(), b.hosts.iter().map(ToString::to_string).collect()))
        .collect()
}

#[test]
fn of_two_hosts_that_overlap_the_narrower_is_routed() {
    let hosts =
        |server, vs| bound(server, &[("shop/a", vs)]).into_iter().flat_map(|(_, h)| h).collect::<Vec<_>>();
    assert_eq!(hosts("'*.a.com'", "x.a.com, y.b.com"), ["x.a.com"]);
    assert_eq!(hosts("x.a.com", "'*.a.com'"), ["x.a.com"]);
    assert_eq!(hosts("x.a.com", "y.a.com"), Vec::<String>::new());
}

#[test]
fn several_virtual_services_of_a_host_are_all_asked_oldest_first() {
    let all = bound("'*'", &[("shop/young@2", "a.com"), ("bank/old@1", "a.com")]);
    assert_eq!(all.iter().map(|(vs, _)| vs.as_str()).collect::<Vec<_>>(), ["bank/old", "shop/young"]);
}

#[test]
fn a_server_may_be_open_to_virtual_services_of_one_namespace_only() {
    let from = |hosts| bound(hosts, &[("shop/own", "a.com"), ("bank/far", "a.com")]);
    let names = |hosts| from(hosts).into_iter().map(|(vs, _)| vs).collect::<Vec<_>>();
    assert_eq!(names("./a.com"), ["shop/own"]);
    assert_eq!(names("bank/a.com"), ["bank/far"]);
    assert_eq!(names("'*/a.com'"), ["bank/far", "shop/own"]);
}
