//! A gateway: the servers of the Gateways that select it, and the VirtualServices bound to them.

use super::outbound::ANY;
use super::routes::{self, Place, takes_everything};
use super::scope::Scope;
use super::virtual_hosts::virtual_host;
use super::{Output, clusters, manager, names, rbac};
use crate::api::Resource;
use crate::api::networking::VirtualService;
use crate::diagnostic::{Finding, code};
use crate::hostname::Hostname;
use crate::merge::gateway::{self as merge, Binding, Rejected, ServerOf, Why, bindings};
use crate::merge::virtual_service::hosts_of;
use crate::model::Name;
use crate::model::http::RouteSource;
use crate::model::listener::{Bind, ChainMatch, Direction, FilterChain, Listener, NetworkFilter};
use crate::model::route::{Action, HeaderChanges, Redirect, Route, RouteMatch, RouteTable, VirtualHost};
use crate::registry::Protocol;
use http::StatusCode;
use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub(super) fn compile(scope: &Scope<'_>, out: &mut Output) {
    clusters::outbound(scope, &scope.services(|_| true), out);
    out.add_cluster(clusters::black_hole(scope));
    let gateways: Vec<_> = merge::selecting(scope.world, &scope.labels).collect();
    gateways.iter().for_each(|g| scope.uses(g));
    let merged = merge::Merged::new(gateways, |number| listen_port(scope, number));
    report_rejected(&merged.rejected, out);
    for ((bind, port), mut servers) in merged.servers {
        // Others are named by what is reported of the Gateway as a whole.
        servers.retain(|s| Protocol::parse(&s.server.port.protocol).is_some_and(Protocol::is_http));
        match bind.parse() {
            _ if servers.is_empty() => {}
            Ok(bind) => listener(scope, bind, port, &servers, out),
            Err(_) => {
                for ServerOf { gateway, index, .. } in servers {
                    let at = format!("spec.servers[{index}].bind");
                    out.report.invalid(gateway, at, format!("{bind:?} is not an IP address"));
                }
            }
        }
    }
}

/// Servers that cannot be where others are already.
fn report_rejected(rejected: &[Rejected<'_>], out: &mut Output) {
    for Rejected { server, by, why } in rejected {
        let other = format!("servers[{}] of Gateway {}", by.index, by.gateway_name());
        let (at, message) = match why {
            Why::Protocol => ("port.protocol", format!("{other} is at this port with another protocol")),
            Why::NeedsTls => ("tls", format!("{other} is at this port with TLS, and this one has none")),
            Why::Host => ("hosts", format!("{other} serves one of these hosts at this port already")),
            Why::PortName => ("port.name", format!("{other} has a port of this name at this port already")),
        };
        let message = format!("{message}; this server is left out");
        let at = format!("spec.servers[{}].{at}", server.index);
        out.report.add(Finding::warning(code::CONFLICT, message).at(server.gateway, at));
    }
}

/// The port that is listened on: where the gateway's own Service maps the number, the target.
fn listen_port(scope: &Scope<'_>, number: u16) -> u16 {
    let mapped = scope.registry.inbound_of(scope.node).into_iter().find(|i| i.port == number);
    mapped.map_or(number, |i| i.target)
}

fn listener(scope: &Scope<'_>, bind: IpAddr, port: u16, servers: &[ServerOf<'_>], out: &mut Output) {
    let name = names::listener(&bind.to_string(), port);
    // Gateways that bind an address of their own have tables of their own.
    let routes: Name =
        if bind == ANY { format!("http.{port}").into() } else { format!("http.{port}.{bind}").into() };
    let table = table(scope, routes.clone(), servers, out);
    out.add_routes(table);
    let rbac = rbac::filters(scope, rbac::Layer::Http, &mut out.report);
    let http = manager::gateway(scope, &name, RouteSource::Named(routes), &rbac);
    let chain = FilterChain {
        name: Name::default(),
        matches: ChainMatch::default(),
        tls: None,
        rbac: vec![],
        filter: NetworkFilter::Http(Box::new(http)),
    };
    let origin = servers.first().map(|s| s.gateway.origin_of(&format!("spec.servers[{}]", s.index)));
    out.add_listener(Listener {
        name,
        bind: Bind::Socket(SocketAddr::new(bind, port).into()),
        direction: Direction::Unspecified,
        tls_inspector: false,
        http_inspector: false,
        original_destination: false,
        inspect_timeout: None,
        continue_on_inspect_timeout: false,
        filter_chains: vec![Arc::new(chain)],
        default_chain: None,
        origin,
    });
}

