//! Raw SotW streams: Envoy's order, and a gRPC client's.

use super::fixture::{Plane, raw_node, within};
use super::model::snapshot;
use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use mesh_xds::ResourceType;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

const CDS: ResourceType = ResourceType::Cluster;
const EDS: ResourceType = ResourceType::Endpoint;
const LDS: ResourceType = ResourceType::Listener;
const RDS: ResourceType = ResourceType::Route;

struct Raw {
    requests: mpsc::Sender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
    last: BTreeMap<ResourceType, (String, String)>,
}

impl Raw {
    /// Opens a stream with a first request.
    async fn open(plane: &Plane, kind: ResourceType, names: &[&str]) -> Self {
        let (requests, rx) = mpsc::channel(16);
        let node = Some(raw_node());
        requests.send(DiscoveryRequest { node, ..message(kind, names) }).await.unwrap();
        let mut client = plane.raw().await;
        let responses =
            client.stream_aggregated_resources(ReceiverStream::new(rx)).await.unwrap().into_inner();
        Self { requests, responses, last: BTreeMap::new() }
    }

    /// With the newest nonce and version.
    async fn send(&mut self, kind: ResourceType, names: &[&str]) {
        let (version_info, response_nonce) = self.last.get(&kind).cloned().unwrap_or_default();
        let request = DiscoveryRequest { version_info, response_nonce, ..message(kind, names) };
        self.requests.send(request).await.unwrap();
    }

    /// The next response: its kind and how many resources it has.
    async fn next(&mut self) -> (ResourceType, usize) {
        let response = within(self.responses.message()).await.unwrap().unwrap();
        let kind = ResourceType::from_url(&response.type_url).unwrap();
        self.last.insert(kind, (response.version_info, response.nonce));
        (kind, response.resources.len())
    }
}

fn message(kind: ResourceType, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: kind.url().into(),
        resource_names: names.iter().map(|n| (*n).to_owned()).collect(),
        ..DiscoveryRequest::default()
    }
}

#[tokio::test]
async fn envoys_order_is_served_step_by_step() {
    let plane = Plane::start().await;
    let mut envoy = Raw::open(&plane, CDS, &[]).await;
    assert_eq!(envoy.next().await, (CDS, 2));
    envoy.send(EDS, &["blue", "green"]).await;
    assert_eq!(envoy.next().await, (EDS, 2), "without the CDS ACK");
    envoy.send(CDS, &[]).await;
    envoy.send(LDS, &[]).await;
    envoy.send(EDS, &["blue", "green"]).await;
    assert_eq!(envoy.next().await, (LDS, 1), "no answer to either ACK");
    envoy.send(RDS, &["http"]).await;
    assert_eq!(envoy.next().await, (RDS, 1));
    envoy.send(LDS, &[]).await;
    envoy.send(RDS, &["http"]).await;
    super::fixture::eventually("all four are acknowledged", || {
        let kinds = &plane.server.status()[0].kinds;
        kinds.len() == 4 && kinds.values().all(|kind| kind.is_synced())
    })
    .await;
    plane.compiled.send(Arc::new(snapshot("2", "green")));
    assert_eq!(envoy.next().await, (RDS, 1), "of four kinds the one that changed");
    assert!(plane.server.metrics().contains("pilot_xds_pushes{type=\"rds\"} 2"));
}

#[tokio::test]
async fn a_grpc_client_asks_by_name_from_the_listener_down() {
    let plane = Plane::start().await;
    let mut grpc = Raw::open(&plane, LDS, &["web"]).await;
    assert_eq!(grpc.next().await, (LDS, 1));
    grpc.send(LDS, &["web"]).await;
    grpc.send(RDS, &["http"]).await;
    assert_eq!(grpc.next().await, (RDS, 1));
    grpc.send(RDS, &["http"]).await;
    grpc.send(CDS, &["blue"]).await;
    assert_eq!(grpc.next().await, (CDS, 1), "not the other cluster");
    grpc.send(CDS, &["blue"]).await;
    grpc.send(EDS, &["blue"]).await;
    assert_eq!(grpc.next().await, (EDS, 1));
}

#[tokio::test]
async fn who_reads_slowly_is_sent_the_newest_and_not_all_that_came_between() {
    const VERSIONS: usize = 40;
    let big = |version: usize| {
        let mut next = snapshot(&version.to_string(), "blue");
        let mut table = super::model::table("http", "blue");
        // More than the transport buffers, so that it pushes back.
        table.virtual_hosts[0].name = format!("{version}-{}", "x".repeat(1 << 20)).into();
        next.routes.insert("http".into(), Arc::new(table));
        Arc::new(next)
    };
    let plane = Plane::start().await;
    let mut slow = Raw::open(&plane, RDS, &["http"]).await;
    assert_eq!(slow.next().await, (RDS, 1));
    for version in 0..VERSIONS {
        plane.compiled.send(big(version));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    let last = VERSIONS - 1;
    let newest =
        mesh_xds::convert::encode::pack(&mesh_xds::convert::encode::route_table(&big(last).routes["http"]));
    let mut count = 0;
    loop {
        let response = within(slow.responses.message()).await.unwrap().unwrap();
        count += 1;
        if response.resources[0] == newest {
            break;
        }
    }
    assert!(count < VERSIONS / 2, "{count} responses");
}
