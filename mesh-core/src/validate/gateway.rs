//! Gateway: servers with hosts, a port and TLS that fits its protocol.
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | an empty `selector` | accepted | warned of | the servers would open on every gateway of the mesh |
//! | `*` in `selector` | accepted | refused | as in every other selector; it selects nothing that was meant |
//! | servers' names that are there twice | accepted, though documented as unique | warned of | statistics and logs could not tell them apart |
//! | what TLS may say | | | see `server_tls` |

use super::names::{is_ip, wildcard_error};
use super::report::{Report, is_label};
use super::server_tls;
use crate::api::networking::Gateway;
use crate::api::networking::gateway::{Server, ServerTls, ServerTlsMode};
use crate::registry::Protocol;
use std::collections::HashSet;

pub(super) fn check(spec: &Gateway, report: &mut Report<'_>) {
    if !is_label(&report.meta.name) {
        let name = report.meta.name.clone();
        let message = format!("{name:?} is not the name of a gateway");
        report.refuse("metadata.name", message, "it is referred to as namespace/name; leave out dots");
    }
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
    let mut seen = HashSet::new();
    for (i, one) in spec.servers.iter().enumerate() {
        let path = format!("spec.servers[{i}]");
        if !one.name.is_empty() && !seen.insert(one.name.as_str()) {
            let message = format!("server `{}` is there twice", one.name);
            report.warn(&format!("{path}.name"), message, "give each a name of its own");
        }
        server(one, &path, report);
    }
}

fn server(server: &Server, path: &str, report: &mut Report<'_>) {
    if server.hosts.is_empty() {
        report.refuse(path, "a server without hosts", "name its hosts; `*` for all");
    }
    for (i, host) in server.hosts.iter().enumerate() {
        host_of(host, &format!("{path}.hosts[{i}]"), report);
    }
    port(server, path, report);
    if let Some(tls) = &server.tls {
        server_tls::check(tls, &format!("{path}.tls"), report);
    }
}

/// `host` or `namespace/host`; the host may be an IP address.
fn host_of(text: &str, path: &str, report: &mut Report<'_>) {
    let host = match text.split_once('/') {
        Some((namespace, host)) => {
            if !matches!(namespace, "*" | ".") && !is_label(namespace) {
                let message = format!("{namespace:?} is not a namespace");
                report.refuse(path, message, "write `.`, `*` or a namespace before the slash");
            }
            host
        }
        None => text,
    };
    if is_ip(host) {
        return;
    }
    if let Some(error) = wildcard_error(host) {
        let help = "write a full name such as shop.example.com, *.example.com, * or an IP address";
        report.refuse(path, format!("{host:?} is not a host: {error}"), help);
    } else if host != "*" && !host.contains('.') {
        let help = format!("write its full name, such as {host}.example.com; `*` for all");
        report.refuse(path, format!("{host:?} is a short name"), help);
    }
}

fn port(server: &Server, path: &str, report: &mut Report<'_>) {
    let port = &server.port;
    let number = format!("{path}.port.number");
    match server.bind.strip_prefix("unix://") {
        Some(socket) => {
            report.unix_path(&format!("{path}.bind"), socket);
            if port.number != 0 {
                report.refuse(&number, "a port's number for a Unix socket", "write number: 0");
            }
        }
        None => {
            report.bind(&format!("{path}.bind"), &server.bind);
            report.port_number(&number, port.number);
        }
    }
    if port.name.is_empty() {
        let help = "write a name, such as http";
        report.refuse(&format!("{path}.port.name"), "the port's name is missing", help);
    }
    if port.target_port.is_some() {
        report.refuse(&format!("{path}.port.targetPort"), "no effect on a gateway", "leave it out");
    }
    if let Some(protocol) = report.protocol(&format!("{path}.port.protocol"), &port.protocol) {
        tls_fits(server, protocol, path, report);
    }
}

fn tls_fits(server: &Server, protocol: Protocol, path: &str, report: &mut Report<'_>) {
    let Some(tls) = &server.tls else {
        if protocol.is_tls() {
            report.refuse(path, format!("{protocol} without TLS settings"), "write tls with its mode");
        }
        return;
    };
    let path = format!("{path}.tls");
    if tls.https_redirect && !protocol.is_http() {
        let help = "write it on a server of protocol HTTP; this one speaks TLS already";
        report.warn(&format!("{path}.httpsRedirect"), "a redirect to HTTPS on a server without HTTP", help);
    }
    if protocol.is_tls() {
        return;
    }
    if !protocol.is_http() {
        let help = "write protocol: TLS, or leave tls out";
        report.refuse(&path, format!("TLS settings on {protocol}"), help);
    } else if !is_only_passed(tls) {
        let help = "write protocol: HTTPS, or leave tls out but for httpsRedirect";
        report.refuse(&path, format!("TLS settings on {protocol}"), help);
    }
}

/// On plain HTTP there is nothing to terminate: a redirect is all that can be said.
fn is_only_passed(tls: &ServerTls) -> bool {
    let passes = matches!(tls.mode, None | Some(ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough));
    let files = [&tls.server_certificate, &tls.private_key, &tls.ca_certificates];
    passes && files.iter().all(|f| f.is_empty())
}
