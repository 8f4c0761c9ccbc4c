//! One endpoint of one worker: who it is, and its pools.

use super::{ClusterRuntime, Transports};
use crate::body::Outgoing;
use crate::http::Trail;
use crate::pool::{Answer, Connected, Connector, Failure, Gate, Pool, Settings, Slot};
use crate::shared::{HostShared, InFlight};
use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{Request, Uri};
use mesh_core::addr::Address;
use mesh_core::model::cluster::{ClusterTransport, TcpKeepalive};
use mesh_core::model::endpoint::{Endpoint, Health, TlsMode};
use mesh_core::model::tls::{UpstreamTls, secret};
use mesh_telemetry::Peer;
use mesh_telemetry::peer::{Exchange, PEER_METADATA, PEER_METADATA_ID};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// Envoy's default.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// The pools of one endpoint, made when they are first needed.
pub(crate) struct Pools {
    address: Address,
    transports: Transports,
    connect_timeout: Duration,
    keepalive: Option<TcpKeepalive>,
    idle_timeout: Duration,
    max_requests: u32,
    gate: Arc<Gate>,
    /// Held, as the cluster itself holds it weakly: the pools count what everybody else reads.
    shared: Arc<HostShared>,
    http1: OnceLock<Arc<Pool>>,
    http2: OnceLock<Arc<Pool>>,
    tcp: OnceLock<Arc<Pool>>,
}

impl Pools {
    pub(super) fn new(address: Address, cluster: &ClusterRuntime, transports: Transports) -> Self {
        let config = &cluster.config;
        let shared = cluster.shared.host(&address);
        Self {
            address,
            transports,
            connect_timeout: config.connect_timeout,
            keepalive: config.keepalive,
            idle_timeout: config.http.idle_timeout.unwrap_or(IDLE_TIMEOUT),
            max_requests: config.http.max_requests_per_connection,
            gate: cluster.shared.gate.clone(),
            shared,
            http1: OnceLock::new(),
            http2: OnceLock::new(),
            tcp: OnceLock::new(),
        }
    }

    fn http(&self, http2: bool) -> &Arc<Pool> {
        let (pool, tls) =
            if http2 { (&self.http2, &self.transports.http2) } else { (&self.http1, &self.transports.http1) };
        pool.get_or_init(|| self.make(tls.clone(), http2))
    }

    fn tcp(&self) -> &Arc<Pool> {
        self.tcp.get_or_init(|| self.make(self.transports.tcp.clone(), false))
    }

    fn make(&self, tls: Option<Arc<crate::tls::ClientTls>>, http2: bool) -> Arc<Pool> {
        let connector = Connector {
            address: self.address.clone(),
            tls,
            timeout: self.connect_timeout,
            keepalive: self.keepalive,
        };
        let settings = Settings { http2, idle_timeout: self.idle_timeout, max_requests: self.max_requests };
        Pool::new(connector, settings, self.gate.clone(), self.shared.pool.clone())
    }

    /// Every pool that was made.
    pub(crate) fn for_each(&self, mut see: impl FnMut(&Pool)) {
        for pool in [&self.http1, &self.http2, &self.tcp].into_iter().filter_map(OnceLock::get) {
            see(pool);
        }
    }
}

/// An endpoint.
pub(crate) struct Host {
    endpoint: Endpoint,
    pub(crate) shared: Arc<HostShared>,
    pools: Arc<Pools>,
    cluster: Arc<crate::shared::ClusterShared>,
    /// The workload behind it, by the control plane.
    pub(crate) peer: Option<Arc<Peer>>,
    /// Whether it is told who calls.
    exchange: Option<Arc<Exchange>>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("address", &self.endpoint.address).finish_non_exhaustive()
    }
}

impl Host {
    pub(super) fn new(endpoint: Endpoint, cluster: &ClusterRuntime, pools: Arc<Pools>) -> Arc<Self> {
        let in_mesh = is_mesh_mtls(&cluster.config.transport, endpoint.tls_mode);
        Arc::new(Self {
            shared: pools.shared.clone(),
            peer: endpoint.workload.clone().map(|w| Arc::new(Peer::from(w))),
            exchange: cluster.surroundings.exchange.clone().filter(|_| in_mesh),
            cluster: cluster.shared.clone(),
            pools,
            endpoint,
        })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.endpoint.address
    }

