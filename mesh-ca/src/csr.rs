//! A certificate request: what a caller sends to the authority, and what a workload writes.
//!
//! Reading takes the public key alone. Names, usages and lifetimes that a request claims are the
//! caller's wishes; the certificate says what the authority knows (the authenticated caller).

use crate::pem::{self, PemError};
use mesh_core::identity::SpiffeId;
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData, SanType, SubjectPublicKeyInfo};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use zeroize::{Zeroize, Zeroizing};

/// Larger requests are refused unread; an RSA-4096 request with many names has about 4 KiB.
const MAX_BYTES: usize = 64 * 1024;
/// Shorter RSA keys are refused.
const MIN_RSA_BITS: usize = 2048;

/// A request whose signature proves that its sender holds the private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    key: SubjectPublicKeyInfo,
}

/// Why a request is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Not PEM, or without a request.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Not a PKCS#10 request.
    #[error("not a DER certificate request")]
    Malformed,
    /// Larger than any honest request.
    #[error("a certificate request has at most {MAX_BYTES} bytes, not {0}")]
    TooLarge(usize),
    /// The signature is not by the key that is to be certified.
    #[error("the request's signature does not verify with its own key")]
    Signature,
    /// A key that is not ECDSA P-256 or P-384, Ed25519, or RSA.
    #[error("the request's key is of a kind that is not certified")]
    UnsupportedKey,
    /// An RSA key that is too short.
    #[error("the request's RSA key has {0} bits, fewer than {MIN_RSA_BITS}")]
    WeakKey(usize),
}

impl Csr {
    /// Reads a PEM request and verifies its signature.
    ///
    /// # Errors
    /// [`CsrError`] says what is wrong with it.
    pub fn from_pem(text: &str) -> Result<Self, CsrError> {
        if text.len() > 2 * MAX_BYTES {
            return Err(CsrError::TooLarge(text.len()));
        }
        Self::from_der(&pem::request(text)?)
    }

    /// Reads a DER request and verifies its signature.
    ///
    /// # Errors
    /// [`CsrError`] says what is wrong with it.
    pub fn from_der(der: &[u8]) -> Result<Self, CsrError> {
        if der.len() > MAX_BYTES {
            return Err(CsrError::TooLarge(der.len()));
        }
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?;
        if !rest.is_empty() {
            return Err(CsrError::Malformed);
        }
        let info = &request.certification_request_info.subject_pki;
        if let Ok(PublicKey::RSA(key)) = info.parsed()
            && key.key_size() < MIN_RSA_BITS
        {
            return Err(CsrError::WeakKey(key.key_size()));
        }
        let key = SubjectPublicKeyInfo::from_der(info.raw).map_err(|_| CsrError::UnsupportedKey)?;
        request.verify_signature().map_err(|_| CsrError::Signature)?;
        Ok(Self { key })
    }

    /// The key to be certified.
    pub(crate) fn key(&self) -> &SubjectPublicKeyInfo {
        &self.key
    }

    /// The key to be certified, as DER SubjectPublicKeyInfo.
    pub fn public_key(&self) -> Vec<u8> {
        self.key.subject_public_key_info()
    }
}

/// A fresh ECDSA P-256 key and the request for it, as ztunnel writes it: empty subject, the identity as
/// critical URI SAN.
pub(crate) struct Request {
    /// PKCS#8 DER.
    pub(crate) key: Zeroizing<Vec<u8>>,
    /// DER SubjectPublicKeyInfo.
    pub(crate) public_key: Vec<u8>,
    pub(crate) csr_pem: String,
}

impl Request {
    /// Makes the key and signs the request; without an identity the SAN is left to the authority.
    pub(crate) fn generate(identity: Option<&SpiffeId>) -> Result<Self, rcgen::Error> {
        let mut pair = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(identity) = identity {
            params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(identity.uri())?)];
        }
        let csr = params.serialize_request(&pair)?;
        let request = Self {
            key: Zeroizing::new(pair.serialize_der()),
            public_key: pair.subject_public_key_info(),
            csr_pem: pem::encode(pem::CERTIFICATE_REQUEST, csr.der()),
        };
        pair.zeroize();
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identity() -> SpiffeId {
        "spiffe://cluster.local/ns/default/sa/web".parse().unwrap()
    }

    #[test]
    fn a_request_is_read_back_with_the_key_that_made_it() {
        let request = Request::generate(Some(&identity())).unwrap();
        let csr = Csr::from_pem(&request.csr_pem).unwrap();
        assert_eq!(csr.public_key(), request.public_key);
    }

    #[test]
    fn a_request_has_an_empty_subject_and_its_identity_as_critical_san() {
        let request = Request::generate(Some(&identity())).unwrap();
        let der = pem::request(&request.csr_pem).unwrap();
        let (_, parsed) = X509CertificationRequest::from_der(&der).unwrap();
        assert_eq!(parsed.certification_request_info.subject.iter().count(), 0);
        let text = format!("{:?}", parsed.requested_extensions().unwrap().collect::<Vec<_>>());
        assert!(text.contains("spiffe://cluster.local/ns/default/sa/web"), "{text}");
    }

    #[test]
    fn a_request_that_another_key_signed_is_refused() {
        let mut der = pem::request(&Request::generate(None).unwrap().csr_pem).unwrap().to_vec();
        let last = der.len() - 1;
        der[last] ^= 1;
        assert_eq!(Csr::from_der(&der), Err(CsrError::Signature));
    }

    #[test]
    fn bytes_after_the_request_and_oversized_requests_are_refused() {
        let mut der = pem::request(&Request::generate(None).unwrap().csr_pem).unwrap().to_vec();
        der.push(0);
        assert_eq!(Csr::from_der(&der), Err(CsrError::Malformed));
        assert_eq!(Csr::from_der(&vec![0; MAX_BYTES + 1]), Err(CsrError::TooLarge(MAX_BYTES + 1)));
    }

    proptest! {
        #[test]
        fn a_damaged_request_never_certifies_another_key(at in 0usize..400, flip in 1u8..) {
            let request = Request::generate(None).unwrap();
            let mut der = pem::request(&request.csr_pem).unwrap().to_vec();
            let at = at % der.len();
            der[at] ^= flip;
            // Only bits that carry no meaning, such as a count of unused bits, may be other ones.
            if let Ok(csr) = Csr::from_der(&der) {
                prop_assert_eq!(csr.public_key(), request.public_key);
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(Csr::from_der(&bytes).is_err());
        }
    }
}
