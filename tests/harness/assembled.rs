//! A mesh assembled from the example binaries, each a process of its own, as a platform engineer would.

use crate::binary::binary;
use crate::loopback::{Folder, Loopback};
use crate::peer::{Peer, run};
use crate::{http, until};
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::process::Command;

/// A control plane and proxies as processes.
#[derive(Debug)]
pub struct Assembled {
    /// Its network.
    pub net: Loopback,
    /// Its configuration.
    pub config: Folder,
    /// The control plane's keys.
    pub state: TempDir,
    /// The control plane.
    pub control_plane: Peer,
}

/// What a proxy is told of its workload.
#[derive(Clone, Copy, Debug)]
pub struct Workload<'a> {
    /// `sidecar` or `gateway`.
    pub kind: &'a str,
    /// Name.
    pub name: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Service account.
    pub service_account: &'a str,
    /// `k=v,…`.
    pub labels: &'a str,
    /// Last part of its address.
    pub at: u8,
}

/// A proxy as a process.
#[derive(Debug)]
pub struct ProxyProcess {
    /// The process.
    pub peer: Peer,
    /// Its admin pages.
    pub admin: SocketAddr,
}

impl Assembled {
    /// Starts a control plane for a configuration written for 127.1.0.0/24.
    pub async fn start(config: &str) -> Self {
        let net = Loopback::new();
        let folder = Folder::empty();
        folder.write("mesh.yaml", &net.moved(config));
        let state = tempfile::Builder::new().prefix("mesh-state-").tempdir().expect("a temporary folder");
        let mut command = Command::new(binary("control-plane").await);
        command.arg("--config").arg(folder.path()).arg("--state").arg(state.path());
        command.args(["--grpc", &net.addr(200, 15010).to_string()]);
        command.args(["--grpc-tls", &net.addr(200, 15012).to_string()]);
        command.args(["--http", &net.addr(200, 15014).to_string()]);
        let mut control_plane = Peer::start("control-plane", &mut command);
        let http_addr = net.addr(200, 15014);
        until("the control plane is ready", || async { http::text(http_addr, "/ready").await.ok() }).await;
        control_plane.assert_running().await;
        Self { net, config: folder, state, control_plane }
    }

    /// A token, as `meshctl token` makes it, in a file.
    pub async fn token(&self, namespace: &str, service_account: &str) -> PathBuf {
        let mut command = Command::new(binary("meshctl").await);
        command.arg("token").arg("--state").arg(self.state.path());
        command.args(["--namespace", namespace, "--service-account", service_account]);
        let (ok, token, error) = run(&mut command).await;
        assert!(ok, "meshctl token: {error}");
        let file = self.state.path().join(format!("{namespace}-{service_account}.token"));
        std::fs::write(&file, token).expect("write the token");
        file
    }

    /// Starts a proxy over the control plane's TLS port, and waits until it is ready.
    pub async fn proxy(&self, of: Workload<'_>) -> ProxyProcess {
        let token = self.token(of.namespace, of.service_account).await;
        let mut proxy = self.start_proxy(of, token).await;
        let from = std::time::Instant::now();
        while http::text(proxy.admin, "/ready").await.is_err() {
            proxy.peer.assert_running().await;
            let log = proxy.peer.log().await;
            assert!(from.elapsed().as_secs() < 30, "{} is not ready; its log:\n{log}", of.name);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        proxy
    }

    /// Starts a proxy with a token of the caller's choice, and does not wait for it.
    pub async fn start_proxy(&self, of: Workload<'_>, token: PathBuf) -> ProxyProcess {
        let admin = self.net.addr(of.at, 15000);
        let mut command = Command::new(binary("proxy").await);
        command.arg(of.kind);
        command.args(["--control-plane", &format!("https://{}", self.net.addr(200, 15012))]);
        command.arg("--root-cert").arg(self.state.path().join("root-cert.pem"));
        command.args([
            "--namespace",
            of.namespace,
            "--name",
            of.name,
            "--service-account",
            of.service_account,
        ]);
        command.args(["--ip", &self.net.ip(of.at).to_string(), "--labels", of.labels, "--workers", "2"]);
        command.arg("--token").arg(token);
        command.args(["--admin", &admin.to_string(), "--status", &self.net.addr(of.at, 15021).to_string()]);
        let peer = Peer::start(of.name, &mut command);
        ProxyProcess { peer, admin }
    }
}

impl ProxyProcess {
    /// The most memory that it has ever had resident, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.peer.pid())).expect("it runs");
        let line = status.lines().find(|l| l.starts_with("VmHWM:")).expect("VmHWM");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of KiB")
    }
}

/// An application behind a gateway and a sidecar, each a process of its own.
#[derive(Debug)]
pub struct Echo {
    /// The mesh.
    pub mesh: Assembled,
    /// The application.
    pub upstream: crate::upstream::Upstream,
    /// The gateway.
    pub gateway: ProxyProcess,
    /// The sidecar.
    pub sidecar: ProxyProcess,
    /// Where the gateway is reached.
    pub addr: SocketAddr,
}

impl Echo {
    /// Starts `config/echo.yaml`, and waits until a request passes.
    pub async fn start() -> Self {
        Self::of(include_str!("../config/echo.yaml")).await
    }

    /// Starts the same of another configuration, in which `UPSTREAM` stands for the application's port.
    pub async fn of(config: &str) -> Self {
        let upstream = crate::upstream::Upstream::start("echo").await;
        let config = config.replace("UPSTREAM", &upstream.addr.port().to_string());
        let mesh = Assembled::start(&config).await;
        let sidecar = mesh
            .proxy(Workload {
                kind: "sidecar",
                name: "echo-v1",
                namespace: "default",
                service_account: "echo",
                labels: "app=echo,version=v1",
                at: 1,
            })
            .await;
        let gateway = mesh
            .proxy(Workload {
                kind: "gateway",
                name: "gateway",
                namespace: "default",
                service_account: "gateway",
                labels: "istio=ingressgateway,app=gateway",
                at: 100,
            })
            .await;
        let addr = mesh.net.addr(100, 8080);
        until("a request through gateway and sidecar", || async { http::text(addr, "/").await.ok() }).await;
        Self { mesh, upstream, gateway, sidecar, addr }
    }
}
