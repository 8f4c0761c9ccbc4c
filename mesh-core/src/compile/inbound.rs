//! What a workload is reached through: the ingress listeners of its Sidecar, or one chain per port that it
//! serves.
//!
//! PeerAuthentication decides which chains there are: mesh mTLS, plain, or both side by side, told apart by
//! the first bytes. AuthorizationPolicy stands in each of them.

use super::access_log::Side;
use super::outbound::ANY;
use super::scope::Scope;
use super::{Output, cluster_policy, clusters, manager, names, rbac, routes, tls};
use crate::addr::Address;
use crate::api::networking::destination_rule::ConnectionPool;
use crate::api::networking::sidecar::{CaptureMode, IngressListener};
use crate::api::security::peer_authentication::MtlsMode;
use crate::merge::peer_authentication::Decision;
use crate::model::Name;
use crate::model::cluster::{Cluster, ServiceRef};
use crate::model::endpoint::Endpoint;
use crate::model::http::RouteSource;
use crate::model::listener::{Bind, ChainMatch, Direction, FilterChain, Listener, NetworkFilter, Transport};
use crate::model::route::RouteTable;
use crate::origin::Origin;
use crate::registry::Protocol;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// The port that inbound traffic is redirected to, and the listener that stands for it.
const VIRTUAL_INBOUND: &str = "virtualInbound";

pub(super) fn compile(scope: &Scope<'_>, out: &mut Output) {
    let mut unbound = Vec::new();
    match scope.sidecar.filter(|s| !s.spec.ingress.is_empty()) {
        Some(sidecar) => {
            for (i, ingress) in sidecar.spec.ingress.iter().enumerate() {
                let Some(port) = of_ingress(scope, i, ingress, out) else { continue };
                if ingress.capture_mode == CaptureMode::None {
                    bind(scope, port, out);
                } else {
                    unbound.push(port);
                }
            }
        }
        // Without redirection a listener would take the workload's own socket.
        None if scope.has_own_sockets() => {}
        None => unbound = of_services(scope),
    }
    if !unbound.is_empty() {
        virtual_inbound(scope, unbound, out);
    }
}

/// One port that the workload is reached at.
struct InboundPort {
    number: u16,
    protocol: Protocol,
    bind: IpAddr,
    to: Address,
    services: Vec<ServiceRef>,
    /// Host that traces name.
    host: String,
    pool: Option<ConnectionPool>,
    origin: Option<Origin>,
}

fn of_ingress(
    scope: &Scope<'_>,
    index: usize,
    said: &IngressListener,
    out: &mut Output,
) -> Option<InboundPort> {
    let sidecar = scope.sidecar?;
    let path = format!("spec.ingress[{index}]");
    let number = said.port.number;
    let protocol = match Protocol::parse(&said.port.protocol) {
        Some(Protocol::Udp) | None => {
            let at = format!("{path}.port.protocol");
            out.report.invalid(
                sidecar,
                at,
                format!("{:?} is not a protocol of a listener", said.port.protocol),
            );
            return None;
        }
        Some(protocol) => protocol,
    };
    let bind: IpAddr = match said.bind.as_str() {
        "" => ANY,
        written => match written.parse() {
            Ok(ip) => ip,
            Err(_) => {
                out.report.invalid(
                    sidecar,
                    format!("{path}.bind"),
                    format!("{written:?} is not an IP address"),
                );
                return None;
            }
        },
    };
    let Some(to) = default_endpoint(scope, &said.default_endpoint, number) else {
        let message = format!(
            "{:?} is not 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT or unix:///path",
            said.default_endpoint
        );
        out.report.invalid(sidecar, format!("{path}.defaultEndpoint"), message);
        return None;
    };
    let own = SocketAddr::new(bind, number);
    let loops = |to: SocketAddr| to.port() == number && (to.ip() == bind || bind.is_unspecified());
    if said.capture_mode == CaptureMode::None && to.socket().is_some_and(loops) {
        let message = format!("the listener at {own} would send to itself");
        out.report.invalid(sidecar, format!("{path}.defaultEndpoint"), message);
        return None;
    }
    if said.tls.is_some() {
        // Serving in the clear what was to be encrypted would be worse than not serving.
        out.report.not_honoured(
            sidecar,
            format!("{path}.tls"),
            "TLS with certificates of its own",
            "the listener is left out",
        );
        return None;
    }
    let (services, host) = served(scope, number);
    Some(InboundPort {
        number,
        protocol,
        bind,
        to,
        services,
        // As istiod: a name, though not one that anybody calls.
        host: host.unwrap_or_else(|| format!("{}.{}", sidecar.meta.name, sidecar.meta.namespace)),
        pool: said.connection_pool.clone().or_else(|| sidecar.spec.inbound_connection_pool.clone()),
        origin: Some(sidecar.origin_of(&path)),
    })
}

