//! Bookinfo on a loopback network of its own, with its configuration at hand for editing.

use crate::envoy::{Ads, Envoy};
use crate::http::{self, Error};
use crate::loopback::{Folder, Loopback};
use ::bookinfo::mesh::{Mesh, Options};
use mesh_core::node::Node;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A running Bookinfo.
#[derive(Debug)]
pub struct Bookinfo {
    /// Its network.
    pub net: Loopback,
    /// Its configuration; an edit is in force within a second.
    pub config: Folder,
    /// The mesh.
    pub mesh: Mesh,
}

impl Bookinfo {
    /// Starts it as the README does.
    pub async fn start() -> Self {
        Self::without(&[]).await
    }

    /// Starts it with other programs in the place of some proxies.
    pub async fn without(proxies: &[&str]) -> Self {
        Self::start_as(proxies, &[]).await
    }

    /// Starts it with further files of configuration, by name.
    pub async fn with_files(files: &[(&str, &str)]) -> Self {
        Self::start_as(&[], files).await
    }

    async fn start_as(proxies: &[&str], files: &[(&str, &str)]) -> Self {
        let net = Loopback::new();
        let config = net.folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/bookinfo/config"));
        for (name, text) in files {
            config.write(name, text);
        }
        let mesh = Mesh::start(Options {
            config: config.path().to_owned(),
            state: None,
            grpc: net.addr(200, 15010),
            grpc_tls: Some(net.addr(200, 15012)),
            http: Some(net.addr(200, 15014)),
            without_proxy: proxies.iter().map(|p| (*p).to_owned()).collect(),
            workers: 1,
            print_findings: false,
        })
        .await
        .unwrap_or_else(|error| panic!("{}", causes(&error)));
        Self { net, config, mesh }
    }

    /// Where the gateway is.
    pub fn gateway(&self) -> SocketAddr {
        self.mesh.gateway().expect("a gateway")
    }

    /// Which version of reviews answers one request through the gateway.
    ///
    /// # Errors
    /// If the answer is not 200.
    pub async fn version(&self, headers: &[(&str, &str)]) -> Result<String, Error> {
        version(self.gateway(), headers).await
    }

    /// How often each version of reviews answers.
    pub async fn versions(&self, requests: usize) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for _ in 0..requests {
            let version = self.version(&[]).await.expect("reviews through the gateway");
            *count.entry(version).or_default() += 1;
        }
        count
    }

    /// As [`versions`](Self::versions), or `None` if a request fails.
    pub async fn try_versions(&self, requests: usize) -> Option<BTreeMap<String, usize>> {
        let mut count = BTreeMap::new();
        for _ in 0..requests {
            *count.entry(self.version(&[]).await.ok()?).or_default() += 1;
        }
        Some(count)
    }

    /// A real Envoy in the place of a member's sidecar, with its certificates by SDS.
    pub async fn envoy(&self, name: &str, ads: Ads) -> Envoy {
        let member = self.mesh.member(name).expect("a member of the mesh");
        let mut node = Node::new(member.kind(), member.ip, &member.name, &member.namespace);
        node.labels = member.labels.clone();
        node.service_account.clone_from(&member.service_account);
        let control_plane = self.mesh.control_plane().grpc_addr();
        let token = self.mesh.token(member).expect("a token");
        Envoy::start(&node, ads, control_plane, token, (member.ip, 15000).into()).await
    }

    /// A page of the control plane.
    pub async fn control_plane(&self, path: &str) -> String {
        let addr = self.mesh.control_plane().http_addr().expect("HTTP pages");
        http::text(addr, path).await.expect("a page of the control plane")
    }

    /// Sends requests until it is stopped, and counts those that fail.
    pub fn load(&self) -> Load {
        Load::start(self.gateway())
    }
}

async fn version(gateway: SocketAddr, headers: &[(&str, &str)]) -> Result<String, Error> {
    let response = http::get(gateway, "/api/v1/products/0/reviews", headers).await?;
    let body = String::from_utf8_lossy(response.body()).into_owned();
    if response.status() != ::http::StatusCode::OK {
        return Err(format!("{}: {body}", response.status()).into());
    }
    let reviews: serde_json::Value = serde_json::from_str(&body)?;
    let pod = reviews["podname"].as_str().ok_or("no podname")?;
    Ok(pod.strip_prefix("reviews-").unwrap_or(pod).to_owned())
}

/// Requests in the background.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    task: JoinHandle<Vec<String>>,
}

impl Load {
    fn start(gateway: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let (stopped, count) = (stop.clone(), sent.clone());
        let task = tokio::spawn(async move {
            let mut failures = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                if let Err(error) = version(gateway, &[]).await {
                    failures.push(error.to_string());
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            failures
        });
        Self { stop, sent, task }
    }

    /// Waits until so many more requests were sent.
    pub async fn more(&self, requests: u64) {
        let goal = self.sent.load(Ordering::Relaxed) + requests;
        crate::wait::within(Duration::from_secs(60), "requests in the background", || async {
            (self.sent.load(Ordering::Relaxed) >= goal).then_some(())
        })
        .await;
    }

    /// Stops, and returns what failed.
    pub async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the load ends")
    }
}

/// An error with all its causes.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
