//! Who is let in, and how a stream ends.

use super::fixture::{Plane, raw_node, within};
use super::model::snapshot;
use envoy_types::pb::envoy::config::core::v3::Node as RawNode;
use envoy_types::pb::envoy::service::discovery::v3::DiscoveryRequest;
use mesh_core::node::Node;
use mesh_xds::server::{Refused, Server};
use mesh_xds::{Client, ResourceType};
use std::sync::Arc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Code, Status};

/// What becomes of a stream that introduces itself so.
async fn outcome(plane: &Plane, node: Option<RawNode>) -> Result<(), Status> {
    let (tx, rx) = tokio::sync::mpsc::channel(1);
    let type_url = ResourceType::Cluster.url().to_owned();
    tx.send(DiscoveryRequest { node, type_url, ..DiscoveryRequest::default() }).await.unwrap();
    let mut responses =
        plane.raw().await.stream_aggregated_resources(ReceiverStream::new(rx)).await?.into_inner();
    within(responses.message()).await.map(|_| ())
}

#[tokio::test]
async fn a_first_request_without_a_node_id_is_invalid() {
    let plane = Plane::start().await;
    for node in [None, Some(RawNode::default()), Some(RawNode { id: "envoy".into(), ..RawNode::default() })] {
        let status = outcome(&plane, node).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    outcome(&plane, Some(raw_node())).await.unwrap();
}

#[tokio::test]
async fn who_asks_once_and_says_that_it_is_done_is_answered_first() {
    let plane = Plane::with(|builder| builder).await;
    let (tx, rx) = tokio::sync::mpsc::channel(1);
    let type_url = ResourceType::Cluster.url().to_owned();
    let request = DiscoveryRequest { node: Some(raw_node()), type_url, ..DiscoveryRequest::default() };
    tx.send(request).await.unwrap();
    drop(tx);
    let stream = plane.raw().await.stream_aggregated_resources(ReceiverStream::new(rx)).await;
    let mut responses = stream.unwrap().into_inner();
    super::fixture::eventually("it is there", || plane.server.status().len() == 1).await;
    plane.compiled.send(Arc::new(snapshot("1", "blue")));
    let response = within(responses.message()).await.unwrap().unwrap();
    assert_eq!(response.resources.len(), 2);
    assert_eq!(within(responses.message()).await.unwrap(), None);
}

#[tokio::test]
async fn who_is_not_authorized_is_told_so_and_sees_nothing() {
    let plane =
        Plane::with(|builder| builder.authorize(|_, _, _| Err(Status::unauthenticated("no token")))).await;
    plane.compiled.send(Arc::new(snapshot("1", "blue")));
    let status = outcome(&plane, Some(raw_node())).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "no token"));
    assert!(plane.server.status().is_empty());
}

#[tokio::test]
async fn a_refusal_carries_its_code() {
    let server = Server::new(|node: &Node| Err(Refused::not_ready(format!("{node} must wait"))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(
        mesh_xds::server::transport()
            .add_service(server.service())
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let (tx, rx) = tokio::sync::mpsc::channel(1);
    tx.send(DiscoveryRequest { node: Some(raw_node()), ..DiscoveryRequest::default() }).await.unwrap();
    let client = envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient::connect(uri).await;
    let mut responses =
        client.unwrap().stream_aggregated_resources(ReceiverStream::new(rx)).await.unwrap().into_inner();
    let status = within(responses.message()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "reviews-v1.default must wait"));
}

#[tokio::test]
async fn more_streams_than_the_pace_allows_are_told_to_come_back() {
    let plane = Plane::with(|builder| builder.streams_per_second(1)).await;
    plane.compiled.send(Arc::new(snapshot("1", "blue")));
    outcome(&plane, Some(raw_node())).await.unwrap();
    let status = outcome(&plane, Some(raw_node())).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let mut config = Client::connect(plane.uri(), super::fixture::node()).await.unwrap();
    super::fixture::version(&mut config, "1").await;
}

#[tokio::test]
async fn a_shutdown_ends_streams_and_lets_no_new_one_begin() {
    let plane = Plane::start().await;
    let (tx, rx) = tokio::sync::mpsc::channel(1);
    let type_url = ResourceType::Cluster.url().to_owned();
    tx.send(DiscoveryRequest { node: Some(raw_node()), type_url, ..DiscoveryRequest::default() })
        .await
        .unwrap();
    let mut responses =
        plane.raw().await.stream_aggregated_resources(ReceiverStream::new(rx)).await.unwrap().into_inner();
    within(responses.message()).await.unwrap();
    plane.server.shutdown();
    assert_eq!(within(responses.message()).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(outcome(&plane, Some(raw_node())).await.unwrap_err().code(), Code::Unavailable);
}
