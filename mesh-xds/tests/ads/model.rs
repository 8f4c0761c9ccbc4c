//! Small snapshots: `web` listens, its table sends to `blue` or `green`, each with endpoints.

use mesh_core::model::cluster::{Balance, CircuitLimits, ClusterTransport, Discovery, UpstreamHttp};
use mesh_core::model::endpoint::{Endpoint, Locality};
use mesh_core::model::http::{HttpManager, RouteSource};
use mesh_core::model::listener::{Bind, ChainMatch, Direction, FilterChain, NetworkFilter};
use mesh_core::model::route::{Action, Forward, HeaderChanges, Route, RouteMatch, VirtualHost};
use mesh_core::model::values::Fraction;
use mesh_core::model::{Cluster, Endpoints, Listener, RouteTable, Snapshot};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn cluster(name: &str) -> Cluster {
    Cluster {
        name: name.into(),
        discovery: Discovery::Eds(name.into()),
        balance: Balance::RoundRobin,
        connect_timeout: Duration::from_secs(10),
        limits: CircuitLimits::default(),
        high_limits: None,
        outlier: None,
        transport: ClusterTransport::Plain,
        http: UpstreamHttp::default(),
        panic_threshold: Fraction::millionths(0),
        keepalive: None,
        services: vec![],
        origin: None,
    }
}

pub(crate) fn endpoints(name: &str, port: u16) -> Endpoints {
    let at = Endpoint::at(SocketAddr::from(([127, 0, 0, 1], port)));
    Endpoints { name: name.into(), localities: vec![Locality { endpoints: vec![at], ..Locality::default() }] }
}

pub(crate) fn table(name: &str, cluster: &str) -> RouteTable {
    let route = Route {
        name: "".into(),
        matches: RouteMatch::default(),
        action: Action::Forward(Box::new(Forward::to(cluster))),
        headers: HeaderChanges::default(),
        fault: None,
        decorator: None,
        origin: None,
    };
    let host = VirtualHost {
        name: "all".into(),
        domains: vec!["*".into()],
        routes: vec![route],
        headers: HeaderChanges::default(),
        include_attempt_count: false,
        origin: None,
    };
    RouteTable { name: name.into(), virtual_hosts: vec![host], ignore_port_in_host_matching: false }
}

pub(crate) fn listener(name: &str, routes: &str) -> Listener {
    let manager = HttpManager {
        stat_prefix: name.into(),
        codec: Default::default(),
        routes: RouteSource::Named(routes.into()),
        filters: vec![],
        access_logs: vec![],
        use_remote_address: false,
        trusted_hops: 0,
        client_cert: Default::default(),
        normalize: Default::default(),
        upgrades: vec![],
        stream_idle_timeout: None,
        idle_timeout: None,
        server_name: String::new(),
        generate_request_id: false,
    };
    let chain = FilterChain {
        name: "".into(),
        matches: ChainMatch::default(),
        tls: None,
        rbac: vec![],
        filter: NetworkFilter::Http(Box::new(manager)),
    };
    Listener {
        name: name.into(),
        bind: Bind::Socket(SocketAddr::from(([127, 0, 0, 1], 80)).into()),
        direction: Direction::Outbound,
        tls_inspector: false,
        http_inspector: false,
        original_destination: false,
        inspect_timeout: None,
        continue_on_inspect_timeout: false,
        filter_chains: vec![Arc::new(chain)],
        default_chain: None,
        origin: None,
    }
}

/// All of it at a version, `web` sending to this cluster.
pub(crate) fn snapshot(version: &str, to: &str) -> Snapshot {
    let mut snapshot = Snapshot { version: version.into(), ..Snapshot::default() };
    for (name, port) in [("blue", 1), ("green", 2)] {
        snapshot.clusters.insert(name.into(), Arc::new(cluster(name)));
        snapshot.endpoints.insert(name.into(), Arc::new(endpoints(name, port)));
    }
    snapshot.listeners.insert("web".into(), Arc::new(listener("web", "http")));
    snapshot.routes.insert("http".into(), Arc::new(table("http", to)));
    snapshot
}
