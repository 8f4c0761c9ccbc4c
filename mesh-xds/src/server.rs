//! An ADS server: hands every proxy the snapshot that was compiled for it, in both variants of the protocol.
//!
//! ```text
//! World ─compile per node─▶ Watch<Snapshot> ─▶ [Server] ══gRPC══▶ Envoy, gRPC clients, our proxy
//!                            (Snapshots)          └─▶ status, metrics
//! ```
//!
//! The server knows nothing of what configuration means: it asks [`Snapshots`] for the node that introduced
//! itself, encodes what it gets, and keeps track of who holds what. A client that reads slowly is sent the
//! newest snapshot when it is ready for it, not all that came between.

mod encode;
mod interest;
mod limit;
mod resources;
mod session;
mod status;
mod stream;

pub use status::{KindStatus, Protocol, ProxyStatus, Rejection, ResponseId};

use encode::Encoder;
use envoy_types::pb::envoy::service::discovery::v3 as pb;
use limit::Pace;
use mesh_core::model::Snapshot;
use mesh_core::node::Node;
use mesh_core::watch::Watch;
use pb::aggregated_discovery_service_server::{AggregatedDiscoveryService, AggregatedDiscoveryServiceServer};
use session::{delta::Delta, sotw::Sotw};
use status::Table;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status, Streaming};

/// Where snapshots come from.
pub trait Snapshots: Send + Sync + 'static {
    /// The snapshots of a node. The watch may have no value yet; what the client asks is answered when it has.
    ///
    /// # Errors
    /// [`Refused`] if there are none for this node: its stream ends.
    fn subscribe(&self, node: &Node) -> Result<Watch<Snapshot>, Refused>;
}

impl<F> Snapshots for F
where
    F: Fn(&Node) -> Result<Watch<Snapshot>, Refused> + Send + Sync + 'static,
{
    fn subscribe(&self, node: &Node) -> Result<Watch<Snapshot>, Refused> {
        self(node)
    }
}

/// Why a node gets no snapshots.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    reason: String,
    code: tonic::Code,
}

impl Refused {
    /// Not yet: the client shall come back (`UNAVAILABLE`).
    pub fn not_ready(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), code: tonic::Code::Unavailable }
    }

    /// Not this node (`PERMISSION_DENIED`).
    pub fn denied(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), code: tonic::Code::PermissionDenied }
    }

    /// What the node says of itself makes no sense (`INVALID_ARGUMENT`).
    pub fn invalid(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), code: tonic::Code::InvalidArgument }
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        Self::new(refused.code, refused.reason)
    }
}

/// Decides whether a caller may be the node that it says it is.
type Authorize = dyn Fn(&Node, &MetadataMap, &Extensions) -> Result<(), Status> + Send + Sync;

/// An ADS server. Clones are one server.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    snapshots: Box<dyn Snapshots>,
    authorize: Option<Box<Authorize>>,
    pace: Pace,
    encoder: Encoder,
    table: Arc<Table>,
    shutdown: watch::Sender<bool>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("connections", &self.0.table.all().len()).finish_non_exhaustive()
    }
}

/// Settings of a [`Server`].
#[must_use]
pub struct Builder {
    snapshots: Box<dyn Snapshots>,
    authorize: Option<Box<Authorize>>,
    streams_per_second: u32,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("streams_per_second", &self.streams_per_second)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Asks before a stream is served. The metadata are those of the call (`authorization`), the extensions
    /// those of the connection (the peer's certificate, where the listener speaks mTLS).
    pub fn authorize(
        mut self,
        authorize: impl Fn(&Node, &MetadataMap, &Extensions) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Self {
        self.authorize = Some(Box::new(authorize));
        self
    }

    /// How many streams may begin in a second; those beyond get `RESOURCE_EXHAUSTED` and come back. The
    /// default is istiod's: 15 and 5 per core, at most 100.
    pub fn streams_per_second(mut self, limit: u32) -> Self {
        self.streams_per_second = limit;
        self
    }

    /// The server.
    pub fn build(self) -> Server {
        Server(Arc::new(Inner {
            snapshots: self.snapshots,
            authorize: self.authorize,
            pace: Pace::new(self.streams_per_second, Instant::now()),
            encoder: Encoder::default(),
            table: Arc::default(),
            shutdown: watch::Sender::new(false),
        }))
    }
}

impl Server {
    /// A server that asks nobody who may connect.
    pub fn new(snapshots: impl Snapshots) -> Self {
        Self::builder(snapshots).build()
    }

    /// A server with settings.
    pub fn builder(snapshots: impl Snapshots) -> Builder {
        Builder { snapshots: Box::new(snapshots), authorize: None, streams_per_second: limit::istiods_rate() }
    }

    /// The gRPC service, for a [`tonic::transport::Server`] such as [`transport`] makes.
    pub fn service(&self) -> AggregatedDiscoveryServiceServer<Self> {
        AggregatedDiscoveryServiceServer::new(self.clone()).max_decoding_message_size(MAX_REQUEST)
    }

    /// Everybody who is connected, with what they were sent and what they said to it.
    pub fn status(&self) -> Vec<ProxyStatus> {
        self.0.table.all()
    }

    /// Istio's `/debug/syncz`: a list of [`ProxyStatus::syncz`].
    pub fn syncz(&self) -> serde_json::Value {
        self.status().iter().map(ProxyStatus::syncz).collect()
    }

    /// Counters under Istio's names (`pilot_xds`, `pilot_xds_pushes`, …) in Prometheus' text format.
    pub fn metrics(&self) -> String {
        self.0.table.metrics()
    }

    /// Ends every stream with `UNAVAILABLE` and refuses new ones. Clients keep what they have and look for
    /// another server. Call it before tonic's graceful shutdown, which would wait for the streams.
    pub fn shutdown(&self) {
        self.0.shutdown.send_replace(true);
    }
}

/// The longest request that is read; istiod's, which is gRPC's default.
const MAX_REQUEST: usize = 4 * 1024 * 1024;

/// A gRPC server with istiod's settings for many long streams: a ping every 30 s of silence, closed if
/// unanswered for 10 s.
pub fn transport() -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .max_concurrent_streams(100_000)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .tcp_nodelay(true)
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Server {
    type StreamAggregatedResourcesStream = ReceiverStream<Result<pb::DiscoveryResponse, Status>>;
    type DeltaAggregatedResourcesStream = ReceiverStream<Result<pb::DeltaDiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<pb::DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        stream::open::<Sotw>(&self.0, request)
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<pb::DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        stream::open::<Delta>(&self.0, request)
    }
}
