//! Sidecar: what it listens on must be free of contradictions.
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | a Unix socket to bind without a port | accepted, never listened on | refused | the listener would be missing in silence |
//! | what TLS may say | | | see `server_tls` |

use super::names::{fqdn_error, wildcard_error};
use super::report::{Report, is_label};
use super::{server_tls, traffic_policy};
use crate::api::networking::gateway::{ServerTls, ServerTlsMode};
use crate::api::networking::sidecar::{
    CaptureMode, EgressListener, IngressListener, OutboundMode, OutboundTrafficPolicy,
};
use crate::api::networking::{Port, Sidecar};
use crate::registry::Protocol;
use std::collections::{BTreeMap, BTreeSet, HashSet};
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
        let help = "leave it out, or write the labels of workloads";
        report.workload_labels("spec.workloadSelector", &selector.labels, help);
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
    if let Some(policy) = policy {
        outbound(policy, report);
    }
}

fn outbound(policy: &OutboundTrafficPolicy, report: &mut Report<'_>) {
    if policy.mode == OutboundMode::AllowAnyDynamicDns {
        let help = "write ALLOW_ANY, or say it for the whole mesh in meshConfig.outboundTrafficPolicy";
        report.refuse("spec.outboundTrafficPolicy.mode", "not a mode of a Sidecar", help);
    }
    let Some(proxy) = &policy.egress_proxy else { return };
    let path = "spec.outboundTrafficPolicy.egressProxy";
    if policy.mode != OutboundMode::AllowAny {
        return report.refuse(path, "an egress proxy without mode ALLOW_ANY", "write mode: ALLOW_ANY");
    }
    if let Some(error) = fqdn_error(&proxy.host) {
        let help = "name the proxy's service, such as egress.istio-system.svc.cluster.local";
        report.refuse(&format!("{path}.host"), format!("{:?} is not a host: {error}", proxy.host), help);
    }
    let subset = proxy.subset.as_str();
    if !subset.is_empty() && !is_label(subset) {
        let message = format!("{subset:?} is not the name of a subset");
        report.refuse(&format!("{path}.subset"), message, "a name has up to 63 letters, digits and dashes");
    }
    if proxy.port.is_none() {
        report.refuse(path, "the port is missing", "write port.number");
    }
}

fn ingress(listener: &IngressListener, seen: &mut HashSet<u16>, path: &str, report: &mut Report<'_>) {
    let port = &listener.port;
    if !report.is_written(&format!("{path}.port")) {
        return report.refuse(path, "the port is missing", "write port with its number and protocol");
    }
    report.port_number(&format!("{path}.port.number"), port.number);
    let protocol = protocol(&port.protocol, &format!("{path}.port.protocol"), report);
    port_fits(port, path, "write defaultEndpoint", report);
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
    let pool = listener.connection_pool.as_ref();
    traffic_policy::connection_pool(pool, &format!("{path}.connectionPool"), report);
    if pool.is_some_and(|p| p.http.is_some()) && !protocol.is_some_and(Protocol::is_http) {
        let help = "write port.protocol: HTTP, or leave http out; what tcp says holds";
        report.warn(&format!("{path}.connectionPool.http"), "bounds of HTTP on a port without HTTP", help);
    }
    if let Some(tls) = &listener.tls {
        inbound_tls(tls, protocol, &format!("{path}.tls"), report);
    }
}

fn inbound_tls(tls: &ServerTls, protocol: Option<Protocol>, path: &str, report: &mut Report<'_>) {
    if !protocol.is_some_and(Protocol::is_tls) {
        report.refuse(path, "TLS settings on a port without TLS", "write port.protocol: HTTPS or TLS");
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
        let help = "leave it out; certificates come from serverCertificate, privateKey and caCertificates";
        report.refuse(&format!("{path}.{field}"), "not supported on a Sidecar", help);
    }
    server_tls::check(tls, path, report);
}

