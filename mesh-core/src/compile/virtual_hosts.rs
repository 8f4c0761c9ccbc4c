//! The virtual hosts of an outbound table: one per service and port, with the routes that hold for it.

use super::domains::{self, WithPort};
use super::names;
use super::report::Report;
use super::routes::{self, Place};
use super::scope::{Egress, Scope};
use crate::api::networking::VirtualService;
use crate::api::networking::sidecar::OutboundMode;
use crate::api::{Meta, Resource};
use crate::diagnostic::{Finding, code};
use crate::hostname::Hostname;
use crate::merge::virtual_service::ByHost;
use crate::model::route::{
    Action, DirectResponse, Forward, HeaderChanges, Route, RouteMatch, RouteTable, VirtualHost,
};
use crate::registry::{CLUSTER_DOMAIN, Port, Service};
use http::StatusCode;
use std::collections::HashSet;
use std::sync::Arc;

/// Which requests a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Those for one port.
    Port(u16),
    /// Those for any: the port stands in the authority, or is 80.
    Proxy,
}

/// The VirtualService of a host; the others of that host are told so.
fn choose<'w>(
    virtuals: &ByHost<'w>,
    host: &Hostname,
    report: &mut Report,
) -> Option<&'w Arc<Resource<VirtualService>>> {
    let chosen = virtuals.choose(host)?;
    let Meta { namespace, name, .. } = &chosen.winner.meta;
    for (i, other) in chosen.others {
        let message =
            format!("VirtualService {namespace}/{name} routes host {host} already and takes precedence");
        let finding = Finding::warning(code::CONFLICT, message).at(other, format!("spec.hosts[{i}]"));
        report.add(finding.help("put all rules of a host into one VirtualService, or use delegates"));
    }
    Some(chosen.winner)
}

/// What is spoken as HTTP or may turn out to be.
pub(super) fn may_be_http(port: &Port) -> bool {
    port.protocol.is_http() || port.protocol.is_unsupported()
}

/// A sidecar's table.
pub(super) fn table(
    scope: &Scope<'_>,
    egress: &Egress<'_>,
    which: Table,
    name: &str,
    report: &mut Report,
) -> RouteTable {
    let virtuals = &egress.virtuals;
    let mut builder = Builder::default();
    let wanted = |port: &&Port| match which {
        Table::Port(number) => port.number == number && may_be_http(port),
        Table::Proxy => may_be_http(port),
    };
    for service in &egress.services {
        for port in service.ports.iter().filter(wanted) {
            builder.known.insert(service.host.to_string());
            builder.known.insert(format!("{}:{}", service.host, port.number));
        }
    }
    for service in &egress.services {
        for port in service.ports.iter().filter(wanted) {
            let with_port = match which {
                Table::Port(_) => WithPort::Never,
                Table::Proxy => WithPort::Both(port.number),
            };
            let domain = scope.domain();
            let mut found = domains::of_service(service, &scope.node.namespace, domain, with_port);
            if which == Table::Proxy && !may_go_without_port(service, port) {
                found.all.retain(|d| d.contains(':'));
            }
            let (routes, vs) = of_port(scope, service, port, virtuals, report);
            let origin = vs.map_or_else(|| service.origin.clone(), |vs| vs.origin());
            builder.add(format!("{}:{}", service.host, port.number), found, routes, Some(origin));
        }
    }
    // Hosts that no service has are routed on the port of plain HTTP only, as in Istio.
    if matches!(which, Table::Port(80) | Table::Proxy) {
        let with_port = if which == Table::Proxy { WithPort::Both(80) } else { WithPort::Never };
        let of_services: HashSet<&Hostname> = egress.services.iter().map(|s| &s.host).collect();
        for host in virtuals.exact_hosts() {
            if !of_services.contains(host) {
                builder.add_host(scope, virtuals, host, with_port, report);
            }
        }
        for host in virtuals.wildcards() {
            if !egress.services.iter().any(|s| host.covers(&s.host)) {
                builder.add_host(scope, virtuals, host, with_port, report);
            }
        }
    }
    let mut virtual_hosts = builder.hosts;
    virtual_hosts.sort_by(|a, b| a.name.cmp(&b.name));
    // A VirtualService or a service for every host leaves nothing to catch.
    if !builder.taken.contains("*") {
        virtual_hosts.push(catch_all(scope));
    }
    RouteTable {
        name: name.into(),
        virtual_hosts,
        // An HTTP proxy is told the port by the authority alone; elsewhere the listener knows it.
        ignore_port_in_host_matching: which != Table::Proxy,
    }
}

