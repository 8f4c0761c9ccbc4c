//! Which peer is accepted: a chain to the roots, and a SAN that the configuration names.
//!
//! Host names are not compared: in the mesh a server is who its SPIFFE id says, wherever it runs. The leaf
//! must be one by use (client or server), by time and by constraints; webpki checks that.

use mesh_core::model::tls::SanMatch;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore};
use rustls::{SignatureScheme, crypto};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use webpki::{EndEntityCert, KeyUsage};

/// Verifies peers of either side.
#[derive(Debug)]
pub(super) struct MeshVerifier {
    roots: RootCertStore,
    sans: Vec<SanMatch>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The peer's certificate is good, but not the one that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("no subject alternative name of the peer is accepted; it has {found:?}")]
struct SanMismatch {
    found: Vec<String>,
}

impl MeshVerifier {
    pub(super) fn new(roots: RootCertStore, sans: Vec<SanMatch>) -> Arc<Self> {
        let algorithms = super::provider().signature_verification_algorithms;
        Arc::new(Self { roots, sans, algorithms })
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        let cert = EndEntityCert::try_from(leaf).map_err(refused)?;
        cert.verify_for_usage(self.algorithms.all, &self.roots.roots, intermediates, now, usage, None, None)
            .map_err(refused)?;
        if self.sans.is_empty() || self.sans.iter().any(|want| san_matches(want, &cert)) {
            return Ok(());
        }
        let found = cert.valid_uri_names().chain(cert.valid_dns_names()).map(str::to_owned).collect();
        let mismatch = OtherError(Arc::new(SanMismatch { found }));
        Err(Error::InvalidCertificate(CertificateError::Other(mismatch)))
    }
}

fn san_matches(want: &SanMatch, cert: &EndEntityCert<'_>) -> bool {
    match want {
        SanMatch::Uri(text) => cert.valid_uri_names().any(|name| text.matches(name)),
        SanMatch::Dns(text) => cert.valid_dns_names().any(|name| text.matches(name)),
    }
}

/// The alert that a peer gets depends on the kind of fault.
fn refused(error: webpki::Error) -> Error {
    let kind = match error {
        webpki::Error::BadDer | webpki::Error::BadDerTime => CertificateError::BadEncoding,
        webpki::Error::CertExpired { time, not_after } => {
            CertificateError::ExpiredContext { time, not_after }
        }
        webpki::Error::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    };
    Error::InvalidCertificate(kind)
}

impl ServerCertVerifier for MeshVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(leaf, intermediates, now, KeyUsage::server_auth())?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for MeshVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // No hints: a workload has one certificate, and names of roots would only lengthen the hello.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(leaf, intermediates, now, KeyUsage::client_auth())?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
