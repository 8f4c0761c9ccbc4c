//! What a workload calls through: the egress listeners of its Sidecar, or one listener per port.
//!
//! Under `captureMode: NONE` a listener has a socket, most often an HTTP proxy for all ports. Otherwise it
//! has none: a redirected connection or a program in the same process finds it by address.

use super::access_log::Side;
use super::scope::{Egress, Scope};
use super::virtual_hosts::{self, Table, may_be_http};
use super::{Output, clusters, manager, names, unsupported};
use crate::addr::Address;
use crate::api::networking::sidecar::{CaptureMode, EgressListener, OutboundMode};
use crate::diagnostic::{Finding, code};
use crate::hostname::Hostname;
use crate::merge::delegate::{self, Rule};
use crate::model::Name;
use crate::model::cluster::Discovery;
use crate::model::http::RouteSource;
use crate::model::listener::{Bind, ChainMatch, Direction, FilterChain, Listener, NetworkFilter, Transport};
use crate::origin::Origin;
use crate::registry::{CLUSTER_DOMAIN, Port, Protocol, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

pub(super) fn compile(scope: &Scope<'_>, out: &mut Output) {
    let egress = scope.egress();
    clusters::outbound(scope, &callable(scope, &egress), out);
    out.add_cluster(clusters::black_hole(scope));
    out.add_cluster(clusters::plain(scope, names::PASSTHROUGH, Discovery::OriginalDestination));
    // Ports with a listener of their own are not opened again by the one for all ports.
    let mut taken = BTreeSet::new();
    for part in &egress {
        match part.listener {
            Some((at, listener)) if listener.port.is_some() => {
                taken.extend(listener.port.as_ref().map(|p| p.number));
                of_port(scope, part, at, listener, out);
            }
            _ => of_all_ports(scope, part, &taken, out),
        }
    }
    let dead_end = egress.iter().filter_map(|part| part.listener).find(|(_, l)| is_dead_end(l, out));
    if let (Some(sidecar), Some((at, _))) = (scope.sidecar, dead_end) {
        unsupported::sidecar::passes_by_default(sidecar, at, scope.mesh, &mut out.report);
    }
}

/// Whether unknown hosts are sent to where nothing was going.
fn is_dead_end(listener: &EgressListener, out: &Output) -> bool {
    let passes = |port| {
        let table = out.snapshot.routes.get(routes_of(listener, port).as_str());
        table.is_some_and(|t| t.virtual_hosts.iter().any(|h| *h.name == *names::ALLOW_ANY))
    };
    unsupported::sidecar::is_http_on_a_socket(listener)
        && listener.port.as_ref().is_none_or(|p| passes(p.number))
}

/// The table of a listener with a port.
fn routes_of(listener: &EgressListener, port: u16) -> String {
    if listener.bind.starts_with("unix:") { listener.bind.clone() } else { port.to_string() }
}

/// The services that are imported, and those that imported VirtualServices send to.
fn callable<'w>(scope: &Scope<'w>, egress: &[Egress<'w>]) -> Vec<&'w Arc<Service>> {
    let mut by_host: BTreeMap<&str, &'w Arc<Service>> = BTreeMap::new();
    for part in egress {
        by_host.extend(part.services.iter().map(|s| (s.host.as_str(), *s)));
        let Some(_) = part.listener else { continue };
        for vs in &part.virtual_services {
            for Rule { http, source, .. } in delegate::merge(scope.world, vs).rules {
                let mirrors = http.mirror.iter().chain(http.mirrors.iter().map(|m| &m.destination));
                for to in http.route.iter().map(|r| &r.destination).chain(mirrors) {
                    let host = Hostname::resolve(&to.host, &source.meta.namespace, CLUSTER_DOMAIN).ok();
                    if let Some(service) = host.and_then(|h| scope.service(&h)) {
                        by_host.insert(service.host.as_str(), service);
                    }
                }
            }
        }
    }
    let proxy = scope.outbound_policy().1.and_then(|p| p.egress_proxy.as_ref());
    let host = proxy.and_then(|p| Hostname::resolve(&p.host, &scope.node.namespace, CLUSTER_DOMAIN).ok());
    if let Some(service) = host.and_then(|h| scope.service(&h)) {
        by_host.insert(service.host.as_str(), service);
    }
    by_host.into_values().collect()
}

/// Where an egress listener is reached.
struct Where {
    bind: String,
    bound: bool,
}

impl Where {
    fn of(listener: Option<&EgressListener>) -> Self {
        let written = listener.map(|l| l.bind.as_str()).unwrap_or_default();
        let none = listener.is_some_and(|l| l.capture_mode == CaptureMode::None);
        // A Unix socket cannot be redirected to.
        let bound = none || written.starts_with("unix:");
        let bind = match (written, bound) {
            ("", true) => "127.0.0.1",
            ("", false) => "0.0.0.0",
            (written, _) => written,
        };
        Self { bind: bind.to_owned(), bound }
    }

    fn at(&self, port: u16) -> Option<(Name, Bind)> {
        let (name, address): (Name, Address) = match self.bind.strip_prefix("unix:") {
            Some(path) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                (self.bind.as_str().into(), Address::Unix(path.into()))
            }
            None => {
                let ip: IpAddr = self.bind.parse().ok()?;
                (names::listener(&self.bind, port), SocketAddr::new(ip, port).into())
            }
        };
        Some((name, if self.bound { Bind::Socket(address) } else { Bind::Unbound(address) }))
    }
}

/// A listener that the Sidecar declares with a port.
fn of_port(scope: &Scope<'_>, egress: &Egress<'_>, at: usize, said: &EgressListener, out: &mut Output) {
    let (Some(port), Some(sidecar)) = (&said.port, scope.sidecar) else { return };
    let path = format!("spec.egress[{at}]");
    let Some((name, bind)) = Where::of(Some(said)).at(port.number) else {
        out.report.invalid(sidecar, format!("{path}.bind"), format!("{:?} is not an address", said.bind));
        return;
    };
    let origin = Some(sidecar.origin_of(&path));
    let protocol = Protocol::parse(&port.protocol);
    let which = match protocol {
        Some(Protocol::HttpProxy) => Table::Proxy,
        Some(p) if p.is_http() => Table::Port(port.number),
        Some(p) if p.is_tcp() => {
            // The service that has this port, else the only port of the first service.
            let of_service = |s: &&Arc<Service>| {
                s.port(port.number)
                    .or(if s.ports.len() == 1 { s.ports.first() } else { None })
                    .map(|p| names::outbound(p.number, "", s.host.as_str()))
            };
            let exact = egress.services.iter().find(|s| s.port(port.number).is_some());
            let cluster = exact.and_then(of_service).or_else(|| egress.services.iter().find_map(of_service));
            let cluster = cluster.unwrap_or_else(|| names::BLACK_HOLE.into());
            let chain = chain(NetworkFilter::Tcp(manager::tcp(scope, cluster, Side::Client)));
            out.add_listener(listener(name, bind, vec![chain], None, origin));
            return;
        }
        _ => {
            let at = format!("{path}.port.protocol");
            out.report.not_honoured(
                sidecar,
                at,
                &format!("protocol {:?} here", port.protocol),
                "use HTTP, HTTP_PROXY or TCP",
            );
            return;
        }
    };
    let routes = routes_of(said, port.number);
    let table = virtual_hosts::table(scope, egress, which, &routes, &mut out.report);
    let http = manager::outbound(scope, &name, RouteSource::Named(table.name.clone()));
    out.add_routes(table);
    let chain = chain(NetworkFilter::Http(Box::new(http)));
    out.add_listener(listener(name, bind, vec![chain], None, origin));
}

/// One listener per port of the services that are seen: for HTTP one for all, for other bytes one per
/// address.
fn of_all_ports(scope: &Scope<'_>, egress: &Egress<'_>, taken: &BTreeSet<u16>, out: &mut Output) {
    let place = Where::of(egress.listener.map(|(_, l)| l));
    // Ports for HTTP, and whether one of their services leaves it to the first bytes.
    let mut http: BTreeMap<u16, bool> = BTreeMap::new();
    for service in &egress.services {
        for port in service.ports.iter().filter(|p| may_be_http(p) && !taken.contains(&p.number)) {
            let sniffed = port.protocol.is_unsupported();
            if !(sniffed && place.bind == "0.0.0.0" && has_address(service)) {
                *http.entry(port.number).or_insert(true) &= sniffed;
            }
        }
    }
    for (port, sniffed) in &http {
        let Some((name, bind)) = place.at(*port) else { continue };
        let table =
            virtual_hosts::table(scope, egress, Table::Port(*port), &port.to_string(), &mut out.report);
        let manager = manager::outbound(scope, &name, RouteSource::Named(table.name.clone()));
        let origin = egress.listener.and(scope.sidecar).map(|s| s.origin());
        out.add_routes(table);
        out.add_listener(http_listener(scope, name, bind, manager, *sniffed, origin));
    }
    // Ports for TLS of services without an address: told apart by the server name.
    let mut tls: BTreeMap<u16, Vec<FilterChain>> = BTreeMap::new();
    for service in &egress.services {
        for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp && !taken.contains(&p.number))
        {
            if port.protocol.is_tls() && (place.bind != "0.0.0.0" || !has_address(service)) {
                tls.entry(port.number).or_default().push(by_server_name(scope, service, port));
                continue;
            }
            if port.protocol.is_http() || (port.protocol.is_unsupported() && http.contains_key(&port.number))
            {
                continue;
            }
            of_address(scope, egress, service, port, &place, out);
        }
    }
    for (port, chains) in tls {
        let Some((name, bind)) = place.at(port) else { continue };
        if out.has_listener(&name) {
            for service in
                egress.services.iter().filter(|s| s.port(port).is_some_and(|p| p.protocol.is_tls()))
            {
                conflict(scope, service, port, &name, out);
            }
            continue;
        }
        let other = unknown(scope);
        let origin = egress.listener.and(scope.sidecar).map(|s| s.origin());
        let made = listener(name, bind, chains, Some(other), origin);
        out.add_listener(Listener { tls_inspector: true, ..made });
    }
}

