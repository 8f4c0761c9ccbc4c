//! Gateway: servers with hosts, a port and TLS that fits its protocol.

use super::report::Report;
use crate::api::networking::Gateway;
use crate::api::networking::gateway::{Server, ServerTls, ServerTlsMode};
use crate::registry::Protocol;

pub(super) fn check(spec: &Gateway, report: &mut Report<'_>) {
    if spec.servers.is_empty() {
        report.refuse("spec", "a gateway without servers", "write at least one server");
    }
    if spec.selector.is_empty() {
        report.warn("spec", "a gateway without a selector", "write the labels of the gateway's proxies");
    }
    report.selector("spec.selector", &spec.selector);
    let names = spec.servers.iter().enumerate().filter(|(_, s)| !s.port.name.is_empty());
    let names = names.map(|(i, s)| (format!("spec.servers[{i}].port.name"), s.port.name.as_str()));
    report.unique("port", names);
    for (i, one) in spec.servers.iter().enumerate() {
        server(one, &format!("spec.servers[{i}]"), report);
    }
}

fn server(server: &Server, path: &str, report: &mut Report<'_>) {
    if server.hosts.is_empty() {
        report.refuse(path, "a server without hosts", "name its hosts; `*` for all");
    }
    for (i, host) in server.hosts.iter().enumerate() {
        report.scoped_host(&format!("{path}.hosts[{i}]"), host, false);
    }
    let port = &server.port;
    match server.bind.strip_prefix("unix://") {
        Some(socket) => report.unix_path(&format!("{path}.bind"), socket),
        None => {
            report.bind(&format!("{path}.bind"), &server.bind);
            report.port_number(&format!("{path}.port.number"), port.number);
        }
    }
    if port.name.is_empty() {
        report.refuse(
            &format!("{path}.port.name"),
            "the port's name is missing",
            "write a name, such as http",
        );
    }
    if port.target_port.is_some() {
        report.refuse(&format!("{path}.port.targetPort"), "no effect on a gateway", "leave it out");
    }
    if let Some(protocol) = report.protocol(&format!("{path}.port.protocol"), &port.protocol) {
        tls_fits(server, protocol, path, report);
    }
    server_tls(server.tls.as_ref(), &format!("{path}.tls"), report);
}

fn tls_fits(server: &Server, protocol: Protocol, path: &str, report: &mut Report<'_>) {
    match &server.tls {
        None if protocol.is_tls() => {
            report.refuse(path, format!("{protocol} without TLS settings"), "write tls with its mode");
        }
        Some(tls) if !protocol.is_tls() => {
            let only_redirects =
                *tls == ServerTls { https_redirect: tls.https_redirect, ..ServerTls::default() };
            let path = format!("{path}.tls");
            if !protocol.is_http() {
                report.refuse(
                    &path,
                    format!("TLS settings on {protocol}"),
                    "write protocol: TLS, or leave tls out",
                );
            } else if !only_redirects {
                report.refuse(
                    &path,
                    format!("TLS settings on {protocol}"),
                    "write protocol: HTTPS, or leave tls out",
                );
            }
        }
        _ => {}
    }
}

pub(super) fn server_tls(tls: Option<&ServerTls>, path: &str, report: &mut Report<'_>) {
    let Some(tls) = tls else { return };
    let by_file = !tls.server_certificate.is_empty() || !tls.private_key.is_empty();
    let sources = [
        ("serverCertificate", by_file),
        ("credentialName", !tls.credential_name.is_empty()),
        ("credentialNames", !tls.credential_names.is_empty()),
        ("tlsCertificates", !tls.tls_certificates.is_empty()),
    ];
    let written: Vec<&str> = sources.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    if let [first, .., last] = written.as_slice() {
        let message = format!("`{first}` beside `{last}`");
        report.refuse(&format!("{path}.{last}"), message, "certificates come from one place");
    }
    let by_secret = !tls.credential_name.is_empty() || !tls.credential_names.is_empty();
    match tls.mode {
        Some(ServerTlsMode::IstioMutual) => {
            for field in &written {
                let message = format!("`{field}` under ISTIO_MUTUAL");
                report.refuse(&format!("{path}.{field}"), message, "the mesh has its own certificates");
            }
        }
        Some(ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough) => {
            for field in &written {
                let message = format!("`{field}` has no effect where TLS is passed through");
                report.warn(&format!("{path}.{field}"), message, "leave it out");
            }
        }
        Some(mode) if !by_secret => {
            if tls.tls_certificates.is_empty()
                && (tls.server_certificate.is_empty() || tls.private_key.is_empty())
            {
                let help = "write credentialName, or serverCertificate and privateKey";
                report.refuse(path, "a certificate and its key are missing", help);
            }
            let asks = matches!(mode, ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual);
            if asks && tls.ca_certificates.is_empty() {
                report.refuse(path, "the callers' roots are missing", "write caCertificates");
            }
        }
        _ => {}
    }
}
