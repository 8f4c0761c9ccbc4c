//! The workload's side: asks the CA for a certificate, and keeps a live [`Credential`].
//!
//! The private key is made here and never leaves the process; each renewal has a new one. What comes
//! back is believed only if it certifies that key, for the identity that was expected, with a chain
//! that ends in the root it came with.

mod fetch;

pub use fetch::FetchError;

use crate::clock::{Clock, SystemClock};
use crate::rotate;
use crate::signer::DEFAULT_TTL;
use fastrand::Rng;
use mesh_core::credential::Credential;
use mesh_core::identity::SpiffeId;
use mesh_core::watch::{self, Watch};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tonic::transport::Endpoint;
use zeroize::Zeroizing;

/// Time to reach the control plane.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the caller's token comes from.
#[derive(Clone)]
pub enum TokenSource {
    /// A token that never changes.
    Static(Zeroizing<String>),
    /// A file that is read again for every certificate, as Kubernetes renews projected tokens.
    File(PathBuf),
}

impl From<&str> for TokenSource {
    fn from(token: &str) -> Self {
        Self::Static(Zeroizing::new(token.to_owned()))
    }
}

impl From<String> for TokenSource {
    fn from(token: String) -> Self {
        Self::Static(Zeroizing::new(token))
    }
}

impl From<PathBuf> for TokenSource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(_) => f.write_str("Static(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Which roots the control plane's own certificate must chain to.
#[derive(Debug, Clone)]
enum RootSource {
    Pem(String),
    File(PathBuf),
}

/// Why a client cannot be built. What can heal by itself, such as an absent control plane or token
/// file, is no such error: it is logged and tried again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The control plane's address is not `http://host:port` or `https://host:port`.
    #[error("{address:?} is not an address of a control plane: {problem}")]
    Address {
        /// The address as given.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
    /// TLS was asked for without a root certificate to check the control plane by.
    #[error("https needs a root certificate to check the control plane by")]
    NoRoot,
}

/// Settings of a [`Client`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    control_plane: String,
    token: TokenSource,
    root: Option<RootSource>,
    server_name: Option<String>,
    ttl: Duration,
    cluster_id: String,
    identity: Option<SpiffeId>,
    clock: Arc<dyn Clock>,
    seed: Option<u64>,
}

/// Asks one control plane for the certificates of one service account.
///
/// ```no_run
/// # async fn example(token: String) -> Result<(), Box<dyn std::error::Error>> {
/// let mut identity = mesh_ca::Client::connect("http://127.0.0.1:15010", token).await?;
/// let credential = identity.ready().await?;
/// println!("{} until {:?}", credential.identity, credential.not_after);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    token: TokenSource,
    root: Option<RootSource>,
    server_name: Option<String>,
    ttl: Duration,
    cluster_id: String,
    identity: Option<SpiffeId>,
    clock: Arc<dyn Clock>,
}

impl Client {
    /// Joins a mesh: the watch has a credential as soon as the CA has answered
    /// ([`Watch::ready`] waits for it) and a new one at each half of a lifetime.
    ///
    /// # Errors
    /// [`ClientError`] if the address is none. Everything else is tried again for as long as someone
    /// holds the watch.
    pub async fn connect(
        control_plane: impl Into<String>,
        token: impl Into<TokenSource>,
    ) -> Result<Watch<Credential>, ClientError> {
        Self::builder(control_plane, token).connect().await
    }

    /// A client with other than the default settings.
    pub fn builder(control_plane: impl Into<String>, token: impl Into<TokenSource>) -> Builder {
        Builder {
            control_plane: control_plane.into(),
            token: token.into(),
            root: None,
            server_name: None,
            ttl: DEFAULT_TTL,
            cluster_id: "Kubernetes".to_owned(),
            identity: None,
            clock: Arc::new(SystemClock),
            seed: None,
        }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}

impl Builder {
    /// PEM roots that the control plane's certificate must chain to; needed for `https`.
    pub fn root_cert_pem(mut self, pem: impl Into<String>) -> Self {
        self.root = Some(RootSource::Pem(pem.into()));
        self
    }

    /// Like [`root_cert_pem`](Self::root_cert_pem), from a file that is read again for every certificate.
    pub fn root_cert_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.root = Some(RootSource::File(path.into()));
        self
    }

    /// The name that the control plane's certificate must carry, if not the host of its address.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// The lifetime to ask for; 24 h by default. The CA bounds it.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The cluster that the token belongs to, sent as `clusterid`; `Kubernetes` by default.
    pub fn cluster_id(mut self, id: impl Into<String>) -> Self {
        self.cluster_id = id.into();
        self
    }

    /// The identity to insist on. By default it is taken from the certificate, whose namespace and
    /// service account must then be those of the token.
    pub fn identity(mut self, identity: SpiffeId) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The clock that renewals are planned by.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Seeds the jitter, so that a test can be repeated.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// A client that fetches when it is asked to, see [`Client::fetch`].
    ///
    /// # Errors
    /// [`ClientError`] if the settings cannot work.
    pub fn build(self) -> Result<Client, ClientError> {
        let address_error =
            |problem: String| ClientError::Address { address: self.control_plane.clone(), problem };
        let endpoint = Endpoint::from_shared(self.control_plane.clone())
            .map_err(|e| address_error(e.to_string()))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true);
        let uri = endpoint.uri();
        let host = uri.host().ok_or_else(|| address_error("it has no host".to_owned()))?;
        match uri.scheme_str() {
            Some("https") if self.root.is_none() => return Err(ClientError::NoRoot),
            Some("https") => {}
            Some("http") => {
                if !is_loopback(host) {
                    tracing::warn!(
                        control_plane = self.control_plane,
                        "the token is sent in plain text to another machine"
                    );
                }
            }
            _ => return Err(address_error("its scheme is neither http nor https".to_owned())),
        }
        Ok(Client {
            endpoint,
            token: self.token,
            root: self.root,
            server_name: self.server_name,
            ttl: self.ttl,
            cluster_id: self.cluster_id,
            identity: self.identity,
            clock: self.clock,
        })
    }

    /// Starts the task that keeps the credential fresh, on the current tokio runtime. It ends when the
    /// last clone of the watch is dropped.
    ///
    /// # Errors
    /// [`ClientError`] if the settings cannot work.
    pub async fn connect(self) -> Result<Watch<Credential>, ClientError> {
        let rng = self.seed.map_or_else(Rng::new, Rng::with_seed);
        let client = self.build()?;
        let (sender, watch) = watch::channel();
        tokio::spawn(rotate::run(client, sender, rng));
        Ok(watch)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl TokenSource {
    async fn read(&self) -> Result<Zeroizing<String>, FetchError> {
        match self {
            Self::Static(token) => Ok(token.clone()),
            Self::File(path) => {
                let text = read_file(path)
                    .await
                    .map_err(|(path, error)| FetchError::Token { path, problem: error.to_string() })?;
                Ok(Zeroizing::new(text.trim().to_owned()))
            }
        }
    }
}

impl RootSource {
    async fn read(&self) -> Result<String, FetchError> {
        match self {
            Self::Pem(pem) => Ok(pem.clone()),
            Self::File(path) => match read_file(path).await {
                Ok(text) => Ok(text.to_string()),
                Err((path, error)) => Err(FetchError::Root { path, problem: error.to_string() }),
            },
        }
    }
}

async fn read_file(path: &PathBuf) -> Result<Zeroizing<String>, (PathBuf, io::Error)> {
    tokio::fs::read_to_string(path).await.map(Zeroizing::new).map_err(|error| (path.clone(), error))
}

#[cfg(test)]
mod tests;
