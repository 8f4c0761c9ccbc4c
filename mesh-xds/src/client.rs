//! An ADS client: keeps a [`Watch`] of the newest consistent snapshot, for as long as somebody reads it.
//!
//! ```text
//! control plane ══delta ADS══▶ stream ─▶ cache ─▶ Watch<Snapshot> ─▶ proxy
//!                              (IO)     (rules)
//! ```
//!
//! What it holds stays in force while the control plane is away, and a resource that it cannot read leaves its
//! last good version in force. Nothing here knows what configuration means, except which part waits for which.

mod backoff;
mod cache;
mod failure;
mod stream;

use crate::node::{self, KEEPS_ENDPOINTS};
use mesh_core::model::Snapshot;
use mesh_core::node::Node;
use mesh_core::watch::{self, Watch};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::fmt;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

/// Joins a control plane. See [`Client::connect`].
#[derive(Debug)]
pub struct Client(());

impl Client {
    /// A watch of what the control plane says this node must know.
    ///
    /// Resolves at once, without waiting for the network: [`Watch::ready`] waits for the first snapshot. A
    /// background task of the current runtime connects, and connects again whenever the stream ends, for as
    /// long as there is a reader; it warns through `tracing` when it cannot, and what to do about it.
    ///
    /// The first snapshot appears when listeners and clusters have come with all that they ask for. After
    /// that, what is new is held back until what it needs is there, or for 15 s at most.
    ///
    /// # Errors
    /// If the address is not `http://HOST:PORT` or `https://HOST:PORT`; `https` needs a
    /// [`Builder::root_certificate`].
    pub async fn connect(
        control_plane: impl AsRef<str>,
        node: Node,
    ) -> Result<Watch<Snapshot>, ConnectError> {
        Self::builder(control_plane, node).connect().await
    }

    /// A client with settings.
    pub fn builder(control_plane: impl AsRef<str>, node: Node) -> Builder {
        Builder {
            control_plane: control_plane.as_ref().to_owned(),
            node,
            token: None,
            root_certificate: None,
            server_name: None,
        }
    }
}

/// Why a client cannot even try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address.
    #[error("the control plane's address {address:?} is not http://HOST:PORT or https://HOST:PORT")]
    Address {
        /// As given.
        address: String,
    },
    /// No certificate authority to trust.
    #[error("{address} needs the root certificate that its server is verified with")]
    NoRoot {
        /// The control plane's address.
        address: String,
    },
    /// TLS settings.
    #[error("the root certificate or server name is not usable: {0}")]
    Tls(String),
}

/// Why there is no token at the moment.
pub type TokenError = Box<dyn std::error::Error + Send + Sync>;

type TokenSource = Box<dyn Fn() -> Result<String, TokenError> + Send + Sync>;

/// Settings of a [`Client`].
#[must_use]
pub struct Builder {
    control_plane: String,
    node: Node,
    token: Option<TokenSource>,
    root_certificate: Option<Vec<u8>>,
    server_name: Option<String>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("control_plane", &self.control_plane)
            .field("node", &self.node.id())
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Sends `authorization: Bearer TOKEN` with every stream.
    pub fn token(self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.token_from(move || Ok(token.clone()))
    }

    /// Asks for the token whenever a stream is opened, such as by reading a file that is renewed.
    pub fn token_from(
        mut self,
        source: impl Fn() -> Result<String, TokenError> + Send + Sync + 'static,
    ) -> Self {
        self.token = Some(Box::new(source));
        self
    }

    /// The PEM of the authority or authorities that an `https` control plane is verified with.
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.root_certificate = Some(pem.as_ref().to_vec());
        self
    }

    /// The name that the control plane's certificate must have, if it is not the address's host.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Starts. See [`Client::connect`].
    ///
    /// # Errors
    /// As there.
    pub async fn connect(self) -> Result<Watch<Snapshot>, ConnectError> {
        let endpoint = self.endpoint()?;
        let mut node = node::to_proto(&self.node);
        node.client_features.push(KEEPS_ENDPOINTS.to_owned());
        let (sender, watch) = watch::channel();
        let connection = stream::Connection { endpoint, node, token: self.token };
        tokio::spawn(stream::run(connection, sender));
        Ok(watch)
    }

    fn endpoint(&self) -> Result<Endpoint, ConnectError> {
        let address = || ConnectError::Address { address: self.control_plane.clone() };
        let uri: http::Uri = self.control_plane.parse().map_err(|_| address())?;
        let host = uri.host().ok_or_else(address)?.to_owned();
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(address()),
        };
        let endpoint = Endpoint::from(uri)
            .connect_timeout(Duration::from_secs(10))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true);
        if !tls {
            return Ok(endpoint);
        }
        let Some(pem) = &self.root_certificate else {
            return Err(ConnectError::NoRoot { address: self.control_plane.clone() });
        };
        check_roots(pem)?;
        let name = self.server_name.clone().unwrap_or(host);
        let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)).domain_name(name);
        endpoint.tls_config(config).map_err(|fault| ConnectError::Tls(failure::text(&fault)))
    }
}

/// A text without a certificate would make a client that trusts nobody and never says why.
fn check_roots(pem: &[u8]) -> Result<(), ConnectError> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificate.map_err(|fault| ConnectError::Tls(failure::text(&fault)))?;
        count += 1;
    }
    if count == 0 { Err(ConnectError::Tls("there is no PEM certificate in it".to_owned())) } else { Ok(()) }
}

/// `Bearer TOKEN`, as a header.
fn bearer(token: &str) -> Result<MetadataValue<Ascii>, TokenError> {
    let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.trim()).parse()?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::node::NodeKind;

    fn builder(address: &str) -> Builder {
        Client::builder(address, Node::new(NodeKind::Sidecar, [127, 0, 0, 1].into(), "a", "default"))
    }

    #[test]
    fn an_address_that_cannot_work_is_an_error_at_once() {
        for address in ["", "localhost", "127.0.0.1:15010", "ftp://localhost:1", "/path", "http://"] {
            let error = builder(address).endpoint().unwrap_err();
            assert_eq!(error, ConnectError::Address { address: address.to_owned() }, "{address}");
        }
        assert!(builder("http://127.0.0.1:15010").endpoint().is_ok());
    }

    #[test]
    fn tls_without_an_authority_to_trust_is_an_error_at_once() {
        let error = builder("https://istiod:15012").endpoint().unwrap_err();
        assert_eq!(
            error.to_string(),
            "https://istiod:15012 needs the root certificate that its server is verified with"
        );
        let error = builder("https://istiod:15012").root_certificate("no PEM").endpoint().unwrap_err();
        assert!(matches!(error, ConnectError::Tls(_)), "{error}");
    }

    #[test]
    fn a_token_is_a_sensitive_header_and_may_end_with_a_line_break() {
        let value = bearer("abc\n").unwrap();
        assert_eq!(value, "Bearer abc");
        assert!(value.is_sensitive());
        assert!(bearer("a\nb").is_err());
    }
}
