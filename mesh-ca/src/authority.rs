//! The embedded CA: a root (or a plugged-in intermediate) that signs workloads' certificates.
//!
//! ```text
//! request + authenticated caller → server → [authority] → leaf, intermediates, root bundle
//! ```
//!
//! Its files are those of Istio's `cacerts` secret: `ca-cert.pem` and `ca-key.pem` sign,
//! `cert-chain.pem` leads from the signing certificate to the root, `root-cert.pem` is what peers trust.
//! So a CA made elsewhere for Istio is used as it is.

mod store;

use crate::csr::Csr;
use crate::pem;
use crate::signer::{CLOCK_SKEW, Issued, MAX_TTL, SignError, Signer, Signing};
use crate::state::{StateDir, StateError, StateErrorKind};
use crate::x509;
use mesh_core::identity::{SpiffeId, TrustDomain};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, SigningKey,
};
use rustls_pki_types::CertificateDer;
use std::fmt;
use std::fs::File;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use zeroize::{Zeroize, Zeroizing};

/// Istio's lifetime of a self-signed root.
const ROOT_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The names under which workloads reach a control plane in Kubernetes.
pub const CONTROL_PLANE_NAMES: &[&str] =
    &["istiod.istio-system.svc", "istiod.istio-system.svc.cluster.local", "localhost"];

/// A certificate authority in this process.
pub struct Authority {
    trust_domain: TrustDomain,
    issuer: Issuer<'static, CaKey>,
    not_after: SystemTime,
    /// PEM certificates between a leaf and the root.
    intermediates: Vec<String>,
    roots: String,
    /// Held against a second writer for as long as the authority lives.
    _lock: Option<File>,
}

/// A certificate and key for a TLS server, both PEM.
#[derive(Clone)]
pub struct ServerCredential {
    /// Leaf first; the root is not in it.
    pub chain: String,
    /// PKCS#8.
    pub key: Zeroizing<String>,
    /// End of validity.
    pub not_after: SystemTime,
}

impl fmt::Debug for ServerCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCredential").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

/// The signing key; wiped when the authority goes.
struct CaKey(KeyPair);

impl Drop for CaKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PublicKeyData for CaKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for CaKey {
    fn sign(&self, msg: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(msg)
    }
}

/// The parts of an authority as they lie on disk.
struct Material {
    ca_key: CaKey,
    ca_cert: Vec<u8>,
    chain: Vec<Vec<u8>>,
    roots: Vec<Vec<u8>>,
}

impl Authority {
    /// Opens the authority that lives in a directory; makes it, with a fresh root, if the directory
    /// holds none of its files.
    ///
    /// The directory stays locked until the authority is dropped.
    ///
    /// # Errors
    /// [`StateError`] if another process uses the directory, if the files are incomplete, damaged, do
    /// not belong together or have expired. Nothing is changed then.
    pub fn open(state_dir: impl AsRef<Path>, trust_domain: TrustDomain) -> Result<Self, StateError> {
        let dir = StateDir::open(state_dir.as_ref())?;
        let lock = dir.lock(store::LOCK)?;
        let now = SystemTime::now();
        let material = match store::load(&dir)? {
            Some(material) => material,
            None => {
                let material = Material::self_signed(&trust_domain, now).map_err(|e| {
                    StateError::new(dir.path(), StateErrorKind::Io, format!("no root could be made: {e}"))
                })?;
                store::save(&dir, &material)?;
                tracing::info!(path = %dir.path().display(), %trust_domain, "made a self-signed root");
                material
            }
        };
        let authority = Self::from_material(material, trust_domain, Some(lock))
            .map_err(|problem| StateError::new(dir.path(), StateErrorKind::Corrupt, problem))?;
        if authority.not_after <= now {
            return Err(StateError::new(
                &dir.file(store::CA_CERT),
                StateErrorKind::Expired,
                "the CA certificate has expired",
            ));
        }
        Ok(authority)
    }

