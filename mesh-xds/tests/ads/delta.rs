//! Raw delta streams: a client that, like Envoy, warms a changed cluster anew.

use super::fixture::{Carried, Plane, eventually, raw_node, within};
use super::model::{self, snapshot};
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use mesh_xds::ResourceType;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

fn subscribe(kind: ResourceType, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: kind.url().into(),
        resource_names_subscribe: names.iter().map(|n| (*n).to_owned()).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

#[tokio::test]
async fn a_changed_cluster_comes_with_its_endpoints_for_who_warms_it_anew() {
    let plane = Plane::start().await;
    let (requests, rx) = mpsc::channel(16);
    let first = DeltaDiscoveryRequest { node: Some(raw_node()), ..subscribe(ResourceType::Cluster, &[]) };
    requests.send(first).await.unwrap();
    requests.send(subscribe(ResourceType::Endpoint, &["blue", "green"])).await.unwrap();
    let mut responses =
        plane.raw().await.delta_aggregated_resources(ReceiverStream::new(rx)).await.unwrap().into_inner();
    for _ in 0..2 {
        within(responses.message()).await.unwrap().unwrap();
    }
    plane.carried();
    let mut next = snapshot("2", "blue");
    let mut blue = model::cluster("blue");
    blue.connect_timeout *= 2;
    next.clusters.insert("blue".into(), Arc::new(blue));
    plane.compiled.send(Arc::new(next));
    let sent = |kind, name: &str| Carried::Sent(kind, name.to_owned());
    for _ in 0..2 {
        within(responses.message()).await.unwrap().unwrap();
    }
    assert_eq!(plane.carried(), [sent(ResourceType::Cluster, "blue"), sent(ResourceType::Endpoint, "blue")]);
    drop(requests);
    eventually("it left", || plane.server.status().is_empty()).await;
}
