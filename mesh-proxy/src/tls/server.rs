//! TLS as a server.

use super::verify::MeshVerifier;
use super::{TlsError, chain, key, known_certificate, known_roots, provider, roots, unusable};
use arc_swap::ArcSwapOption;
use mesh_core::credential::Credential;
use mesh_core::model::tls::{ClientAuth, DownstreamTls};
use mesh_core::watch::Watch;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// A chain's TLS, made anew whenever the credential is another one.
pub(crate) struct ServerTls {
    spec: DownstreamTls,
    identity: Watch<Credential>,
    built: ArcSwapOption<Built>,
}

pub(super) struct Built {
    from: Arc<Credential>,
    config: Arc<ServerConfig>,
    /// For callers with whom no protocol is agreed on; the same if none is offered.
    without_alpn: Arc<ServerConfig>,
}

impl ServerTls {
    /// Checks what can be checked without a credential.
    pub(crate) fn new(spec: DownstreamTls, identity: Watch<Credential>) -> Result<Self, TlsError> {
        known_certificate(&spec.certificate)?;
        if let ClientAuth::Required(peer) = &spec.client {
            known_roots(&peer.roots)?;
        }
        Ok(Self { spec, identity, built: ArcSwapOption::empty() })
    }

    /// The configuration for a handshake with a caller who offers these protocols; waits for the first
    /// credential.
    ///
    /// A caller with whom we have none in common is served without ALPN, as Envoy does it; rustls would end
    /// the handshake.
    async fn config<'p>(
        &self,
        mut offered: impl Iterator<Item = &'p [u8]>,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let agreed = offered.any(|name| self.spec.alpn.iter().any(|ours| ours.as_bytes() == name));
        let built = self.built().await?;
        Ok(if agreed { built.config.clone() } else { built.without_alpn.clone() })
    }

    /// Shakes hands with a caller.
    pub(crate) async fn accept<T>(&self, io: T) -> io::Result<TlsStream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
        let hello = begun.client_hello();
        let config = self.config(hello.alpn().into_iter().flatten()).await.map_err(io::Error::other)?;
        begun.into_stream(config).await
    }

    pub(super) async fn built(&self) -> Result<Arc<Built>, TlsError> {
        let credential = match self.identity.current() {
            Some(credential) => credential,
            None => self.identity.clone().ready().await.map_err(|_| TlsError::NoCredential)?,
        };
        if let Some(built) = &*self.built.load()
            && Arc::ptr_eq(&built.from, &credential)
        {
            return Ok(built.clone());
        }
        let config = self.build(&credential)?;
        let mut without_alpn = config.clone();
        without_alpn.alpn_protocols.clear();
        let built =
            Built { from: credential, config: Arc::new(config), without_alpn: Arc::new(without_alpn) };
        let built = Arc::new(built);
        self.built.store(Some(built.clone()));
        Ok(built)
    }

    fn build(&self, credential: &Credential) -> Result<ServerConfig, TlsError> {
        let versions = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| unusable(&e))?;
        let clients = match &self.spec.client {
            ClientAuth::Required(peer) => versions.with_client_cert_verifier(MeshVerifier::new(
                roots(credential)?,
                peer.subject_alt_names.clone(),
            )),
            ClientAuth::NotAsked => versions.with_no_client_auth(),
        };
        let mut config =
            clients.with_single_cert(chain(credential), key(credential)).map_err(|e| unusable(&e))?;
        config.alpn_protocols = self.spec.alpn.iter().map(|p| p.clone().into_bytes()).collect();
        Ok(config)
    }
}
