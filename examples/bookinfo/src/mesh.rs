//! The whole mesh in one process: control plane, a proxy per workload, and the applications.
//!
//! Every part is started as the example binaries start it, and they speak to each other over sockets only:
//! what works here works spread over machines.

use crate::apps;
use crate::plan::{Member, PlanError, Role, plan};
use control_plane::ControlPlane;
use mesh_core::diagnostic::Finding;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a mesh is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of resources.
    pub config: PathBuf,
    /// Folder of the CA's keys; `None` keeps them in memory.
    pub state: Option<PathBuf>,
    /// xDS and CA without TLS.
    pub grpc: SocketAddr,
    /// xDS and CA with TLS.
    pub grpc_tls: Option<SocketAddr>,
    /// The control plane's HTTP pages.
    pub http: Option<SocketAddr>,
    /// Workloads whose proxy somebody else plays.
    pub without_proxy: Vec<String>,
    /// Workers of each proxy.
    pub workers: usize,
    /// Print findings to standard error.
    pub print_findings: bool,
}

/// Why a mesh did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The control plane did not start.
    #[error("cannot start the control plane")]
    ControlPlane(#[from] control_plane::StartError),
    /// The configuration is not one of Bookinfo.
    #[error("the configuration is not one that Bookinfo can play")]
    Plan(#[from] PlanError),
    /// No token could be made.
    #[error("cannot make a token for {workload}")]
    Token {
        /// The workload.
        workload: String,
        /// Why.
        #[source]
        cause: mesh_ca::token::IssueError,
    },
    /// A proxy did not start.
    #[error("cannot start the proxy of {workload}")]
    Proxy {
        /// The workload.
        workload: String,
        /// Why.
        #[source]
        cause: proxy::StartError,
    },
    /// An application's address cannot be bound.
    #[error("{workload} cannot listen on {addr}; is another bookinfo running?")]
    App {
        /// The workload.
        workload: String,
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A proxy was not ready in time.
    #[error(
        "the proxy of {workload} was not ready within {} s; see the log above, or set RUST_LOG=info",
        limit.as_secs()
    )]
    NotReady {
        /// The workload.
        workload: String,
        /// How long it was waited for.
        limit: Duration,
    },
}

/// A mesh that did not start.
#[derive(Debug, thiserror::Error)]
#[error("the mesh did not start")]
pub struct Failed {
    /// Why.
    #[source]
    pub cause: StartError,
    /// What there was to say about the configuration by then, which often is the deeper reason.
    pub findings: Vec<Finding>,
}

/// A running mesh.
#[derive(Debug)]
pub struct Mesh {
    control_plane: ControlPlane,
    proxies: Vec<(Member, proxy::Running)>,
    members: Vec<Member>,
    stop_apps: watch::Sender<bool>,
    apps: JoinSet<()>,
}

/// How long all proxies may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(20);

impl Mesh {
    /// Starts everything, and returns when every proxy is ready.
    ///
    /// # Errors
    /// If a part cannot start; parts that had started are stopped.
    pub async fn start(options: Options) -> Result<Self, Failed> {
        let control_plane = ControlPlane::start(control_plane::Options {
            config: options.config.clone(),
            state: options.state.clone(),
            grpc: options.grpc,
            grpc_tls: options.grpc_tls,
            http: options.http,
            print_findings: options.print_findings,
        })
        .await
        .map_err(|error| Failed { cause: error.into(), findings: vec![] })?;
        let findings = control_plane.findings().clone();
        Self::around(control_plane, options).await.map_err(|cause| Failed { cause, findings: findings.all() })
    }

    async fn around(control_plane: ControlPlane, options: Options) -> Result<Self, StartError> {
        let members = plan(&control_plane.compiler().world())?;
        let (stop_apps, stopped) = watch::channel(false);
        let mut mesh = Self { control_plane, proxies: vec![], members, stop_apps, apps: JoinSet::new() };
        for member in mesh.members.clone() {
            mesh.start_app(&member, stopped.clone()).await?;
            if !options.without_proxy.contains(&member.name) {
                mesh.start_proxy(member, options.workers).await?;
            }
        }
        mesh.ready().await?;
        Ok(mesh)
    }

