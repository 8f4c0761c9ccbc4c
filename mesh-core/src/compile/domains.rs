//! The domains of a virtual host: every way in which a caller may write the name of a service.

use crate::registry::Service;
use ipnet::IpNet;
use std::collections::HashSet;

/// Whether domains are written with the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WithPort {
    /// The table ignores ports.
    Never,
    /// `reviews` and `reviews:9080`.
    Both(u16),
}

/// The domains of a service, and those of them that are short forms of its name.
pub(super) struct Domains {
    pub(super) all: Vec<String>,
    /// A short form of one service may be the full name of another, which then keeps it.
    pub(super) short: HashSet<String>,
}

/// `reviews.default.svc.cluster.local`, and for callers of that cluster `reviews.default.svc`,
/// `reviews.default`, and in the same namespace `reviews`; then its addresses.
pub(super) fn of_service(service: &Service, namespace: &str, domain: &str, port: WithPort) -> Domains {
    let host = service.host.as_str();
    let mut all = Vec::new();
    push(&mut all, host, port);
    let mut short = Vec::new();
    for form in short_forms(host, namespace, domain) {
        push(&mut short, &form, port);
    }
    all.extend(short.iter().cloned());
    // The pods of a headless service have names below its own.
    if service.is_headless() && !host.starts_with('*') {
        let below: Vec<String> = all.iter().map(|d| format!("*.{d}")).collect();
        all.extend(below);
    }
    for address in &service.addresses {
        if let Some(ip) = single(address) {
            push(&mut all, &bracketed(&ip), port);
        }
    }
    Domains { all, short: short.into_iter().collect() }
}

/// The domains of a host that no service has.
pub(super) fn of_host(host: &str, port: WithPort) -> Vec<String> {
    let mut all = Vec::new();
    push(&mut all, host, port);
    all
}

/// The short forms of a Kubernetes service's name, for a caller in a namespace.
pub(super) fn short_forms(host: &str, namespace: &str, domain: &str) -> Vec<String> {
    let Some(stem) = host.strip_suffix(domain).and_then(|h| h.strip_suffix(".svc.")) else { return vec![] };
    let Some((name, of)) = stem.split_once('.') else { return vec![] };
    let mut forms = Vec::new();
    if of == namespace {
        forms.push(name.to_owned());
    }
    forms.push(stem.to_owned());
    forms.push(format!("{stem}.svc"));
    forms
}

fn push(all: &mut Vec<String>, name: &str, port: WithPort) {
    all.push(name.to_owned());
    if let WithPort::Both(port) = port {
        all.push(format!("{name}:{port}"));
    }
}

/// The one address of a network, if it is one.
pub(super) fn single(net: &IpNet) -> Option<String> {
    (net.prefix_len() == net.max_prefix_len()).then(|| net.addr().to_string())
}

fn bracketed(ip: &str) -> String {
    if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() }
}
