//! Builders, servers and callers for the tests.

mod callers;
mod identity;
mod upstream;

pub(crate) use callers::{Caller, get, request, send};
pub(crate) use identity::Authority;
pub(crate) use upstream::{Upstream, text};

use ::http::StatusCode;
use mesh_core::credential::Credential;
use mesh_core::model::cluster::{Balance, CircuitLimits, Cluster, ClusterTransport, Discovery, UpstreamHttp};
use mesh_core::model::endpoint::{Endpoint, Endpoints, Locality, WorkloadRef};
use mesh_core::model::http::{
    Codec, ForwardClientCert, HttpFilter, HttpManager, PathNormalization, RouteSource,
};
use mesh_core::model::listener::{
    Bind, ChainMatch, Direction, FilterChain, Listener, NetworkFilter, TcpProxy,
};
use mesh_core::model::route::{
    Action, DirectResponse, Forward, HeaderChanges, PathMatch, Route, RouteMatch, RouteTable, Target,
    VirtualHost,
};
use mesh_core::model::values::Fraction;
use mesh_core::model::{Name, Snapshot};
use mesh_core::node::{Node, NodeKind};
use mesh_core::watch::{self, Watch};
use mesh_proxy::{Proxy, ProxyHandle, Settings};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A port that the kernel chooses, on loopback.
pub(crate) fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// A proxy under test, with the ends that configure it.
pub(crate) struct Running {
    pub(crate) handle: ProxyHandle,
    pub(crate) config: watch::Sender<Snapshot>,
}

impl Running {
    /// Starts a proxy without identity and waits until it serves.
    pub(crate) async fn start(snapshot: Snapshot) -> Self {
        Self::with(snapshot, watch::channel().1, |_| {}).await
    }

    /// Starts a proxy and waits until it serves.
    pub(crate) async fn with(
        snapshot: Snapshot,
        identity: Watch<Credential>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let node = Node::new(NodeKind::Sidecar, [127, 0, 0, 1].into(), "test-v1", "default");
        let mut settings = Settings::new(node);
        settings.workers = 2;
        settings.drain = Duration::from_secs(5);
        change(&mut settings);
        let (config, reader) = watch::channel();
        config.send(Arc::new(snapshot));
        let handle = Proxy::start(settings, reader, identity).unwrap();
        handle.ready().await;
        Self { handle, config }
    }

    /// Where a listener is.
    pub(crate) fn addr(&self, listener: &str) -> SocketAddr {
        self.handle.listener_addrs()[listener]
    }

    /// Sends a snapshot and waits until it is served.
    pub(crate) async fn push(&self, mut snapshot: Snapshot, version: &str) {
        snapshot.version = version.to_owned();
        self.config.send(Arc::new(snapshot));
        until(|| self.handle.version().as_deref() == Some(version)).await;
    }

    /// The end, within a second.
    pub(crate) async fn stop(self) {
        self.handle.drain_and_stop(Duration::from_secs(1)).await;
    }
}

