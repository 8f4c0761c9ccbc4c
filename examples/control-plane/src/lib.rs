//! The control plane, put together from the mesh's crates.
//!
//! ```text
//! folder ─▶ mesh_core::source ─▶ World ─▶ Compiler ─Snapshot per node─▶ mesh_xds::Server ─▶ proxies
//!                                  │           └─▶ findings ─▶ standard error, /debug/findings
//!                                  ├─▶ status ─▶ /debug/statusz
//!                                  └─▶ changes ─▶ log
//! state ─▶ mesh_ca::Authority, TokenIssuer ─▶ CreateCertificate
//! ```
//!
//! A program embeds it by [`ControlPlane::start`]; the binary beside this library does nothing else.

mod callers;
mod changes;
mod compiler;
mod debug;
mod findings;
mod serve;

pub use compiler::Compiler;
pub use findings::{Findings, healed};

use mesh_ca::{Authority, StateErrorKind, TokenIssuer};
use mesh_cli::http::HttpServer;
use mesh_core::identity::TrustDomain;
use mesh_core::source::{FolderSource, folder};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;

/// What a control plane is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of resources, watched recursively.
    pub config: PathBuf,
    /// Folder of the keys; `None` keeps them in memory.
    pub state: Option<PathBuf>,
    /// xDS and CA without TLS; port 0 takes a free one.
    pub grpc: SocketAddr,
    /// xDS and CA with TLS.
    pub grpc_tls: Option<SocketAddr>,
    /// Readiness, metrics and debug pages.
    pub http: Option<SocketAddr>,
    /// Print findings to standard error as they appear.
    pub print_findings: bool,
}

/// Why a control plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no folder of resources. A control plane without one would give every proxy an empty
    /// configuration, and take its policies away.
    #[error("{0} is not a folder; name the folder of resources with --config")]
    Config(PathBuf),
    /// `meshConfig.trustDomain` is none.
    #[error("meshConfig.trustDomain {trust_domain:?} is none")]
    TrustDomain {
        /// What is written.
        trust_domain: String,
        /// Why.
        #[source]
        cause: mesh_core::identity::InvalidTrustDomain,
    },
    /// The keys cannot be read or written.
    #[error("cannot use the keys in {path}")]
    State {
        /// The folder, or `memory`.
        path: String,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process signs with the keys.
    #[error("another process uses the keys in {}; stop it, or give --state another folder", .0.display())]
    StateInUse(PathBuf),
    /// An address cannot be bound.
    #[error("cannot listen on {addr}; choose another with --{flag}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A running control plane; it ends when it is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    grpc: SocketAddr,
    grpc_tls: Option<SocketAddr>,
    http: Option<HttpServer>,
    authority: Arc<Authority>,
    tokens: Arc<TokenIssuer>,
    findings: Findings,
    compiler: Compiler,
    servers: serve::Servers,
    tasks: JoinSet<()>,
}

