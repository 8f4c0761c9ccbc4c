//! A credential as the two secrets that Istio's proxies know.

use super::proto::{CertificateValidationContext, DataSource, Secret, SecretKind, TlsCertificate};
use crate::pem;
use mesh_core::credential::Credential;
use prost::Message;
use prost_types::Any;
use std::hash::{DefaultHasher, Hasher};
use zeroize::Zeroize;

/// The workload's certificate and key.
pub const DEFAULT: &str = "default";
/// The trust bundle.
pub const ROOT_CA: &str = "ROOTCA";

pub(super) const TYPE_URL: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// One credential, encoded; the copy of the key in it is wiped when it goes.
pub(super) struct Secrets {
    default: Versioned,
    root_ca: Versioned,
}

/// A secret, and a text that differs whenever the secret does.
#[derive(Clone)]
pub(super) struct Versioned {
    pub(super) version: String,
    pub(super) secret: Any,
}

impl Secrets {
    pub(super) fn new(credential: &Credential) -> Self {
        let chain = pem::encode_certificates(credential.chain.iter().map(Vec::as_slice));
        let key = pem::encode_private_key(&credential.key);
        let roots = pem::encode_certificates(credential.roots.iter().map(Vec::as_slice));
        let mut hasher = DefaultHasher::new();
        hasher.write(roots.as_bytes());
        Self {
            default: Versioned {
                version: credential.serial.clone(),
                secret: pack(
                    DEFAULT,
                    SecretKind::TlsCertificate(TlsCertificate {
                        certificate_chain: inline(chain.into_bytes()),
                        private_key: inline(key.as_bytes().to_vec()),
                    }),
                ),
            },
            root_ca: Versioned {
                version: format!("{:016x}", hasher.finish()),
                secret: pack(
                    ROOT_CA,
                    SecretKind::ValidationContext(CertificateValidationContext {
                        trusted_ca: inline(roots.into_bytes()),
                    }),
                ),
            },
        }
    }

    /// A secret by the name that Envoy knows it by.
    pub(super) fn get(&self, name: &str) -> Option<&Versioned> {
        match name {
            DEFAULT => Some(&self.default),
            ROOT_CA => Some(&self.root_ca),
            _ => None,
        }
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.default.secret.value.zeroize();
    }
}

/// Whether there is, or will be, a secret of this name.
pub(super) fn is_known(name: &str) -> bool {
    matches!(name, DEFAULT | ROOT_CA)
}

fn inline(bytes: Vec<u8>) -> Option<DataSource> {
    Some(DataSource { inline_bytes: Some(bytes) })
}

fn pack(name: &str, kind: SecretKind) -> Any {
    let mut secret = Secret { name: name.to_owned(), kind: Some(kind) };
    let value = secret.encode_to_vec();
    if let Some(SecretKind::TlsCertificate(tls)) = &mut secret.kind
        && let Some(DataSource { inline_bytes: Some(key) }) = &mut tls.private_key
    {
        key.zeroize();
    }
    Any { type_url: TYPE_URL.to_owned(), value }
}
