//! Mesh TLS at both ends of a connection.
//!
//! ```text
//! accept → chain → [ServerTls] → HTTP or TCP          pool → connect → [ClientTls] → endpoint
//! ```
//!
//! A peer is who its certificate's URI SAN says, under the roots of the workload's own credential; names
//! are not looked at. Configurations are made from the newest credential when a handshake begins, so a
//! rotation reaches the next handshake and leaves open connections alone.

mod client;
mod peer;
mod server;
mod verify;

pub(crate) use client::{AlpnFilter, ClientTls};
pub(crate) use peer::Peer;
pub(crate) use server::ServerTls;

use mesh_core::credential::Credential;
use mesh_core::model::tls::secret;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

/// Why a TLS configuration or a handshake failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum TlsError {
    /// The configuration asks for a secret that this proxy does not hold.
    #[error("{field}: this proxy holds no secret {name:?}")]
    UnknownSecret {
        /// The field that names it.
        field: &'static str,
        /// Its name.
        name: String,
    },
    /// There is no credential, and there will be none.
    #[error("no credential: its source has ended")]
    NoCredential,
    /// The credential cannot be used.
    #[error("the credential cannot be used: {0}")]
    Credential(String),
}

/// The provider of all cryptography here. Installed nowhere: an embedder's default is not ours to set.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::LazyLock<Arc<CryptoProvider>> =
        std::sync::LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

/// The workload's certificate is the only one that a credential holds.
fn known(field: &'static str, name: &str, want: &str) -> Result<(), TlsError> {
    if name == want { Ok(()) } else { Err(TlsError::UnknownSecret { field, name: name.to_owned() }) }
}

fn known_certificate(name: &str) -> Result<(), TlsError> {
    known("certificate", name, secret::DEFAULT)
}

fn known_roots(name: &str) -> Result<(), TlsError> {
    known("roots", name, secret::ROOT_CA)
}

fn roots(credential: &Credential) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let (added, _ignored) =
        store.add_parsable_certificates(credential.roots.iter().map(|r| CertificateDer::from(r.clone())));
    if added == 0 {
        return Err(TlsError::Credential("it holds no root".to_owned()));
    }
    Ok(store)
}

fn chain(credential: &Credential) -> Vec<CertificateDer<'static>> {
    credential.chain.iter().map(|c| CertificateDer::from(c.clone())).collect()
}

fn key(credential: &Credential) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(credential.key.to_vec()))
}

fn unusable(error: &rustls::Error) -> TlsError {
    TlsError::Credential(error.to_string())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod tests_support;
