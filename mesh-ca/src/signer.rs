//! Who signs: the seam between the service that decides on a request and the key that signs it.
//!
//! The embedded [`Authority`](crate::Authority) is one signer; an HSM, Vault or SPIRE would be others,
//! which is why signing is asynchronous.

use crate::csr::Csr;
use mesh_core::identity::{SpiffeId, TrustDomain};
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

/// Istio's default lifetime of a workload's certificate.
pub const DEFAULT_TTL: Duration = Duration::from_secs(24 * 3600);
/// Istio's longest lifetime of a workload's certificate.
pub const MAX_TTL: Duration = Duration::from_secs(90 * 24 * 3600);
/// How far a certificate is dated back, so that a peer whose clock is slow accepts it.
pub const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// A signed certificate with the chain that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// PEM, as the CA API returns it: leaf first, one intermediate an element, the root bundle last.
    pub chain: Vec<String>,
    /// The leaf's serial number in lower-case hex.
    pub serial: String,
    /// Start of the leaf's validity.
    pub not_before: SystemTime,
    /// End of the leaf's validity.
    pub not_after: SystemTime,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The identity belongs to a trust domain that this signer does not speak for.
    #[error("identity {identity} is outside of the trust domain {trust_domain}")]
    TrustDomain {
        /// The identity that was asked for.
        identity: SpiffeId,
        /// The trust domain of the signer.
        trust_domain: TrustDomain,
    },
    /// A lifetime of zero or beyond [`MAX_TTL`].
    #[error("a certificate lives between 1 s and {} s, not {} s", MAX_TTL.as_secs(), .0.as_secs())]
    Ttl(Duration),
    /// The signing certificate is no longer valid.
    #[error("the CA certificate has expired")]
    CaExpired,
    /// A name that no certificate can carry.
    #[error("{0:?} cannot be written into a certificate")]
    Name(String),
    /// The cryptography or the remote signer failed.
    #[error("signing failed: {0}")]
    Failed(String),
}

/// What [`Signer::sign`] returns.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<Issued, SignError>> + Send + 'a>>;

/// Signs certificates for workloads.
pub trait Signer: Send + Sync + 'static {
    /// The trust domain that certificates are issued in.
    fn trust_domain(&self) -> &TrustDomain;

    /// The trust bundle, PEM.
    fn roots(&self) -> &str;

    /// End of the signing certificate's validity.
    fn not_after(&self) -> SystemTime;

    /// Certifies the request's key for `identity`, for `ttl` from `now`, or as long as the CA lives.
    fn sign<'a>(
        &'a self,
        csr: &'a Csr,
        identity: &'a SpiffeId,
        ttl: Duration,
        now: SystemTime,
    ) -> Signing<'a>;
}