fn table(scope: &Scope<'_>, name: Name, servers: &[ServerOf<'_>], out: &mut Output) -> RouteTable {
    let mut hosts: BTreeMap<Hostname, VirtualHost> = BTreeMap::new();
    // Hosts of which a server wants HTTPS alone.
    let mut secure: BTreeMap<Hostname, ServerOf<'_>> = BTreeMap::new();
    let mut number = 80;
    for of in servers {
        number = of.server.port.number;
        let redirects = of.server.tls.as_ref().is_some_and(|t| t.https_redirect);
        if redirects {
            for host in &of.server.hosts {
                let host = host.split_once('/').map_or(host.as_str(), |(_, host)| host);
                // Of two Gateways that say so of one host, the one that takes precedence is named for it.
                if let Ok(host) = host.parse::<Hostname>() {
                    secure.entry(host).or_insert(*of);
                }
            }
        }
    }
    for Binding { server, virtual_service: vs, hosts: shared } in bindings(servers, &scope.virtual_services())
    {
        let gateways = HashSet::from([server.gateway_name()]);
        let place = Place { scope, gateways, port: server.server.port.number, tls: false };
        let made = routes::of_virtual_service(&place, vs, &mut out.report);
        if made.is_empty() {
            continue;
        }
        for host in shared {
            let of_host = hosts.entry(host.clone()).or_insert_with(|| {
                let name = format!("{host}:{number}");
                virtual_host(name, vec![host.to_string()], vec![], Some(vs.origin()))
            });
            let same = |r: &Route| made.iter().any(|m| m.origin == r.origin && m.matches == r.matches);
            if of_host.routes.iter().any(same) {
                continue;
            }
            say_if_hidden(of_host, vs, &host, out);
            of_host.routes.extend(made.iter().cloned());
        }
    }
    for (host, of) in secure {
        let origin = Some(of.gateway.origin_of(&format!("spec.servers[{}].tls.httpsRedirect", of.index)));
        let entry = hosts.entry(host.clone()).or_insert_with(|| {
            virtual_host(format!("{host}:{number}"), vec![host.to_string()], vec![], origin.clone())
        });
        entry.routes = vec![to_https(origin)];
    }
    let mut virtual_hosts: Vec<VirtualHost> = hosts.into_values().collect();
    for host in &mut virtual_hosts {
        // Of several VirtualServices, what takes everything must not hide what follows.
        host.routes.sort_by_key(takes_everything);
    }
    if virtual_hosts.is_empty() {
        // Every request is answered by 404.
        let name = format!("blackhole:{number}");
        virtual_hosts.push(virtual_host(name, vec!["*".to_owned()], vec![], None));
    }
    virtual_hosts.sort_by(|a, b| a.name.cmp(&b.name));
    RouteTable { name, virtual_hosts, ignore_port_in_host_matching: true }
}

/// Two VirtualServices of one host are merged, oldest first; a second one that takes everything is never
/// asked.
fn say_if_hidden(host: &VirtualHost, vs: &Arc<Resource<VirtualService>>, name: &Hostname, out: &mut Output) {
    let Some(first) = host.routes.iter().find(|r| takes_everything(r)) else { return };
    let Some(origin) = &first.origin else { return };
    let message = format!(
        "VirtualService {}/{} takes every other request for {name} already; rules here that take everything are never reached",
        origin.namespace, origin.name
    );
    let at = hosts_of(vs).find(|(_, h)| h.overlaps(name)).map_or(0, |(i, _)| i);
    out.report.add(Finding::warning(code::CONFLICT, message).at(vs, format!("spec.hosts[{at}]")));
}

fn to_https(origin: Option<crate::origin::Origin>) -> Route {
    Route {
        name: Name::default(),
        matches: RouteMatch::default(),
        action: Action::Redirect(Redirect {
            scheme: Some("https".to_owned()),
            host: None,
            port: None,
            path: None,
            status: StatusCode::MOVED_PERMANENTLY,
            strip_query: false,
        }),
        headers: HeaderChanges::default(),
        fault: None,
        decorator: None,
        origin,
    }
}
