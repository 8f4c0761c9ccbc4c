//! TLS towards callers: of a Gateway's servers and of a Sidecar's inbound listeners.
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | `caCrl` beside `credentialName` | ignored under SIMPLE and MUTUAL | refused | revoked certificates would be accepted in silence |
//! | `maxProtocolVersion` below `minProtocolVersion` | accepted | refused | no handshake could succeed |
//! | form of `verifyCertificateHash` and `verifyCertificateSpki` | not looked at | refused | Envoy refuses the whole listener |
//! | unknown `ecdhCurves` | not looked at | warned of | as in `meshConfig.tlsDefaults` |

use super::report::Report;
use crate::api::networking::gateway::{ServerTls, ServerTlsMode, TlsVersion};
use base64::Engine;
use std::collections::HashSet;

/// What TLS 1.2 and below may be spoken with: BoringSSL's, but for pre-shared keys.
const CIPHER_SUITES: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];

/// What keys may be exchanged by.
const ECDH_CURVES: &[&str] = &["P-224", "P-256", "P-384", "P-521", "X25519", "X25519MLKEM768", "CECPQ2"];

pub(super) fn check(tls: &ServerTls, path: &str, report: &mut Report<'_>) {
    protocol(tls, path, report);
    names(&tls.cipher_suites, &format!("{path}.cipherSuites"), "cipher suite", is_cipher_suite, report);
    names(&tls.ecdh_curves, &format!("{path}.ecdhCurves"), "curve", is_ecdh_curve, report);
    hashes(tls, path, report);
    one_source(tls, path, report);
    match tls.mode {
        Some(ServerTlsMode::IstioMutual) => mesh_certificates(tls, path, report),
        None | Some(ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough) => {
            for field in written(tls).into_iter().chain(revoked(tls)) {
                let message = format!("`{field}` has no effect where TLS is passed through");
                report.warn(&format!("{path}.{field}"), message, "leave it out, or write mode: SIMPLE");
            }
        }
        Some(mode) => own_certificates(tls, mode, path, report),
    }
}

/// Sources of certificates that are written, by their fields' names.
fn written(tls: &ServerTls) -> Vec<&'static str> {
    let all = [
        ("serverCertificate", !tls.server_certificate.is_empty()),
        ("privateKey", !tls.private_key.is_empty()),
        ("caCertificates", !tls.ca_certificates.is_empty()),
        ("tlsCertificates", !tls.tls_certificates.is_empty()),
        ("credentialName", !tls.credential_name.is_empty()),
        ("credentialNames", !tls.credential_names.is_empty()),
    ];
    all.into_iter().filter(|(_, is)| *is).map(|(field, _)| field).collect()
}

fn revoked(tls: &ServerTls) -> Option<&'static str> {
    (!tls.ca_crl.is_empty()).then_some("caCrl")
}

fn mesh_certificates(tls: &ServerTls, path: &str, report: &mut Report<'_>) {
    for field in written(tls) {
        let message = format!("`{field}` under ISTIO_MUTUAL");
        report.refuse(&format!("{path}.{field}"), message, "the mesh has its own certificates; leave it out");
    }
}

/// The certificate comes from one place, and Kubernetes counts what is listed.
fn one_source(tls: &ServerTls, path: &str, report: &mut Report<'_>) {
    let sources = [
        ("serverCertificate", !tls.server_certificate.is_empty() && !tls.private_key.is_empty()),
        ("credentialName", !tls.credential_name.is_empty()),
        ("credentialNames", !tls.credential_names.is_empty()),
        ("tlsCertificates", !tls.tls_certificates.is_empty()),
    ];
    let mut written = sources.iter().filter(|(_, is)| *is).map(|(name, _)| *name);
    if let (Some(first), Some(second), true) =
        (written.next(), written.next(), tls.mode != Some(ServerTlsMode::IstioMutual))
    {
        let message = format!("`{first}` beside `{second}`");
        report.refuse(&format!("{path}.{second}"), message, "certificates come from one place; keep one");
    }
    for (field, count) in
        [("credentialNames", tls.credential_names.len()), ("tlsCertificates", tls.tls_certificates.len())]
    {
        let path = format!("{path}.{field}");
        report.at_most(&path, count, 2, "certificate");
        if count == 0 && report.is_written(&path) {
            report.refuse(&path, format!("`{field}` is empty"), "list one or two, or leave it out");
        }
    }
}

