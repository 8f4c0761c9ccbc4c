//! Routes that are written in a chain, rather than in a table of their own.

use crate::support::*;
use mesh_core::model::Snapshot;
use mesh_core::model::http::RouteSource;
use mesh_core::model::listener::Direction;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The listener `out`, which routes everything to one endpoint.
fn snapshot(at: SocketAddr, inline: bool, connect_timeout: u64) -> Snapshot {
    let mut to_it = cluster("c", &[at]);
    to_it.connect_timeout = Duration::from_secs(connect_timeout);
    let mut config = outbound(vec![route("/", to("c"))], vec![to_it]);
    if inline {
        let mut own = manager("routes");
        own.routes = RouteSource::Inline(Arc::new(table("own", vec![route("/", to("c"))])));
        let chains = vec![chain("http", http_filter(own))];
        add_listener(&mut config, listener("out", Direction::Outbound, chains));
    }
    config
}

#[tokio::test]
async fn a_chain_follows_its_clusters_wherever_its_routes_are_written() {
    let (a, b) = (Upstream::saying("a").await, Upstream::saying("b").await);
    let proxy = Running::start(snapshot(a.addr, false, 1)).await;
    let out = proxy.addr("out");
    assert_eq!(get(out, "/").await.body, "a");
    proxy.push(snapshot(a.addr, true, 1), "inline").await;
    assert_eq!(get(out, "/").await.body, "a");
    // Another time-out makes the cluster another one; its listener stays the same.
    proxy.push(snapshot(b.addr, true, 2), "inline, other cluster").await;
    assert_eq!(get(out, "/").await.body, "b");
    proxy.push(snapshot(b.addr, false, 2), "named").await;
    proxy.push(snapshot(a.addr, false, 3), "named, other cluster").await;
    assert_eq!(get(out, "/").await.body, "a");
    proxy.stop().await;
}