    /// An authority that lives as long as the process: nothing is written, and peers of the next start
    /// will not trust this one.
    ///
    /// # Errors
    /// [`SignError::Failed`] if the system yields no random key.
    pub fn in_memory(trust_domain: TrustDomain) -> Result<Self, SignError> {
        let material = Material::self_signed(&trust_domain, SystemTime::now()).map_err(failed)?;
        Self::from_material(material, trust_domain, None).map_err(SignError::Failed)
    }

    /// Checks that the parts belong together; the error says which do not.
    fn from_material(
        material: Material,
        trust_domain: TrustDomain,
        lock: Option<File>,
    ) -> Result<Self, String> {
        let Material { ca_key, ca_cert, chain, roots } = material;
        let facts = x509::facts(&ca_cert).map_err(|e| format!("{}: {e}", store::CA_CERT))?;
        if !facts.is_ca {
            return Err(format!("{}: not a CA certificate", store::CA_CERT));
        }
        if facts.public_key != ca_key.subject_public_key_info() {
            return Err(format!(
                "{} and {}: the key is not that of the certificate",
                store::CA_KEY,
                store::CA_CERT
            ));
        }
        // Roots and the signing certificate itself are often repeated in cert-chain.pem.
        let pool: Vec<_> =
            chain.into_iter().filter(|cert| !roots.contains(cert) && *cert != ca_cert).collect();
        let above = x509::path(&ca_cert, &pool, &roots).map_err(|e| {
            format!("{}, {} and {}: {e}", store::CA_CERT, store::CERT_CHAIN, store::ROOT_CERT)
        })?;
        let own = (!roots.contains(&ca_cert)).then_some(&ca_cert);
        let intermediates = own.into_iter().chain(&above).map(|der| pem::encode(pem::CERTIFICATE, der));
        let intermediates = intermediates.collect();
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(ca_cert.as_slice()), ca_key)
            .map_err(|e| format!("{}: {e}", store::CA_CERT))?;
        Ok(Self {
            trust_domain,
            issuer,
            not_after: facts.not_after,
            intermediates,
            roots: pem::encode_certificates(roots.iter().map(Vec::as_slice)),
            _lock: lock,
        })
    }

    /// The trust domain that certificates are issued in.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The trust bundle, PEM: what `--root-cert` of a proxy holds.
    pub fn roots_pem(&self) -> &str {
        &self.roots
    }

    /// Certifies the request's key for `identity`. Nothing else of the request is used.
    ///
    /// The certificate is dated back by [`CLOCK_SKEW`] and never outlives the CA's own.
    ///
    /// # Errors
    /// [`SignError`] if the identity is of another trust domain, `ttl` is zero or beyond [`MAX_TTL`],
    /// or the CA has expired.
    pub fn sign(
        &self,
        csr: &Csr,
        identity: &SpiffeId,
        ttl: Duration,
        now: SystemTime,
    ) -> Result<Issued, SignError> {
        if identity.trust_domain() != &self.trust_domain {
            return Err(SignError::TrustDomain {
                identity: identity.clone(),
                trust_domain: self.trust_domain.clone(),
            });
        }
        let uri =
            Ia5String::try_from(identity.uri()).map_err(|_| SignError::Name(identity.uri().to_owned()))?;
        let usages = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let leaf = self.leaf(csr.key(), vec![SanType::URI(uri)], &usages, ttl, now)?;
        let mut chain = vec![pem::encode(pem::CERTIFICATE, &leaf.der)];
        chain.extend(self.intermediates.iter().cloned());
        chain.push(self.roots.clone());
        Ok(Issued {
            chain,
            serial: leaf.facts.serial,
            not_before: leaf.facts.not_before,
            not_after: leaf.facts.not_after,
        })
    }

    /// A key and certificate for the control plane's own TLS port, for the longest lifetime allowed.
    /// Each name is a DNS name or an IP address.
    ///
    /// # Errors
    /// [`SignError`] if there is no name, one is not legal in a certificate, or the CA has expired.
    pub fn server_credential<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        now: SystemTime,
    ) -> Result<ServerCredential, SignError> {
        let sans = names
            .into_iter()
            .map(|name| match name.parse::<IpAddr>() {
                Ok(ip) => Ok(SanType::IpAddress(ip)),
                Err(_) => Ia5String::try_from(name)
                    .map(SanType::DnsName)
                    .map_err(|_| SignError::Name(name.to_owned())),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if sans.is_empty() {
            return Err(SignError::Name(String::new()));
        }
        let key = CaKey(KeyPair::generate().map_err(failed)?);
        let leaf = self.leaf(&key, sans, &[ExtendedKeyUsagePurpose::ServerAuth], MAX_TTL, now)?;
        let mut chain = pem::encode(pem::CERTIFICATE, &leaf.der);
        chain.extend(self.intermediates.iter().map(String::as_str));
        let der = Zeroizing::new(key.0.serialize_der());
        Ok(ServerCredential { chain, key: pem::encode_private_key(&der), not_after: leaf.facts.not_after })
    }

    fn leaf(
        &self,
        key: &impl PublicKeyData,
        names: Vec<SanType>,
        usages: &[ExtendedKeyUsagePurpose],
        ttl: Duration,
        now: SystemTime,
    ) -> Result<Leaf, SignError> {
        if ttl.as_secs() == 0 || ttl > MAX_TTL {
            return Err(SignError::Ttl(ttl));
        }
        if self.not_after <= now {
            return Err(SignError::CaExpired);
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = names;
        params.serial_number = Some(random_serial());
        params.not_before = date(now, Shift::Back(CLOCK_SKEW))?;
        params.not_after = date(now, Shift::Forward(ttl))?.min(self.not_after.into());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = usages.to_vec();
        params.use_authority_key_identifier_extension = true;
        let der = params.signed_by(key, &self.issuer).map_err(failed)?.der().to_vec();
        let facts = x509::facts(&der).map_err(failed)?;
        Ok(Leaf { der, facts })
    }
}

struct Leaf {
    der: Vec<u8>,
    facts: x509::Facts,
}

impl Signer for Authority {
    fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    fn roots(&self) -> &str {
        &self.roots
    }

    fn not_after(&self) -> SystemTime {
        self.not_after
    }

    fn sign<'a>(
        &'a self,
        csr: &'a Csr,
        identity: &'a SpiffeId,
        ttl: Duration,
        now: SystemTime,
    ) -> Signing<'a> {
        // In this process a signature takes microseconds: no reason to leave the thread.
        Box::pin(std::future::ready(Authority::sign(self, csr, identity, ttl, now)))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("trust_domain", &self.trust_domain)
            .field("not_after", &self.not_after)
            .field("intermediates", &self.intermediates.len())
            .finish_non_exhaustive()
    }
}

