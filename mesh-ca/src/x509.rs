//! What this crate needs to know of a certificate, and whether a chain holds together.
//!
//! Both ends use it: the authority to refuse a state directory whose files do not belong together, the
//! client to refuse an answer that is not the certificate it asked for. It is not the mesh's peer
//! verification, which rustls does on every handshake.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// Longest path from a leaf to a root that is followed.
const MAX_PATH: usize = 8;

/// Why a certificate or a chain is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum X509Error {
    #[error("not a DER certificate")]
    Malformed,
    #[error("bytes follow the certificate")]
    Trailing,
    #[error("a date before 1970 or out of range")]
    Date,
    #[error("no path to a root: {0} is signed by none of the certificates at hand")]
    NoPath(String),
    #[error("{0} is not a CA certificate")]
    NotCa(String),
}

/// The parts of a certificate that are looked at here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    /// As `openssl x509 -serial` prints it, in lower case.
    pub(crate) serial: String,
    /// DER SubjectPublicKeyInfo.
    pub(crate) public_key: Vec<u8>,
    pub(crate) uris: Vec<String>,
    pub(crate) is_ca: bool,
    pub(crate) subject: String,
}

pub(crate) fn facts(der: &[u8]) -> Result<Facts, X509Error> {
    let cert = parse(der)?;
    let uris = match cert.subject_alternative_name() {
        Ok(Some(san)) => san
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::URI(uri) => Some((*uri).to_owned()),
                _ => None,
            })
            .collect(),
        Ok(None) => Vec::new(),
        Err(_) => return Err(X509Error::Malformed),
    };
    Ok(Facts {
        not_before: system_time(cert.validity().not_before)?,
        not_after: system_time(cert.validity().not_after)?,
        serial: serial_hex(cert.raw_serial()),
        public_key: cert.public_key().raw.to_vec(),
        uris,
        is_ca: is_ca(&cert),
        subject: cert.subject().to_string(),
    })
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, X509Error> {
    let (rest, cert) = X509Certificate::from_der(der).map_err(|_| X509Error::Malformed)?;
    if rest.is_empty() { Ok(cert) } else { Err(X509Error::Trailing) }
}

fn is_ca(cert: &X509Certificate<'_>) -> bool {
    let may_sign = match cert.key_usage() {
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    };
    cert.is_ca() && may_sign
}

/// The certificates between `leaf` and a root, in order, both ends left out.
///
/// Follows signatures, not only names; certificates of `pool` that are not on the path are dropped.
pub(crate) fn path(leaf: &[u8], pool: &[Vec<u8>], roots: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, X509Error> {
    let roots_parsed = roots.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
    let candidates = pool.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
    for ca in roots_parsed.iter().chain(&candidates) {
        if !is_ca(ca) {
            return Err(X509Error::NotCa(ca.subject().to_string()));
        }
    }
    let signed_by = |cert: &X509Certificate<'_>, ca: &X509Certificate<'_>| {
        cert.issuer() == ca.subject() && cert.verify_signature(Some(ca.public_key())).is_ok()
    };
    let mut found: Vec<usize> = Vec::new();
    let mut current = parse(leaf)?;
    loop {
        if roots_parsed.iter().any(|root| signed_by(&current, root)) {
            return Ok(found.iter().filter_map(|at| pool.get(*at).cloned()).collect());
        }
        let next = candidates
            .iter()
            .enumerate()
            .find(|(at, ca)| found.len() < MAX_PATH && !found.contains(at) && signed_by(&current, ca));
        match next {
            Some((at, ca)) => {
                found.push(at);
                current = ca.clone();
            }
            None => return Err(X509Error::NoPath(name(&current))),
        }
    }
}

/// A workload's subject is empty, so its SAN names it.
fn name(cert: &X509Certificate<'_>) -> String {
    let subject = cert.subject().to_string();
    if subject.is_empty() { format!("serial {}", serial_hex(cert.raw_serial())) } else { subject }
}

fn system_time(time: ASN1Time) -> Result<SystemTime, X509Error> {
    let seconds = u64::try_from(time.timestamp()).map_err(|_| X509Error::Date)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(X509Error::Date)
}

/// DER keeps a zero byte before a serial whose first bit is set; it is not part of the number.
fn serial_hex(raw: &[u8]) -> String {
    let significant = raw.iter().position(|b| *b != 0).and_then(|at| raw.get(at..)).unwrap_or(&[0]);
    significant.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_written_as_openssl_writes_it() {
        assert_eq!(serial_hex(&[0x00, 0xf1, 0x02]), "f102");
        assert_eq!(serial_hex(&[0x00]), "00");
        assert_eq!(serial_hex(&[]), "00");
    }

    #[test]
    fn foreign_bytes_are_refused() {
        assert_eq!(facts(b"\x30\x03abc").unwrap_err(), X509Error::Malformed);
        assert_eq!(path(b"", &[], &[]).unwrap_err(), X509Error::Malformed);
    }
}