/// The table of one service's port, whatever host a request names: its listener is at the service's address.
pub(super) fn of_one(
    scope: &Scope<'_>,
    egress: &Egress<'_>,
    service: &Service,
    port: &Port,
    name: &str,
    report: &mut Report,
) -> RouteTable {
    let (routes, vs) = of_port(scope, service, port, &egress.virtuals, report);
    let origin = vs.map_or_else(|| service.origin.clone(), |vs| vs.origin());
    let host = virtual_host(name.to_owned(), vec!["*".to_owned()], routes, Some(origin));
    RouteTable { name: name.into(), virtual_hosts: vec![host], ignore_port_in_host_matching: true }
}

/// Whether a name without a port means this port: it is 80, or the only one that speaks HTTP.
fn may_go_without_port(service: &Service, port: &Port) -> bool {
    let mut http = service.ports.iter().filter(|p| may_be_http(p));
    port.number == 80 || (http.next().is_some_and(|p| p.number == port.number) && http.next().is_none())
}

/// The routes of a port, and the VirtualService that they come from.
pub(super) fn of_port<'w>(
    scope: &Scope<'w>,
    service: &Service,
    port: &Port,
    virtuals: &ByHost<'w>,
    report: &mut Report,
) -> (Vec<Route>, Option<&'w Arc<Resource<VirtualService>>>) {
    if let Some(vs) = choose(virtuals, &service.host, report) {
        let routes = routes::of_virtual_service(&mesh(scope, port.number), vs, report);
        // No rule is about this port: the service is as without a VirtualService.
        if !routes.is_empty() {
            return (routes, Some(vs));
        }
    }
    (vec![routes::of_service(scope, service, port)], None)
}

fn mesh<'s, 'w>(scope: &'s Scope<'w>, port: u16) -> Place<'s, 'w> {
    Place { scope, gateways: HashSet::from(["mesh".to_owned()]), port, tls: false }
}

#[derive(Default)]
struct Builder {
    hosts: Vec<VirtualHost>,
    taken: HashSet<String>,
    /// Full names, with and without port: no short form takes one away.
    known: HashSet<String>,
}

impl Builder {
    fn add(
        &mut self,
        name: String,
        found: domains::Domains,
        routes: Vec<Route>,
        origin: Option<crate::origin::Origin>,
    ) {
        let domains: Vec<String> = found
            .all
            .into_iter()
            .filter(|d| !(found.short.contains(d) && self.known.contains(d)))
            .filter(|d| self.taken.insert(d.to_ascii_lowercase()))
            .collect();
        if !domains.is_empty() {
            self.hosts.push(virtual_host(name, domains, routes, origin));
        }
    }

    fn add_host(
        &mut self,
        scope: &Scope<'_>,
        virtuals: &ByHost<'_>,
        host: &Hostname,
        with_port: WithPort,
        report: &mut Report,
    ) {
        let Some(vs) = choose(virtuals, host, report) else { return };
        let routes = routes::of_virtual_service(&mesh(scope, 80), vs, report);
        if routes.is_empty() {
            return;
        }
        let all = domains::of_host(host.as_str(), with_port);
        let found = domains::Domains { all, short: HashSet::new() };
        self.add(format!("{host}:80"), found, routes, Some(vs.origin()));
    }
}

/// A virtual host as istiod makes them.
pub(super) fn virtual_host(
    name: String,
    domains: Vec<String>,
    routes: Vec<Route>,
    origin: Option<crate::origin::Origin>,
) -> VirtualHost {
    VirtualHost {
        name: name.into(),
        domains,
        routes,
        headers: HeaderChanges::default(),
        include_attempt_count: true,
        origin,
    }
}

/// What becomes of requests to unknown hosts.
fn catch_all(scope: &Scope<'_>) -> VirtualHost {
    let (mode, policy) = scope.outbound_policy();
    let route = |name: &str, action| Route {
        name: name.into(),
        matches: RouteMatch::default(),
        action,
        headers: HeaderChanges::default(),
        fault: None,
        decorator: None,
        origin: None,
    };
    let (name, action) = match mode {
        OutboundMode::RegistryOnly => {
            let status = StatusCode::BAD_GATEWAY;
            (names::BLOCK_ALL, Action::Respond(DirectResponse { status, body: bytes::Bytes::new() }))
        }
        OutboundMode::AllowAny | OutboundMode::AllowAnyDynamicDns => {
            let proxy = policy.and_then(|p| p.egress_proxy.as_ref()).and_then(|to| {
                let host = Hostname::resolve(&to.host, &scope.node.namespace, CLUSTER_DOMAIN).ok()?;
                let only = || scope.service(&host).and_then(|s| Some(s.ports.first()?.number));
                let port = to.port.map(|p| p.number).or_else(only)?;
                Some(names::outbound(port, &to.subset, host.as_str()))
            });
            let cluster = proxy.unwrap_or_else(|| names::PASSTHROUGH.into());
            (names::ALLOW_ANY, Action::Forward(Box::new(Forward::to(cluster))))
        }
    };
    virtual_host(name.to_owned(), vec!["*".to_owned()], vec![route(name, action)], None)
}