/// Waits for a condition, at most for ten seconds.
pub(crate) async fn until(mut met: impl FnMut() -> bool) {
    let waiting = async {
        while !met() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("the condition is not met in time");
}

/// A snapshot of one outbound HTTP listener `out` with one route table, and these clusters.
pub(crate) fn outbound(routes: Vec<Route>, clusters: Vec<Cluster>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    add_listener(&mut snapshot, http_listener("out", Direction::Outbound, "routes"));
    add_table(&mut snapshot, table("routes", routes));
    for cluster in clusters {
        add_cluster(&mut snapshot, cluster);
    }
    snapshot
}

pub(crate) fn add_listener(snapshot: &mut Snapshot, listener: Listener) {
    snapshot.listeners.insert(listener.name.clone(), Arc::new(listener));
}

pub(crate) fn add_table(snapshot: &mut Snapshot, table: RouteTable) {
    snapshot.routes.insert(table.name.clone(), Arc::new(table));
}

pub(crate) fn add_cluster(snapshot: &mut Snapshot, cluster: Cluster) {
    snapshot.clusters.insert(cluster.name.clone(), Arc::new(cluster));
}

pub(crate) fn listener(name: &str, direction: Direction, chains: Vec<FilterChain>) -> Listener {
    Listener {
        name: name.into(),
        bind: Bind::Socket(any_port().into()),
        direction,
        tls_inspector: false,
        http_inspector: false,
        original_destination: false,
        inspect_timeout: None,
        continue_on_inspect_timeout: false,
        filter_chains: chains.into_iter().map(Arc::new).collect(),
        default_chain: None,
        origin: None,
    }
}

pub(crate) fn http_listener(name: &str, direction: Direction, routes: &str) -> Listener {
    listener(name, direction, vec![chain("http", http_filter(manager(routes)))])
}

pub(crate) fn chain(name: &str, filter: NetworkFilter) -> FilterChain {
    FilterChain { name: name.into(), matches: ChainMatch::default(), tls: None, rbac: vec![], filter }
}

pub(crate) fn http_filter(manager: HttpManager) -> NetworkFilter {
    NetworkFilter::Http(Box::new(manager))
}

pub(crate) fn tcp_filter(cluster: &str) -> NetworkFilter {
    NetworkFilter::Tcp(TcpProxy {
        stat_prefix: cluster.into(),
        to: Target::Cluster(cluster.into()),
        idle_timeout: None,
        max_connect_attempts: 1,
        access_logs: vec![],
    })
}

pub(crate) fn manager(routes: &str) -> HttpManager {
    HttpManager {
        stat_prefix: "test".into(),
        codec: Codec::Auto,
        routes: RouteSource::Named(routes.into()),
        filters: vec![HttpFilter::Fault],
        access_logs: vec![],
        use_remote_address: false,
        trusted_hops: 0,
        client_cert: ForwardClientCert::SanitizeSet,
        normalize: PathNormalization::Base,
        upgrades: vec!["websocket".into()],
        stream_idle_timeout: None,
        idle_timeout: None,
        server_name: "istio-envoy".into(),
        generate_request_id: true,
    }
}

pub(crate) fn table(name: &str, routes: Vec<Route>) -> RouteTable {
    let host = VirtualHost {
        name: "all".into(),
        domains: vec!["*".into()],
        routes,
        headers: HeaderChanges::default(),
        include_attempt_count: true,
        origin: None,
    };
    RouteTable { name: name.into(), virtual_hosts: vec![host], ignore_port_in_host_matching: false }
}

pub(crate) fn route(prefix: &str, action: Action) -> Route {
    Route {
        name: prefix.into(),
        matches: RouteMatch { path: PathMatch::Prefix(prefix.into()), ..RouteMatch::default() },
        action,
        headers: HeaderChanges::default(),
        fault: None,
        decorator: None,
        origin: None,
    }
}

pub(crate) fn forward(forward: Forward) -> Action {
    Action::Forward(Box::new(forward))
}

pub(crate) fn to(cluster: &str) -> Action {
    forward(Forward::to(cluster))
}

pub(crate) fn respond(status: StatusCode, body: &str) -> Action {
    Action::Respond(DirectResponse { status, body: body.to_owned().into() })
}

pub(crate) fn cluster(name: &str, addresses: &[SocketAddr]) -> Cluster {
    cluster_of(name, addresses.iter().map(|a| Endpoint::at(*a)).collect())
}

pub(crate) fn cluster_of(name: &str, endpoints: Vec<Endpoint>) -> Cluster {
    let locality = Locality { endpoints, ..Locality::default() };
    let endpoints = Endpoints { name: name.into(), localities: vec![locality] };
    Cluster {
        name: name.into(),
        discovery: Discovery::Static(Arc::new(endpoints)),
        balance: Balance::RoundRobin,
        connect_timeout: Duration::from_secs(5),
        limits: CircuitLimits::default(),
        high_limits: None,
        outlier: None,
        transport: ClusterTransport::Plain,
        http: UpstreamHttp::default(),
        panic_threshold: Fraction::ZERO,
        keepalive: None,
        services: vec![],
        origin: None,
    }
}

pub(crate) fn workload(name: &str) -> WorkloadRef {
    WorkloadRef {
        name: name.into(),
        namespace: "default".into(),
        canonical_service: name.into(),
        canonical_revision: "v1".into(),
        cluster: "Kubernetes".into(),
    }
}

/// The name of a thing.
pub(crate) fn name(text: &str) -> Name {
    text.into()
}
