//! A control plane on an ephemeral port, whose answers are recorded and may be spoilt.

use super::model::snapshot;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use futures_util::stream::{BoxStream, StreamExt};
use mesh_core::model::Snapshot;
use mesh_core::node::{Node, NodeKind};
use mesh_core::watch::{self, Sender, Watch};
use mesh_xds::server::Builder;
use mesh_xds::{ResourceType, Server};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

/// A resource that went over the wire: its kind, its name, and whether it was removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Carried {
    Sent(ResourceType, String),
    Removed(ResourceType, String),
}

type Spoil = Box<dyn Fn(&mut DeltaDiscoveryResponse) + Send + Sync>;

/// The server behind a tap.
#[derive(Clone)]
struct Tap {
    server: Server,
    carried: Arc<Mutex<Vec<Carried>>>,
    spoil: Arc<Mutex<Option<Spoil>>>,
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Tap {
    type StreamAggregatedResourcesStream = BoxStream<'static, Result<DiscoveryResponse, Status>>;
    type DeltaAggregatedResourcesStream = BoxStream<'static, Result<DeltaDiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Ok(self.server.stream_aggregated_resources(request).await?.map(StreamExt::boxed))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let tap = self.clone();
        let record = move |response: Result<DeltaDiscoveryResponse, Status>| {
            let mut response = response?;
            let kind = ResourceType::from_url(&response.type_url).unwrap();
            let sent = response.resources.iter().map(|r| Carried::Sent(kind, r.name.clone()));
            let removed = response.removed_resources.iter().map(|n| Carried::Removed(kind, n.clone()));
            tap.carried.lock().extend(sent.chain(removed));
            if let Some(spoil) = &*tap.spoil.lock() {
                spoil(&mut response);
            }
            Ok(response)
        };
        Ok(self.server.delta_aggregated_resources(request).await?.map(|s| s.map(record).boxed()))
    }
}

/// A running control plane.
pub(crate) struct Plane {
    pub(crate) server: Server,
    pub(crate) compiled: Arc<Sender<Snapshot>>,
    pub(crate) address: SocketAddr,
    tap: Tap,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Plane {
    /// With settings.
    pub(crate) async fn with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let (compiled, snapshots) = watch::channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, Arc::new(compiled), snapshots, configure)
    }

    /// With `web` sending to `blue`.
    pub(crate) async fn start() -> Self {
        let plane = Self::with(|builder| builder).await;
        plane.compiled.send(Arc::new(snapshot("1", "blue")));
        plane
    }

    fn on(
        listener: TcpListener,
        compiled: Arc<Sender<Snapshot>>,
        snapshots: Watch<Snapshot>,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let server = configure(Server::builder(move |_: &Node| Ok(snapshots.clone()))).build();
        let tap = Tap { server: server.clone(), carried: Arc::default(), spoil: Arc::default() };
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = mesh_xds::server::transport()
            .add_service(AggregatedDiscoveryServiceServer::new(tap.clone()))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
                let _ = stopped.await;
            });
        let task = tokio::spawn(async { serving.await.unwrap() });
        Self { server, compiled, address, tap, stop: Some(stop), task }
    }

    /// Stops, and gives back what a successor needs.
    pub(crate) async fn stop(mut self) -> (SocketAddr, Arc<Sender<Snapshot>>) {
        self.server.shutdown();
        drop(self.stop.take());
        self.task.await.unwrap();
        (self.address, self.compiled)
    }

    /// Another control plane at the same address.
    pub(crate) async fn restart((address, compiled): (SocketAddr, Arc<Sender<Snapshot>>)) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let snapshots = compiled.subscribe();
        Self::on(listener, compiled, snapshots, |builder| builder)
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What delta streams carried since the last call, sorted.
    pub(crate) fn carried(&self) -> Vec<Carried> {
        let mut carried = std::mem::take(&mut *self.tap.carried.lock());
        carried.sort();
        carried
    }

    /// Changes delta responses on their way.
    pub(crate) fn spoil(&self, spoil: impl Fn(&mut DeltaDiscoveryResponse) + Send + Sync + 'static) {
        *self.tap.spoil.lock() = Some(Box::new(spoil));
    }

    /// A channel for a raw stream.
    pub(crate) async fn raw(&self) -> AggregatedDiscoveryServiceClient<Channel> {
        AggregatedDiscoveryServiceClient::connect(self.uri()).await.unwrap()
    }
}

pub(crate) fn node() -> Node {
    Node::new(NodeKind::Sidecar, [127, 0, 0, 1].into(), "reviews-v1", "default")
}

pub(crate) fn raw_node() -> core::Node {
    core::Node { id: node().id(), ..core::Node::default() }
}

/// Waits until something is so that tells nobody when it becomes so.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), poll).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// The next value, or a failure that says so.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("nothing came for 10 s")
}

/// Waits for a snapshot of this version.
pub(crate) async fn version(config: &mut Watch<Snapshot>, version: &str) -> Arc<Snapshot> {
    within(async {
        let mut snapshot = config.ready().await.unwrap();
        while snapshot.version != version {
            snapshot = config.changed().await.unwrap();
        }
        snapshot
    })
    .await
}
