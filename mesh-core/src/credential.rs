//! What proves a workload's identity: a private key, its certificate chain and the roots it trusts.
//!
//! mesh-ca writes it, mesh-proxy turns it into TLS configuration; both know it only as DER, so neither
//! depends on the other's libraries. The key is wiped when the last holder drops it and is never printed.

use crate::identity::SpiffeId;
use std::fmt;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// A key, its chain and the trust bundle, valid for a while.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The identity in the leaf's URI SAN.
    pub identity: SpiffeId,
    /// DER certificates: leaf first, then intermediates; the root is not among them.
    pub chain: Vec<Vec<u8>>,
    /// PKCS#8 DER private key of the leaf.
    pub key: Zeroizing<Vec<u8>>,
    /// DER trust anchors that peers must chain to.
    pub roots: Vec<Vec<u8>>,
    /// Start of the leaf's validity.
    pub not_before: SystemTime,
    /// End of the leaf's validity.
    pub not_after: SystemTime,
    /// The leaf's serial number, lower-case hex as `openssl x509 -serial` prints it (but for case).
    pub serial: String,
}

impl Credential {
    /// How long the leaf stays valid after `now`; zero once it has expired.
    pub fn remaining(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("identity", &self.identity)
            .field("serial", &self.serial)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}