    pub(crate) fn tls_mode(&self) -> TlsMode {
        self.endpoint.tls_mode
    }

    pub(crate) fn weight(&self) -> u32 {
        self.endpoint.weight.max(1)
    }

    /// Whether the control plane holds it for good.
    pub(crate) fn is_selectable(&self) -> bool {
        self.endpoint.health == Health::Healthy
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.endpoint.health == Health::Draining
    }

    /// Whether experience says otherwise.
    pub(crate) fn is_ejected(&self, _now: Instant) -> bool {
        self.shared.outlier.is_ejected()
    }

    pub(crate) fn active(&self) -> u32 {
        self.shared.rq_active.load(Ordering::Relaxed)
    }

    pub(crate) fn pools(&self) -> &Arc<Pools> {
        &self.pools
    }

    /// Sends one attempt. HTTP/2 is spoken if the request's version says so.
    pub(crate) async fn send(self: &Arc<Self>, mut request: Request<Outgoing>) -> Result<Answer, Failure> {
        let trail = Trail::of(&request);
        if let Some(trail) = &trail {
            trail.attempt(self);
        }
        let headers = request.headers_mut();
        if let Some(exchange) = &self.exchange {
            headers.insert(PEER_METADATA_ID, exchange.id().clone());
            headers.insert(PEER_METADATA, exchange.metadata().clone());
        } else {
            // What a workload says of itself, or somebody else of it, stays in the mesh.
            headers.remove(PEER_METADATA_ID);
            headers.remove(PEER_METADATA);
        }
        let http2 = request.version() == http::Version::HTTP_2;
        if http2 {
            absolute(&mut request, self.pools.transports.http2.is_some());
        } else {
            *request.version_mut() = http::Version::HTTP_11;
        }
        let stats = &self.cluster.stats;
        stats.rq_total.fetch_add(1, Ordering::Relaxed);
        let in_flight = InFlight::begin(&self.shared);
        let sent = self.pools.http(http2).send(request).await;
        match &sent {
            Ok(answer) => {
                let status = answer.response.status();
                in_flight.answered(!status.is_server_error());
                stats.answered(status);
                if let Some(trail) = &trail {
                    trail.answered(answer.connection.clone());
                }
            }
            Err(failure) => {
                in_flight.answered(false);
                if let (Some(trail), Failure::Connect(error)) = (&trail, failure) {
                    trail.unconnected(error.clone());
                }
            }
        }
        let Answer { response, connection } = sent?;
        Ok(Answer { response: response.map(|body| body.holding(in_flight)), connection })
    }

    /// Opens a connection for TCP.
    pub(crate) async fn connect(&self) -> Result<(Connected, Slot), Failure> {
        let done = self.pools.tcp().connect().await;
        if let Err(Failure::Connect(_)) = &done {
            let failed = mesh_policy::outlier::Outcome::LocalOrigin(mesh_policy::FailureKind::ConnectFailure);
            self.shared.outlier.record(failed, std::time::Instant::now);
        }
        done
    }
}

/// Whether connections prove that the endpoint is of the mesh: it shows a certificate under the mesh's roots
/// and is shown the workload's own. What merely has a workload or a name may be anywhere.
fn is_mesh_mtls(transport: &ClusterTransport, tls_mode: TlsMode) -> bool {
    let mutual = |tls: &UpstreamTls| {
        tls.certificate.as_deref() == Some(secret::DEFAULT) && &*tls.server.roots == secret::ROOT_CA
    };
    match transport {
        ClusterTransport::Plain => false,
        ClusterTransport::Tls(tls) => mutual(tls),
        ClusterTransport::AutoMtls(tls) => tls_mode == TlsMode::Istio && mutual(tls),
    }
}

/// HTTP/2 carries scheme and authority in the target; inside the proxy they stand in `host`.
fn absolute(request: &mut Request<Outgoing>, tls: bool) {
    let Some(host) = request.headers_mut().remove(HOST) else { return };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(authority);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

#[cfg(test)]
mod tests;
