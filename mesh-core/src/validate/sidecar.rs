//! Sidecar: what it listens on must be free of contradictions.

use super::report::Report;
use super::{gateway, traffic_policy};
use crate::api::networking::Sidecar;
use crate::api::networking::gateway::ServerTlsMode;
use crate::api::networking::sidecar::{CaptureMode, EgressListener, IngressListener, OutboundMode};
use crate::registry::Protocol;
use std::collections::HashSet;
use std::net::SocketAddr;

pub(super) fn check(spec: &Sidecar, report: &mut Report<'_>) {
    let policy = spec.outbound_traffic_policy.as_ref();
    let says_something = !spec.egress.is_empty()
        || !spec.ingress.is_empty()
        || policy.is_some()
        || spec.inbound_connection_pool.is_some();
    if !says_something {
        report.refuse(
            "spec",
            "a Sidecar that says nothing",
            "write egress, ingress or outboundTrafficPolicy",
        );
    }
    if let Some(selector) = &spec.workload_selector {
        report.selector("spec.workloadSelector.labels", &selector.labels);
        if selector.labels.is_empty() {
            let help = "leave it out, or write the labels of workloads";
            report.warn("spec.workloadSelector", "selects every workload of the namespace", help);
        }
    }
    let mut ports = HashSet::new();
    for (i, listener) in spec.ingress.iter().enumerate() {
        ingress(listener, &mut ports, &format!("spec.ingress[{i}]"), report);
    }
    traffic_policy::connection_pool(
        spec.inbound_connection_pool.as_ref(),
        "spec.inboundConnectionPool",
        report,
    );
    let mut ports = HashSet::new();
    for (i, listener) in spec.egress.iter().enumerate() {
        let is_last = i + 1 == spec.egress.len();
        egress(listener, &mut ports, is_last, &format!("spec.egress[{i}]"), report);
    }
    if let Some(proxy) = policy.and_then(|p| p.egress_proxy.as_ref()) {
        let path = "spec.outboundTrafficPolicy.egressProxy";
        if policy.is_none_or(|p| p.mode != OutboundMode::AllowAny) {
            report.refuse(path, "an egress proxy without mode ALLOW_ANY", "write mode: ALLOW_ANY");
        }
        report.host(&format!("{path}.host"), &proxy.host);
        if proxy.port.is_none() {
            report.refuse(path, "the port is missing", "write port.number");
        }
    }
}

fn ingress(listener: &IngressListener, seen: &mut HashSet<u16>, path: &str, report: &mut Report<'_>) {
    let port = &listener.port;
    report.port_number(&format!("{path}.port.number"), port.number);
    let protocol = protocol(&port.protocol, &format!("{path}.port.protocol"), report);
    if port.target_port.is_some() {
        report.refuse(&format!("{path}.port.targetPort"), "no effect on a Sidecar", "write defaultEndpoint");
    }
    report.bind(&format!("{path}.bind"), &listener.bind);
    if port.number != 0 && !seen.insert(port.number) {
        let message = format!("port {} is there twice", port.number);
        report.refuse(&format!("{path}.port.number"), message, "write each port once");
    }
    let at = format!("{path}.defaultEndpoint");
    let endpoint = listener.default_endpoint.as_str();
    if let Some(socket) = endpoint.strip_prefix("unix://") {
        report.unix_path(&at, socket);
    } else if !endpoint.is_empty() && !is_local(endpoint) {
        let help = "write 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT or unix:///path";
        report.refuse(&at, format!("{endpoint:?} is not where the workload itself listens"), help);
    }
    traffic_policy::connection_pool(
        listener.connection_pool.as_ref(),
        &format!("{path}.connectionPool"),
        report,
    );
    if let Some(tls) = &listener.tls {
        let path = format!("{path}.tls");
        if protocol.is_some_and(|p| !p.is_tls()) {
            report.refuse(&path, "TLS settings on a port without TLS", "write protocol: HTTPS or TLS");
        }
        if matches!(tls.mode, Some(ServerTlsMode::IstioMutual | ServerTlsMode::AutoPassthrough)) {
            report.refuse(&format!("{path}.mode"), "not a mode of a Sidecar", "write SIMPLE or MUTUAL");
        }
        let refused = [
            ("httpsRedirect", tls.https_redirect),
            ("credentialName", !tls.credential_name.is_empty()),
            ("credentialNames", !tls.credential_names.is_empty()),
            ("subjectAltNames", !tls.subject_alt_names.is_empty()),
            ("tlsCertificates", !tls.tls_certificates.is_empty()),
        ];
        for (field, _) in refused.iter().filter(|(_, is)| *is) {
            report.refuse(&format!("{path}.{field}"), "not supported on a Sidecar", "leave it out");
        }
        gateway::server_tls(Some(tls), &path, report);
    }
}

/// Undeclared is legal, and means that the first bytes decide.
fn protocol(text: &str, path: &str, report: &mut Report<'_>) -> Option<Protocol> {
    if text.is_empty() { None } else { report.protocol(path, text) }
}

/// `127.0.0.1`, `[::1]`, or all addresses, which mean the workload's own; `:PORT` is the first of these.
fn is_local(endpoint: &str) -> bool {
    if let Some(port) = endpoint.strip_prefix(':') {
        return port.parse::<u16>().is_ok_and(|p| p > 0);
    }
    let local = |a: SocketAddr| a.port() > 0 && (a.ip().is_unspecified() || is_one_of_two(a));
    endpoint.parse().is_ok_and(local)
}

/// Of all loopback addresses, Istio takes the first of each family.
fn is_one_of_two(address: SocketAddr) -> bool {
    matches!(address.ip().to_string().as_str(), "127.0.0.1" | "::1")
}

fn egress(
    listener: &EgressListener,
    seen: &mut HashSet<(u16, String)>,
    is_last: bool,
    path: &str,
    report: &mut Report<'_>,
) {
    match &listener.port {
        None if !is_last => {
            let help = "write it last: what follows is never used";
            report.refuse(path, "a listener without a port before others", help);
        }
        None if listener.bind.starts_with("unix://") => {
            report.refuse(&format!("{path}.bind"), "a socket without a protocol", "write port.protocol");
        }
        None => report.bind(&format!("{path}.bind"), &listener.bind),
        Some(port) => {
            protocol(&port.protocol, &format!("{path}.port.protocol"), report);
            match listener.bind.strip_prefix("unix://") {
                Some(socket) => {
                    report.unix_path(&format!("{path}.bind"), socket);
                    if listener.capture_mode == CaptureMode::Iptables {
                        let help = "write NONE, or leave it out";
                        report.refuse(
                            &format!("{path}.captureMode"),
                            "a Unix socket is not redirected to",
                            help,
                        );
                    }
                }
                None => {
                    report.port_number(&format!("{path}.port.number"), port.number);
                    report.bind(&format!("{path}.bind"), &listener.bind);
                }
            }
            let key = match port.number {
                0 => (0, listener.bind.clone()),
                number => (number, String::new()),
            };
            if !seen.insert(key) {
                report.refuse(&format!("{path}.port"), "this port is there twice", "write each port once");
            }
        }
    }
    if listener.hosts.is_empty() {
        report.refuse(path, "a listener without hosts", "write hosts, such as ./* or */*");
    }
    for (i, host) in listener.hosts.iter().enumerate() {
        report.scoped_host(&format!("{path}.hosts[{i}]"), host, true);
    }
}