    async fn start_app(
        &mut self,
        member: &Member,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<(), StartError> {
        let Role::App { app, version, listen, http_proxy } = &member.role else { return Ok(()) };
        let listener = TcpListener::bind(listen).await.map_err(|cause| StartError::App {
            workload: member.name.clone(),
            addr: *listen,
            cause,
        })?;
        let config = apps::Config {
            app: app.clone(),
            version: version.clone(),
            pod_name: member.name.clone(),
            http_proxy: *http_proxy,
        };
        self.apps.spawn(apps::serve(listener, config, async move {
            // An error means that the mesh is gone, which ends the application just as well.
            let _ = stopped.wait_for(|stop| *stop).await;
        }));
        Ok(())
    }

    async fn start_proxy(&mut self, member: Member, workers: usize) -> Result<(), StartError> {
        let token = self.token(&member)?;
        let running = proxy::Running::start(proxy::Options {
            kind: member.kind(),
            control_plane: format!("http://{}", self.control_plane.grpc_addr()),
            namespace: member.namespace.clone(),
            name: member.name.clone(),
            service_account: member.service_account.clone(),
            ip: member.ip,
            labels: member.labels.clone(),
            token: Some(proxy::Token::Text(token)),
            root_cert: None,
            admin: Some((member.ip, 15000).into()),
            status: Some((member.ip, 15021).into()),
            workers,
            set_level: None,
        })
        .await
        .map_err(|cause| StartError::Proxy { workload: member.name.clone(), cause })?;
        self.proxies.push((member, running));
        Ok(())
    }

    async fn ready(&self) -> Result<(), StartError> {
        let all = async {
            for (_, proxy) in &self.proxies {
                proxy.ready().await;
            }
        };
        tokio::time::timeout(READY_WITHIN, all).await.map_err(|_| {
            let late = self.proxies.iter().find(|(_, proxy)| !proxy.is_ready());
            StartError::NotReady {
                workload: late.map(|(member, _)| member.name.clone()).unwrap_or_default(),
                limit: READY_WITHIN,
            }
        })
    }

    /// A token that proves a member's service account.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn token(&self, member: &Member) -> Result<String, StartError> {
        self.control_plane
            .token(&member.namespace, &member.service_account, Duration::from_secs(24 * 3600))
            .map_err(|cause| StartError::Token { workload: member.name.clone(), cause })
    }

    /// The control plane.
    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// Every workload and the gateway.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// One of them by name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.name == name)
    }

    /// The proxies that run here, with where their admin pages are.
    pub fn admin_addrs(&self) -> Vec<(&Member, SocketAddr)> {
        self.proxies.iter().filter_map(|(member, proxy)| Some((member, proxy.admin_addr()?))).collect()
    }

    /// The version of the configuration that each proxy serves; `None` before the first.
    pub fn served(&self) -> Vec<Option<String>> {
        self.proxies.iter().map(|(_, proxy)| proxy.handle().version()).collect()
    }

    /// Where the gateway is reached.
    pub fn gateway(&self) -> Option<SocketAddr> {
        self.members.iter().find_map(|m| match m.role {
            Role::Gateway(addr) => Some(addr),
            Role::App { .. } => None,
        })
    }

    /// Stops the control plane and the CA, and nothing else.
    pub async fn stop_control_plane(&mut self) {
        self.control_plane.stop().await;
    }

    /// Stops one proxy, as if its machine were shut down in good order.
    pub async fn stop_proxy(&mut self, name: &str) {
        if let Some(at) = self.proxies.iter().position(|(member, _)| member.name == name) {
            let (_, proxy) = self.proxies.remove(at);
            proxy.stop().await;
        }
    }

    /// Stops everything: gateways first, so that no request meets half a mesh.
    pub async fn stop(mut self) {
        let (gateways, sidecars): (Vec<_>, Vec<_>) =
            self.proxies.drain(..).partition(|(member, _)| matches!(member.role, Role::Gateway(_)));
        for group in [gateways, sidecars] {
            let mut stopping = JoinSet::new();
            for (_, proxy) in group {
                stopping.spawn(proxy.stop());
            }
            while stopping.join_next().await.is_some() {}
        }
        self.stop_apps.send_replace(true);
        while self.apps.join_next().await.is_some() {}
        self.control_plane.stop().await;
    }
}
