//! PEM in and out: the form in which Istio's CA, Envoy and people exchange certificates and keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// Label of a certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// Label of a PKCS#10 request.
pub const CERTIFICATE_REQUEST: &str = "CERTIFICATE REQUEST";
/// Label of a PKCS#8 private key.
pub const PRIVATE_KEY: &str = "PRIVATE KEY";

/// RFC 7468: 64 characters a line.
const LINE: usize = 64;

/// Why a text is not the PEM that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// There is no block with the wanted label.
    #[error("no {0} block in the PEM text")]
    Missing(&'static str),
    /// A block is damaged.
    #[error("broken PEM: {0}")]
    Broken(String),
}

/// Writes DER as one PEM block.
pub fn encode(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(STANDARD.encode(der));
    // Exact, so that the text is never moved: a move would leave a copy of a key behind.
    let mut out = String::with_capacity(body.len() + body.len() / LINE + 2 * label.len() + 48);
    for part in ["-----BEGIN ", label, "-----\n"] {
        out.push_str(part);
    }
    let mut rest = body.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII, so every offset is a boundary.
        let (line, tail) = rest.split_at(rest.len().min(LINE));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    for part in ["-----END ", label, "-----\n"] {
        out.push_str(part);
    }
    out
}

/// Writes DER certificates one after another, in the order given.
pub fn encode_certificates<'a>(ders: impl IntoIterator<Item = &'a [u8]>) -> String {
    ders.into_iter().map(|der| encode(CERTIFICATE, der)).collect()
}

/// Writes a PKCS#8 key; wiped when dropped.
pub fn encode_private_key(pkcs8: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(encode(PRIVATE_KEY, pkcs8))
}

/// All certificates of a text, as DER and in order. Other blocks are passed over.
///
/// # Errors
/// [`PemError`] if there is none, or one is damaged.
pub fn certificates(pem: &str) -> Result<Vec<Vec<u8>>, PemError> {
    let ders = CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|block| block.map(|der| der.to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| PemError::Broken(e.to_string()))?;
    if ders.is_empty() { Err(PemError::Missing(CERTIFICATE)) } else { Ok(ders) }
}

/// The first private key of a text: PKCS#8, SEC 1 or PKCS#1.
///
/// # Errors
/// [`PemError`] if there is none, or it is damaged.
pub(crate) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|e| from_pki(e, PRIVATE_KEY))
}

/// The first certificate request of a text.
///
/// # Errors
/// [`PemError`] if there is none, or it is damaged.
pub(crate) fn request(pem: &str) -> Result<CertificateSigningRequestDer<'static>, PemError> {
    CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).map_err(|e| from_pki(e, CERTIFICATE_REQUEST))
}

fn from_pki(error: rustls_pki_types::pem::Error, wanted: &'static str) -> PemError {
    match error {
        rustls_pki_types::pem::Error::NoItemsFound => PemError::Missing(wanted),
        // Debug of the others may print bytes of the text; the display text does not.
        other => PemError::Broken(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back_equal(ders in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 1..300), 1..4,
        )) {
            let text = encode_certificates(ders.iter().map(Vec::as_slice));
            prop_assert!(text.lines().all(|line| line.len() <= 64));
            prop_assert_eq!(certificates(&text).unwrap(), ders);
        }

        #[test]
        fn no_text_makes_the_readers_panic(text in "\\PC{0,200}") {
            let _ = certificates(&text);
            let _ = private_key(text.as_bytes());
            let _ = request(&text);
        }
    }

    #[test]
    fn a_text_without_certificates_is_not_an_empty_list() {
        assert_eq!(certificates("hello"), Err(PemError::Missing(CERTIFICATE)));
        assert!(matches!(certificates("-----BEGIN CERTIFICATE-----\nAAA"), Err(PemError::Broken(_))));
    }
}
