//! TLS as a client.

use super::verify::MeshVerifier;
use super::{TlsError, chain, key, known_certificate, known_roots, provider, roots, unusable};
use arc_swap::ArcSwapOption;
use mesh_core::credential::Credential;
use mesh_core::model::tls::UpstreamTls;
use mesh_core::watch::Watch;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::net::IpAddr;
use std::sync::Arc;

/// Which of the configured ALPN names are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlpnFilter {
    /// All: TCP, or the configuration says which HTTP.
    All,
    /// Those that do not mean HTTP/2.
    Http1,
    /// Those that do not mean HTTP/1.
    Http2,
}

impl AlpnFilter {
    fn admits(self, name: &str) -> bool {
        let h2 = matches!(name, "h2" | "istio-h2");
        let h1 = matches!(name, "http/1.1" | "http/1.0" | "istio-http/1.1" | "istio-http/1.0");
        match self {
            Self::All => true,
            Self::Http1 => !h2,
            Self::Http2 => !h1,
        }
    }
}

/// A cluster's TLS, made anew whenever the credential is another one.
pub(crate) struct ClientTls {
    spec: UpstreamTls,
    alpn: AlpnFilter,
    name: Option<ServerName<'static>>,
    identity: Watch<Credential>,
    built: ArcSwapOption<Built>,
}

struct Built {
    from: Arc<Credential>,
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// Checks what can be checked without a credential.
    pub(crate) fn new(
        spec: UpstreamTls,
        alpn: AlpnFilter,
        identity: Watch<Credential>,
    ) -> Result<Self, TlsError> {
        if let Some(name) = &spec.certificate {
            known_certificate(name)?;
        }
        known_roots(&spec.server.roots)?;
        let name = ServerName::try_from(spec.sni.as_str()).ok().map(|n| n.to_owned());
        Ok(Self { spec, alpn, name, identity, built: ArcSwapOption::empty() })
    }

    /// The server name that is sent, or stands for the peer where none is.
    pub(crate) fn server_name(&self, peer: IpAddr) -> ServerName<'static> {
        self.name.clone().unwrap_or_else(|| ServerName::from(peer))
    }

    /// The configuration for the next handshake; waits for the first credential.
    pub(crate) async fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
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

    fn build(&self, credential: &Credential) -> Result<ClientConfig, TlsError> {
        let verifier = MeshVerifier::new(roots(credential)?, self.spec.server.subject_alt_names.clone());
        let servers = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| unusable(&e))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match self.spec.certificate {
            Some(_) => {
                servers.with_client_auth_cert(chain(credential), key(credential)).map_err(|e| unusable(&e))?
            }
            None => servers.with_no_client_auth(),
        };
        config.enable_sni = self.name.is_some();
        config.alpn_protocols =
            self.spec.alpn.iter().filter(|p| self.alpn.admits(p)).map(|p| p.clone().into_bytes()).collect();
        Ok(config)
    }
}
