//! A real Envoy as a sidecar of the mesh: its configuration over ADS, its certificates over SDS.

use crate::peer::{Peer, from_all_sh};
use crate::{http, until};
use mesh_core::node::Node;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::JoinHandle;

/// How Envoy speaks to the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ads {
    /// Every push holds all resources of a type.
    StateOfTheWorld,
    /// A push holds what changed.
    Delta,
}

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    peer: Peer,
    admin: SocketAddr,
    sds: JoinHandle<()>,
    _files: TempDir,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.sds.abort();
    }
}

impl Envoy {
    /// Starts one for a node. What an agent does beside Envoy, the harness does: it gets a certificate for
    /// the token and serves it over SDS on a Unix socket.
    pub async fn start(
        node: &Node,
        ads: Ads,
        control_plane: SocketAddr,
        token: String,
        admin: SocketAddr,
    ) -> Self {
        let files = tempfile::Builder::new().prefix("mesh-envoy-").tempdir().expect("a temporary folder");
        let socket = files.path().join("sds");
        let credential =
            mesh_ca::Client::connect(format!("http://{control_plane}"), token).await.expect("a CA");
        let path = socket.clone();
        let sds = tokio::spawn(async move {
            let served = mesh_ca::sds::serve_unix(&path, credential, std::future::pending()).await;
            served.expect("SDS on a Unix socket");
        });
        let config = files.path().join("bootstrap.json");
        let bootstrap = bootstrap(node, ads, control_plane, &socket, admin);
        std::fs::write(&config, bootstrap.to_string()).expect("write the bootstrap");
        let mut command = Command::new(from_all_sh("MESH_ENVOY"));
        command.arg("-c").arg(&config).args(["--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"]);
        command.args(["--drain-time-s", "1", "--disable-hot-restart"]);
        let mut envoy = Self { peer: Peer::start("envoy", &mut command), admin, sds, _files: files };
        envoy.ready().await;
        envoy
    }

    async fn ready(&mut self) {
        let admin = self.admin;
        let from = std::time::Instant::now();
        while http::text(admin, "/ready").await.is_err() {
            self.peer.assert_running().await;
            if from.elapsed().as_secs() > 20 {
                panic!("Envoy is not ready; its log:\n{}", self.peer.log().await);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Its counters and gauges.
    pub async fn stats(&self) -> BTreeMap<String, u64> {
        let text = http::text(self.admin, "/stats").await.expect("Envoy's statistics");
        text.lines()
            .filter_map(|line| {
                let (name, value) = line.split_once(": ")?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect()
    }

    /// One counter or gauge; 0 if there is none.
    pub async fn stat(&self, name: &str) -> u64 {
        self.stats().await.get(name).copied().unwrap_or(0)
    }

    /// Panics if Envoy refused any configuration, with what it logged.
    pub async fn assert_nothing_rejected(&self) {
        let rejected: Vec<_> = self
            .stats()
            .await
            .into_iter()
            .filter(|(name, count)| name.ends_with("update_rejected") && *count > 0)
            .collect();
        assert!(rejected.is_empty(), "{rejected:?}; Envoy's log:\n{}", self.peer.log().await);
    }

    /// Its configuration as it sees it.
    pub async fn config_dump(&self) -> Value {
        let text = http::text(self.admin, "/config_dump?include_eds").await.expect("Envoy's configuration");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Waits until a text stands in its configuration.
    pub async fn sees(&self, text: &str) {
        let admin = self.admin;
        until(&format!("{text:?} in Envoy's configuration"), || async move {
            let dump = http::text(admin, "/config_dump?include_eds").await.ok()?;
            dump.contains(text).then_some(())
        })
        .await;
    }

    /// Where its admin pages are.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What it logged last.
    pub async fn log(&self) -> String {
        self.peer.log().await
    }
}

fn bootstrap(node: &Node, ads: Ads, control_plane: SocketAddr, sds: &Path, admin: SocketAddr) -> Value {
    let http2 = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} }
        }
    });
    let cluster = |name: &str, kind: &str, address: Value| {
        json!({
            "name": name,
            "type": kind,
            "connect_timeout": "1s",
            "typed_extension_protocol_options": http2,
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }]
            }
        })
    };
    let socket = |at: SocketAddr| json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } });
    json!({
        "node": {
            "id": node.id(),
            "cluster": node.name,
            "metadata": {
                "NAME": node.name,
                "NAMESPACE": node.namespace,
                "LABELS": node.labels,
                "SERVICE_ACCOUNT": node.service_account,
                "CLUSTER_ID": node.cluster_id,
                "INSTANCE_IPS": node.ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            }
        },
        "admin": { "address": socket(admin) },
        "dynamic_resources": {
            "lds_config": { "ads": {}, "resource_api_version": "V3" },
            "cds_config": { "ads": {}, "resource_api_version": "V3" },
            "ads_config": {
                "api_type": if ads == Ads::Delta { "DELTA_GRPC" } else { "GRPC" },
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds-grpc" } }]
            }
        },
        "static_resources": {
            "clusters": [
                cluster("xds-grpc", "STATIC", socket(control_plane)),
                cluster("sds-grpc", "STATIC", json!({ "pipe": { "path": sds } })),
            ]
        }
    })
}