/// What any port of a Sidecar may say beside its number and protocol.
fn port_fits(port: &Port, path: &str, instead: &str, report: &mut Report<'_>) {
    if !port.name.is_empty() {
        report.port_name(&format!("{path}.port.name"), &port.name);
    }
    if port.target_port.is_some() {
        report.refuse(&format!("{path}.port.targetPort"), "no effect on a Sidecar", instead);
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
    let bind = format!("{path}.bind");
    match &listener.port {
        None if !is_last => {
            let help = "write it last: what follows is never used";
            report.refuse(path, "a listener without a port before others", help);
        }
        None if listener.bind.starts_with("unix://") => {
            report.refuse(&bind, "a socket without a protocol", "write port.protocol");
        }
        None => report.bind(&bind, &listener.bind),
        Some(port) => {
            protocol(&port.protocol, &format!("{path}.port.protocol"), report);
            port_fits(port, path, "leave it out", report);
            match listener.bind.strip_prefix("unix://") {
                Some(socket) => {
                    report.unix_path(&bind, socket);
                    if port.number != 0 {
                        let help = "leave the number out, or write an IP address to bind";
                        let path = format!("{path}.port.number");
                        report.refuse(&path, "a port's number for a Unix socket", help);
                    }
                    if listener.capture_mode == CaptureMode::Iptables {
                        let path = format!("{path}.captureMode");
                        let help = "write NONE, or leave it out";
                        report.refuse(&path, "a Unix socket is not redirected to", help);
                    }
                }
                None => {
                    report.port_number(&format!("{path}.port.number"), port.number);
                    report.bind(&bind, &listener.bind);
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
    hosts(&listener.hosts, path, report);
}

/// Hosts as `namespace/host`, each of which should add something.
fn hosts(all: &[String], path: &str, report: &mut Report<'_>) {
    if all.is_empty() {
        report.refuse(path, "a listener without hosts", "write hosts, such as ./* or */*");
    }
    let own = report.meta.namespace.to_string();
    let mut selected: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (i, text) in all.iter().enumerate() {
        let path = format!("{path}.hosts[{i}]");
        let Some((namespace, host)) = text.split_once('/') else {
            let message = format!("{text:?} has no namespace");
            report.refuse(&path, message, format!("write ./{text}, */{text} or namespace/{text}"));
            continue;
        };
        host_of(namespace, host, &path, report);
        if is_exclusion(namespace) {
            continue;
        }
        let namespace = if namespace == "." { own.as_str() } else { namespace };
        let before = selected.entry(namespace).or_default();
        let is_known = match host {
            "*" => !before.is_empty(),
            host => before.contains(host) || before.contains("*"),
        };
        if is_known {
            report.warn(&path, format!("`{text}` selects what another entry does"), "keep one of them");
        }
        before.insert(host);
    }
    if selected.get("*").is_some_and(|hosts| hosts.contains("*")) && selected.len() > 1 {
        let help = "leave out the others, or `*/*`";
        report.warn(&format!("{path}.hosts"), "`*/*` beside others: it selects all there is", help);
    }
}

/// Whether hosts of this namespace are left out (`~shop/*`) instead of selected.
fn is_exclusion(namespace: &str) -> bool {
    namespace.starts_with('~') && namespace != "~"
}

fn host_of(namespace: &str, host: &str, path: &str, report: &mut Report<'_>) {
    let of = namespace.strip_prefix('~').filter(|rest| !rest.is_empty()).unwrap_or(namespace);
    let is_none = namespace == "~";
    if !matches!(of, "*" | ".") && !is_none && !is_label(of) {
        let message = format!("{namespace:?} is not a namespace");
        report.refuse(
            path,
            message,
            "write `.`, `*`, `~`, a namespace or `~` and a namespace before the slash",
        );
    }
    if let Some(error) = wildcard_error(host) {
        let help = "write a full name such as reviews.default.svc.cluster.local, *.example.com or *";
        report.refuse(path, format!("{host:?} is not a host: {error}"), help);
    } else if host != "*" && !host.contains('.') {
        let help = format!("write its full name, such as {host}.default.svc.cluster.local");
        report.refuse(path, format!("{host:?} is a short name"), help);
    }
}
