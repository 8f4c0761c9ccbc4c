//! TLS as a client.

use crate::api::networking::destination_rule::{ClientTls, TlsMode};
use crate::validate::report::{Report, is_label};

/// What begins the name of a credential that is a ConfigMap.
const CONFIG_MAP: &str = "configmap://";

pub(super) fn check(tls: &ClientTls, path: &str, report: &mut Report<'_>) {
    let files = [
        ("clientCertificate", &tls.client_certificate),
        ("privateKey", &tls.private_key),
        ("caCertificates", &tls.ca_certificates),
        ("caCrl", &tls.ca_crl),
    ];
    if let Some(name) = tls.credential_name.strip_prefix(CONFIG_MAP) {
        config_map(name, &format!("{path}.credentialName"), report);
    }
    if tls.mode == TlsMode::IstioMutual {
        let credential = [("credentialName", &tls.credential_name)];
        for (field, _) in files.iter().chain(&credential).filter(|(_, v)| !v.is_empty()) {
            let message = format!("`{field}` under ISTIO_MUTUAL has no effect");
            let help = "the mesh has its own certificates: leave it out, or write MUTUAL";
            report.warn_key(&format!("{path}.{field}"), message, help);
        }
    }
    let by_files_or_credential = matches!(tls.mode, TlsMode::Simple | TlsMode::Mutual);
    if by_files_or_credential && tls.insecure_skip_verify == Some(true) {
        unverified(tls, path, report);
    }
    if by_files_or_credential && !tls.credential_name.is_empty() {
        for (field, _) in files.iter().filter(|(_, v)| !v.is_empty()) {
            let message = format!("`{field}` beside `credentialName`");
            report.refuse_key(
                &format!("{path}.{field}"),
                message,
                "keep one of them: the credential holds all",
            );
        }
    } else if tls.mode == TlsMode::Mutual {
        for (field, _) in files.iter().take(2).filter(|(_, value)| value.is_empty()) {
            let help = "write clientCertificate and privateKey, or credentialName";
            report.refuse(path, format!("MUTUAL without `{field}`"), help);
        }
    }
}

/// What would verify a certificate that is not verified.
fn unverified(tls: &ClientTls, path: &str, report: &mut Report<'_>) {
    let verifies = [
        ("caCertificates", !tls.ca_certificates.is_empty()),
        ("subjectAltNames", !tls.subject_alt_names.is_empty()),
        // Under MUTUAL the credential may hold the client's certificate alone.
        ("credentialName", tls.mode == TlsMode::Simple && !tls.credential_name.is_empty()),
    ];
    for (field, _) in verifies.iter().filter(|(_, is_written)| *is_written) {
        let message = format!("`{field}` verifies nothing beside insecureSkipVerify");
        report.refuse_key(&format!("{path}.{field}"), message, "leave out insecureSkipVerify");
    }
}

/// `configmap://namespace/name`, of the rule's own namespace, which is written all the same.
fn config_map(name: &str, path: &str, report: &mut Report<'_>) {
    let own = &*report.meta.namespace;
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, name),
    };
    if !name.split('.').all(is_label) {
        let message = format!("{name:?} is not the name of a ConfigMap");
        return report.refuse(path, message, format!("write {CONFIG_MAP}{own}/NAME"));
    }
    let help = format!("write {CONFIG_MAP}{own}/{name}, and the ConfigMap beside the rule");
    match namespace {
        None => report.refuse(path, "a ConfigMap without its namespace", help),
        Some(namespace) if namespace != own => {
            report.refuse(path, "a ConfigMap of another namespace", help);
        }
        Some(_) => {}
    }
}
