//! Our client against our server.

use super::fixture::{Carried, Plane, eventually, node, version, within};
use super::model::{self, snapshot};
use mesh_core::model::Snapshot;
use mesh_xds::{Client, ResourceType};
use std::sync::Arc;

fn sent(kind: ResourceType, name: &str) -> Carried {
    Carried::Sent(kind, name.to_owned())
}

#[tokio::test]
async fn a_client_holds_the_snapshot_that_was_compiled() {
    let plane = Plane::start().await;
    let mut config = Client::connect(plane.uri(), node()).await.unwrap();
    assert_eq!(*within(config.ready()).await.unwrap(), snapshot("1", "blue"));
    eventually("all is acknowledged", || {
        let status = plane.server.status();
        status.len() == 1
            && status[0].kinds.len() == 4
            && status[0].kinds.values().all(|kind| kind.is_synced())
    })
    .await;
    assert_eq!(plane.server.status()[0].node, node());
}

#[tokio::test]
async fn a_change_of_one_route_sends_exactly_that_table_and_leaves_the_rest_the_very_same() {
    let plane = Plane::start().await;
    let mut config = Client::connect(plane.uri(), node()).await.unwrap();
    let before = version(&mut config, "1").await;
    plane.carried();
    plane.compiled.send(Arc::new(snapshot("2", "green")));
    let after = version(&mut config, "2").await;
    assert_eq!(*after, snapshot("2", "green"));
    assert_eq!(plane.carried(), [sent(ResourceType::Route, "http")]);
    assert!(Arc::ptr_eq(&before.clusters["blue"], &after.clusters["blue"]));
    assert!(Arc::ptr_eq(&before.listeners["web"], &after.listeners["web"]));
}

#[tokio::test]
async fn a_change_of_a_cluster_does_not_send_its_endpoints_to_a_client_that_keeps_them() {
    let plane = Plane::start().await;
    let mut config = Client::connect(plane.uri(), node()).await.unwrap();
    version(&mut config, "1").await;
    plane.carried();
    let mut next = snapshot("2", "blue");
    let mut blue = model::cluster("blue");
    blue.connect_timeout *= 2;
    next.clusters.insert("blue".into(), Arc::new(blue));
    plane.compiled.send(Arc::new(next.clone()));
    assert_eq!(*version(&mut config, "2").await, next);
    assert_eq!(plane.carried(), [sent(ResourceType::Cluster, "blue")]);
}

#[tokio::test]
async fn a_compile_that_changed_nothing_sends_nothing() {
    let plane = Plane::start().await;
    let mut config = Client::connect(plane.uri(), node()).await.unwrap();
    version(&mut config, "1").await;
    plane.carried();
    plane.compiled.send(Arc::new(snapshot("2", "blue")));
    plane.compiled.send(Arc::new(snapshot("3", "green")));
    version(&mut config, "3").await;
    assert_eq!(plane.carried(), [sent(ResourceType::Route, "http")]);
}

#[tokio::test]
async fn what_is_removed_goes_away() {
    let plane = Plane::start().await;
    let mut config = Client::connect(plane.uri(), node()).await.unwrap();
    version(&mut config, "1").await;
    plane.compiled.send(Arc::new(Snapshot { version: "2".into(), ..Snapshot::default() }));
    let empty = within(async {
        loop {
            let snapshot = config.changed().await.unwrap();
            if snapshot.clusters.is_empty() {
                return snapshot;
            }
        }
    })
    .await;
    assert_eq!(*empty, Snapshot { version: "2".into(), ..Snapshot::default() });
}

#[tokio::test]
async fn what_is_added_comes_with_all_that_it_needs_in_one_snapshot() {
    let plane = Plane::start().await;
    let mut config = Client::connect(plane.uri(), node()).await.unwrap();
    version(&mut config, "1").await;
    let mut next = snapshot("2", "red");
    next.clusters.insert("red".into(), Arc::new(model::cluster("red")));
    next.endpoints.insert("red".into(), Arc::new(model::endpoints("red", 3)));
    plane.compiled.send(Arc::new(next.clone()));
    loop {
        let snapshot = within(config.changed()).await.unwrap();
        if *snapshot.routes["http"] == model::table("http", "red") {
            assert!(snapshot.clusters.contains_key("red") && snapshot.endpoints.contains_key("red"));
            break;
        }
    }
}