impl Material {
    fn self_signed(trust_domain: &TrustDomain, now: SystemTime) -> Result<Self, SignError> {
        let key = CaKey(KeyPair::generate().map_err(failed)?);
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, trust_domain.as_str());
        params.serial_number = Some(random_serial());
        params.not_before = date(now, Shift::Back(CLOCK_SKEW))?;
        params.not_after = date(now, Shift::Forward(ROOT_TTL))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = params.self_signed(&key).map_err(failed)?.der().to_vec();
        Ok(Self { ca_key: key, chain: vec![cert.clone()], roots: vec![cert.clone()], ca_cert: cert })
    }
}

enum Shift {
    Back(Duration),
    Forward(Duration),
}

/// A certificate's date; whole seconds, as X.509 has no finer ones.
fn date(now: SystemTime, shift: Shift) -> Result<OffsetDateTime, SignError> {
    let at = match shift {
        Shift::Back(by) => now.checked_sub(by),
        Shift::Forward(by) => now.checked_add(by),
    };
    let at = at.ok_or_else(|| SignError::Failed("the clock is out of range".to_owned()))?;
    OffsetDateTime::from(at).replace_nanosecond(0).map_err(failed)
}

/// 122 random bits: RFC 5280 wants serials unique, CA/Browser practice wants them unguessable.
fn random_serial() -> SerialNumber {
    SerialNumber::from_slice(uuid::Uuid::new_v4().as_bytes())
}

fn failed(error: impl ToString) -> SignError {
    SignError::Failed(error.to_string())
}

#[cfg(test)]
mod tests;
