//! TLS as a server.

use super::verify::MeshVerifier;
use super::{TlsError, chain, key, known_certificate, known_roots, provider, roots, unusable};
use arc_swap::ArcSwapOption;
use mesh_core::credential::Credential;
use mesh_core::model::tls::{ClientAuth, DownstreamTls};
use mesh_core::watch::Watch;
use rustls::ServerConfig;
use std::sync::Arc;

/// A chain's TLS, made anew whenever the credential is another one.
pub(crate) struct ServerTls {
    spec: DownstreamTls,
    identity: Watch<Credential>,
    built: ArcSwapOption<Built>,
}

struct Built {
    from: Arc<Credential>,
    config: Arc<ServerConfig>,
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

    /// The configuration for the next handshake; waits for the first credential.
    pub(crate) async fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let credential = match self.identity.current() {
            Some(credential) => credential,
            None => self.identity.clone().ready().await.map_err(|_| TlsError::NoCredential)?,
        };
        if let Some(built) = &*self.built.load()
            && Arc::ptr_eq(&built.from, &credential)
        {
            return Ok(built.config.clone());
        }
        let config = Arc::new(self.build(&credential)?);
        self.built.store(Some(Arc::new(Built { from: credential, config: config.clone() })));
        Ok(config)
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
