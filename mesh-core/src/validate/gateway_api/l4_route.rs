//! TCPRoute, TLSRoute and UDPRoute.

use super::name::Addresses;
use super::route;
use crate::api::gateway_api::l4_route::L4RouteRule;
use crate::api::gateway_api::reference::ParentReference;
use crate::api::gateway_api::{TcpRoute, TlsRoute, UdpRoute};
use crate::validate::report::Report;

pub(in crate::validate) fn tcp_route(spec: &TcpRoute, report: &mut Report<'_>) {
    common(&spec.parent_refs, &spec.rules, report);
}

pub(in crate::validate) fn udp_route(spec: &UdpRoute, report: &mut Report<'_>) {
    common(&spec.parent_refs, &spec.rules, report);
}

pub(in crate::validate) fn tls_route(spec: &TlsRoute, report: &mut Report<'_>) {
    let (required, most, addresses) = match &*report.meta.version {
        "v1alpha2" => (false, 16, Addresses::Warned),
        _ => (true, 1024, Addresses::Refused),
    };
    if required && spec.hostnames.is_empty() {
        let help = "write the server names that clients send, such as shop.example.com";
        report.refuse("spec.hostnames", "a TLSRoute without hostnames", help);
    }
    report.hostnames(&spec.hostnames, most, addresses);
    common(&spec.parent_refs, &spec.rules, report);
}

fn common(parents: &[ParentReference], rules: &[L4RouteRule], report: &mut Report<'_>) {
    route::parents(parents, report);
    let most = if &*report.meta.version == "v1" { 1 } else { 16 };
    report.between("spec.rules", rules.len(), most, "rule");
    route::rule_names(rules.iter().map(|r| r.name.as_str()), report);
    for (i, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{i}].backendRefs");
        report.between(&path, rule.backend_refs.len(), 16, "backend");
        for (j, to) in rule.backend_refs.iter().enumerate() {
            let path = format!("{path}[{j}]");
            route::backend(&path, to, report);
            route::weight(&path, to.weight, report);
        }
    }
}