/// TLS for a service's host, passed through.
fn by_server_name(scope: &Scope<'_>, service: &Service, port: &Port) -> FilterChain {
    let host = service.host.as_str();
    let cluster = names::outbound(port.number, "", host);
    let matches = ChainMatch { server_names: vec![host.to_owned()], ..ChainMatch::default() };
    FilterChain { matches, ..chain(NetworkFilter::Tcp(manager::tcp(scope, cluster, Side::Client))) }
}

/// What is not known goes where it was going, if that is allowed.
fn unknown(scope: &Scope<'_>) -> FilterChain {
    let cluster = match scope.outbound_policy().0 {
        OutboundMode::RegistryOnly => names::BLACK_HOLE,
        OutboundMode::AllowAny | OutboundMode::AllowAnyDynamicDns => names::PASSTHROUGH,
    };
    chain(NetworkFilter::Tcp(manager::tcp(scope, cluster.into(), Side::Client)))
}

fn has_address(service: &Service) -> bool {
    service.addresses.iter().any(|a| super::domains::single(a).is_some())
}

/// Listeners at a service's own addresses.
fn of_address(
    scope: &Scope<'_>,
    egress: &Egress<'_>,
    service: &Service,
    port: &Port,
    place: &Where,
    out: &mut Output,
) {
    let cluster = names::outbound(port.number, "", service.host.as_str());
    let mut binds: Vec<String> = service.addresses.iter().filter_map(super::domains::single).collect();
    if binds.is_empty() || place.bind != "0.0.0.0" {
        binds = vec![place.bind.clone()];
    }
    for bind in binds {
        let Some((name, bind)) = (Where { bind, bound: place.bound }).at(port.number) else { continue };
        if out.has_listener(&name) {
            conflict(scope, service, port.number, &name, out);
            continue;
        }
        let tcp = NetworkFilter::Tcp(manager::tcp(scope, cluster.clone(), Side::Client));
        let origin = Some(service.origin.clone());
        if port.protocol.is_unsupported() {
            let routes: Name = format!("{}:{}", service.host, port.number).into();
            let table = virtual_hosts::of_one(scope, egress, service, port, &routes, &mut out.report);
            out.add_routes(table);
            let manager = manager::outbound(scope, &name, RouteSource::Named(routes));
            let mut made = http_listener(scope, name, bind, manager, true, origin);
            made.default_chain = Some(Arc::new(chain(tcp)));
            out.add_listener(made);
        } else {
            out.add_listener(listener(name, bind, vec![chain(tcp)], None, origin));
        }
    }
}

