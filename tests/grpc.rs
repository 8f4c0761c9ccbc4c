//! A real gRPC client without a proxy (`xds:///…`), routed by our control plane.
#![allow(clippy::expect_used, reason = "a broken test must fail")]

use control_plane::{ControlPlane, Options};
use mesh_tests::loopback::{Folder, Loopback};
use mesh_tests::peer::{Peer, from_all_sh};
use mesh_tests::until;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::process::Command;

/// The control plane, two versions of a server, and the clients' bootstrap file.
struct Grpc {
    config: Folder,
    control_plane: ControlPlane,
    _servers: Vec<Peer>,
    _net: Loopback,
}

const CALLS: u64 = 400;

impl Grpc {
    async fn start() -> Self {
        let net = Loopback::new();
        let config = Folder::empty();
        config.write("mesh.yaml", &net.moved(include_str!("config/grpc.yaml")));
        let control_plane = ControlPlane::start(Options {
            config: config.path().to_owned(),
            state: None,
            grpc: net.addr(200, 15010),
            grpc_tls: None,
            http: Some(net.addr(200, 15014)),
            print_findings: false,
        })
        .await
        .expect("a control plane");
        let mut servers = vec![];
        for (n, version) in [(1, "v1"), (2, "v2")] {
            let mut command = python("grpc_echo.py");
            command.args([&net.addr(n, 7070).to_string(), version]);
            let mut server = Peer::start("grpc_echo.py", &mut command);
            assert_eq!(server.line().await, "ready");
            servers.push(server);
        }
        let bootstrap = json!({
            "xds_servers": [{
                "server_uri": control_plane.grpc_addr().to_string(),
                "channel_creds": [{ "type": "insecure" }],
                "server_features": ["xds_v3"],
            }],
            "node": {
                "id": format!("sidecar~{}~client.default~default.svc.cluster.local", net.ip(9)),
                "metadata": { "GENERATOR": "grpc", "NAMESPACE": "default" },
            },
        });
        config.write("bootstrap.grpc", &bootstrap.to_string());
        Self { config, control_plane, _servers: servers, _net: net }
    }

    fn client(&self, target: &str, metadata: &[&str]) -> Client {
        let mut command = python("grpc_client.py");
        command.args([target, &CALLS.to_string()]).args(metadata);
        command.env("GRPC_XDS_BOOTSTRAP", self.config.file("bootstrap.grpc"));
        Client(Peer::start("grpc_client.py", &mut command))
    }
}

struct Client(Peer);

impl Client {
    /// Makes calls, and returns who answered how often.
    async fn round(&mut self) -> BTreeMap<String, u64> {
        self.0.tell("go").await;
        serde_json::from_str(&self.0.line().await).expect("JSON")
    }
}

fn python(script: &str) -> Command {
    let mut command = Command::new(from_all_sh("MESH_PYTHON"));
    command.arg(format!("{}/peers/{script}", env!("CARGO_MANIFEST_DIR")));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_split_by_weight_and_follow_an_edit() {
    let mut grpc = Grpc::start().await;
    let mut client = grpc.client("xds:///echo.default.svc.cluster.local:7070", &[]);
    let seen = client.round().await;
    let v2 = seen.get("v2").copied().unwrap_or(0);
    // Five standard deviations of 400 throws at 20%: the client throws the dice here, not we.
    assert!((40..=120).contains(&v2), "about 20% of {CALLS}: {seen:?}");
    assert_eq!(seen.values().sum::<u64>(), CALLS, "{seen:?}");
    assert_eq!(seen.len(), 2, "no call failed: {seen:?}");

    grpc.config.edit("mesh.yaml", "weight: 80", "weight: 0");
    grpc.config.edit("mesh.yaml", "weight: 20", "weight: 100");
    for round in 0.. {
        let seen = client.round().await;
        assert!(seen.keys().all(|answer| answer == "v1" || answer == "v2"), "no call failed: {seen:?}");
        if seen.get("v2") == Some(&CALLS) {
            break;
        }
        assert!(round < 50, "the edit never reached the client: {seen:?}");
    }
    grpc.control_plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_chooses_the_version() {
    let mut grpc = Grpc::start().await;
    let mut client = grpc.client("xds:///echo.default.svc.cluster.local:7070", &["user:jason"]);
    assert_eq!(client.round().await, BTreeMap::from([("v2".to_owned(), CALLS)]));
    grpc.control_plane.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_accepts_everything_that_it_gets() {
    let mut grpc = Grpc::start().await;
    let mut client = grpc.client("xds:///echo.default.svc.cluster.local:7070", &[]);
    client.round().await;
    let addr = grpc.control_plane.http_addr().expect("pages");
    let status = until("every type is acknowledged", || async {
        let page = mesh_tests::http::text(addr, "/debug/syncz").await.ok()?;
        let status: Value = serde_json::from_str(&page).ok()?;
        let proxy = status.as_array()?.first()?.clone();
        let acked = ["cluster", "listener", "route", "endpoint"].iter().all(|of| {
            let part = |what: &str| proxy[format!("{of}_{what}")].as_str().map(str::to_owned);
            part("acked").is_some_and(|acked| !acked.is_empty() && Some(acked) == part("sent"))
        });
        acked.then_some(proxy)
    })
    .await;
    assert_eq!(status.get("last_error").and_then(Value::as_str).unwrap_or(""), "", "{status}");
    grpc.control_plane.stop().await;
}
