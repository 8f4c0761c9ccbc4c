//! The authority's files: Istio's `cacerts` layout in a state directory.

use super::{CaKey, Material};
use crate::pem;
use crate::state::{StateDir, StateError, StateErrorKind};
use rcgen::KeyPair;
use zeroize::{Zeroize, Zeroizing};

pub(super) const CA_CERT: &str = "ca-cert.pem";
pub(super) const CA_KEY: &str = "ca-key.pem";
pub(super) const CERT_CHAIN: &str = "cert-chain.pem";
pub(super) const ROOT_CERT: &str = "root-cert.pem";
pub(super) const LOCK: &str = "ca.lock";
/// Name of the commit, see [`StateDir::commit`].
const COMMIT: &str = "ca";

/// Reads the authority; `None` if none of its files is there.
pub(super) fn load(dir: &StateDir) -> Result<Option<Material>, StateError> {
    dir.recover(COMMIT)?;
    let names = [CA_CERT, CA_KEY, CERT_CHAIN, ROOT_CERT];
    let [cert, key, chain, root] =
        [dir.read(CA_CERT)?, dir.read(CA_KEY)?, dir.read(CERT_CHAIN)?, dir.read(ROOT_CERT)?];
    match (cert, key, chain, root) {
        (None, None, None, None) => Ok(None),
        (Some(cert), Some(key), Some(chain), Some(root)) => Ok(Some(Material {
            ca_cert: one_certificate(dir, &cert)?,
            ca_key: key_pair(dir, &key)?,
            chain: certificates(dir, CERT_CHAIN, &chain)?,
            roots: certificates(dir, ROOT_CERT, &root)?,
        })),
        (cert, key, chain, root) => {
            let there = [cert.is_some(), key.is_some(), chain.is_some(), root.is_some()];
            let missing: Vec<_> =
                names.iter().zip(there).filter(|(_, there)| !there).map(|(name, _)| *name).collect();
            Err(StateError::new(
                dir.path(),
                StateErrorKind::Partial,
                format!(
                    "holds part of a CA: {} missing; restore it from a backup, or move the rest away to \
                     begin with a new root",
                    missing.join(", ")
                ),
            ))
        }
    }
}

/// Writes the authority, all files or none.
pub(super) fn save(dir: &StateDir, material: &Material) -> Result<(), StateError> {
    let key_der = Zeroizing::new(material.ca_key.0.serialize_der());
    let key = pem::encode_private_key(&key_der);
    let bundle = |ders: &[Vec<u8>]| pem::encode_certificates(ders.iter().map(Vec::as_slice));
    dir.commit(
        COMMIT,
        &[
            (CA_CERT, pem::encode(pem::CERTIFICATE, &material.ca_cert).as_bytes()),
            (CA_KEY, key.as_bytes()),
            (CERT_CHAIN, bundle(&material.chain).as_bytes()),
            (ROOT_CERT, bundle(&material.roots).as_bytes()),
        ],
    )
}

fn corrupt(dir: &StateDir, name: &str, problem: impl ToString) -> StateError {
    StateError::new(&dir.file(name), StateErrorKind::Corrupt, problem)
}

fn certificates(dir: &StateDir, name: &str, bytes: &[u8]) -> Result<Vec<Vec<u8>>, StateError> {
    let text = std::str::from_utf8(bytes).map_err(|_| corrupt(dir, name, "not a text file"))?;
    pem::certificates(text).map_err(|e| corrupt(dir, name, e))
}

fn one_certificate(dir: &StateDir, bytes: &[u8]) -> Result<Vec<u8>, StateError> {
    let mut found = certificates(dir, CA_CERT, bytes)?;
    match (found.pop(), found.is_empty()) {
        (Some(cert), true) => Ok(cert),
        _ => Err(corrupt(dir, CA_CERT, "holds more than the one signing certificate")),
    }
}

fn key_pair(dir: &StateDir, bytes: &[u8]) -> Result<CaKey, StateError> {
    let mut der = pem::private_key(bytes).map_err(|e| corrupt(dir, CA_KEY, e))?;
    let pair = KeyPair::try_from(&der);
    der.zeroize();
    pair.map(CaKey).map_err(|_| corrupt(dir, CA_KEY, "not a usable private key"))
}
