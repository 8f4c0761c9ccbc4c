//! The data plane, put together from the mesh's crates.
//!
//! ```text
//! control plane ──xDS──▶ mesh_xds::Client ─Snapshot──▶ mesh_proxy::Proxy
//!               ──CA───▶ mesh_ca::Client ──Credential─▶
//! ```
//!
//! A program embeds it by [`Running::start`]; the binary beside this library does nothing else.

use mesh_core::credential::Credential;
use mesh_core::node::{Node, NodeKind};
use mesh_core::watch::{self, Watch};
use mesh_proxy::{Proxy, ProxyHandle, Settings};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long requests in flight may take when a proxy stops. Shorter than Istio's 5 s, so that Ctrl-C on a
/// laptop is felt at once.
pub const DRAIN: Duration = Duration::from_millis(1500);

/// What a proxy is started with.
#[derive(Clone)]
pub struct Options {
    /// A sidecar or a gateway ([`NodeKind::Router`]).
    pub kind: NodeKind,
    /// The control plane's URL.
    pub control_plane: String,
    /// Namespace of the workload.
    pub namespace: String,
    /// Name of the workload instance.
    pub name: String,
    /// Its service account.
    pub service_account: String,
    /// Its address.
    pub ip: IpAddr,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What proves the service account to the CA; without it there is no certificate and no mTLS.
    pub token: Option<Token>,
    /// PEM file with the root of the control plane's certificate.
    pub root_cert: Option<PathBuf>,
    /// Envoy's admin pages.
    pub admin: Option<SocketAddr>,
    /// `/healthz/ready`.
    pub status: Option<SocketAddr>,
    /// Worker threads.
    pub workers: usize,
    /// Changes what is logged, for the admin page `/logging`.
    pub set_level: Option<mesh_cli::LogLevelHook>,
}

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A file, read again at every rotation.
    File(PathBuf),
    /// Given by the program.
    Text(String),
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("node", &self.node().id()).finish_non_exhaustive()
    }
}

impl Options {
    /// How the proxy introduces itself.
    pub fn node(&self) -> Node {
        let mut node = Node::new(self.kind, self.ip, &self.name, &self.namespace);
        node.labels = self.labels.clone();
        node.service_account.clone_from(&self.service_account);
        node
    }
}

/// Why a proxy did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The root certificate cannot be read.
    #[error("cannot read the root certificate {path}")]
    Root {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// There is no token where there should be one.
    #[error("cannot prove who this is to the control plane")]
    Token(#[from] mesh_cli::TokenFileError),
    /// The client of the control plane cannot be set up.
    #[error("cannot use the control plane {url}")]
    ControlPlane {
        /// Its URL.
        url: String,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The proxy itself cannot start.
    #[error("cannot start the proxy")]
    Proxy(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A running proxy.
#[derive(Debug)]
pub struct Running {
    handle: ProxyHandle,
}

impl Running {
    /// Connects to the control plane and starts the workers; returns at once, [`ready`](Self::ready) waits.
    ///
    /// # Errors
    /// If the control plane's URL, the root certificate or the token cannot be used, or the admin or status address
    /// cannot be bound. A control plane that is not there yet is waited for.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let node = options.node();
        if let Some(Token::File(path)) = &options.token {
            mesh_cli::check_token(path)?;
        }
        let root = match &options.root_cert {
            None => None,
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .map_err(|cause| StartError::Root { path: path.clone(), cause })?,
            ),
        };
        let refused = |cause: Box<dyn std::error::Error + Send + Sync>| StartError::ControlPlane {
            url: options.control_plane.clone(),
            cause,
        };
        let token: Option<mesh_ca::TokenSource> = options.token.clone().map(|token| match token {
            Token::File(path) => path.into(),
            Token::Text(text) => text.into(),
        });

        let mut xds = mesh_xds::Client::builder(&options.control_plane, node.clone());
        xds = match options.token.clone() {
            None => xds,
            Some(Token::Text(token)) => xds.token(token),
            // Read again for every stream, as tokens are renewed.
            Some(Token::File(path)) => {
                xds.token_from(move || Ok(std::fs::read_to_string(&path)?.trim().to_owned()))
            }
        };
        if let Some(root) = &root {
            xds = xds.root_certificate(root);
        }
        let config = xds.connect().await.map_err(|e| refused(e.into()))?;
        let identity = match token {
            // Without a token there is no certificate: a watch that never has a value.
            None => mesh_core::watch::channel().1,
            Some(token) => {
                let mut ca = mesh_ca::Client::builder(&options.control_plane, token);
                if let Some(root) = root {
                    ca = ca.root_cert_pem(root);
                }
                let credentials = ca.connect().await.map_err(|e| refused(e.into()))?;
                only_of(&options, credentials)
            }
        };

        let mut settings = Settings::new(node);
        settings.workers = options.workers;
        settings.admin = options.admin;
        settings.status = options.status;
        settings.drain = DRAIN;
        settings.config_dump = Some(Arc::new(mesh_xds::json::config_dump));
        settings.set_log_level = options.set_level;
        let handle = Proxy::start(settings, config, identity).map_err(|e| StartError::Proxy(e.into()))?;
        Ok(Self { handle })
    }

    /// Waits until the proxy has configuration and, if it needs one, a certificate, and listens.
    pub async fn ready(&self) {
        self.handle.ready().await;
    }

    /// Whether it has and does.
    pub fn is_ready(&self) -> bool {
        self.handle.is_ready()
    }

    /// Where the admin pages are.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.handle.admin_addr()
    }

    /// The proxy itself.
    pub fn handle(&self) -> &ProxyHandle {
        &self.handle
    }

    /// Waits until somebody posts `/quitquitquit`.
    pub async fn quit_requested(&self) {
        self.handle.quit_requested().await;
    }

    /// Stops accepting, lets requests in flight finish for [`DRAIN`] at most, and ends the workers.
    pub async fn stop(self) {
        self.handle.drain_and_stop(DRAIN).await;
    }
}

/// The credentials of the account that the proxy says it is, and no others: a token of another account would
/// make it somebody else without anybody noticing.
fn only_of(options: &Options, mut credentials: Watch<Credential>) -> Watch<Credential> {
    let (sender, checked) = watch::channel();
    let (namespace, account) = (options.namespace.clone(), options.service_account.clone());
    tokio::spawn(async move {
        let mut next = credentials.ready().await;
        while let Ok(credential) = next {
            let id = &credential.identity;
            if (id.namespace(), id.service_account()) == (namespace.as_str(), account.as_str()) {
                sender.send(credential);
            } else {
                tracing::error!(
                    identity = %id,
                    "the token is of another account than --namespace {namespace} --service-account {account}: \
                     its certificate is not used"
                );
            }
            next = tokio::select! {
                next = credentials.changed() => next,
                () = sender.closed() => return,
            };
        }
    });
    checked
}