/// The services that a port of the workload serves, and the host of the first.
fn served(scope: &Scope<'_>, target: u16) -> (Vec<ServiceRef>, Option<String>) {
    let all = scope.registry.inbound_of(scope.node);
    let mut services: Vec<ServiceRef> = Vec::new();
    for inbound in all.into_iter().filter(|i| i.target == target) {
        let service = clusters::service_ref(&inbound.service);
        if !services.contains(&service) {
            services.push(service);
        }
    }
    let host = services.first().map(|s| s.host.to_string());
    (services, host)
}

/// Where the workload itself listens. An address that means "any" is the workload's own.
fn default_endpoint(scope: &Scope<'_>, written: &str, port: u16) -> Option<Address> {
    if written.is_empty() {
        return Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port).into());
    }
    if let Some(path) = written.strip_prefix("unix://").or_else(|| written.strip_prefix("unix:")) {
        return path.starts_with('/').then(|| Address::Unix(path.into()));
    }
    let address: SocketAddr = written.parse().ok()?;
    if address.ip().is_unspecified() {
        let same_family = |ip: &&IpAddr| ip.is_ipv4() == address.is_ipv4();
        let own = scope.node.ips.iter().find(same_family)?;
        return Some(SocketAddr::new(*own, address.port()).into());
    }
    address.ip().is_loopback().then(|| address.into())
}

/// Every port that some service declares for the workload; of several protocols the first counts.
fn of_services(scope: &Scope<'_>) -> Vec<InboundPort> {
    let mut ports: Vec<InboundPort> = Vec::new();
    for inbound in scope.registry.inbound_of(scope.node) {
        if ports.iter().any(|p| p.number == inbound.target) {
            continue;
        }
        let Some(port) = inbound.service.port(inbound.port).filter(|p| p.protocol != Protocol::Udp) else {
            continue;
        };
        let (services, _) = served(scope, inbound.target);
        ports.push(InboundPort {
            number: inbound.target,
            protocol: port.protocol,
            bind: ANY,
            to: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), inbound.target).into(),
            services,
            host: inbound.service.host.to_string(),
            pool: scope.sidecar.and_then(|s| s.spec.inbound_connection_pool.clone()),
            origin: Some(inbound.service.origin.clone()),
        });
    }
    ports.sort_by_key(|p| p.number);
    ports
}

/// A listener with a socket of its own.
fn bind(scope: &Scope<'_>, port: InboundPort, out: &mut Output) {
    let name = names::listener(&port.bind.to_string(), port.number);
    let at = Bind::Socket(SocketAddr::new(port.bind, port.number).into());
    let chains = chains(scope, &port, &name, out);
    let made = listener(scope, name, at, chains, port.origin.clone());
    out.add_listener(made);
    out.add_cluster(cluster(scope, &port));
}

/// One listener for what is redirected, or handed over in process: a chain is found by its port.
fn virtual_inbound(scope: &Scope<'_>, ports: Vec<InboundPort>, out: &mut Output) {
    let mut all = Vec::new();
    for port in &ports {
        let name = names::listener(&port.bind.to_string(), port.number);
        all.extend(chains(scope, port, &name, out));
        out.add_cluster(cluster(scope, port));
    }
    let at = Bind::Unbound(SocketAddr::new(ANY, scope.mesh.proxy_inbound_listen_port).into());
    let made = listener(scope, VIRTUAL_INBOUND.into(), at, all, None);
    out.add_listener(Listener { original_destination: true, ..made });
}

fn cluster(scope: &Scope<'_>, port: &InboundPort) -> Cluster {
    let name = names::inbound(port.number);
    let discovery = clusters::fixed(&name, Endpoint::at(port.to.clone()));
    let pool = port.pool.as_ref();
    Cluster {
        limits: cluster_policy::limits(pool, None),
        high_limits: None,
        http: crate::model::cluster::UpstreamHttp {
            protocol: if port.protocol.is_http2() {
                crate::model::cluster::UpstreamProtocol::Http2
            } else if port.protocol.is_unsupported() {
                crate::model::cluster::UpstreamProtocol::SameAsCaller
            } else {
                crate::model::cluster::UpstreamProtocol::Http1
            },
            ..cluster_policy::http(scope, pool, port.protocol)
        },
        connect_timeout: cluster_policy::connect_timeout(scope, pool),
        services: port.services.clone(),
        origin: port.origin.clone(),
        ..clusters::plain(scope, name, discovery)
    }
}

/// What a chain takes.
struct Shape {
    http: bool,
    /// Mesh mTLS ends here.
    mtls: bool,
    transport: Transport,
    protocols: &'static [&'static str],
}

