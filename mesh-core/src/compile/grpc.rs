//! gRPC clients without a proxy: every service by every name that a client may dial.
//!
//! `xds:///reviews.default:9080` asks for the listener `reviews.default:9080`, which names the routes
//! `outbound|9080||reviews.default.svc.cluster.local`. Of Envoy's configuration these clients take little, and
//! refuse a response over what they do not take; so little is written.

use super::domains::{self, WithPort};
use super::scope::Scope;
use super::virtual_hosts::{of_port, virtual_host};
use super::{Output, clusters, names};
use crate::model::Name;
use crate::model::http::{Codec, ForwardClientCert, HttpFilter, HttpManager, PathNormalization, RouteSource};
use crate::model::listener::{Bind, ChainMatch, Direction, FilterChain, Listener, NetworkFilter};
use crate::model::route::RouteTable;
use crate::registry::Protocol;
use std::sync::Arc;

pub(super) fn compile(scope: &Scope<'_>, out: &mut Output) {
    for egress in scope.egress() {
        clusters::outbound(scope, &egress.services, out);
        for service in &egress.services {
            for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
                let routes = names::outbound(port.number, "", service.host.as_str());
                let both = WithPort::Both(port.number);
                let all = domains::of_service(service, &scope.node.namespace, scope.domain(), both).all;
                let (rules, vs) = of_port(scope, service, port, &egress.virtuals, &mut out.report);
                let origin = vs.map_or_else(|| service.origin.clone(), |vs| vs.origin());
                let suffix = format!(":{}", port.number);
                let listeners: Vec<String> =
                    all.iter().filter(|d| d.ends_with(&suffix) && !d.starts_with('*')).cloned().collect();
                let name = format!("{}:{}", service.host, port.number);
                out.add_routes(RouteTable {
                    name: routes.clone(),
                    virtual_hosts: vec![virtual_host(name, all, rules, Some(origin))],
                    ignore_port_in_host_matching: false,
                });
                for name in listeners {
                    let name: Name = name.into();
                    // A short name of one service may be the whole name of another, which keeps it.
                    if *name == *format!("{}:{}", service.host, port.number) || !out.has_listener(&name) {
                        out.add_listener(listener(name, routes.clone(), Some(service.origin.clone())));
                    }
                }
            }
        }
    }
}

fn listener(name: Name, routes: Name, origin: Option<crate::origin::Origin>) -> Listener {
    let http = HttpManager {
        stat_prefix: name.clone(),
        codec: Codec::Auto,
        routes: RouteSource::Named(routes),
        filters: vec![HttpFilter::Fault],
        access_logs: vec![],
        use_remote_address: false,
        trusted_hops: 0,
        client_cert: ForwardClientCert::Sanitize,
        normalize: PathNormalization::None,
        upgrades: vec![],
        stream_idle_timeout: None,
        idle_timeout: None,
        server_name: String::new(),
        generate_request_id: false,
    };
    let chain = FilterChain {
        name: Name::default(),
        matches: ChainMatch::default(),
        tls: None,
        rbac: vec![],
        filter: NetworkFilter::Http(Box::new(http)),
    };
    Listener {
        name,
        bind: Bind::Api,
        direction: Direction::Outbound,
        tls_inspector: false,
        http_inspector: false,
        original_destination: false,
        inspect_timeout: None,
        continue_on_inspect_timeout: false,
        filter_chains: vec![Arc::new(chain)],
        default_chain: None,
        origin,
    }
}