/// Two services without addresses cannot share a port unless both speak HTTP.
fn conflict(scope: &Scope<'_>, service: &Service, port: u16, name: &str, out: &mut Output) {
    let Origin { group, kind, namespace, name: resource, .. } = &service.origin;
    let Some(found) = scope.world.find(group, kind, namespace, resource) else { return };
    let message = format!("port {port} has no listener: {name} is another service's already");
    let at = service.ports.iter().position(|p| p.number == port).unwrap_or_default();
    let finding = Finding::warning(code::CONFLICT, message).about(
        found.meta(),
        found.source(),
        format!("spec.ports[{at}]"),
    );
    out.report.add(finding.help("give the service an address of its own, or another port"));
}

/// HTTP, and what is not HTTP goes where it was going, if that is allowed.
fn http_listener(
    scope: &Scope<'_>,
    name: Name,
    bind: Bind,
    http: crate::model::http::HttpManager,
    sniffed: bool,
    origin: Option<Origin>,
) -> Listener {
    let mut http = chain(NetworkFilter::Http(Box::new(http)));
    if !sniffed {
        return listener(name, bind, vec![http], None, origin);
    }
    http.matches = ChainMatch {
        transport: Some(Transport::Plain),
        application_protocols: vec!["http/1.1".to_owned(), "h2c".to_owned()],
        ..ChainMatch::default()
    };
    let made = listener(name, bind, vec![http], Some(unknown(scope)), origin);
    Listener { tls_inspector: true, http_inspector: true, ..made }
}

fn chain(filter: NetworkFilter) -> FilterChain {
    FilterChain { name: Name::default(), matches: ChainMatch::default(), tls: None, rbac: vec![], filter }
}

fn listener(
    name: Name,
    bind: Bind,
    chains: Vec<FilterChain>,
    default: Option<FilterChain>,
    origin: Option<Origin>,
) -> Listener {
    Listener {
        name,
        bind,
        direction: Direction::Outbound,
        tls_inspector: false,
        http_inspector: false,
        original_destination: false,
        inspect_timeout: None,
        continue_on_inspect_timeout: true,
        filter_chains: chains.into_iter().map(Arc::new).collect(),
        default_chain: default.map(Arc::new),
        origin,
    }
}

/// The address that stands for every one.
pub(super) const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