impl ControlPlane {
    /// Reads the configuration and the keys, binds the addresses, and serves.
    ///
    /// # Errors
    /// If there is no such folder, the keys cannot be read, or an address cannot be bound. Mistakes in
    /// resources are findings, not errors.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        if !options.config.is_dir() {
            return Err(StartError::Config(options.config));
        }
        let reading =
            folder::Options { checks: mesh_xds::envoy_filter::CHECKS, ..folder::Options::default() };
        let source = FolderSource::open_with(&options.config, reading).await;
        let trust_domain = trust_domain(&source)?;
        let (authority, tokens) = keys(&options, &trust_domain)?;
        let mut tasks = JoinSet::new();
        let findings = Findings::new(options.print_findings);
        tasks.spawn(findings.clone().follow_source(source.findings()));
        tasks.spawn(changes::log(source.world()));
        let compiler = Compiler::new(source.world(), findings.clone());
        let issuer = tokens.clone();
        let xds = mesh_xds::Server::builder(compiler.clone())
            .authorize(move |node, metadata, extensions| {
                callers::authorize(&issuer, serve::is_tls(extensions), node, metadata)
            })
            .build();
        let servers = serve::Servers::start(&options, &xds, &authority, &tokens).await?;

        let http = match options.http {
            None => None,
            Some(addr) => {
                let pages = debug::Pages {
                    compiler: compiler.clone(),
                    findings: findings.clone(),
                    status: source.status(),
                    xds: xds.clone(),
                    ca: servers.ca.clone(),
                };
                let server = HttpServer::start(addr, move |request| pages.answer(request))
                    .await
                    .map_err(|cause| StartError::Bind { addr, flag: "http", cause })?;
                Some(server)
            }
        };
        let control_plane = Self {
            grpc: servers.grpc,
            grpc_tls: servers.grpc_tls,
            http,
            authority,
            tokens,
            findings,
            compiler,
            servers,
            tasks,
        };
        tracing::info!(
            config = %options.config.display(),
            grpc = %control_plane.grpc,
            grpc_tls = control_plane.grpc_tls.map(tracing::field::display),
            http = control_plane.http_addr().map(tracing::field::display),
            "the control plane is ready"
        );
        Ok(control_plane)
    }

    /// Where xDS and the CA listen without TLS.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc
    }

    /// Where xDS and the CA listen with TLS.
    pub fn grpc_tls_addr(&self) -> Option<SocketAddr> {
        self.grpc_tls
    }

    /// Where the debug pages are.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::addr)
    }

    /// What is compiled, and for whom.
    pub fn compiler(&self) -> &Compiler {
        &self.compiler
    }

    /// What there is to say about the configuration.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// The certificate authority.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// A token for a service account, valid for so long.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn token(
        &self,
        namespace: &str,
        service_account: &str,
        ttl: Duration,
    ) -> Result<String, mesh_ca::token::IssueError> {
        self.tokens.issue(namespace, service_account, ttl, SystemTime::now())
    }

    /// Stops listening, ends every stream, and returns when all has ended.
    pub async fn stop(&mut self) {
        self.servers.stop().await;
        self.tasks.shutdown().await;
    }
}

/// The mesh's, as it is configured now. Identities are made of it, so it holds until the next start.
fn trust_domain(source: &FolderSource) -> Result<TrustDomain, StartError> {
    let world = source.world().current().unwrap_or_default();
    let written = &world.mesh().trust_domain;
    // Istio writes `@` as `.`, since SPIFFE has no place for it.
    written
        .replace('@', ".")
        .parse()
        .map_err(|cause| StartError::TrustDomain { trust_domain: written.clone(), cause })
}

fn keys(
    options: &Options,
    trust_domain: &TrustDomain,
) -> Result<(Arc<Authority>, Arc<TokenIssuer>), StartError> {
    let place = options.state.as_ref().map_or_else(|| "memory".to_owned(), |p| p.display().to_string());
    let state =
        |cause: Box<dyn std::error::Error + Send + Sync>| StartError::State { path: place.clone(), cause };
    if let Some(dir) = &options.state {
        let authority = Authority::open(dir, trust_domain.clone()).map_err(|e| match e.kind() {
            StateErrorKind::Locked => StartError::StateInUse(dir.clone()),
            _ => state(e.into()),
        })?;
        let tokens = TokenIssuer::open(dir).map_err(|e| state(e.into()))?;
        return Ok((Arc::new(authority), Arc::new(tokens)));
    }
    tracing::warn!("no --state: the CA's key lives in memory, and a restart makes a new root of trust");
    let authority = Authority::in_memory(trust_domain.clone()).map_err(|e| state(e.into()))?;
    let tokens = TokenIssuer::in_memory().map_err(|e| state(e.into()))?;
    Ok((Arc::new(authority), Arc::new(tokens)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_patch_that_envoy_could_not_read_is_a_finding() {
        let config = tempfile::tempdir().expect("a folder");
        let filter = "apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: slow}
spec:
  configPatches:
    - applyTo: CLUSTER
      patch: {operation: MERGE, value: {connect_timeout: 5}}
";
        std::fs::write(config.path().join("slow.yaml"), filter).expect("a file");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = Options {
            config: config.path().to_owned(),
            state: None,
            grpc: any,
            grpc_tls: None,
            http: None,
            print_findings: false,
        };
        let mut control_plane = ControlPlane::start(options).await.expect("a control plane");
        while control_plane.findings().errors() == 0 {
            tokio::task::yield_now().await;
        }
        let said = control_plane.findings().json();
        assert!(said.contains("spec.configPatches[0].patch.value.connect_timeout"), "{said}");
        control_plane.stop().await;
    }
}
