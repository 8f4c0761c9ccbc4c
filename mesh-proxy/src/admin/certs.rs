//! `/certs`: the certificate that is shown and the roots that are trusted, as Envoy's `admin.v3.Certificates`.

use super::utc;
use mesh_core::credential::Credential;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::SystemTime;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

const DAY: i64 = 86_400;

/// What the page says of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Certificate {
    serial: String,
    /// Envoy's name of the kind, and the name.
    names: Vec<(&'static str, String)>,
    not_before: i64,
    not_after: i64,
}

/// The page; without a credential there is nothing in it.
pub(super) fn page(credential: Option<&Credential>, now: SystemTime) -> Value {
    let certificates: Vec<Value> = credential
        .map(|credential| {
            let all = |ders: &[Vec<u8>]| ders.iter().map(|der| entry(der, now)).collect::<Vec<_>>();
            json!({ "ca_cert": all(&credential.roots), "cert_chain": all(&credential.chain) })
        })
        .into_iter()
        .collect();
    json!({ "certificates": certificates })
}

/// Days until the first certificate of a credential expires, for `server.days_until_first_cert_expiring`.
pub(super) fn days_until_first_expiry(credential: &Credential, now: SystemTime) -> Option<u64> {
    let all = credential.chain.iter().chain(&credential.roots);
    all.filter_map(|der| read(der).ok()).map(|certificate| days_left(&certificate, now)).min()
}

fn entry(der: &[u8], now: SystemTime) -> Value {
    match read(der) {
        Ok(certificate) => json!({
            "path": "<inline>",
            "serial_number": certificate.serial,
            "subject_alt_names":
                certificate.names.iter().map(|(kind, name)| json!({ *kind: name })).collect::<Vec<_>>(),
            "days_until_expiration": days_left(&certificate, now).to_string(),
            "valid_from": utc::rfc3339(certificate.not_before),
            "expiration_time": utc::rfc3339(certificate.not_after),
        }),
        // The path is free text for readers of the page, so what is wrong stays visible in its place.
        Err(error) => json!({ "path": format!("<inline>, unreadable: {error}") }),
    }
}

fn days_left(certificate: &Certificate, now: SystemTime) -> u64 {
    let left = certificate.not_after.saturating_sub(utc::seconds(now));
    u64::try_from(left.div_euclid(DAY)).unwrap_or(0)
}

fn read(der: &[u8]) -> Result<Certificate, String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|e| e.to_string())?;
    let names = certificate.subject_alternative_name().map_err(|e| e.to_string())?;
    let names = names.map(|ext| ext.value.general_names.iter().filter_map(name).collect());
    Ok(Certificate {
        serial: serial(certificate.raw_serial()),
        names: names.unwrap_or_default(),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
    })
}

fn name(name: &GeneralName<'_>) -> Option<(&'static str, String)> {
    match name {
        GeneralName::URI(uri) => Some(("uri", (*uri).to_owned())),
        GeneralName::DNSName(dns) => Some(("dns", (*dns).to_owned())),
        GeneralName::IPAddress(bytes) => Some(("ip_address", ip(bytes)?.to_string())),
        // Envoy's message has a place for these three alone.
        _ => None,
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// Lower-case hex of the number; DER's leading zero byte, which keeps it positive, is not part of it.
fn serial(bytes: &[u8]) -> String {
    let number = bytes.iter().position(|b| *b != 0).and_then(|at| bytes.get(at..)).unwrap_or(&[0]);
    number.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{SPIFFE, credential};
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_credential_is_shown_with_its_names_serial_and_remaining_days() {
        let credential = credential();
        let now = credential.not_before + Duration::from_secs(3600);
        let page = page(Some(&credential), now);
        let leaf = &page["certificates"][0]["cert_chain"][0];
        assert_eq!(leaf["path"], "<inline>");
        assert_eq!(
            leaf["subject_alt_names"],
            json!([{ "uri": SPIFFE }, { "dns": "a.example" }, { "ip_address": "127.1.0.4" }])
        );
        assert_eq!(leaf["serial_number"], "b1020304");
        assert_eq!(leaf["days_until_expiration"], "9");
        assert_eq!(leaf["valid_from"], "2026-01-01T00:00:00Z");
        assert_eq!(leaf["expiration_time"], "2026-01-11T00:00:00Z");
        let root = &page["certificates"][0]["ca_cert"][0];
        assert_eq!((&root["subject_alt_names"], &root["days_until_expiration"]), (&json!([]), &json!("364")));
        assert_eq!(days_until_first_expiry(&credential, now), Some(9));
    }

    #[test]
    fn an_expired_certificate_has_no_days_left_and_an_unreadable_one_says_so() {
        let mut credential = credential();
        let late = credential.not_after + Duration::from_secs(1);
        assert_eq!(
            page(Some(&credential), late)["certificates"][0]["cert_chain"][0]["days_until_expiration"],
            "0"
        );
        credential.chain = vec![b"not a certificate".to_vec()];
        let entry = page(Some(&credential), late)["certificates"][0]["cert_chain"][0].clone();
        assert!(entry["path"].as_str().is_some_and(|p| p.contains("unreadable")), "{entry}");
        assert_eq!(page(None, late), json!({ "certificates": [] }));
    }

    #[test]
    fn a_serial_number_has_no_sign_byte() {
        assert_eq!(serial(&[0, 0xb1, 2]), "b102");
        assert_eq!(serial(&[0]), "00");
    }
}