const PLAIN_HTTP: &[&str] = &["http/1.1", "h2c"];

/// The chains of a port, as istiod has them: by what is declared of its protocol and by the mTLS mode.
fn shapes(protocol: Protocol, mode: MtlsMode) -> Vec<Shape> {
    let mtls = |http, protocols| Shape { http, mtls: true, transport: Transport::Tls, protocols };
    let plain = |http, protocols| Shape { http, mtls: false, transport: Transport::Plain, protocols };
    // An application's own TLS, passed through.
    let passed = || Shape { http: false, mtls: false, transport: Transport::Tls, protocols: &[] };
    let http = protocol.is_http();
    match mode {
        MtlsMode::Strict if protocol.is_unsupported() => {
            vec![mtls(true, &tls::MESH_HTTP_ALPN), mtls(false, &[])]
        }
        MtlsMode::Strict => vec![mtls(http, &[])],
        MtlsMode::Permissive | MtlsMode::Unset if protocol.is_unsupported() => vec![
            mtls(true, &tls::MESH_HTTP_ALPN),
            plain(true, PLAIN_HTTP),
            mtls(false, &tls::MESH_TCP_ALPN),
            plain(false, &[]),
            passed(),
        ],
        MtlsMode::Permissive | MtlsMode::Unset if http => vec![mtls(true, &tls::MESH_ALPN), plain(true, &[])],
        MtlsMode::Permissive | MtlsMode::Unset => {
            vec![mtls(false, &tls::MESH_ALPN), plain(false, &[]), passed()]
        }
        MtlsMode::Disable if protocol.is_unsupported() => vec![plain(true, PLAIN_HTTP), plain(false, &[])],
        MtlsMode::Disable => vec![plain(http, &[])],
    }
}

fn chains(scope: &Scope<'_>, port: &InboundPort, name: &Name, out: &mut Output) -> Vec<FilterChain> {
    let Decision { mode, by } = scope.peers.decide(scope.subject(), port.number);
    if let Some(policy) = by {
        scope.uses(policy);
    }
    let cluster = names::inbound(port.number);
    let make = |shape: Shape| {
        let (filter, rbac) = if shape.http {
            let rbac = rbac::filters(scope, rbac::Layer::Http, &mut out.report);
            let decorator = format!("{}:{}/*", port.host, port.number);
            let route = routes::inbound(cluster.clone(), decorator, port.origin.clone());
            let host = super::virtual_hosts::virtual_host(
                format!("inbound|http|{}", port.number),
                vec!["*".to_owned()],
                vec![route],
                port.origin.clone(),
            );
            // The count is the caller's; here it would start anew.
            let host = crate::model::route::VirtualHost { include_attempt_count: false, ..host };
            let table = RouteTable {
                name: cluster.clone(),
                virtual_hosts: vec![host],
                ignore_port_in_host_matching: false,
            };
            let http = manager::inbound(scope, name, RouteSource::Inline(Arc::new(table)), &rbac);
            (NetworkFilter::Http(Box::new(http)), vec![])
        } else {
            let rbac = rbac::filters(scope, rbac::Layer::Tcp, &mut out.report);
            (NetworkFilter::Tcp(manager::tcp(scope, cluster.clone(), Side::Server)), rbac)
        };
        FilterChain {
            name: name.clone(),
            matches: ChainMatch {
                destination_port: Some(port.number),
                transport: Some(shape.transport),
                application_protocols: shape.protocols.iter().map(|p| (*p).to_owned()).collect(),
                ..ChainMatch::default()
            },
            tls: shape.mtls.then(|| tls::server(scope, shape.http)),
            rbac,
            filter,
        }
    };
    shapes(port.protocol, mode).into_iter().map(make).collect()
}

fn listener(
    scope: &Scope<'_>,
    name: Name,
    bind: Bind,
    chains: Vec<FilterChain>,
    origin: Option<Origin>,
) -> Listener {
    let http = |p: &String| PLAIN_HTTP.contains(&p.as_str());
    let timeout: std::time::Duration = scope.mesh.protocol_detection_timeout.into();
    Listener {
        name,
        bind,
        direction: Direction::Inbound,
        tls_inspector: chains.iter().any(|c| c.matches.transport == Some(Transport::Tls)),
        http_inspector: chains.iter().any(|c| c.matches.application_protocols.iter().any(http)),
        original_destination: false,
        // Zero would wait for ever for a caller that says nothing.
        inspect_timeout: (!timeout.is_zero()).then_some(timeout),
        continue_on_inspect_timeout: true,
        filter_chains: chains.into_iter().map(Arc::new).collect(),
        default_chain: None,
        origin,
    }
}
