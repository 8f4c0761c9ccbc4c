//! What a handshake proved of the other side.

use mesh_core::identity::SpiffeId;
use rustls::SupportedCipherSuite;
use rustls::crypto::hash::HashAlgorithm;
use rustls_pki_types::CertificateDer;
use std::fmt::Write as _;
use webpki::EndEntityCert;

/// A peer whose certificate was verified.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Its mesh identity: the certificate's only URI SAN, where that is one.
    pub(crate) identity: Option<SpiffeId>,
    /// SHA-256 of its certificate, lower-case hex, as `x-forwarded-client-cert` carries it.
    pub(crate) fingerprint: String,
    /// Its certificate's subject in RFC 2253 form; empty for mesh certificates.
    pub(crate) subject: String,
}

impl Peer {
    /// Reads the leaf of a verified chain.
    pub(crate) fn from_chain(chain: Option<&[CertificateDer<'_>]>) -> Option<Self> {
        let leaf = chain?.first()?;
        let cert = EndEntityCert::try_from(leaf).ok()?;
        let mut uris = cert.valid_uri_names();
        // Two URI names would make two identities: SPIFFE says that such a leaf has none.
        let identity = match (uris.next(), uris.next()) {
            (Some(only), None) => only.parse().ok(),
            _ => None,
        };
        Some(Self { identity, fingerprint: sha256_hex(leaf), subject: subject(leaf) })
    }
}

fn subject(leaf: &CertificateDer<'_>) -> String {
    match x509_parser::parse_x509_certificate(leaf) {
        Ok((_, cert)) => cert.subject().to_string(),
        Err(_) => String::new(),
    }
}

/// SHA-256 by the TLS provider.
pub(super) fn sha256_hex(data: &[u8]) -> String {
    let provider = super::provider();
    let sha256 = provider.cipher_suites.iter().find_map(|suite| {
        let hash = match suite {
            SupportedCipherSuite::Tls12(s) => s.common.hash_provider,
            SupportedCipherSuite::Tls13(s) => s.common.hash_provider,
        };
        (hash.algorithm() == HashAlgorithm::SHA256).then_some(hash)
    });
    let Some(sha256) = sha256 else { return String::new() };
    sha256.hash(data).as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