#[tokio::test]
async fn a_rejected_resource_is_told_with_its_path_and_holds_back_no_other() {
    let plane = Plane::start().await;
    let mut config = Client::connect(plane.uri(), node()).await.unwrap();
    version(&mut config, "1").await;
    plane.spoil(|response| {
        for resource in response.resources.iter_mut().filter(|r| r.name == "blue") {
            resource.resource.as_mut().unwrap().value = vec![0xff];
        }
    });
    let mut next = snapshot("2", "green");
    for name in ["blue", "green"] {
        let mut cluster = model::cluster(name);
        cluster.connect_timeout *= 3;
        next.clusters.insert(name.into(), Arc::new(cluster));
    }
    plane.compiled.send(Arc::new(next.clone()));
    let after = within(async {
        loop {
            let snapshot = config.changed().await.unwrap();
            if snapshot.routes == next.routes {
                return snapshot;
            }
        }
    })
    .await;
    assert_eq!(*after.clusters["blue"], model::cluster("blue"), "the last good one");
    assert_eq!(after.clusters["green"], next.clusters["green"]);
    let rejected = || plane.server.status()[0].kinds[&ResourceType::Cluster].rejected.clone();
    eventually("the rejection is known", || rejected().is_some()).await;
    assert!(rejected().unwrap().message.starts_with("blue: "), "{:?}", rejected());
    assert!(plane.server.metrics().contains("pilot_total_xds_rejects{type=\"cds\"} 1"));

    plane.spoil(|_| ());
    plane.compiled.send(Arc::new(snapshot("3", "green")));
    assert_eq!(*version(&mut config, "3").await, snapshot("3", "green"));
    eventually("the rejection is over", || rejected().is_none()).await;
}

#[tokio::test]
async fn a_client_keeps_the_last_good_snapshot_and_resumes_where_it_was() {
    let plane = Plane::start().await;
    let mut config = Client::connect(plane.uri(), node()).await.unwrap();
    let before = version(&mut config, "1").await;
    let address = plane.stop().await;
    assert!(Arc::ptr_eq(&config.current().unwrap(), &before));

    let plane = Plane::restart(address).await;
    eventually("it is back", || {
        plane
            .server
            .status()
            .first()
            .is_some_and(|s| s.kinds.len() == 2 && s.kinds.values().all(|k| k.is_synced()))
    })
    .await;
    assert_eq!(plane.carried(), [], "it holds all of it");
    assert!(Arc::ptr_eq(&config.current().unwrap(), &before));

    plane.compiled.send(Arc::new(snapshot("2", "green")));
    assert_eq!(*version(&mut config, "2").await, snapshot("2", "green"));
    assert_eq!(plane.carried(), [sent(ResourceType::Route, "http")]);
}

#[tokio::test]
async fn a_client_may_start_before_its_control_plane() {
    let plane = Plane::start().await;
    let uri = plane.uri();
    let address = plane.stop().await;
    let mut config = Client::connect(uri, node()).await.unwrap();
    assert_eq!(config.current(), None);
    let _plane = Plane::restart(address).await;
    assert_eq!(*version(&mut config, "1").await, snapshot("1", "blue"));
}

#[tokio::test]
async fn a_client_leaves_when_nobody_reads() {
    let plane = Plane::start().await;
    let mut config = Client::connect(plane.uri(), node()).await.unwrap();
    version(&mut config, "1").await;
    assert_eq!(plane.server.status().len(), 1);
    drop(config);
    eventually("it left", || plane.server.status().is_empty()).await;
}

#[tokio::test]
async fn a_token_is_sent_and_asked_for_anew_with_every_stream() {
    let plane = Plane::with(|builder| {
        builder.authorize(|node, metadata, _| {
            assert_eq!(node.namespace, "default");
            match metadata.get("authorization").and_then(|value| value.to_str().ok()) {
                Some("Bearer second") => Ok(()),
                other => Err(tonic::Status::unauthenticated(format!("{other:?}"))),
            }
        })
    })
    .await;
    plane.compiled.send(Arc::new(snapshot("1", "blue")));
    let tokens = parking_lot::Mutex::new(vec!["second", "first"]);
    let mut config = Client::builder(plane.uri(), node())
        .token_from(move || Ok(tokens.lock().pop().ok_or("no more tokens")?.to_owned()))
        .connect()
        .await
        .unwrap();
    version(&mut config, "1").await;
}

#[tokio::test]
async fn tls_is_verified_with_the_given_root() {
    let made = rcgen::generate_simple_self_signed(["control-plane.test".to_owned()]).unwrap();
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let (compiled, snapshots) = mesh_core::watch::channel();
    compiled.send(Arc::new(snapshot("1", "blue")));
    let server = mesh_xds::Server::new(move |_: &mesh_core::node::Node| Ok(snapshots.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("https://{}", listener.local_addr().unwrap());
    let identity = tonic::transport::Identity::from_pem(&pem, key);
    let serving = mesh_xds::server::transport()
        .tls_config(tonic::transport::ServerTlsConfig::new().identity(identity))
        .unwrap()
        .add_service(server.service())
        .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener));
    tokio::spawn(serving);
    let mut config = Client::builder(&uri, node())
        .root_certificate(&pem)
        .server_name("control-plane.test")
        .connect()
        .await
        .unwrap();
    assert_eq!(*version(&mut config, "1").await, snapshot("1", "blue"));
}