fn own_certificates(tls: &ServerTls, mode: ServerTlsMode, path: &str, report: &mut Report<'_>) {
    let asks = mode != ServerTlsMode::Simple;
    if !tls.ca_crl.is_empty() {
        let at = format!("{path}.caCrl");
        if !tls.credential_name.is_empty() || !tls.credential_names.is_empty() {
            report.refuse(&at, "`caCrl` beside a credential", "put the list into the Secret, key ca.crl");
        } else if !asks {
            report.refuse(&at, "`caCrl` under SIMPLE, which asks for no certificates", "write mode: MUTUAL");
        }
    }
    if !tls.credential_name.is_empty() || !tls.credential_names.is_empty() {
        return;
    }
    if asks && tls.ca_certificates.is_empty() {
        report.refuse(path, "the callers' roots are missing", "write caCertificates, or credentialName");
    }
    if tls.tls_certificates.is_empty() {
        files(&tls.server_certificate, &tls.private_key, path, report);
    }
    for (i, one) in tls.tls_certificates.iter().enumerate() {
        let path = format!("{path}.tlsCertificates[{i}]");
        files(&one.server_certificate, &one.private_key, &path, report);
    }
}

fn files(certificate: &str, key: &str, path: &str, report: &mut Report<'_>) {
    let help = "write credentialName, or serverCertificate and privateKey";
    match (certificate.is_empty(), key.is_empty()) {
        (true, true) => report.refuse(path, "a certificate and its key are missing", help),
        (true, false) => report.refuse(path, "the certificate of the key is missing", help),
        (false, true) => report.refuse(path, "the key of the certificate is missing", help),
        (false, false) => {}
    }
}

fn protocol(tls: &ServerTls, path: &str, report: &mut Report<'_>) {
    let old = matches!(tls.min_protocol_version, Some(TlsVersion::TLSV1_0 | TlsVersion::TLSV1_1));
    if old && tls.cipher_suites.is_empty() {
        let help = "write cipherSuites that it has, or TLSV1_2";
        report.warn(
            &format!("{path}.minProtocolVersion"),
            "a version of TLS that no default cipher is for",
            help,
        );
    }
    let bounds = (tls.min_protocol_version, tls.max_protocol_version);
    if let (Some(min), Some(max)) = bounds
        && max != TlsVersion::TLS_AUTO
        && max < min
    {
        let message = format!("{max:?} is below minProtocolVersion {min:?}: no version is left");
        report.refuse(
            &format!("{path}.maxProtocolVersion"),
            message,
            "write a version that is not below the least",
        );
    }
}

/// Names that the proxy would leave out.
pub(super) fn names(
    all: &[String],
    path: &str,
    what: &str,
    is_known: fn(&str) -> bool,
    report: &mut Report<'_>,
) {
    let mut seen = HashSet::new();
    for (i, name) in all.iter().enumerate() {
        let path = format!("{path}[{i}]");
        if !is_known(name) {
            let message = format!("{name:?} is not a {what} that proxies know; it has no effect");
            report.warn(&path, message, format!("leave it out, or mend the {what}'s name"));
        } else if !seen.insert(name) {
            report.warn(&path, format!("{what} `{name}` is there twice"), "leave it out");
        }
    }
}

/// Known by name, or one of OpenSSL's expressions, such as `-ALL` or `[A|B]`.
pub(super) fn is_cipher_suite(name: &str) -> bool {
    let is_expression = name.chars().next().is_none_or(|c| !c.is_alphanumeric());
    is_expression || name == "ALL" || CIPHER_SUITES.contains(&name)
}

pub(super) fn is_ecdh_curve(name: &str) -> bool {
    name.is_empty() || ECDH_CURVES.contains(&name)
}

fn hashes(tls: &ServerTls, path: &str, report: &mut Report<'_>) {
    for (i, hash) in tls.verify_certificate_hash.iter().enumerate() {
        let digits: String = hash.chars().filter(|c| *c != ':').collect();
        if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            let message = format!("{hash:?} is not a SHA-256 hash in hexadecimal");
            let help = "write its 64 digits, as of: openssl x509 -fingerprint -sha256";
            report.refuse(&format!("{path}.verifyCertificateHash[{i}]"), message, help);
        }
    }
    for (i, hash) in tls.verify_certificate_spki.iter().enumerate() {
        let bytes = base64::engine::general_purpose::STANDARD.decode(hash);
        if bytes.map_or(0, |b| b.len()) != 32 {
            let message = format!("{hash:?} is not a SHA-256 hash in base64");
            let help = "write its 44 characters: the hash of the public key in DER, in base64";
            report.refuse(&format!("{path}.verifyCertificateSpki[{i}]"), message, help);
        }
    }
}
